/* Bodies of type application/x-www-form-urlencoded. */
#ifndef STANDIN_FORM_H
#define STANDIN_FORM_H

#include <jansson.h>
#include <stddef.h>

/*
 * Returns an object of strings that the caller owns, or NULL for a malformed escape, a NUL, invalid
 * UTF-8, or a repeated name (RFC 6749, section 3.2).
 */
json_t *form_parse(const char *body, size_t len);

/*
 * Returns one name or value of a form, decoded, which the caller frees, or NULL when it is
 * malformed.
 */
char *form_decode(const char *text, size_t len);

#endif
