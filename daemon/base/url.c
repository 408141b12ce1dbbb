#include "base/url.h"

#include <string.h>

static bool is_https(const char *text, const char *excluded)
{
    static const char scheme[] = "https://";
    const char *host = text + sizeof(scheme) - 1;

    if (strncmp(text, scheme, sizeof(scheme) - 1) != 0 || strlen(text) > 512)
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

int url_length(const char *url)
{
    size_t len = strlen(url);

    return (int)(len > 0 && url[len - 1] == '/' ? len - 1 : len);
}
