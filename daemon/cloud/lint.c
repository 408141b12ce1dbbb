#include "cloud/lint.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/json.h"

#define PULUMI_MAX_EXPIRATION_S (25 * 3600) /* of an issuer that has no other */

void lint_add(struct lint *lint, enum lint_level level, const char *name,
              const struct auth_policy *policy, const struct service *service, const char *format,
              ...)
{
    static const char *const levels[] = {"error", "warning", "note"};
    CLEANUP(freep)
    char *text = NULL;
    json_t *finding;
    va_list args;
    int len;

    va_start(args, format);
    len = vasprintf(&text, format, args);
    va_end(args);
    finding = len < 0 ? NULL
                      : json_pack("{s:s, s:s, s:s+}", "level", levels[level], "name", name, "text",
                                  text, "");
    if (finding && policy)
        json_object_set_new(finding, "policy", json_integer(policy - lint->policies->list + 1));
    if (finding && service)
        json_object_set_new(finding, "service", json_string(service->name));
    if (!finding || json_array_append_new(lint->findings, finding) < 0)
        lint->has_run_out = true;
}

static void check_expiration(struct lint *lint, const json_t *registration)
{
    const json_t *value = json_object_get(registration, "maxExpiration");
    json_int_t max = value ? json_integer_value(value) : PULUMI_MAX_EXPIRATION_S;

    if (!value)
        lint_add(lint, LINT_NOTE, "max-expiration", NULL, NULL,
                 "the issuer has no maximum expiration, so that of Pulumi Cloud counts, 25 h; "
                 "podloginctl issuer register sets one");
    for (size_t i = 0; i < lint->site->n_services; i++) {
        const struct service *service = lint->site->services[i];

        if ((json_int_t)service_expiration_s(service) > max)
            lint_add(lint, LINT_WARNING, "max-expiration", NULL, service,
                     "tokens expire after %lld s, the maximum of the issuer, and not after "
                     "Expiration=, %llu s",
                     (long long)max, (unsigned long long)service_expiration_s(service));
    }
}

json_t *lint(const struct site *site, const struct auth_policies *policies,
             const json_t *registration)
{
    struct lint state = {
        .site = site,
        .policies = policies,
        .findings = json_array(),
        .services = json_array(),
    };
    json_t *result;

    if (registration)
        check_expiration(&state, registration);
    lint_policies(&state);
    lint_services(&state);
    result = json_pack("{s:o, s:o}", "findings", state.findings, "services", state.services);
    if (state.has_run_out) {
        json_decref(result);
        return NULL;
    }
    return result;
}
