/*
 * What curl's errors mean: the server is down, is not authentic or sends malformed answers. And the
 * end: transfers that still run fail, and are freed.
 */
#include "exchanger/http.h"

#include "support/check.h"

static const struct {
    CURLcode code;
    enum outcome expected;
} rows[] = {
    /* the server or the network is down */
    {CURLE_COULDNT_RESOLVE_HOST, OUTCOME_UNAVAILABLE},
    {CURLE_COULDNT_RESOLVE_PROXY, OUTCOME_UNAVAILABLE},
    {CURLE_COULDNT_CONNECT, OUTCOME_UNAVAILABLE},
    {CURLE_OPERATION_TIMEDOUT, OUTCOME_UNAVAILABLE},
    {CURLE_SSL_CONNECT_ERROR, OUTCOME_UNAVAILABLE},
    {CURLE_GOT_NOTHING, OUTCOME_UNAVAILABLE},
    {CURLE_SEND_ERROR, OUTCOME_UNAVAILABLE},
    {CURLE_RECV_ERROR, OUTCOME_UNAVAILABLE},
    {CURLE_PARTIAL_FILE, OUTCOME_UNAVAILABLE},
    {CURLE_OUT_OF_MEMORY, OUTCOME_UNAVAILABLE},
    {CURLE_WRITE_ERROR, OUTCOME_UNAVAILABLE},
    {CURLE_ABORTED_BY_CALLBACK, OUTCOME_UNAVAILABLE},
    /* nothing was asked of the server, which may be a matter of moments: a CA file is replaced */
    {CURLE_SSL_CACERT_BADFILE, OUTCOME_UNAVAILABLE},
    {CURLE_URL_MALFORMAT, OUTCOME_UNAVAILABLE},
    /* not authentic */
    {CURLE_PEER_FAILED_VERIFICATION, OUTCOME_UNTRUSTED},
    {CURLE_SSL_ISSUER_ERROR, OUTCOME_UNTRUSTED},
    {CURLE_SSL_PINNEDPUBKEYNOTMATCH, OUTCOME_UNTRUSTED},
    /* not HTTP, or HTTP/0.9 */
    {CURLE_UNSUPPORTED_PROTOCOL, OUTCOME_MALFORMED},
    {CURLE_WEIRD_SERVER_REPLY, OUTCOME_MALFORMED},
    {CURLE_BAD_CONTENT_ENCODING, OUTCOME_MALFORMED},
};

static void each_error_of_curl_has_its_outcome(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (http_outcome(rows[i].code) != rows[i].expected)
            fail_msg("%s: %d", curl_easy_strerror(rows[i].code), (int)http_outcome(rows[i].code));
}

/* Other errors of curl, including future ones, are retried and never taken for an answer. */
static void all_other_errors_are_retried(void **state)
{
    (void)state;
    for (int code = 1; code <= CURL_LAST + 10; code++) {
        enum outcome expected = OUTCOME_UNAVAILABLE;

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
            if ((int)rows[i].code == code)
                expected = rows[i].expected;
        assert_int_equal(http_outcome((CURLcode)code), expected);
    }
}

static const struct {
    const char *text, *expected;
} times[] = {
    {"Failed to connect to a port 443 after 12 ms: Couldn't connect to server",
     "Failed to connect to a port 443: Couldn't connect to server"},
    {"Operation timed out after 10001 milliseconds with 0 bytes received",
     "Operation timed out with 0 bytes received"},
    {"Resolving timed out after 10001 milliseconds", "Resolving timed out"},
    {"one after 1 ms, two after 2 ms", "one, two"},
    {"after 1 ms after  ms after 5 s after ", "after 1 ms after  ms after 5 s after "},
    {"", ""},
};

static void a_failure_that_repeats_has_the_same_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
        char text[HTTP_ERROR_SIZE];

        snprintf(text, sizeof(text), "%s", times[i].text);
        http_cut_time(text);
        assert_string_equal(text, times[i].expected);
    }
}

struct ended {
    int count;
    long status;
    enum outcome outcome;
};

static void on_done(struct http_transfer *transfer)
{
    struct ended *ended = transfer->data;

    ended->count++;
    ended->status = transfer->status;
    ended->outcome = transfer->outcome;
}

/* The sanitizers see what would not be freed. */
static void transfers_that_run_at_the_end_fail(void **state)
{
    struct http http;
    struct ended ended[2] = {0};

    (void)state;
    assert_int_equal(http_init(&http), 0);
    for (size_t i = 0; i < ARRAY_SIZE(ended); i++) {
        struct http_request request = {
            .method = "GET", .url = "https://127.0.0.1:1/", .accept = "application/json"};

        assert_int_equal(http_start(&http, &request, on_done, &ended[i]), 0);
        assert_int_equal(ended[i].count, 0);
    }
    http_done(&http);
    for (size_t i = 0; i < ARRAY_SIZE(ended); i++) {
        assert_int_equal(ended[i].count, 1);
        assert_int_equal(ended[i].status, 0);
        assert_int_equal(ended[i].outcome, OUTCOME_UNAVAILABLE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_error_of_curl_has_its_outcome),
        cmocka_unit_test(all_other_errors_are_retried),
        cmocka_unit_test(a_failure_that_repeats_has_the_same_text),
        cmocka_unit_test(transfers_that_run_at_the_end_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
