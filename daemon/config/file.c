#include "config/file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "base/setting.h"
#include "jose/algorithm.h"
#include "protocol/messages.h"

#define DAY_S 86400

/* Stores @value in the member. Returns NULL, or what is expected if @value is not valid. */
typedef const char *(*setting_parser)(const char *value, void *ret_member);

struct setting {
    const char *key;
    setting_parser parse;
    size_t offset;
};

static const char *parse_text(const char *value, void *ret_member)
{
    char **text = ret_member;

    free(*text);
    *text = *value ? strdup(value) : NULL;
    return !*value || *text ? NULL : "out of memory";
}

static const char *parse_path(const char *value, void *ret_member)
{
    const char *expected = setting_expects_path(value);

    return expected ? expected : parse_text(value, ret_member);
}

static const char *parse_url(const char *value, void *ret_member)
{
    const char *expected = setting_expects_url(value);

    return expected ? expected : parse_text(value, ret_member);
}

static const char *parse_cache_key(const char *value, void *ret_member)
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

static const char *parse_yes_or_no(const char *value, void *ret_member)
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

static const char *parse_cache_rows(const char *value, void *ret_member)
{
    return parse_number(value, 1, CACHE_ROWS_MAX, "a number from 1 to 1000000", ret_member);
}

static const char *parse_limit(const char *value, void *ret_member)
{
    return parse_number(value, 0, 1000000, "a number up to 1000000, or 0 for no limit", ret_member);
}

static const char *parse_burst(const char *value, void *ret_member)
{
    return parse_number(value, 1, 1000000, "a number from 1 to 1000000", ret_member);
}

static const char *parse_timeout(const char *value, void *ret_member)
{
    return setting_seconds(value, 1, DAY_S, ret_member) == 0 ? NULL : "a time span from 1s to 1d";
}

static const char *parse_log_level(const char *value, void *ret_member)
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

static const char *parse_review(const char *value, void *ret_member)
{
    static const char interval[] = "interval:";
    struct review_config *review = ret_member;

    review->mode = strcmp(value, "miss") == 0 ? REVIEW_MISS : REVIEW_OFF;
    if (review->mode == REVIEW_MISS || strcmp(value, "off") == 0)
        return NULL;
    review->mode = REVIEW_INTERVAL;
    return strncmp(value, interval, strlen(interval)) == 0 &&
                   setting_seconds(value + strlen(interval), 1, DAY_S, &review->interval_s) == 0
               ? NULL
               : "off, miss, or interval: followed by a time span from 1s to 1d";
}

static const char *parse_attestation(const char *value, void *ret_member)
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

static const char *parse_algorithms(const char *value, void *ret_member)
{
    return algorithms_parse(value, " \t", ret_member) == 0
               ? NULL
               : "one or more of RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512";
}

static const char *parse_provider(const char *value, void *ret_member)
{
    const struct provider **provider = ret_member;

    *provider = provider_find(value);
    return *provider ? NULL : provider_names();
}

static const char *parse_share(const char *value, void *ret_member)
{
    enum share *share = ret_member;

    *share = strcmp(value, "pod") == 0 ? SHARE_POD : SHARE_SERVICEACCOUNT;
    return *share == SHARE_POD || strcmp(value, "serviceaccount") == 0 ? NULL
                                                                       : "serviceaccount or pod";
}

static int set(const struct setting *settings, void *target, const struct ini_line *line,
               char *ret_error, size_t size)
{
    for (; settings->key; settings++) {
        const char *expected;

        if (strcmp(settings->key, line->key) != 0)
            continue;
        expected = settings->parse(line->value, (char *)target + settings->offset);
        if (expected)
            return setting_wrong(ret_error, size, "%s=%.64s is not valid; expected %s", line->key,
                                 line->value, expected);
        return 0;
    }
    return setting_wrong(ret_error, size, "[%.64s] has no setting %.64s=", line->section,
                         line->key);
}

static const struct setting daemon_settings[] = {
    {"Socket", parse_path, offsetof(struct config, socket)},
    {"Cache", parse_path, offsetof(struct config, cache)},
    {"CacheKey", parse_cache_key, offsetof(struct config, cache_key)},
    {"CacheKeyBesideCache", parse_yes_or_no, offsetof(struct config, is_key_beside_allowed)},
    {"CacheRows", parse_cache_rows, offsetof(struct config, cache_rows)},
    {"PeerAttestation", parse_attestation, offsetof(struct config, attestation)},
    {"NodeTokenFile", parse_path, offsetof(struct config, node_token_file)},
    {"NodeUID", parse_text, offsetof(struct config, node_uid)},
    {"LogLevel", parse_log_level, offsetof(struct config, log_level)},
    {0},
};

static const struct setting limit_settings[] = {
    {"Connections", parse_burst, offsetof(struct limits, connections)},
    {"ConnectionsPerPod", parse_limit, offsetof(struct limits, connections_per_pod)},
    {"RequestsPerPod", parse_limit, offsetof(struct limits, requests.per_s)},
    {"RequestsPerPodBurst", parse_burst, offsetof(struct limits, requests.burst)},
    {"SignatureChecksPerPod", parse_limit, offsetof(struct limits, signature_checks.per_s)},
    {"SignatureChecksPerPodBurst", parse_burst, offsetof(struct limits, signature_checks.burst)},
    {"MissesPerPod", parse_limit, offsetof(struct limits, misses)},
    {"FrameTimeout", parse_timeout, offsetof(struct limits, frame_timeout_s)},
    {"IdleTimeout", parse_timeout, offsetof(struct limits, idle_timeout_s)},
    {0},
};

static const struct setting issuer_settings[] = {
    {"URL", parse_url, offsetof(struct issuer_config, url)},
    {"Algorithms", parse_algorithms, offsetof(struct issuer_config, algorithms)},
    {"KeysURL", parse_url, offsetof(struct issuer_config, keys_url)},
    {"KeysFile", parse_path, offsetof(struct issuer_config, keys_file)},
    {"CAFile", parse_path, offsetof(struct issuer_config, ca_file)},
    {"TokenReview", parse_review, offsetof(struct issuer_config, review)},
    {"APIServer", parse_url, offsetof(struct issuer_config, review.api_server)},
    {"APIServerCAFile", parse_path, offsetof(struct issuer_config, review.ca_file)},
    {"APIServerTokenFile", parse_path, offsetof(struct issuer_config, review.token_file)},
    {0},
};

static const struct setting service_settings[] = {
    {"Provider", parse_provider, offsetof(struct service, provider)},
    {"Issuer", parse_text, offsetof(struct service, issuer_name)},
    {"Audience", parse_text, offsetof(struct service, audience)},
    {"CAFile", parse_path, offsetof(struct service, ca_file)},
    {"Share", parse_share, offsetof(struct service, share)},
    {0},
};

static int no_section(const struct ini_line *line, const char *expected, char *ret_error,
                      size_t size)
{
    return setting_wrong(ret_error, size, "unknown section [%.64s]; expected %s", line->section,
                         expected);
}

static int on_daemon_line(void *data, const struct ini_line *line, char *ret_error, size_t size)
{
    struct config *config = data;
    bool is_daemon = strcmp(line->section, "Daemon") == 0;

    if ((!is_daemon && strcmp(line->section, "Limits") != 0) || line->name)
        return no_section(line, "[Daemon] or [Limits]", ret_error, size);
    if (!line->key)
        return 0;
    return is_daemon ? set(daemon_settings, config, line, ret_error, size)
                     : set(limit_settings, &config->limits, line, ret_error, size);
}

static int on_issuer_line(void *data, const struct ini_line *line, char *ret_error, size_t size)
{
    if (strcmp(line->section, "Issuer") != 0 || line->name)
        return no_section(line, "[Issuer]", ret_error, size);
    return line->key ? set(issuer_settings, data, line, ret_error, size) : 0;
}

static int is_rule_section(const char *section)
{
    return strcmp(section, "Allow") == 0 || strcmp(section, "Deny") == 0;
}

static int on_rule_line(struct service *service, const struct ini_line *line, char *ret_error,
                        size_t size)
{
    struct policy *policy = &service->policy;
    const char *reason;
    int r;

    if (!line->key)
        return policy_add_section(policy, line->name ? line->name : "",
                                  strcmp(line->section, "Deny") == 0)
                   ? 0
                   : -ENOMEM;
    r = rule_section_add(&policy->sections[policy->n_sections - 1], line->key, line->value,
                         &reason);
    return r == -EINVAL ? setting_wrong(ret_error, size, "%s", reason) : r;
}

static bool has_setting(const struct setting *settings, const char *key)
{
    while (settings->key && strcmp(settings->key, key) != 0)
        settings++;
    return settings->key;
}

static int on_provider_line(struct service *service, const struct ini_line *line, char *ret_error,
                            size_t size)
{
    const struct provider_setting *settings = service->provider->settings;
    const char *expected;
    size_t i = 0;

    while (settings[i].name && strcmp(settings[i].name, line->key) != 0)
        i++;
    if (!settings[i].name)
        return setting_wrong(
            ret_error, size, "[%.64s] has no setting %.64s=%s", line->section, line->key,
            has_setting(service_settings, line->key) ? "; it belongs in [Service]" : "");
    expected = settings[i].expects(line->value);
    if (expected)
        return setting_wrong(ret_error, size, "%s=%.64s is not valid; expected %s", line->key,
                             line->value, expected);
    service->provider_lines[i] = line->number;
    return parse_text(line->value, &service->provider_settings[i]) ? -ENOMEM : 0;
}

static int on_service_line(void *data, const struct ini_line *line, char *ret_error, size_t size)
{
    struct service *service = data;

    if (is_rule_section(line->section))
        return on_rule_line(service, line, ret_error, size);
    if (strcmp(line->section, "Service") == 0 && !line->name)
        return line->key ? set(service_settings, service, line, ret_error, size) : 0;
    if (!service->provider)
        return setting_wrong(ret_error, size, "[Service] with Provider= must come before [%.64s]",
                             line->section);
    if (strcmp(line->section, service->provider->section) == 0 && !line->name)
        return line->key ? on_provider_line(service, line, ret_error, size) : 0;
    return no_section(line, "[Service], the provider's section, [Allow \"...\"] or [Deny \"...\"]",
                      ret_error, size);
}

static int line_fault(char ret_error[INI_ERROR_MAX], const char *path, int line, const char *reason)
{
    return setting_wrong(ret_error, INI_ERROR_MAX, "%s:%d: %s", path, line, reason);
}

static int file_fault(char ret_error[INI_ERROR_MAX], const char *path, const char *reason)
{
    return line_fault(ret_error, path, 1, reason);
}

/* Lets the provider check its settings together. */
static int check_provider(const char *path, const struct service *service,
                          char ret_error[INI_ERROR_MAX])
{
    const struct provider_values values = service_values(service);
    char reason[INI_ERROR_MAX / 2];
    size_t blamed;

    if (service->provider->check(&values, &blamed, reason, sizeof(reason)) == 0)
        return 0;
    return line_fault(ret_error, path,
                      blamed < PROVIDER_SETTINGS_MAX && service->provider_lines[blamed]
                          ? service->provider_lines[blamed]
                          : 1,
                      reason);
}

int daemon_file_read(const char *path, struct config *config, char ret_error[INI_ERROR_MAX])
{
    const struct ini_handler handler = {.on_line = on_daemon_line, .data = config};
    int r = ini_read_file(path, &handler, ret_error);

    if (r == 0 && config->node_token_file && config->node_uid)
        return file_fault(ret_error, path, "NodeTokenFile= and NodeUID= cannot both be set");
    return r;
}

int issuer_file_read(const char *path, struct issuer_config *issuer, char ret_error[INI_ERROR_MAX])
{
    const struct ini_handler handler = {.on_line = on_issuer_line, .data = issuer};
    int r = ini_read_file(path, &handler, ret_error);

    if (r < 0)
        return r;
    if (!issuer->url)
        return file_fault(ret_error, path,
                          "URL= is missing; set it to the issuer's URL, as in \"iss\"");
    if (issuer->keys_url && issuer->keys_file)
        return file_fault(ret_error, path, "KeysURL= and KeysFile= cannot both be set");
    return 0;
}

int service_file_read(const char *path, struct service *service, char ret_error[INI_ERROR_MAX])
{
    const struct ini_handler handler = {
        .on_line = on_service_line, .is_verbatim = is_rule_section, .data = service};
    int r = ini_read_file(path, &handler, ret_error);

    if (r < 0)
        return r;
    if (!service->provider)
        return file_fault(ret_error, path, "Provider= is missing in [Service]");
    if (!service->issuer_name)
        return file_fault(ret_error, path,
                          "Issuer= is missing in [Service]; it names a file in issuers.d");
    if (!service->audience)
        return file_fault(
            ret_error, path,
            "Audience= is missing in [Service]; it is the audience that a JWT must have");
    for (size_t i = 0; i < service->policy.n_sections; i++)
        if (service->policy.sections[i].n_rules == 0)
            return file_fault(ret_error, path,
                              "an [Allow] or [Deny] section has no rule; to match everything, "
                              "write sub=*");
    return check_provider(path, service, ret_error);
}
