#include "ctl/issuer/issuer.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/setting.h"
#include "ctl/configuration.h"
#include "ctl/daemon.h"
#include "ctl/issuer/access_token.h"
#include "ctl/options.h"
#include "protocol/messages.h"

static const struct action {
    const char *name;
    int (*run)(struct issuer_command *command);
    const char *options; /* that it takes, besides those for what it needs */
    enum need {
        NEEDS_SITE,
        NEEDS_ISSUER, /* whatever the services are */
        NEEDS_NOTHING /* there may be no configuration yet */
    } need;
} actions[] = {
    {"register", issuer_register, "access-token-file name max-expiration thumbprint jwks yes json"},
    {"show", issuer_show, "access-token-file json"},
    {"remove", issuer_remove, "access-token-file yes json"},
    {"policy diff", issuer_policy_diff, "access-token-file prune json"},
    {"policy apply", issuer_policy_apply, "access-token-file prune yes json"},
    {"policy lint", issuer_policy_lint, "access-token-file policies json"},
    {"print pulumi", issuer_print_pulumi, "name max-expiration thumbprint"},
    {"print iam", issuer_print_iam, "account role serviceaccount", NEEDS_ISSUER},
    {"print serviceaccount", issuer_print_serviceaccount, "account role serviceaccount",
     NEEDS_ISSUER},
    {"print eks", issuer_print_eks, "cluster", NEEDS_NOTHING},
};

static int set_max_expiration(const char *command, const char *value, void *target)
{
    if (setting_seconds(value, 1, TOKEN_LIFETIME_MAX_S, target) == 0)
        return 0;
    return ctl_fail(EXIT_CODE_USAGE, command,
                    "--max-expiration %s is not a time span of at most 7d, such as 2h", value);
}

/* Accepts what openssl prints, with colons, and what Pulumi Cloud shows, without. */
static int add_thumbprint(const char *command, const char *value, void *target)
{
    struct thumbprints *thumbprints = target;
    size_t len = 0;

    if (thumbprints->n == THUMBPRINTS_MAX)
        return ctl_fail(EXIT_CODE_USAGE, command, "more than %d thumbprints", THUMBPRINTS_MAX);
    for (const char *at = value; *at && len < THUMBPRINT_SIZE; at++)
        if (*at != ':')
            thumbprints->list[thumbprints->n][len++] =
                isxdigit((unsigned char)*at) ? (char)tolower((unsigned char)*at) : '\0';
    if (len != THUMBPRINT_SIZE - 1 || strlen(thumbprints->list[thumbprints->n]) != len)
        return ctl_fail(EXIT_CODE_USAGE, command,
                        "--thumbprint %s is not the SHA-256 of a certificate in hexadecimal",
                        value);
    thumbprints->n++;
    return 0;
}

/* Returns whether @word is one of the words of @list. */
static bool has_word(const char *list, const char *word)
{
    size_t len = strlen(word);

    for (const char *at = list; (at = strstr(at, word)); at += len)
        if ((at == list || at[-1] == ' ') && (at[len] == ' ' || !at[len]))
            return true;
    return false;
}

static const char summary[] =
    "podloginctl issuer register [ISSUER] [OPTIONS]\n"
    "podloginctl issuer show [ISSUER]\n"
    "podloginctl issuer remove [ISSUER]\n"
    "podloginctl issuer policy apply [ISSUER] [--prune]\n"
    "podloginctl issuer policy diff [ISSUER]\n"
    "podloginctl issuer policy lint [ISSUER] [--policies FILE]\n"
    "podloginctl issuer print pulumi [ISSUER]\n"
    "podloginctl issuer print iam [ISSUER] [--account ID] [--role NAME]\n"
    "podloginctl issuer print serviceaccount [ISSUER] [--account ID] [--role NAME]\n"
    "podloginctl issuer print eks --cluster NAME\n\n"
    "Sets up Pulumi Cloud for the services of an issuer of issuers.d: registers the\n"
    "issuer, and keeps its authorization policies as the rules of the services are.\n"
    "Changes nothing without --yes.";

/* Returns whether the action takes the option @name. */
static bool takes(const struct action *action, const char *name)
{
    if (!action)
        return true; /* for --help */
    if (strcmp(name, "config") == 0)
        return action->need != NEEDS_NOTHING;
    if (strcmp(name, "organization") == 0)
        return action->need == NEEDS_SITE;
    return has_word(action->options, name);
}

static int read_options(int argc, char **argv, const struct action *action,
                        struct issuer_options *options)
{
    const struct ctl_usage usage = {
        .command = ISSUER, .argument = &options->issuer, .summary = summary};
    const struct ctl_option all[] = {
        {"config", "config DIR        the configuration (" CONFIG_DIRECTORY ")", ctl_set_text,
         &options->config},
        {"organization", "organization NAME the organization, if the services have several",
         ctl_set_text, &options->organization},
        {"access-token-file",
         "access-token-file FILE\n"
         "                      the access token of an administrator of the organization\n"
         "                      ($" ACCESS_TOKEN_VARIABLE ")",
         ctl_set_text, &options->access_token_file},
        {"yes", "yes               make the change", ctl_set_flag, &options->is_confirmed},
        {"prune", "prune             also remove policies that no service here derives",
         ctl_set_flag, &options->is_pruned},
        {"policies", "policies FILE     read the policies from a file instead", ctl_set_text,
         &options->policies},
        {"name", "name NAME         of the issuer in Pulumi Cloud; default: as it is, or ISSUER",
         ctl_set_text, &options->name},
        {"max-expiration",
         "max-expiration SPAN\n"
         "                      of tokens; default: the longest Expiration= of the services",
         set_max_expiration, &options->max_expiration_s},
        {"thumbprint", "thumbprint HEX    the SHA-256 of the issuer's certificate; may be repeated",
         add_thumbprint, &options->thumbprints},
        {"jwks",
         "jwks FILE         the keys of an issuer that Pulumi Cloud cannot reach (KeysFile=);\n"
         "                      none: it fetches them",
         ctl_set_text, &options->jwks},
        {"serviceaccount",
         "serviceaccount NS/NAME\n"
         "                      default: the only one that the [Allow] sections name",
         ctl_set_text, &options->serviceaccount},
        {"account", "account ID        the AWS account; default: that of the only RoleARN=",
         ctl_set_text, &options->account},
        {"role", "role NAME         the IAM role; default: that of the only RoleARN=", ctl_set_text,
         &options->role},
        {"cluster", "cluster NAME      the EKS cluster", ctl_set_text, &options->cluster},
        {"json", "json              print JSON", ctl_set_flag, &options->is_json},
    };
    struct ctl_option table[sizeof(all) / sizeof(all[0]) + 1] = {{0}};
    size_t n = 0;

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (takes(action, all[i].name))
            table[n++] = all[i];
    return ctl_read_options(argc, argv, &usage, table);
}

/* Finds the action of the first one or two words. *ret_n: how many they are. */
static const struct action *find_action(int argc, char **argv, int *ret_n)
{
    char words[64];

    for (*ret_n = 1; *ret_n <= 2 && *ret_n < argc; ++*ret_n) {
        snprintf(words, sizeof(words), *ret_n == 1 ? "%s" : "%s %s", argv[1], argv[2]);
        for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
            if (strcmp(actions[i].name, words) == 0)
                return &actions[i];
    }
    *ret_n = 0;
    return NULL;
}

static void command_done(struct issuer_command *command)
{
    cloud_done(&command->cloud);
    site_done(&command->site);
    config_unref(command->config);
}

/* Returns the issuer with this name, or the only one; or NULL after printing the error. */
static const struct issuer_config *find_issuer(const struct config *config, const char *name)
{
    if (!name && config->n_issuers == 1)
        return &config->issuers[0];
    for (size_t i = 0; name && i < config->n_issuers; i++)
        if (strcmp(config->issuers[i].name, name) == 0)
            return &config->issuers[i];
    issuer_fail(EXIT_CODE_CONFIG,
                name ? "there is no issuers.d/%s.conf" : "name one of the issuers", name);
    return NULL;
}

static int run(struct issuer_command *command, const struct action *action)
{
    const struct issuer_options *options = &command->options;
    char error[SITE_ERROR_SIZE];

    if (action->need == NEEDS_NOTHING)
        return action->run(command);
    command->config = ctl_load_config(ISSUER, options->config);
    if (!command->config)
        return EXIT_CODE_CONFIG;
    if (action->need == NEEDS_ISSUER) {
        command->site.issuer = find_issuer(command->config, options->issuer);
        return command->site.issuer ? action->run(command) : EXIT_CODE_CONFIG;
    }
    if (site_find(command->config, options->issuer, options->organization, &command->site, error) <
        0)
        return issuer_fail(EXIT_CODE_CONFIG, "%s", error);
    return action->run(command);
}

int ctl_issuer(int argc, char **argv)
{
    struct issuer_command command = {.options = {.config = CONFIG_DIRECTORY}};
    int n_words, code;
    const struct action *action = find_action(argc, argv, &n_words);
    const char *name = argc > 1 ? argv[1] : "nothing"; /* getopt_long(3) moves it */

    code = read_options(argc - n_words, argv + n_words, action, &command.options);
    if (code != -1)
        return code;
    if (!action)
        return issuer_fail(EXIT_CODE_USAGE,
                           "%s is no action: use register, show, remove, policy diff, policy "
                           "apply, policy lint or print; see --help",
                           name);
    process_harden();
    code = run(&command, action);
    command_done(&command);
    return code;
}

int issuer_connect(struct issuer_command *command)
{
    CLEANUP(secret_freep)
    struct secret *token =
        access_token_read(command->options.access_token_file, command->site.organization);

    if (!token)
        return EXIT_CODE_CONFIG;
    if (cloud_init(&command->cloud, &command->site, token) < 0)
        return issuer_fail(EXIT_CODE_CONFIG, "%s", command->cloud.error);
    return EXIT_CODE_OK;
}

static int explain(const struct issuer_command *command, enum cloud_fault fault)
{
    static const enum exit_code codes[] = {
        [CLOUD_OK] = EXIT_CODE_OK,
        [CLOUD_UNREACHABLE] = EXIT_CODE_UNREACHABLE,
        [CLOUD_TRY_AGAIN] = EXIT_CODE_TRY_AGAIN,
        [CLOUD_REFUSED] = EXIT_CODE_REFUSED,
        [CLOUD_INTERNAL] = EXIT_CODE_FAULT,
    };

    return fault == CLOUD_OK ? EXIT_CODE_OK : issuer_fail(codes[fault], "%s", command->cloud.error);
}

int issuer_call(struct issuer_command *command, const char *method, const char *path,
                const json_t *body, json_t **ret_answer)
{
    return explain(command, cloud_call(&command->cloud, method, path, body, ret_answer));
}

int issuer_call_about(struct issuer_command *command, const char *method, const char *path,
                      const json_t *id_of, const json_t *body, json_t **ret_answer)
{
    const char *id = cloud_id(id_of);
    char full[CLOUD_URL_SIZE];

    if (!id)
        return issuer_fail(EXIT_CODE_FAULT,
                           "Pulumi Cloud's answer has no id that is one, so nothing was changed");
    snprintf(full, sizeof(full), "%s/%s", path, id);
    return issuer_call(command, method, full, body, ret_answer);
}

int issuer_find(struct issuer_command *command, json_t **ret_issuer)
{
    return explain(command, cloud_issuer(&command->cloud, &command->site, ret_issuer));
}

int issuer_policies(struct issuer_command *command, const json_t *issuer, json_t **ret_policy,
                    struct auth_policies *ret_actual)
{
    char error[AUTH_POLICY_ERROR_SIZE];
    int code =
        issuer_call_about(command, "GET", "/auth/policies/oidcissuers", issuer, NULL, ret_policy);

    *ret_actual = (struct auth_policies){0};
    if (code != EXIT_CODE_OK)
        return code;
    if (auth_policies_read(json_object_get(*ret_policy, "policies"), ret_actual, error) < 0)
        return issuer_fail(EXIT_CODE_FAULT, "Pulumi Cloud's answer: %s", error);
    return EXIT_CODE_OK;
}

int issuer_derive(struct issuer_command *command, struct auth_policies *ret_derived)
{
    char error[AUTH_POLICY_ERROR_SIZE];

    if (auth_policies_derive(&command->site, ret_derived, error) < 0)
        return issuer_fail(EXIT_CODE_CONFIG, "%s", error);
    return EXIT_CODE_OK;
}

void issuer_print_text(const char *text)
{
    for (; *text; text++)
        putchar((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text);
}

void issuer_print_title(const struct issuer_command *command)
{
    printf("issuer %s (%s) in organization %s\n", command->site.issuer->name,
           command->site.issuer->url, command->site.organization);
}

void issuer_print_policy(char mark, const struct auth_policy *policy, const char *remark)
{
    const struct rule_section *rules = auth_policy_rules(policy);
    char title[AUTH_POLICY_TITLE_SIZE], path[RULE_PATH_SIZE];

    printf("%c ", mark);
    issuer_print_text(auth_policy_title(policy, title));
    printf("%s%s\n", *remark ? "    # " : "", remark);
    for (size_t i = 0; i < rules->n_rules; i++) {
        printf("%c     ", mark);
        issuer_print_text(rule_path_text(&rules->rules[i], path));
        putchar('=');
        issuer_print_text(rules->rules[i].pattern.text);
        putchar('\n');
    }
    if (rules->n_rules == 0 && !policy->problem)
        printf("%c     (without rules)\n", mark);
}

int issuer_print_json(const json_t *json)
{
    return ctl_print_json(ISSUER, json);
}

json_t *issuer_read_json(const char *path, size_t max)
{
    CLEANUP(secret_freep)
    struct secret *text = ctl_read(ISSUER, path, max);
    json_error_t error;
    json_t *json;

    if (!text)
        return NULL;
    json = json_loadb((char *)text->bytes, text->len, JSON_REJECT_DUPLICATES, &error);
    if (!json)
        issuer_fail(EXIT_CODE_CONFIG, "%s:%d: not JSON: %s", path, error.line, error.text);
    return json;
}
