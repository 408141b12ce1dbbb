/* When an exchange may go to its upstream. The test determines the jitter: see random_below(). */
#include "base/clock.h"
#include "broker/breaker.h"
#include "support/check.h"

#define MSEC  UINT64_C(1000)
#define START (1000 * SECOND_USEC)

static bool is_jitter_greatest; /* otherwise it is the smallest */
static uint64_t jitter_below;   /* the latest argument of random_below() */

/* Replaces the daemon's function. */
uint64_t random_below(uint64_t below)
{
    jitter_below = below;
    return is_jitter_greatest ? below - 1 : 0;
}

static struct breaker breaker;

/* Begins an exchange and ends it. */
static void exchange(enum outcome outcome, uint32_t retry_after_ms, uint64_t now_usec)
{
    struct breaker_pass pass;

    assert_int_equal(breaker_ask(&breaker, now_usec), BREAKER_PASS);
    pass = breaker_begin(&breaker, now_usec);
    breaker_end(&breaker, pass, outcome, retry_after_ms, now_usec);
}

static int begin_new(void **state)
{
    (void)state;
    is_jitter_greatest = false;
    breaker_init(&breaker);
    return 0;
}

/* The upstream has answered often enough for a full window. */
static int begin(void **state)
{
    begin_new(state);
    for (int i = 1; i < BREAKER_WINDOW_MAX; i++)
        exchange(OUTCOME_OK, 0, START);
    return 0;
}

/* Returns the time at which the breaker lets a probe through. */
static uint64_t fail_until_open(uint64_t now_usec)
{
    for (int i = 0; i < 3 && breaker_ask(&breaker, now_usec) == BREAKER_PASS; i++)
        exchange(OUTCOME_UNAVAILABLE, 0, now_usec);
    assert_int_equal(breaker_ask(&breaker, now_usec), BREAKER_LATER);
    return now_usec + breaker_delay_usec(&breaker, now_usec);
}

static void each_outcome_opens_the_breaker_or_not(void **state)
{
    static const struct {
        const char *name;
        enum outcome outcomes[6];
        unsigned n;
        bool is_open;
    } rows[] = {
        {"one unavailable", {OUTCOME_UNAVAILABLE}, 1, false},
        {"two", {OUTCOME_UNAVAILABLE, OUTCOME_UNAVAILABLE}, 2, false},
        {"three", {OUTCOME_UNAVAILABLE, OUTCOME_UNAVAILABLE, OUTCOME_UNAVAILABLE}, 3, true},
        {"one malformed", {OUTCOME_MALFORMED}, 1, false},
        {"two malformed", {OUTCOME_MALFORMED, OUTCOME_MALFORMED}, 2, true},
        {"one unavailable, one malformed", {OUTCOME_UNAVAILABLE, OUTCOME_MALFORMED}, 2, true},
        {"one malformed, one unavailable", {OUTCOME_MALFORMED, OUTCOME_UNAVAILABLE}, 2, true},
        {"one throttled", {OUTCOME_THROTTLED}, 1, true},
        {"one untrusted", {OUTCOME_UNTRUSTED}, 1, true},
        {"refusals", {OUTCOME_REFUSED, OUTCOME_REFUSED, OUTCOME_REFUSED}, 3, false},
        {"misconfigurations",
         {OUTCOME_MISCONFIGURED, OUTCOME_MISCONFIGURED, OUTCOME_MISCONFIGURED},
         3,
         false},
        {"a success in between",
         {OUTCOME_UNAVAILABLE, OUTCOME_UNAVAILABLE, OUTCOME_OK, OUTCOME_UNAVAILABLE,
          OUTCOME_UNAVAILABLE},
         5,
         false},
        {"a refusal in between",
         {OUTCOME_UNAVAILABLE, OUTCOME_UNAVAILABLE, OUTCOME_REFUSED, OUTCOME_UNAVAILABLE,
          OUTCOME_UNAVAILABLE},
         5,
         false},
        {"a misconfiguration in between",
         {OUTCOME_UNAVAILABLE, OUTCOME_UNAVAILABLE, OUTCOME_MISCONFIGURED, OUTCOME_UNAVAILABLE,
          OUTCOME_UNAVAILABLE},
         5,
         false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        breaker_init(&breaker);
        for (unsigned n = 0; n < rows[i].n; n++)
            exchange(rows[i].outcomes[n], 0, START);
        if ((breaker_ask(&breaker, START) == BREAKER_LATER) != rows[i].is_open)
            fail_msg("%s: %s", rows[i].name, rows[i].is_open ? "not open" : "open");
        assert_int_equal(breaker.n_in_flight, 0);
    }
}

static void pauses_are_random_up_to_half_a_second_doubling_to_a_minute(void **state)
{
    static const uint64_t most_ms[] = {500,   1000,  2000,  4000,  8000,
                                       16000, 32000, 60000, 60000, 60000};

    (void)state;
    for (int is_greatest = 0; is_greatest < 2; is_greatest++) {
        uint64_t now_usec = START;

        begin(state);
        is_jitter_greatest = is_greatest;
        for (size_t i = 0; i < ARRAY_SIZE(most_ms); i++) {
            uint64_t until_usec = fail_until_open(now_usec);

            assert_int_equal(jitter_below, most_ms[i] * MSEC);
            assert_int_equal(until_usec - now_usec, is_greatest ? most_ms[i] * MSEC : 1);
            now_usec = until_usec; /* the probe fails, too */
        }
    }
}

static void throttling_lasts_for_the_bounded_delay_and_up_to_a_tenth_more(void **state)
{
    static const struct {
        uint32_t retry_after_ms;
        uint64_t least_ms, most_ms;
    } rows[] = {
        {0, 1000, 1500}, /* no delay was requested: a second, and a pause as after other failures */
        {1, 1000, 1100},
        {999, 1000, 1100},
        {1000, 1000, 1100},
        {20000, 20000, 22000},
        {300000, 300000, 330000},
        {300001, 300000, 330000},
        {UINT32_MAX, 300000, 330000},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        begin(state);
        exchange(OUTCOME_THROTTLED, rows[i].retry_after_ms, START);
        assert_in_range(breaker_delay_usec(&breaker, START), rows[i].least_ms * MSEC,
                        rows[i].least_ms * MSEC + 1);
        begin(state);
        is_jitter_greatest = true;
        exchange(OUTCOME_THROTTLED, rows[i].retry_after_ms, START);
        assert_in_range(breaker_delay_usec(&breaker, START), rows[i].most_ms * MSEC - 1,
                        rows[i].most_ms * MSEC);
    }
}

static void an_untrusted_server_is_not_contacted_for_a_minute(void **state)
{
    (void)state;
    exchange(OUTCOME_UNTRUSTED, 0, START);
    assert_int_equal(breaker_delay_usec(&breaker, START), 60 * SECOND_USEC);
    assert_int_equal(breaker_delay_usec(&breaker, START + 60 * SECOND_USEC), 0);
    assert_int_equal(breaker_ask(&breaker, START + 60 * SECOND_USEC - 1), BREAKER_LATER);
    assert_int_equal(breaker_ask(&breaker, START + 60 * SECOND_USEC), BREAKER_PASS);
}

static void concurrent_failures_open_the_breaker_once(void **state)
{
    struct breaker_pass passes[10];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(passes); i++)
        passes[i] = breaker_begin(&breaker, START);
    for (size_t i = 0; i < ARRAY_SIZE(passes); i++)
        breaker_end(&breaker, passes[i], OUTCOME_UNAVAILABLE, 0, START);
    assert_int_equal(breaker.n_opened, 1);
    assert_int_equal(breaker.n_in_flight, 0);
    begin(state);
    for (size_t i = 0; i < ARRAY_SIZE(passes); i++)
        passes[i] = breaker_begin(&breaker, START);
    for (size_t i = 0; i < ARRAY_SIZE(passes); i++) /* each one asks for a shorter delay */
        breaker_end(&breaker, passes[i], OUTCOME_THROTTLED, 20000 - 1000 * (uint32_t)i, START);
    assert_int_equal(breaker.n_opened, 1);
    assert_int_equal(breaker_delay_usec(&breaker, START), 20 * SECOND_USEC);
}

static void after_the_pause_one_exchange_is_the_probe_and_others_wait(void **state)
{
    uint64_t probed_usec = fail_until_open(START);
    struct breaker_pass probe;

    (void)state;
    assert_int_equal(breaker_ask(&breaker, probed_usec - 1), BREAKER_LATER);
    probe = breaker_begin(&breaker, probed_usec);
    assert_true(probe.is_probe);
    assert_int_equal(breaker_ask(&breaker, probed_usec), BREAKER_WAIT);
    assert_int_equal(breaker_ask(&breaker, probed_usec + 1000 * SECOND_USEC), BREAKER_WAIT);
    breaker_abandon(&breaker, probe); /* then another exchange becomes the probe */
    assert_int_equal(breaker_ask(&breaker, probed_usec), BREAKER_PASS);
    probe = breaker_begin(&breaker, probed_usec);
    assert_true(probe.is_probe);
    breaker_end(&breaker, probe, OUTCOME_OK, 0, probed_usec);
    assert_int_equal(breaker_ask(&breaker, probed_usec), BREAKER_PASS);
    assert_false(breaker_begin(&breaker, probed_usec).is_probe);
}

/* One failure is enough: the upstream is known to be down. */
static void a_failed_probe_opens_the_breaker_for_longer(void **state)
{
    static const enum outcome failures[] = {OUTCOME_UNAVAILABLE, OUTCOME_MALFORMED,
                                            OUTCOME_UNTRUSTED, OUTCOME_THROTTLED};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(failures); i++) {
        uint64_t probed_usec;

        begin(state);
        is_jitter_greatest = true;
        probed_usec = fail_until_open(START);
        exchange(failures[i], 0, probed_usec);
        assert_int_equal(breaker_ask(&breaker, probed_usec), BREAKER_LATER);
        assert_true(breaker_delay_usec(&breaker, probed_usec) >= SECOND_USEC);
        assert_int_equal(breaker.n_opened, 2);
    }
}

/* Late results are of exchanges that were in flight when the breaker opened. */
static void late_results_do_not_change_an_open_breaker(void **state)
{
    static const enum outcome outcomes[] = {OUTCOME_OK, OUTCOME_REFUSED, OUTCOME_MISCONFIGURED,
                                            OUTCOME_UNAVAILABLE, OUTCOME_MALFORMED};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(outcomes); i++) {
        struct breaker_pass late[4];
        uint64_t until_usec;

        begin(state);
        for (size_t j = 0; j < ARRAY_SIZE(late); j++)
            late[j] = breaker_begin(&breaker, START);
        exchange(OUTCOME_THROTTLED, 20000, START);
        until_usec = START + breaker_delay_usec(&breaker, START);
        for (size_t j = 0; j < 3; j++)
            breaker_end(&breaker, late[j], outcomes[i], 0, START + SECOND_USEC);
        assert_int_equal(breaker.open_until_usec, until_usec);
        /* a late result does not replace the probe, either */
        assert_true(breaker_begin(&breaker, until_usec).is_probe);
        breaker_end(&breaker, late[3], outcomes[i], 0, until_usec);
        assert_int_equal(breaker_ask(&breaker, until_usec), BREAKER_WAIT);
        assert_int_equal(breaker.n_in_flight, 1);
    }
}

/* Returns how many concurrent exchanges are let through now. */
static unsigned window_of(uint64_t now_usec)
{
    struct breaker copy = breaker;
    unsigned n = 0;

    for (; breaker_ask(&copy, now_usec) == BREAKER_PASS; n++)
        breaker_begin(&copy, now_usec);
    assert_int_equal(breaker_ask(&copy, now_usec), BREAKER_WAIT);
    return n;
}

static void after_recovery_the_window_starts_at_one_and_doubles_each_round_trip(void **state)
{
    uint64_t now_usec = fail_until_open(START);

    (void)state;
    exchange(OUTCOME_OK, 0, now_usec);
    for (unsigned expected = 1; expected <= BREAKER_WINDOW_MAX; expected *= 2) {
        struct breaker_pass passes[BREAKER_WINDOW_MAX];

        assert_int_equal(window_of(now_usec), expected);
        for (unsigned i = 0; i < expected; i++)
            passes[i] = breaker_begin(&breaker, now_usec);
        for (unsigned i = 0; i < expected; i++)
            breaker_end(&breaker, passes[i], OUTCOME_OK, 0, now_usec);
    }
    assert_int_equal(window_of(now_usec), BREAKER_WINDOW_MAX);
}

/* Otherwise, one success between two failures would reset each pause to the shortest one. */
static void pauses_restart_only_after_a_success_with_a_full_window(void **state)
{
    uint64_t now_usec = START;
    unsigned n;

    (void)state;
    for (int i = 0; i < 5; i++)
        now_usec = fail_until_open(now_usec);
    n = breaker.n_opened;
    for (int i = 0; i < BREAKER_WINDOW_MAX; i++) {
        exchange(OUTCOME_OK, 0, now_usec);
        assert_int_equal(breaker.n_opened, n);
    }
    exchange(OUTCOME_OK, 0, now_usec);
    assert_int_equal(breaker.n_opened, 0);
    fail_until_open(now_usec);
    assert_int_equal(jitter_below, 500 * MSEC);
}

static void a_cancelled_exchange_says_nothing_about_the_upstream(void **state)
{
    (void)state;
    exchange(OUTCOME_UNAVAILABLE, 0, START);
    exchange(OUTCOME_UNAVAILABLE, 0, START);
    for (int i = 0; i < 10; i++)
        breaker_abandon(&breaker, breaker_begin(&breaker, START));
    assert_int_equal(window_of(START), BREAKER_WINDOW_MAX);
    exchange(OUTCOME_UNAVAILABLE, 0, START);
    assert_int_equal(breaker_ask(&breaker, START), BREAKER_LATER);
}

static void the_window_of_a_new_breaker_starts_at_one_and_doubles_each_round_trip(void **state)
{
    (void)state;
    for (unsigned expected = 1; expected <= BREAKER_WINDOW_MAX; expected *= 2) {
        assert_int_equal(window_of(START), expected);
        for (unsigned i = 0; i < expected; i++)
            exchange(OUTCOME_OK, 0, START);
    }
    assert_int_equal(window_of(START), BREAKER_WINDOW_MAX);
}

/* Refused with the first exchange: the whole fleet may have started. */
static void a_new_node_that_is_refused_probes_within_eleven_seconds(void **state)
{
    begin_new(state);
    exchange(OUTCOME_THROTTLED, 0, START);
    assert_int_equal(breaker_delay_usec(&breaker, START), SECOND_USEC);
    begin_new(state);
    is_jitter_greatest = true;
    exchange(OUTCOME_THROTTLED, 0, START);
    assert_int_equal(breaker_delay_usec(&breaker, START), 11 * SECOND_USEC - 1);
}

/* The others keep to the times that were planned, although this one came late. */
static void after_a_refusal_exchanges_are_an_interval_apart(void **state)
{
    uint64_t now_usec = START + SECOND_USEC, due_usec = START;

    (void)state;
    exchange(OUTCOME_THROTTLED, 0, START); /* with the smallest jitter, the next is due at once */
    for (int i = 0; i < 20; i++) {
        exchange(OUTCOME_OK, 0, now_usec);
        due_usec += 10 * SECOND_USEC;
        assert_int_equal(breaker_interval_usec(&breaker, now_usec), 10 * SECOND_USEC);
        assert_int_equal(breaker_ask(&breaker, now_usec), BREAKER_LATER);
        assert_int_equal(breaker_delay_usec(&breaker, now_usec), due_usec - now_usec);
        assert_int_equal(breaker_ask(&breaker, due_usec - 1), BREAKER_LATER);
        now_usec = due_usec + 4 * SECOND_USEC;
        assert_int_equal(window_of(now_usec), 1);
    }
}

static void exchanges_that_came_late_follow_half_an_interval_apart(void **state)
{
    uint64_t now_usec = START + 60 * SECOND_USEC;

    (void)state;
    exchange(OUTCOME_THROTTLED, 0, START);
    for (int i = 0; i < 5; i++) {
        exchange(OUTCOME_OK, 0, now_usec);
        assert_int_equal(breaker_delay_usec(&breaker, now_usec), 5 * SECOND_USEC);
        now_usec += 5 * SECOND_USEC;
    }
}

static void spacing_ends_after_32_intervals_without_a_refusal(void **state)
{
    uint64_t now_usec = START + SECOND_USEC;

    (void)state;
    exchange(OUTCOME_THROTTLED, 0, START);
    exchange(OUTCOME_OK, 0, now_usec);
    now_usec += 9 * SECOND_USEC;
    exchange(OUTCOME_THROTTLED, 0, now_usec);
    exchange(OUTCOME_OK, 0, now_usec + SECOND_USEC);
    now_usec += 320 * SECOND_USEC;
    assert_int_equal(breaker_interval_usec(&breaker, now_usec - 1), 10 * SECOND_USEC);
    assert_int_equal(breaker_interval_usec(&breaker, now_usec), 0);
    assert_int_equal(window_of(now_usec), 1);
    exchange(OUTCOME_OK, 0, now_usec);
    assert_int_equal(window_of(now_usec), 2); /* slow start */
}

static void probes_are_spread_over_half_as_much_again_after_each_refusal_in_a_row(void **state)
{
    static const uint64_t most_ms[] = {10000, 15000, 22500, 33750, 50625, 60000, 60000};
    uint64_t now_usec = START;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(most_ms); i++) {
        is_jitter_greatest = true;
        exchange(OUTCOME_THROTTLED, 0, now_usec);
        assert_int_equal(breaker_delay_usec(&breaker, now_usec),
                         SECOND_USEC + most_ms[i] * MSEC - 1);
        now_usec += breaker_delay_usec(&breaker, now_usec);
    }
    exchange(OUTCOME_OK, 0, now_usec);
    now_usec += breaker_delay_usec(&breaker, now_usec);
    exchange(OUTCOME_THROTTLED, 0, now_usec);
    assert_int_equal(breaker_delay_usec(&breaker, now_usec), SECOND_USEC + 15000 * MSEC - 1);
}

/* The first time, nodes return slightly later than that; then not all within a tenth of it. */
static void a_delay_that_the_upstream_asks_for_is_the_least(void **state)
{
    uint64_t now_usec = START;

    (void)state;
    exchange(OUTCOME_THROTTLED, 20000, now_usec);
    assert_int_equal(breaker_delay_usec(&breaker, now_usec), 20 * SECOND_USEC);
    now_usec += 20 * SECOND_USEC;
    is_jitter_greatest = true;
    exchange(OUTCOME_THROTTLED, 20000, now_usec);
    assert_int_equal(breaker_delay_usec(&breaker, now_usec), 35 * SECOND_USEC - 1);
}

/* On a node that has exchanged tokens for a while, one refusal is taken for an accident. */
static void a_single_refusal_delays_a_known_upstream_for_a_second_and_a_half(void **state)
{
    uint64_t now_usec = START;

    (void)state;
    for (int i = 1; i < 8; i++)
        exchange(OUTCOME_OK, 0, START);
    is_jitter_greatest = true;
    exchange(OUTCOME_THROTTLED, 0, now_usec);
    assert_in_range(breaker_delay_usec(&breaker, now_usec), 0, 1500 * MSEC);
    now_usec += breaker_delay_usec(&breaker, now_usec);
    exchange(OUTCOME_OK, 0, now_usec);
    assert_int_equal(breaker_interval_usec(&breaker, now_usec), 0);
    assert_int_equal(window_of(now_usec), 1);
}

static void
after_a_quarter_of_an_hour_the_interval_is_a_fiftieth_of_the_outage_up_to_24_s(void **state)
{
    static const struct {
        uint64_t outage_s, interval_ms;
    } rows[] = {{30, 0}, {899, 0}, {900, 18000}, {1200, 24000}, {86400, 24000}};

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        uint64_t now_usec = START + rows[i].outage_s * SECOND_USEC;

        begin(state);
        fail_until_open(START);
        exchange(OUTCOME_UNAVAILABLE, 0, now_usec);
        now_usec += breaker_delay_usec(&breaker, now_usec);
        exchange(OUTCOME_OK, 0, now_usec);
        assert_int_equal(breaker_interval_usec(&breaker, now_usec), rows[i].interval_ms * MSEC);
        assert_int_equal(breaker_delay_usec(&breaker, now_usec), rows[i].interval_ms * MSEC);
    }
}

/* Nobody asks at night: then it is not known how long the upstream was down. */
static void time_without_a_failure_is_no_outage(void **state)
{
    (void)state;
    fail_until_open(START);
    exchange(OUTCOME_OK, 0, START + 8 * 3600 * SECOND_USEC);
    assert_int_equal(breaker_interval_usec(&breaker, START + 8 * 3600 * SECOND_USEC), 0);
    exchange(OUTCOME_THROTTLED, 300000, START + 9 * 3600 * SECOND_USEC);
    exchange(OUTCOME_OK, 0, START + 10 * 3600 * SECOND_USEC);
    assert_int_equal(breaker_interval_usec(&breaker, START + 10 * 3600 * SECOND_USEC), 0);
}

/* One account that always fails slowly must not slow down the others. */
static void one_account_that_fails_delays_no_other(void **state)
{
    uint64_t now_usec = START;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        struct breaker_pass bad = breaker_begin(&breaker, now_usec);

        for (int good = 0; good < 2; good++)
            exchange(OUTCOME_OK, 0, now_usec += SECOND_USEC);
        breaker_end(&breaker, bad, OUTCOME_UNAVAILABLE, 0, now_usec += 6 * SECOND_USEC);
        assert_int_equal(breaker_ask(&breaker, now_usec), BREAKER_PASS);
    }
}

static void others_wait_for_the_first_exchange_for_a_second(void **state)
{
    struct breaker_pass first = breaker_begin(&breaker, START);
    uint64_t now_usec = START + 999 * MSEC;

    (void)state;
    assert_int_equal(breaker_ask(&breaker, now_usec), BREAKER_WAIT);
    assert_int_equal(breaker_wait_usec(&breaker, now_usec), MSEC);
    now_usec += MSEC;
    for (int i = 0; i < 20; i++) {
        assert_int_equal(breaker_ask(&breaker, now_usec), BREAKER_PASS);
        breaker_begin(&breaker, now_usec);
    }
    assert_int_equal(breaker_wait_usec(&breaker, now_usec), 0);
    breaker_end(&breaker, first, OUTCOME_OK, 0, now_usec);
    assert_int_equal(breaker_ask(&breaker, now_usec), BREAKER_WAIT);
    assert_int_equal(breaker_wait_usec(&breaker, now_usec), 0);
}

/* Those that began before the refusal end well one after the other. */
static void earlier_exchanges_do_not_put_the_next_one_off(void **state)
{
    struct breaker_pass earlier[6], refused;
    uint64_t now_usec = START, delay_usec;

    (void)state;
    for (int i = 0; i < 6; i++)
        exchange(OUTCOME_OK, 0, START);
    for (int i = 0; i < 6; i++)
        earlier[i] = breaker_begin(&breaker, START);
    refused = breaker_begin(&breaker, START);
    breaker_end(&breaker, refused, OUTCOME_THROTTLED, 0, START);
    now_usec += breaker_delay_usec(&breaker, START);
    exchange(OUTCOME_OK, 0, now_usec);
    delay_usec = breaker_delay_usec(&breaker, now_usec);
    assert_in_range(delay_usec, SECOND_USEC, 12 * SECOND_USEC);
    for (int i = 0; i < 6; i++)
        breaker_end(&breaker, earlier[i], OUTCOME_OK, 0, now_usec);
    assert_int_equal(breaker_delay_usec(&breaker, now_usec), delay_usec);
}

#define TEST(name)     cmocka_unit_test_setup(name, begin)
#define TEST_NEW(name) cmocka_unit_test_setup(name, begin_new)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_outcome_opens_the_breaker_or_not),
        TEST(pauses_are_random_up_to_half_a_second_doubling_to_a_minute),
        TEST(throttling_lasts_for_the_bounded_delay_and_up_to_a_tenth_more),
        TEST(an_untrusted_server_is_not_contacted_for_a_minute),
        TEST(concurrent_failures_open_the_breaker_once),
        TEST(after_the_pause_one_exchange_is_the_probe_and_others_wait),
        TEST(a_failed_probe_opens_the_breaker_for_longer),
        TEST(late_results_do_not_change_an_open_breaker),
        TEST(after_recovery_the_window_starts_at_one_and_doubles_each_round_trip),
        TEST(pauses_restart_only_after_a_success_with_a_full_window),
        TEST(a_cancelled_exchange_says_nothing_about_the_upstream),
        TEST_NEW(the_window_of_a_new_breaker_starts_at_one_and_doubles_each_round_trip),
        TEST_NEW(a_new_node_that_is_refused_probes_within_eleven_seconds),
        TEST_NEW(after_a_refusal_exchanges_are_an_interval_apart),
        TEST_NEW(exchanges_that_came_late_follow_half_an_interval_apart),
        TEST_NEW(spacing_ends_after_32_intervals_without_a_refusal),
        TEST_NEW(probes_are_spread_over_half_as_much_again_after_each_refusal_in_a_row),
        TEST_NEW(a_delay_that_the_upstream_asks_for_is_the_least),
        TEST_NEW(a_single_refusal_delays_a_known_upstream_for_a_second_and_a_half),
        TEST(after_a_quarter_of_an_hour_the_interval_is_a_fiftieth_of_the_outage_up_to_24_s),
        TEST(time_without_a_failure_is_no_outage),
        TEST(one_account_that_fails_delays_no_other),
        TEST_NEW(others_wait_for_the_first_exchange_for_a_second),
        TEST_NEW(earlier_exchanges_do_not_put_the_next_one_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
