#include "base/url.h"

#include <string.h>
#include <strings.h>

#define SCHEME     "https://"
#define SCHEME_LEN (sizeof(SCHEME) - 1)

static bool is_https(const char *text, const char *excluded)
{
    const char *host = text + SCHEME_LEN;

    if (strncmp(text, SCHEME, SCHEME_LEN) != 0 || strlen(text) > 512)
        return false;
    for (const char *at = host; *at; at++)
        if (*at <= 0x20 || *at >= 0x7f || strchr(excluded, *at))
            return false;
    return strcspn(host, "/:?") > 0;
}

bool url_is_https(const char *text)
{
    return is_https(text, "?#@\"<>\\^`{|}");
}

bool url_is_complete(const char *text)
{
    return is_https(text, "#@\"<>\\^`{|}");
}

/* Returns the length of host and port, without the default port. */
static size_t authority_length(const char *host)
{
    static const char port[] = ":443";
    size_t len = strcspn(host, "/?"), port_len = sizeof(port) - 1;

    return len > port_len && strncmp(host + len - port_len, port, port_len) == 0 ? len - port_len
                                                                                 : len;
}

bool url_is_same_origin(const char *a, const char *b)
{
    const char *host_a = a + SCHEME_LEN, *host_b = b + SCHEME_LEN;

    return url_is_complete(a) && url_is_complete(b) &&
           authority_length(host_a) == authority_length(host_b) &&
           strncasecmp(host_a, host_b, authority_length(host_a)) == 0;
}

int url_length(const char *url)
{
    size_t len = strlen(url);

    return (int)(len > 0 && url[len - 1] == '/' ? len - 1 : len);
}
