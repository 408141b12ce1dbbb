/* Tokens that their upstream rejects, and requests that wait for another token. */
#include "support/broker_fixture.h"

enum {
    PODS = 1000
};

static struct pod pods[PODS];

/* Gives the upstream's next tokens another value. */
static void next_token(const char *value)
{
    snprintf(reply.token, sizeof(reply.token), "%s", value);
}

/* One account whose pods have the token "first", which is as old as it must be. */
static void pods_have_a_token(size_t n)
{
    next_token("first");
    for (size_t i = 0; i < n; i++) {
        pod_init(&pods[i], "a", 4 * HOUR_S);
        assert_int_equal(pod_get(&pods[i]), PODLOGIN_OK);
    }
    sim_run_for(30 * SECOND_USEC);
    next_token("second");
}

static void pods_done(size_t n)
{
    for (size_t i = 0; i < n; i++)
        pod_done(&pods[i]);
}

static void a_thousand_rejections_cost_one_exchange(void **state)
{
    uint64_t first;

    (void)state;
    pods_have_a_token(PODS);
    first = pods[0].fingerprint;
    for (size_t i = 0; i < PODS / 2; i++)
        assert_false(pod_reject(&pods[i], first));
    sim_run_for(SECOND_USEC);
    for (size_t i = PODS / 2; i < PODS; i++)
        assert_true(pod_reject(&pods[i], first)); /* there is another one by now */
    for (size_t i = 0; i < PODS; i++) {
        assert_int_equal(pods[i].status, PODLOGIN_OK);
        assert_true(pods[i].fingerprint == pods[0].fingerprint && pods[i].fingerprint != first);
    }
    assert_int_equal(sim_n_exchanges, 2);
    pods_done(PODS);
}

static void the_others_are_served_while_a_rejected_token_is_replaced(void **state)
{
    (void)state;
    pods_have_a_token(2);
    assert_false(pod_reject(&pods[0], pods[0].fingerprint));
    assert_true(pod_ask(&pods[1]));
    pods_done(2);
}

/* One pod cannot take a token away from the others. */
static void a_token_whose_replacement_fails_is_kept(void **state)
{
    (void)state;
    pods_have_a_token(2);
    reply.outcome = OUTCOME_REFUSED;
    assert_false(pod_reject(&pods[0], pods[0].fingerprint));
    sim_run_for(SECOND_USEC);
    assert_int_equal(pods[0].status, PODLOGIN_UPSTREAM_REFUSED);
    assert_true(pod_ask(&pods[1]));
    pods_done(2);
}

static void a_young_token_is_not_replaced(void **state)
{
    (void)state;
    pods_have_a_token(1);
    pod_reject(&pods[0], pods[0].fingerprint);
    sim_run_for(10 * SECOND_USEC);
    assert_int_equal(pods[0].status, PODLOGIN_OK);
    next_token("third");
    assert_false(pod_reject(&pods[0], pods[0].fingerprint));
    assert_int_equal(pods[0].status, PODLOGIN_BUSY);
    assert_in_range(pods[0].retry_after_ms, 19000, 21000);
    assert_int_equal(sim_n_exchanges, 2);
    sim_run_for(pods[0].retry_after_ms * MSEC);
    assert_false(pod_reject(&pods[0], pods[0].fingerprint));
    sim_run_for(SECOND_USEC);
    assert_int_equal(pods[0].status, PODLOGIN_OK);
    assert_int_equal(sim_n_exchanges, 3);
    pods_done(1);
}

/* For a program that rejects each token, such as one without permissions. */
static void rejections_are_limited_to_two_a_minute(void **state)
{
    (void)state;
    pods_have_a_token(1);
    for (int second = 0; second < HOUR_S; second++) {
        char value[24];

        snprintf(value, sizeof(value), "token-%d", second);
        next_token(value);
        pod_ask(&pods[0]);
        pod_reject(&pods[0], pods[0].fingerprint);
        sim_run_for(SECOND_USEC);
    }
    assert_in_range(sim_n_exchanges, 100, 2 * 60 + 1);
    pods_done(1);
}

static void an_unknown_fingerprint_costs_nothing(void **state)
{
    (void)state;
    pods_have_a_token(1);
    assert_true(pod_reject(&pods[0], pods[0].fingerprint + 1));
    assert_int_equal(sim_n_exchanges, 1);
    pods_done(1);
}

/* --- watching --- */

static void watchers_are_woken_when_the_token_is_refreshed(void **state)
{
    (void)state;
    pods_have_a_token(2);
    assert_true(pod_ask(&pods[0]));
    assert_true(pod_watch(&pods[0]) > sim_now_usec + (LIFETIME_S - 60) * SECOND_USEC);
    sim_run_for(LIFETIME_S / 100 * 60 * SECOND_USEC);
    assert_int_equal(pods[0].status, NO_ANSWER);
    sim_run_for(LIFETIME_S / 100 * 21 * SECOND_USEC);
    assert_int_equal(pods[0].status, PODLOGIN_OK);
    assert_true(pods[0].fingerprint != pods[1].fingerprint);
    pods_done(2);
}

/* Between the look at the token and the watch, time goes on. */
static void a_token_that_has_just_become_too_old_is_watched_for_no_time(void **state)
{
    struct now now;

    (void)state;
    pods_have_a_token(1);
    assert_true(pod_ask_for(&pods[0], 60));
    now = clock_now();
    now.boot_usec += (LIFETIME_S - 60) * SECOND_USEC;
    assert_true(broker_watch(&broker, &pods[0].waiter, 60, now) == 0);
    pods_done(1);
}

static void watchers_are_woken_when_the_token_is_rejected(void **state)
{
    (void)state;
    pods_have_a_token(2);
    assert_true(pod_ask(&pods[0]));
    pod_watch(&pods[0]);
    pod_reject(&pods[1], pods[1].fingerprint);
    sim_run_for(SECOND_USEC);
    assert_int_equal(pods[0].status, PODLOGIN_OK);
    assert_true(pods[0].fingerprint == pods[1].fingerprint);
    pods_done(2);
}

static void watchers_are_refused_when_the_service_changes(void **state)
{
    struct config *now;

    (void)state;
    pods_have_a_token(1);
    assert_true(pod_ask(&pods[0]));
    pod_watch(&pods[0]);
    now = sim_config(0);
    broker_reload(&broker, now);
    assert_int_equal(pods[0].status, PODLOGIN_BUSY);
    pods_done(1);
    config_unref(now);
}

/* A full cache frees the login of somebody else. */
static void a_watched_login_is_kept(void **state)
{
    struct pod pod;

    (void)state;
    broker.logins_max = 1;
    pods_have_a_token(1);
    assert_true(pod_ask(&pods[0]));
    pod_watch(&pods[0]);
    pod_init(&pod, "b", 4 * HOUR_S);
    assert_int_equal(pod_get(&pod), PODLOGIN_TOO_MANY);
    pods_done(1);
    assert_int_equal(pod_get(&pod), PODLOGIN_OK);
    pod_done(&pod);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BROKER_TEST(a_thousand_rejections_cost_one_exchange),
        BROKER_TEST(the_others_are_served_while_a_rejected_token_is_replaced),
        BROKER_TEST(a_token_whose_replacement_fails_is_kept),
        BROKER_TEST(a_young_token_is_not_replaced),
        BROKER_TEST(rejections_are_limited_to_two_a_minute),
        BROKER_TEST(an_unknown_fingerprint_costs_nothing),
        BROKER_TEST(watchers_are_woken_when_the_token_is_refreshed),
        BROKER_TEST(a_token_that_has_just_become_too_old_is_watched_for_no_time),
        BROKER_TEST(watchers_are_woken_when_the_token_is_rejected),
        BROKER_TEST(watchers_are_refused_when_the_service_changes),
        BROKER_TEST(a_watched_login_is_kept),
    };

    log_init("test_broker_reject", -1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
