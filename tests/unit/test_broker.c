/*
 * The broker under a simulated clock: when it refreshes, what it remembers of failures, what it
 * serves while the upstream fails, and what clocks that are set do to it.
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "broker/login.h"
#include "protocol/messages.h"
#include "support/check.h"
#include "support/sim.h"

#define HOUR_S     3600
#define MSEC       UINT64_C(1000)
#define NO_ANSWER  -1
#define LIFETIME_S 7200

static struct sim_disk disk;
static struct config *config;
static struct identities identities;
static struct broker broker;
static struct sim_reply reply; /* of the upstream, to all */

static uint64_t asked_usec[100000];
static size_t n_asked;

static struct sim_reply upstream_replies(void)
{
    asked_usec[n_asked++] = sim_now_usec;
    return reply;
}

static int begin(void **state)
{
    (void)state;
    sim_init(1);
    n_asked = 0;
    sim_upstream = upstream_replies;
    reply = (struct sim_reply){
        .outcome = OUTCOME_OK, .latency_usec = 50 * MSEC, .expires_in_s = LIFETIME_S};
    sim_disk_init(&disk);
    config = sim_config(2);
    identities = (struct identities){0};
    list_init(&identities.by_age);
    sim_broker_init(&broker, &identities, config, &disk);
    return 0;
}

static int end(void **state)
{
    (void)state;
    /* those of a test that has failed are gone with its stack */
    for (struct list *node = broker.by_age.next; node != &broker.by_age; node = node->next)
        list_init(&container_of(node, struct login, age)->waiters);
    broker_done(&broker);
    sim_run_for(60 * SECOND_USEC); /* what was cancelled comes back to nobody */
    assert_null(sim_loop.timers.first);
    sim_disk_done(&disk);
    config_unref(config);
    return 0;
}

/* A pod that asks. */
struct pod {
    struct broker_waiter waiter;
    struct identity *identity;
    const struct service *service;
    int status; /* enum podlogin_status, or NO_ANSWER */
    uint32_t retry_after_ms;
    uint32_t source;
    int64_t expires_s; /* as it was told */
    uint64_t answered_usec;
    char detail[64];
};

static void take(struct pod *pod, const struct refusal *refusal)
{
    pod->status = (int)refusal->status;
    pod->retry_after_ms = refusal->retry_after_ms;
    pod->answered_usec = sim_now_usec;
    snprintf(pod->detail, sizeof(pod->detail), "%.63s", refusal->detail);
}

static void on_wake(struct waiter *waiter, const void *news)
{
    struct pod *pod = container_of(waiter, struct pod, waiter.waiter);
    const struct broker_answer *answer = news;

    take(pod, &answer->refusal);
    pod->source = pod->waiter.is_leader ? TOKEN_SOURCE_EXCHANGE : TOKEN_SOURCE_JOINED;
    if (answer->token)
        pod->expires_s = answer->token->expires_s;
}

static void pod_init(struct pod *pod, const char *name, uint32_t lifetime_s)
{
    *pod =
        (struct pod){.identity = sim_identity(name, lifetime_s), .service = &config->services[0]};
    waiter_init(&pod->waiter.waiter, on_wake);
}

static void pod_done(struct pod *pod)
{
    waiter_leave(&pod->waiter.waiter);
    identity_unref(pod->identity);
}

/* As a session does it. True: answered at once, from memory. */
static bool ask_for(struct pod *pod, uint32_t min_ttl_s)
{
    const struct token *token;
    struct refusal refusal = {0};

    pod->status = NO_ANSWER;
    pod->waiter = (struct broker_waiter){.identity = pod->identity, .service = pod->service};
    waiter_init(&pod->waiter.waiter, on_wake);
    token = broker_find(&broker, pod->identity, pod->service, min_ttl_s, clock_now());
    if (token) {
        take(pod, &refusal);
        pod->source = TOKEN_SOURCE_CACHE;
        pod->expires_s = token->expires_s;
        return true;
    }
    if (!broker_join(&broker, &pod->waiter, &refusal))
        take(pod, &refusal);
    return false;
}

static bool ask(struct pod *pod)
{
    return ask_for(pod, 0);
}

/* Asks and waits. */
static int get(struct pod *pod)
{
    ask(pod);
    for (int i = 0; i < 100 && pod->status == NO_ANSWER; i++)
        sim_run_for(100 * MSEC);
    return pod->status;
}

/* --- refresh --- */

static void a_token_in_use_is_refreshed_between_70_and_80_percent(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        struct pod pod;
        uint64_t begun = sim_now_usec, elapsed;
        uint64_t n = sim_n_exchanges;
        char name[32];

        snprintf(name, sizeof(name), "account-%d", i);
        pod_init(&pod, name, 4 * HOUR_S);
        assert_int_equal(get(&pod), PODLOGIN_OK);
        while (sim_n_exchanges == n + 1) {
            sim_run_for(10 * SECOND_USEC);
            assert_true(ask(&pod));
        }
        elapsed = (sim_now_usec - begun) / SECOND_USEC;
        assert_in_range(elapsed, LIFETIME_S * 70 / 100, LIFETIME_S * 80 / 100 + 10);
        pod_done(&pod);
        broker_done(&broker); /* so that one is looked at alone */
        sim_disk_done(&disk);
        sim_broker_init(&broker, &identities, config, &disk);
    }
}

static void a_token_that_nobody_uses_is_refreshed_when_somebody_asks(void **state)
{
    struct pod pod;
    uint64_t expires;

    (void)state;
    pod_init(&pod, "a", 4 * HOUR_S);
    assert_int_equal(get(&pod), PODLOGIN_OK);
    sim_run_for(10 * SECOND_USEC);
    assert_true(ask(&pod));
    sim_run_for(LIFETIME_S / 100 * 81 * SECOND_USEC);
    assert_int_equal(sim_n_exchanges, 2); /* the first refresh, for it was used */
    sim_run_for(LIFETIME_S / 100 * 80 * SECOND_USEC);
    assert_int_equal(sim_n_exchanges, 2); /* not again */
    expires = (uint64_t)pod.expires_s;
    assert_true(ask(&pod)); /* is served at once, and refreshed behind */
    assert_int_equal(sim_n_exchanges, 3);
    sim_run_for(SECOND_USEC);
    assert_true(ask(&pod));
    assert_true((uint64_t)pod.expires_s > expires + LIFETIME_S);
    pod_done(&pod);
}

static void no_refresh_without_a_live_jwt(void **state)
{
    struct pod old, young;

    (void)state;
    pod_init(&old, "a", 1800);
    assert_int_equal(get(&old), PODLOGIN_OK);
    sim_run_for(10 * SECOND_USEC);
    assert_true(ask(&old));
    sim_run_for(LIFETIME_S / 100 * 85 * SECOND_USEC);
    assert_int_equal(sim_n_exchanges, 1);
    assert_int_equal(old.identity->n_refs, 1); /* the expired JWT is not held any more */
    pod_init(&young, "a", HOUR_S);
    assert_true(ask(&young));
    assert_int_equal(sim_n_exchanges, 2);
    pod_done(&old);
    pod_done(&young);
}

static void nobody_is_refreshed_for_whom_the_rules_refuse_by_now(void **state)
{
    struct pod pod;

    (void)state;
    pod_init(&pod, "a", 4 * HOUR_S);
    assert_int_equal(get(&pod), PODLOGIN_OK);
    sim_run_for(10 * SECOND_USEC);
    assert_true(ask(&pod));
    sim_admits = false;
    sim_run_for(LIFETIME_S / 100 * 85 * SECOND_USEC);
    assert_int_equal(sim_n_exchanges, 1);
    pod_done(&pod);
}

/* Tokens of a minute, asked for each second by 50 accounts over an hour. */
static void steady_use_never_waits_and_costs_little_more_than_the_least(void **state)
{
    enum {
        N = 50,
        TTL_S = 60
    };
    struct pod pods[N];
    size_t n_waited = 0;
    /* a token is handed out until 5 s before its end, so that is how long one can last */
    double least = N * (double)HOUR_S / (TTL_S - 5), cost;

    (void)state;
    reply.expires_in_s = TTL_S;
    for (size_t i = 0; i < N; i++) {
        char name[32];

        snprintf(name, sizeof(name), "account-%zu", i);
        pod_init(&pods[i], name, 4 * HOUR_S);
        assert_int_equal(get(&pods[i]), PODLOGIN_OK);
    }
    for (size_t second = 0; second < HOUR_S; second++) {
        for (size_t i = 0; i < N; i++)
            n_waited += !ask(&pods[i]);
        sim_run_for(SECOND_USEC);
    }
    cost = (double)sim_n_exchanges / least;
    print_message("%zu exchanges, %.3f of the least; %zu waited\n", (size_t)sim_n_exchanges, cost,
                  n_waited);
    assert_int_equal(n_waited, 0);
    assert_true(cost < 1.3);
    for (size_t i = 0; i < N; i++)
        pod_done(&pods[i]);
}

/* --- min-ttl --- */

static void a_wish_for_more_lifetime_joins_a_refresh(void **state)
{
    struct pod pod, other;

    (void)state;
    pod_init(&pod, "a", 4 * HOUR_S);
    pod_init(&other, "a", 4 * HOUR_S);
    assert_int_equal(get(&pod), PODLOGIN_OK);
    sim_run_for(HOUR_S * SECOND_USEC);
    assert_true(ask_for(&pod, HOUR_S - 60));
    assert_false(ask_for(&pod, HOUR_S + 60));
    assert_false(ask_for(&other, HOUR_S + 60));
    sim_run_for(SECOND_USEC);
    assert_int_equal(pod.status, PODLOGIN_OK);
    assert_int_equal(other.status, PODLOGIN_OK);
    assert_int_equal(other.source, TOKEN_SOURCE_JOINED);
    assert_int_equal(sim_n_exchanges, 2);
    assert_true(pod.expires_s - clock_now().wall_s > HOUR_S + 60);
    pod_done(&pod);
    pod_done(&other);
}

static void a_wish_that_cannot_be_met_costs_no_exchange_per_request(void **state)
{
    struct pod pod;

    (void)state;
    pod_init(&pod, "a", 4 * HOUR_S);
    for (int i = 0; i < 600; i++) {
        ask_for(&pod, 24 * HOUR_S);
        sim_run_for(SECOND_USEC);
        assert_int_equal(pod.status, PODLOGIN_OK);
    }
    assert_int_equal(sim_n_exchanges, 1);
    pod_done(&pod);
}

/* --- refusals --- */

/* Asks every tenth of a second, and checks how long it takes from each exchange to the next. */
static void assert_gaps(struct pod *pod, int status, const unsigned *expected_s, size_t n)
{
    n_asked = 0;
    while (n_asked <= n) {
        ask(pod);
        assert_true(pod->status == status || pod->status == NO_ANSWER);
        sim_run_for(100 * MSEC);
    }
    for (size_t i = 0; i < n; i++) {
        uint64_t gap_ms = (asked_usec[i + 1] - asked_usec[i]) / MSEC;

        assert_in_range(gap_ms, expected_s[i] * 1000, expected_s[i] * 1000 + 300);
    }
}

static void a_refusal_is_remembered_with_its_jwt_5_s_doubling_to_60(void **state)
{
    static const unsigned expected_s[] = {5, 10, 20, 40, 60, 60};
    struct pod pod, other;

    (void)state;
    pod_init(&pod, "a", 4 * HOUR_S);
    pod_init(&other, "a", 4 * HOUR_S);
    reply.outcome = OUTCOME_REFUSED;
    assert_gaps(&pod, PODLOGIN_UPSTREAM_REFUSED, expected_s, ARRAY_SIZE(expected_s));
    sim_run_for(SECOND_USEC);
    assert_int_equal(get(&pod), PODLOGIN_UPSTREAM_REFUSED);
    assert_string_equal(pod.detail, "simulated");
    /* another JWT of the same account is tried, and what it gets is there for all */
    reply.outcome = OUTCOME_OK;
    assert_int_equal(get(&other), PODLOGIN_OK);
    assert_true(ask(&pod));
    pod_done(&pod);
    pod_done(&other);
}

static struct sim_reply upstream_refuses_one(void)
{
    asked_usec[n_asked++] = sim_now_usec;
    return (struct sim_reply){.outcome = n_asked < 2 ? OUTCOME_REFUSED : OUTCOME_OK,
                              .latency_usec = 50 * MSEC,
                              .expires_in_s = LIFETIME_S};
}

static void a_refused_leader_does_not_refuse_its_followers(void **state)
{
    struct pod leader, twin, follower;

    (void)state;
    pod_init(&leader, "a", 4 * HOUR_S);
    pod_init(&follower, "a", 4 * HOUR_S);
    pod_init(&twin, "a", 4 * HOUR_S);
    identity_unref(twin.identity);
    twin.identity = identity_ref(leader.identity);
    sim_upstream = upstream_refuses_one;
    ask(&leader);
    ask(&twin);
    ask(&follower);
    sim_run_for(SECOND_USEC);
    assert_int_equal(leader.status, PODLOGIN_UPSTREAM_REFUSED);
    assert_int_equal(twin.status, PODLOGIN_UPSTREAM_REFUSED);
    assert_int_equal(follower.status, PODLOGIN_OK);
    assert_int_equal(follower.source, TOKEN_SOURCE_EXCHANGE);
    assert_int_equal(n_asked, 2);
    pod_done(&leader);
    pod_done(&twin);
    pod_done(&follower);
}

static void all_that_are_refused_are_asked_for_once_each(void **state)
{
    struct pod pods[10];

    (void)state;
    reply.outcome = OUTCOME_REFUSED;
    for (size_t i = 0; i < ARRAY_SIZE(pods); i++) {
        pod_init(&pods[i], "a", 4 * HOUR_S);
        ask(&pods[i]);
    }
    sim_run_for(SECOND_USEC);
    assert_int_equal(sim_n_exchanges, ARRAY_SIZE(pods));
    for (size_t i = 0; i < ARRAY_SIZE(pods); i++) {
        assert_int_equal(pods[i].status, PODLOGIN_UPSTREAM_REFUSED);
        pod_done(&pods[i]);
    }
}

static void a_misconfiguration_is_remembered_with_its_service_for_60_s(void **state)
{
    static const unsigned expected_s[] = {60, 60, 60};
    struct pod pod, other, elsewhere;

    (void)state;
    pod_init(&pod, "a", 4 * HOUR_S);
    pod_init(&other, "b", 4 * HOUR_S);
    pod_init(&elsewhere, "a", 4 * HOUR_S);
    elsewhere.service = &config->services[1];
    reply.outcome = OUTCOME_MISCONFIGURED;
    assert_gaps(&pod, PODLOGIN_UPSTREAM_REFUSED, expected_s, ARRAY_SIZE(expected_s));
    sim_run_for(SECOND_USEC);
    n_asked = 0;
    assert_int_equal(get(&other), PODLOGIN_UPSTREAM_REFUSED);
    assert_int_equal(n_asked, 0);
    assert_int_equal(get(&elsewhere), PODLOGIN_UPSTREAM_REFUSED);
    assert_int_equal(n_asked, 1);
    /* the administrator mends it and reloads */
    reply.outcome = OUTCOME_OK;
    broker_reload(&broker, config);
    assert_int_equal(get(&pod), PODLOGIN_OK);
    pod_done(&pod);
    pod_done(&other);
    pod_done(&elsewhere);
}

/* --- the upstream is down --- */

static void throttling_is_obeyed_and_told(void **state)
{
    struct pod pod, other;

    (void)state;
    pod_init(&pod, "a", 4 * HOUR_S);
    pod_init(&other, "b", 4 * HOUR_S);
    reply = (struct sim_reply){
        .outcome = OUTCOME_THROTTLED, .latency_usec = 50 * MSEC, .retry_after_ms = 20000};
    assert_int_equal(get(&pod), PODLOGIN_BUSY);
    assert_in_range(pod.retry_after_ms, 20000, 22000);
    assert_int_equal(get(&other), PODLOGIN_BUSY); /* whoever else asks, too */
    assert_in_range(other.retry_after_ms, 19000, 22000);
    assert_int_equal(n_asked, 1);
    while (n_asked < 2) {
        ask(&other);
        sim_run_for(100 * MSEC);
    }
    assert_in_range(asked_usec[1] - asked_usec[0], 20 * SECOND_USEC, 22300 * MSEC);
    sim_run_for(SECOND_USEC);
    pod_done(&pod);
    pod_done(&other);
}

static struct sim_reply upstream_throttles_the_first(void)
{
    asked_usec[n_asked++] = sim_now_usec;
    if (n_asked == 1)
        return (struct sim_reply){
            .outcome = OUTCOME_THROTTLED, .latency_usec = 50 * MSEC, .retry_after_ms = 20000};
    return (struct sim_reply){
        .outcome = OUTCOME_OK, .latency_usec = 100 * MSEC, .expires_in_s = LIFETIME_S};
}

/* An upstream that throttles answers those that were under way before. */
static void a_late_success_does_not_end_the_throttling(void **state)
{
    struct pod pod, late, other;

    (void)state;
    pod_init(&pod, "a", 4 * HOUR_S);
    pod_init(&late, "b", 4 * HOUR_S);
    pod_init(&other, "c", 4 * HOUR_S);
    sim_upstream = upstream_throttles_the_first;
    ask(&pod);
    ask(&late);
    sim_run_for(SECOND_USEC);
    assert_int_equal(pod.status, PODLOGIN_BUSY);
    assert_int_equal(late.status, PODLOGIN_OK);
    assert_int_equal(get(&other), PODLOGIN_BUSY);
    assert_int_equal(n_asked, 2);
    sim_run_for(22 * SECOND_USEC);
    assert_int_equal(get(&other), PODLOGIN_OK); /* the probe */
    pod_done(&pod);
    pod_done(&late);
    pod_done(&other);
}

static void an_unavailable_upstream_is_tried_three_times_then_left_alone(void **state)
{
    struct pod pod, other;

    (void)state;
    pod_init(&pod, "a", 4 * HOUR_S);
    pod_init(&other, "b", 4 * HOUR_S);
    reply.outcome = OUTCOME_UNAVAILABLE;
    assert_int_equal(get(&pod), PODLOGIN_UPSTREAM_UNAVAILABLE);
    assert_int_equal(n_asked, 3);
    assert_in_range(pod.retry_after_ms, 1, 500);
    ask(&other);
    assert_int_equal(other.status, PODLOGIN_UPSTREAM_UNAVAILABLE); /* at once */
    assert_int_equal(n_asked, 3);
    pod_done(&pod);
    pod_done(&other);
}

/* Ten accounts ask four times a second; how many exchanges does an outage of so long see? */
static size_t attempts_in_outage(enum outcome outcome, uint64_t usec)
{
    struct pod pods[10];
    uint64_t end_usec = sim_now_usec + usec;
    unsigned most = 0;

    n_asked = 0;
    reply.outcome = outcome;
    for (size_t i = 0; i < ARRAY_SIZE(pods); i++) {
        char name[32];

        snprintf(name, sizeof(name), "account-%zu", i);
        pod_init(&pods[i], name, 4 * HOUR_S);
    }
    while (sim_now_usec < end_usec) {
        for (size_t i = 0; i < ARRAY_SIZE(pods); i++) {
            waiter_leave(&pods[i].waiter.waiter);
            ask(&pods[i]);
        }
        if (n_asked > 30 && sim_n_in_flight > most)
            most = sim_n_in_flight;
        sim_run_for(250 * MSEC);
    }
    assert_in_range(most, 0, 1); /* probes go one by one */
    for (size_t i = 0; i < ARRAY_SIZE(pods); i++)
        pod_done(&pods[i]);
    sim_run_for(SECOND_USEC);
    return n_asked;
}

static void an_outage_of_an_hour_sees_few_attempts(void **state)
{
    static const struct {
        enum outcome outcome;
        const char *name;
        size_t most;
    } cases[] = {
        /* a probe each 30 s on average, once the pauses are long */
        {OUTCOME_UNAVAILABLE, "unavailable", 200},
        {OUTCOME_MALFORMED, "nonsense", 200},
        {OUTCOME_UNTRUSTED, "untrusted", 75}, /* one a minute, and the first ten */
        {OUTCOME_THROTTLED, "throttled", 200},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        size_t n = attempts_in_outage(cases[i].outcome, HOUR_S * SECOND_USEC);

        print_message("%s: %zu attempts in an hour\n", cases[i].name, n);
        assert_in_range(n, 55, cases[i].most);
        broker_done(&broker);
        sim_broker_init(&broker, &identities, config, &disk);
    }
}

static void an_upstream_that_is_back_is_found_by_one_probe_and_started_slowly(void **state)
{
    struct pod pods[100];
    unsigned most = 0;

    (void)state;
    reply.outcome = OUTCOME_UNAVAILABLE;
    for (size_t i = 0; i < ARRAY_SIZE(pods); i++) {
        char name[32];

        snprintf(name, sizeof(name), "account-%zu", i);
        pod_init(&pods[i], name, 4 * HOUR_S);
    }
    for (int i = 0; i < 20; i++)
        get(&pods[0]);
    reply.outcome = OUTCOME_OK;
    sim_run_for(61 * SECOND_USEC); /* the longest pause */
    n_asked = 0;
    for (size_t i = 0; i < ARRAY_SIZE(pods); i++)
        ask(&pods[i]);
    assert_int_equal(n_asked, 1); /* the others wait for the probe */
    for (int round = 0; round < 9; round++) {
        sim_run_for(50 * MSEC);
        assert_in_range(sim_n_in_flight, 0, 1u << round);
        most = sim_n_in_flight > most ? sim_n_in_flight : most;
    }
    sim_run_for(SECOND_USEC);
    assert_in_range(most, 16, 64);
    for (size_t i = 0; i < ARRAY_SIZE(pods); i++) {
        assert_int_equal(pods[i].status, PODLOGIN_OK);
        pod_done(&pods[i]);
    }
}

static void whoever_waits_while_the_probe_fails_is_told_at_once(void **state)
{
    struct pod pods[5];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(pods); i++)
        pod_init(&pods[i], (const char *[]){"a", "b", "c", "d", "e"}[i], 4 * HOUR_S);
    reply.outcome = OUTCOME_UNAVAILABLE;
    get(&pods[0]);
    sim_run_for(61 * SECOND_USEC);
    for (size_t i = 0; i < ARRAY_SIZE(pods); i++)
        ask(&pods[i]);
    n_asked = 0;
    sim_run_for(60 * MSEC);
    assert_int_equal(n_asked, 0);
    for (size_t i = 0; i < ARRAY_SIZE(pods); i++) {
        assert_int_equal(pods[i].status, PODLOGIN_UPSTREAM_UNAVAILABLE);
        pod_done(&pods[i]);
    }
}

/* Each way to be down, for longer than the token lives. */
static void a_token_is_served_until_its_end_and_never_after(void **state)
{
    (void)state;
    for (enum outcome outcome = OUTCOME_REFUSED; outcome < OUTCOMES; outcome++) {
        struct pod pod;
        uint64_t begun = sim_now_usec;
        int64_t expires_s;

        reply.outcome = OUTCOME_OK;
        pod_init(&pod, "a", 4 * HOUR_S);
        assert_int_equal(get(&pod), PODLOGIN_OK);
        expires_s = pod.expires_s;
        n_asked = 0;
        reply.outcome = outcome;
        while (sim_now_usec < begun + (LIFETIME_S - 6) * SECOND_USEC) {
            assert_true(ask(&pod));
            sim_run_for(SECOND_USEC);
        }
        print_message("outcome %d: %zu attempts while the token lived\n", outcome, n_asked);
        assert_in_range(n_asked, 3, 40);
        sim_run_until(begun + (LIFETIME_S - 5) * SECOND_USEC);
        assert_false(ask(&pod));
        assert_true(clock_now().wall_s < expires_s);
        sim_run_for(2 * SECOND_USEC);
        assert_int_not_equal(pod.status, PODLOGIN_OK);
        pod_done(&pod);
        broker_done(&broker);
        sim_disk_done(&disk);
        sim_broker_init(&broker, &identities, config, &disk);
    }
}

static void who_leaves_cancels_nothing(void **state)
{
    struct pod pod, other;

    (void)state;
    pod_init(&pod, "a", 4 * HOUR_S);
    pod_init(&other, "a", 4 * HOUR_S);
    ask(&pod);
    waiter_leave(&pod.waiter.waiter);
    sim_run_for(SECOND_USEC);
    assert_int_equal(pod.status, NO_ANSWER);
    assert_true(ask(&other));
    pod_done(&pod);
    pod_done(&other);
}

/* --- the disk --- */

static void a_disk_that_fails_is_made_up_for_when_it_works_again(void **state)
{
    struct pod pods[20];

    (void)state;
    disk.mode = SIM_DISK_FAILS;
    for (size_t i = 0; i < ARRAY_SIZE(pods); i++) {
        char name[32];

        snprintf(name, sizeof(name), "account-%zu", i);
        pod_init(&pods[i], name, 4 * HOUR_S);
        assert_int_equal(get(&pods[i]), PODLOGIN_OK);
        assert_true(ask(&pods[i]));
    }
    sim_run_for(120 * SECOND_USEC);
    assert_int_equal(disk.n_rows, 0);
    disk.mode = SIM_DISK_WORKS;
    sim_run_for(61 * SECOND_USEC);
    assert_int_equal(disk.n_rows, ARRAY_SIZE(pods));
    broker_done(&broker);
    sim_broker_init(&broker, &identities, config, &disk);
    for (size_t i = 0; i < ARRAY_SIZE(pods); i++) {
        assert_true(ask(&pods[i]));
        pod_done(&pods[i]);
    }
}

static void a_disk_that_hangs_is_waited_for_no_longer_than_a_second(void **state)
{
    struct pod pod;
    uint64_t begun = sim_now_usec;

    (void)state;
    disk.mode = SIM_DISK_HANGS;
    pod_init(&pod, "a", 4 * HOUR_S);
    assert_int_equal(get(&pod), PODLOGIN_OK);
    assert_int_equal(pod.answered_usec - begun, 1050 * MSEC);
    /* and the next exchange does not wait for that write either */
    begun = sim_now_usec;
    ask_for(&pod, LIFETIME_S);
    sim_run_for(LIFETIME_S * SECOND_USEC);
    assert_int_equal(get(&pod), PODLOGIN_OK);
    pod_done(&pod);
}

/* --- time --- */

static void set_wall_clock(int64_t by_s)
{
    sim_wall_offset_s += by_s;
    broker_clock_was_set(&broker);
}

/* Whatever the wall clock does, the token ends when it ends, and is never told to live longer. */
static void a_clock_that_is_set_prolongs_nothing(void **state)
{
    static const int64_t steps_s[] = {-3600, 3600, 2 * 86400, -SIM_EPOCH_S, 1, -1, -86400};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(steps_s); i++) {
        uint64_t begun = sim_now_usec, n;
        struct pod pod;

        pod_init(&pod, "a", 4 * HOUR_S);
        assert_int_equal(get(&pod), PODLOGIN_OK);
        waiter_leave(&pod.waiter.waiter);
        sim_run_for(600 * SECOND_USEC);
        set_wall_clock(steps_s[i]);
        n = sim_n_exchanges;
        reply.outcome = OUTCOME_UNAVAILABLE;
        for (int second = 600; second < LIFETIME_S + 100; second++) {
            if (ask(&pod)) {
                int64_t really_s = (int64_t)(begun / SECOND_USEC) + LIFETIME_S -
                                   (int64_t)(sim_now_usec / SECOND_USEC);

                assert_true(really_s > 0);
                assert_in_range(pod.expires_s - clock_now().wall_s, 0, (uint64_t)really_s + 1);
            } else {
                waiter_leave(&pod.waiter.waiter);
                /* refused only if the clock says that it has expired */
                assert_true(second >= LIFETIME_S - 6 || steps_s[i] > 0);
            }
            sim_run_for(SECOND_USEC);
        }
        assert_true(sim_n_exchanges > n);
        reply.outcome = OUTCOME_OK;
        sim_run_for(61 * SECOND_USEC);
        assert_int_equal(get(&pod), PODLOGIN_OK); /* no more than a refresh, then all is well */
        pod_done(&pod);
        sim_wall_offset_s = SIM_EPOCH_S;
        broker_done(&broker);
        sim_disk_done(&disk);
        sim_broker_init(&broker, &identities, config, &disk);
    }
}

static void a_clock_that_goes_back_is_put_right_on_the_disk(void **state)
{
    struct pod pod;

    (void)state;
    pod_init(&pod, "a", 4 * HOUR_S);
    assert_int_equal(get(&pod), PODLOGIN_OK);
    sim_run_for(SECOND_USEC);
    set_wall_clock(-HOUR_S);
    sim_run_for(SECOND_USEC);
    broker_done(&broker);
    sim_broker_init(&broker, &identities, config, &disk);
    assert_true(ask(&pod));
    assert_in_range(pod.expires_s - clock_now().wall_s, LIFETIME_S - 10, LIFETIME_S);
    pod_done(&pod);
}

/* The step comes while the token is written, or while the daemon does not run. */
static void a_step_at_a_bad_moment_is_made_up_for(void **state)
{
    struct pod pod;

    (void)state;
    for (int is_restarted = 0; is_restarted < 2; is_restarted++) {
        pod_init(&pod, "a", 4 * HOUR_S);
        ask(&pod);
        sim_run_for(50 * MSEC - 1);
        sim_hold_disk = !is_restarted;
        sim_run_for(MSEC); /* it is exchanged, and being written */
        if (is_restarted)
            broker_done(&broker);
        sim_wall_offset_s -= HOUR_S;
        if (is_restarted)
            sim_broker_init(&broker, &identities, config, &disk);
        else
            broker_clock_was_set(&broker);
        sim_hold_disk = false;
        sim_run_for(SECOND_USEC);
        assert_true(ask(&pod));
        assert_in_range(pod.expires_s - clock_now().wall_s, LIFETIME_S - 10, LIFETIME_S);
        sim_run_for(61 * SECOND_USEC);
        broker_done(&broker); /* and it is right on the disk */
        sim_broker_init(&broker, &identities, config, &disk);
        assert_int_equal(list_is_empty(&broker.dirty), true);
        assert_true(ask(&pod));
        assert_in_range(pod.expires_s - clock_now().wall_s, LIFETIME_S - 100, LIFETIME_S);
        pod_done(&pod);
        broker_done(&broker);
        sim_disk_done(&disk);
        sim_broker_init(&broker, &identities, config, &disk);
    }
}

static void a_sleep_of_two_hours_counts(void **state)
{
    struct pod pod;

    (void)state;
    pod_init(&pod, "a", 4 * HOUR_S);
    assert_int_equal(get(&pod), PODLOGIN_OK);
    sim_now_usec += 2 * HOUR_S * SECOND_USEC; /* both clocks; no timer has run */
    assert_false(ask(&pod));
    sim_run_for(SECOND_USEC);
    assert_int_equal(pod.status, PODLOGIN_OK);
    pod_done(&pod);
}

/* --- reload --- */

static void a_service_that_changes_misses_and_one_that_does_not_hits(void **state)
{
    struct config *fresh = sim_config(2);
    struct pod pod, other;

    (void)state;
    pod_init(&pod, "a", 4 * HOUR_S);
    pod_init(&other, "a", 4 * HOUR_S);
    other.service = &config->services[1];
    assert_int_equal(get(&pod), PODLOGIN_OK);
    assert_int_equal(get(&other), PODLOGIN_OK);
    fresh->services[1].digest.bytes[0] ^= 1;
    fresh->services[0].id = 11;
    fresh->services[1].id = 12;
    broker_reload(&broker, fresh);
    config_unref(config);
    config = fresh;
    pod.service = &config->services[0];
    other.service = &config->services[1];
    assert_true(ask(&pod));
    assert_false(ask(&other));
    sim_run_for(SECOND_USEC);
    assert_int_equal(other.status, PODLOGIN_OK);
    sim_run_for(LIFETIME_S / 100 * 85 * SECOND_USEC);
    assert_int_equal(sim_n_exchanges, 5); /* refreshed by the new configuration */
    pod_done(&pod);
    pod_done(&other);
}

static void an_exchange_for_a_service_that_is_gone_is_given_up(void **state)
{
    struct config *fresh = sim_config(1);
    struct pod pod;

    (void)state;
    pod_init(&pod, "a", 4 * HOUR_S);
    pod.service = &config->services[1];
    ask(&pod);
    waiter_leave(&pod.waiter.waiter); /* as the session does */
    broker_reload(&broker, fresh);
    config_unref(config);
    config = fresh;
    sim_run_for(SECOND_USEC);
    assert_int_equal(broker.logins.n, 0);
    assert_int_equal(disk.n_rows, 0);
    pod_done(&pod);
}

/* The breaker lets one through at a time, and that one's service goes. */
static void exchanges_that_are_given_up_make_room_for_those_that_wait(void **state)
{
    struct config *fresh = sim_config(1);
    struct pod gone, stays;

    (void)state;
    pod_init(&gone, "a", 4 * HOUR_S);
    pod_init(&stays, "b", 4 * HOUR_S);
    gone.service = &config->services[1];
    reply.outcome = OUTCOME_UNAVAILABLE;
    get(&gone);
    sim_run_for(61 * SECOND_USEC);
    reply = (struct sim_reply){
        .outcome = OUTCOME_OK, .latency_usec = HOUR_S * SECOND_USEC, .expires_in_s = LIFETIME_S};
    ask(&gone); /* the probe */
    reply.latency_usec = 50 * MSEC;
    ask(&stays);
    waiter_leave(&gone.waiter.waiter);
    stays.waiter.service = &fresh->services[0]; /* as the session does */
    broker_reload(&broker, fresh);
    config_unref(config);
    config = fresh;
    sim_run_for(SECOND_USEC);
    assert_int_equal(stays.status, PODLOGIN_OK);
    sim_run_for(2 * HOUR_S * SECOND_USEC);
    pod_done(&gone);
    pod_done(&stays);
}

/* Nothing is in flight then, nor queued, and yet there is somebody who goes on with the upstream.
 */
static void a_retry_goes_on_after_a_reload_in_its_pause(void **state)
{
    struct config *fresh = sim_config(2);
    struct pod pod;

    (void)state;
    pod_init(&pod, "a", 4 * HOUR_S);
    reply.outcome = OUTCOME_UNAVAILABLE;
    ask(&pod);
    sim_run_for(50 * MSEC);
    assert_int_equal(sim_n_in_flight, 0);
    assert_int_equal(pod.status, NO_ANSWER);
    reply.outcome = OUTCOME_OK;
    pod.service = pod.waiter.service = &fresh->services[0]; /* as the session does */
    broker_reload(&broker, fresh);
    config_unref(config);
    config = fresh;
    sim_run_for(SECOND_USEC);
    assert_int_equal(pod.status, PODLOGIN_OK);
    assert_int_equal(sim_n_exchanges, 2);
    pod_done(&pod);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_token_in_use_is_refreshed_between_70_and_80_percent),
        TEST(a_token_that_nobody_uses_is_refreshed_when_somebody_asks),
        TEST(no_refresh_without_a_live_jwt),
        TEST(nobody_is_refreshed_for_whom_the_rules_refuse_by_now),
        TEST(steady_use_never_waits_and_costs_little_more_than_the_least),
        TEST(a_wish_for_more_lifetime_joins_a_refresh),
        TEST(a_wish_that_cannot_be_met_costs_no_exchange_per_request),
        TEST(a_refusal_is_remembered_with_its_jwt_5_s_doubling_to_60),
        TEST(a_refused_leader_does_not_refuse_its_followers),
        TEST(all_that_are_refused_are_asked_for_once_each),
        TEST(a_misconfiguration_is_remembered_with_its_service_for_60_s),
        TEST(throttling_is_obeyed_and_told),
        TEST(a_late_success_does_not_end_the_throttling),
        TEST(an_unavailable_upstream_is_tried_three_times_then_left_alone),
        TEST(an_outage_of_an_hour_sees_few_attempts),
        TEST(an_upstream_that_is_back_is_found_by_one_probe_and_started_slowly),
        TEST(whoever_waits_while_the_probe_fails_is_told_at_once),
        TEST(a_token_is_served_until_its_end_and_never_after),
        TEST(who_leaves_cancels_nothing),
        TEST(a_disk_that_fails_is_made_up_for_when_it_works_again),
        TEST(a_disk_that_hangs_is_waited_for_no_longer_than_a_second),
        TEST(a_clock_that_is_set_prolongs_nothing),
        TEST(a_clock_that_goes_back_is_put_right_on_the_disk),
        TEST(a_step_at_a_bad_moment_is_made_up_for),
        TEST(a_sleep_of_two_hours_counts),
        TEST(a_service_that_changes_misses_and_one_that_does_not_hits),
        TEST(an_exchange_for_a_service_that_is_gone_is_given_up),
        TEST(exchanges_that_are_given_up_make_room_for_those_that_wait),
        TEST(a_retry_goes_on_after_a_reload_in_its_pause),
    };

    log_init("test_broker", -1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
