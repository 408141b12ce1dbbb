/* When the broker refreshes a token, and what a request for more lifetime costs. */
#include "support/broker_fixture.h"

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
        assert_int_equal(pod_get(&pod), PODLOGIN_OK);
        while (sim_n_exchanges == n + 1) {
            sim_run_for(10 * SECOND_USEC);
            assert_true(pod_ask(&pod));
        }
        elapsed = (sim_now_usec - begun) / SECOND_USEC;
        assert_in_range(elapsed, LIFETIME_S * 70 / 100, LIFETIME_S * 80 / 100 + 10);
        pod_done(&pod);
        broker_done(&broker); /* so that each token is measured alone */
        sim_disk_done(&disk);
        sim_broker_init(&broker, &identities, config, &disk);
    }
}

static void an_unused_token_is_refreshed_at_the_next_request(void **state)
{
    struct pod pod;
    uint64_t expires;

    (void)state;
    pod_init(&pod, "a", 4 * HOUR_S);
    assert_int_equal(pod_get(&pod), PODLOGIN_OK);
    sim_run_for(10 * SECOND_USEC);
    assert_true(pod_ask(&pod));
    sim_run_for(LIFETIME_S / 100 * 81 * SECOND_USEC);
    assert_int_equal(sim_n_exchanges, 2); /* the first refresh, because the token was used */
    sim_run_for(LIFETIME_S / 100 * 80 * SECOND_USEC);
    assert_int_equal(sim_n_exchanges, 2); /* no second refresh */
    expires = (uint64_t)pod.expires_s;
    assert_true(pod_ask(&pod)); /* served at once, refreshed in the background */
    assert_int_equal(sim_n_exchanges, 3);
    sim_run_for(SECOND_USEC);
    assert_true(pod_ask(&pod));
    assert_true((uint64_t)pod.expires_s > expires + LIFETIME_S);
    pod_done(&pod);
}

static void no_refresh_without_a_live_jwt(void **state)
{
    struct pod old, young;

    (void)state;
    pod_init(&old, "a", 1800);
    assert_int_equal(pod_get(&old), PODLOGIN_OK);
    sim_run_for(10 * SECOND_USEC);
    assert_true(pod_ask(&old));
    sim_run_for(LIFETIME_S / 100 * 85 * SECOND_USEC);
    assert_int_equal(sim_n_exchanges, 1);
    assert_int_equal(old.identity->n_refs, 1); /* the broker has released the expired JWT */
    pod_init(&young, "a", HOUR_S);
    assert_true(pod_ask(&young));
    assert_int_equal(sim_n_exchanges, 2);
    pod_done(&old);
    pod_done(&young);
}

static void no_refresh_if_the_rules_refuse_by_then(void **state)
{
    struct pod pod;

    (void)state;
    pod_init(&pod, "a", 4 * HOUR_S);
    assert_int_equal(pod_get(&pod), PODLOGIN_OK);
    sim_run_for(10 * SECOND_USEC);
    assert_true(pod_ask(&pod));
    sim_admits = false;
    sim_run_for(LIFETIME_S / 100 * 85 * SECOND_USEC);
    assert_int_equal(sim_n_exchanges, 1);
    pod_done(&pod);
}

/* Services with equal settings share a token; the rules of each are its own. */
static void a_refresh_is_judged_by_the_service_that_its_jwt_was_for(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        uint64_t before = sim_n_exchanges;
        struct pod old, young;

        pod_init(&old, i ? "a" : "b", 3 * HOUR_S);
        pod_init(&young, i ? "a" : "b", 4 * HOUR_S);
        config->services[1].digest = config->services[0].digest;
        young.service = &config->services[1];
        assert_int_equal(pod_get(&old), PODLOGIN_OK);
        assert_true(pod_ask(&young));
        sim_refuses = &config->services[i];
        sim_run_for(LIFETIME_S / 100 * 85 * SECOND_USEC);
        assert_int_equal(sim_n_exchanges - before, i == 0 ? 2 : 1);
        sim_refuses = NULL;
        pod_done(&old);
        pod_done(&young);
    }
}

static void a_jwt_is_dropped_when_it_expires(void **state)
{
    struct pod pod;

    (void)state;
    pod_init(&pod, "a", 600);
    assert_int_equal(pod_get(&pod), PODLOGIN_OK);
    assert_int_equal(pod.identity->n_refs, 2); /* it is kept for the refresh */
    sim_run_for(600 * SECOND_USEC);
    sim_run_for(61 * SECOND_USEC);
    assert_int_equal(pod.identity->n_refs, 1);
    pod_done(&pod);
}

/* 50 accounts request tokens that live for a minute, once a second for an hour. */
static void steady_requests_never_wait_and_cost_few_extra_exchanges(void **state)
{
    enum {
        N = 50,
        TTL_S = 60
    };
    struct pod pods[N];
    size_t n_waited = 0;
    /* a token is served until 5 s before it expires, so it lasts that long at best */
    double least = N * (double)HOUR_S / (TTL_S - 5), cost;

    (void)state;
    reply.expires_in_s = TTL_S;
    for (size_t i = 0; i < N; i++) {
        char name[32];

        snprintf(name, sizeof(name), "account-%zu", i);
        pod_init(&pods[i], name, 4 * HOUR_S);
        assert_int_equal(pod_get(&pods[i]), PODLOGIN_OK);
    }
    for (size_t second = 0; second < HOUR_S; second++) {
        for (size_t i = 0; i < N; i++)
            n_waited += !pod_ask(&pods[i]);
        sim_run_for(SECOND_USEC);
    }
    cost = (double)sim_n_exchanges / least;
    print_message("%zu exchanges, %.3f of the minimum; %zu waited\n", (size_t)sim_n_exchanges, cost,
                  n_waited);
    assert_int_equal(n_waited, 0);
    assert_true(cost < 1.3);
    for (size_t i = 0; i < N; i++)
        pod_done(&pods[i]);
}

/* --- min-ttl --- */

static void a_request_for_more_lifetime_joins_a_refresh(void **state)
{
    struct pod pod, other;

    (void)state;
    pod_init(&pod, "a", 4 * HOUR_S);
    pod_init(&other, "a", 4 * HOUR_S);
    assert_int_equal(pod_get(&pod), PODLOGIN_OK);
    sim_run_for(HOUR_S * SECOND_USEC);
    assert_true(pod_ask_for(&pod, HOUR_S - 60));
    assert_false(pod_ask_for(&pod, HOUR_S + 60));
    assert_false(pod_ask_for(&other, HOUR_S + 60));
    sim_run_for(SECOND_USEC);
    assert_int_equal(pod.status, PODLOGIN_OK);
    assert_int_equal(other.status, PODLOGIN_OK);
    assert_int_equal(other.source, TOKEN_SOURCE_JOINED);
    assert_int_equal(sim_n_exchanges, 2);
    assert_true(pod.expires_s - clock_now().wall_s > HOUR_S + 60);
    pod_done(&pod);
    pod_done(&other);
}

static void a_min_ttl_that_cannot_be_met_does_not_cost_an_exchange_per_request(void **state)
{
    struct pod pod;

    (void)state;
    pod_init(&pod, "a", 4 * HOUR_S);
    for (int i = 0; i < 600; i++) {
        pod_ask_for(&pod, 24 * HOUR_S);
        sim_run_for(SECOND_USEC);
        assert_int_equal(pod.status, PODLOGIN_OK);
    }
    assert_int_equal(sim_n_exchanges, 1);
    pod_done(&pod);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BROKER_TEST(a_token_in_use_is_refreshed_between_70_and_80_percent),
        BROKER_TEST(an_unused_token_is_refreshed_at_the_next_request),
        BROKER_TEST(no_refresh_without_a_live_jwt),
        BROKER_TEST(no_refresh_if_the_rules_refuse_by_then),
        BROKER_TEST(a_refresh_is_judged_by_the_service_that_its_jwt_was_for),
        BROKER_TEST(a_jwt_is_dropped_when_it_expires),
        BROKER_TEST(steady_requests_never_wait_and_cost_few_extra_exchanges),
        BROKER_TEST(a_request_for_more_lifetime_joins_a_refresh),
        BROKER_TEST(a_min_ttl_that_cannot_be_met_does_not_cost_an_exchange_per_request),
    };

    log_init("test_broker_refresh", -1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
