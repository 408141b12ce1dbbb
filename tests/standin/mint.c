#include "standin/mint.h"

#include <openssl/hmac.h>
#include <string.h>
#include <unistd.h>

#include "standin/claims.h"
#include "standin/encoding.h"
#include "standin/memory.h"
#include "standin/pem.h"
#include "standin/standin.h"

#define COUNT_MAX      (100 * 1000)
#define WORKERS_MAX    16
#define WORTH_A_WORKER 16 /* tokens; starting a thread for fewer costs more than it saves */

enum mint_signature {
    SIGN_CURRENT,
    SIGN_ROGUE,        /* the header names the current key, but an unpublished key signs */
    SIGN_PREVIOUS,     /* the key that the latest rotation retired */
    SIGN_NONE,         /* RFC 7518, section 3.6 */
    SIGN_HS256_PUBLIC, /* the public key as an HMAC secret */
    SIGN_CORRUPT,      /* one bit of the signature is flipped */
    MINT_SIGNATURES,
};

static const char *const signature_names[MINT_SIGNATURES] = {
    [SIGN_CURRENT] = "current",           [SIGN_ROGUE] = "rogue",
    [SIGN_PREVIOUS] = "previous",         [SIGN_NONE] = "none",
    [SIGN_HS256_PUBLIC] = "hs256-public", [SIGN_CORRUPT] = "corrupt",
};

/* Tokens that the same key signs. Several threads share the work. */
struct batch {
    struct standin *standin;
    enum mint_signature signature;
    const struct key *key;
    const char *secret; /* SIGN_HS256_PUBLIC only */
    char **inputs;      /* encoded header and payload of each */
    char **tokens;      /* NULL on failure */
    size_t n;
    atomic_size_t next;
};

/* Encodes @json as one part of a compact JWS. */
static char *part_encode(const json_t *json)
{
    CLEANUP(freep) char *text = must(json_dumps(json, JSON_COMPACT));

    return base64url_encode(text, strlen(text));
}

static char *batch_sign(const struct batch *batch, const char *input)
{
    CLEANUP(freep) uint8_t *signature = NULL;
    CLEANUP(freep) char *encoded = NULL;
    unsigned mac_len = 0;
    size_t len = 0;

    if (batch->signature == SIGN_NONE)
        return must_print("%s.", input);
    if (batch->signature == SIGN_HS256_PUBLIC) {
        signature = must_alloc(EVP_MAX_MD_SIZE);
        must(HMAC(EVP_sha256(), batch->secret, (int)strlen(batch->secret), (const uint8_t *)input,
                  strlen(input), signature, &mac_len));
        len = mac_len;
    } else if (jws_sign(batch->key->algorithm, batch->key->pair, input, &signature, &len) < 0) {
        return NULL;
    }
    if (batch->signature == SIGN_CORRUPT)
        signature[len / 2] ^= 0x10;
    encoded = base64url_encode(signature, len);
    return must_print("%s.%s", input, encoded);
}

static void *batch_work(void *userdata)
{
    struct batch *batch = userdata;

    while (!atomic_load(&batch->standin->is_stopping)) {
        size_t i = atomic_fetch_add(&batch->next, 1);

        if (i >= batch->n)
            break;
        batch->tokens[i] = batch_sign(batch, batch->inputs[i]);
    }
    return NULL;
}

/* An RSA signature takes half a millisecond, and load tests need thousands: use all processors. */
static void batch_run(struct batch *batch)
{
    size_t wanted = batch->n / WORTH_A_WORKER;
    size_t processors = (size_t)sysconf(_SC_NPROCESSORS_ONLN);
    pthread_t threads[WORKERS_MAX];
    size_t started = 0;

    if (wanted > processors - 1)
        wanted = processors - 1;
    if (wanted > WORKERS_MAX)
        wanted = WORKERS_MAX;
    while (started < wanted && pthread_create(&threads[started], NULL, batch_work, batch) == 0)
        started++;
    batch_work(batch);
    while (started > 0)
        pthread_join(threads[--started], NULL);
}

static const char *header_algorithm(const struct batch *batch)
{
    if (batch->signature == SIGN_NONE)
        return "none";
    return batch->signature == SIGN_HS256_PUBLIC ? "HS256" : batch->key->algorithm->name;
}

/* Builds what is signed. @named is the key that the header names, which need not be the signer. */
static void batch_fill(struct batch *batch, const struct claims_spec *spec, json_t *changes,
                       const struct key *named)
{
    CLEANUP(json_decrefp)
    json_t *header =
        must(json_pack("{s:s, s:s}", "alg", header_algorithm(batch), "kid", named->kid));
    CLEANUP(freep) char *header_part = NULL;

    claims_change(header, changes);
    header_part = part_encode(header);
    for (size_t i = 0; i < batch->n; i++) {
        CLEANUP(json_decrefp) json_t *claims = claims_make(spec, issuer_url(batch->standin), i);
        CLEANUP(freep) char *payload = part_encode(claims);

        batch->inputs[i] = must_print("%s.%s", header_part, payload);
    }
}

/* Returns false when a token could not be signed. */
static bool batch_collect(struct batch *batch, json_t **ret_tokens)
{
    CLEANUP(json_decrefp) json_t *tokens = must(json_array());

    for (size_t i = 0; i < batch->n; i++) {
        if (!batch->tokens[i])
            return false;
        must_json(json_array_append_new(tokens, json_string(batch->tokens[i])));
    }
    *ret_tokens = TAKE_PTR(tokens);
    return true;
}

static void batch_done(struct batch *batch)
{
    for (size_t i = 0; i < batch->n; i++) {
        free(batch->inputs[i]);
        free(batch->tokens[i]);
    }
    free(batch->inputs);
    free(batch->tokens);
}

/* Returns a reference to the key that signs, or NULL when there is none. */
static struct key *signer_find(struct keyring *keyring, const struct jws_algorithm *algorithm,
                               enum mint_signature signature)
{
    if (signature == SIGN_PREVIOUS)
        return keyring_previous(keyring, algorithm);
    if (signature == SIGN_ROGUE)
        return keyring_rogue(keyring, algorithm);
    return keyring_current(keyring, algorithm);
}

static char *signature_read(const char *name, enum mint_signature *ret_signature)
{
    for (int i = 0; i < MINT_SIGNATURES; i++) {
        if (strcmp(signature_names[i], name) == 0) {
            *ret_signature = (enum mint_signature)i;
            return NULL;
        }
    }
    return must_print("unknown sign: %s", name);
}

/* How to sign: the fields of POST /mint that do not describe the claims. */
struct signing_spec {
    const struct jws_algorithm *algorithm;
    enum mint_signature signature;
    json_t *header; /* changes to it, or NULL */
    int count;
};

static char *signing_spec_read(json_t *json, struct signing_spec *ret_signing)
{
    const char *algorithm = "RS256";
    const char *signature = "current";
    json_t *header = NULL;
    json_error_t json_error;
    int count = 1;
    char *error;

    if (json_unpack_ex(json, &json_error, 0, "{s?s, s?s, s?o, s?i}", "alg", &algorithm, "sign",
                       &signature, "header", &header, "count", &count) < 0)
        return must_copy(json_error.text);
    if (header && !json_is_object(header))
        return must_copy("header is not an object");
    if (count < 1 || count > COUNT_MAX)
        return must_copy("count is out of range");
    error = signature_read(signature, &ret_signing->signature);
    if (error)
        return error;
    ret_signing->algorithm = jws_algorithm_find(algorithm);
    ret_signing->header = header;
    ret_signing->count = count;
    return ret_signing->algorithm ? NULL : must_print("unknown alg: %s", algorithm);
}

char *mint_tokens(struct standin *standin, json_t *json, json_t **ret_tokens)
{
    struct claims_spec claims = {0};
    struct signing_spec signing = {0};
    CLEANUP(key_unrefp) struct key *current = NULL;
    CLEANUP(key_unrefp) struct key *signer = NULL;
    CLEANUP(freep) char *secret = NULL;
    struct batch batch = {.standin = standin};
    char *error;
    bool is_signed;

    error = claims_spec_read(json, &claims);
    if (!error)
        error = signing_spec_read(json, &signing);
    if (error)
        return error;
    current = keyring_current(&standin->keyring, signing.algorithm);
    signer = signer_find(&standin->keyring, signing.algorithm, signing.signature);
    if (!current || !signer)
        return must_print("there is no such key for %s", signing.algorithm->name);
    secret = pem_of_public_key(current->pair);

    batch.signature = signing.signature;
    batch.key = signer;
    batch.secret = secret;
    batch.n = (size_t)signing.count;
    batch.inputs = must_alloc(batch.n * sizeof(*batch.inputs));
    batch.tokens = must_alloc(batch.n * sizeof(*batch.tokens));
    batch_fill(&batch, &claims, signing.header, signing.signature == SIGN_ROGUE ? current : signer);
    batch_run(&batch);
    is_signed = batch_collect(&batch, ret_tokens);
    batch_done(&batch);
    return is_signed ? NULL : must_copy("cannot sign with this key");
}
