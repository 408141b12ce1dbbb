#include "config/file.h"

#include <errno.h>
#include <string.h>

#include "config/check.h"
#include "config/ini.h"
#include "config/parse.h"
#include "policy/examine.h"

#define SETTINGS_MAX 16 /* in a section */
#define NAMES_MAX    2  /* of sections that a file has once */

struct setting {
    const char *key;
    setting_parser parse;
    size_t offset;
};

/* Where something is in the file. */
struct place {
    int line; /* 0: nowhere */
    bool is_refused;
};

/* A file while it is read. */
struct file {
    const struct config *config;
    struct findings *findings;
    void *target;                        /* what the file is about */
    struct place sections[NAMES_MAX];    /* the first [Daemon] and [Limits], or the like */
    struct place settings[SETTINGS_MAX]; /* of the first of them */
    struct place others[SETTINGS_MAX];   /* of the second */
    int rules_line;                      /* the latest [Allow] or [Deny]; 0: none */
    unsigned n_rules;                    /* in it, valid or not */
    bool has_allow;
};

static const struct setting daemon_settings[] = {
    {"Socket", parse_socket, offsetof(struct config, socket)},
    {"Cache", parse_path, offsetof(struct config, cache)},
    {"CacheKey", parse_cache_key, offsetof(struct config, cache_key)},
    {"CacheKeyBesideCache", parse_yes_or_no, offsetof(struct config, is_key_beside_allowed)},
    {"CacheRows", parse_cache_rows, offsetof(struct config, cache_rows)},
    {"PeerAttestation", parse_attestation, offsetof(struct config, attestation)},
    {"NodeTokenFile", parse_path, offsetof(struct config, node_token_file)},
    {"NodeUID", parse_uid, offsetof(struct config, node_uid)},
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
    {"Audience", parse_audience, offsetof(struct service, audience)},
    {"CAFile", parse_path, offsetof(struct service, ca_file)},
    {"Share", parse_share, offsetof(struct service, share)},
    {0},
};

/* Notes a section that a file has once. Returns 0, or -EINVAL if it is there again. */
static int begin_section(struct file *file, size_t i, const struct ini_line *line)
{
    if (file->sections[i].line) {
        findings_error(file->findings, line->number,
                       "[%.64s] appears twice; the first is in line %d: merge them", line->section,
                       file->sections[i].line);
        return -EINVAL;
    }
    file->sections[i].line = line->number;
    return 0;
}

static void note_setting(struct file *file, struct place *place, const struct ini_line *line,
                         const char *expected)
{
    if (expected)
        findings_error(file->findings, line->number, "%s=%.64s is not valid; expected %s",
                       line->key, line->value, expected);
    else if (place->line)
        findings_warning(file->findings, line->number,
                         "%s= is set twice; the value in line %d is not used", line->key,
                         place->line);
    place->line = line->number;
    place->is_refused |= expected != NULL;
}

static void set(struct file *file, const struct setting *settings, void *target,
                struct place *places, const struct ini_line *line)
{
    size_t i = 0;

    while (settings[i].key && strcmp(settings[i].key, line->key) != 0)
        i++;
    if (settings[i].key)
        note_setting(file, &places[i], line,
                     settings[i].parse(line->value, (char *)target + settings[i].offset));
    else
        findings_error(file->findings, line->number, "[%.64s] has no setting %.64s=", line->section,
                       line->key);
}

static int no_section(struct file *file, const struct ini_line *line, const char *expected)
{
    findings_error(file->findings, line->number, "unknown section [%.64s]; expected %s",
                   line->section, expected);
    return -EINVAL;
}

static int on_daemon_line(void *data, const struct ini_line *line)
{
    struct file *file = data;
    struct config *config = file->target;
    bool is_limits = strcmp(line->section, "Limits") == 0;

    if ((!is_limits && strcmp(line->section, "Daemon") != 0) || line->name)
        return no_section(file, line, "[Daemon] or [Limits]");
    if (!line->key)
        return begin_section(file, is_limits, line);
    if (is_limits)
        set(file, limit_settings, &config->limits, file->others, line);
    else
        set(file, daemon_settings, config, file->settings, line);
    return 0;
}

static int on_issuer_line(void *data, const struct ini_line *line)
{
    struct file *file = data;

    if (strcmp(line->section, "Issuer") != 0 || line->name)
        return no_section(file, line, "[Issuer]");
    if (!line->key)
        return begin_section(file, 0, line);
    set(file, issuer_settings, file->target, file->settings, line);
    return 0;
}

static int is_rule_section(const char *section)
{
    return strcmp(section, "Allow") == 0 || strcmp(section, "Deny") == 0;
}

/* Called when the rules of a section are complete. */
static void end_rules(struct file *file)
{
    if (file->rules_line && !file->n_rules)
        findings_error(file->findings, file->rules_line,
                       "an [Allow] or [Deny] section has no rule; to match everything, write "
                       "sub=*");
    file->rules_line = 0;
}

static int begin_rules(struct file *file, struct policy *policy, const struct ini_line *line)
{
    bool is_deny = strcmp(line->section, "Deny") == 0;

    end_rules(file);
    file->rules_line = line->number;
    file->n_rules = 0;
    file->has_allow |= !is_deny;
    return policy_add_section(policy, line->name ? line->name : "", is_deny) ? 0 : -ENOMEM;
}

/* A rule that never matches makes a [Deny] section weaker than it looks, but an [Allow] stricter.
 */
static void examine(struct file *file, const struct rule_section *section,
                    const struct ini_line *line)
{
    char reason[RULE_REASON_MAX];
    enum rule_state state = rule_examine(&section->rules[section->n_rules - 1], reason);

    if (state != RULE_USUAL)
        findings_add(file->findings,
                     state == RULE_WRONG || (state == RULE_DEAD && section->is_deny), line->number,
                     "%.128s=%.64s: %s", line->key, line->value, reason);
}

static int on_rule_line(struct file *file, struct policy *policy, const struct ini_line *line)
{
    struct rule_section *section;
    const char *reason;
    int r;

    if (!line->key)
        return begin_rules(file, policy, line);
    section = &policy->sections[policy->n_sections - 1];
    file->n_rules++;
    r = rule_section_add(section, line->key, line->value, &reason);
    if (r == 0)
        examine(file, section, line);
    if (r == -EINVAL)
        findings_error(file->findings, line->number, "%s", reason);
    return r == -EINVAL ? 0 : r;
}

static bool has_setting(const struct setting *settings, const char *key)
{
    while (settings->key && strcmp(settings->key, key) != 0)
        settings++;
    return settings->key;
}

static int on_provider_line(struct file *file, struct service *service, const struct ini_line *line)
{
    const struct provider_setting *settings = service->provider->settings;
    const char *expected;
    size_t i = 0;

    while (settings[i].name && strcmp(settings[i].name, line->key) != 0)
        i++;
    if (!settings[i].name) {
        findings_error(file->findings, line->number, "[%.64s] has no setting %.64s=%s",
                       line->section, line->key,
                       has_setting(service_settings, line->key) ? "; it belongs in [Service]" : "");
        return 0;
    }
    expected = settings[i].expects(line->value);
    note_setting(file, &file->others[i], line, expected);
    return !expected && parse_text(line->value, &service->provider_settings[i]) ? -ENOMEM : 0;
}

enum service_setting {
    SERVICE_PROVIDER, /* in the order of service_settings */
    SERVICE_ISSUER,
    SERVICE_AUDIENCE,
    SERVICE_CA_FILE,
};

static int on_service_line(void *data, const struct ini_line *line)
{
    struct file *file = data;
    struct service *service = file->target;

    if (is_rule_section(line->section))
        return on_rule_line(file, &service->policy, line);
    if (strcmp(line->section, "Service") == 0 && !line->name) {
        if (!line->key)
            return begin_section(file, 0, line);
        set(file, service_settings, service, file->settings, line);
        return 0;
    }
    if (!service->provider) {
        if (!file->settings[SERVICE_PROVIDER].is_refused)
            findings_error(file->findings, line->number,
                           "[Service] with Provider= must come before [%.64s]", line->section);
        return -EINVAL;
    }
    if (strcmp(line->section, service->provider->section) != 0 || line->name)
        return no_section(file, line,
                          "[Service], the provider's section, [Allow \"...\"] or [Deny \"...\"]");
    return line->key ? on_provider_line(file, service, line) : begin_section(file, 1, line);
}

static int line_or(int line, int otherwise)
{
    return line ? line : otherwise;
}

/* Finds a setting that is not there, or that is empty. */
static void require(struct file *file, size_t i, const void *value, const char *what)
{
    if (!value && !file->settings[i].is_refused)
        findings_error(file->findings, line_or(file->settings[i].line, 1), "%s", what);
}

static void refuse_both(struct file *file, size_t a, size_t b, const char *what)
{
    int line = file->settings[a].line;

    if (file->settings[b].line > line)
        line = file->settings[b].line;
    findings_error(file->findings, line, "%s cannot both be set", what);
}

enum daemon_setting {
    DAEMON_SOCKET = 0, /* in the order of daemon_settings */
    DAEMON_NODE_TOKEN_FILE = 6,
    DAEMON_NODE_UID = 7,
};

int daemon_file_read(const char *path, struct config *config, struct findings *findings)
{
    struct file file = {.config = config, .findings = findings, .target = config};
    const struct ini_handler handler = {.on_line = on_daemon_line, .data = &file};
    int r;

    findings_begin(findings, path);
    r = ini_read_file(path, &handler, findings);
    if (r < 0)
        return r;
    if (config->node_token_file && config->node_uid)
        refuse_both(&file, DAEMON_NODE_TOKEN_FILE, DAEMON_NODE_UID, "NodeTokenFile= and NodeUID=");
    check_owner(config, findings, 0, path);
    check_file(config, findings, file.settings[DAEMON_NODE_TOKEN_FILE].line, "NodeTokenFile",
               config->node_token_file, FILE_TOKEN);
    check_socket(config, findings, line_or(file.settings[DAEMON_SOCKET].line, 1));
    return 0;
}

enum issuer_setting {
    ISSUER_URL, /* in the order of issuer_settings */
    ISSUER_ALGORITHMS,
    ISSUER_KEYS_URL,
    ISSUER_KEYS_FILE,
    ISSUER_CA_FILE,
    ISSUER_TOKEN_REVIEW,
    ISSUER_API_SERVER,
    ISSUER_API_CA_FILE,
    ISSUER_API_TOKEN_FILE,
};

static void check_url(struct file *file, const struct issuer_config *issuer)
{
    const struct config *config = file->config;

    require(file, ISSUER_URL, issuer->url,
            "URL= is missing; set it to the issuer's URL, as in \"iss\"");
    for (size_t i = 0; issuer->url && i + 1 < config->n_issuers; i++)
        if (config->issuers[i].url && strcmp(config->issuers[i].url, issuer->url) == 0)
            findings_error(file->findings, file->settings[ISSUER_URL].line,
                           "URL=%.200s is already used by issuers.d/%.64s.conf", issuer->url,
                           config->issuers[i].name);
}

static void check_review(struct file *file, const struct issuer_config *issuer)
{
    const struct review_config *review = &issuer->review;
    int line = file->settings[ISSUER_TOKEN_REVIEW].line;

    if (review->mode == REVIEW_OFF)
        return;
    if (review->mode == REVIEW_INTERVAL && review->interval_s < REVIEW_INTERVAL_USEFUL_S)
        findings_warning(
            file->findings, line,
            "TokenReview=interval: below %ds asks more often, but sees a deleted pod no "
            "sooner: the API server remembers a valid token for that long",
            REVIEW_INTERVAL_USEFUL_S);
    check_file(file->config, file->findings, line_or(file->settings[ISSUER_API_CA_FILE].line, line),
               "APIServerCAFile", review->ca_file ? review->ca_file : API_SERVER_CA_FILE, FILE_CA);
    check_file(file->config, file->findings,
               line_or(file->settings[ISSUER_API_TOKEN_FILE].line, line), "APIServerTokenFile",
               review->token_file ? review->token_file : API_SERVER_TOKEN_FILE, FILE_TOKEN);
}

int issuer_file_read(const char *path, struct issuer_config *issuer, struct findings *findings)
{
    struct file file = {.config = issuer->config, .findings = findings, .target = issuer};
    const struct ini_handler handler = {.on_line = on_issuer_line, .data = &file};
    int r = ini_read_file(path, &handler, findings);

    if (r < 0)
        return r;
    check_owner(file.config, findings, 0, path);
    check_url(&file, issuer);
    if (issuer->keys_url && issuer->keys_file)
        refuse_both(&file, ISSUER_KEYS_URL, ISSUER_KEYS_FILE, "KeysURL= and KeysFile=");
    check_file(file.config, findings, file.settings[ISSUER_KEYS_FILE].line, "KeysFile",
               issuer->keys_file, FILE_KEYS);
    check_file(file.config, findings, file.settings[ISSUER_CA_FILE].line, "CAFile", issuer->ca_file,
               FILE_CA);
    check_review(&file, issuer);
    return 0;
}

static void find_issuer(struct file *file, struct service *service)
{
    const struct config *config = file->config;

    for (size_t i = 0; i < config->n_issuers && !service->issuer; i++)
        if (strcmp(config->issuers[i].name, service->issuer_name) == 0)
            service->issuer = &config->issuers[i];
    if (!service->issuer)
        findings_error(file->findings, file->settings[SERVICE_ISSUER].line,
                       "Issuer=%.64s does not exist: there is no issuers.d/%.64s.conf",
                       service->issuer_name, service->issuer_name);
}

/* Lets the provider check its settings together, if each of them is valid. */
static void check_provider(struct file *file, const struct service *service)
{
    const struct provider_values values = service_values(service);
    int line = line_or(file->sections[1].line, 1);
    char reason[FINDING_MAX / 2];
    size_t blamed;

    for (size_t i = 0; i < SETTINGS_MAX; i++)
        if (file->others[i].is_refused)
            return;
    if (service->provider->check(&values, &blamed, reason, sizeof(reason)) == 0)
        return;
    if (blamed < PROVIDER_SETTINGS_MAX)
        line = line_or(file->others[blamed].line, line);
    findings_error(file->findings, line, "%s", reason);
}

static void check_service(struct file *file, struct service *service)
{
    require(file, SERVICE_PROVIDER, service->provider, "Provider= is missing in [Service]");
    require(file, SERVICE_ISSUER, service->issuer_name,
            "Issuer= is missing in [Service]; it names a file in issuers.d");
    require(file, SERVICE_AUDIENCE, service->audience,
            "Audience= is missing in [Service]; it is the audience that a JWT must have");
    if (service->issuer_name)
        find_issuer(file, service);
    if (service->provider)
        check_provider(file, service);
    check_audience(service, file->findings, file->settings[SERVICE_AUDIENCE].line);
    check_file(file->config, file->findings, file->settings[SERVICE_CA_FILE].line, "CAFile",
               service->ca_file, FILE_CA);
    if (!file->has_allow)
        findings_warning(file->findings, 1,
                         "there is no [Allow] section, so nobody may use this service");
}

int service_file_read(const char *path, struct service *service, struct findings *findings)
{
    struct file file = {.config = service->config, .findings = findings, .target = service};
    const struct ini_handler handler = {
        .on_line = on_service_line, .is_verbatim = is_rule_section, .data = &file};
    int r = ini_read_file(path, &handler, findings);

    if (r < 0)
        return r;
    end_rules(&file);
    check_owner(file.config, findings, 0, path);
    check_service(&file, service);
    return 0;
}
