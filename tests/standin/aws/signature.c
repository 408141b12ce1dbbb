#include "standin/aws/signature.h"

#include <ctype.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "standin/aws/sts.h"
#include "standin/encoding.h"
#include "standin/memory.h"
#include "standin/standin.h"

#define ALGORITHM  "AWS4-HMAC-SHA256"
#define SKEW_MAX_S (15 * 60)

/* "AWS4-HMAC-SHA256 Credential=ID/DATE/REGION/SERVICE/aws4_request, SignedHeaders=a;b,
 * Signature=HEX" */
struct authorization {
    char *text; /* a copy, cut into these */
    char *key_id;
    char *date;
    char *region;
    char *service;
    char *headers;
    char *signature;
};

static char *after(char *text, const char *prefix)
{
    size_t len = strlen(prefix);

    while (*text == ' ')
        text++;
    return strncmp(text, prefix, len) == 0 ? text + len : NULL;
}

static bool scope_split(struct authorization *into, char *scope)
{
    char *state = NULL, *last;

    into->key_id = strtok_r(scope, "/", &state);
    into->date = strtok_r(NULL, "/", &state);
    into->region = strtok_r(NULL, "/", &state);
    into->service = strtok_r(NULL, "/", &state);
    last = strtok_r(NULL, "/", &state);
    return last && strcmp(last, "aws4_request") == 0;
}

static bool authorization_split(const char *header, struct authorization *into)
{
    char *state = NULL, *part, *rest;
    char *scope = NULL;

    into->text = must_copy(header);
    rest = after(into->text, ALGORITHM " ");
    for (part = rest ? strtok_r(rest, ",", &state) : NULL; part;
         part = strtok_r(NULL, ",", &state)) {
        char *value;

        if ((value = after(part, "Credential=")))
            scope = value;
        else if ((value = after(part, "SignedHeaders=")))
            into->headers = value;
        else if ((value = after(part, "Signature=")))
            into->signature = value;
    }
    return scope && scope_split(into, scope) && into->headers && into->signature;
}

/* Appends @text and a newline to *@into. */
static void append(char **into, const char *text)
{
    char *longer = must_print("%s%s\n", *into, text);

    free(*into);
    *into = longer;
}

static char *sha256_hex(const char *bytes, size_t len)
{
    uint8_t digest[SHA256_DIGEST_LENGTH];

    SHA256((const uint8_t *)bytes, len, digest);
    return hex_encode(digest, sizeof(digest));
}

/* "name:value" with blanks at the ends dropped and others joined; NULL: there is no such header. */
static char *header_canonical(const struct request *request, const char *name)
{
    const char *value = request_header(request, name);
    char *text, *out;

    if (!value)
        return NULL;
    text = must_print("%s:%s", name, value);
    out = text + strlen(name) + 1;
    for (value += strspn(value, " "); *value; value++)
        if (*value != ' ' || (value[1] != ' ' && value[1] != '\0'))
            *out++ = *value;
    *out = '\0';
    return text;
}

/* Returns NULL when a signed header is missing, or host is not signed. */
static char *request_canonical(const struct request *request, const char *signed_headers)
{
    CLEANUP(freep) char *names = must_copy(signed_headers);
    CLEANUP(freep) char *hash = sha256_hex(request->body, request->body_bytes);
    CLEANUP(freep) char *text = must_print("%s\n%s\n\n", request->method, request->path);
    bool has_host = false;
    char *state = NULL;
    char *canonical;

    for (char *name = strtok_r(names, ";", &state); name; name = strtok_r(NULL, ";", &state)) {
        CLEANUP(freep) char *header = header_canonical(request, name);

        if (!header)
            return NULL;
        has_host = has_host || strcmp(name, "host") == 0;
        append(&text, header);
    }
    canonical = must_print("%s\n%s\n%s", text, signed_headers, hash);
    return has_host ? canonical : (free(canonical), NULL);
}

static void hmac(uint8_t key[EVP_MAX_MD_SIZE], size_t key_len, const char *text)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned len;

    must(HMAC(EVP_sha256(), key, (int)key_len, (const uint8_t *)text, strlen(text), digest, &len));
    memcpy(key, digest, len);
}

static char *signature_new(const struct authorization *authorization, const char *secret,
                           const char *moment, const char *canonical)
{
    CLEANUP(freep) char *hash = sha256_hex(canonical, strlen(canonical));
    CLEANUP(freep)
    char *text =
        must_print(ALGORITHM "\n%s\n%s/%s/%s/aws4_request\n%s", moment, authorization->date,
                   authorization->region, authorization->service, hash);
    CLEANUP(freep) char *first = must_print("AWS4%s", secret);
    uint8_t key[EVP_MAX_MD_SIZE] = {0};

    memcpy(key, first, strlen(first)); /* 44 bytes */
    hmac(key, strlen(first), authorization->date);
    hmac(key, SHA256_DIGEST_LENGTH, authorization->region);
    hmac(key, SHA256_DIGEST_LENGTH, authorization->service);
    hmac(key, SHA256_DIGEST_LENGTH, "aws4_request");
    hmac(key, SHA256_DIGEST_LENGTH, text);
    return hex_encode(key, SHA256_DIGEST_LENGTH);
}

/* Whether @moment, as in X-Amz-Date, is about now, and on the day @date. */
static bool is_now(const char *moment, const char *date)
{
    struct tm parts = {0};
    const char *end = strptime(moment, "%Y%m%dT%H%M%SZ", &parts);
    double late_s = end && *end == '\0' ? difftime(time(NULL), timegm(&parts)) : SKEW_MAX_S + 1;

    return late_s >= -SKEW_MAX_S && late_s <= SKEW_MAX_S && strlen(date) == 8 &&
           strncmp(moment, date, 8) == 0;
}

static const char *verify(const struct request *request, const struct authorization *authorization,
                          const json_t *record)
{
    const char *moment = request_header(request, "X-Amz-Date");
    CLEANUP(freep) char *canonical = request_canonical(request, authorization->headers);
    CLEANUP(freep) char *expected = NULL;

    if (!moment || !canonical)
        return "IncompleteSignature";
    if (!record || strcmp(token_member(record, "kind"), STS_KIND) != 0 ||
        strcmp(token_member(record, "access_key_id"), authorization->key_id) != 0)
        return "InvalidClientTokenId";
    expected =
        signature_new(authorization, token_member(record, "secret_access_key"), moment, canonical);
    if (strlen(authorization->signature) != strlen(expected) ||
        CRYPTO_memcmp(expected, authorization->signature, strlen(expected)) != 0 ||
        strcmp(authorization->service, "sts") != 0 || !is_now(moment, authorization->date))
        return "SignatureDoesNotMatch";
    return token_is_valid(record) ? NULL : "ExpiredToken";
}

const char *signature_verify(const struct request *request, const struct tokens *tokens,
                             const json_t **ret_record)
{
    const char *header = request_header(request, "Authorization");
    const char *token = request_header(request, "X-Amz-Security-Token");
    struct authorization authorization = {0};
    const char *code = "IncompleteSignature";

    if (!header)
        return "MissingAuthenticationToken";
    if (!token)
        return "InvalidClientTokenId";
    if (authorization_split(header, &authorization)) {
        *ret_record = tokens_find(tokens, token);
        code = verify(request, &authorization, *ret_record);
    }
    free(authorization.text);
    return code;
}
