/* When the wall clock counts as set. */
#include "base/clock_watch.h"
#include "base/counters.h"
#include "support/check.h"

/* --- instead of base/clock.c --- */

static uint64_t boot_usec;
static int64_t offset_usec; /* the wall clock minus the boot clock */

uint64_t clock_boot_usec(void)
{
    return boot_usec;
}

int64_t clock_wall_usec(void)
{
    return (int64_t)boot_usec + offset_usec;
}

struct now clock_now(void)
{
    return (struct now){.wall_s = clock_wall_usec() / (int64_t)SECOND_USEC, .boot_usec = boot_usec};
}

int clock_boot_id(uint8_t ret_id[BOOT_ID_SIZE])
{
    memset(ret_id, 1, BOOT_ID_SIZE);
    return 0;
}

uint64_t random_below(uint64_t below)
{
    return below / 2;
}

/* --- fixture --- */

static struct loop loop;
static struct clock_watch watch;
static unsigned n_set;
static int64_t set_by_usec;

static void on_set(struct clock_watch *of, int64_t by_usec)
{
    assert_ptr_equal(of, &watch);
    n_set++;
    set_by_usec = by_usec;
}

static int begin(void **state)
{
    (void)state;
    boot_usec = 1000 * SECOND_USEC;
    offset_usec = INT64_C(1800000000000000);
    n_set = 0;
    return loop_init(&loop) < 0 || clock_watch_init(&watch, &loop, on_set) < 0;
}

static int end(void **state)
{
    (void)state;
    clock_watch_done(&watch);
    loop_done(&loop);
    return 0;
}

static void run_for(uint64_t usec)
{
    uint64_t until_usec = boot_usec + usec;

    while (loop.timers.first->at_usec <= until_usec) {
        boot_usec = loop.timers.first->at_usec;
        timers_run(&loop.timers, boot_usec);
    }
    boot_usec = until_usec;
}

/* --- tests --- */

/* Within a minute, also where the kernel does not tell. */
static void each_step_counts_once(void **state)
{
    static const int64_t steps_usec[] = {3600 * (int64_t)SECOND_USEC, -3600 * (int64_t)SECOND_USEC,
                                         SECOND_USEC, -(int64_t)SECOND_USEC};
    uint64_t before = counters[COUNTER_CLOCK_STEPS];

    (void)state;
    run_for(600 * SECOND_USEC);
    assert_int_equal(n_set, 0);
    for (unsigned i = 0; i < ARRAY_SIZE(steps_usec); i++) {
        offset_usec += steps_usec[i];
        run_for(60 * SECOND_USEC);
        assert_int_equal(n_set, i + 1);
        assert_int_equal(set_by_usec, steps_usec[i]);
        run_for(600 * SECOND_USEC);
        assert_int_equal(n_set, i + 1);
    }
    assert_int_equal(counters[COUNTER_CLOCK_STEPS] - before, ARRAY_SIZE(steps_usec));
}

/* A clock that is adjusted slowly is not set, however far it gets. */
static void slow_changes_do_not_count(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) {
        offset_usec += (i < 50 ? 1 : -1) * ((int64_t)SECOND_USEC - 1);
        run_for(60 * SECOND_USEC);
    }
    assert_int_equal(n_set, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_step_counts_once, begin, end),
        cmocka_unit_test_setup_teardown(slow_changes_do_not_count, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
