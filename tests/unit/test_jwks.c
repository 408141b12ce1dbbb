/* Key sets: which keys are used or ignored, and which make the whole set invalid. */
#include <openssl/core_names.h>

#include "base/log.h"
#include "jose/jwks.h"
#include "support/check.h"
#include "support/mint.h"

static EVP_PKEY *rsa, *p256, *p384, *p521;
static char *rsa_jwk, *p256_jwk, *p384_jwk, *p521_jwk;

static int keys_make(void **state)
{
    (void)state;
    rsa = mint_rsa(2048);
    p256 = mint_ec("P-256");
    p384 = mint_ec("P-384");
    p521 = mint_ec("P-521");
    rsa_jwk = mint_jwk(rsa, "rsa");
    p256_jwk = mint_jwk(p256, "p256");
    p384_jwk = mint_jwk(p384, "p384");
    p521_jwk = mint_jwk(p521, "p521");
    return 0;
}

static int keys_free(void **state)
{
    (void)state;
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(p256);
    EVP_PKEY_free(p384);
    EVP_PKEY_free(p521);
    free(rsa_jwk);
    free(p256_jwk);
    free(p384_jwk);
    free(p521_jwk);
    return 0;
}

static int parse_exact(const char *text, size_t len, struct jwks *jwks)
{
    CLEANUP(freep)
    char *exact = copy_of(text, len);
    const char *error = NULL;
    int r = jwks_parse(exact, len, jwks, &error);

    if (r < 0) {
        assert_non_null(error);
        assert_int_equal(r, strstr(error, "no usable key") ? -ENOKEY : -EBADMSG);
        assert_int_equal(jwks->n, 0);
    }
    return r;
}

static char *set_of(const char *first, const char *second)
{
    char *text = NULL;

    assert_true(
        asprintf(&text, "{\"keys\":[%s%s%s]}", first, second ? "," : "", second ? second : "") > 0);
    return text;
}

static void keys_of_all_kinds_are_accepted_with_their_algorithms(void **state)
{
    const unsigned all_rsa = 1u << ALGORITHM_RS256 | 1u << ALGORITHM_RS384 | 1u << ALGORITHM_RS512 |
                             1u << ALGORITHM_PS256 | 1u << ALGORITHM_PS384 | 1u << ALGORITHM_PS512;
    const struct {
        const char *jwk, *kid;
        EVP_PKEY *pkey;
        unsigned algorithms;
    } cases[] = {
        {rsa_jwk, "rsa", rsa, all_rsa},
        {p256_jwk, "p256", p256, 1u << ALGORITHM_ES256},
        {p384_jwk, "p384", p384, 1u << ALGORITHM_ES384},
        {p521_jwk, "p521", p521, 1u << ALGORITHM_ES512},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(freep)
        char *text = set_of(cases[i].jwk, NULL);
        struct jwks jwks;
        struct jwk *key;

        assert_int_equal(parse_exact(text, strlen(text), &jwks), 0);
        key = jwks_find(&jwks, cases[i].kid);
        assert_non_null(key);
        assert_int_equal(key->algorithms, cases[i].algorithms);
        assert_int_equal(EVP_PKEY_eq(key->pkey, cases[i].pkey), 1);
        assert_int_equal(key->n_refs, 1);
        assert_false(key->is_withdrawn);
        jwks_done(&jwks);
    }
}

static void every_truncation_is_refused(void **state)
{
    CLEANUP(freep)
    char *text = set_of(rsa_jwk, p256_jwk);
    struct jwks jwks;

    (void)state;
    for (size_t cut = 0; cut < strlen(text); cut++)
        if (parse_exact(text, cut, &jwks) == 0)
            fail_msg("accepted the first %zu bytes", cut);
}

enum fate {
    TAKEN,
    PASSED_OVER,
};

#define ZEROS_32 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define ONES_32  "__________________________________________8"

/*
 * Changes one member of a valid key. @value is JSON; NULL removes the member; "bits N" is a modulus
 * of that size.
 */
static const struct {
    const char *why, *key, *member, *value;
    enum fate fate;
} changes[] = {
    {"nothing", "rsa", "x", NULL, TAKEN},
    {"an unknown member", "rsa", "x", "[1]", TAKEN},
    {"a certificate chain beside the key", "rsa", "x5c", "[\"MIIB\"]", TAKEN},
    {"no use", "rsa", "use", NULL, TAKEN},
    {"key_ops verify", "rsa", "key_ops", "[\"sign\",\"verify\"]", TAKEN},
    {"alg RS256", "rsa", "alg", "\"RS256\"", TAKEN},
    {"alg PS512", "rsa", "alg", "\"PS512\"", TAKEN},
    {"alg ES256 on its curve", "p256", "alg", "\"ES256\"", TAKEN},
    {"a kid of 1024 bytes", "rsa", "kid", "kid 1024", TAKEN},
    {"e of 65539", "rsa", "e", "\"AQAD\"", TAKEN},
    {"e of 2^32+1", "rsa", "e", "\"AQAAAAE\"", TAKEN},
    {"2048 bits", "rsa", "n", "bits 2048", TAKEN},
    {"3072 bits", "rsa", "n", "bits 3072", TAKEN},
    {"4096 bits", "rsa", "n", "bits 4096", TAKEN},

    {"no kid", "rsa", "kid", NULL, PASSED_OVER},
    {"an empty kid", "rsa", "kid", "\"\"", PASSED_OVER},
    {"a number as kid", "rsa", "kid", "1", PASSED_OVER},
    {"null as kid", "rsa", "kid", "null", PASSED_OVER},
    {"a kid of 1025 bytes", "rsa", "kid", "kid 1025", PASSED_OVER},
    {"key_ops sign", "rsa", "key_ops", "[\"sign\"]", PASSED_OVER},
    {"no key_ops at all", "rsa", "key_ops", "[]", PASSED_OVER},
    {"key_ops that are no list", "rsa", "key_ops", "\"verify\"", PASSED_OVER},
    {"use enc", "rsa", "use", "\"enc\"", PASSED_OVER},
    {"use Sig", "rsa", "use", "\"Sig\"", PASSED_OVER},
    {"an empty use", "rsa", "use", "\"\"", PASSED_OVER},
    {"kty oct", "rsa", "kty", "\"oct\"", PASSED_OVER},
    {"kty OKP", "p256", "kty", "\"OKP\"", PASSED_OVER},
    {"kty rsa in lower case", "rsa", "kty", "\"rsa\"", PASSED_OVER},
    {"an empty kty", "rsa", "kty", "\"\"", PASSED_OVER},
    {"another curve", "p256", "crv", "\"secp256k1\"", PASSED_OVER},
    {"a curve in lower case", "p256", "crv", "\"p-256\"", PASSED_OVER},
    {"no curve", "p256", "crv", NULL, PASSED_OVER},

    {"no kty", "rsa", "kty", NULL, PASSED_OVER},
    {"a number as kty", "rsa", "kty", "1", PASSED_OVER},
    {"a private exponent", "rsa", "d", "\"AQAB\"", PASSED_OVER},
    {"a private scalar", "p256", "d", "\"AQAB\"", PASSED_OVER},
    {"a private scalar of null", "p256", "d", "null", PASSED_OVER},
    {"no n", "rsa", "n", NULL, PASSED_OVER},
    {"no e", "rsa", "e", NULL, PASSED_OVER},
    {"a number as n", "rsa", "n", "3", PASSED_OVER},
    {"an empty n", "rsa", "n", "\"\"", PASSED_OVER},
    {"n of zeros", "rsa", "n", "\"" ZEROS_32 "\"", PASSED_OVER},
    {"n with padding", "rsa", "n", "\"AQAB=\"", PASSED_OVER},
    {"n in the standard alphabet", "rsa", "n", "\"+/+/\"", PASSED_OVER},
    {"512 bits", "rsa", "n", "bits 512", PASSED_OVER},
    {"1024 bits", "rsa", "n", "bits 1024", PASSED_OVER},
    {"2047 bits", "rsa", "n", "bits 2047", PASSED_OVER},
    {"4097 bits", "rsa", "n", "bits 4097", PASSED_OVER},
    {"8192 bits", "rsa", "n", "bits 8192", PASSED_OVER},
    {"16384 bits", "rsa", "n", "bits 16384", PASSED_OVER},
    {"an even n", "rsa", "n", "even 2048", PASSED_OVER},
    {"an empty e", "rsa", "e", "\"\"", PASSED_OVER},
    {"e of 0", "rsa", "e", "\"AA\"", PASSED_OVER},
    {"e of 1", "rsa", "e", "\"AQ\"", PASSED_OVER},
    {"e of 2", "rsa", "e", "\"Ag\"", PASSED_OVER},
    {"e of 3", "rsa", "e", "\"Aw\"", PASSED_OVER},
    {"e of 17", "rsa", "e", "\"EQ\"", PASSED_OVER},
    {"e of 65535", "rsa", "e", "\"__8\"", PASSED_OVER},
    {"e of 65536", "rsa", "e", "\"AQAA\"", PASSED_OVER},
    {"e of 65538", "rsa", "e", "\"AQAC\"", PASSED_OVER},
    {"e of 2^33+1", "rsa", "e", "\"AgAAAAE\"", PASSED_OVER},
    {"e of 64 bits", "rsa", "e", "\"__________8\"", PASSED_OVER},
    {"e of nine bytes", "rsa", "e", "\"AAAAAAAAAQAB\"", PASSED_OVER},
    {"e with trailing bits", "rsa", "e", "\"Ax\"", PASSED_OVER},
    {"alg of the other family", "rsa", "alg", "\"ES256\"", PASSED_OVER},
    {"alg of another curve", "p256", "alg", "\"ES384\"", PASSED_OVER},
    {"alg none", "rsa", "alg", "\"none\"", PASSED_OVER},
    {"alg HS256", "rsa", "alg", "\"HS256\"", PASSED_OVER},
    {"alg of an encryption algorithm", "p256", "alg", "\"ECDH-ES\"", PASSED_OVER},
    {"alg null", "rsa", "alg", "null", PASSED_OVER},
    {"a number as alg", "rsa", "alg", "256", PASSED_OVER},
    {"no x", "p256", "x", NULL, PASSED_OVER},
    {"no y", "p256", "y", NULL, PASSED_OVER},
    {"a number as x", "p256", "x", "1", PASSED_OVER},
    {"an empty x", "p256", "x", "\"\"", PASSED_OVER},
    {"x of 31 bytes", "p256", "x", "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"", PASSED_OVER},
    {"x of 33 bytes", "p256", "x", "\"A" ZEROS_32 "\"", PASSED_OVER},
    {"y of 31 bytes", "p256", "y", "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"", PASSED_OVER},
    {"y of 33 bytes", "p256", "y", "\"A" ZEROS_32 "\"", PASSED_OVER},
    {"x of zeros", "p256", "x", "\"" ZEROS_32 "\"", PASSED_OVER},
    {"y of zeros", "p256", "y", "\"" ZEROS_32 "\"", PASSED_OVER},
    {"x beyond the field", "p256", "x", "\"" ONES_32 "\"", PASSED_OVER},
    {"y beyond the field", "p256", "y", "\"" ONES_32 "\"", PASSED_OVER},
    {"x of another point", "p256", "x", "other x", PASSED_OVER},
    {"P-384 with the numbers of P-256", "p256", "crv", "\"P-384\"", PASSED_OVER},
    {"P-256 with the numbers of P-384", "p384", "crv", "\"P-256\"", PASSED_OVER},
    {"P-521 with the numbers of P-384", "p384", "crv", "\"P-521\"", PASSED_OVER},
    {"P-384 with the numbers of P-521", "p521", "crv", "\"P-384\"", PASSED_OVER},
    {"an EC key that says RSA", "p256", "kty", "\"RSA\"", PASSED_OVER},
    {"an RSA key that says EC and a curve", "rsa", "kty", "\"EC\"", PASSED_OVER},
};

static json_t *value_make(const char *value)
{
    CLEANUP(freep)
    char *text = NULL;
    CLEANUP(json_decrefp)
    json_t *other = NULL;
    char kid[KID_MAX + 8];
    unsigned n;

    if (sscanf(value, "bits %u", &n) == 1) {
        text = mint_modulus(n);
        return json_string(text);
    }
    if (sscanf(value, "even %u", &n) == 1) {
        text = mint_modulus(n);
        text[strlen(text) - 1] = 'A'; /* 2048 bits: the last character holds the lowest two bits */
        return json_string(text);
    }
    if (sscanf(value, "kid %u", &n) == 1) {
        memset(kid, 'k', n);
        return json_stringn(kid, n);
    }
    if (strcmp(value, "other x") == 0) {
        EVP_PKEY *pkey = mint_ec("P-256");

        text = mint_jwk(pkey, "other");
        EVP_PKEY_free(pkey);
        other = json_loads(text, 0, NULL);
        return json_incref(json_object_get(other, "x"));
    }
    return json_loads(value, JSON_DECODE_ANY, NULL);
}

static char *jwk_changed(const char *kid, const char *member, const char *value)
{
    const char *jwk = strcmp(kid, "rsa") == 0    ? rsa_jwk
                      : strcmp(kid, "p256") == 0 ? p256_jwk
                      : strcmp(kid, "p384") == 0 ? p384_jwk
                                                 : p521_jwk;
    CLEANUP(json_decrefp)
    json_t *json = json_loads(jwk, 0, NULL);
    json_t *made = value ? value_make(value) : NULL;

    assert_non_null(json);
    if (value) {
        assert_non_null(made);
        assert_int_equal(json_object_set_new(json, member, made), 0);
    } else {
        json_object_del(json, member);
    }
    return json_dumps(json, JSON_COMPACT);
}

static void each_changed_key_is_used_or_passed_over(void **state)
{
    EVP_PKEY *good = mint_ec("P-256");
    CLEANUP(freep)
    char *good_jwk = mint_jwk(good, "good");

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
        CLEANUP(freep)
        char *jwk = jwk_changed(changes[i].key, changes[i].member, changes[i].value);
        CLEANUP(freep)
        char *together = set_of(good_jwk, jwk), *alone = set_of(jwk, NULL);
        enum fate fate = PASSED_OVER;
        struct jwks jwks;

        if (parse_exact(together, strlen(together), &jwks) == 0) {
            fate = jwks.n == 2 ? TAKEN : PASSED_OVER;
            assert_ptr_equal(jwks_find(&jwks, "good"), jwks.keys[0]);
            jwks_done(&jwks);
        }
        if (fate != changes[i].fate)
            fail_msg("%s: %d, not %d", changes[i].why, fate, changes[i].fate);
        /* a set that has only an ignored key has no key */
        assert_int_equal(parse_exact(alone, strlen(alone), &jwks), fate == TAKEN ? 0 : -ENOKEY);
        jwks_done(&jwks);
    }
    EVP_PKEY_free(good);
}

static void texts_that_are_not_a_key_set_are_refused(void **state)
{
    static const char *const cases[] = {
        "",
        " ",
        "{}",
        "[]",
        "null",
        "<html>",
        "{\"keys\":null}",
        "{\"keys\":{}}",
        "{\"keys\":1}",
        "{\"keys\":\"x\"}",
        "{\"keys\":[]}",
        "{\"keys\":[null]}",
        "{\"keys\":[1]}",
        "{\"keys\":[\"x\"]}",
        "{\"keys\":[[]]}",
        "{\"keys\":[{}]}",
        "{\"Keys\":[]}",
        "{\"keys\":[],\"keys\":[]}",
        "{\"keys\":[],\"\\u006beys\":[]}",
        "{\"keys\":[{\"kty\":\"oct\",\"kid\":\"a\",\"k\":\"AAAA\"}]}",
        "{\"keys\":[{\"kty\":\"RSA\",\"kty\":\"oct\",\"kid\":\"a\"}]}",
        "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"a\\u0000b\"}]}",
        "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"a\"}]}",
        "{\"keys\":[{\"kty\":\"EC\",\"kid\":\"a\"}]}",
    };
    struct jwks jwks;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        if (parse_exact(cases[i], strlen(cases[i]), &jwks) == 0)
            fail_msg("accepted: %s", cases[i]);
}

static void a_set_without_a_usable_key_says_why(void **state)
{
    static const struct {
        const char *set, *reason;
    } rows[] = {
        {"{\"keys\":[]}", "none has a kid"},
        {"{\"keys\":[{\"kty\":\"oct\",\"kid\":\"a\",\"k\":\"AAAA\"}]}", "none has a kid"},
        {"{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"a\"}]}", "they are malformed"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const char *error;
        struct jwks jwks;

        assert_int_equal(jwks_parse(rows[i].set, strlen(rows[i].set), &jwks, &error), -ENOKEY);
        assert_non_null(strstr(error, rows[i].reason));
    }
}

static void text_around_the_set_is_refused(void **state)
{
    static const char *const forms[] = {
        "%s,", "%sx", "%s%s", "[%s]", "x%s", "\xef\xbb\xbf%s", "%s\x01", "{\"a\":%s}",
    };
    CLEANUP(freep)
    char *good = set_of(p256_jwk, NULL);
    struct jwks jwks;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
        char text[2048] = "";

        for (const char *at = forms[i]; *at; at++) {
            if (at[0] == '%' && at[1] == 's')
                strcat(text, good), at++;
            else
                strncat(text, at, 1);
        }
        if (parse_exact(text, strlen(text), &jwks) == 0)
            fail_msg("accepted: row %zu", i);
    }
    /* a NUL after the set */
    assert_int_equal(parse_exact(good, strlen(good) + 1, &jwks), -EBADMSG);
}

static void an_entry_that_repeats_a_key_adds_its_algorithms(void **state)
{
    static const struct {
        const char *first, *second;
        unsigned algorithms;
    } rows[] = {
        {"RS256", "RS256", 1u << ALGORITHM_RS256},
        {"RS256", "PS256", 1u << ALGORITHM_RS256 | 1u << ALGORITHM_PS256},
        {"PS512", "RS384", 1u << ALGORITHM_PS512 | 1u << ALGORITHM_RS384},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char first[16], second[16];
        CLEANUP(freep)
        char *one = NULL, *two = NULL, *set = NULL;
        struct jwks jwks;

        snprintf(first, sizeof(first), "\"%s\"", rows[i].first);
        snprintf(second, sizeof(second), "\"%s\"", rows[i].second);
        one = jwk_changed("rsa", "alg", first);
        two = jwk_changed("rsa", "alg", second);
        set = set_of(one, two);
        assert_int_equal(parse_exact(set, strlen(set), &jwks), 0);
        assert_int_equal(jwks.n, 1);
        assert_int_equal(jwks.keys[0]->algorithms, rows[i].algorithms);
        assert_int_equal(jwks.n_skipped, 0);
        jwks_done(&jwks);
    }
}

static void another_key_of_the_same_kid_is_skipped(void **state)
{
    static const char *const kids[] = {"p256", "\\u0070256"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(kids); i++) {
        CLEANUP(freep)
        char *other = mint_jwk(p384, kids[i]);
        CLEANUP(freep)
        char *set = set_of(p256_jwk, other);
        struct jwks jwks;

        assert_int_equal(parse_exact(set, strlen(set), &jwks), 0);
        assert_int_equal(jwks.n, 1);
        assert_int_equal(EVP_PKEY_eq(jwks.keys[0]->pkey, p256), 1);
        assert_int_equal(jwks.n_skipped, 1);
        assert_string_equal(jwks.skip_reason, "another key has the same kid");
        jwks_done(&jwks);
    }
}

static void the_first_64_keys_are_taken(void **state)
{
    (void)state;
    for (unsigned n = JWKS_KEYS_MAX; n <= JWKS_KEYS_MAX + 2; n++) {
        static char text[32768];
        char kid[16];
        struct jwks jwks;

        strcpy(text, "{\"keys\":[");
        for (unsigned i = 0; i < n; i++) {
            CLEANUP(freep)
            char *jwk = NULL;

            snprintf(kid, sizeof(kid), "key %u", i);
            jwk = mint_jwk(p256, kid);
            strcat(strcat(text, i ? "," : ""), jwk);
        }
        strcat(text, "]}");
        assert_int_equal(parse_exact(text, strlen(text), &jwks), 0);
        assert_int_equal(jwks.n, JWKS_KEYS_MAX);
        assert_int_equal(jwks.n_skipped, n - JWKS_KEYS_MAX);
        assert_non_null(jwks_find(&jwks, "key 63"));
        jwks_done(&jwks);
    }
}

static void a_set_has_at_most_64_kib(void **state)
{
    CLEANUP(freep)
    char *good = set_of(p256_jwk, NULL);
    CLEANUP(freep)
    char *text = malloc(JWKS_BYTES_MAX + 1);
    struct jwks jwks;

    (void)state;
    memset(text, ' ', JWKS_BYTES_MAX + 1);
    memcpy(text, good, strlen(good));
    assert_int_equal(parse_exact(text, JWKS_BYTES_MAX, &jwks), 0);
    jwks_done(&jwks);
    assert_int_equal(parse_exact(text, JWKS_BYTES_MAX + 1, &jwks), -EBADMSG);
}

static void a_kid_is_found_exactly_or_not_at_all(void **state)
{
    static const char *const others[] = {"", "rs", "rsaa", "RSA", "rsa ", " rsa", "p25", "*", "."};
    CLEANUP(freep)
    char *text = set_of(rsa_jwk, p256_jwk);
    struct jwks jwks;

    (void)state;
    assert_int_equal(parse_exact(text, strlen(text), &jwks), 0);
    assert_string_equal(jwks_find(&jwks, "rsa")->kid, "rsa");
    assert_string_equal(jwks_find(&jwks, "p256")->kid, "p256");
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        assert_null(jwks_find(&jwks, others[i]));
    jwks_done(&jwks);
    assert_null(jwks_find(&jwks, "rsa"));
}

static void replace(struct jwks *old, const char *first, const char *second)
{
    CLEANUP(freep)
    char *text = set_of(first, second);
    struct jwks fresh;

    assert_int_equal(parse_exact(text, strlen(text), &fresh), 0);
    jwks_replace(old, &fresh);
    assert_int_equal(fresh.n, 0);
    assert_int_equal(old->n, second ? 2 : 1);
}

static void replacing_a_set_keeps_unchanged_keys_and_withdraws_removed_ones(void **state)
{
    struct jwks jwks = {0};
    struct jwk *kept, *gone;

    (void)state;
    replace(&jwks, rsa_jwk, p256_jwk);
    kept = jwk_ref(jwks_find(&jwks, "rsa"));
    gone = jwk_ref(jwks_find(&jwks, "p256"));
    replace(&jwks, p384_jwk, rsa_jwk);
    assert_ptr_equal(jwks_find(&jwks, "rsa"), kept);
    assert_null(jwks_find(&jwks, "p256"));
    assert_false(kept->is_withdrawn);
    assert_true(gone->is_withdrawn);
    assert_int_equal(kept->n_refs, 2);
    assert_int_equal(gone->n_refs, 1);
    replace(&jwks, p521_jwk, NULL);
    assert_true(kept->is_withdrawn);
    jwks_done(&jwks);
    jwk_unref(kept);
    jwk_unref(gone);
}

static void a_key_with_the_same_kid_but_other_content_withdraws_the_old_one(void **state)
{
    EVP_PKEY *other = mint_ec("P-256");
    CLEANUP(freep)
    char *other_jwk = mint_jwk(other, "p256");
    CLEANUP(freep)
    char *restricted = jwk_changed("rsa", "alg", "\"RS512\"");
    struct jwks jwks = {0};
    struct jwk *first, *second;

    (void)state;
    replace(&jwks, rsa_jwk, p256_jwk);
    first = jwk_ref(jwks_find(&jwks, "p256"));
    second = jwk_ref(jwks_find(&jwks, "rsa"));
    replace(&jwks, other_jwk, restricted);
    assert_true(first->is_withdrawn);
    assert_true(second->is_withdrawn);
    assert_ptr_not_equal(jwks_find(&jwks, "p256"), first);
    assert_int_equal(EVP_PKEY_eq(jwks_find(&jwks, "p256")->pkey, other), 1);
    assert_int_equal(jwks_find(&jwks, "rsa")->algorithms, 1u << ALGORITHM_RS512);
    jwk_unref(first);
    jwk_unref(second);
    jwks_done(&jwks);
    EVP_PKEY_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_of_all_kinds_are_accepted_with_their_algorithms),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(each_changed_key_is_used_or_passed_over),
        cmocka_unit_test(texts_that_are_not_a_key_set_are_refused),
        cmocka_unit_test(a_set_without_a_usable_key_says_why),
        cmocka_unit_test(text_around_the_set_is_refused),
        cmocka_unit_test(an_entry_that_repeats_a_key_adds_its_algorithms),
        cmocka_unit_test(another_key_of_the_same_kid_is_skipped),
        cmocka_unit_test(the_first_64_keys_are_taken),
        cmocka_unit_test(a_set_has_at_most_64_kib),
        cmocka_unit_test(a_kid_is_found_exactly_or_not_at_all),
        cmocka_unit_test(replacing_a_set_keeps_unchanged_keys_and_withdraws_removed_ones),
        cmocka_unit_test(a_key_with_the_same_kid_but_other_content_withdraws_the_old_one),
    };

    log_init("test_jwks", -1);
    return cmocka_run_group_tests(tests, keys_make, keys_free);
}
