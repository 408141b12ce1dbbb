/* What the broker serves, answers and tries while the upstream fails, and how it resumes. */
#include "support/broker_fixture.h"

static void the_broker_obeys_throttling_and_reports_the_delay(void **state)
{
    struct pod pod, other;

    (void)state;
    pod_init(&pod, "a", 4 * HOUR_S);
    pod_init(&other, "b", 4 * HOUR_S);
    reply = (struct sim_reply){
        .outcome = OUTCOME_THROTTLED, .latency_usec = 50 * MSEC, .retry_after_ms = 20000};
    assert_int_equal(pod_get(&pod), PODLOGIN_BUSY);
    assert_in_range(pod.retry_after_ms, 20000, 22000);
    assert_int_equal(pod_get(&other), PODLOGIN_BUSY); /* other accounts are refused, too */
    assert_in_range(other.retry_after_ms, 19000, 22000);
    assert_int_equal(n_asked, 1);
    while (n_asked < 2) {
        pod_ask(&other);
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

/* An upstream that throttles still answers the exchanges that were in flight before. */
static void a_late_success_does_not_end_throttling(void **state)
{
    struct pod pod, late, other, before;

    (void)state;
    pod_init(&pod, "a", 4 * HOUR_S);
    pod_init(&late, "b", 4 * HOUR_S);
    pod_init(&other, "c", 4 * HOUR_S);
    pod_init(&before, "d", 4 * HOUR_S);
    assert_int_equal(pod_get(&before), PODLOGIN_OK); /* from now on, two exchanges at once */
    n_asked = 0;
    sim_upstream = upstream_throttles_the_first;
    pod_ask(&pod);
    pod_ask(&late);
    sim_run_for(SECOND_USEC);
    assert_int_equal(pod.status, PODLOGIN_BUSY);
    assert_int_equal(late.status, PODLOGIN_OK);
    assert_int_equal(pod_get(&other), PODLOGIN_BUSY);
    assert_int_equal(n_asked, 2);
    sim_run_for(22 * SECOND_USEC);
    assert_int_equal(pod_get(&other), PODLOGIN_OK); /* the probe */
    pod_done(&pod);
    pod_done(&late);
    pod_done(&other);
    pod_done(&before);
}

/* Asks again after the delay that it is told, until it is served. */
static void pod_insist(struct pod *pod)
{
    for (int i = 0; i < 1000 && pod_get(pod) != PODLOGIN_OK; i++) {
        assert_in_range(pod->retry_after_ms, 1, 61000);
        sim_run_for(pod->retry_after_ms * MSEC);
    }
    assert_int_equal(pod->status, PODLOGIN_OK);
}

/* The upstream has nothing against the next exchange. */
static void one_refusal_on_a_quiet_upstream_costs_a_job_eleven_seconds_at_most(void **state)
{
    uint64_t begun_usec = sim_now_usec;
    struct pod pod;

    (void)state;
    pod_init(&pod, "a", 4 * HOUR_S);
    reply = (struct sim_reply){.outcome = OUTCOME_THROTTLED, .latency_usec = 50 * MSEC};
    assert_int_equal(pod_get(&pod), PODLOGIN_BUSY);
    reply.outcome = OUTCOME_OK;
    reply.expires_in_s = LIFETIME_S;
    pod_insist(&pod);
    assert_in_range(pod.answered_usec - begun_usec, SECOND_USEC, 11200 * MSEC);
    pod_done(&pod);
}

static void an_unavailable_upstream_is_tried_three_times_then_the_breaker_opens(void **state)
{
    struct pod pod, other;

    (void)state;
    pod_init(&pod, "a", 4 * HOUR_S);
    pod_init(&other, "b", 4 * HOUR_S);
    reply.outcome = OUTCOME_UNAVAILABLE;
    assert_int_equal(pod_get(&pod), PODLOGIN_UPSTREAM_UNAVAILABLE);
    assert_int_equal(n_asked, 3);
    assert_in_range(pod.retry_after_ms, 1, 500);
    pod_ask(&other);
    assert_int_equal(other.status, PODLOGIN_UPSTREAM_UNAVAILABLE); /* at once */
    assert_int_equal(n_asked, 3);
    pod_done(&pod);
    pod_done(&other);
}

/*
 * Ten accounts ask four times a second. Returns how many exchanges begin during an outage of @usec.
 */
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
            pod_ask(&pods[i]);
        }
        if (n_asked > 30 && sim_n_in_flight > most)
            most = sim_n_in_flight;
        sim_run_for(250 * MSEC);
    }
    assert_in_range(most, 0, 1); /* one probe at a time */
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
        /* once the pauses are long, a probe every 30 s on average */
        {OUTCOME_UNAVAILABLE, "unavailable", 200},
        {OUTCOME_MALFORMED, "malformed", 200},
        {OUTCOME_UNTRUSTED, "untrusted", 75}, /* one a minute, and ten at first */
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

static void one_probe_detects_that_the_upstream_is_back_then_load_grows_slowly(void **state)
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
        pod_get(&pods[0]);
    reply.outcome = OUTCOME_OK;
    sim_run_for(61 * SECOND_USEC); /* the longest pause */
    n_asked = 0;
    for (size_t i = 0; i < ARRAY_SIZE(pods); i++)
        pod_ask(&pods[i]);
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

/* All tokens of all nodes may be missing. */
static void after_an_outage_of_an_hour_exchanges_are_spaced(void **state)
{
    struct pod pods[20];
    uint64_t begun_usec;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(pods); i++) {
        char name[32];

        snprintf(name, sizeof(name), "account-%zu", i);
        pod_init(&pods[i], name, 4 * HOUR_S);
    }
    reply.outcome = OUTCOME_UNAVAILABLE;
    for (int minutes = 0; minutes < 60; minutes++) {
        pod_get(&pods[0]);
        sim_run_for(60 * SECOND_USEC);
    }
    reply.outcome = OUTCOME_OK;
    begun_usec = sim_now_usec;
    n_asked = 0;
    assert_int_equal(pod_get(&pods[0]), PODLOGIN_OK); /* the probe: at once */
    assert_int_equal(pod_get(&pods[1]), PODLOGIN_BUSY);
    assert_in_range(pods[1].retry_after_ms, 22000, 28000);
    assert_non_null(strstr(pods[1].detail, "s apart"));
    for (size_t i = 1; i < ARRAY_SIZE(pods); i++)
        pod_insist(&pods[i]);
    assert_int_equal(n_asked, 20);
    for (size_t i = 1; i < n_asked; i++)
        assert_in_range(asked_usec[i] - asked_usec[i - 1], 12 * SECOND_USEC, 29 * SECOND_USEC);
    assert_in_range(sim_now_usec - begun_usec, 19 * 24 * SECOND_USEC, 19 * 29 * SECOND_USEC);
    for (size_t i = 0; i < ARRAY_SIZE(pods); i++)
        pod_done(&pods[i]);
}

static void a_failing_probe_answers_all_waiters_at_once(void **state)
{
    struct pod pods[5];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(pods); i++)
        pod_init(&pods[i], (const char *[]){"a", "b", "c", "d", "e"}[i], 4 * HOUR_S);
    reply.outcome = OUTCOME_UNAVAILABLE;
    pod_get(&pods[0]);
    sim_run_for(61 * SECOND_USEC);
    for (size_t i = 0; i < ARRAY_SIZE(pods); i++)
        pod_ask(&pods[i]);
    n_asked = 0;
    sim_run_for(60 * MSEC);
    assert_int_equal(n_asked, 0);
    for (size_t i = 0; i < ARRAY_SIZE(pods); i++) {
        assert_int_equal(pods[i].status, PODLOGIN_UPSTREAM_UNAVAILABLE);
        pod_done(&pods[i]);
    }
}

/* Each kind of outage lasts longer than the token lives. */
static void a_token_is_served_until_it_expires_and_never_after(void **state)
{
    (void)state;
    for (enum outcome outcome = OUTCOME_REFUSED; outcome < OUTCOMES; outcome++) {
        struct pod pod;
        uint64_t begun = sim_now_usec;
        int64_t expires_s;

        reply.outcome = OUTCOME_OK;
        pod_init(&pod, "a", 4 * HOUR_S);
        assert_int_equal(pod_get(&pod), PODLOGIN_OK);
        expires_s = pod.expires_s;
        n_asked = 0;
        reply.outcome = outcome;
        while (sim_now_usec < begun + (LIFETIME_S - 6) * SECOND_USEC) {
            assert_true(pod_ask(&pod));
            sim_run_for(SECOND_USEC);
        }
        print_message("outcome %d: %zu attempts while the token lived\n", outcome, n_asked);
        assert_in_range(n_asked, 3, 40);
        sim_run_until(begun + (LIFETIME_S - 5) * SECOND_USEC);
        assert_false(pod_ask(&pod));
        assert_true(clock_now().wall_s < expires_s);
        sim_run_for(2 * SECOND_USEC);
        assert_int_not_equal(pod.status, PODLOGIN_OK);
        pod_done(&pod);
        broker_done(&broker);
        sim_disk_done(&disk);
        sim_broker_init(&broker, &identities, config, &disk);
    }
}

static void a_waiter_that_leaves_does_not_cancel_the_exchange(void **state)
{
    struct pod pod, other;

    (void)state;
    pod_init(&pod, "a", 4 * HOUR_S);
    pod_init(&other, "a", 4 * HOUR_S);
    pod_ask(&pod);
    waiter_leave(&pod.waiter.waiter);
    sim_run_for(SECOND_USEC);
    assert_int_equal(pod.status, NO_ANSWER);
    assert_true(pod_ask(&other));
    pod_done(&pod);
    pod_done(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BROKER_TEST(the_broker_obeys_throttling_and_reports_the_delay),
        BROKER_TEST(a_late_success_does_not_end_throttling),
        BROKER_TEST(one_refusal_on_a_quiet_upstream_costs_a_job_eleven_seconds_at_most),
        BROKER_TEST(an_unavailable_upstream_is_tried_three_times_then_the_breaker_opens),
        BROKER_TEST(an_outage_of_an_hour_sees_few_attempts),
        BROKER_TEST(one_probe_detects_that_the_upstream_is_back_then_load_grows_slowly),
        BROKER_TEST(after_an_outage_of_an_hour_exchanges_are_spaced),
        BROKER_TEST(a_failing_probe_answers_all_waiters_at_once),
        BROKER_TEST(a_token_is_served_until_it_expires_and_never_after),
        BROKER_TEST(a_waiter_that_leaves_does_not_cancel_the_exchange),
    };

    log_init("test_broker_outage", -1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
