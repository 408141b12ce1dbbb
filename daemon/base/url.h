/* URLs. podlogin fetches only https URLs with a host, without credentials or fragment. */
#ifndef BASE_URL_H
#define BASE_URL_H

#include <stdbool.h>

/* Returns whether @text is such a URL without a query, of at most 512 bytes of printable ASCII. */
bool url_is_https(const char *text);

/* The same for a URL that is fetched as it is: it may have a query. */
bool url_is_complete(const char *text);

/* Returns the length of @url without a final slash: paths that are appended begin with one. */
int url_length(const char *url);

#endif
