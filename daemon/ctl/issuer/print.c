/* podloginctl issuer print: the same set-up in the languages of other tools. */
#include "ctl/issuer/issuer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "cloud/cover.h"

#define STS_AUDIENCE "sts.amazonaws.com" /* of the tokens that EKS mounts for AWS */

/* A string of JSON is one of YAML, too. */
static void print_string(const char *before, const char *text)
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
            print_string(": ", json_string_value(value));
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
        print_string(": ", json_string_value(value));
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
    print_string("      organization: ", site->organization);
    print_string("      name: ", options->name ? options->name : site->issuer->name);
    print_string("      url: ", site->issuer->url);
    printf("      maxExpirationSeconds: %llu\n",
           (unsigned long long)(options->max_expiration_s ? options->max_expiration_s
                                                          : site->expiration_s));
    if (options->thumbprints.n)
        printf("      thumbprints:\n");
    for (size_t i = 0; i < options->thumbprints.n; i++)
        print_string("        - ", options->thumbprints.list[i]);
    printf("      policies:%s\n", derived.n ? "" : " []");
    for (size_t i = 0; i < derived.n; i++)
        print_auth_policy(&derived.list[i]);
    return EXIT_CODE_OK;
}

/* The name of IAM's OIDC provider: the URL without https://. */
static const char *provider_of(const struct issuer_command *command)
{
    return command->site.issuer->url + strlen("https://");
}

/* The partition of AWS, by the region in the URL of an issuer of EKS. */
static const char *partition_of(const struct issuer_command *command)
{
    static const char eks[] = "oidc.eks.";
    const char *region = provider_of(command) + strlen(eks);

    if (strncmp(provider_of(command), eks, strlen(eks)) != 0)
        return "aws";
    return strncmp(region, "cn-", 3) == 0       ? "aws-cn"
           : strncmp(region, "us-gov-", 7) == 0 ? "aws-us-gov"
                                                : "aws";
}

/* Returns whether @text consists of characters that need no quotes in JSON, YAML and a shell. */
static bool is_plain(const char *text)
{
    return text && *text &&
           !text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                              "0123456789-_.+=,@/")];
}

static int check_account(const char *account)
{
    if (account && strlen(account) == 12 && !account[strspn(account, "0123456789")])
        return EXIT_CODE_OK;
    return issuer_fail(EXIT_CODE_USAGE, "name the AWS account, of 12 digits: --account ID");
}

static bool is_literal(const char *pattern)
{
    return pattern && !pattern[strcspn(pattern, "*?.")];
}

/* Finds the only service account that the [Allow] sections name: "ci/pulumi-runner". */
static int find_account(const struct issuer_command *command, char **ret_account)
{
    *ret_account = command->options.serviceaccount ? strdup(command->options.serviceaccount) : NULL;
    for (size_t i = 0; i < command->site.n_services && !command->options.serviceaccount; i++) {
        const struct policy *policy = &command->site.services[i]->policy;

        for (size_t j = 0; j < policy->n_sections; j++) {
            CLEANUP(subject_patterns_donep)
            struct subject_patterns subject = {0};
            CLEANUP(freep)
            char *found = NULL;

            if (policy->sections[j].is_deny ||
                section_subject(&policy->sections[j], &subject) < 0 ||
                !is_literal(subject.namespace) || !is_literal(subject.account) ||
                asprintf(&found, "%s/%s", subject.namespace, subject.account) < 0)
                continue;
            if (*ret_account && strcmp(*ret_account, found) != 0)
                return issuer_fail(EXIT_CODE_USAGE,
                                   "the [Allow] sections name %s and %s; choose with "
                                   "--serviceaccount NS/NAME",
                                   *ret_account, found);
            if (!*ret_account)
                *ret_account = TAKE_PTR(found);
        }
    }
    return EXIT_CODE_OK;
}

/* Splits "ci/pulumi-runner" at its slash. */
static int service_account(const struct issuer_command *command, char **ret_namespace,
                           const char **ret_name)
{
    int code = find_account(command, ret_namespace);
    char *slash = *ret_namespace ? strchr(*ret_namespace, '/') : NULL;

    if (code != EXIT_CODE_OK)
        return code;
    if (!slash || !slash[1] || slash == *ret_namespace || strchr(slash + 1, '/') ||
        !is_plain(*ret_namespace))
        return issuer_fail(EXIT_CODE_USAGE,
                           "%s; name the service account: --serviceaccount NS/NAME",
                           *ret_namespace ? "that is not NS/NAME"
                                          : "no [Allow] section names one service account");
    *slash = '\0';
    *ret_name = slash + 1;
    return EXIT_CODE_OK;
}

int issuer_print_iam(struct issuer_command *command)
{
    CLEANUP(freep)
    char *namespace = NULL;
    const char *name, *provider = provider_of(command);
    CLEANUP(json_decrefp)
    json_t *json = NULL;
    CLEANUP(freep)
    char *arn = NULL;
    CLEANUP(freep)
    char *condition = NULL;
    CLEANUP(freep)
    char *audience = NULL;
    CLEANUP(freep)
    char *subject = NULL;
    int code = check_account(command->options.account);

    if (code == EXIT_CODE_OK)
        code = service_account(command, &namespace, &name);
    if (code != EXIT_CODE_OK)
        return code;
    if (asprintf(&arn, "arn:%s:iam::%s:oidc-provider/%s", partition_of(command),
                 command->options.account, provider) < 0 ||
        asprintf(&condition, "%s:sub", provider) < 0 ||
        asprintf(&audience, "%s:aud", provider) < 0 ||
        asprintf(&subject, "system:serviceaccount:%s:%s", namespace, name) < 0)
        return issuer_fail(EXIT_CODE_FAULT, "out of memory");
    json = json_pack("{s:s, s:[{s:s, s:{s:s}, s:s, s:{s:{s:s, s:s}}}]}", "Version", "2012-10-17",
                     "Statement", "Effect", "Allow", "Principal", "Federated", arn, "Action",
                     "sts:AssumeRoleWithWebIdentity", "Condition", "StringEquals", condition,
                     subject, audience, STS_AUDIENCE);
    return issuer_print_json(json);
}

int issuer_print_serviceaccount(struct issuer_command *command)
{
    CLEANUP(freep)
    char *namespace = NULL;
    const char *name, *role = command->options.role;
    int code = check_account(command->options.account);

    if (code == EXIT_CODE_OK && !is_plain(role))
        code = issuer_fail(EXIT_CODE_USAGE, "name the IAM role: --role NAME");
    if (code == EXIT_CODE_OK)
        code = service_account(command, &namespace, &name);
    if (code != EXIT_CODE_OK)
        return code;
    printf("apiVersion: v1\nkind: ServiceAccount\nmetadata:\n");
    print_string("  name: ", name); /* which may look like a number */
    print_string("  namespace: ", namespace);
    printf("  annotations:\n    eks.amazonaws.com/role-arn: \"arn:%s:iam::%s:role/%s\"\n",
           partition_of(command), command->options.account, role);
    return EXIT_CODE_OK;
}

int issuer_print_eks(struct issuer_command *command)
{
    if (!is_plain(command->options.cluster))
        return issuer_fail(EXIT_CODE_USAGE, "name the cluster: --cluster NAME");
    printf("aws eks describe-cluster --name %s --query \"cluster.identity.oidc.issuer\" --output "
           "text\n",
           command->options.cluster);
    return EXIT_CODE_OK;
}
