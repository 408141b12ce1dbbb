/* What happens to logins and exchanges when the configuration changes. */
#include "support/broker_fixture.h"

static void a_changed_service_misses_and_an_unchanged_one_hits(void **state)
{
    struct config *fresh = sim_config(2);
    struct pod pod, other;

    (void)state;
    pod_init(&pod, "a", 4 * HOUR_S);
    pod_init(&other, "a", 4 * HOUR_S);
    other.service = &config->services[1];
    assert_int_equal(pod_get(&pod), PODLOGIN_OK);
    assert_int_equal(pod_get(&other), PODLOGIN_OK);
    fresh->services[1].digest.bytes[0] ^= 1;
    fresh->services[0].id = 11;
    fresh->services[1].id = 12;
    broker_reload(&broker, fresh);
    config_unref(config);
    config = fresh;
    pod.service = &config->services[0];
    other.service = &config->services[1];
    assert_true(pod_ask(&pod));
    assert_false(pod_ask(&other));
    sim_run_for(SECOND_USEC);
    assert_int_equal(other.status, PODLOGIN_OK);
    sim_run_for(LIFETIME_S / 100 * 85 * SECOND_USEC);
    assert_int_equal(sim_n_exchanges, 5); /* both were refreshed with the new configuration */
    pod_done(&pod);
    pod_done(&other);
}

static void an_exchange_for_a_removed_service_is_cancelled(void **state)
{
    struct config *fresh = sim_config(1);
    struct pod pod;

    (void)state;
    pod_init(&pod, "a", 4 * HOUR_S);
    pod.service = &config->services[1];
    pod_ask(&pod);
    waiter_leave(&pod.waiter.waiter); /* as the session does */
    broker_reload(&broker, fresh);
    config_unref(config);
    config = fresh;
    sim_run_for(SECOND_USEC);
    assert_int_equal(broker.logins.n, 0);
    assert_int_equal(disk.n_rows, 0);
    pod_done(&pod);
}

/* The breaker lets one exchange through at a time, and the service of that exchange is removed. */
static void a_cancelled_exchange_makes_room_for_a_waiting_one(void **state)
{
    struct config *fresh = sim_config(1);
    struct pod gone, stays;

    (void)state;
    pod_init(&gone, "a", 4 * HOUR_S);
    pod_init(&stays, "b", 4 * HOUR_S);
    gone.service = &config->services[1];
    reply.outcome = OUTCOME_UNAVAILABLE;
    pod_get(&gone);
    sim_run_for(61 * SECOND_USEC);
    reply = (struct sim_reply){
        .outcome = OUTCOME_OK, .latency_usec = HOUR_S * SECOND_USEC, .expires_in_s = LIFETIME_S};
    pod_ask(&gone); /* the probe */
    reply.latency_usec = 50 * MSEC;
    pod_ask(&stays);
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

/* During the pause nothing is in flight or queued, but a waiter still needs the upstream. */
static void a_retry_continues_after_a_reload_during_its_pause(void **state)
{
    struct config *fresh = sim_config(2);
    struct pod pod;

    (void)state;
    pod_init(&pod, "a", 4 * HOUR_S);
    reply.outcome = OUTCOME_UNAVAILABLE;
    pod_ask(&pod);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        BROKER_TEST(a_changed_service_misses_and_an_unchanged_one_hits),
        BROKER_TEST(an_exchange_for_a_removed_service_is_cancelled),
        BROKER_TEST(a_cancelled_exchange_makes_room_for_a_waiting_one),
        BROKER_TEST(a_retry_continues_after_a_reload_during_its_pause),
    };

    log_init("test_broker_reload", -1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
