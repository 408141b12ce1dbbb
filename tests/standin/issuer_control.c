/* The calls that control the issuer: tokens to mint, keys, documents, revocations. */
#include <string.h>

#include "standin/control.h"
#include "standin/memory.h"
#include "standin/mint.h"
#include "standin/standin.h"

static char *on_mint(struct call *call)
{
    CLEANUP(json_decrefp) json_t *tokens = NULL;
    const char *raw = request_parameter(call->request, "raw");
    bool is_single = !json_object_get(call->in, "count");
    char *error = mint_tokens(call->standin, call->in, &tokens);

    if (error)
        return error;
    if (raw && strcmp(raw, "1") == 0) {
        if (!is_single)
            return must_copy("raw is for a single token");
        reply_text(call->reply, 200, "text/plain",
                   must_copy(json_string_value(json_array_get(tokens, 0))));
        return NULL;
    }
    if (is_single)
        return call_answer(call, json_pack("{s:O}", "token", json_array_get(tokens, 0)));
    return call_answer(call, json_pack("{s:O}", "tokens", tokens));
}

static char *on_rotate(struct call *call)
{
    const struct jws_algorithm *algorithm;
    const char *name = "RS256";
    json_error_t json_error;
    struct key *key;
    int keep_old = 1;
    json_t *out;

    if (json_unpack_ex(call->in, &json_error, JSON_STRICT, "{s?b, s?s}", "keep_old", &keep_old,
                       "alg", &name) < 0)
        return must_copy(json_error.text);
    algorithm = jws_algorithm_find(name);
    if (!algorithm)
        return must_print("unknown alg: %s", name);
    key = keyring_rotate(&call->standin->keyring, algorithm, keep_old);
    if (!key)
        return must_copy("cannot make a key");
    out = json_pack("{s:s}", "kid", key->kid);
    key_unref(key);
    return call_answer(call, out);
}

static char *call_set_document(struct call *call, struct issuer_document *document)
{
    json_error_t json_error;
    json_t *body = NULL;

    if (json_unpack_ex(call->in, &json_error, JSON_STRICT, "{s?o}", "body", &body) < 0)
        return must_copy(json_error.text);
    if (body && !json_is_string(body))
        return must_copy("body is not a string");
    pthread_mutex_lock(&call->standin->lock);
    free(document->body);
    *document = (struct issuer_document){0};
    if (body) {
        document->body_bytes = json_string_length(body);
        document->body = must_alloc(document->body_bytes + 1);
        memcpy(document->body, json_string_value(body), document->body_bytes);
    }
    pthread_mutex_unlock(&call->standin->lock);
    return NULL;
}

static char *on_keys_document(struct call *call)
{
    return call_set_document(call, &call->standin->issuer.keys);
}

static char *on_discovery_document(struct call *call)
{
    return call_set_document(call, &call->standin->issuer.discovery);
}

static char *on_issuer_cache(struct call *call)
{
    json_t *max_age;
    json_error_t json_error;

    if (json_unpack_ex(call->in, &json_error, JSON_STRICT, "{s:o}", "max_age", &max_age) < 0)
        return must_copy(json_error.text);
    if (!json_is_null(max_age) &&
        (json_integer_value(max_age) < 0 || json_integer_value(max_age) > INT32_MAX ||
         !json_is_integer(max_age)))
        return must_copy("max_age is neither a number of seconds nor null");
    pthread_mutex_lock(&call->standin->lock);
    call->standin->issuer.max_age_s = json_is_null(max_age) ? -1 : (int)json_integer_value(max_age);
    pthread_mutex_unlock(&call->standin->lock);
    return NULL;
}

static char *on_revoke(struct call *call)
{
    const char *uid = NULL;
    json_error_t json_error;

    if (json_unpack_ex(call->in, &json_error, JSON_STRICT, "{s?s}", "uid", &uid) < 0)
        return must_copy(json_error.text);
    pthread_mutex_lock(&call->standin->lock);
    if (uid)
        must_json(json_object_set_new(call->standin->issuer.revoked, uid, json_true()));
    else
        json_object_clear(call->standin->issuer.revoked);
    pthread_mutex_unlock(&call->standin->lock);
    return NULL;
}

const struct route issuer_routes[] = {
    {"POST", "/mint", on_mint},
    {"POST", "/keys/rotate", on_rotate},
    {"PUT", "/keys/document", on_keys_document},
    {"PUT", "/discovery/document", on_discovery_document},
    {"PUT", "/issuer/cache", on_issuer_cache},
    {"POST", "/revoke", on_revoke},
    {0},
};
