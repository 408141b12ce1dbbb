/*
 * Any configuration file: each line is delivered, or refused with its number; any rules can be
 * judged.
 */
#include "base/json.h"
#include "config/ini.h"
#include "fuzz/fuzz.h"
#include "policy/policy.h"

static const char claims_text[] =
    "{\"aud\":[\"urn:pulumi:org:acme\",\"b\"],\"sub\":\"system:serviceaccount:ci:pulumi\",\"n\":17,"
    "\"t\":true,\"kubernetes.io\":{\"namespace\":\"ci\",\"pod\":{\"name\":\"j\\u00f6b-1\"}}}";

static json_t *claims(void)
{
    static json_t *json;

    if (!json)
        json = json_read_object(claims_text, sizeof(claims_text) - 1);
    PROMISE(json);
    return json;
}

static int on_line(void *data, const struct ini_line *line, char *ret_error, size_t error_size)
{
    struct policy *policy = data;
    const char *reason = NULL;

    if (!line->key)
        return policy_add_section(policy, line->name ? line->name : "", line->section[0] == 'D')
                   ? 0
                   : -ENOMEM;
    PROMISE(policy->n_sections > 0 && line->value && line->key[0]);
    if (rule_section_add(&policy->sections[policy->n_sections - 1], line->key, line->value,
                         &reason) == 0)
        return 0;
    PROMISE(reason && error_size > 0);
    ret_error[0] = '\0';
    return -EINVAL;
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
    char error[INI_ERROR_MAX] = "";
    int r = ini_read("file", (const char *)data, size, &handler, error);

    if (r == -EINVAL)
        PROMISE(strncmp(error, "file:", 5) == 0);
    /* rules that were read before an invalid line are judged as well */
    if (policy_judge(&policy, claims(), &section) == VERDICT_ALLOW)
        PROMISE(section && !section->is_deny && section->n_rules > 0);
    policy_done(&policy);
    return 0;
}
