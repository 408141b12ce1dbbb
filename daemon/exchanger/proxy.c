#include "exchanger/proxy.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

/* Those that libcurl reads for https, in its order. */
static const char *const variables[] = {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"};

static void url_donep(CURLU **url)
{
    curl_url_cleanup(*url);
}

/* Returns the variable that libcurl uses, or NULL. */
static const char *variable_in_use(void)
{
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
        const char *value = getenv(variables[i]);

        if (value && *value)
            return variables[i];
    }
    return NULL;
}

/* Returns whether the part is missing, or is @allowed. */
static bool is_absent(CURLU *url, CURLUPart part, const char *allowed)
{
    char *text = NULL;
    bool is = curl_url_get(url, part, &text, 0) != CURLUE_OK || strcmp(text, allowed) == 0;

    curl_free(text);
    return is;
}

static bool is_proxy(CURLU *url, const char *value)
{
    return curl_url_set(url, CURLUPART_URL, value, CURLU_GUESS_SCHEME | CURLU_NON_SUPPORT_SCHEME) ==
               CURLUE_OK &&
           is_absent(url, CURLUPART_PATH, "/") && is_absent(url, CURLUPART_QUERY, "") &&
           is_absent(url, CURLUPART_FRAGMENT, "");
}

const char *proxy_check(void)
{
    CLEANUP(url_donep) CURLU *url = curl_url();
    const char *variable = variable_in_use();

    return !variable || (url && is_proxy(url, getenv(variable))) ? NULL : variable;
}

/* Returns whether @text has the proxy's password in it, as it is written or decoded. */
static bool shows_password(const char *text)
{
    CLEANUP(url_donep) CURLU *url = curl_url();
    const char *variable = variable_in_use();
    bool shows = false;

    if (!variable || !url || !is_proxy(url, getenv(variable)))
        return false;
    for (unsigned flags = 0; flags <= CURLU_URLDECODE; flags += CURLU_URLDECODE) {
        char *password = NULL;

        if (curl_url_get(url, CURLUPART_PASSWORD, &password, flags) == CURLUE_OK)
            shows = shows || (*password && strstr(text, password));
        curl_free(password);
    }
    return shows;
}

void proxy_describe(CURLcode code, const char *text, char *ret_detail, size_t size)
{
    const char *variable = proxy_check();

    if (!*text || variable || shows_password(text))
        text = curl_easy_strerror(code);
    if (variable)
        snprintf(ret_detail, size, "%s; %s is not the URL of a proxy", text, variable);
    else
        snprintf(ret_detail, size, "%s", text);
}
