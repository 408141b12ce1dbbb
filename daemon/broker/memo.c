#include "broker/memo.h"

#include <stdlib.h>

#include "config/config.h"

static void memo_free(struct identity_memo *base)
{
    struct memo *memo = container_of(base, struct memo, base);

    failures_clear(&memo->refusals);
    free(memo);
}

struct memo *memo_of(struct identity *identity)
{
    struct memo *memo;

    if (identity->memo)
        return container_of(identity->memo, struct memo, base);
    memo = calloc(1, sizeof(*memo));
    if (!memo)
        return NULL;
    memo->base.free = memo_free;
    identity->memo = &memo->base;
    return memo;
}

/*
 * All that the upstream's answer may depend on is part of the key: pods may share a token only if
 * each of them would get the same one.
 */
static int compute_key(const struct claims *claims, const struct service *service,
                       struct digest *ret_key)
{
    const char *parts[8 + AUDIENCES_MAX];
    char service_hex[2 * DIGEST_SIZE + 1];
    size_t n = 0;

    digest_hex(&service->digest, DIGEST_SIZE, service_hex);
    parts[n++] = service_hex;
    parts[n++] = claims->issuer;
    parts[n++] = claims->subject;
    parts[n++] = claims->namespace;
    parts[n++] = claims->serviceaccount;
    parts[n++] = claims->serviceaccount_uid;
    parts[n++] = claims->pod_uid ? "pod" : claims->secret_uid ? "secret" : "none";
    parts[n++] = service->share == SHARE_POD ? claims->pod_uid : NULL;
    for (size_t i = 0; i < claims->n_audiences; i++)
        parts[n++] = claims->audiences[i];
    return digest_of_strings(parts, n, ret_key);
}

const struct digest *memo_cache_key(struct identity *identity, const struct service *service)
{
    struct memo *memo = memo_of(identity);

    if (!memo)
        return NULL;
    if (memo->service_id != service->id) {
        memo->service_id = 0;
        if (compute_key(&identity->claims, service, &memo->cache_key) < 0)
            return NULL;
        memo->service_id = service->id;
    }
    return &memo->cache_key;
}

void memo_forget_refusals(struct identity *identity)
{
    if (identity->memo)
        failures_clear(&container_of(identity->memo, struct memo, base)->refusals);
}
