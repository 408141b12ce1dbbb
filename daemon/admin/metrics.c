/* The metrics, in the text format of Prometheus. Names and labels: docs/operations.md. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/admin.h"
#include "base/cleanup.h"
#include "base/counters.h"
#include "base/service_counters.h"
#include "broker/login.h"
#include "broker/upstream.h"

static const char *const results[REQUEST_RESULTS] = {
    [REQUEST_OK] = "ok",
    [REQUEST_REFUSED] = "refused",
    [REQUEST_UNAVAILABLE] = "unavailable",
    [REQUEST_FAULT] = "fault",
};

static const char *const outcomes[OUTCOMES] = {
    [OUTCOME_OK] = "ok",
    [OUTCOME_REFUSED] = "refused",
    [OUTCOME_MISCONFIGURED] = "misconfigured",
    [OUTCOME_THROTTLED] = "throttled",
    [OUTCOME_UNAVAILABLE] = "unavailable",
    [OUTCOME_MALFORMED] = "malformed",
    [OUTCOME_UNTRUSTED] = "untrusted",
};

static void begin(FILE *file, const char *name, const char *type, const char *help)
{
    fprintf(file, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A label's value: quotes, backslashes and newlines are escaped. */
static void put_label(FILE *file, const char *value)
{
    for (; *value; value++) {
        if (*value == '"' || *value == '\\')
            fputc('\\', file);
        fputc(*value == '\n' ? ' ' : *value, file);
    }
}

static double seconds(uint64_t usec)
{
    return (double)usec / (double)SECOND_USEC;
}

static void put_requests(FILE *file, const struct service_counters *all, size_t n)
{
    begin(file, "podlogin_requests_total", "counter", "Requests that were answered.");
    for (size_t i = 0; i < n; i++)
        for (int j = 0; j < REQUEST_RESULTS; j++)
            fprintf(file, "podlogin_requests_total{service=\"%s\",result=\"%s\"} %llu\n",
                    all[i].name, results[j], (unsigned long long)all[i].requests[j]);
    begin(file, "podlogin_exchanges_total", "counter", "Exchanges that ended.");
    for (size_t i = 0; i < n; i++)
        for (int j = 0; j < OUTCOMES && all[i].name[0]; j++)
            fprintf(file, "podlogin_exchanges_total{service=\"%s\",result=\"%s\"} %llu\n",
                    all[i].name, outcomes[j], (unsigned long long)all[i].exchanges[j]);
    begin(file, "podlogin_cache_hits_total", "counter", "Requests that the cache answered.");
    for (size_t i = 0; i < n; i++)
        if (all[i].name[0])
            fprintf(file, "podlogin_cache_hits_total{service=\"%s\"} %llu\n", all[i].name,
                    (unsigned long long)all[i].hits);
}

/* @labels: "service=\"pulumi\"" */
static void put_histogram(FILE *file, const char *name, const char *labels,
                          const struct histogram *histogram)
{
    unsigned long long n = 0;

    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        n += histogram->n[i];
        fprintf(file, "%s_bucket{%s,le=\"%g\"} %llu\n", name, labels,
                seconds(histogram_bounds_usec[i]), n);
    }
    n += histogram->n[HISTOGRAM_BUCKETS];
    fprintf(file, "%s_bucket{%s,le=\"+Inf\"} %llu\n", name, labels, n);
    fprintf(file, "%s_sum{%s} %.6f\n%s_count{%s} %llu\n", name, labels,
            seconds(histogram->sum_usec), name, labels, n);
}

static void put_durations(FILE *file, const struct service_counters *all, size_t n)
{
    char labels[128];

    begin(file, "podlogin_request_duration_seconds", "histogram",
          "Time until a token was handed out, from the cache (hit) or after an exchange (miss).");
    for (size_t i = 0; i < n; i++) {
        if (!all[i].name[0])
            continue;
        snprintf(labels, sizeof(labels), "service=\"%s\",source=\"hit\"", all[i].name);
        put_histogram(file, "podlogin_request_duration_seconds", labels, &all[i].hit);
        snprintf(labels, sizeof(labels), "service=\"%s\",source=\"miss\"", all[i].name);
        put_histogram(file, "podlogin_request_duration_seconds", labels, &all[i].miss);
    }
    begin(file, "podlogin_exchange_duration_seconds", "histogram",
          "Time that the upstream took for an exchange, whatever its result.");
    for (size_t i = 0; i < n; i++) {
        snprintf(labels, sizeof(labels), "service=\"%s\"", all[i].name);
        if (all[i].name[0])
            put_histogram(file, "podlogin_exchange_duration_seconds", labels, &all[i].exchange);
    }
}

static void put_counters(FILE *file)
{
    static const struct {
        enum counter first;
        const char *help;
    } helps[] = {
        {COUNTER_REFRESH_FAILURES, "Refreshes of valid tokens that failed."},
        {COUNTER_REJECTED_QUOTA, "Connections that were turned away."},
        {COUNTER_STORE_ERRORS, "Failures of the cache's disk."},
        {COUNTER_CLOCK_STEPS, "Steps of the wall clock."},
    };
    const char *metric = "";

    for (int i = 0, help = 0; i < COUNTERS; i++) {
        const struct counter_info *info = counter_info((enum counter)i);
        bool has_labels = info->labels[0];

        if (strcmp(info->metric, metric) != 0)
            begin(file, info->metric, "counter", helps[help++].help);
        metric = info->metric;
        fprintf(file, "%s%s%s%s %llu\n", metric, has_labels ? "{" : "", info->labels,
                has_labels ? "}" : "", (unsigned long long)counters[i]);
    }
}

/* One walk over all logins, because there may be a million of them. */
static void put_cache(FILE *file, const struct admin_view *view)
{
    const struct config *config = view->sessions->config;
    const struct list *logins = &view->broker->by_age;
    uint64_t *least = calloc(config->n_services + 1, sizeof(*least)); /* 0: none in use */
    struct now now = clock_now();
    unsigned long long n = 0;

    for (const struct list *node = logins->next; least && node != logins; node = node->next) {
        const struct login *login = container_of(node, struct login, age);
        uint64_t left = token_left_usec(&login->token, now);
        bool is_known = login->service && login->service->config == config;
        uint64_t *own = is_known ? &least[login->service - config->services] : NULL;

        n += left > 0;
        if (own && login->was_used && left && (!*own || left < *own))
            *own = left;
    }
    begin(file, "podlogin_cache_entries", "gauge", "Valid tokens in the cache.");
    fprintf(file, "podlogin_cache_entries %llu\n", n);
    begin(file, "podlogin_token_expiry_seconds", "gauge",
          "Time until the first of the service's tokens that are in use expires.");
    for (size_t i = 0; least && i < config->n_services; i++)
        if (least[i])
            fprintf(file, "podlogin_token_expiry_seconds{service=\"%s\"} %.3f\n",
                    config->services[i].name, seconds(least[i]));
    free(least);
}

static void put_upstreams(FILE *file, const struct admin_view *view)
{
    const struct list *upstreams = &view->broker->upstreams;
    unsigned long long n = 0;

    begin(file, "podlogin_breaker_open", "gauge",
          "Whether the circuit breaker of the upstream is open: 1, or 0.");
    for (const struct list *node = upstreams->next; node != upstreams; node = node->next) {
        const struct upstream *upstream = container_of(node, struct upstream, node);

        n += upstream->breaker.n_in_flight;
        fputs("podlogin_breaker_open{upstream=\"", file);
        put_label(file, upstream->endpoint);
        fprintf(file, "\"} %d\n", upstream->breaker.open_until_usec ? 1 : 0);
    }
    begin(file, "podlogin_exchanges_in_flight", "gauge", "Exchanges under way.");
    fprintf(file, "podlogin_exchanges_in_flight %llu\n", n);
}

static void put_issuers(FILE *file, const struct identities *identities)
{
    uint64_t now_usec = clock_boot_usec();

    begin(file, "podlogin_issuer_failing", "gauge",
          "Whether the latest fetch of the issuer's keys failed: 1, or 0.");
    for (size_t i = 0; i < identities->n_issuers; i++)
        fprintf(file, "podlogin_issuer_failing{issuer=\"%s\"} %d\n",
                identities->issuers[i]->config->name, identities->issuers[i]->n_failed > 0);
    begin(file, "podlogin_issuer_keys_age_seconds", "gauge",
          "Time since the keys of the issuer were fetched.");
    for (size_t i = 0; i < identities->n_issuers; i++) {
        const struct issuer *issuer = identities->issuers[i];
        uint64_t age_usec = issuer_keys_age_usec(issuer, now_usec);

        if (age_usec != UINT64_MAX)
            fprintf(file, "podlogin_issuer_keys_age_seconds{issuer=\"%s\"} %.3f\n",
                    issuer->config->name, seconds(age_usec));
    }
}

static void put_daemon(FILE *file, const struct admin_view *view)
{
    const struct sessions *sessions = view->sessions;
    CLEANUP(json_decrefp)
    json_t *waits = admin_waits_for(view);

    begin(file, "podlogin_ready", "gauge", "Whether the daemon can serve: 1, or 0.");
    fprintf(file, "podlogin_ready %d\n", waits && json_array_size(waits) == 0);
    begin(file, "podlogin_connections", "gauge", "Open connections of clients.");
    fprintf(file, "podlogin_connections %zu\n", sessions->n_connections);
    begin(file, "podlogin_connections_max", "gauge", "How many there may be at once.");
    fprintf(file, "podlogin_connections_max %zu\n", sessions->max_connections);
    begin(file, "podlogin_build_info", "gauge", "The version; the value is 1.");
    fprintf(file, "podlogin_build_info{version=\"%s\"} 1\n", PODLOGIN_VERSION);
}

char *admin_metrics(const struct admin_view *view)
{
    char *text = NULL;
    size_t size, n;
    FILE *file = open_memstream(&text, &size);
    const struct service_counters *all = service_counters(&n);

    if (!file)
        return NULL;
    put_requests(file, all, n);
    put_durations(file, all, n);
    put_counters(file);
    put_cache(file, view);
    put_upstreams(file, view);
    put_issuers(file, view->identities);
    put_daemon(file, view);
    if (fclose(file) != 0) {
        free(text);
        return NULL;
    }
    return text;
}
