/* One token: parsing, the signature, and its expiry by both clocks. */
#include "identity/identity.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "config/config.h"

enum podlogin_status identities_parse(const void *jwt, size_t len, struct identity **ret_identity,
                                      struct refusal *ret_refusal)
{
    CLEANUP(identity_unrefp)
    struct identity *identity = calloc(1, sizeof(*identity));
    enum podlogin_status status;

    if (!identity)
        return refusal_set_status(ret_refusal, PODLOGIN_INTERNAL);
    identity->n_refs = 1;
    identity->expires_boot_usec = UINT64_MAX;
    list_init(&identity->age);
    identity->jwt = secret_new(jwt, len);
    identity->jws = calloc(1, sizeof(*identity->jws));
    if (!identity->jwt || !identity->jws || digest_of(jwt, len, &identity->digest) < 0)
        return refusal_set_status(ret_refusal, PODLOGIN_INTERNAL);
    status = jws_parse(jwt, len, identity->jws, ret_refusal);
    if (status != PODLOGIN_OK)
        return status;
    identity->payload = TAKE_PTR(identity->jws->payload);
    status = claims_read(identity->payload, &identity->claims, ret_refusal);
    if (status != PODLOGIN_OK)
        return status;
    *ret_identity = TAKE_PTR(identity);
    return PODLOGIN_OK;
}

/* The issuer withdrew the key that verified the token, so the signature is verified again. */
static int parse_again(struct identities *identities, struct identity *identity)
{
    struct jws *jws = calloc(1, sizeof(*jws));
    struct refusal refusal;

    if (!jws ||
        jws_parse((char *)identity->jwt->bytes, identity->jwt->len, jws, &refusal) != PODLOGIN_OK) {
        if (jws)
            jws_done(jws);
        free(jws);
        return -ENOMEM; /* the same bytes were parsed before, so only memory can be the problem */
    }
    free(TAKE_PTR(jws->payload));
    identity->jws = jws;
    jwk_unref(identity->key);
    identity->key = NULL;
    if (identity->is_remembered)
        identities_forget(identities, identity); /* the caller holds another reference */
    return 0;
}

static enum verification refused(struct refusal *ret_refusal, enum podlogin_status status)
{
    refusal_set_status(ret_refusal, status);
    return IDENTITY_REFUSED;
}

static enum verification refuse_without_key(const struct issuer *issuer, enum newer_keys newer,
                                            struct refusal *ret_refusal)
{
    if (issuer->jwks.n && newer == NEWER_KEYS_NONE)
        refusal_set_status(ret_refusal, PODLOGIN_TOKEN_UNKNOWN_KEY);
    else
        issuer_refuse(issuer, ret_refusal);
    return IDENTITY_REFUSED;
}

/* Remembers a key that is the wrong one: the caller may come back while it is still published. */
static enum podlogin_status verify_with(struct identity *identity, struct jwk *key)
{
    enum podlogin_status status;

    if (key == identity->wrong_key)
        return PODLOGIN_TOKEN_BAD_SIGNATURE;
    status = jws_verify(identity->jws, (char *)identity->jwt->bytes, key);
    if (status == PODLOGIN_TOKEN_BAD_SIGNATURE) {
        if (identity->wrong_key)
            jwk_unref(identity->wrong_key);
        identity->wrong_key = jwk_ref(key);
    }
    return status;
}

enum verification identity_verify(struct identities *identities, struct identity *identity,
                                  enum newer_keys newer, struct refusal *ret_refusal)
{
    struct issuer *issuer = identity->issuer;
    enum podlogin_status status;
    struct jwk *key;

    assert(issuer && identity->generation == identities->generation); /* else it may be freed */
    if (identity->key && !identity->key->is_withdrawn)
        return IDENTITY_VERIFIED;
    if (identity->key && parse_again(identities, identity) < 0)
        return refused(ret_refusal, PODLOGIN_INTERNAL);
    if (!(issuer->config->algorithms & 1u << identity->jws->algorithm))
        return refused(ret_refusal, PODLOGIN_TOKEN_BAD_ALGORITHM);
    key = jwks_find(&issuer->jwks, identity->jws->kid);
    status = key ? verify_with(identity, key) : PODLOGIN_TOKEN_UNKNOWN_KEY;
    /* an issuer may replace a key and keep its name */
    if (newer == NEWER_KEYS_LATER &&
        (status == PODLOGIN_TOKEN_UNKNOWN_KEY || status == PODLOGIN_TOKEN_BAD_SIGNATURE))
        return IDENTITY_NEEDS_KEYS;
    if (!key)
        return refuse_without_key(issuer, newer, ret_refusal);
    if (status != PODLOGIN_OK)
        return refused(ret_refusal, status);
    identity->key = jwk_ref(key);
    jws_done(identity->jws);
    free(TAKE_PTR(identity->jws));
    identities_remember(identities, identity);
    return IDENTITY_VERIFIED;
}

/*
 * The expiry by the boot clock is set when the times are first checked. Setting the wall clock back
 * afterwards does not prolong the token.
 */
static void date_expiry(struct identity *identity, struct now now)
{
    int64_t left_s = identity->claims.expires_at_s - now.wall_s;

    if (identity->expires_boot_usec == UINT64_MAX && left_s > 0 && left_s < JWT_LIFETIME_MAX_S)
        identity->expires_boot_usec = now.boot_usec + (uint64_t)left_s * SECOND_USEC;
}

bool identity_has_expired(const struct identity *identity, struct now now)
{
    return now.wall_s >= identity->claims.expires_at_s ||
           now.boot_usec >= identity->expires_boot_usec;
}

/*
 * The latest wall-clock time that is plausible: after the wall clock was set back, tokens do not
 * seem to be issued in the future. Only for times that must have been reached, "iat" and "nbf".
 */
static int64_t latest_s(struct identities *identities, struct now now)
{
    int64_t boot_s = (int64_t)(now.boot_usec / SECOND_USEC);

    if (now.wall_s - boot_s > identities->latest_offset_s)
        identities->latest_offset_s = now.wall_s - boot_s;
    return boot_s + identities->latest_offset_s;
}

enum podlogin_status identity_judge_time(struct identities *identities, struct identity *identity,
                                         struct now now, struct refusal *ret_refusal)
{
    date_expiry(identity, now);
    if (identity_has_expired(identity, now))
        return refusal_set_status(ret_refusal, PODLOGIN_TOKEN_EXPIRED);
    return claims_judge_time(&identity->claims, now.wall_s, latest_s(identities, now), ret_refusal);
}

struct identity *identity_ref(struct identity *identity)
{
    identity->n_refs++;
    return identity;
}

struct identity *identity_unref(struct identity *identity)
{
    if (!identity || --identity->n_refs > 0)
        return NULL;
    if (identity->jws) {
        jws_done(identity->jws);
        free(identity->jws);
    }
    if (identity->key)
        jwk_unref(identity->key);
    if (identity->wrong_key)
        jwk_unref(identity->wrong_key);
    if (identity->memo)
        identity->memo->free(identity->memo);
    free(identity->review);
    free(identity->payload);
    secret_free(identity->jwt);
    free(identity);
    return NULL;
}
