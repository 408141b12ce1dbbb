/* podloginctl status, metrics, reload, check-config */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "config/config.h"
#include "ctl/ctl.h"
#include "ctl/daemon.h"
#include "ctl/options.h"
#include "ctl/table.h"

#define SOCKET_HELP "socket PATH       the administrator's socket (" ADMIN_SOCKET_PATH ")"

static long long number(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

static void print_summary(const json_t *status)
{
    const json_t *cache = json_object_get(status, "cache");
    const json_t *connections = json_object_get(status, "connections");
    const char *problem = json_member_string(cache, "problem");
    char up[SPAN_SIZE];

    printf("podlogind %s, pid %lld, up %s\n", json_member_string(status, "version"),
           number(status, "pid"), span_text((double)number(status, "uptime_s"), up));
    printf("serving at %s, PeerAttestation=%s, %lld of %lld connections\n",
           json_member_string(status, "socket"), json_member_string(status, "attestation"),
           number(connections, "open"), number(connections, "most"));
    printf("%lld tokens in %s", number(cache, "tokens"), json_member_string(cache, "path"));
    printf("%s%s\n\n", problem ? ": serving from memory only: " : "", problem ? problem : "");
}

static void print_waits(const json_t *waits)
{
    const json_t *each;
    size_t i;

    json_array_foreach(waits, i, each)
        printf("cannot serve yet; waits for %s\n", json_string_value(each));
    if (json_array_size(waits))
        putchar('\n');
}

static const struct column services[] = {
    {"SERVICE", "name", COLUMN_TEXT},
    {"PROVIDER", "provider", COLUMN_TEXT},
    {"ISSUER", "issuer", COLUMN_TEXT},
    {"UPSTREAM", "upstream", COLUMN_TEXT},
    {0},
};

static const struct column issuers[] = {
    {"ISSUER", "name", COLUMN_TEXT},
    {"KEYS", "keys", COLUMN_NUMBER},
    {"FETCHED", "keys_age_s", COLUMN_SPAN},
    {"PROBLEM", "problem", COLUMN_TEXT},
    {0},
};

static const struct column upstreams[] = {
    {"UPSTREAM", "url", COLUMN_TEXT},
    {"BREAKER", "breaker", COLUMN_TEXT},
    {"IN FLIGHT", "exchanges_in_flight", COLUMN_NUMBER},
    {"PROBLEM", "problem", COLUMN_TEXT},
    {0},
};

static const struct column exchangers[] = {
    {"EXCHANGER", "role", COLUMN_TEXT},
    {"STATE", "running", COLUMN_RUNNING},
    {"JOBS", "jobs", COLUMN_NUMBER},
    {0},
};

static const struct column refusals[] = {
    {"REFUSED", "status", COLUMN_TEXT},
    {"AGO", "at", COLUMN_SINCE},
    {"TIMES", "times", COLUMN_NUMBER},
    {"SERVICE", "service", COLUMN_TEXT},
    {"SERVICE ACCOUNT", "serviceaccount", COLUMN_TEXT},
    {"DETAIL", "detail", COLUMN_TEXT},
    {0},
};

int ctl_status(int argc, char **argv)
{
    static const struct ctl_usage usage = {
        .command = "status",
        .summary = "podloginctl status [OPTIONS]\n\n"
                   "Shows what the running daemon serves, and what hinders it.",
    };
    const char *socket_path = ADMIN_SOCKET_PATH;
    bool is_json = false;
    const struct ctl_option options[] = {
        {"json", "json              print JSON", ctl_set_flag, &is_json},
        {"socket", SOCKET_HELP, ctl_set_text, &socket_path},
        {0},
    };
    CLEANUP(json_decrefp)
    json_t *status = NULL;
    int code = ctl_read_options(argc, argv, &usage, options);

    if (code == -1)
        code = ctl_ask_json("status", socket_path, "status", NULL, &status);
    if (!status)
        return code;
    if (is_json)
        return ctl_print_json("status", status);
    print_summary(status);
    print_waits(json_object_get(status, "waits_for"));
    table_print(json_object_get(status, "services"), services);
    table_print(json_object_get(status, "issuers"), issuers);
    table_print(json_object_get(status, "upstreams"), upstreams);
    table_print(json_object_get(status, "exchangers"), exchangers);
    table_print(json_object_get(status, "refusals"), refusals);
    return EXIT_CODE_OK;
}

int ctl_metrics(int argc, char **argv)
{
    static const struct ctl_usage usage = {
        .command = "metrics",
        .summary = "podloginctl metrics [OPTIONS]\n\n"
                   "Prints the metrics of the running daemon, in the text format of Prometheus.",
    };
    const char *socket_path = ADMIN_SOCKET_PATH;
    const struct ctl_option options[] = {
        {"socket", SOCKET_HELP, ctl_set_text, &socket_path},
        {0},
    };
    CLEANUP(freep)
    char *text = NULL;
    int code = ctl_read_options(argc, argv, &usage, options);

    if (code == -1)
        code = ctl_ask("metrics", socket_path, "metrics", NULL, &text);
    if (text)
        fputs(text, stdout);
    return code;
}

int ctl_reload(int argc, char **argv)
{
    static const struct ctl_usage usage = {
        .command = "reload",
        .summary = "podloginctl reload [OPTIONS]\n\n"
                   "Makes the daemon read its configuration again. If that is not valid, prints\n"
                   "what is wrong; the daemon then keeps the current one.",
    };
    const char *socket_path = ADMIN_SOCKET_PATH;
    const struct ctl_option options[] = {
        {"socket", SOCKET_HELP, ctl_set_text, &socket_path},
        {0},
    };
    CLEANUP(json_decrefp)
    json_t *answer = NULL;
    int code = ctl_read_options(argc, argv, &usage, options);

    if (code == -1)
        code = ctl_ask_json("reload", socket_path, "reload", NULL, &answer);
    if (answer)
        fputs(json_member_string(answer, "findings"), stderr);
    return code;
}

int ctl_check_config(int argc, char **argv)
{
    const char *directory = CONFIG_DIRECTORY;
    const struct ctl_usage usage = {
        .command = "check-config",
        .argument = &directory,
        .summary = "podloginctl check-config [DIR]\n\n"
                   "Checks a configuration (" CONFIG_DIRECTORY "), as podlogind does when it "
                   "starts.",
    };
    const struct ctl_option options[] = {{0}};
    const struct config *config = NULL;
    struct findings findings;
    int code = ctl_read_options(argc, argv, &usage, options), r;

    if (code != -1)
        return code;
    r = config_load(directory, &config, &findings);
    for (size_t i = 0; i < findings.n; i++)
        fprintf(stderr, "%s%s\n",
                findings.list[i].is_error ? "" : "warning: ", findings.list[i].text);
    if (r < 0)
        return EXIT_CODE_CONFIG;
    printf("%s: configuration is valid (" CONFIG_SIZE_FORMAT ")\n", directory, CONFIG_SIZE(config));
    config_unref(config);
    return EXIT_CODE_OK;
}
