/*
 * podloginctl explain: makes every check of the daemon for one token and one service, in the
 * daemon's order and with its code, and goes on where the daemon would stop. Then prints the
 * request that would go upstream, without sending it.
 */
#include "ctl/configuration.h"
#include "ctl/ctl.h"
#include "ctl/options.h"
#include "ctl/payload.h"
#include "ctl/remedy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "admission/admission.h"
#include "base/json.h"
#include "config/config.h"
#include "exchange/exchanger_client.h"
#include "provider/exchange.h"
#include "provider/specifiers.h"
#include "text/text.h"

#define NAME           "explain"
#define KEYS_WAIT_USEC (12 * SECOND_USEC)

struct options {
    const char *config;
    const char *exchanger;
    const char *service;
    const char *token_file; /* NULL: standard input */
    bool is_json;
};

/*
 * The lines in the order of the checks: {"check":, "result":, "detail":}. The verdict is that of
 * the first refusal.
 */
struct report {
    json_t *lines;
    enum podlogin_status verdict;
    const char *remedy;
};

static int read_options(int argc, char **argv, struct options *options)
{
    static const struct ctl_usage usage = {
        .command = NAME,
        .input = "--token-file or standard input",
        .summary =
            "podloginctl explain --service NAME [OPTIONS]\n\n"
            "Makes every check of the daemon for a service-account token and a service, and\n"
            "prints the results.",
    };
    const struct ctl_option table[] = {
        {"service", "service NAME      the name of the service", ctl_set_text, &options->service},
        {"token-file", "token-file FILE   the file with the token; default: standard input",
         ctl_set_text, &options->token_file},
        {"config",
         "config DIR        directory of podlogind.conf, issuers.d, services.d (" CONFIG_DIRECTORY
         ")",
         ctl_set_text, &options->config},
        {"exchanger",
         "exchanger PATH    the program that fetches the issuer's keys (" PODLOGIN_EXCHANGER ")",
         ctl_set_text, &options->exchanger},
        {"json", "json              print a JSON object", ctl_set_flag, &options->is_json},
        {0},
    };
    int code = ctl_read_options(argc, argv, &usage, table);

    if (code == -1 && !*options->service)
        return ctl_fail(EXIT_CODE_USAGE, NAME, "--service NAME is missing");
    return code;
}

__attribute__((format(printf, 4, 5))) static void add(struct report *report, const char *check,
                                                      const char *result, const char *format, ...)
{
    CLEANUP(freep)
    char *detail = NULL;
    va_list args;
    int len;

    va_start(args, format);
    len = vasprintf(&detail, format, args);
    va_end(args);
    if (len >= 0)
        json_array_append_new(report->lines, json_pack("{s:s, s:s, s:s+}", "check", check, "result",
                                                       result, "detail", detail, ""));
}

static void add_ok(struct report *report, const char *check, const char *detail)
{
    add(report, check, "ok", "%s", detail);
}

static void add_refusal(struct report *report, const char *check, const struct refusal *refusal,
                        const char *detail)
{
    add(report, check, status_info(refusal->status)->name, "%s%s%s", detail,
        *detail && refusal->detail[0] ? "; " : "", refusal->detail);
    if (report->verdict == PODLOGIN_OK) {
        report->verdict = refusal->status;
        report->remedy = remedy_find(refusal->status, refusal->detail);
    }
}

static void describe_audience(const struct claims *claims, char *detail, size_t size)
{
    for (size_t i = 0; i < claims->n_audiences; i++)
        snprintf(detail + strlen(detail), size - strlen(detail), "%s%s", i ? ", " : "",
                 claims->audiences[i]);
}

static void describe_peer(const struct config *config, const struct claims *claims, char *detail,
                          size_t size)
{
    if (config->attestation == ATTESTATION_OFF)
        snprintf(detail, size, "not checked: PeerAttestation=off");
    else
        snprintf(detail, size, "checked when the client connects: it must run in pod %s (%s)",
                 claims->pod ? claims->pod : "none", claims->pod_uid ? claims->pod_uid : "none");
}

/* Describes what the token or the configuration says about a check. */
static void describe(const struct admission *admission, enum admission_check check, char *detail,
                     size_t size)
{
    const struct claims *claims = &admission->identity->claims;
    const struct issuer *issuer = admission->identity->issuer;
    char issued[TIME_SIZE], expires[TIME_SIZE];

    *detail = '\0';
    switch (check) {
    case CHECK_ISSUER:
        snprintf(detail, size, "%s", claims->issuer);
        break;
    case CHECK_AUDIENCE:
        describe_audience(claims, detail, size);
        break;
    case CHECK_NODE:
        snprintf(detail, size, "%s%s", claims->node_uid ? claims->node_uid : "none",
                 admission->identities->node.is_expected
                     ? ""
                     : "; any node, because neither NodeTokenFile= nor NodeUID= is set");
        break;
    case CHECK_PEER:
        describe_peer(admission->identities->config, claims, detail, size);
        break;
    case CHECK_SIGNATURE:
        snprintf(detail, size, "%zu keys of the issuer are known", issuer ? issuer->jwks.n : 0);
        break;
    case CHECK_TIME:
        snprintf(detail, size, "issued %s, expires %s", time_text(claims->issued_at_s, issued),
                 time_text(claims->expires_at_s, expires));
        break;
    case CHECK_RULES:
    case CHECK_ALIVE:
    case CHECK_REVIEW:
    case ADMISSION_CHECKS:
        break;
    }
}

static void explain_check(struct report *report, const struct admission *admission,
                          enum admission_check check, const char *name)
{
    const struct service *service = admission->service;
    struct refusal refusal;
    char detail[2048];

    describe(admission, check, detail, sizeof(detail));
    if (!admission->identity->issuer && check != CHECK_ISSUER && check != CHECK_TIME) {
        add(report, name, "-", "not checked: the issuer is not configured");
        return;
    }
    if (check == CHECK_AUDIENCE && !service) {
        add(report, name, "-", "not checked: the service does not exist");
        return;
    }
    if (admission_check(admission, check, &refusal) == ADMISSION_GRANTED) {
        add_ok(report, name, detail);
        return;
    }
    if (check == CHECK_AUDIENCE)
        snprintf(detail + strlen(detail), sizeof(detail) - strlen(detail), ", not %s alone",
                 service->audience);
    add_refusal(report, name, &refusal, detail);
}

/*
 * All checks that concern the token alone. Rules have their own lines; the client process and
 * reviews need a connection.
 */
static void explain_identity(struct report *report, const struct admission *admission)
{
    static const char *const names[] = {"issuer", "audience", "node", "pod", "signature", "time"};

    identity_issuer(admission->identities, admission->identity);
    for (enum admission_check check = CHECK_ISSUER; check <= CHECK_TIME; check++)
        explain_check(report, admission, check, names[check]);
}

/* Returns the claim that a rule looks at as JSON; or NULL if it is absent. The caller frees it. */
static char *claim_text(const struct rule *rule, const struct identity *identity)
{
    CLEANUP(secret_freep)
    struct secret *payload = payload_decode(identity->jwt);
    CLEANUP(json_decrefp)
    json_t *json = payload ? json_read_object(payload->bytes, payload->len) : NULL;
    const json_t *claim = json;

    for (size_t i = 0; i < rule->n_path; i++)
        claim = json_object_get(claim, rule->path[i]);
    return json_dumps(claim, JSON_ENCODE_ANY | JSON_COMPACT);
}

static void explain_rule(struct report *report, const struct rule_section *section,
                         const struct rule *rule, const struct identity *identity)
{
    CLEANUP(freep)
    char *value = claim_text(rule, identity);
    char path[RULE_PATH_SIZE];

    add(report, "rule", rule_matches(rule, identity->payload) ? "matches" : "differs",
        "[%s \"%s\"] %s=%s; the claim is %s", section->is_deny ? "Deny" : "Allow", section->name,
        rule_path_text(rule, path), rule->pattern.text, value ? value : "missing");
}

static void explain_rules(struct report *report, const struct admission *admission)
{
    const struct policy *policy = &admission->service->policy;
    struct refusal refusal;

    for (size_t i = 0; i < policy->n_sections; i++)
        for (size_t j = 0; j < policy->sections[i].n_rules; j++)
            explain_rule(report, &policy->sections[i], &policy->sections[i].rules[j],
                         admission->identity);
    if (admission_check(admission, CHECK_RULES, &refusal) == ADMISSION_GRANTED)
        add_ok(report, "rules", "an [Allow] section matches");
    else
        add_refusal(report, "rules", &refusal, "");
}

/* A line for each header and each field of a form; a JSON body is one line. */
static void add_request(struct report *report, const struct provider_request *request)
{
    bool is_form = strstr(request->content_type, "form");
    CLEANUP(freep)
    char *body = strndup((char *)request->body->bytes, request->body->len);
    char *rest = NULL;

    add(report, "upstream", "-", "%s %s", request->method, request->url);
    for (size_t i = 0; i < request->n_headers; i++)
        add(report, "upstream", "-", "%s: %s", request->headers[i].name, request->headers[i].value);
    for (char *field = body ? strtok_r(body, is_form ? "&" : "\n", &rest) : NULL; field;
         field = strtok_r(NULL, is_form ? "&" : "\n", &rest))
        add(report, "upstream", "-", "%s", field);
}

/* Builds the request with a word in the place of the token and of the client's secret. */
static void explain_upstream(struct report *report, const struct service *service,
                             const struct claims *claims)
{
    static const char redacted[] = "REDACTED";
    const struct pod_names names = {claims->namespace, claims->serviceaccount, claims->pod};
    const struct provider_setting *settings = service->provider->settings;
    const struct provider_exchange *exchange = provider_exchange_find(service->provider->name);
    CLEANUP(secret_freep)
    struct secret *secret = secret_new(redacted, strlen(redacted));
    struct provider_values values = {.secret = secret};
    struct provider_request request = {0};
    char *texts[PROVIDER_SETTINGS_MAX] = {NULL};

    for (size_t i = 0; settings[i].name; i++) {
        specifiers_expand(&settings[i], service->provider_settings[i], &names, &texts[i]);
        values.value[i] = texts[i];
    }
    if (secret && exchange && exchange->request(&values, secret, &request) == 0)
        add_request(report, &request);
    provider_request_done(&request);
    for (size_t i = 0; i < PROVIDER_SETTINGS_MAX; i++)
        free(texts[i]);
}

static void explain_token(struct report *report, const struct admission *admission)
{
    const struct claims *claims = &admission->identity->claims;

    add(report, "form", "ok", "%s in %s%s%s", claims->serviceaccount, claims->namespace,
        claims->pod ? ", pod " : "", claims->pod ? claims->pod : "");
    explain_identity(report, admission);
    if (admission->service) {
        explain_rules(report, admission);
        explain_upstream(report, admission->service, claims);
    }
}

static int print_report(const struct report *report, bool is_json)
{
    const struct status_info *info = status_info(report->verdict);
    CLEANUP(freep)
    char *json = NULL;
    json_t *line;
    size_t i;

    if (is_json) {
        CLEANUP(json_decrefp)
        json_t *whole = json_pack("{s:s, s:s, s:O}", "verdict", info->name, "remedy",
                                  report->remedy, "checks", report->lines);

        json = json_dumps(whole, JSON_INDENT(2));
        if (!json || puts(json) == EOF)
            return EXIT_CODE_FAULT;
        return info->exit_code;
    }
    json_array_foreach(report->lines, i, line)
        printf("%-10s %-24s %s\n", json_member_string(line, "check"),
               json_member_string(line, "result"), json_member_string(line, "detail"));
    printf("%-10s %-24s %s\n", "verdict", info->name,
           report->verdict == PODLOGIN_OK ? "the daemon would serve it" : info->sentence);
    if (*report->remedy)
        printf("%-10s %-24s %s\n", "remedy", "-", report->remedy);
    return info->exit_code;
}

struct wait {
    struct waiter waiter;
    struct timer timer;
    struct loop *loop;
};

static void on_keys(struct waiter *waiter, const void *news)
{
    (void)news;
    loop_stop(container_of(waiter, struct wait, waiter)->loop);
}

static void on_timeout(struct timer *timer)
{
    loop_stop(container_of(timer, struct wait, timer)->loop);
}

/* Waits for the fetch that issuer_new() started. */
static void wait_for_keys(struct loop *loop, struct issuer *issuer)
{
    struct wait wait = {.loop = loop};
    uint64_t caused_usec = 0;

    waiter_init(&wait.waiter, on_keys);
    if (issuer->jwks.n ||
        issuer_wait_for_keys(issuer, &wait.waiter, &caused_usec) != KEYS_UNDER_WAY)
        return;
    loop_timer(loop, &wait.timer, KEYS_WAIT_USEC, on_timeout);
    loop_run(loop);
    waiter_leave(&wait.waiter);
    timer_unset(&wait.timer);
}

static void explain_all(struct report *report, const char *service_name,
                        struct admission *admission, const struct secret *token)
{
    CLEANUP(identity_unrefp)
    struct identity *identity = NULL;
    struct issuer *issuer;
    struct refusal refusal;

    if (admission->service) {
        add_ok(report, "service", service_name);
    } else {
        refusal_set_status(&refusal, PODLOGIN_UNKNOWN_SERVICE);
        add_refusal(report, "service", &refusal, service_name);
    }
    if (identities_find(admission->identities, token->bytes, token->len, &identity, &refusal) !=
        PODLOGIN_OK) {
        add_refusal(report, "form", &refusal, "");
        return;
    }
    issuer = identity_issuer(admission->identities, identity);
    if (issuer)
        wait_for_keys(admission->identities->loop, issuer);
    admission->identity = identity;
    admission->now = clock_now();
    explain_token(report, admission);
}

static int explain(const struct options *options, const struct config *config, struct loop *loop,
                   struct exchanger_client *exchanger, const struct secret *token)
{
    struct report report = {.lines = json_array(), .remedy = ""};
    struct identities identities;
    struct admission admission = {
        .identities = &identities,
        .service = config_service(config, options->service, strlen(options->service)),
    };
    int r;

    if (identities_init(&identities, config, loop, exchanger) < 0) {
        json_decref(report.lines);
        identities_done(&identities);
        return ctl_fail(EXIT_CODE_CONFIG, NAME, "cannot set up an issuer's keys");
    }
    explain_all(&report, options->service, &admission, token);
    r = print_report(&report, options->is_json);
    json_decref(report.lines);
    identities_done(&identities);
    return r;
}

int ctl_explain(int argc, char **argv)
{
    struct options options = {
        .config = CONFIG_DIRECTORY, .exchanger = PODLOGIN_EXCHANGER, .service = ""};
    const struct config *config = NULL;
    struct loop loop;
    struct launcher launcher;
    struct exchanger_client *exchanger = NULL;
    CLEANUP(secret_freep)
    struct secret *token = NULL;
    int r = read_options(argc, argv, &options);

    if (r != -1)
        return r;
    process_harden();
    config = ctl_load_config(NAME, options.config);
    if (!config)
        return EXIT_CODE_CONFIG;
    r = launcher_init(&launcher, options.exchanger); /* before there is a token */
    if (r == 0) {
        token = ctl_token(NAME, options.token_file);
        r = token ? loop_init(&loop) : EXIT_CODE_CONFIG;
    }
    if (r == 0) {
        if (exchanger_client_new(&loop, &launcher, EXCHANGER_ISSUERS, &exchanger) < 0)
            r = ctl_fail(EXIT_CODE_FAULT, NAME, "cannot start the exchanger %s", options.exchanger);
        else
            r = explain(&options, config, &loop, exchanger, token);
        exchanger_client_free(exchanger);
        loop_done(&loop);
    }
    launcher_done(&launcher);
    config_unref(config);
    return r < 0 ? ctl_fail(EXIT_CODE_FAULT, NAME, "%s", strerror(-r)) : r;
}
