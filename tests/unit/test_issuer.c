/*
 * An issuer's keys over time: when they are fetched, how long they are used, and which requests may
 * cause a fetch.
 */
#include "config/config.h"
#include "identity/issuer.h"

#include "support/check.h"
#include "support/mint.h"

#define MINUTE_USEC (60 * SECOND_USEC)
#define HOUR_USEC   (60 * MINUTE_USEC)

/* --- instead of base/clock.c and exchange/exchanger_client.c --- */

static uint64_t now_usec;
static struct job *under_way;
static job_done on_answer;
static unsigned n_fetches;

uint64_t clock_boot_usec(void)
{
    return now_usec;
}

struct now clock_now(void)
{
    return (struct now){.wall_s = 1800000000, .boot_usec = now_usec};
}

int64_t clock_wall_usec(void)
{
    return INT64_C(1800000000000000);
}

int clock_boot_id(uint8_t ret_id[BOOT_ID_SIZE])
{
    memset(ret_id, 1, BOOT_ID_SIZE);
    return 0;
}

uint64_t random_below(uint64_t below)
{
    return below ? below - 1 : 0;
}

int exchanger_client_submit(struct exchanger_client *exchanger, struct job *job,
                            const struct wire_message *message, const void *values,
                            job_done on_done)
{
    (void)exchanger;
    (void)values;
    assert_ptr_equal(message, &job_keys);
    assert_null(under_way);
    n_fetches++;
    job->state = JOB_SENT;
    under_way = job;
    on_answer = on_done;
    return 0;
}

void job_cancel(struct job *job)
{
    job->state = JOB_IDLE;
    under_way = NULL;
}

/* --- fixture --- */

static struct loop loop;
static struct issuer *issuer;
static struct issuer_listener listener;
static struct config all = {.n_refs = 1};
static const struct issuer_config config = {
    .config = &all, .name = (char *)"eks", .url = (char *)"https://a"};
static char *one_key, *both_keys;

static void on_new_keys(void *data, const struct issuer *of, const void *text, size_t len)
{
    (void)data;
    (void)of;
    (void)text;
    (void)len;
}

static void answer(const char *keys, uint32_t max_age_s)
{
    struct job *job = under_way;
    const struct job_result result = {
        .outcome = keys ? OUTCOME_OK : OUTCOME_UNAVAILABLE,
        .detail = wire_string(keys ? NULL : "HTTP 500"),
        .keys = wire_string(keys),
        .max_age_s = max_age_s,
    };

    assert_non_null(job);
    under_way = NULL;
    job->state = JOB_IDLE;
    on_answer(job, &result);
}

/* Runs timers for @usec, and answers fetches with @keys. Returns the number of fetches. */
static unsigned run_for(uint64_t usec, const char *keys, uint32_t max_age_s)
{
    uint64_t until = now_usec + usec;
    unsigned before = n_fetches;

    while (loop.timers.first && loop.timers.first->at_usec <= until) {
        now_usec = loop.timers.first->at_usec;
        timers_run(&loop.timers, now_usec);
        if (under_way)
            answer(keys, max_age_s);
    }
    now_usec = until;
    return n_fetches - before;
}

static int set_up(void **state)
{
    EVP_PKEY *pkey = mint_ec("P-256");
    char *one = mint_jwk(pkey, "one"), *two = mint_jwk(pkey, "two");

    (void)state;
    assert_true(asprintf(&one_key, "{\"keys\":[%s]}", one) > 0);
    assert_true(asprintf(&both_keys, "{\"keys\":[%s,%s]}", one, two) > 0);
    free(one);
    free(two);
    EVP_PKEY_free(pkey);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(one_key);
    free(both_keys);
    return 0;
}

static int begin(void **state)
{
    (void)state;
    now_usec = HOUR_USEC;
    loop = (struct loop){0};
    listener = (struct issuer_listener){.on_keys = on_new_keys};
    n_fetches = 0;
    return issuer_new(&config, &loop, NULL, &listener, &issuer);
}

static int end(void **state)
{
    (void)state;
    issuer = issuer_free(issuer);
    return 0;
}

static void nobody(struct waiter *waiter, const void *news)
{
    (void)waiter;
    (void)news;
}

static enum key_fetch ask(uint64_t *caused_usec)
{
    static struct waiter waiter;
    enum key_fetch fetch;

    waiter_init(&waiter, nobody);
    fetch = issuer_wait_for_keys(issuer, &waiter, caused_usec);
    if (fetch == KEYS_UNDER_WAY)
        answer(one_key, 3600);
    waiter_leave(&waiter);
    return fetch;
}

/* --- tests --- */

static void keys_are_fetched_before_their_max_age(void **state)
{
    (void)state;
    answer(one_key, 3600);
    assert_int_equal(run_for(47 * MINUTE_USEC, one_key, 3600), 0);
    assert_int_equal(run_for(13 * MINUTE_USEC, one_key, 3600), 1);
}

static void the_max_age_is_used_within_bounds(void **state)
{
    (void)state;
    answer(one_key, 0); /* no max-age, or no-store: five minutes */
    assert_int_equal(run_for(HOUR_USEC, one_key, 1), 12);
    assert_int_equal(run_for(5 * MINUTE_USEC, one_key, UINT32_MAX), 1);
    assert_int_equal(run_for(19 * HOUR_USEC, one_key, UINT32_MAX), 0);
    assert_int_equal(run_for(5 * HOUR_USEC, one_key, UINT32_MAX), 1);
}

static void an_invalid_answer_does_not_replace_valid_keys(void **state)
{
    static const char *const bad[] = {NULL, "", "{", "{\"keys\":[]}", "{\"keys\":[{}]}", "<html>"};

    (void)state;
    answer(both_keys, 300);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(run_for(5 * MINUTE_USEC, bad[i], 300) > 0, true);
        assert_int_equal(issuer->jwks.n, 2);
        assert_true(issuer->error[0]);
    }
    /* the next valid answer does */
    run_for(5 * MINUTE_USEC, one_key, 300);
    assert_int_equal(issuer->jwks.n, 1);
    assert_false(issuer->error[0]);
}

static void keys_are_used_for_at_most_a_day_without_a_valid_answer(void **state)
{
    (void)state;
    answer(one_key, 3600);
    run_for(24 * HOUR_USEC - SECOND_USEC, NULL, 0);
    assert_int_equal(issuer->jwks.n, 1);
    run_for(2 * SECOND_USEC, NULL, 0);
    assert_int_equal(issuer->jwks.n, 0);
    /* fetching goes on all the time, and new keys are used at once */
    run_for(MINUTE_USEC, one_key, 3600);
    assert_int_equal(issuer->jwks.n, 1);
    run_for(23 * HOUR_USEC, NULL, 0);
    assert_int_equal(issuer->jwks.n, 1);
}

static void stored_keys_are_used_until_they_are_a_day_old(void **state)
{
    (void)state;
    issuer_take_stored(issuer, one_key, strlen(one_key), now_usec + HOUR_USEC);
    assert_int_equal(issuer->jwks.n, 1);
    answer(NULL, 0);
    run_for(HOUR_USEC - SECOND_USEC, NULL, 0);
    assert_int_equal(issuer->jwks.n, 1);
    run_for(2 * SECOND_USEC, NULL, 0);
    assert_int_equal(issuer->jwks.n, 0);
    run_for(MINUTE_USEC, both_keys, 3600);
    /* stored keys do not replace newer ones */
    issuer_take_stored(issuer, one_key, strlen(one_key), now_usec + HOUR_USEC);
    assert_int_equal(issuer->jwks.n, 2);
    run_for(2 * HOUR_USEC, NULL, 0);
    assert_int_equal(issuer->jwks.n, 2);
}

static unsigned n_kept;

static void count_kept(void *data, const struct issuer *of, const void *text, size_t len)
{
    (void)data;
    assert_ptr_equal(of, issuer);
    assert_memory_equal(text, one_key, len);
    n_kept++;
}

static void valid_answers_are_passed_on_to_be_stored(void **state)
{
    (void)state;
    n_kept = 0;
    listener.on_keys = count_kept;
    answer(one_key, 300);
    assert_int_equal(n_kept, 1);
    run_for(5 * MINUTE_USEC, "{\"keys\":[]}", 300);
    assert_int_equal(n_kept, 1);
}

static void invented_key_ids_cause_one_fetch_in_30_s(void **state)
{
    uint64_t caused = 0;
    unsigned before;

    (void)state;
    answer(one_key, 3600);
    before = n_fetches;
    for (unsigned second = 0; second < 300; second++) {
        ask(&caused);
        ask(&caused);
        now_usec += SECOND_USEC;
    }
    assert_in_range(n_fetches - before, 9, 10);
}

/*
 * A caller that has not caused a fetch lately can use both slots: the common one and the reserve.
 */
static void invented_key_ids_do_not_block_the_fetch_of_a_new_key(void **state)
{
    uint64_t suspect = 0, genuine = 0, other = 0;

    (void)state;
    answer(one_key, 3600);
    assert_int_equal(ask(&suspect), KEYS_UNDER_WAY);
    now_usec += SECOND_USEC;
    assert_int_equal(ask(&suspect), KEYS_TOO_SOON);
    assert_int_equal(ask(&genuine), KEYS_UNDER_WAY);
    /* the reserve is rate-limited, too */
    assert_int_equal(ask(&other), KEYS_TOO_SOON);
    now_usec += 29 * SECOND_USEC;
    assert_int_equal(ask(&suspect), KEYS_UNDER_WAY);
    assert_int_equal(ask(&suspect), KEYS_TOO_SOON);
    now_usec += SECOND_USEC;
    assert_int_equal(ask(&other), KEYS_UNDER_WAY);
}

struct asker {
    struct waiter waiter;
    unsigned n_woken;
    const void *news;
};

static void on_woken(struct waiter *waiter, const void *news)
{
    struct asker *asker = container_of(waiter, struct asker, waiter);

    asker->n_woken++;
    asker->news = news;
}

static enum key_fetch begin_to_wait(struct asker *asker)
{
    uint64_t caused = 0;

    *asker = (struct asker){0};
    waiter_init(&asker->waiter, on_woken);
    return issuer_wait_for_keys(issuer, &asker->waiter, &caused);
}

/* Whoever asks, and however often. */
static void fetches_that_fail_are_repeated_after_longer_and_longer_pauses(void **state)
{
    unsigned in_minute[10];
    struct asker asker;

    (void)state;
    answer(NULL, 0);
    for (unsigned minute = 0; minute < 10; minute++) {
        in_minute[minute] = 0;
        for (unsigned second = 0; second < 60; second++) {
            in_minute[minute] += run_for(SECOND_USEC, NULL, 0);
            if (begin_to_wait(&asker) == KEYS_UNDER_WAY)
                waiter_leave(&asker.waiter);
        }
    }
    assert_in_range(in_minute[0], 4, 9);
    for (unsigned minute = 1; minute < 10; minute++)
        assert_in_range(in_minute[minute], 1, 4);
    assert_true(issuer->retry_usec - now_usec <= 30 * SECOND_USEC);
}

static void a_request_outlasts_one_failed_fetch(void **state)
{
    struct asker asker;

    (void)state;
    answer(one_key, 3600);
    assert_int_equal(begin_to_wait(&asker), KEYS_UNDER_WAY);
    answer(NULL, 0);
    assert_int_equal(asker.n_woken, 0);
    assert_int_equal(run_for(SECOND_USEC, both_keys, 3600), 1);
    assert_int_equal(asker.n_woken, 1);
    assert_ptr_equal(asker.news, issuer);
}

/* Whether the key exists is not known then. */
static void a_request_is_told_that_fetches_fail(void **state)
{
    struct asker asker, later;
    struct refusal refusal;

    (void)state;
    answer(one_key, 3600);
    assert_int_equal(begin_to_wait(&asker), KEYS_UNDER_WAY);
    answer(NULL, 0);
    assert_int_equal(begin_to_wait(&later), KEYS_UNDER_WAY); /* waits for the next try */
    run_for(5 * SECOND_USEC, NULL, 0);
    assert_int_equal(asker.n_woken, 1);
    assert_null(asker.news);
    assert_int_equal(later.n_woken, 1);
    assert_int_equal(begin_to_wait(&later), KEYS_TOO_SOON);
    assert_int_equal(issuer_refuse(issuer, &refusal), PODLOGIN_ISSUER_UNAVAILABLE);
    assert_string_equal(refusal.detail, "HTTP 500");
    assert_in_range(refusal.retry_after_ms, 1, 30000);
    /* it ends with the first success */
    run_for(MINUTE_USEC, both_keys, 3600);
    assert_int_equal(issuer->n_failed, 0);
    assert_int_equal(issuer->jwks.n, 2);
}

/* However many failed before: this one may succeed, and it ends soon. */
static void a_request_waits_for_a_fetch_under_way(void **state)
{
    struct asker asker;

    (void)state;
    answer(NULL, 0);
    run_for(MINUTE_USEC, NULL, 0);
    assert_int_equal(begin_to_wait(&asker), KEYS_TOO_SOON);
    while (!under_way) {
        now_usec = loop.timers.first->at_usec;
        timers_run(&loop.timers, now_usec);
    }
    assert_int_equal(begin_to_wait(&asker), KEYS_UNDER_WAY);
    answer(one_key, 3600);
    assert_int_equal(asker.n_woken, 1);
    assert_ptr_equal(asker.news, issuer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keys_are_fetched_before_their_max_age, begin, end),
        cmocka_unit_test_setup_teardown(the_max_age_is_used_within_bounds, begin, end),
        cmocka_unit_test_setup_teardown(an_invalid_answer_does_not_replace_valid_keys, begin, end),
        cmocka_unit_test_setup_teardown(keys_are_used_for_at_most_a_day_without_a_valid_answer,
                                        begin, end),
        cmocka_unit_test_setup_teardown(stored_keys_are_used_until_they_are_a_day_old, begin, end),
        cmocka_unit_test_setup_teardown(valid_answers_are_passed_on_to_be_stored, begin, end),
        cmocka_unit_test_setup_teardown(
            fetches_that_fail_are_repeated_after_longer_and_longer_pauses, begin, end),
        cmocka_unit_test_setup_teardown(a_request_outlasts_one_failed_fetch, begin, end),
        cmocka_unit_test_setup_teardown(a_request_is_told_that_fetches_fail, begin, end),
        cmocka_unit_test_setup_teardown(a_request_waits_for_a_fetch_under_way, begin, end),
        cmocka_unit_test_setup_teardown(invented_key_ids_cause_one_fetch_in_30_s, begin, end),
        cmocka_unit_test_setup_teardown(invented_key_ids_do_not_block_the_fetch_of_a_new_key, begin,
                                        end),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
