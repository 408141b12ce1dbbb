/* Prints results to standard output, and errors, one line each, to standard error. */
#ifndef COMMAND_PRINT_H
#define COMMAND_PRINT_H

#include "library/podlogin.h"
#include "text/text.h"

/* Writes @text to standard output. Returns EXIT_CODE_OK, or prints an error: EXIT_CODE_FAULT. */
int print(const char *text);

/* Prints the C string in @buffer as print() does, and wipes all @size bytes. */
int print_secret(char *buffer, size_t size);

/* Prints @problem with @what, an argument or NULL. Returns EXIT_CODE_USAGE. */
int usage(const char *problem, const char *what);

/*
 * Prints @what was asked for, the name of @status, and the explanation of @login, which may be
 * NULL. Returns the exit code of @status.
 */
int report(const struct podlogin *login, const char *what, enum podlogin_status status);

#endif
