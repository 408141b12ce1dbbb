/* podloginctl issuer print iam, serviceaccount, eks: AWS' part of the set-up. */
#include "ctl/issuer/issuer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloud/cover.h"
#include "provider/aws.h"

#define STS_AUDIENCE "sts.amazonaws.com" /* of the tokens that EKS mounts for AWS */
#define ACCOUNT_SIZE 13                  /* with the NUL */

/* The role that is assumed: that of a service with Provider=aws-sts, or that of the options. */
struct role {
    char partition[16];
    char account[ACCOUNT_SIZE];
    const char *name;     /* with its path; NULL: unknown */
    const char *audience; /* of the JWTs that assume it */
};

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

static bool is_account(const char *text)
{
    return strlen(text) == ACCOUNT_SIZE - 1 && !text[strspn(text, "0123456789")];
}

/* Reads RoleARN= of a service. Returns whether it is a role, and that of the options. */
static bool read_role(const struct service *service, const struct issuer_options *options,
                      struct role *ret_role)
{
    const char *arn = service->provider_settings[AWS_ROLE_ARN];
    int end = 0;

    *ret_role = (struct role){.audience = service->audience};
    if (!arn ||
        sscanf(arn, "arn:%15[a-z-]:iam::%12[0-9]:role/%n", ret_role->partition, ret_role->account,
               &end) != 2 ||
        !end || !is_plain(arn + end) || !is_account(ret_role->account))
        return false;
    ret_role->name = arn + end;
    return (!options->account || strcmp(options->account, ret_role->account) == 0) &&
           (!options->role || strcmp(options->role, ret_role->name) == 0);
}

static int role_of_options(const struct issuer_command *command, struct role *ret_role)
{
    const struct issuer_options *options = &command->options;

    if (!options->account || !is_account(options->account))
        return issuer_fail(EXIT_CODE_USAGE,
                           "no service with Provider=aws-sts has this role; name the AWS account, "
                           "of 12 digits: --account ID");
    if (options->role && !is_plain(options->role))
        return issuer_fail(EXIT_CODE_USAGE, "--role %s is not the name of a role", options->role);
    *ret_role = (struct role){.name = options->role, .audience = STS_AUDIENCE};
    snprintf(ret_role->partition, sizeof(ret_role->partition), "%s", partition_of(command));
    snprintf(ret_role->account, sizeof(ret_role->account), "%s", options->account);
    return EXIT_CODE_OK;
}

static int find_role(const struct issuer_command *command, struct role *ret_role)
{
    const struct config *config = command->config;
    struct role role;
    bool is_found = false;

    for (size_t i = 0; i < config->n_services; i++) {
        const struct service *service = &config->services[i];

        if (service->provider != &provider_aws || service->issuer != command->site.issuer ||
            !read_role(service, &command->options, &role))
            continue;
        if (is_found && (strcmp(ret_role->name, role.name) != 0 ||
                         strcmp(ret_role->audience, role.audience) != 0))
            return issuer_fail(EXIT_CODE_USAGE,
                               "the services have the roles %s and %s, or one for several "
                               "audiences; choose with --role NAME",
                               ret_role->name, role.name);
        *ret_role = role;
        is_found = true;
    }
    return is_found ? EXIT_CODE_OK : role_of_options(command, ret_role);
}

static bool is_literal(const char *pattern)
{
    return pattern && !pattern[strcspn(pattern, "*?.")];
}

/* Writes "ci/pulumi-runner" if the section names one service account. */
static char *account_of(const struct rule_section *section)
{
    CLEANUP(subject_patterns_donep)
    struct subject_patterns subject = {0};
    char *account = NULL;

    if (section->is_deny || section_subject(section, &subject) < 0 ||
        !is_literal(subject.namespace) || !is_literal(subject.account) ||
        asprintf(&account, "%s/%s", subject.namespace, subject.account) < 0)
        return NULL;
    return account;
}

/* Adds the service accounts that the [Allow] sections of a service name. */
static int add_accounts(const struct service *service, char **account)
{
    for (size_t i = 0; i < service->policy.n_sections; i++) {
        CLEANUP(freep)
        char *found = account_of(&service->policy.sections[i]);

        if (found && *account && strcmp(*account, found) != 0)
            return issuer_fail(EXIT_CODE_USAGE,
                               "the [Allow] sections name %s and %s; choose with "
                               "--serviceaccount NS/NAME",
                               *account, found);
        if (!*account)
            *account = TAKE_PTR(found);
    }
    return EXIT_CODE_OK;
}

/* Finds the service account, and splits "ci/pulumi-runner" at its slash. */
static int find_account(const struct issuer_command *command, char **ret_namespace,
                        const char **ret_name)
{
    const struct config *config = command->config;
    const char *asked = command->options.serviceaccount;
    int code = EXIT_CODE_OK;
    char *slash;

    *ret_namespace = asked ? strdup(asked) : NULL;
    for (size_t i = 0; i < config->n_services && !asked && code == EXIT_CODE_OK; i++)
        if (config->services[i].issuer == command->site.issuer)
            code = add_accounts(&config->services[i], ret_namespace);
    if (code != EXIT_CODE_OK)
        return code;
    slash = *ret_namespace ? strchr(*ret_namespace, '/') : NULL;
    if (!slash || !slash[1] || slash == *ret_namespace || strchr(slash + 1, '/') ||
        !is_plain(*ret_namespace))
        return issuer_fail(
            EXIT_CODE_USAGE, "%s; name the service account: --serviceaccount NS/NAME",
            asked ? "that is not NS/NAME" : "no [Allow] section names one service account");
    *slash = '\0';
    *ret_name = slash + 1;
    return EXIT_CODE_OK;
}

static json_t *trust_policy_new(const char *provider, const struct role *role,
                                const char *namespace, const char *name)
{
    CLEANUP(freep)
    char *arn = NULL;
    CLEANUP(freep)
    char *of_subject = NULL;
    CLEANUP(freep)
    char *of_audience = NULL;
    CLEANUP(freep)
    char *subject = NULL;

    if (asprintf(&arn, "arn:%s:iam::%s:oidc-provider/%s", role->partition, role->account,
                 provider) < 0 ||
        asprintf(&of_subject, "%s:sub", provider) < 0 ||
        asprintf(&of_audience, "%s:aud", provider) < 0 ||
        asprintf(&subject, "system:serviceaccount:%s:%s", namespace, name) < 0)
        return NULL;
    return json_pack("{s:s, s:[{s:s, s:{s:s}, s:s, s:{s:{s:s, s:s}}}]}", "Version", "2012-10-17",
                     "Statement", "Effect", "Allow", "Principal", "Federated", arn, "Action",
                     "sts:AssumeRoleWithWebIdentity", "Condition", "StringEquals", of_subject,
                     subject, of_audience, role->audience);
}

int issuer_print_iam(struct issuer_command *command)
{
    CLEANUP(freep)
    char *namespace = NULL;
    CLEANUP(json_decrefp)
    json_t *json = NULL;
    const char *name = NULL;
    struct role role = {0};
    int code = find_role(command, &role);

    if (code == EXIT_CODE_OK)
        code = find_account(command, &namespace, &name);
    if (code != EXIT_CODE_OK)
        return code;
    json = trust_policy_new(provider_of(command), &role, namespace, name);
    return issuer_print_json(json);
}

int issuer_print_serviceaccount(struct issuer_command *command)
{
    CLEANUP(freep)
    char *namespace = NULL;
    const char *name = NULL;
    struct role role = {0};
    int code = find_role(command, &role);

    if (code == EXIT_CODE_OK && !role.name)
        code = issuer_fail(EXIT_CODE_USAGE, "name the IAM role: --role NAME");
    if (code == EXIT_CODE_OK)
        code = find_account(command, &namespace, &name);
    if (code != EXIT_CODE_OK)
        return code;
    printf("apiVersion: v1\nkind: ServiceAccount\nmetadata:\n");
    issuer_print_string("  name: ", name); /* which may look like a number */
    issuer_print_string("  namespace: ", namespace);
    printf("  annotations:\n    eks.amazonaws.com/role-arn: \"arn:%s:iam::%s:role/%s\"\n",
           role.partition, role.account, role.name);
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
