/* How clock steps and suspend affect the broker's tokens. */
#include "support/broker_fixture.h"

static void set_wall_clock(int64_t by_s)
{
    sim_wall_offset_s += by_s;
    broker_clock_was_set(&broker);
}

/*
 * Whatever the wall clock does, the token expires when it would have, and its reported lifetime is
 * never longer than the real one.
 */
static void a_wall_clock_step_prolongs_no_token(void **state)
{
    static const int64_t steps_s[] = {-3600, 3600, 2 * 86400, -SIM_EPOCH_S, 1, -1, -86400};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(steps_s); i++) {
        uint64_t begun = sim_now_usec, n;
        struct pod pod;

        pod_init(&pod, "a", 4 * HOUR_S);
        assert_int_equal(pod_get(&pod), PODLOGIN_OK);
        waiter_leave(&pod.waiter.waiter);
        sim_run_for(600 * SECOND_USEC);
        set_wall_clock(steps_s[i]);
        n = sim_n_exchanges;
        reply.outcome = OUTCOME_UNAVAILABLE;
        for (int second = 600; second < LIFETIME_S + 100; second++) {
            if (pod_ask(&pod)) {
                int64_t really_s = (int64_t)(begun / SECOND_USEC) + LIFETIME_S -
                                   (int64_t)(sim_now_usec / SECOND_USEC);

                assert_true(really_s > 0);
                assert_in_range(pod.expires_s - clock_now().wall_s, 0, (uint64_t)really_s + 1);
            } else {
                waiter_leave(&pod.waiter.waiter);
                /* refused only if the wall clock says that it has expired */
                assert_true(second >= LIFETIME_S - 6 || steps_s[i] > 0);
            }
            sim_run_for(SECOND_USEC);
        }
        assert_true(sim_n_exchanges > n);
        reply.outcome = OUTCOME_OK;
        sim_run_for(61 * SECOND_USEC);
        assert_int_equal(pod_get(&pod), PODLOGIN_OK); /* with a refresh at most */
        pod_done(&pod);
        sim_wall_offset_s = SIM_EPOCH_S;
        broker_done(&broker);
        sim_disk_done(&disk);
        sim_broker_init(&broker, &identities, config, &disk);
    }
}

static void a_backward_step_updates_the_expiry_on_the_disk(void **state)
{
    struct pod pod;

    (void)state;
    pod_init(&pod, "a", 4 * HOUR_S);
    assert_int_equal(pod_get(&pod), PODLOGIN_OK);
    sim_run_for(SECOND_USEC);
    set_wall_clock(-HOUR_S);
    sim_run_for(SECOND_USEC);
    broker_done(&broker);
    sim_broker_init(&broker, &identities, config, &disk);
    assert_true(pod_ask(&pod));
    assert_in_range(pod.expires_s - clock_now().wall_s, LIFETIME_S - 10, LIFETIME_S);
    pod_done(&pod);
}

/* The clock is set while the token is being written, or while the daemon is not running. */
static void a_step_during_a_write_or_a_restart_is_corrected(void **state)
{
    struct pod pod;

    (void)state;
    for (int is_restarted = 0; is_restarted < 2; is_restarted++) {
        pod_init(&pod, "a", 4 * HOUR_S);
        pod_ask(&pod);
        sim_run_for(50 * MSEC - 1);
        sim_hold_disk = !is_restarted;
        sim_run_for(MSEC); /* exchanged, and being written */
        if (is_restarted)
            broker_done(&broker);
        sim_wall_offset_s -= HOUR_S;
        if (is_restarted)
            sim_broker_init(&broker, &identities, config, &disk);
        else
            broker_clock_was_set(&broker);
        sim_hold_disk = false;
        sim_run_for(SECOND_USEC);
        assert_true(pod_ask(&pod));
        assert_in_range(pod.expires_s - clock_now().wall_s, LIFETIME_S - 10, LIFETIME_S);
        sim_run_for(61 * SECOND_USEC);
        broker_done(&broker); /* the expiry on the disk is right, too */
        sim_broker_init(&broker, &identities, config, &disk);
        assert_int_equal(list_is_empty(&broker.dirty), true);
        assert_true(pod_ask(&pod));
        assert_in_range(pod.expires_s - clock_now().wall_s, LIFETIME_S - 100, LIFETIME_S);
        pod_done(&pod);
        broker_done(&broker);
        sim_disk_done(&disk);
        sim_broker_init(&broker, &identities, config, &disk);
    }
}

/* The token is served already; it is written because the disk did not work before. */
static void a_step_during_a_late_write_is_written_as_well(void **state)
{
    struct pod pod;

    (void)state;
    disk.mode = SIM_DISK_FAILS;
    pod_init(&pod, "a", 4 * HOUR_S);
    assert_int_equal(pod_get(&pod), PODLOGIN_OK);
    disk.mode = SIM_DISK_WORKS;
    sim_hold_disk = true;
    sim_run_for(60 * SECOND_USEC);
    assert_int_equal(disk.n_rows, 1); /* not acknowledged yet */
    set_wall_clock(-HOUR_S);
    sim_hold_disk = false;
    sim_run_for(61 * SECOND_USEC);
    broker_done(&broker);
    sim_broker_init(&broker, &identities, config, &disk);
    assert_true(list_is_empty(&broker.dirty)); /* the expiry on the disk is right */
    assert_true(pod_ask(&pod));
    pod_done(&pod);
}

static void a_suspend_of_two_hours_counts_as_lifetime(void **state)
{
    struct pod pod;

    (void)state;
    pod_init(&pod, "a", 4 * HOUR_S);
    assert_int_equal(pod_get(&pod), PODLOGIN_OK);
    sim_now_usec += 2 * HOUR_S * SECOND_USEC; /* both clocks advance; no timer has run */
    assert_false(pod_ask(&pod));
    sim_run_for(SECOND_USEC);
    assert_int_equal(pod.status, PODLOGIN_OK);
    pod_done(&pod);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BROKER_TEST(a_wall_clock_step_prolongs_no_token),
        BROKER_TEST(a_backward_step_updates_the_expiry_on_the_disk),
        BROKER_TEST(a_step_during_a_write_or_a_restart_is_corrected),
        BROKER_TEST(a_step_during_a_late_write_is_written_as_well),
        BROKER_TEST(a_suspend_of_two_hours_counts_as_lifetime),
    };

    log_init("test_broker_time", -1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
