/* Which requests the endpoint of podlogin aws-endpoint understands. */
#include "command/request.h"
#include "support/check.h"

#define LINE "GET /v1/credentials HTTP/1.1\r\n"
#define HOST "Host: 127.0.0.1:8080\r\n"

static bool parse(const char *text, size_t len, struct request *ret_request)
{
    static char *exact;

    free(exact);
    exact = copy_of(text, len + 1);
    exact[len] = '\0';
    return request_parse(exact, len, ret_request);
}

static void the_parts_of_a_request(void **state)
{
    static const char text[] =
        LINE HOST "aUTHORIZATION:\t key \t\r\nContent-Length: 0\r\nA: b\r\n\r\n";
    struct request request;

    (void)state;
    assert_true(parse(text, strlen(text), &request));
    assert_string_equal(request.method, "GET");
    assert_string_equal(request.target, "/v1/credentials");
    assert_string_equal(request.host, "127.0.0.1:8080");
    assert_string_equal(request.authorization, "key");
    assert_true(parse("HEAD / HTTP/1.0\r\n\r\n", 19, &request));
    assert_null(request.host);
    assert_null(request.authorization);
}

static void every_truncation_is_refused(void **state)
{
    static const char text[] = LINE HOST "Authorization: key\r\n\r\n";
    struct request request;

    (void)state;
    for (size_t cut = 0; cut < strlen(text); cut++)
        assert_false(parse(text, cut, &request));
}

static void other_requests_are_refused(void **state)
{
    static const char *const cases[] = {
        "",
        "\r\n",
        "\r\n\r\n",
        "GET\r\n\r\n",
        "GET /\r\n\r\n",
        "GET / HTTP/1.1 \r\n\r\n",
        "GET  / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.2\r\n\r\n",
        "GET / http/1.1\r\n\r\n",
        "GET / HTTP/1.1\n\n",
        "GET / HTTP/1.1\r\n\n",
        "GET / HTTP/1.1\r\r\n\r\n",
        "\r\n" LINE "\r\n",
        LINE "\r\n\r\n",
        LINE "\r\nx",
        LINE HOST HOST "\r\n",
        LINE "Authorization: a\r\nAuthorization: b\r\n\r\n",
        LINE "Content-Length: 1\r\n\r\n",
        LINE "Content-Length: 00\r\n\r\n",
        LINE "Content-Length:\r\n\r\n",
        LINE "Content-Length: 0, 0\r\n\r\n",
        LINE "Transfer-Encoding: chunked\r\n\r\n",
        LINE "Transfer-Encoding:\r\n\r\n",
        LINE "Host : a\r\n\r\n",
        LINE " Host: a\r\n\r\n",
        LINE "A: b\r\n c\r\n\r\n",
        LINE "A\r\n\r\n",
        LINE ": a\r\n\r\n",
        LINE "A: \x7f\r\n\r\n",
        LINE "A: \x01\r\n\r\n",
        LINE "A: b\rC: d\r\n\r\n",
        LINE "A(: b\r\n\r\n",
    };
    struct request request;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        if (parse(cases[i], strlen(cases[i]), &request))
            fail_msg("accepted: %s", cases[i]);
    assert_false(parse(LINE "A: \0\r\n\r\n", strlen(LINE) + 8, &request));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_parts_of_a_request),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(other_requests_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
