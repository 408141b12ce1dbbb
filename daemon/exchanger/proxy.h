/* The proxy in the environment, which libcurl uses, and whose password no text may show. */
#ifndef EXCHANGER_PROXY_H
#define EXCHANGER_PROXY_H

#include <curl/curl.h>
#include <stddef.h>

/*
 * Returns the name of the variable that sets the proxy but is not the URL of one, constant; NULL if
 * it is, or if there is none. libcurl cuts such a URL in places where parts of the password become
 * the name of a host.
 */
const char *proxy_check(void);

/*
 * Describes the error @code of curl. @text, what curl says about it, is left out if it could show a
 * part of the proxy's password; "": curl says nothing.
 */
void proxy_describe(CURLcode code, const char *text, char *ret_detail, size_t size);

#endif
