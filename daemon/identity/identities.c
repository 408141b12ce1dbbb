/* The verified tokens that are remembered, and the configured issuers. */
#include <errno.h>
#include <string.h>

#include "config/config.h"
#include "identity/identity.h"

/* Learns the node first: waiters for keys are judged afterwards, and node_judge() needs it. */
static void on_keys(void *data, const struct issuer *issuer, const void *text, size_t len)
{
    struct identities *identities = data;

    node_learn(identities);
    if (text && identities->fetched.on_keys)
        identities->fetched.on_keys(identities->fetched.data, issuer, text, len);
}

int identities_init(struct identities *identities, const struct config *config, struct loop *loop,
                    struct exchanger_client *exchanger)
{
    struct issuer **issuers;
    int r;

    *identities = (struct identities){
        .loop = loop,
        .exchanger = exchanger,
        .listener = {.on_keys = on_keys, .data = identities},
    };
    list_init(&identities->by_age);
    r = hash_key_init(&identities->hash_key);
    if (r == 0)
        r = identities_prepare(identities, config, &issuers);
    if (r == 0)
        identities_reload(identities, config, issuers);
    return r;
}

void identities_forget(struct identities *identities, struct identity *identity)
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
        identities_forget(identities, identity);
    }
    node_done(&identities->node);
    for (size_t i = 0; i < identities->n_issuers; i++)
        issuer_free(identities->issuers[i]);
    free(identities->issuers);
    identities->issuers = NULL;
    identities->n_issuers = 0;
    digest_map_done(&identities->verified);
    identities->config = config_unref(identities->config);
}

/*
 * Returns the key of a token in identities.verified. Two tokens with one key are never remembered
 * at once, and never taken for each other.
 */
static struct digest key_of(const struct identities *identities, const void *jwt, size_t len)
{
    uint64_t hash = keyed_hash(&identities->hash_key, jwt, len);
    struct digest key = {{0}};

    memcpy(key.bytes, &hash, sizeof(hash));
    return key;
}

/* Remembering only saves time. A token that cannot be remembered is verified again next time. */
void identities_remember(struct identities *identities, struct identity *identity)
{
    if (!identity->is_remembered)
        identity->node.key = key_of(identities, identity->jwt->bytes, identity->jwt->len);
    if (identity->is_remembered || digest_map_find(&identities->verified, &identity->node.key))
        return;
    if (identities->verified.n >= IDENTITIES_MAX)
        identities_forget(identities, container_of(identities->by_age.next, struct identity, age));
    if (digest_map_add(&identities->verified, &identity->node) < 0)
        return;
    list_append(&identities->by_age, &identity->age);
    identity->is_remembered = true;
    identity_ref(identity);
}

static struct issuer *issuer_find(const struct identities *identities, const char *url)
{
    for (size_t i = 0; i < identities->n_issuers; i++)
        if (strcmp(identities->issuers[i]->config->url, url) == 0)
            return identities->issuers[i];
    return NULL;
}

struct issuer *identity_issuer(const struct identities *identities, struct identity *identity)
{
    if (identity->generation != identities->generation)
        identity->issuer = issuer_find(identities, identity->claims.issuer);
    identity->generation = identities->generation;
    return identity->issuer;
}

static struct issuer *issuer_with_same_settings(struct identities *identities,
                                                const struct issuer_config *config)
{
    for (size_t i = 0; i < identities->n_issuers; i++)
        if (memcmp(&identities->issuers[i]->config->digest, &config->digest,
                   sizeof(config->digest)) == 0)
            return identities->issuers[i];
    return NULL;
}

static bool has_issuer(struct issuer *const *issuers, size_t n, const struct issuer *issuer)
{
    for (size_t i = 0; i < n; i++)
        if (issuers[i] == issuer)
            return true;
    return false;
}

/* Frees the issuers that are not among the kept ones, and the array. */
static void free_others(struct issuer **issuers, size_t n, struct issuer *const *kept,
                        size_t n_kept)
{
    for (size_t i = 0; i < n; i++)
        if (!has_issuer(kept, n_kept, issuers[i]))
            issuer_free(issuers[i]);
    free(issuers);
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

        fresh[i] = issuer_with_same_settings(identities, issuer);
        if (!fresh[i])
            r = issuer_new(issuer, identities->loop, identities->exchanger, &identities->listener,
                           &fresh[i]);
        if (r < 0) {
            free_others(fresh, i, identities->issuers, identities->n_issuers);
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

    config_unref(identities->config);
    identities->config = config_ref(config);
    identities->issuers = issuers;
    identities->n_issuers = config->n_issuers;
    identities->generation++;
    for (size_t i = 0; i < config->n_issuers; i++)
        issuer_reload(issuers[i], &config->issuers[i]);
    node_begin(identities);
    free_others(before, n_before, issuers, config->n_issuers);
}

/*
 * The comparison takes longer the more bytes are equal. That tells nothing, because without the
 * key, nobody can choose a token that gets as far as the comparison with another one.
 */
struct identity *identities_recall(struct identities *identities, const void *jwt, size_t len)
{
    const struct digest key = key_of(identities, jwt, len);
    struct digest_node *node = digest_map_find(&identities->verified, &key);
    struct identity *identity = node ? container_of(node, struct identity, node) : NULL;

    if (!identity || identity->jwt->len != len || memcmp(identity->jwt->bytes, jwt, len) != 0)
        return NULL;
    return identity_ref(identity);
}

enum podlogin_status identities_find(struct identities *identities, const void *jwt, size_t len,
                                     struct identity **ret_identity, struct refusal *ret_refusal)
{
    *ret_identity = identities_recall(identities, jwt, len);
    return *ret_identity ? PODLOGIN_OK : identities_parse(jwt, len, ret_identity, ret_refusal);
}
