/* A server's explanation of an error, made safe for logs: printable, bounded, without secrets. */
#ifndef PROVIDER_DETAIL_H
#define PROVIDER_DETAIL_H

#include <stddef.h>

#define DETAIL_SIZE 256 /* bytes, with the NUL */

/*
 * Appends @text from a server to @detail, a C string, truncated to fit. Replaces control characters
 * and non-ASCII bytes with '?'. Replaces runs of more than 40 characters that a token can have with
 * "[...]", because a server may quote the JWT that it was sent.
 */
void detail_add(char detail[DETAIL_SIZE], const char *text);

/*
 * Replaces each part of @detail that quotes @secret, @len bytes, with "[...]": 8 or more successive
 * characters of it, with whatever else is in between.
 */
void detail_hide(char detail[DETAIL_SIZE], const void *secret, size_t len);

/* Appends @before and @number, in the same way. */
void detail_add_number(char detail[DETAIL_SIZE], const char *before, long number);

#endif
