/* What the command prints: results on standard output, one line about an error on standard error.
 */
#ifndef PRINT_H
#define PRINT_H

#include "library/podlogin.h"
#include "text/text.h"

/* Writes @text to standard output. Returns EXIT_CODE_OK, or EXIT_CODE_FAULT (and says why). */
int print(const char *text);

/* Says that @what (NULL: nothing in particular) is wrong usage, and why. Returns EXIT_CODE_USAGE.
 */
int usage(const char *problem, const char *what);

/* Says what happened to @what, why, and what to do. Returns the exit code of @status. */
int report(const struct podlogin *login, const char *what, enum podlogin_status status);

#endif
