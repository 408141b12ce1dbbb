/* The only URLs that podlogin asks for: https, a host, no credentials, query or fragment. */
#ifndef URL_H
#define URL_H

#include <stdbool.h>

bool url_is_https(const char *text);

#endif
