/* podloginctl status, metrics, reload, check-config */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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

/* A span in seconds; negative: unknown. */
static double span(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    return json_is_number(value) ? json_number_value(value) : -1;
}

static void print_summary(const json_t *status)
{
    const json_t *cache = json_object_get(status, "cache");
    const json_t *connections = json_object_get(status, "connections");
    const char *problem = json_member_string(cache, "problem");
    char up[SPAN_SIZE];

    printf("podlogind %s, pid %lld, up %s\n", json_member_string(status, "version"),
           number(status, "pid"), span_text(span(status, "uptime_s"), up));
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

static void print_refusals(const json_t *refusals)
{
    static const char *const titles[] = {"REFUSED",         "AGO",    "TIMES", "SERVICE",
                                         "SERVICE ACCOUNT", "DETAIL", NULL};
    struct table table;
    const json_t *refusal;
    size_t i;

    table_begin(&table, titles);
    json_array_foreach(refusals, i, refusal)
    {
        table_add(&table, json_member_string(refusal, "status"));
        table_add_span(&table, difftime(time(NULL), (time_t)number(refusal, "at")));
        table_add_number(&table, number(refusal, "times"));
        table_add(&table, json_member_string(refusal, "service"));
        table_add(&table, json_member_string(refusal, "serviceaccount"));
        table_add(&table, json_member_string(refusal, "detail"));
    }
    table_end(&table);
}

static void print_services(const json_t *services)
{
    static const char *const titles[] = {"SERVICE", "PROVIDER", "ISSUER", "UPSTREAM", NULL};
    struct table table;
    const json_t *service;
    size_t i;

    table_begin(&table, titles);
    json_array_foreach(services, i, service)
    {
        table_add(&table, json_member_string(service, "name"));
        table_add(&table, json_member_string(service, "provider"));
        table_add(&table, json_member_string(service, "issuer"));
        table_add(&table, json_member_string(service, "upstream"));
    }
    table_end(&table);
}

static void print_issuers(const json_t *issuers)
{
    static const char *const titles[] = {"ISSUER", "KEYS", "FETCHED", "PROBLEM", NULL};
    struct table table;
    const json_t *issuer;
    size_t i;

    table_begin(&table, titles);
    json_array_foreach(issuers, i, issuer)
    {
        table_add(&table, json_member_string(issuer, "name"));
        table_add_number(&table, number(issuer, "keys"));
        table_add_span(&table, span(issuer, "keys_age_s"));
        table_add(&table, json_member_string(issuer, "problem"));
    }
    table_end(&table);
}

static void print_upstreams(const json_t *upstreams)
{
    static const char *const titles[] = {"UPSTREAM", "BREAKER", "IN FLIGHT", "PROBLEM", NULL};
    struct table table;
    const json_t *upstream;
    size_t i;

    table_begin(&table, titles);
    json_array_foreach(upstreams, i, upstream)
    {
        table_add(&table, json_member_string(upstream, "url"));
        table_add(&table, json_member_string(upstream, "breaker"));
        table_add_number(&table, number(upstream, "exchanges_in_flight"));
        table_add(&table, json_member_string(upstream, "problem"));
    }
    table_end(&table);
}

static void print_exchangers(const json_t *exchangers)
{
    static const char *const titles[] = {"EXCHANGER", "STATE", "JOBS", NULL};
    struct table table;
    const json_t *exchanger;
    size_t i;

    table_begin(&table, titles);
    json_array_foreach(exchangers, i, exchanger)
    {
        table_add(&table, json_member_string(exchanger, "role"));
        table_add(&table,
                  json_is_true(json_object_get(exchanger, "running")) ? "running" : "not running");
        table_add_number(&table, number(exchanger, "jobs"));
    }
    table_end(&table);
}

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
    print_services(json_object_get(status, "services"));
    print_issuers(json_object_get(status, "issuers"));
    print_upstreams(json_object_get(status, "upstreams"));
    print_exchangers(json_object_get(status, "exchangers"));
    print_refusals(json_object_get(status, "refusals"));
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
    printf("%s: configuration is valid (%zu issuers, %zu services)\n", directory, config->n_issuers,
           config->n_services);
    config_unref(config);
    return EXIT_CODE_OK;
}
