/* podloginctl issuer print pulumi: the same set-up as a program of Pulumi. */
#include "ctl/issuer/issuer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

void issuer_print_string(const char *before, const char *text)
{
    CLEANUP(json_decrefp)
    json_t *json = json_string(text);
    CLEANUP(freep)
    char *quoted = json_dumps(json, JSON_ENCODE_ANY);

    printf("%s%s\n", before, quoted ? quoted : "");
}

static void print_auth_policy(const struct auth_policy *policy)
{
    const char *name;
    json_t *value, *rules = json_object_get(policy->json, "rules");

    printf("        - decision: %s\n", policy->is_deny ? "deny" : "allow");
    json_object_foreach(policy->json, name, value)
    {
        if (json_is_string(value) && strcmp(name, "decision") != 0) {
            printf("          %s", name);
            issuer_print_string(": ", json_string_value(value));
        }
    }
    if (policy->permits_admin)
        printf("          authorizedPermissions: [admin]\n");
    printf("          rules:%s\n", json_object_size(rules) ? "" : " {}");
    json_object_foreach(rules, name, value)
    {
        CLEANUP(json_decrefp)
        json_t *key = json_string(name);
        CLEANUP(freep)
        char *quoted = json_dumps(key, JSON_ENCODE_ANY);

        printf("            %s", quoted ? quoted : "");
        issuer_print_string(": ", json_string_value(value));
    }
}

int issuer_print_pulumi(struct issuer_command *command)
{
    const struct issuer_options *options = &command->options;
    const struct site *site = &command->site;
    CLEANUP(auth_policies_donep)
    struct auth_policies derived = {0};
    int code = issuer_derive(command, &derived);

    if (code != EXIT_CODE_OK)
        return code;
    printf("name: podlogin-%s\nruntime: yaml\n", site->issuer->name);
    printf("description: What podlogin's services need in Pulumi Cloud\nresources:\n");
    if (site->issuer->keys_file)
        printf("  # OidcIssuer cannot register keys; podloginctl issuer register does, "
               "from KeysFile=\n");
    printf("  issuer:\n    type: pulumiservice:index:OidcIssuer\n    properties:\n");
    issuer_print_string("      organization: ", site->organization);
    issuer_print_string("      name: ", options->name ? options->name : site->issuer->name);
    issuer_print_string("      url: ", site->issuer->url);
    printf("      maxExpirationSeconds: %llu\n",
           (unsigned long long)(options->max_expiration_s ? options->max_expiration_s
                                                          : site->expiration_s));
    if (options->thumbprints.n)
        printf("      thumbprints:\n");
    for (size_t i = 0; i < options->thumbprints.n; i++)
        issuer_print_string("        - ", options->thumbprints.list[i]);
    printf("      policies:%s\n", derived.n ? "" : " []");
    for (size_t i = 0; i < derived.n; i++)
        print_auth_policy(&derived.list[i]);
    return EXIT_CODE_OK;
}
