/* Compares timers with a sorted list over a long random sequence of sets, changes, unsets and runs.
 */
#include <stdlib.h>

#include "base/list.h"
#include "base/timer.h"
#include "support/check.h"

#define N_TIMERS 200
#define N_STEPS  200000

struct probe {
    struct timer timer;
    uint64_t expected_usec; /* 0: not set */
};

static struct timers timers;
static struct probe probes[N_TIMERS];
static uint64_t last_usec;
static size_t n_called;

static void on_timer(struct timer *timer)
{
    struct probe *probe = container_of(timer, struct probe, timer);

    assert_false(timer_is_set(timer));
    assert_int_equal(timer->at_usec, probe->expected_usec);
    assert_true(timer->at_usec >= last_usec);
    last_usec = timer->at_usec;
    probe->expected_usec = 0;
    n_called++;
}

static size_t n_due(uint64_t now_usec)
{
    size_t n = 0;

    for (size_t i = 0; i < N_TIMERS; i++)
        n += probes[i].expected_usec && probes[i].expected_usec <= now_usec;
    return n;
}

static void timers_run_in_order_after_any_sequence_of_operations(void **state)
{
    uint64_t now_usec = 1;

    (void)state;
    srandom(1);
    for (size_t step = 0; step < N_STEPS; step++) {
        struct probe *probe = &probes[random() % N_TIMERS];

        if (random() % 4 == 0) {
            timer_unset(&probe->timer);
            probe->expected_usec = 0;
        } else {
            probe->expected_usec = now_usec + 1 + (uint64_t)random() % 1000;
            timer_set(&timers, &probe->timer, probe->expected_usec, on_timer);
        }
        if (random() % 8 == 0) {
            size_t expected;

            now_usec += (uint64_t)random() % 200;
            expected = n_due(now_usec);
            n_called = 0;
            last_usec = 0;
            timers_run(&timers, now_usec);
            assert_int_equal(n_called, expected);
        }
    }
    last_usec = 0;
    timers_run(&timers, UINT64_MAX);
    assert_null(timers.first);
    assert_int_equal(n_due(UINT64_MAX), 0);
}

struct ticking {
    struct timer timer;
    unsigned n_left;
};

static void on_tick(struct timer *timer)
{
    struct ticking *ticking = container_of(timer, struct ticking, timer);

    if (--ticking->n_left)
        timer_set(&timers, timer, timer->at_usec + 10, on_tick);
}

static void a_timer_may_set_itself_again(void **state)
{
    struct ticking ticking = {.n_left = 5};

    (void)state;
    timer_set(&timers, &ticking.timer, 10, on_tick);
    timers_run(&timers, 29);
    assert_int_equal(ticking.n_left, 3);
    assert_true(timer_is_set(&ticking.timer));
    timers_run(&timers, 100);
    assert_int_equal(ticking.n_left, 0);
    assert_null(timers.first);
}

struct owned {
    struct timer timer;
};

static void on_last(struct timer *timer)
{
    free(container_of(timer, struct owned, timer));
}

static void an_owner_may_be_freed_by_its_timer(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 50; i++) {
        struct owned *owned = calloc(1, sizeof(*owned));

        assert_non_null(owned);
        timer_set(&timers, &owned->timer, 1 + i * 7 % 50, on_last);
    }
    timers_run(&timers, 25);
    assert_non_null(timers.first);
    timers_run(&timers, 50);
    assert_null(timers.first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_run_in_order_after_any_sequence_of_operations),
        cmocka_unit_test(a_timer_may_set_itself_again),
        cmocka_unit_test(an_owner_may_be_freed_by_its_timer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
