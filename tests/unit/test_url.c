/* Which URLs podlogin accepts. */
#include "base/url.h"
#include "support/check.h"

static bool is_https(const char *text)
{
    CLEANUP(freep)
    char *exact = copy_of(text, strlen(text) + 1);

    return url_is_https(exact);
}

static void https_urls_of_a_host_are_accepted(void **state)
{
    static const char *const cases[] = {
        "https://a",
        "https://api.pulumi.com",
        "https://api.pulumi.com/",
        "https://127.0.0.1:8443",
        "https://[::1]:8443/x",
        "https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53",
        "https://host/a%20b/~c/d;e,f=g&h!i'j(k)*",
        "https://host:443/.well-known/openid-configuration",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        if (!is_https(cases[i]))
            fail_msg("refused: %s", cases[i]);
}

static void other_urls_are_refused(void **state)
{
    static const char *const cases[] = {
        "",
        "h",
        "https",
        "https:",
        "https:/",
        "https://",
        "https:///",
        "https:///path",
        "https://:443",
        "https://:443/",
        "http://host",
        "HTTPS://host",
        "Https://host",
        "ftp://host",
        "file:///etc/passwd",
        "//host",
        "host",
        "/path",
        "https:host",
        "https:/host",
        " https://host",
        "https:// host",
        "https://host ",
        "https://host/a b",
        "https://host\t",
        "https://host\n",
        "https://host\r\nHost: other",
        "https://user@host",
        "https://user:password@host",
        "https://host/@x",
        "https://host?x",
        "https://host/?x=1",
        "https://host#x",
        "https://host/#",
        "https://host\\@other",
        "https://host/\"",
        "https://host/<",
        "https://host/>",
        "https://host/^",
        "https://host/`",
        "https://host/{x}",
        "https://host/|",
        "https://h\x7f",
        "https://h\x01",
        "https://h\xc3\xb6st",
        "https://host/\xff",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        if (is_https(cases[i]))
            fail_msg("accepted: %s", cases[i]);
}

static void a_url_has_at_most_512_characters(void **state)
{
    char text[600] = "https://host/";

    (void)state;
    memset(text + strlen(text), 'a', 512 - strlen(text));
    assert_int_equal(strlen(text), 512);
    assert_true(is_https(text));
    text[512] = 'a';
    assert_false(is_https(text));
}

static void every_truncation_is_read_within_its_bytes(void **state)
{
    static const char whole[] = "https://a/b";

    (void)state;
    for (size_t cut = 0; cut < sizeof(whole); cut++) {
        CLEANUP(freep)
        char *exact = copy_of(whole, cut + 1);

        exact[cut] = '\0';
        assert_int_equal(url_is_https(exact), cut > strlen("https://"));
    }
}

static void an_origin_is_scheme_host_and_port(void **state)
{
    static const struct {
        const char *a, *b;
        bool is_same;
    } cases[] = {
        {"https://host", "https://host", true},
        {"https://host", "https://host/", true},
        {"https://host/a", "https://host/b/c?d=e", true},
        {"https://host?a", "https://host/b", true},
        {"https://host", "https://HOST/a", true},
        {"https://host:443/a", "https://host/b", true},
        {"https://host", "https://host:443", true},
        {"https://host:6443/a", "https://host:6443/b", true},
        {"https://[::1]:6443/a", "https://[::1]:6443", true},
        {"https://[::1]:443/a", "https://[::1]", true},
        {"https://host", "https://hos", false},
        {"https://host", "https://hosts", false},
        {"https://host", "https://host.", false},
        {"https://host", "https://host.example", false},
        {"https://host", "https://other/https://host", false},
        {"https://host", "https://other?https://host", false},
        {"https://host", "https://other:443", false},
        {"https://host", "https://host:6443", false},
        {"https://host:6443", "https://host:644", false},
        {"https://host:6443", "https://host:64430", false},
        {"https://host", "https://host:0443", false},
        {"https://host", "https://host:4430", false},
        {"https://host", "https://host:", false},
        {"https://host", "https://ho%73t", false},
        {"https://[::1]", "https://[::1:443]", false},
        {"https://127.0.0.1", "https://localhost", false},
        /* what is no URL of ours has no origin, not even its own */
        {"https://host", "http://host", false},
        {"http://host", "http://host", false},
        {"https://host", "HTTPS://host", false},
        {"https://host", "https://host@other", false},
        {"https://host", "https://host:443@other", false},
        {"https://host", "https://user@host", false},
        {"https://user@host", "https://user@host", false},
        {"https://host", "https://host#@other", false},
        {"https://host", "https://host\\@other", false},
        {"https://host", "https://host\n", false},
        {"https://host", "//host", false},
        {"https://host", "", false},
        {"", "", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        if (url_is_same_origin(cases[i].a, cases[i].b) != cases[i].is_same ||
            url_is_same_origin(cases[i].b, cases[i].a) != cases[i].is_same)
            fail_msg("%s, %s", cases[i].a, cases[i].b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(https_urls_of_a_host_are_accepted),
        cmocka_unit_test(other_urls_are_refused),
        cmocka_unit_test(a_url_has_at_most_512_characters),
        cmocka_unit_test(every_truncation_is_read_within_its_bytes),
        cmocka_unit_test(an_origin_is_scheme_host_and_port),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
