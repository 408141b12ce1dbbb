/*
 * Compact JWS: all nine algorithms, and each reason to refuse a token. Malformed tokens have valid
 * signatures, so that only the fault under test can be the reason.
 */
#include <dlfcn.h>
#include <limits.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/hmac.h>
#include <openssl/obj_mac.h>
#include <openssl/pem.h>

#include "base/log.h"
#include "jose/jws.h"
#include "protocol/messages.h"
#include "support/check.h"
#include "support/mint.h"

#define HEADER  "{\"alg\":\"RS256\",\"kid\":\"rsa\"}"
#define PAYLOAD "{\"iss\":\"https://issuer\",\"sub\":\"x\"}"

static const struct {
    const char *kid, *kind;
} kinds[] = {
    {"rsa", "RSA"}, {"p256", "P-256"}, {"p384", "P-384"}, {"p521", "P-521"}, {"big", "RSA"},
};

static EVP_PKEY *pkeys[ARRAY_SIZE(kinds)], *strangers[ARRAY_SIZE(kinds)];
static struct jwks jwks;

static const struct {
    const char *alg;
    size_t key; /* into kinds */
} algorithms[] = {
    {"RS256", 0}, {"RS384", 0}, {"RS512", 0}, {"PS256", 0}, {"PS384", 0},
    {"PS512", 0}, {"ES256", 1}, {"ES384", 2}, {"ES512", 3},
};

/*
 * Wraps OpenSSL's function: returns forced_result if it is set. OpenSSL returns a negative number
 * for an internal error, which must not count as valid; many programs had that bug (CVE-2008-5077).
 */
static int forced_result = INT_MAX;

int EVP_PKEY_verify(EVP_PKEY_CTX *ctx, const unsigned char *signature, size_t signature_len,
                    const unsigned char *digest, size_t len)
{
    int (*own)(EVP_PKEY_CTX *, const unsigned char *, size_t, const unsigned char *, size_t);

    *(void **)&own = dlsym(RTLD_NEXT, "EVP_PKEY_verify");
    assert_non_null(own);
    if (forced_result != INT_MAX)
        return forced_result;
    return own(ctx, signature, signature_len, digest, len);
}

static EVP_PKEY *key_of(const char *kid)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (strcmp(kinds[i].kid, kid) == 0)
            return pkeys[i];
    fail_msg("no key %s", kid);
    return NULL;
}

static int keys_make(void **state)
{
    char set[8192] = "{\"keys\":[";
    const char *error;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        CLEANUP(freep)
        char *jwk = NULL;

        if (strcmp(kinds[i].kid, "big") == 0) {
            pkeys[i] = mint_rsa(4096);
        } else if (strcmp(kinds[i].kind, "RSA") == 0) {
            pkeys[i] = mint_rsa(2048);
            strangers[i] = mint_rsa(2048);
        } else {
            pkeys[i] = mint_ec(kinds[i].kind);
            strangers[i] = mint_ec(kinds[i].kind);
        }
        jwk = mint_jwk(pkeys[i], kinds[i].kid);
        strcat(strcat(set, i ? "," : ""), jwk);
    }
    strcat(set, "]}");
    return jwks_parse(set, strlen(set), &jwks, &error);
}

static int keys_free(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        EVP_PKEY_free(pkeys[i]);
        EVP_PKEY_free(strangers[i]);
    }
    jwks_done(&jwks);
    return 0;
}

/* Parses, looks up the key and verifies, as the daemon does before it checks the claims. */
static enum podlogin_status judge_bytes(const void *token, size_t len)
{
    CLEANUP(freep)
    char *exact = copy_of(token, len);
    struct jws *jws = calloc(1, sizeof(*jws));
    enum podlogin_status status;
    struct refusal refusal = {0};
    struct jwk *key;

    assert_non_null(jws);
    status = jws_parse(exact, len, jws, &refusal);
    if (status == PODLOGIN_OK) {
        assert_non_null(jws->payload);
        key = jwks_find(&jwks, jws->kid);
        status = key ? jws_verify(jws, exact, key) : PODLOGIN_TOKEN_UNKNOWN_KEY;
    } else {
        assert_true(refusal.detail[0]);
        assert_null(jws->payload);
    }
    jws_done(jws);
    free(jws);
    return status;
}

static enum podlogin_status judge(const char *token)
{
    return judge_bytes(token, strlen(token));
}

static char *good_token(const char *alg, size_t key)
{
    char header[128];

    snprintf(header, sizeof(header), "{\"alg\":\"%s\",\"kid\":\"%s\"}", alg, kinds[key].kid);
    return mint_token(pkeys[key], alg, header, PAYLOAD);
}

static void all_nine_algorithms_are_accepted(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++) {
        CLEANUP(freep)
        char *token = good_token(algorithms[i].alg, algorithms[i].key);

        if (judge(token) != PODLOGIN_OK)
            fail_msg("%s: %d", algorithms[i].alg, judge(token));
        if (algorithms[i].key == 0) {
            free(token);
            token = good_token(algorithms[i].alg, 4); /* RSA 4096: the longest signature */
            assert_int_equal(judge(token), PODLOGIN_OK);
        }
    }
}

static void the_payload_is_the_one_that_was_signed(void **state)
{
    CLEANUP(freep)
    char *token = good_token("ES256", 1);
    struct jws jws;
    struct refusal refusal;

    (void)state;
    assert_int_equal(jws_parse(token, strlen(token), &jws, &refusal), PODLOGIN_OK);
    assert_int_equal(jws.algorithm, ALGORITHM_ES256);
    assert_string_equal(jws.kid, "p256");
    assert_int_equal(jws.signature_len, 64);
    assert_int_equal(jws.signed_len, strrchr(token, '.') - token);
    assert_string_equal(json_value_string(json_value_member(jws.payload, "iss")), "https://issuer");
    jws_done(&jws);
}

#define MALFORMED      PODLOGIN_TOKEN_MALFORMED
#define ALGORITHM      PODLOGIN_TOKEN_BAD_ALGORITHM
#define UNKNOWN        PODLOGIN_TOKEN_UNKNOWN_KEY
#define SIGNATURE      PODLOGIN_TOKEN_BAD_SIGNATURE
#define RSA_MORE(more) "{\"alg\":\"RS256\",\"kid\":\"rsa\"," more "}"
#define ALG(alg)       "{\"alg\":" alg ",\"kid\":\"rsa\"}"
#define KID(kid)       "{\"alg\":\"RS256\",\"kid\":" kid "}"

static void headers_are_checked_strictly(void **state)
{
    static const struct {
        const char *why, *header;
        enum podlogin_status expected;
    } cases[] = {
        {"the smallest header", HEADER, PODLOGIN_OK},
        {"with white space", " {\"alg\" : \"RS256\",\n\"kid\":\"rsa\"}\t", PODLOGIN_OK},
        {"typ JWT", RSA_MORE("\"typ\":\"JWT\""), PODLOGIN_OK},
        {"typ jwt", RSA_MORE("\"typ\":\"jwt\""), PODLOGIN_OK},
        {"an unknown member", RSA_MORE("\"foo\":[1,{\"crit\":1}]"), PODLOGIN_OK},
        {"an escaped kid", KID("\"\\u0072sa\""), PODLOGIN_OK},
        {"an escaped name", "{\"\\u0061lg\":\"RS256\",\"kid\":\"rsa\"}", PODLOGIN_OK},
        {"a depth of eight", RSA_MORE("\"a\":[[[[[[[1]]]]]]]"), PODLOGIN_OK},

        {"alg none", ALG("\"none\""), ALGORITHM},
        {"alg None", ALG("\"None\""), ALGORITHM},
        {"alg NONE", ALG("\"NONE\""), ALGORITHM},
        {"alg nOnE", ALG("\"nOnE\""), ALGORITHM},
        {"an empty alg", ALG("\"\""), ALGORITHM},
        {"HS256", ALG("\"HS256\""), ALGORITHM},
        {"HS384", ALG("\"HS384\""), ALGORITHM},
        {"HS512", ALG("\"HS512\""), ALGORITHM},
        {"rs256", ALG("\"rs256\""), ALGORITHM},
        {"RS1", ALG("\"RS1\""), ALGORITHM},
        {"RS25", ALG("\"RS25\""), ALGORITHM},
        {"RS2566", ALG("\"RS2566\""), ALGORITHM},
        {"RS256 and a space", ALG("\"RS256 \""), ALGORITHM},
        {"a space and RS256", ALG("\" RS256\""), ALGORITHM},
        {"two algorithms", ALG("\"RS256,none\""), ALGORITHM},
        {"ES256K", ALG("\"ES256K\""), ALGORITHM},
        {"EdDSA", ALG("\"EdDSA\""), ALGORITHM},
        {"Ed25519", ALG("\"Ed25519\""), ALGORITHM},
        {"dir", ALG("\"dir\""), ALGORITHM},
        {"A128KW", ALG("\"A128KW\""), ALGORITHM},
        {"RSA-OAEP", ALG("\"RSA-OAEP\""), ALGORITHM},
        {"ES256 on an RSA key", ALG("\"ES256\""), ALGORITHM},
        {"ES512 on an RSA key", ALG("\"ES512\""), ALGORITHM},
        {"no alg", "{\"kid\":\"rsa\"}", MALFORMED},
        {"Alg", "{\"Alg\":\"RS256\",\"kid\":\"rsa\"}", MALFORMED},
        {"alg null", ALG("null"), MALFORMED},
        {"a number as alg", ALG("256"), MALFORMED},
        {"true as alg", ALG("true"), MALFORMED},
        {"an array as alg", ALG("[\"RS256\"]"), MALFORMED},
        {"an object as alg", ALG("{\"RS256\":1}"), MALFORMED},
        {"a NUL in alg", ALG("\"RS256\\u0000\""), MALFORMED},

        {"no kid", "{\"alg\":\"RS256\"}", MALFORMED},
        {"an empty kid", KID("\"\""), MALFORMED},
        {"a number as kid", KID("1"), MALFORMED},
        {"kid null", KID("null"), MALFORMED},
        {"an array as kid", KID("[\"rsa\"]"), MALFORMED},
        {"a NUL in kid", KID("\"rsa\\u0000x\""), MALFORMED},
        {"another kid", KID("\"other\""), UNKNOWN},
        {"kid in capitals", KID("\"RSA\""), UNKNOWN},
        {"half a kid", KID("\"rs\""), UNKNOWN},
        {"kid and a space", KID("\"rsa \""), UNKNOWN},
        {"kid *", KID("\"*\""), UNKNOWN},
        {"a path as kid", KID("\"../../../dev/null\""), UNKNOWN},
        {"SQL as kid", KID("\"x' UNION SELECT 'key\""), UNKNOWN},
        {"the kid of another key", KID("\"big\""), SIGNATURE},
        {"the kid of an EC key", KID("\"p256\""), ALGORITHM},

        {"crit", RSA_MORE("\"crit\":[\"b64\"]"), MALFORMED},
        {"an empty crit", RSA_MORE("\"crit\":[]"), MALFORMED},
        {"crit null", RSA_MORE("\"crit\":null"), MALFORMED},
        {"an escaped crit", RSA_MORE("\"\\u0063rit\":[\"x\"]"), MALFORMED},
        {"b64 false", RSA_MORE("\"b64\":false"), MALFORMED},
        {"b64 true", RSA_MORE("\"b64\":true"), MALFORMED},
        {"jwk", RSA_MORE("\"jwk\":{\"kty\":\"RSA\"}"), MALFORMED},
        {"jwk null", RSA_MORE("\"jwk\":null"), MALFORMED},
        {"jku", RSA_MORE("\"jku\":\"https://evil\""), MALFORMED},
        {"an escaped jku", RSA_MORE("\"j\\u006bu\":\"https://evil\""), MALFORMED},
        {"x5u", RSA_MORE("\"x5u\":\"https://evil\""), MALFORMED},
        {"x5c", RSA_MORE("\"x5c\":[\"MIIB\"]"), MALFORMED},
        {"x5t", RSA_MORE("\"x5t\":\"AAAA\""), MALFORMED},
        {"x5t#S256", RSA_MORE("\"x5t#S256\":\"AAAA\""), MALFORMED},
        {"an escaped x5c", RSA_MORE("\"\\u00785c\":[]"), MALFORMED},
        {"zip", RSA_MORE("\"zip\":\"DEF\""), MALFORMED},
        {"enc", RSA_MORE("\"enc\":\"A128GCM\""), MALFORMED},
        {"typ JOSE", RSA_MORE("\"typ\":\"JOSE\""), MALFORMED},
        {"typ JWE", RSA_MORE("\"typ\":\"JWE\""), MALFORMED},
        {"typ at+jwt", RSA_MORE("\"typ\":\"at+jwt\""), MALFORMED},
        {"an empty typ", RSA_MORE("\"typ\":\"\""), MALFORMED},
        {"typ null", RSA_MORE("\"typ\":null"), MALFORMED},
        {"a number as typ", RSA_MORE("\"typ\":1"), MALFORMED},

        {"alg twice", "{\"alg\":\"none\",\"alg\":\"RS256\",\"kid\":\"rsa\"}", MALFORMED},
        {"alg twice, with the same value", "{\"alg\":\"RS256\",\"alg\":\"RS256\",\"kid\":\"rsa\"}",
         MALFORMED},
        {"alg twice, escaped", "{\"alg\":\"RS256\",\"\\u0061lg\":\"none\",\"kid\":\"rsa\"}",
         MALFORMED},
        {"kid twice", RSA_MORE("\"kid\":\"p256\""), MALFORMED},
        {"kid twice, escaped", RSA_MORE("\"k\\u0069d\":\"rsa\""), MALFORMED},
        {"a nested duplicate", RSA_MORE("\"a\":{\"b\":1,\"b\":2}"), MALFORMED},
        {"an empty object", "{}", MALFORMED},
        {"an array", "[" HEADER "]", MALFORMED},
        {"a string", "\"RS256\"", MALFORMED},
        {"a number", "1", MALFORMED},
        {"null", "null", MALFORMED},
        {"blanks", "   ", MALFORMED},
        {"two objects", HEADER HEADER, MALFORMED},
        {"a character after the object", HEADER "x", MALFORMED},
        {"a character before the object", "x" HEADER, MALFORMED},
        {"a byte order mark", "\xef\xbb\xbf" HEADER, MALFORMED},
        {"half an object", "{\"alg\":\"RS256\",\"kid\":\"rsa\"", MALFORMED},
        {"a trailing comma", "{\"alg\":\"RS256\",\"kid\":\"rsa\",}", MALFORMED},
        {"single quotes", "{'alg':'RS256','kid':'rsa'}", MALFORMED},
        {"a comment", "{/**/\"alg\":\"RS256\",\"kid\":\"rsa\"}", MALFORMED},
        {"bad UTF-8", RSA_MORE("\"a\":\"\xff\""), MALFORMED},
        {"overlong UTF-8", RSA_MORE("\"a\":\"\xc0\xaf\""), MALFORMED},
        {"half a surrogate pair", RSA_MORE("\"a\":\"\\ud800\""), MALFORMED},
        {"a raw newline", RSA_MORE("\"a\":\"\n\""), MALFORMED},
        {"a depth of nine", RSA_MORE("\"a\":[[[[[[[[1]]]]]]]]"), MALFORMED},
        {"a number out of range", RSA_MORE("\"a\":1e999"), MALFORMED},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(freep)
        char *token = mint_token(key_of("rsa"), "RS256", cases[i].header, PAYLOAD);

        if (judge(token) != cases[i].expected)
            fail_msg("%s: %d, not %d", cases[i].why, judge(token), cases[i].expected);
    }
}

static void a_kid_has_at_most_256_bytes(void **state)
{
    (void)state;
    for (size_t len = KID_MAX; len <= KID_MAX + 1; len++) {
        CLEANUP(freep)
        char *token = NULL;
        char kid[KID_MAX + 2], header[KID_MAX + 64];

        memset(kid, 'k', len);
        kid[len] = '\0';
        snprintf(header, sizeof(header), "{\"alg\":\"RS256\",\"kid\":\"%s\"}", kid);
        token = mint_token(key_of("rsa"), "RS256", header, PAYLOAD);
        assert_int_equal(judge(token), len <= KID_MAX ? UNKNOWN : MALFORMED);
    }
}

static void payloads_are_one_strict_object(void **state)
{
    static const struct {
        const char *why, *payload;
        size_t len; /* 0: strlen(payload) */
        enum podlogin_status expected;
    } cases[] = {
        {"an empty object", "{}", 0, PODLOGIN_OK},
        {"an array", "[]", 0, MALFORMED},
        {"a string", "\"x\"", 0, MALFORMED},
        {"a number", "1", 0, MALFORMED},
        {"null", "null", 0, MALFORMED},
        {"only a space", " ", 0, MALFORMED},
        {"half an object", "{\"a\":", 0, MALFORMED},
        {"two objects", "{}{}", 0, MALFORMED},
        {"a NUL behind", "{}\0", 3, MALFORMED},
        {"a NUL inside", "{\"a\":\"\0\"}", 9, MALFORMED},
        {"an escaped NUL", "{\"a\":\"\\u0000\"}", 0, MALFORMED},
        {"a duplicate", "{\"a\":1,\"a\":2}", 0, MALFORMED},
        {"an escaped duplicate", "{\"a\":1,\"\\u0061\":2}", 0, MALFORMED},
        {"a depth of eight", "{\"a\":[[[[[[[1]]]]]]]}", 0, PODLOGIN_OK},
        {"a depth of nine", "{\"a\":[[[[[[[[1]]]]]]]]}", 0, MALFORMED},
        {"an integer over 64 bits", "{\"exp\":9223372036854775808}", 0, MALFORMED},
        {"an integer of 40 digits", "{\"exp\":1234567890123456789012345678901234567890}", 0,
         MALFORMED},
        {"a real out of range", "{\"exp\":1e999}", 0, MALFORMED},
        {"bad UTF-8", "{\"a\":\"\x80\"}", 0, MALFORMED},
        {"UTF-16", "{\0}\0", 4, MALFORMED},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        size_t payload_len = cases[i].len ? cases[i].len : strlen(cases[i].payload), len;
        CLEANUP(freep)
        char *input = mint_input(HEADER, strlen(HEADER), cases[i].payload, payload_len);
        CLEANUP(freep)
        char *token = NULL;
        uint8_t signature[512];

        mint_signature(key_of("rsa"), "RS256", input, strlen(input), signature, &len);
        token = mint_join(input, signature, len);
        if (judge(token) != cases[i].expected)
            fail_msg("%s: %d, not %d", cases[i].why, judge(token), cases[i].expected);
    }
}

/* %h, %p, %s: header, payload and signature of a good token; %0: a NUL. */
static size_t form_fill(const char *form, const char *token, char *ret_text)
{
    const char *first = strchr(token, '.'), *second = strrchr(token, '.');
    size_t len = 0;

    for (; *form; form++) {
        const char *from = form;
        size_t n = 1;

        if (*form == '%') {
            form++;
            from = *form == 'h' ? token : *form == 'p' ? first + 1 : second + 1;
            n = *form == 'h'   ? (size_t)(first - token)
                : *form == 'p' ? (size_t)(second - first - 1)
                               : strlen(second + 1);
            if (*form == '0') {
                from = "";
                n = 1;
            }
        }
        memcpy(ret_text + len, from, n);
        len += n;
    }
    return len;
}

static void a_token_has_three_parts_and_two_dots(void **state)
{
    static const struct {
        const char *form;
        enum podlogin_status expected;
    } cases[] = {
        {"%h.%p.%s", PODLOGIN_OK},
        {"", MALFORMED},
        {".", MALFORMED},
        {"..", MALFORMED},
        {"...", MALFORMED},
        {"....", MALFORMED},
        {"%h", MALFORMED},
        {"%h.", MALFORMED},
        {"%h.%p", MALFORMED},
        {"%h%p.%s", MALFORMED},
        {"%h.%p%s", MALFORMED},
        {"%h.%p.%s.", MALFORMED},
        {".%h.%p.%s", MALFORMED},
        {"%h..%p.%s", MALFORMED},
        {"%h.%p..%s", MALFORMED},
        {"%h.%p.%s.%s", MALFORMED},
        {"%h.%p.%s.%p.%s", MALFORMED},
        {".%p.%s", MALFORMED},
        {"%h..%s", MALFORMED},
        {"..%s", MALFORMED},
        {".%p.", MALFORMED},
        {"%h.%p.", SIGNATURE}, /* an empty signature: three parts, but not signed */
        {"%p.%h.%s", MALFORMED},
        {"%h.%h.%s", SIGNATURE},
        {"%s.%p.%h", MALFORMED},
        {"%h=.%p.%s", MALFORMED},
        {"%h==.%p.%s", MALFORMED},
        {"%h.%p=.%s", MALFORMED},
        {"%h.%p.%s=", MALFORMED},
        {"%h.%p.%s==", MALFORMED},
        {" %h.%p.%s", MALFORMED},
        {"%h.%p.%s ", MALFORMED},
        {"%h.%p.%s\n", MALFORMED},
        {"%h.%p.%s\r\n", MALFORMED},
        {"%h .%p.%s", MALFORMED},
        {"%h. %p.%s", MALFORMED},
        {"%h.%p. %s", MALFORMED},
        {"\t%h.%p.%s", MALFORMED},
        {"%h.%p.%s%0", MALFORMED},
        {"%0%h.%p.%s", MALFORMED},
        {"%h%0.%p.%s", MALFORMED},
        {"%h.%0%p.%s", MALFORMED},
        {"%h.%p.%0%s", MALFORMED},
        {"%h.%p.%s%0.x.y", MALFORMED},
        {"Bearer %h.%p.%s", MALFORMED},
        {"\"%h.%p.%s\"", MALFORMED},
        {"%h.%p.%s;", MALFORMED},
        {"%h,%p,%s", MALFORMED},
        {"%hA.%p.%s", MALFORMED},
        {"%h.%pA.%s", MALFORMED},
        {"%h.%p.%sA", SIGNATURE},
        {"%h.%p.%sAAAA", SIGNATURE},
        {"%h.%p.AAAA%s", SIGNATURE},
        {"%h.%p.%s%s", MALFORMED},
        {"%h.%p.%s%s%s", MALFORMED},
        {"%h.%p.%h", SIGNATURE},
        {"{\"protected\":\"%h\",\"payload\":\"%p\",\"signature\":\"%s\"}", MALFORMED},
    };
    CLEANUP(freep)
    char *token = good_token("RS256", 0);

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char text[4096];
        size_t len = form_fill(cases[i].form, token, text);
        enum podlogin_status status = judge_bytes(text, len);

        /* one more character means a bad length or bad trailing bits; both are refused */
        if (strcmp(cases[i].form, "%h.%p.%sA") == 0)
            assert_int_not_equal(status, PODLOGIN_OK);
        else if (status != cases[i].expected)
            fail_msg("%s: %d, not %d", cases[i].form, status, cases[i].expected);
    }
}

static void every_truncation_is_refused(void **state)
{
    CLEANUP(freep)
    char *token = good_token("ES256", 1);

    (void)state;
    for (size_t cut = 0; cut < strlen(token); cut++)
        if (judge_bytes(token, cut) == PODLOGIN_OK)
            fail_msg("accepted the first %zu bytes", cut);
}

static void every_flipped_bit_of_the_text_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(algorithms); i += 3) { /* RS256, PS256, ES256 */
        CLEANUP(freep)
        char *token = good_token(algorithms[i].alg, algorithms[i].key);
        size_t len = strlen(token);

        for (size_t bit = 0; bit < 8 * len; bit++) {
            token[bit / 8] ^= (char)(1 << bit % 8);
            if (judge_bytes(token, len) == PODLOGIN_OK)
                fail_msg("%s: accepted with bit %zu flipped", algorithms[i].alg, bit);
            token[bit / 8] ^= (char)(1 << bit % 8);
        }
        assert_int_equal(judge(token), PODLOGIN_OK);
    }
}

/* Each value has one spelling: the unused bits of the last character of a part must be zero. */
static void trailing_bits_that_are_not_zero_are_refused(void **state)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    static const struct {
        const char *header, *payload;
    } cases[] = {
        {HEADER, "{\"a\":1}"},
        {HEADER " ", "{\"a\":1} "},
        {HEADER "  ", "{\"a\":1}  "},
    };
    unsigned n_tried = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(freep)
        char *token = mint_token(key_of("rsa"), "RS256", cases[i].header, cases[i].payload);
        char *ends[] = {strchr(token, '.'), strrchr(token, '.'), token + strlen(token)};
        char *begins[] = {token, ends[0] + 1, ends[1] + 1};

        for (size_t part = 0; part < 3; part++) {
            size_t len = (size_t)(ends[part] - begins[part]);
            char *last = ends[part] - 1, before = *last;
            unsigned unused = len % 4 == 2 ? 16 : len % 4 == 3 ? 4 : 1;

            for (unsigned bits = 1; bits < unused; bits++, n_tried++) {
                *last = digits[(size_t)(strchr(digits, before) - digits) | bits];
                assert_int_equal(judge(token), MALFORMED);
            }
            *last = before;
        }
        assert_int_equal(judge(token), PODLOGIN_OK);
    }
    assert_true(n_tried > 30);
}

static void a_token_has_at_most_8192_bytes(void **state)
{
    (void)state;
    for (size_t extra = 0; extra < 2; extra++) {
        CLEANUP(freep)
        char *payload = calloc(1, 8192);
        CLEANUP(freep)
        char *token = NULL;
        char header[64] = HEADER;
        size_t len = 0;

        /* pads header and payload with spaces to the wanted length */
        for (size_t n_header = 0; n_header < 3 && len != PODLOGIN_JWT_MAX + extra; n_header++) {
            for (size_t n_payload = 5700; n_payload < 5900 && len != PODLOGIN_JWT_MAX + extra;
                 n_payload++) {
                size_t header_len = strlen(HEADER) + n_header;

                len = (4 * header_len + 2) / 3 + (4 * n_payload + 2) / 3 + 342 + 2;
                memset(payload, ' ', n_payload);
                memcpy(payload, "{}", 2);
                payload[n_payload] = '\0';
                snprintf(header, sizeof(header), "%-*s", (int)header_len, HEADER);
            }
        }
        token = mint_token(key_of("rsa"), "RS256", header, payload);
        assert_int_equal(strlen(token), PODLOGIN_JWT_MAX + extra);
        assert_int_equal(judge(token), extra ? MALFORMED : PODLOGIN_OK);
    }
}

static void an_algorithm_works_with_its_own_key_type_only(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++) {
        for (size_t key = 0; key < 4; key++) {
            CLEANUP(freep)
            char *token = NULL;
            char header[128];
            bool fits = algorithms[i].key == key;

            snprintf(header, sizeof(header), "{\"alg\":\"%s\",\"kid\":\"%s\"}", algorithms[i].alg,
                     kinds[key].kid);
            token = mint_token(pkeys[algorithms[i].key], algorithms[i].alg, header, PAYLOAD);
            if (judge(token) != (fits ? PODLOGIN_OK : ALGORITHM))
                fail_msg("%s with the key %s: %d", algorithms[i].alg, kinds[key].kid, judge(token));
        }
    }
}

/* The header names one algorithm; the signature was made with another one of the same key type. */
static void the_algorithm_in_the_header_is_used(void **state)
{
    (void)state;
    for (size_t named = 0; named < 6; named++) {
        for (size_t used = 0; used < 6; used++) {
            CLEANUP(freep)
            char *token = NULL;
            char header[128];

            snprintf(header, sizeof(header), "{\"alg\":\"%s\",\"kid\":\"rsa\"}",
                     algorithms[named].alg);
            token = mint_token(pkeys[0], algorithms[used].alg, header, PAYLOAD);
            assert_int_equal(judge(token), named == used ? PODLOGIN_OK : SIGNATURE);
        }
    }
}

static void a_key_may_be_restricted_to_one_algorithm(void **state)
{
    struct jwk *key = jwks_find(&jwks, "rsa");
    unsigned before = key->algorithms;

    (void)state;
    key->algorithms = 1u << ALGORITHM_RS512;
    for (size_t i = 0; i < 6; i++) {
        CLEANUP(freep)
        char *token = good_token(algorithms[i].alg, 0);

        assert_int_equal(judge(token), i == 2 ? PODLOGIN_OK : ALGORITHM);
    }
    key->algorithms = before;
}

static void another_key_with_the_same_kid_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++) {
        CLEANUP(freep)
        char *token = NULL;
        char header[128];

        snprintf(header, sizeof(header), "{\"alg\":\"%s\",\"kid\":\"%s\"}", algorithms[i].alg,
                 kinds[algorithms[i].key].kid);
        token = mint_token(strangers[algorithms[i].key], algorithms[i].alg, header, PAYLOAD);
        assert_int_equal(judge(token), SIGNATURE);
    }
}

/* CVE-2015-9235: if the public key were used as an HMAC key, anybody could sign. */
static void hmac_keyed_with_the_public_key_is_refused(void **state)
{
    static const char *const names[] = {"HS256", "HS384", "HS512", "RS256", "ES256"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        CLEANUP(freep)
        char *input = NULL, *token = NULL;
        BIO *pem = BIO_new(BIO_s_mem());
        char header[128], *key;
        uint8_t mac[64];
        unsigned mac_len;
        long key_len;

        assert_int_equal(PEM_write_bio_PUBKEY(pem, pkeys[0]), 1);
        key_len = BIO_get_mem_data(pem, &key);
        snprintf(header, sizeof(header), "{\"alg\":\"%s\",\"kid\":\"rsa\"}", names[i]);
        input = mint_input(header, strlen(header), PAYLOAD, strlen(PAYLOAD));
        assert_non_null(HMAC(EVP_sha256(), key, (int)key_len, (unsigned char *)input, strlen(input),
                             mac, &mac_len));
        token = mint_join(input, mac, mac_len);
        assert_int_equal(judge(token), names[i][0] == 'R' ? SIGNATURE : ALGORITHM);
        BIO_free(pem);
    }
}

struct raw {
    char *input;
    uint8_t signature[1024];
    size_t len;
};

static struct raw raw_of(const char *alg, size_t key)
{
    struct raw raw = {0};
    char header[128];

    snprintf(header, sizeof(header), "{\"alg\":\"%s\",\"kid\":\"%s\"}", alg, kinds[key].kid);
    raw.input = mint_input(header, strlen(header), PAYLOAD, strlen(PAYLOAD));
    mint_signature(pkeys[key], alg, raw.input, strlen(raw.input), raw.signature, &raw.len);
    return raw;
}

static enum podlogin_status raw_judge(const struct raw *raw, const uint8_t *signature, size_t len)
{
    CLEANUP(freep)
    char *token = mint_join(raw->input, signature, len);

    return judge(token);
}

static void every_flipped_bit_of_a_signature_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++) {
        struct raw raw = raw_of(algorithms[i].alg, algorithms[i].key);

        for (size_t bit = 0; bit < 8 * raw.len; bit += i % 3 ? 7 : 1) {
            raw.signature[bit / 8] ^= (uint8_t)(1 << bit % 8);
            if (raw_judge(&raw, raw.signature, raw.len) != SIGNATURE)
                fail_msg("%s: bit %zu", algorithms[i].alg, bit);
            raw.signature[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        assert_int_equal(raw_judge(&raw, raw.signature, raw.len), PODLOGIN_OK);
        free(raw.input);
    }
}

static void signatures_of_another_length_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++) {
        struct raw raw = raw_of(algorithms[i].alg, algorithms[i].key);
        size_t half = raw.len / 2;
        uint8_t longer[1100] = {0};

        for (size_t len = 0; len < raw.len + 8 && len <= SIGNATURE_MAX; len++)
            if (len != raw.len)
                assert_int_equal(raw_judge(&raw, raw.signature, len), SIGNATURE);
        memcpy(longer + 1, raw.signature, raw.len); /* a leading zero does not change the number */
        assert_int_equal(raw_judge(&raw, longer, raw.len + 1), SIGNATURE);
        memcpy(longer + 1, raw.signature, half); /* neither do leading zeros of both numbers */
        longer[half + 1] = 0;
        memcpy(longer + half + 2, raw.signature + half, half);
        assert_int_equal(raw_judge(&raw, longer, raw.len + 2), SIGNATURE);
        assert_int_equal(raw_judge(&raw, longer, SIGNATURE_MAX + 1), MALFORMED);
        free(raw.input);
    }
}

static void forged_rsa_signatures_are_refused(void **state)
{
    struct raw raw = raw_of("RS256", 0);
    uint8_t junk[512] = {0};

    (void)state;
    assert_int_equal(raw_judge(&raw, junk, raw.len), SIGNATURE);
    junk[raw.len - 1] = 1; /* 1 to any power is 1 */
    assert_int_equal(raw_judge(&raw, junk, raw.len), SIGNATURE);
    memset(junk, 0xff, raw.len); /* greater than the modulus */
    assert_int_equal(raw_judge(&raw, junk, raw.len), SIGNATURE);
    free(raw.input);
}

static void salts_of_another_length_are_refused(void **state)
{
    static const char header[] = "{\"alg\":\"PS256\",\"kid\":\"rsa\"}";
    static const int salts[] = {0, 1, 20, 31, 32, 33, 64, 222};
    CLEANUP(freep)
    char *input = mint_input(header, strlen(header), PAYLOAD, strlen(PAYLOAD));

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(salts); i++) {
        CLEANUP(freep)
        char *token = NULL;
        uint8_t signature[512];
        size_t len;

        mint_signature_salted(pkeys[0], salts[i], input, strlen(input), signature, &len);
        token = mint_join(input, signature, len);
        assert_int_equal(judge(token), salts[i] == 32 ? PODLOGIN_OK : SIGNATURE);
    }
}

/* Writes the order n of a curve, in @width bytes. */
static void order_of(int nid, uint8_t *ret_bytes, size_t width)
{
    EC_GROUP *group = EC_GROUP_new_by_curve_name(nid);

    assert_int_equal(BN_bn2binpad(EC_GROUP_get0_order(group), ret_bytes, (int)width), (int)width);
    EC_GROUP_free(group);
}

static void forged_ecdsa_signatures_are_refused(void **state)
{
    static const int nids[] = {NID_X9_62_prime256v1, NID_secp384r1, NID_secp521r1};

    (void)state;
    for (size_t i = 6; i < ARRAY_SIZE(algorithms); i++) {
        struct raw raw = raw_of(algorithms[i].alg, algorithms[i].key);
        size_t half = raw.len / 2;
        uint8_t n[66], bytes[132];

        order_of(nids[i - 6], n, half);
        /* CVE-2022-21449: r = s = 0 */
        memset(bytes, 0, raw.len);
        assert_int_equal(raw_judge(&raw, bytes, raw.len), SIGNATURE);
        memcpy(bytes, raw.signature, half); /* s = 0 */
        assert_int_equal(raw_judge(&raw, bytes, raw.len), SIGNATURE);
        memset(bytes, 0, half); /* r = 0 */
        memcpy(bytes + half, raw.signature + half, half);
        assert_int_equal(raw_judge(&raw, bytes, raw.len), SIGNATURE);
        memcpy(bytes, n, half); /* r = n, s = n */
        memcpy(bytes + half, n, half);
        assert_int_equal(raw_judge(&raw, bytes, raw.len), SIGNATURE);
        memcpy(bytes, raw.signature, half); /* s = n */
        assert_int_equal(raw_judge(&raw, bytes, raw.len), SIGNATURE);
        memcpy(bytes, raw.signature + half, half); /* s and r swapped */
        memcpy(bytes + half, raw.signature, half);
        assert_int_equal(raw_judge(&raw, bytes, raw.len), SIGNATURE);
        memset(bytes, 0xff, raw.len);
        assert_int_equal(raw_judge(&raw, bytes, raw.len), SIGNATURE);
        memset(bytes, 0, raw.len); /* r = s = 1 */
        bytes[half - 1] = bytes[raw.len - 1] = 1;
        assert_int_equal(raw_judge(&raw, bytes, raw.len), SIGNATURE);
        free(raw.input);
    }
}

static void ecdsa_signatures_in_der_are_refused(void **state)
{
    (void)state;
    for (size_t i = 6; i < ARRAY_SIZE(algorithms); i++) {
        struct raw raw = raw_of(algorithms[i].alg, algorithms[i].key);
        ECDSA_SIG *pair = ECDSA_SIG_new();
        int half = (int)raw.len / 2, len;
        uint8_t der[160], *at = der;

        assert_int_equal(ECDSA_SIG_set0(pair, BN_bin2bn(raw.signature, half, NULL),
                                        BN_bin2bn(raw.signature + half, half, NULL)),
                         1);
        len = i2d_ECDSA_SIG(pair, &at);
        assert_true(len > 0);
        assert_int_equal(raw_judge(&raw, der, (size_t)len), SIGNATURE);
        memset(der + len, 0, sizeof(der) - (size_t)len);
        assert_int_equal(raw_judge(&raw, der, raw.len), SIGNATURE); /* cut or padded to length */
        ECDSA_SIG_free(pair);
        free(raw.input);
    }
}

static void only_the_result_1_of_openssl_means_valid(void **state)
{
    static const int results[] = {0, -1, -2, 2, INT_MIN};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++) {
        CLEANUP(freep)
        char *token = good_token(algorithms[i].alg, algorithms[i].key);

        for (size_t j = 0; j < ARRAY_SIZE(results); j++) {
            forced_result = results[j];
            assert_int_equal(judge(token), SIGNATURE);
        }
        forced_result = INT_MAX;
        assert_int_equal(judge(token), PODLOGIN_OK);
    }
}

/* Keys keep their contexts: what one has verified, or refused, changes nothing for the next. */
static void the_order_of_tokens_does_not_matter(void **state)
{
    (void)state;
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++) {
            CLEANUP(freep)
            char *good = good_token(algorithms[i].alg, algorithms[i].key);
            CLEANUP(freep)
            char *bad = strdup(good);
            char *at = strrchr(bad, '.') + 5;

            *at = *at == 'A' ? 'B' : 'A';
            assert_int_equal(judge(bad), SIGNATURE);
            assert_int_equal(judge(good), PODLOGIN_OK);
            assert_int_equal(judge(bad), SIGNATURE);
            assert_int_equal(judge(bad), SIGNATURE);
            assert_int_equal(judge(good), PODLOGIN_OK);
        }
    }
}

static void a_signature_of_another_token_is_refused(void **state)
{
    static const char header[] = "{\"alg\":\"RS256\",\"kid\":\"rsa\"}";
    CLEANUP(freep)
    char *one = mint_token(pkeys[0], "RS256", header, "{\"sub\":\"one\"}");
    CLEANUP(freep)
    char *two = mint_token(pkeys[0], "RS256", header, "{\"sub\":\"two\"}");

    (void)state;
    assert_int_equal(judge(one), PODLOGIN_OK);
    assert_int_equal(strlen(one), strlen(two));
    strcpy(strrchr(one, '.'), strrchr(two, '.'));
    assert_int_equal(judge(one), SIGNATURE);
}

static void a_payload_may_be_opaque_if_only_the_signature_counts(void **state)
{
    CLEANUP(freep)
    char *token = NULL;
    char header[128];
    struct refusal refusal = {0};
    struct jws jws;

    (void)state;
    snprintf(header, sizeof(header), "{\"alg\":\"RS256\",\"kid\":\"%s\"}", kinds[0].kid);
    token = mint_token(pkeys[0], "RS256", header, "not an object");
    assert_int_equal(judge(token), PODLOGIN_TOKEN_MALFORMED);
    assert_int_equal(jws_parse_opaque(token, strlen(token), &jws, &refusal), PODLOGIN_OK);
    assert_null(jws.payload);
    assert_int_equal(jws_verify(&jws, token, jwks_find(&jwks, jws.kid)), PODLOGIN_OK);
    token[jws.signed_len - 1] ^= 1;
    assert_int_equal(jws_verify(&jws, token, jwks_find(&jwks, jws.kid)),
                     PODLOGIN_TOKEN_BAD_SIGNATURE);
    jws_done(&jws);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_nine_algorithms_are_accepted),
        cmocka_unit_test(the_payload_is_the_one_that_was_signed),
        cmocka_unit_test(headers_are_checked_strictly),
        cmocka_unit_test(a_kid_has_at_most_256_bytes),
        cmocka_unit_test(payloads_are_one_strict_object),
        cmocka_unit_test(a_token_has_three_parts_and_two_dots),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(every_flipped_bit_of_the_text_is_refused),
        cmocka_unit_test(trailing_bits_that_are_not_zero_are_refused),
        cmocka_unit_test(a_token_has_at_most_8192_bytes),
        cmocka_unit_test(an_algorithm_works_with_its_own_key_type_only),
        cmocka_unit_test(the_algorithm_in_the_header_is_used),
        cmocka_unit_test(a_key_may_be_restricted_to_one_algorithm),
        cmocka_unit_test(another_key_with_the_same_kid_is_refused),
        cmocka_unit_test(hmac_keyed_with_the_public_key_is_refused),
        cmocka_unit_test(every_flipped_bit_of_a_signature_is_refused),
        cmocka_unit_test(signatures_of_another_length_are_refused),
        cmocka_unit_test(forged_rsa_signatures_are_refused),
        cmocka_unit_test(salts_of_another_length_are_refused),
        cmocka_unit_test(forged_ecdsa_signatures_are_refused),
        cmocka_unit_test(ecdsa_signatures_in_der_are_refused),
        cmocka_unit_test(only_the_result_1_of_openssl_means_valid),
        cmocka_unit_test(the_order_of_tokens_does_not_matter),
        cmocka_unit_test(a_signature_of_another_token_is_refused),
        cmocka_unit_test(a_payload_may_be_opaque_if_only_the_signature_counts),
    };

    log_init("test_jws", -1);
    return cmocka_run_group_tests(tests, keys_make, keys_free);
}
