/* Which login goes when there are as many as CacheRows= allows. */
#include "support/broker_fixture.h"

static void a_full_cache_gives_up_the_oldest_login(void **state)
{
    struct pod pods[5];

    (void)state;
    broker.logins_max = 3;
    for (unsigned i = 0; i < ARRAY_SIZE(pods); i++) {
        pod_init(&pods[i], (char[]){(char)('0' + i), '\0'}, 4 * HOUR_S);
        assert_int_equal(pod_get(&pods[i]), PODLOGIN_OK);
    }
    assert_int_equal(broker.logins.n, 3);
    for (unsigned i = 2; i < ARRAY_SIZE(pods); i++)
        assert_true(pod_ask(&pods[i]));
    assert_int_equal(pod_get(&pods[0]), PODLOGIN_OK);
    assert_int_equal(pods[0].source, TOKEN_SOURCE_EXCHANGE);
    assert_true(pod_ask(&pods[4]));
    for (unsigned i = 0; i < ARRAY_SIZE(pods); i++)
        pod_done(&pods[i]);
}

static void a_login_that_is_in_use_is_not_given_up(void **state)
{
    struct pod pods[4];

    (void)state;
    broker.logins_max = 3;
    for (unsigned i = 0; i < ARRAY_SIZE(pods); i++)
        pod_init(&pods[i], (char[]){(char)('0' + i), '\0'}, 4 * HOUR_S);
    for (unsigned i = 0; i < 3; i++)
        pod_ask(&pods[i]);
    assert_int_equal(pod_get(&pods[3]), PODLOGIN_TOO_MANY);
    sim_run_for(SECOND_USEC);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(pods[i].status, PODLOGIN_OK);
    assert_int_equal(pod_get(&pods[3]), PODLOGIN_OK);
    for (unsigned i = 0; i < ARRAY_SIZE(pods); i++)
        pod_done(&pods[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BROKER_TEST(a_full_cache_gives_up_the_oldest_login),
        BROKER_TEST(a_login_that_is_in_use_is_not_given_up),
    };

    log_init("test_broker_full", -1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
