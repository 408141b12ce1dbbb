/* framing: what the load generator takes for an answer of the daemon and of its peers. */
#include "bench/framing.h"

#include <errno.h>

#include "support/check.h"

#define TEXT(literal) literal, sizeof(literal) - 1

/* Frames of HTTP/2: length, type, flags, stream. */
#define SETTINGS   "\0\0\0\4\0\0\0\0\0"
#define HEADERS    "\0\0\1\1\4\0\0\0\1\x88"
#define MESSAGE    "\0\0\7\0\0\0\0\0\1\0\0\0\0\2hi"
#define EMPTY      "\0\0\5\0\0\0\0\0\1\0\0\0\0\0"
#define TRAILERS   "\0\0\1\1\5\0\0\0\1\x88"
#define RST_STREAM "\0\0\4\3\0\0\0\0\1\0\0\0\2"

static const struct {
    const char *framing;
    const char *bytes;
    size_t len;
} answers[] =
    {
        {"podlogin", TEXT("\0\0\0\2\1\x81\0\7hi")},
        {"http", TEXT("HTTP/1.1 200 OK\r\nServer: x\r\ncontent-length: 2\r\n\r\nhi")},
        {"http", TEXT("HTTP/1.1 200 OK\r\nContent-Length:0\r\n\r\n")},
        {"resp", TEXT("$2\r\nhi\r\n")},
        {"ssh-agent", TEXT("\0\0\0\5\x0c\0\0\0\0")},
        {"munge", TEXT("\0`mK\4\3\0\0\0\0\4\0\0\0\0")},
        {"oidc-agent", TEXT("{\"status\":\"success\",\"access_token\":\"hi\"}")},
        {"grpc", TEXT(SETTINGS HEADERS MESSAGE TRAILERS)},
},
  refusals[] = {
      {"podlogin", TEXT("\0\0\0\0\1\xff\0\7")},
      {"http", TEXT("HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n")},
      {"http", TEXT("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")},
      {"resp", TEXT("$-1\r\n")},
      {"resp", TEXT("-ERR\r\n")},
      {"ssh-agent", TEXT("\0\0\0\1\5")},
      {"munge", TEXT("\0`mK\4\3\0\0\0\0\4\1\0\0\0")},
      {"oidc-agent", TEXT("{\"status\":\"failure\",\"error\":\"no\"}")},
      {"grpc", TEXT(SETTINGS TRAILERS)},
      {"grpc", TEXT(SETTINGS HEADERS EMPTY TRAILERS)},
      {"grpc", TEXT(SETTINGS HEADERS MESSAGE RST_STREAM)},
};

static long answer_len(const char *framing, const char *bytes, size_t len)
{
    CLEANUP(freep) uint8_t *exact = copy_of(bytes, len);

    return framing_find(framing)->answer_len(exact, len);
}

static void an_answer_ends_where_it_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(answers); i++)
        assert_int_equal(answer_len(answers[i].framing, answers[i].bytes, answers[i].len),
                         answers[i].len);
}

static void every_truncation_waits_for_more(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(answers); i++)
        for (size_t cut = 1; cut < answers[i].len; cut++)
            assert_int_equal(answer_len(answers[i].framing, answers[i].bytes, cut), 0);
}

static void a_refusal_is_no_answer(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(refusals); i++)
        assert_int_equal(answer_len(refusals[i].framing, refusals[i].bytes, refusals[i].len),
                         -EBADMSG);
}

static void the_streams_of_a_connection_are_odd_and_rise(void **state)
{
    static const char request[] = HEADERS MESSAGE;
    CLEANUP(freep) uint8_t *bytes = copy_of(request, sizeof(request) - 1);

    (void)state;
    framing_find("grpc")->set_number(bytes, sizeof(request) - 1, 0x8001);
    assert_memory_equal(bytes + 5, "\0\1\0\3", 4);
    assert_memory_equal(bytes + sizeof(HEADERS) - 1 + 5, "\0\1\0\3", 4);
}

static void an_unknown_protocol_has_no_framing(void **state)
{
    (void)state;
    assert_null(framing_find("none"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_ends_where_it_says),
        cmocka_unit_test(every_truncation_waits_for_more),
        cmocka_unit_test(a_refusal_is_no_answer),
        cmocka_unit_test(the_streams_of_a_connection_are_odd_and_rise),
        cmocka_unit_test(an_unknown_protocol_has_no_framing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
