#include "config/parse.h"

#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <syslog.h>

#include "base/setting.h"
#include "base/url.h"
#include "config/config.h"
#include "jose/algorithm.h"

#define DAY_S 86400

const char *parse_text(const char *value, void *ret_member)
{
    char **text = ret_member;

    free(*text);
    *text = *value ? strdup(value) : NULL;
    return !*value || *text ? NULL : "out of memory";
}

const char *parse_path(const char *value, void *ret_member)
{
    const char *expected = setting_expects_path(value);

    return expected ? expected : parse_text(value, ret_member);
}

const char *parse_complete_url(const char *value, void *ret_member)
{
    return *value && !url_is_complete(value) ? "an https:// URL without fragment"
                                             : parse_text(value, ret_member);
}

const char *parse_url(const char *value, void *ret_member)
{
    const char *expected = setting_expects_url(value);

    return expected ? expected : parse_text(value, ret_member);
}

const char *parse_socket(const char *value, void *ret_member)
{
    const size_t max = sizeof(((struct sockaddr_un *)0)->sun_path) - 1;

    return strlen(value) > max ? "a path of at most 107 bytes" : parse_path(value, ret_member);
}

/* Whether the address is one, the program finds out that listens there. */
const char *parse_listen(const char *value, void *ret_member)
{
    const char *port = strrchr(value, ':');
    size_t digits = port ? strspn(port + 1, "0123456789") : 0;

    return port && port > value && digits >= 1 && digits <= 5 && !port[1 + digits] &&
                   atoi(port + 1) >= 1 && atoi(port + 1) <= 65535
               ? parse_text(value, ret_member)
               : "an address and a port, such as 127.0.0.1:9464 or [::1]:9464";
}

/* A JWT for this service and for another one is refused, so there is no list to write. */
const char *parse_audience(const char *value, void *ret_member)
{
    char **audience = ret_member;

    if (*audience)
        return "one audience, but it is set twice";
    return value[strcspn(value, " \t\"'")] ? "one audience, without blanks and quotes"
                                           : parse_text(value, ret_member);
}

/* Kubernetes makes the uid of a node, and writes it in this form. */
const char *parse_uid(const char *value, void *ret_member)
{
    static const char form[] = "00000000-0000-0000-0000-000000000000";
    bool is_uid = strlen(value) == strlen(form);

    for (size_t i = 0; is_uid && form[i]; i++)
        is_uid =
            form[i] == '-' ? value[i] == '-' : value[i] && strchr("0123456789abcdef", value[i]);
    return !*value || is_uid
               ? parse_text(value, ret_member)
               : "a uid, as kubectl get node NAME -o jsonpath={.metadata.uid} prints it";
}

const char *parse_cache_key(const char *value, void *ret_member)
{
    static const char credential[] = "credential:";
    const char *name = value + strlen(credential);
    bool is_credential = strncmp(value, credential, strlen(credential)) == 0;

    if (is_credential && (!*name || strchr(name, '/') || *name == '.'))
        return "credential: followed by a name";
    if (!is_credential && strcmp(value, "runtime") != 0 && strncmp(value, "file:/", 6) != 0)
        return "runtime, credential: followed by a name, or file: followed by a path";
    return parse_text(value, ret_member);
}

const char *parse_yes_or_no(const char *value, void *ret_member)
{
    bool *flag = ret_member;

    *flag = strcmp(value, "yes") == 0;
    return *flag || strcmp(value, "no") == 0 ? NULL : "yes or no";
}

static const char *parse_number(const char *value, unsigned long min, unsigned long max,
                                const char *expected, void *ret_member)
{
    char *end = NULL;
    unsigned long number = *value >= '0' && *value <= '9' ? strtoul(value, &end, 10) : 0;

    if (!end || *end || number < min || number > max)
        return expected;
    *(uint32_t *)ret_member = (uint32_t)number;
    return NULL;
}

const char *parse_cache_rows(const char *value, void *ret_member)
{
    return parse_number(value, 1, CACHE_ROWS_MAX, "a number from 1 to 1000000", ret_member);
}

const char *parse_limit(const char *value, void *ret_member)
{
    return parse_number(value, 0, 1000000, "a number up to 1000000, or 0 for no limit", ret_member);
}

const char *parse_burst(const char *value, void *ret_member)
{
    return parse_number(value, 1, 1000000, "a number from 1 to 1000000", ret_member);
}

const char *parse_timeout(const char *value, void *ret_member)
{
    return setting_seconds(value, 1, DAY_S, ret_member) == 0 ? NULL : "a time span from 1s to 1d";
}

const char *parse_log_level(const char *value, void *ret_member)
{
    static const char *const names[] = {[LOG_ERR] = "error",
                                        [LOG_WARNING] = "warning",
                                        [LOG_NOTICE] = "notice",
                                        [LOG_INFO] = "info",
                                        [LOG_DEBUG] = "debug"};

    for (int level = LOG_ERR; level <= LOG_DEBUG; level++) {
        if (strcmp(names[level], value) == 0) {
            *(int *)ret_member = level;
            return NULL;
        }
    }
    return "error, warning, notice, info or debug";
}

const char *parse_review(const char *value, void *ret_member)
{
    static const char interval[] = "interval:";
    struct review_config *review = ret_member;
    uint64_t interval_s = 0;

    review->mode = REVIEW_OFF; /* also if the value is not valid */
    if (strcmp(value, "off") == 0)
        return NULL;
    if (strcmp(value, "miss") == 0) {
        review->mode = REVIEW_MISS;
        return NULL;
    }
    if (strncmp(value, interval, strlen(interval)) != 0 ||
        setting_seconds(value + strlen(interval), 1, DAY_S, &interval_s) < 0)
        return "off, miss, or interval: followed by a time span from 1s to 1d";
    review->mode = REVIEW_INTERVAL;
    review->interval_s = interval_s;
    return NULL;
}

const char *parse_attestation(const char *value, void *ret_member)
{
    static const char *const names[] = {[ATTESTATION_ENFORCE] = "enforce",
                                        [ATTESTATION_AUDIT] = "audit",
                                        [ATTESTATION_OFF] = "off"};

    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(names[i], value) == 0) {
            *(enum attestation *)ret_member = i;
            return NULL;
        }
    }
    return "enforce, audit or off";
}

const char *parse_algorithms(const char *value, void *ret_member)
{
    return algorithms_parse(value, " \t", ret_member) == 0
               ? NULL
               : "one or more, separated by blanks, of RS256 RS384 RS512 PS256 PS384 PS512 ES256 "
                 "ES384 ES512";
}

const char *parse_provider(const char *value, void *ret_member)
{
    const struct provider **provider = ret_member;

    *provider = provider_find(value);
    return *provider ? NULL : provider_names();
}

const char *parse_share(const char *value, void *ret_member)
{
    enum share *share = ret_member;

    *share = strcmp(value, "pod") == 0 ? SHARE_POD : SHARE_SERVICEACCOUNT;
    return *share == SHARE_POD || strcmp(value, "serviceaccount") == 0 ? NULL
                                                                       : "serviceaccount or pod";
}
