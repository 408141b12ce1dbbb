/* How long the answer of a review counts, and when the API server is asked again. */
#include "base/log.h"
#include "identity/identity.h"
#include "support/check.h"
#include "support/scratch.h"
#include "support/sim.h"

#define MINUTE_USEC (60 * SECOND_USEC)

static char directory[SCRATCH_MAX], own_token[SCRATCH_MAX + 16];
static struct issuer_config config = {
    .name = (char *)"eks",
    .review = {.api_server = (char *)"https://api.example", .token_file = own_token},
};
static struct issuer issuer = {.config = &config};
static struct identity *identity;
static struct waiter waiter;
static bool is_woken;

static void on_woken(struct waiter *woken, const void *news)
{
    (void)woken;
    (void)news;
    is_woken = true;
}

static int begin(void **state)
{
    (void)state;
    sim_init(1);
    scratch_make(directory, "/tmp");
    snprintf(own_token, sizeof(own_token), "%s/token", directory);
    scratch_write(own_token, "own", 3, 0600);
    config.review.mode = REVIEW_INTERVAL;
    config.review.interval_s = 60;
    identity = sim_identity("a", 86400);
    identity->issuer = &issuer;
    waiter_init(&waiter, on_woken);
    return 0;
}

static int end(void **state)
{
    (void)state;
    identity_unref(identity);
    scratch_remove(directory);
    return 0;
}

static void api_server_says(enum outcome outcome)
{
    sim_reply_to_others = (struct sim_reply){.outcome = outcome, .latency_usec = 1000};
}

static bool is_needed(void)
{
    return review_is_needed(identity, false, sim_now_usec);
}

/* Asks as a request that needs the answer. Returns the status of the refusal; OK: it was asked. */
static enum podlogin_status ask(enum outcome outcome)
{
    struct refusal refusal;

    api_server_says(outcome);
    is_woken = false;
    if (!review_wait(identity, &waiter, &refusal))
        return refusal.status;
    sim_run_for(1000);
    assert_true(is_woken);
    return PODLOGIN_OK;
}

/* A request that is served by the earlier answer. Returns whether the API server was asked. */
static bool ask_ahead(enum outcome outcome)
{
    bool is_begun;

    api_server_says(outcome);
    assert_false(is_needed());
    review_ahead(identity, sim_now_usec);
    is_begun = identity->review->is_under_way;
    sim_run_for(1000);
    assert_false(identity->review->is_under_way);
    return is_begun;
}

static void an_answer_counts_for_the_interval_and_is_renewed_in_its_last_fifth(void **state)
{
    (void)state;
    assert_true(is_needed());
    assert_int_equal(ask(OUTCOME_OK), PODLOGIN_OK);
    sim_run_for(47 * SECOND_USEC);
    assert_false(ask_ahead(OUTCOME_OK));
    sim_run_for(SECOND_USEC);
    assert_true(ask_ahead(OUTCOME_OK));
    sim_run_for(MINUTE_USEC - SECOND_USEC);
    assert_false(is_needed());
    sim_run_for(SECOND_USEC);
    assert_true(is_needed());
}

/* Also if the earlier answer would still count. */
static void a_refusal_counts_at_once_and_for_10_s(void **state)
{
    (void)state;
    ask(OUTCOME_OK);
    sim_run_for(50 * SECOND_USEC);
    assert_true(ask_ahead(OUTCOME_REFUSED));
    assert_true(is_needed());
    assert_int_equal(ask(OUTCOME_OK), PODLOGIN_TOKEN_REVOKED);
    sim_run_for(9 * SECOND_USEC);
    assert_int_equal(ask(OUTCOME_OK), PODLOGIN_TOKEN_REVOKED);
    sim_run_for(SECOND_USEC);
    assert_int_equal(ask(OUTCOME_OK), PODLOGIN_OK);
    assert_false(is_needed());
}

/* The API server is asked once a second then; a request that needs an answer is not served. */
static void without_an_answer_the_earlier_one_counts_until_it_is_too_old(void **state)
{
    unsigned n_asked = 0;

    (void)state;
    ask(OUTCOME_OK);
    sim_run_for(50 * SECOND_USEC);
    for (int i = 0; i < 80; i++) {
        n_asked += ask_ahead(OUTCOME_UNAVAILABLE);
        sim_run_for(SECOND_USEC / 10);
    }
    assert_in_range(n_asked, 7, 9);
    sim_run_for(2 * SECOND_USEC);
    assert_true(is_needed());
    assert_int_equal(ask(OUTCOME_UNAVAILABLE), PODLOGIN_OK);
    assert_true(is_needed());
    assert_int_equal(ask(OUTCOME_UNAVAILABLE), PODLOGIN_REVIEW_UNAVAILABLE);
    sim_run_for(SECOND_USEC);
    assert_int_equal(ask(OUTCOME_OK), PODLOGIN_OK);
    assert_false(is_needed());
}

static void with_miss_an_answer_counts_for_exchanges_of_5_s(void **state)
{
    (void)state;
    config.review.mode = REVIEW_MISS;
    assert_false(is_needed());
    assert_true(review_is_needed(identity, true, sim_now_usec));
    ask(OUTCOME_OK);
    sim_run_for(4 * SECOND_USEC);
    assert_false(review_is_needed(identity, true, sim_now_usec));
    sim_run_for(SECOND_USEC);
    assert_true(review_is_needed(identity, true, sim_now_usec));
    assert_false(is_needed());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            an_answer_counts_for_the_interval_and_is_renewed_in_its_last_fifth, begin, end),
        cmocka_unit_test_setup_teardown(a_refusal_counts_at_once_and_for_10_s, begin, end),
        cmocka_unit_test_setup_teardown(
            without_an_answer_the_earlier_one_counts_until_it_is_too_old, begin, end),
        cmocka_unit_test_setup_teardown(with_miss_an_answer_counts_for_exchanges_of_5_s, begin,
                                        end),
    };

    log_init("test_review_time", -1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
