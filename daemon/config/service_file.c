/* Reads a service's file: its settings, those of the provider, and the rules. */
#include "config/file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "config/check.h"
#include "config/reader.h"
#include "policy/examine.h"
#include "provider/exec.h"
#include "provider/specifiers.h"

enum service_setting {
    SERVICE_PROVIDER,
    SERVICE_ISSUER,
    SERVICE_AUDIENCE,
    SERVICE_CA_FILE,
    SERVICE_SHARE,
};

static const struct setting service_settings[] = {
    [SERVICE_PROVIDER] = {"Provider", parse_provider, offsetof(struct service, provider)},
    [SERVICE_ISSUER] = {"Issuer", parse_text, offsetof(struct service, issuer_name)},
    [SERVICE_AUDIENCE] = {"Audience", parse_audience, offsetof(struct service, audience)},
    [SERVICE_CA_FILE] = {"CAFile", parse_path, offsetof(struct service, ca_file)},
    [SERVICE_SHARE] = {"Share", parse_share, offsetof(struct service, share)},
    {0},
};

/* A service's file while it is read. */
struct service_reader {
    struct reader reader;
    int rules_line;   /* the latest [Allow] or [Deny]; 0: none */
    unsigned n_rules; /* in it, valid or not */
    bool has_allow;
};

static int is_rule_section(const char *section)
{
    return strcmp(section, "Allow") == 0 || strcmp(section, "Deny") == 0;
}

/* Called when the rules of a section are complete. */
static void end_rules(struct service_reader *file)
{
    if (file->rules_line && !file->n_rules)
        findings_error(file->reader.findings, file->rules_line,
                       "an [Allow] or [Deny] section has no rule; to match everything, write "
                       "sub=*");
    file->rules_line = 0;
}

static int begin_rules(struct service_reader *file, struct policy *policy,
                       const struct ini_line *line)
{
    bool is_deny = strcmp(line->section, "Deny") == 0;

    end_rules(file);
    file->rules_line = line->number;
    file->n_rules = 0;
    file->has_allow |= !is_deny;
    return policy_add_section(policy, line->name ? line->name : "", is_deny) ? 0 : -ENOMEM;
}

/* A rule that never matches makes a [Deny] section weaker than it looks; an [Allow], stricter. */
static void examine(struct findings *findings, const struct rule_section *section,
                    const struct ini_line *line)
{
    char reason[RULE_REASON_MAX];
    enum rule_state state = rule_examine(section, reason);

    if (state != RULE_USUAL)
        findings_add(findings, state == RULE_WRONG || (state == RULE_DEAD && section->is_deny),
                     line->number, "%.128s=%.64s: %s", line->key, line->value, reason);
}

static int on_rule_line(struct service_reader *file, struct policy *policy,
                        const struct ini_line *line)
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
        examine(file->reader.findings, section, line);
    if (r == -EINVAL)
        findings_error(file->reader.findings, line->number, "%s", reason);
    return r == -EINVAL ? 0 : r;
}

static bool has_setting(const struct setting *settings, const char *key)
{
    while (settings->key && strcmp(settings->key, key) != 0)
        settings++;
    return settings->key;
}

static int on_provider_line(struct reader *reader, struct service *service,
                            const struct ini_line *line)
{
    const struct provider_setting *settings = service->provider->settings;
    const char *expected;
    size_t i = 0;

    while (settings[i].name && strcmp(settings[i].name, line->key) != 0)
        i++;
    if (!settings[i].name) {
        findings_error(reader->findings, line->number, "[%.64s] has no setting %.64s=%s",
                       line->section, line->key,
                       has_setting(service_settings, line->key) ? "; it belongs in [Service]" : "");
        return 0;
    }
    expected = settings[i].expects(line->value);
    reader_note(reader, &reader->others[i], line, expected);
    return !expected && parse_text(line->value, &service->provider_settings[i]) ? -ENOMEM : 0;
}

static int on_service_line(void *data, const struct ini_line *line)
{
    struct service_reader *file = data;
    struct reader *reader = &file->reader;
    struct service *service = reader->target;

    if (is_rule_section(line->section))
        return on_rule_line(file, &service->policy, line);
    if (strcmp(line->section, "Service") == 0 && !line->name) {
        if (!line->key)
            return reader_begin_section(reader, 0, line);
        reader_set(reader, service_settings, service, reader->settings, line);
        return 0;
    }
    if (!service->provider) {
        if (!reader->settings[SERVICE_PROVIDER].is_refused)
            findings_error(reader->findings, line->number,
                           "[Service] with Provider= must come before [%.64s]", line->section);
        return -EINVAL;
    }
    if (strcmp(line->section, service->provider->section) != 0 || line->name) {
        char expected[128];

        snprintf(expected, sizeof(expected), "[Service], [%s], [Allow \"...\"] or [Deny \"...\"]",
                 service->provider->section);
        return reader_unknown_section(reader, line, expected);
    }
    return line->key ? on_provider_line(reader, service, line)
                     : reader_begin_section(reader, 1, line);
}

static void find_issuer(struct reader *reader, struct service *service)
{
    const struct config *config = reader->config;

    for (size_t i = 0; i < config->n_issuers && !service->issuer; i++)
        if (strcmp(config->issuers[i].name, service->issuer_name) == 0)
            service->issuer = &config->issuers[i];
    if (!service->issuer)
        findings_error(reader->findings, reader->settings[SERVICE_ISSUER].line,
                       "Issuer=%.64s does not exist: there is no issuers.d/%.64s.conf",
                       service->issuer_name, service->issuer_name);
}

/* Lets the provider check its settings together, if each of them is valid. */
static void check_provider(struct reader *reader, const struct service *service)
{
    const struct provider_values values = service_values(service);
    int line = reader->sections[1].line ? reader->sections[1].line : 1;
    char reason[FINDING_MAX / 2];
    size_t blamed;

    for (size_t i = 0; i < READER_SETTINGS_MAX; i++)
        if (reader->others[i].is_refused)
            return;
    if (service->provider->check(&values, &blamed, reason, sizeof(reason)) == 0)
        return;
    if (blamed < PROVIDER_SETTINGS_MAX && reader->others[blamed].line)
        line = reader->others[blamed].line;
    findings_error(reader->findings, line, "%s", reason);
}

/* Returns the line of the first setting of the provider that is_secret_file or has_specifiers. */
static int special_line(const struct reader *reader, const struct service *service, bool is_file,
                        const char **ret_name)
{
    const struct provider_setting *setting = service->provider->settings;

    for (size_t i = 0; setting[i].name; i++) {
        if (is_file ? !setting[i].is_secret_file : !setting[i].has_specifiers)
            continue;
        *ret_name = setting[i].name;
        return reader->others[i].line;
    }
    return 0;
}

/* Checks what depends on more than the provider's settings. */
static void check_settings(struct reader *reader, const struct service *service)
{
    const struct provider_values values = service_values(service);
    const char *name = NULL;
    int line = special_line(reader, service, true, &name);

    if (line)
        check_file(reader->config, reader->findings, line, name, service_secret_file(service),
                   FILE_SECRET);
    if (service->provider->is_program)
        check_program(reader->config, reader->findings, reader->others[EXEC_COMMAND].line,
                      values.value[EXEC_COMMAND]);
    if (service->provider->is_program && service->ca_file)
        findings_warning(reader->findings, reader->settings[SERVICE_CA_FILE].line,
                         "CAFile= has no effect: a program verifies its servers itself");
    line = special_line(reader, service, false, &name);
    if (line && service->share != SHARE_POD && specifiers_name_pod(service->provider, &values))
        findings_error(reader->findings, line,
                       "%s= with %%p requires Share=pod: otherwise the pods of a service account "
                       "share what one of them got",
                       name);
}

static void check_service(struct reader *reader, struct service *service)
{
    reader_require(reader, SERVICE_PROVIDER, service->provider,
                   "Provider= is missing in [Service]");
    reader_require(reader, SERVICE_ISSUER, service->issuer_name,
                   "Issuer= is missing in [Service]; it names a file in issuers.d");
    reader_require(reader, SERVICE_AUDIENCE, service->audience,
                   "Audience= is missing in [Service]; it is the audience that a JWT must have");
    if (service->issuer_name)
        find_issuer(reader, service);
    if (service->provider) {
        check_provider(reader, service);
        check_settings(reader, service);
    }
    check_audience(service, reader->findings, reader->settings[SERVICE_AUDIENCE].line);
    check_file(reader->config, reader->findings, reader->settings[SERVICE_CA_FILE].line, "CAFile",
               service->ca_file, FILE_CA);
}

int service_file_read(const char *path, struct service *service, struct findings *findings)
{
    struct service_reader file = {
        .reader = {.config = service->config, .findings = findings, .target = service}};
    const struct ini_handler handler = {
        .on_line = on_service_line, .is_verbatim = is_rule_section, .data = &file};
    int r = ini_read_file(path, &handler, findings);

    if (r < 0)
        return r;
    end_rules(&file);
    check_owner(service->config, findings, 0, path);
    check_service(&file.reader, service);
    if (!file.has_allow)
        findings_warning(findings, 1,
                         "there is no [Allow] section, so nobody may use this service");
    return 0;
}
