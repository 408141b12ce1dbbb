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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(https_urls_of_a_host_are_accepted),
        cmocka_unit_test(other_urls_are_refused),
        cmocka_unit_test(a_url_has_at_most_512_characters),
        cmocka_unit_test(every_truncation_is_read_within_its_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
