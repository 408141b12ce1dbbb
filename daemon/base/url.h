/* URLs. podlogin fetches only https URLs with a host, without credentials or fragment. */
#ifndef BASE_URL_H
#define BASE_URL_H

#include <stdbool.h>

/* Returns whether @text is such a URL without a query, of at most 512 bytes of printable ASCII. */
bool url_is_https(const char *text);

/* The same for a URL that is fetched as it is: it may have a query. */
bool url_is_complete(const char *text);

/*
 * Returns whether both are such URLs, with the same host and port (RFC 6454). The texts of host and
 * port must be equal; upper case and ":443" make no difference. Every parser of URLs therefore
 * finds the same server in both.
 */
bool url_is_same_origin(const char *a, const char *b);

/* Returns the length of @url without a final slash: paths that are appended begin with one. */
int url_length(const char *url);

#endif
