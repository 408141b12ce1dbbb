/* What `podloginctl status` and `cache list` show. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "admin/admin.h"
#include "base/service_counters.h"
#include "broker/login.h"
#include "broker/purge.h"
#include "broker/upstream.h"
#include "observe/refusals.h"
#include "protocol/status.h"

#define KEY_BYTES 8 /* of a cache key that are shown: enough to tell logins apart */

static const char *const attestations[] = {
    [ATTESTATION_ENFORCE] = "enforce",
    [ATTESTATION_AUDIT] = "audit",
    [ATTESTATION_OFF] = "off",
};

/* "s?" of jansson: null if there is no text. */
static const char *or_null(const char *text)
{
    return text && *text ? text : NULL;
}

static json_t *service_status(const struct service *service)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "name", service->name, "provider",
                     service->provider->name, "issuer", service->issuer_name, "audience",
                     service->audience, "upstream", service->endpoint, "share",
                     service->share == SHARE_POD ? "pod" : "serviceaccount");
}

static json_t *issuer_status(const struct issuer *issuer, uint64_t now_usec)
{
    uint64_t age_usec = issuer_keys_age_usec(issuer, now_usec);

    return json_pack("{s:s, s:s, s:I, s:I, s:o, s:s?}", "name", issuer->config->name, "url",
                     issuer->config->url, "keys", (json_int_t)issuer->jwks.n, "skipped_keys",
                     (json_int_t)issuer->n_skipped, "keys_age_s",
                     age_usec == UINT64_MAX ? json_null()
                                            : json_integer((json_int_t)(age_usec / SECOND_USEC)),
                     "problem", or_null(issuer->error));
}

static json_t *upstream_status(const struct upstream *upstream, uint64_t now_usec)
{
    const struct breaker *breaker = &upstream->breaker;
    bool is_open = breaker->open_until_usec;

    return json_pack("{s:s, s:s, s:f, s:I, s:s?}", "url", upstream->endpoint, "breaker",
                     !is_open              ? "closed"
                     : breaker->is_probing ? "probing"
                                           : "open",
                     "retry_in_s",
                     (double)breaker_delay_usec(breaker, now_usec) / (double)SECOND_USEC,
                     "exchanges_in_flight", (json_int_t)breaker->n_in_flight, "problem",
                     is_open ? or_null(upstream->refusal.detail) : NULL);
}

static size_t count_tokens(const struct broker *broker, struct now now)
{
    size_t n = 0;

    for (const struct list *node = broker->by_age.next; node != &broker->by_age; node = node->next)
        n += token_left_usec(&container_of(node, struct login, age)->token, now) > 0;
    return n;
}

json_t *admin_waits_for(const struct admin_view *view)
{
    const struct identities *identities = view->identities;
    json_t *waits = json_array();
    bool has_keys = false;

    for (size_t i = 0; i < identities->n_issuers; i++)
        has_keys = has_keys || identities->issuers[i]->jwks.n;
    for (size_t i = 0; i < identities->n_issuers && !has_keys; i++)
        json_array_append_new(
            waits, json_sprintf("the keys of issuer %s: %s", identities->issuers[i]->config->name,
                                identities->issuers[i]->error[0] ? identities->issuers[i]->error
                                                                 : "being fetched"));
    if (node_is_unknown(&identities->node))
        json_array_append_new(waits,
                              json_sprintf("the uid of the node: %s", identities->node.error));
    for (int role = 0; role < EXCHANGERS; role++)
        if (view->exchangers[role] && !exchanger_is_running(view->exchangers[role]))
            json_array_append_new(waits,
                                  json_sprintf("the exchanger for %s", exchanger_names[role]));
    return waits;
}

/* Sums over all services. */
static json_t *totals(void)
{
    json_int_t requests[REQUEST_RESULTS] = {0}, hits = 0, misses = 0;
    size_t n;
    const struct service_counters *all = service_counters(&n);

    for (size_t i = 0; i < n; i++) {
        for (int j = 0; j < REQUEST_RESULTS; j++)
            requests[j] += (json_int_t)all[i].requests[j];
        hits += (json_int_t)all[i].hits;
        for (int j = 0; j <= HISTOGRAM_BUCKETS; j++)
            misses += (json_int_t)all[i].miss.n[j];
    }
    return json_pack("{s:I, s:I, s:I, s:I, s:I}", "hits", hits, "misses", misses, "refused",
                     requests[REQUEST_REFUSED], "unavailable", requests[REQUEST_UNAVAILABLE],
                     "faults", requests[REQUEST_FAULT]);
}

static json_t *refusals(void)
{
    json_t *list = json_array();
    const struct past_refusal *past;

    for (size_t i = 0; (past = refusals_get(i)); i++) {
        const struct status_info *info = status_info(past->status);

        json_array_append_new(
            list, json_pack("{s:I, s:I, s:s, s:s?, s:s?, s:s, s:s?}", "at", (json_int_t)past->at_s,
                            "times", (json_int_t)past->n, "status", info->name, "service",
                            or_null(past->service), "serviceaccount", or_null(past->account),
                            "sentence", info->sentence, "detail", or_null(past->detail)));
    }
    return list;
}

static json_t *exchanger_status(const struct exchanger_client *exchanger, int role)
{
    return json_pack("{s:s, s:b, s:I}", "role", exchanger_names[role], "running",
                     exchanger_is_running(exchanger), "jobs",
                     (json_int_t)exchanger_n_jobs(exchanger));
}

static json_t *lists(const struct admin_view *view, json_t *status)
{
    const struct config *config = view->sessions->config;
    json_t *services = json_array(), *issuers = json_array(), *upstreams = json_array();
    json_t *exchangers = json_array();
    uint64_t now_usec = clock_boot_usec();

    for (size_t i = 0; i < config->n_services; i++)
        json_array_append_new(services, service_status(&config->services[i]));
    for (size_t i = 0; i < view->identities->n_issuers; i++)
        json_array_append_new(issuers, issuer_status(view->identities->issuers[i], now_usec));
    for (const struct list *node = view->broker->upstreams.next; node != &view->broker->upstreams;
         node = node->next)
        json_array_append_new(upstreams,
                              upstream_status(container_of(node, struct upstream, node), now_usec));
    for (int role = 0; role < EXCHANGERS; role++)
        if (view->exchangers[role])
            json_array_append_new(exchangers, exchanger_status(view->exchangers[role], role));
    json_object_set_new(status, "waits_for", admin_waits_for(view));
    json_object_set_new(status, "totals", totals());
    json_object_set_new(status, "services", services);
    json_object_set_new(status, "issuers", issuers);
    json_object_set_new(status, "upstreams", upstreams);
    json_object_set_new(status, "exchangers", exchangers);
    json_object_set_new(status, "refusals", refusals());
    return status;
}

json_t *admin_status(const struct admin_view *view)
{
    const struct sessions *sessions = view->sessions;
    const struct config *config = sessions->config;
    json_t *status = json_pack(
        "{s:s, s:i, s:I, s:s, s:s, s:{s:I, s:I}, s:{s:s, s:I, s:I, s:s?}}", "version",
        PODLOGIN_VERSION, "pid", (int)getpid(), "uptime_s",
        (json_int_t)((clock_boot_usec() - sessions->begun_usec) / SECOND_USEC), "socket",
        config->socket, "attestation", attestations[config->attestation], "connections", "open",
        (json_int_t)sessions->n_connections, "most", (json_int_t)sessions->max_connections, "cache",
        "path", config->cache, "tokens", (json_int_t)count_tokens(view->broker, clock_now()),
        "rows_max", (json_int_t)view->broker->logins_max, "problem",
        store_problem(view->broker->store));

    return status ? lists(view, status) : NULL;
}

static const char *state_of(const struct login *login)
{
    if (login->flight)
        return login->token.frame ? "refreshing" : "exchanging";
    return login->is_due ? "due" : "fresh";
}

static json_t *login_status(const struct login *login)
{
    char key[2 * KEY_BYTES + 1], fingerprint[17];

    digest_hex(&login->node.key, KEY_BYTES, key);
    snprintf(fingerprint, sizeof(fingerprint), "%016llx",
             (unsigned long long)login->token.fingerprint);
    return json_pack("{s:s, s:s?, s:s?, s:s, s:I, s:I, s:s, s:b}", "key", key, "service",
                     login->service ? login->service->name : NULL, "serviceaccount", login->account,
                     "state", state_of(login), "obtained_at", (json_int_t)login->token.created_s,
                     "expires_at", (json_int_t)login->token.expires_s, "fingerprint", fingerprint,
                     "used", login->was_used);
}

json_t *admin_cache_list(const struct admin_view *view, const struct login_filter *filter,
                         size_t offset, size_t limit)
{
    const struct broker *broker = view->broker;
    json_t *tokens = json_array();
    struct now now = clock_now();
    size_t n = 0;

    for (const struct list *node = broker->by_age.next;
         node != &broker->by_age && json_array_size(tokens) < limit; node = node->next) {
        const struct login *login = container_of(node, struct login, age);

        if (token_left_usec(&login->token, now) > 0 && login_matches(login, filter) &&
            n++ >= offset)
            json_array_append_new(tokens, login_status(login));
    }
    return json_pack("{s:o}", "tokens", tokens);
}
