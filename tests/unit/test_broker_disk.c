/* The broker over a disk that fails or hangs. */
#include "support/broker_fixture.h"

static void tokens_are_written_once_a_failed_disk_works_again(void **state)
{
    struct pod pods[20];

    (void)state;
    disk.mode = SIM_DISK_FAILS;
    for (size_t i = 0; i < ARRAY_SIZE(pods); i++) {
        char name[32];

        snprintf(name, sizeof(name), "account-%zu", i);
        pod_init(&pods[i], name, 4 * HOUR_S);
        assert_int_equal(pod_get(&pods[i]), PODLOGIN_OK);
        assert_true(pod_ask(&pods[i]));
    }
    sim_run_for(120 * SECOND_USEC);
    assert_int_equal(disk.n_rows, 0);
    disk.mode = SIM_DISK_WORKS;
    sim_run_for(61 * SECOND_USEC);
    assert_int_equal(disk.n_rows, ARRAY_SIZE(pods));
    broker_done(&broker);
    sim_broker_init(&broker, &identities, config, &disk);
    for (size_t i = 0; i < ARRAY_SIZE(pods); i++) {
        assert_true(pod_ask(&pods[i]));
        pod_done(&pods[i]);
    }
}

static void a_request_waits_at_most_a_second_for_a_hanging_disk(void **state)
{
    struct pod pod;
    uint64_t begun = sim_now_usec;

    (void)state;
    disk.mode = SIM_DISK_HANGS;
    pod_init(&pod, "a", 4 * HOUR_S);
    assert_int_equal(pod_get(&pod), PODLOGIN_OK);
    assert_int_equal(pod.answered_usec - begun, 1050 * MSEC);
    /* the next exchange does not wait for that write, either */
    begun = sim_now_usec;
    pod_ask_for(&pod, LIFETIME_S);
    sim_run_for(LIFETIME_S * SECOND_USEC);
    assert_int_equal(pod_get(&pod), PODLOGIN_OK);
    pod_done(&pod);
}

/* After a change of the sealing key, there may be a row of each key, in any order. */
static void of_two_rows_of_a_login_the_one_that_expires_later_counts(void **state)
{
    (void)state;
    for (int is_old_first = 0; is_old_first < 2; is_old_first++) {
        struct sim_disk later;
        struct pod pod;

        pod_init(&pod, "a", 4 * HOUR_S);
        assert_int_equal(pod_get(&pod), PODLOGIN_OK);
        broker_done(&broker);
        sim_disk_init(&later);
        sim_broker_init(&broker, &identities, config, &later);
        sim_run_for(HOUR_S * SECOND_USEC);
        assert_int_equal(pod_get(&pod), PODLOGIN_OK);
        broker_done(&broker);
        if (!is_old_first)
            list_move(&later.rows, &disk.rows);
        list_move(&disk.rows, &later.rows);
        disk.n_rows += later.n_rows;
        sim_broker_init(&broker, &identities, config, &disk);
        sim_run_for(1);
        assert_true(pod_ask(&pod));
        assert_in_range(pod.expires_s - clock_now().wall_s, LIFETIME_S - 10, LIFETIME_S);
        pod_done(&pod);
        broker_done(&broker);
        sim_disk_done(&disk);
        sim_broker_init(&broker, &identities, config, &disk);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BROKER_TEST(tokens_are_written_once_a_failed_disk_works_again),
        BROKER_TEST(a_request_waits_at_most_a_second_for_a_hanging_disk),
        BROKER_TEST(of_two_rows_of_a_login_the_one_that_expires_later_counts),
    };

    log_init("test_broker_disk", -1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
