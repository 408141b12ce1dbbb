/* The only URLs that podlogin asks for: https, a host, no credentials, query or fragment. */
#ifndef URL_H
#define URL_H

#include <stdbool.h>

bool url_is_https(const char *text);

/* The length without the slash that may stand at the end: paths are appended with one. */
int url_length(const char *url);

#endif
