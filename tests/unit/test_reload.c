/*
 * Reloads the configuration while everything that can hold a reference to the old one exists:
 * afterwards, nothing holds one. The daemon is complete except its clock, its exchanger and its
 * disk (support/sim.h).
 */
#include "base/log.h"
#include "support/mint.h"
#include "support/scratch.h"
#include "support/sim_daemon.h"

#define MSEC       UINT64_C(1000)
#define HOUR_S     3600
#define JWT_HOURS  6
#define LIFETIME_S 7200
#define ISSUER_URL "https://issuer.example/"

/* Issuers; each has a service of the same name. */
static const char local[] = "local";       /* keys from a file */
static const char remote[] = "remote";     /* the fetch of its keys does not end */
static const char reviewed[] = "reviewed"; /* TokenReview=miss */

static EVP_PKEY *key;
static char directory[SCRATCH_MAX];

static const struct config *before, *fresh;
static struct sim_reply reply; /* the upstream's reply */

/* An answer that arrives after all deadlines. */
static const struct sim_reply never_answered = {.outcome = OUTCOME_UNAVAILABLE,
                                                .latency_usec = 10000 * SECOND_USEC};

static struct sim_reply upstream_replies(void)
{
    return reply;
}

/* --- what happens to services and issuers in the new configuration --- */

struct fate {
    const char *name;
    const char *renamed; /* a prefix for each service's name */
    const char *organization;
    const char *rules;
    const char *issuer_renamed;
    const char *algorithms; /* NULL: as before */
    bool are_services_gone, are_issuers_gone;
};

static const struct fate fates[] = {
    {.name = "all stay"},
    {.name = "services have other rules", .rules = "[Deny \"labs\"]\nsub=lab\n"},
    {.name = "services are renamed", .renamed = "new-"},
    {.name = "services have another organization", .organization = "umbrella"},
    {.name = "services are removed", .are_services_gone = true},
    {.name = "issuers are renamed", .issuer_renamed = "new-"},
    {.name = "issuers have other settings", .algorithms = "ES256 ES384"},
    {.name = "services and issuers are removed",
     .are_services_gone = true,
     .are_issuers_gone = true},
};

static const char *or_nothing(const char *text)
{
    return text ? text : "";
}

__attribute__((format(printf, 2, 3))) static void write_file(const char *name, const char *format,
                                                             ...)
{
    char path[SCRATCH_MAX + 64], text[1024];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    scratch_write(path, text, strlen(text), 0600);
}

static void write_issuer(const char *name, const struct fate *fate)
{
    char file[64], keys[SCRATCH_MAX + 32] = "", review[SCRATCH_MAX + 128] = "";

    if (name != remote)
        snprintf(keys, sizeof(keys), "KeysFile=%s/keys\n", directory);
    if (name == reviewed)
        snprintf(review, sizeof(review),
                 "TokenReview=miss\nAPIServer=https://api.example\nAPIServerTokenFile=%s/token\n",
                 directory);
    snprintf(file, sizeof(file), "issuers.d/%s%s.conf", or_nothing(fate->issuer_renamed), name);
    write_file(file, "[Issuer]\nURL=" ISSUER_URL "%s\nAlgorithms=%s\n%s%s", name,
               fate->algorithms ? fate->algorithms : "ES256", keys, review);
}

static void write_service(const char *name, const struct fate *fate)
{
    char file[64];

    snprintf(file, sizeof(file), "services.d/%s%s.conf", or_nothing(fate->renamed), name);
    write_file(file,
               "[Service]\nProvider=pulumi\nIssuer=%s%s\nAudience=urn:a\n"
               "[Pulumi]\nOrganization=%s\n[Allow \"all\"]\nsub=*\n%s",
               or_nothing(fate->issuer_renamed), name,
               fate->organization ? fate->organization : "acme", or_nothing(fate->rules));
}

/* @daemon: settings of [Daemon]. */
static const struct config *configure(const struct fate *fate, const char *daemon)
{
    static const char *const names[] = {local, remote, reviewed};
    CLEANUP(freep)
    char *jwk = mint_jwk(key, "one");
    const struct config *config;
    struct findings findings;
    char path[SCRATCH_MAX + 16];

    scratch_remove(directory);
    assert_int_equal(mkdir(directory, 0700), 0);
    snprintf(path, sizeof(path), "%s/issuers.d", directory);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/services.d", directory);
    assert_int_equal(mkdir(path, 0700), 0);
    write_file("keys", "{\"keys\":[%s]}", jwk);
    write_file("token", "the daemon's own");
    write_file("podlogind.conf",
               "[Daemon]\nPeerAttestation=off\nSocket=%s/socket\n%s[Limits]\nConnectionsPerPod=0\n"
               "RequestsPerPod=0\nSignatureChecksPerPod=0\nMissesPerPod=0\n",
               directory, daemon);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (!fate->are_issuers_gone)
            write_issuer(names[i], fate);
        if (!fate->are_services_gone)
            write_service(names[i], fate);
    }
    if (config_load(directory, &config, &findings) < 0)
        fail_msg("%s: %s", fate->name, findings.list[0].text);
    return config;
}

/* --- clients --- */

/* Creates a new JWT. */
static char *new_jwt(const char *issuer)
{
    static unsigned n;
    int64_t now_s = clock_now().wall_s;
    CLEANUP(freep)
    char *payload = NULL;

    assert_true(asprintf(&payload,
                         "{\"aud\":[\"urn:a\"],\"exp\":%lld,\"iat\":%lld,\"iss\":\"" ISSUER_URL
                         "%s\",\"kubernetes.io\":{\"namespace\":\"ci\",\"pod\":{\"name\":\"a\","
                         "\"uid\":\"p\"},\"serviceaccount\":{\"name\":\"a-%u\",\"uid\":\"u\"}},"
                         "\"sub\":\"system:serviceaccount:ci:a-%u\"}",
                         (long long)now_s + JWT_HOURS * HOUR_S, (long long)now_s, issuer, n,
                         n) > 0);
    n++;
    return mint_token(key, "ES256", "{\"alg\":\"ES256\",\"kid\":\"one\"}", payload);
}

static void client_ask(const char *issuer, const struct wire_message *message, const void *values)
{
    CLEANUP(freep)
    char *jwt = new_jwt(issuer);

    sim_client_ask(jwt, message, values);
}

static void client_get(const char *service)
{
    const struct message_get get = {.service = wire_string(service),
                                    .timeout_ms = PODLOGIN_TIMEOUT_MAX_MS};

    client_ask(service, &message_get, &get);
}

static void client_whoami(const char *issuer)
{
    const struct message_whoami whoami = {.timeout_ms = PODLOGIN_TIMEOUT_MAX_MS};

    client_ask(issuer, &message_whoami, &whoami);
}

static bool a_login_waits_for_a_review(void)
{
    for (struct list *node = broker.by_age.next; node != &broker.by_age; node = node->next)
        if (waiter_is_waiting(&container_of(node, struct login, age)->review))
            return true;
    return false;
}

/* --- what holds a reference to the configuration --- */

static void hold_nothing(void)
{
}

static void hold_by_refresh_that_waits_for_a_review(void)
{
    sim_reply_to_others = (struct sim_reply){.outcome = OUTCOME_OK, .latency_usec = 50 * MSEC};
    client_get(reviewed);
    sim_run_for(SECOND_USEC);
    sim_reply_to_others = never_answered;
    for (int i = 0; i < LIFETIME_S / 10 && !a_login_waits_for_a_review(); i++)
        sim_run_for(10 * SECOND_USEC);
    assert_true(a_login_waits_for_a_review());
}

static void hold_by_request_that_waits_for_keys(void)
{
    sim_run_for(2 * SECOND_USEC);
    client_get(remote);
    assert_int_equal(sim_n_pending(PENDING_KEYS), 1);
}

static void hold_by_whoami_that_waits_for_keys(void)
{
    size_t n = sim_n_pending(PENDING_KEYS);

    client_whoami(remote);
    assert_int_equal(sim_n_pending(PENDING_KEYS), n + 1);
}

static void hold_by_request_that_waits_for_a_review(void)
{
    client_get(reviewed);
    assert_int_equal(sim_n_pending(PENDING_REVIEW), 1);
}

static void hold_by_connection_that_is_idle(void)
{
    size_t n = identities.verified.n;

    client_whoami(local);
    assert_int_equal(identities.verified.n, n + 1);
}

static void hold_by_login_with_a_token(void)
{
    size_t n = disk.n_rows;

    client_get(local);
    sim_run_for(SECOND_USEC);
    assert_int_equal(disk.n_rows, n + 1);
}

static void hold_by_request_that_waits_for_a_renewal(void)
{
    CLEANUP(freep)
    char *jwt = new_jwt(local);
    struct message_get get = {.service = wire_string(local), .timeout_ms = PODLOGIN_TIMEOUT_MAX_MS};

    sim_client_ask(jwt, &message_get, &get);
    sim_run_for(SECOND_USEC);
    get.known = container_of(broker.by_age.prev, struct login, age)->token.fingerprint;
    get.wait_ms = 100000;
    sim_client_ask(jwt, &message_get, &get);
    assert_int_equal(sim_n_pending(PENDING_RENEWAL), 1);
}

static void hold_by_flight_under_way(void)
{
    size_t n = sim_n_flights(FLIGHT_EXCHANGING);

    reply.latency_usec = 50 * SECOND_USEC;
    client_get(local);
    reply.latency_usec = 50 * MSEC;
    assert_int_equal(sim_n_flights(FLIGHT_EXCHANGING), n + 1);
}

static void hold_by_flight_that_nobody_waits_for(void)
{
    hold_by_flight_under_way();
    sim_client_leave();
}

static void hold_by_token_on_its_way_to_the_disk(void)
{
    disk.mode = SIM_DISK_HANGS;
    client_get(local);
    sim_run_for(60 * MSEC);
    assert_int_equal(sim_n_flights(FLIGHT_STORING), 1);
}

static void hold_by_retry_in_its_pause(void)
{
    reply.outcome = OUTCOME_UNAVAILABLE;
    client_get(local);
    sim_run_for(50 * MSEC);
    reply.outcome = OUTCOME_OK;
    assert_int_equal(sim_n_flights(FLIGHT_PAUSED), 1);
}

static void hold_by_flight_behind_the_breaker(void)
{
    for (int i = 0; i <= BREAKER_WINDOW_MAX && !sim_n_flights(FLIGHT_QUEUED); i++) {
        reply.latency_usec = 50 * SECOND_USEC;
        client_get(local);
    }
    assert_int_equal(sim_n_flights(FLIGHT_QUEUED), 1);
}

/* The order matters: none ends an earlier one. */
static const struct holder {
    const char *name;
    void (*hold)(void);
} holders[] = {
    {"only the parts of the daemon", hold_nothing},
    {"a refresh that waits for a review", hold_by_refresh_that_waits_for_a_review},
    {"a request that waits for keys", hold_by_request_that_waits_for_keys},
    {"a whoami that waits for keys", hold_by_whoami_that_waits_for_keys},
    {"an idle connection", hold_by_connection_that_is_idle},
    {"a login with a token", hold_by_login_with_a_token},
    {"a request that waits for a renewal", hold_by_request_that_waits_for_a_renewal},
    {"a request that waits for a review", hold_by_request_that_waits_for_a_review},
    {"a flight whose exchange is under way", hold_by_flight_under_way},
    {"a flight without waiters", hold_by_flight_that_nobody_waits_for},
    {"a token that is being written to the disk", hold_by_token_on_its_way_to_the_disk},
    {"a retry in its pause", hold_by_retry_in_its_pause},
    {"a flight that waits for the breaker", hold_by_flight_behind_the_breaker},
};

/* --- the daemon --- */

static void daemon_begin(const char *settings)
{
    sim_init(1);
    sim_upstream = upstream_replies;
    sim_reply_to_others = never_answered;
    reply = (struct sim_reply){
        .outcome = OUTCOME_OK, .latency_usec = 50 * MSEC, .expires_in_s = LIFETIME_S};
    before = configure(&fates[0], settings);
    sim_daemon_begin(before);
}

enum part {
    SESSIONS,
    BROKER,
    IDENTITIES,
    PARTS,
};

/* Each part holds references to what it uses, so the order does not matter. */
static const enum part orders[][PARTS] = {
    {SESSIONS, BROKER, IDENTITIES}, /* the order of daemon/main.c */
    {SESSIONS, IDENTITIES, BROKER}, {BROKER, SESSIONS, IDENTITIES}, {BROKER, IDENTITIES, SESSIONS},
    {IDENTITIES, SESSIONS, BROKER}, {IDENTITIES, BROKER, SESSIONS},
};

static void daemon_reload(const struct fate *fate, const char *settings,
                          const enum part order[PARTS])
{
    struct issuer **issuers;

    fresh = configure(fate, settings);
    assert_int_equal(identities_prepare(&identities, fresh, &issuers), 0);
    for (size_t i = 0; i < PARTS; i++) {
        if (order[i] == SESSIONS)
            sessions_reload(&sessions, fresh);
        if (order[i] == BROKER)
            broker_reload(&broker, fresh);
        if (order[i] == IDENTITIES)
            identities_reload(&identities, fresh, issuers);
    }
}

/* Everything continues with the new configuration until its waits end. */
static void daemon_end(void)
{
    disk.mode = SIM_DISK_WORKS;
    sim_run_for(200 * SECOND_USEC);
    for (enum pending_state state = PENDING_NEW; state < PENDING_STATES; state++)
        assert_int_equal(sim_n_pending(state), 0);
    sim_daemon_end();
    assert_int_equal(fresh->n_refs, 1);
    config_unref(fresh);
}

/* Checks that only the test holds a reference to the old configuration. */
static void assert_left_alone(const char *holder, const struct fate *fate)
{
    if (before->n_refs != 1)
        fail_msg("%s, %s: %u references are left", holder, fate->name, before->n_refs - 1);
    config_unref(before);
}

static void no_holder_keeps_a_reference_to_the_old_configuration(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(holders); i++) {
        for (size_t j = 0; j < ARRAY_SIZE(fates); j++) {
            daemon_begin("");
            holders[i].hold();
            assert_true(before->n_refs > 1);
            daemon_reload(&fates[j], "", orders[0]);
            assert_left_alone(holders[i].name, &fates[j]);
            daemon_end();
        }
    }
}

static void hold_all(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(holders); i++)
        holders[i].hold();
    assert_int_equal(sim_n_flights(FLIGHT_STORING), 1);
    assert_int_equal(sim_n_flights(FLIGHT_PAUSED), 1);
    assert_int_equal(sim_n_flights(FLIGHT_QUEUED), 1);
    assert_int_equal(sim_n_pending(PENDING_KEYS), 2);
    assert_int_equal(sim_n_pending(PENDING_REVIEW), 1);
    assert_int_equal(sim_n_pending(PENDING_RENEWAL), 1);
    assert_true(a_login_waits_for_a_review());
}

static void all_holders_at_once_keep_none_whatever_the_order_of_the_reload(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(orders); i++) {
        for (size_t j = 0; j < ARRAY_SIZE(fates); j++) {
            daemon_begin("");
            hold_all();
            daemon_reload(&fates[j], "", orders[i]);
            assert_left_alone("all at once", &fates[j]);
            daemon_end();
        }
    }
}

/* The file of the daemon's own token does not exist, so the daemon tries to read it each second. */
static void an_unknown_node_keeps_no_reference_either(void **state)
{
    static const char learnt[] = "NodeTokenFile=/nonexistent/token\n";

    (void)state;
    for (size_t j = 0; j < ARRAY_SIZE(fates); j++) {
        daemon_begin(learnt);
        assert_true(node_is_unknown(&identities.node));
        daemon_reload(&fates[j], j % 2 ? learnt : "NodeUID=11111111-2222-3333-4444-555555555555\n",
                      orders[0]);
        assert_left_alone("an unknown node", &fates[j]);
        assert_int_equal(node_is_unknown(&identities.node), j % 2 ? 1 : 0);
        daemon_end();
    }
}

static void repeated_reloads_keep_no_reference(void **state)
{
    (void)state;
    daemon_begin("");
    hold_all();
    for (size_t j = 0; j < ARRAY_SIZE(fates); j++) {
        daemon_reload(&fates[j], "", orders[j % ARRAY_SIZE(orders)]);
        assert_left_alone("all at once, repeatedly", &fates[j]);
        before = fresh;
    }
    daemon_end();
}

/* Otherwise each restart of the daemon would take as long as it waits for requests. */
static void a_daemon_that_stops_does_not_wait_for_renewals(void **state)
{
    (void)state;
    daemon_begin("");
    hold_by_request_that_waits_for_a_renewal();
    assert_false(sessions_are_busy(&sessions));
    hold_by_request_that_waits_for_a_review();
    assert_true(sessions_are_busy(&sessions));
    fresh = config_ref(before);
    config_unref(before);
    daemon_end();
}

static int make_key(void **state)
{
    (void)state;
    scratch_make(directory, "/tmp");
    key = mint_ec("P-256");
    return 0;
}

static int drop_key(void **state)
{
    (void)state;
    scratch_remove(directory);
    EVP_PKEY_free(key);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_holder_keeps_a_reference_to_the_old_configuration),
        cmocka_unit_test(all_holders_at_once_keep_none_whatever_the_order_of_the_reload),
        cmocka_unit_test(an_unknown_node_keeps_no_reference_either),
        cmocka_unit_test(repeated_reloads_keep_no_reference),
        cmocka_unit_test(a_daemon_that_stops_does_not_wait_for_renewals),
    };

    log_init("test_reload", -1);
    return cmocka_run_group_tests(tests, make_key, drop_key);
}
