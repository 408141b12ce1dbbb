#include "standin/trust.h"

#include <string.h>

#include "standin/memory.h"

void trust_init(struct trust *trust, pthread_mutex_t *lock)
{
    *trust = (struct trust){.lock = lock, .issuers = must(json_object())};
}

void trust_done(struct trust *trust)
{
    json_decref(trust->issuers);
}

char *trust_check(const json_t *keys)
{
    json_t *jwk;
    size_t i;

    if (!json_is_array(keys))
        return must_copy("keys is not a key set");
    json_array_foreach(keys, i, jwk)
    {
        CLEANUP(key_unrefp) struct key *key = key_import(jwk);

        if (!key)
            return must_print("key %zu cannot be used", i);
    }
    return NULL;
}

char *trust_set(struct trust *trust, const json_t *in)
{
    const json_t *list = json_object_get(in, "issuers");
    json_t *issuers = must(json_object()), *issuer;
    char *error = json_is_array(list) ? NULL : must_copy("issuers is not an array");
    size_t i;

    json_array_foreach(list, i, issuer)
    {
        const char *url = json_string_value(json_object_get(issuer, "url"));
        json_t *keys = json_object_get(json_object_get(issuer, "keys"), "keys");

        if (error)
            break;
        error = url ? trust_check(keys) : must_copy("an issuer has no url");
        if (!error)
            must_json(json_object_set_new(issuers, url, json_deep_copy(keys)));
    }
    if (!error) {
        json_t *old = trust->issuers;

        pthread_mutex_lock(trust->lock);
        trust->issuers = issuers;
        pthread_mutex_unlock(trust->lock);
        issuers = old;
    }
    json_decref(issuers);
    return error;
}

void trust_put(struct trust *trust, const char *url, const json_t *keys)
{
    if (keys)
        must_json(json_object_set_new(trust->issuers, url, json_deep_copy(keys)));
    else
        json_object_del(trust->issuers, url);
}

bool trust_has(struct trust *trust, const char *issuer)
{
    bool is_trusted;

    pthread_mutex_lock(trust->lock);
    is_trusted = json_object_get(trust->issuers, issuer);
    pthread_mutex_unlock(trust->lock);
    return is_trusted;
}

struct key *trust_find(struct trust *trust, const char *issuer, const char *kid)
{
    struct key *key = NULL;
    json_t *jwk;
    size_t i;

    pthread_mutex_lock(trust->lock);
    json_array_foreach(json_object_get(trust->issuers, issuer), i, jwk)
    {
        const char *name = json_string_value(json_object_get(jwk, "kid"));

        if (!key && name && strcmp(name, kid) == 0)
            key = key_import(jwk);
    }
    pthread_mutex_unlock(trust->lock);
    return key;
}
