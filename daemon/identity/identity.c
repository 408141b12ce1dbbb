#include "identity/identity.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

int identities_init(struct identities *identities, const struct config *config, struct loop *loop,
                    struct exchanger_client *exchanger)
{
    struct issuer **issuers;
    int r;

    *identities = (struct identities){.loop = loop, .exchanger = exchanger};
    list_init(&identities->by_age);
    r = identities_prepare(identities, config, &issuers);
    if (r == 0)
        identities_reload(identities, config, issuers);
    return r;
}

static void forget(struct identities *identities, struct identity *identity)
{
    digest_map_remove(&identities->verified, &identity->node);
    list_remove(&identity->age);
    identity->is_remembered = false;
    identity_unref(identity);
}

void identities_done(struct identities *identities)
{
    while (identities->by_age.next && !list_is_empty(&identities->by_age)) {
        struct identity *identity = container_of(identities->by_age.next, struct identity, age);

        review_cancel(identity);
        forget(identities, identity);
    }
    for (size_t i = 0; i < identities->n_issuers; i++)
        issuer_free(identities->issuers[i]);
    free(identities->issuers);
    digest_map_done(&identities->verified);
}

/* Remembering is worth nothing but speed, so what cannot be remembered is verified again. */
static void remember(struct identities *identities, struct identity *identity)
{
    if (identity->is_remembered || digest_map_find(&identities->verified, &identity->node.key))
        return;
    if (identities->verified.n >= IDENTITIES_MAX)
        forget(identities, container_of(identities->by_age.next, struct identity, age));
    if (digest_map_add(&identities->verified, &identity->node) < 0)
        return;
    list_append(&identities->by_age, &identity->age);
    identity->is_remembered = true;
    identity_ref(identity);
}

static struct issuer *issuer_find(struct identities *identities, const char *url)
{
    for (size_t i = 0; i < identities->n_issuers; i++)
        if (strcmp(identities->issuers[i]->config->url, url) == 0)
            return identities->issuers[i];
    return NULL;
}

static struct issuer *issuer_take_same(struct identities *identities,
                                       const struct issuer_config *config)
{
    for (size_t i = 0; i < identities->n_issuers; i++)
        if (memcmp(&identities->issuers[i]->config->digest, &config->digest,
                   sizeof(config->digest)) == 0)
            return identities->issuers[i];
    return NULL;
}

/* Those of @fresh that are not @identities' own. */
static void free_new_ones(struct identities *identities, struct issuer **fresh, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (fresh[i] && issuer_find(identities, fresh[i]->config->url) != fresh[i])
            issuer_free(fresh[i]);
    free(fresh);
}

int identities_prepare(struct identities *identities, const struct config *config,
                       struct issuer ***ret_issuers)
{
    struct issuer **fresh =
        calloc(config->n_issuers ? config->n_issuers : 1, sizeof(struct issuer *));

    if (!fresh)
        return -ENOMEM;
    for (size_t i = 0; i < config->n_issuers; i++) {
        const struct issuer_config *issuer = &config->issuers[i];
        int r = 0;

        fresh[i] = issuer_take_same(identities, issuer);
        if (!fresh[i])
            r = issuer_new(issuer, identities->loop, identities->exchanger,
                           &identities->key_listener, &fresh[i]);
        if (r < 0) {
            free_new_ones(identities, fresh, config->n_issuers);
            return r;
        }
    }
    *ret_issuers = fresh;
    return 0;
}

void identities_reload(struct identities *identities, const struct config *config,
                       struct issuer **issuers)
{
    struct issuer **before = identities->issuers;
    size_t n_before = identities->n_issuers;

    identities->issuers = issuers;
    identities->n_issuers = config->n_issuers;
    identities->generation++;
    identities->attestation = config->attestation;
    node_init(&identities->node, config);
    for (size_t i = 0; i < config->n_issuers; i++)
        issuer_reload(issuers[i], &config->issuers[i]);
    for (struct list *node = identities->by_age.next; node != &identities->by_age;
         node = node->next)
        failures_clear(&container_of(node, struct identity, age)->refusals);
    for (size_t i = 0; i < n_before; i++)
        if (issuer_find(identities, before[i]->config->url) != before[i])
            issuer_free(before[i]);
    free(before);
}

struct identity *identities_recall(struct identities *identities, const struct digest *digest)
{
    struct digest_node *node = digest_map_find(&identities->verified, digest);

    return node ? identity_ref(container_of(node, struct identity, node)) : NULL;
}

enum podlogin_status identities_parse(const void *jwt, size_t len, const struct digest *digest,
                                      struct identity **ret_identity, const char **ret_reason)
{
    CLEANUP(identity_unrefp)
    struct identity *identity = calloc(1, sizeof(*identity));
    enum podlogin_status status;

    *ret_reason = NULL;
    if (!identity)
        return PODLOGIN_INTERNAL;
    identity->n_refs = 1;
    identity->node.key = *digest;
    identity->expires_boot_usec = UINT64_MAX;
    list_init(&identity->age);
    identity->jwt = secret_new(jwt, len);
    identity->jws = calloc(1, sizeof(*identity->jws));
    if (!identity->jwt || !identity->jws)
        return PODLOGIN_INTERNAL;
    status = jws_parse(jwt, len, identity->jws, ret_reason);
    if (status != PODLOGIN_OK)
        return status;
    identity->payload = TAKE_PTR(identity->jws->payload);
    status = claims_read(identity->payload, &identity->claims, ret_reason);
    if (status != PODLOGIN_OK)
        return status;
    *ret_identity = TAKE_PTR(identity);
    return PODLOGIN_OK;
}

enum podlogin_status identities_find(struct identities *identities, const void *jwt, size_t len,
                                     struct identity **ret_identity, const char **ret_reason)
{
    struct digest digest;

    *ret_reason = NULL;
    if (digest_of(jwt, len, &digest) < 0)
        return PODLOGIN_INTERNAL;
    *ret_identity = identities_recall(identities, &digest);
    return *ret_identity ? PODLOGIN_OK
                         : identities_parse(jwt, len, &digest, ret_identity, ret_reason);
}

/* The key that verified the token was withdrawn, so the signature counts anew. */
static int verify_again(struct identities *identities, struct identity *identity)
{
    struct jws *jws = calloc(1, sizeof(*jws));
    const char *reason;

    if (!jws ||
        jws_parse((char *)identity->jwt->bytes, identity->jwt->len, jws, &reason) != PODLOGIN_OK) {
        free(jws);
        return -ENOMEM; /* it was parsed before, so this is want of memory */
    }
    json_decref(TAKE_PTR(jws->payload));
    identity->jws = jws;
    jwk_unref(identity->key);
    identity->key = NULL;
    if (identity->is_remembered)
        forget(identities, identity); /* the caller has a reference of its own */
    return 0;
}

/* 1: newer keys are needed; else 0 and a status */
static int verify(struct identities *identities, struct identity *identity, bool may_wait,
                  enum podlogin_status *ret_status, const char **ret_reason)
{
    struct issuer *issuer = identity->issuer;
    struct jwk *key;

    *ret_status = PODLOGIN_INTERNAL;
    if (identity->key && verify_again(identities, identity) < 0)
        return 0;
    *ret_status = PODLOGIN_TOKEN_BAD_ALGORITHM;
    if (!(issuer->config->algorithms & 1u << identity->jws->algorithm))
        return 0;
    key = jwks_find(&issuer->jwks, identity->jws->kid);
    if (!key && may_wait)
        return 1;
    if (!key) {
        *ret_status = issuer->jwks.n ? PODLOGIN_TOKEN_UNKNOWN_KEY : PODLOGIN_ISSUER_UNAVAILABLE;
        *ret_reason = issuer->error[0] ? issuer->error : NULL;
        return 0;
    }
    *ret_status = jws_verify(identity->jws, (char *)identity->jwt->bytes, key);
    if (*ret_status != PODLOGIN_OK)
        return 0;
    identity->key = jwk_ref(key);
    jws_done(identity->jws);
    free(TAKE_PTR(identity->jws));
    remember(identities, identity);
    return 0;
}

/*
 * The boot clock's word on "exp" counts from the first verification on, so that a token does not
 * live on because the wall clock was set back.
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
 * The latest time that it can be: a wall clock that was set back does not make tokens come from the
 * future. Only for what a token must not precede; it expires by the clocks as they are.
 */
static int64_t latest_s(struct identities *identities, struct now now)
{
    int64_t boot_s = (int64_t)(now.boot_usec / SECOND_USEC);

    if (now.wall_s - boot_s > identities->latest_offset_s)
        identities->latest_offset_s = now.wall_s - boot_s;
    return boot_s + identities->latest_offset_s;
}

enum podlogin_status identity_attest(const struct identity *identity, const struct peer *peer,
                                     const char **ret_reason)
{
    static char reason[160];

    *ret_reason = reason;
    switch (peer->state) {
    case PEER_ENDED:
        *ret_reason = NULL;
        return PODLOGIN_PEER_GONE;
    case PEER_UNSEEN:
        *ret_reason = "the daemon cannot see in which pod the caller runs: hostPID: true, and root";
        return PODLOGIN_INTERNAL;
    case PEER_IN_NO_POD:
        *ret_reason = "the caller runs in no pod";
        return PODLOGIN_PEER_MISMATCH;
    case PEER_CONTRADICTORY:
        *ret_reason = "the caller's cgroups name two pods";
        return PODLOGIN_PEER_MISMATCH;
    case PEER_IN_POD:
        break;
    }
    if (!identity->claims.pod_uid)
        *ret_reason = "the token is bound to no pod: use a projected one";
    else if (strcmp(identity->claims.pod_uid, peer->pod_uid) != 0)
        snprintf(reason, sizeof(reason), "the caller runs in pod %s", peer->pod_uid);
    else
        return PODLOGIN_OK;
    return PODLOGIN_PEER_MISMATCH;
}

static enum podlogin_status check_issuer(const struct identities *identities,
                                         const struct identity *identity,
                                         const struct presentation *presentation)
{
    const struct service *service = presentation->service;

    return identity->issuer &&
                   (!service || identity->issuer == identities->issuers[service->issuer])
               ? PODLOGIN_OK
               : PODLOGIN_TOKEN_UNTRUSTED_ISSUER;
}

static enum podlogin_status check_audience(const struct identity *identity,
                                           const struct presentation *presentation,
                                           const char **ret_reason)
{
    const struct service *service = presentation->service;

    if (!service)
        return PODLOGIN_OK;
    if (!claims_have_audience(&identity->claims, service->audience))
        return PODLOGIN_TOKEN_WRONG_AUDIENCE;
    if (identity->claims.n_audiences == 1)
        return PODLOGIN_OK;
    /* whoever it is sent to could use it with the others: the API server, AWS */
    *ret_reason = "it names further audiences; project one for this service alone";
    return PODLOGIN_TOKEN_WRONG_AUDIENCE;
}

/* 1: the daemon's own token, which tells what node this is, cannot be verified without newer keys
 */
static int check_node(struct identities *identities, const struct identity *identity,
                      const struct presentation *presentation, enum podlogin_status *ret_status,
                      const char **ret_reason)
{
    *ret_status = PODLOGIN_OK;
    if (presentation->is_our_own)
        return 0;
    if (node_is_unknown(&identities->node)) {
        *ret_status = node_learn(identities, presentation->now, ret_reason);
        if (*ret_status != PODLOGIN_OK)
            return presentation->may_wait && !identity->issuer->jwks.n;
    }
    *ret_status = node_judge(&identities->node, &identity->claims, ret_reason);
    return 0;
}

static enum podlogin_status check_time(struct identities *identities, struct identity *identity,
                                       struct now now, const char **ret_reason)
{
    enum podlogin_status status;

    date_expiry(identity, now);
    status = identity_has_expired(identity, now)
                 ? PODLOGIN_TOKEN_EXPIRED
                 : claims_judge_time(&identity->claims, now.wall_s, latest_s(identities, now));
    if (status == PODLOGIN_TOKEN_MALFORMED)
        *ret_reason = "it lives longer than a day: use a projected token";
    return status;
}

int identity_check(struct identities *identities, struct identity *identity,
                   const struct presentation *presentation, enum identity_check check,
                   enum podlogin_status *ret_status, const char **ret_reason)
{
    *ret_reason = NULL;
    *ret_status = PODLOGIN_OK;
    if (identity->generation != identities->generation)
        identity->issuer = issuer_find(identities, identity->claims.issuer);
    identity->generation = identities->generation;
    switch (check) {
    case CHECK_ISSUER:
        *ret_status = check_issuer(identities, identity, presentation);
        return 0;
    case CHECK_AUDIENCE:
        *ret_status = check_audience(identity, presentation, ret_reason);
        return 0;
    case CHECK_NODE:
        return check_node(identities, identity, presentation, ret_status, ret_reason);
    case CHECK_POD:
        if (presentation->peer && identities->attestation == ATTESTATION_ENFORCE)
            *ret_status = identity_attest(identity, presentation->peer, ret_reason);
        return 0;
    case CHECK_SIGNATURE:
        return identity->key && !identity->key->is_withdrawn
                   ? 0
                   : verify(identities, identity, presentation->may_wait, ret_status, ret_reason);
    case CHECK_TIME:
        *ret_status = check_time(identities, identity, presentation->now, ret_reason);
        return 0;
    case CHECKS:
        break;
    }
    *ret_status = PODLOGIN_INTERNAL;
    return 0;
}

int identity_judge(struct identities *identities, struct identity *identity,
                   const struct presentation *presentation, enum podlogin_status *ret_status,
                   const char **ret_reason)
{
    int r = 0;

    *ret_status = PODLOGIN_OK;
    for (enum identity_check check = 0; check < CHECKS && r == 0 && *ret_status == PODLOGIN_OK;
         check++)
        r = identity_check(identities, identity, presentation, check, ret_status, ret_reason);
    return r;
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
    failures_clear(&identity->refusals);
    json_decref(identity->payload);
    secret_free(identity->jwt);
    free(identity);
    return NULL;
}
