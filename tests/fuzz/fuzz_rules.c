/*
 * Any configuration file: each line is delivered, or refused with its number; any rules can be
 * judged.
 */
#include "config/ini.h"
#include "fuzz/fuzz.h"
#include "policy/examine.h"

static const char claims_text[] =
    "{\"aud\":[\"urn:pulumi:org:acme\",\"b\"],\"sub\":\"system:serviceaccount:ci:pulumi\",\"n\":17,"
    "\"t\":true,\"kubernetes.io\":{\"namespace\":\"ci\",\"pod\":{\"name\":\"j\\u00f6b-1\"}}}";

static struct json_value *claims(void)
{
    static struct json_value *json;

    if (!json)
        json = json_value_read(claims_text, sizeof(claims_text) - 1);
    PROMISE(json);
    return json;
}

static int on_line(void *data, const struct ini_line *line)
{
    struct policy *policy = data;
    struct rule_section *section;
    const char *reason = NULL;
    char text[RULE_REASON_MAX];

    if (!line->key)
        return policy_add_section(policy, line->name ? line->name : "", line->section[0] == 'D')
                   ? 0
                   : -ENOMEM;
    PROMISE(policy->n_sections > 0 && line->value && line->key[0]);
    section = &policy->sections[policy->n_sections - 1];
    if (rule_section_add(section, line->key, line->value, &reason) < 0)
        PROMISE(reason);
    else if (rule_examine(section, text) != RULE_USUAL)
        PROMISE(text[0]);
    return 0;
}

static int is_verbatim(const char *section)
{
    return section[0] == 'A' || section[0] == 'D';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct policy policy = {0};
    const struct ini_handler handler = {
        .on_line = on_line, .is_verbatim = is_verbatim, .data = &policy};
    const struct rule_section *section;
    struct findings findings = {0};

    findings_begin(&findings, "file");
    PROMISE(ini_read((const char *)data, size, &handler, &findings) == 0);
    PROMISE(findings.n + findings.n_omitted == findings.n_errors);
    for (size_t i = 0; i < findings.n; i++)
        PROMISE(strncmp(findings.list[i].text, "file:", 5) == 0 &&
                (i == 0 || findings.list[i].line >= findings.list[i - 1].line));
    /* rules beside invalid lines are judged as well */
    if (policy_judge(&policy, claims(), &section) == VERDICT_ALLOW)
        PROMISE(section && !section->is_deny && section->n_rules > 0);
    policy_done(&policy);
    return 0;
}
