/* How long the broker remembers refusals, and to which requests it applies them. */
#include "support/broker_fixture.h"

/* Asks every tenth of a second, and checks the time between exchanges. */
static void assert_gaps(struct pod *pod, int status, const unsigned *expected_s, size_t n)
{
    n_asked = 0;
    while (n_asked <= n) {
        pod_ask(pod);
        assert_true(pod->status == status || pod->status == NO_ANSWER);
        sim_run_for(100 * MSEC);
    }
    for (size_t i = 0; i < n; i++) {
        uint64_t gap_ms = (asked_usec[i + 1] - asked_usec[i]) / MSEC;

        assert_in_range(gap_ms, expected_s[i] * 1000, expected_s[i] * 1000 + 300);
    }
}

static void a_refusal_is_remembered_for_its_jwt_for_5_s_doubling_to_60(void **state)
{
    static const unsigned expected_s[] = {5, 10, 20, 40, 60, 60};
    struct pod pod, other;

    (void)state;
    pod_init(&pod, "a", 4 * HOUR_S);
    pod_init(&other, "a", 4 * HOUR_S);
    reply.outcome = OUTCOME_REFUSED;
    assert_gaps(&pod, PODLOGIN_UPSTREAM_REFUSED, expected_s, ARRAY_SIZE(expected_s));
    sim_run_for(SECOND_USEC);
    assert_int_equal(pod_get(&pod), PODLOGIN_UPSTREAM_REFUSED);
    assert_string_equal(pod.detail, "simulated");
    /* another JWT of the same account is tried, and its token is served to all */
    reply.outcome = OUTCOME_OK;
    assert_int_equal(pod_get(&other), PODLOGIN_OK);
    assert_true(pod_ask(&pod));
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
    pod_ask(&leader);
    pod_ask(&twin);
    pod_ask(&follower);
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

/* A JWT that came twice while it was not verified has two identities. */
static void a_refused_jwt_is_not_exchanged_again_as_another_identity(void **state)
{
    struct pod leader, twin;

    (void)state;
    pod_init(&leader, "a", 4 * HOUR_S);
    pod_init(&twin, "a", 4 * HOUR_S);
    twin.identity->digest = leader.identity->digest;
    reply.outcome = OUTCOME_REFUSED;
    pod_ask(&leader);
    pod_ask(&twin);
    sim_run_for(SECOND_USEC);
    assert_int_equal(leader.status, PODLOGIN_UPSTREAM_REFUSED);
    assert_int_equal(twin.status, PODLOGIN_UPSTREAM_REFUSED);
    assert_int_equal(sim_n_exchanges, 1);
    pod_done(&leader);
    pod_done(&twin);
}

static void each_refused_jwt_is_exchanged_once(void **state)
{
    struct pod pods[10];

    (void)state;
    reply.outcome = OUTCOME_REFUSED;
    for (size_t i = 0; i < ARRAY_SIZE(pods); i++) {
        pod_init(&pods[i], "a", 4 * HOUR_S);
        pod_ask(&pods[i]);
    }
    sim_run_for(SECOND_USEC);
    assert_int_equal(sim_n_exchanges, ARRAY_SIZE(pods));
    for (size_t i = 0; i < ARRAY_SIZE(pods); i++) {
        assert_int_equal(pods[i].status, PODLOGIN_UPSTREAM_REFUSED);
        pod_done(&pods[i]);
    }
}

static void a_misconfiguration_is_remembered_for_its_jwt_only(void **state)
{
    struct pod pod, twin, other;

    (void)state;
    pod_init(&pod, "a", 4 * HOUR_S);
    pod_init(&twin, "a", 4 * HOUR_S);
    pod_init(&other, "b", 4 * HOUR_S);
    reply.outcome = OUTCOME_MISCONFIGURED;
    assert_int_equal(pod_get(&pod), PODLOGIN_UPSTREAM_REFUSED);
    n_asked = 0;
    assert_int_equal(pod_get(&pod), PODLOGIN_UPSTREAM_REFUSED);
    assert_int_equal(n_asked, 0);
    reply.outcome = OUTCOME_OK;
    assert_int_equal(pod_get(&other), PODLOGIN_OK);
    assert_int_equal(pod_get(&twin), PODLOGIN_OK);
    pod_done(&pod);
    pod_done(&twin);
    pod_done(&other);
}

/* The accounts "0" to "8" and so on, with a new JWT each time. Returns how many exchanges that
 * cost. */
static size_t ask_as(unsigned first, unsigned n, int expected)
{
    size_t before = sim_n_exchanges;

    for (unsigned i = first; i < first + n; i++) {
        struct pod pod;
        char name[2] = {(char)('0' + i), '\0'};

        pod_init(&pod, name, 4 * HOUR_S);
        assert_int_equal(pod_get(&pod), expected);
        pod_done(&pod);
    }
    return sim_n_exchanges - before;
}

static void a_misconfiguration_of_several_accounts_is_remembered_for_their_service(void **state)
{
    struct pod elsewhere;

    (void)state;
    reply.outcome = OUTCOME_MISCONFIGURED;
    pod_init(&elsewhere, "9", 4 * HOUR_S);
    elsewhere.service = &config->services[1];
    for (unsigned i = 0; i < 9; i++) /* one account, however often */
        assert_int_equal(ask_as(0, 1, PODLOGIN_UPSTREAM_REFUSED), 1);
    assert_int_equal(ask_as(1, 2, PODLOGIN_UPSTREAM_REFUSED), 2);
    /* with the third account, it is the service's; a probe passes each second */
    assert_int_equal(ask_as(3, 6, PODLOGIN_UPSTREAM_REFUSED), 0);
    sim_run_for(SECOND_USEC);
    assert_int_equal(ask_as(3, 6, PODLOGIN_UPSTREAM_REFUSED), 1);
    /* but none of the accounts that have shown it */
    sim_run_for(SECOND_USEC);
    assert_int_equal(ask_as(0, 3, PODLOGIN_UPSTREAM_REFUSED), 0);
    /* another service is not concerned */
    assert_int_equal(pod_get(&elsewhere), PODLOGIN_UPSTREAM_REFUSED);
    assert_int_equal(sim_n_exchanges, 13);
    /* a probe that succeeds ends it */
    reply.outcome = OUTCOME_OK;
    assert_int_equal(ask_as(5, 4, PODLOGIN_OK), 4);
    assert_int_equal(ask_as(0, 3, PODLOGIN_OK), 3);
    pod_done(&elsewhere);
}

static void a_misconfiguration_of_a_service_ends_after_60_s_or_a_reload(void **state)
{
    (void)state;
    reply.outcome = OUTCOME_MISCONFIGURED;
    ask_as(0, 3, PODLOGIN_UPSTREAM_REFUSED);
    sim_run_for(58 * SECOND_USEC);
    assert_int_equal(ask_as(0, 3, PODLOGIN_UPSTREAM_REFUSED), 0);
    sim_run_for(3 * SECOND_USEC);
    assert_int_equal(ask_as(0, 3, PODLOGIN_UPSTREAM_REFUSED), 3);
    assert_int_equal(ask_as(0, 3, PODLOGIN_UPSTREAM_REFUSED), 0);
    reply.outcome = OUTCOME_OK;
    broker_reload(&broker, config);
    assert_int_equal(ask_as(0, 3, PODLOGIN_OK), 3);
}

static void a_success_in_between_clears_a_service_of_suspicion(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 9; i++) {
        reply.outcome = OUTCOME_MISCONFIGURED;
        assert_int_equal(ask_as(i, 1, PODLOGIN_UPSTREAM_REFUSED), 1);
        reply.outcome = OUTCOME_OK;
        assert_int_equal(ask_as(i, 1, PODLOGIN_OK), 1);
    }
}

/* Followers with other JWTs are tried, but not all of them for an upstream that refuses each. */
static void three_leaders_of_a_flight_are_tried_with_a_misconfiguration(void **state)
{
    struct pod pods[10];

    (void)state;
    reply.outcome = OUTCOME_MISCONFIGURED;
    for (size_t i = 0; i < ARRAY_SIZE(pods); i++) {
        pod_init(&pods[i], "a", 4 * HOUR_S);
        pod_ask(&pods[i]);
    }
    sim_run_for(SECOND_USEC);
    assert_int_equal(sim_n_exchanges, 3);
    for (size_t i = 0; i < ARRAY_SIZE(pods); i++) {
        assert_int_equal(pods[i].status, PODLOGIN_UPSTREAM_REFUSED);
        pod_done(&pods[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BROKER_TEST(a_refusal_is_remembered_for_its_jwt_for_5_s_doubling_to_60),
        BROKER_TEST(a_refused_leader_does_not_refuse_its_followers),
        BROKER_TEST(a_refused_jwt_is_not_exchanged_again_as_another_identity),
        BROKER_TEST(each_refused_jwt_is_exchanged_once),
        BROKER_TEST(a_misconfiguration_is_remembered_for_its_jwt_only),
        BROKER_TEST(a_misconfiguration_of_several_accounts_is_remembered_for_their_service),
        BROKER_TEST(a_misconfiguration_of_a_service_ends_after_60_s_or_a_reload),
        BROKER_TEST(a_success_in_between_clears_a_service_of_suspicion),
        BROKER_TEST(three_leaders_of_a_flight_are_tried_with_a_misconfiguration),
    };

    log_init("test_broker_refusals", -1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
