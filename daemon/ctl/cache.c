/* podloginctl cache list, show, purge */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "ctl/ctl.h"
#include "ctl/daemon.h"
#include "ctl/options.h"
#include "ctl/table.h"

#define NAME        "cache"
#define SOCKET_HELP "socket PATH       the administrator's socket (" ADMIN_SOCKET_PATH ")"
#define TEXT_SIZE   320

struct cache_options {
    const char *socket_path;
    const char *service;
    const char *account;
    const char *key;
    bool is_json;
    bool all;
};

/* Texts of the arguments of a request. */
struct texts {
    char text[4][TEXT_SIZE];
    struct wire_list list;
};

static void add(struct texts *texts, const char *name, const char *value)
{
    char *text = texts->text[texts->list.n];

    if (!value)
        return;
    snprintf(text, TEXT_SIZE, "%s=%s", name, value);
    texts->list.item[texts->list.n++] = wire_string(text);
}

static void add_filter(struct texts *texts, const struct cache_options *options)
{
    add(texts, "service", options->service);
    add(texts, "serviceaccount", options->account);
    add(texts, "key", options->key);
}

/* Appends all tokens that match to @ret_tokens: the daemon answers with so many at once. */
static int ask_list(const struct cache_options *options, json_t *ret_tokens)
{
    size_t before;

    do {
        CLEANUP(json_decrefp)
        json_t *answer = NULL;
        struct texts texts = {0};
        char offset[24];
        int code;

        before = json_array_size(ret_tokens);
        add_filter(&texts, options);
        snprintf(offset, sizeof(offset), "%zu", before);
        add(&texts, "offset", offset);
        code = ctl_ask_json(NAME, options->socket_path, "cache list", &texts.list, &answer);
        if (code != EXIT_CODE_OK)
            return code;
        json_array_extend(ret_tokens, json_object_get(answer, "tokens"));
    } while (json_array_size(ret_tokens) > before);
    return EXIT_CODE_OK;
}

static const struct column columns[] = {
    {"KEY", "key", COLUMN_TEXT},
    {"SERVICE", "service", COLUMN_TEXT},
    {"SERVICE ACCOUNT", "serviceaccount", COLUMN_TEXT},
    {"STATE", "state", COLUMN_TEXT},
    {"EXPIRES IN", "expires_at", COLUMN_UNTIL},
    {0},
};

static int list(const struct cache_options *options)
{
    CLEANUP(json_decrefp)
    json_t *tokens = json_array();
    int code = ask_list(options, tokens);

    if (code != EXIT_CODE_OK)
        return code;
    if (options->is_json)
        return ctl_print_json(NAME, tokens);
    table_print(tokens, columns);
    return EXIT_CODE_OK;
}

static int show(const struct cache_options *options)
{
    CLEANUP(json_decrefp)
    json_t *tokens = json_array();
    int code;

    if (!options->key)
        return ctl_fail(EXIT_CODE_USAGE, NAME, "show: name a KEY of podloginctl cache list");
    code = ask_list(options, tokens);
    if (code != EXIT_CODE_OK)
        return code;
    if (json_array_size(tokens) != 1)
        return ctl_fail(EXIT_CODE_REFUSED, NAME, "%zu tokens have a key that begins with %s",
                        json_array_size(tokens), options->key);
    return ctl_print_json(NAME, json_array_get(tokens, 0));
}

static int purge(const struct cache_options *options)
{
    CLEANUP(json_decrefp)
    json_t *answer = NULL;
    struct texts texts = {0};
    const char *problem;
    int code;

    if (options->all == (options->service || options->account || options->key))
        return ctl_fail(EXIT_CODE_USAGE, NAME,
                        "purge: either --all, or --service, --serviceaccount or a KEY");
    add_filter(&texts, options);
    add(&texts, "all", options->all ? "yes" : NULL);
    code = ctl_ask_json(NAME, options->socket_path, "cache purge", &texts.list, &answer);
    if (code != EXIT_CODE_OK)
        return code;
    problem = json_member_string(answer, "problem");
    if (problem)
        return ctl_fail(EXIT_CODE_TRY_AGAIN, NAME,
                        "the tokens are gone from memory, but not all of them from the disk: %s",
                        problem);
    if (options->is_json)
        return ctl_print_json(NAME, answer);
    printf("%lld tokens purged\n",
           (long long)json_integer_value(json_object_get(answer, "purged")));
    return EXIT_CODE_OK;
}

static const struct {
    const char *name;
    int (*run)(const struct cache_options *options);
} actions[] = {{"list", list}, {"show", show}, {"purge", purge}};

int ctl_cache(int argc, char **argv)
{
    struct cache_options options = {.socket_path = ADMIN_SOCKET_PATH};
    const struct ctl_usage usage = {
        .command = NAME,
        .argument = &options.key,
        .summary =
            "podloginctl cache list [OPTIONS]\n"
            "podloginctl cache show KEY [OPTIONS]\n"
            "podloginctl cache purge KEY | --service S | --serviceaccount NS/NAME | --all\n\n"
            "Shows the tokens in the cache, without the tokens themselves, or removes them from\n"
            "memory and disk. Tokens that nobody has used since the daemon's start have no known\n"
            "service and account, and count as all.",
    };
    const struct ctl_option table[] = {
        {"service", "service S         only those of this service", ctl_set_text, &options.service},
        {"serviceaccount",
         "serviceaccount NS/NAME\n                      only those of this account", ctl_set_text,
         &options.account},
        {"all", "all               all of them", ctl_set_flag, &options.all},
        {"json", "json              print JSON", ctl_set_flag, &options.is_json},
        {"socket", SOCKET_HELP, ctl_set_text, &options.socket_path},
        {0},
    };
    const char *action = argc > 1 ? argv[1] : "";
    bool has_action = *action && *action != '-';
    int code =
        ctl_read_options(has_action ? argc - 1 : argc, has_action ? argv + 1 : argv, &usage, table);

    if (code != -1)
        return code;
    if (options.account && !strchr(options.account, '/'))
        return ctl_fail(EXIT_CODE_USAGE, NAME, "--serviceaccount %s is not NAMESPACE/NAME",
                        options.account);
    if ((options.service && !*options.service) || (options.key && !*options.key))
        return ctl_fail(EXIT_CODE_USAGE, NAME, "an argument is empty");
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
        if (strcmp(action, actions[i].name) == 0)
            return actions[i].run(&options);
    return ctl_fail(EXIT_CODE_USAGE, NAME, "name an action: list, show or purge; see --help");
}
