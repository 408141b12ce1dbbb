/* The map of quotas, their token buckets, and the processes that are barred. */
#include "session/quota.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define IDLE_MAX      4096
#define BARRED_USEC   (SECOND_USEC / 20)
#define IDLE_FOR_USEC (600 * SECOND_USEC) /* no less than anything that a quota remembers */

void quotas_init(struct quotas *quotas)
{
    *quotas = (struct quotas){0};
    list_init(&quotas->idle);
}

static void quota_free(struct quota *quota)
{
    struct quotas *quotas = quota->quotas;

    assert(!quota->n_connections && !quota->n_misses);
    list_remove(&quota->idle);
    quotas->n_idle--;
    digest_map_remove(&quotas->map, &quota->node);
    audit_end(&quota->trail);
    free(quota);
}

/* All connections are closed. */
void quotas_done(struct quotas *quotas)
{
    while (quotas->idle.next && !list_is_empty(&quotas->idle))
        quota_free(container_of(quotas->idle.next, struct quota, idle));
    digest_map_done(&quotas->map);
}

static void drop_idle(struct quotas *quotas, uint64_t now_usec)
{
    while (quotas->n_idle) {
        struct quota *oldest = container_of(quotas->idle.next, struct quota, idle);

        if (quotas->n_idle <= IDLE_MAX && now_usec - oldest->left_usec < IDLE_FOR_USEC)
            return;
        quota_free(oldest);
    }
}

static struct quota *quota_new(struct quotas *quotas, const struct digest *key)
{
    struct quota *quota = calloc(1, sizeof(*quota));

    if (!quota)
        return NULL;
    quota->quotas = quotas;
    quota->node.key = *key;
    list_init(&quota->idle);
    if (digest_map_add(&quotas->map, &quota->node) < 0) {
        free(quota);
        return NULL;
    }
    return quota;
}

static struct digest key_outside(const struct peer *peer, bool counts_users)
{
    bool is_user = counts_users && (peer->state == PEER_IN_NO_POD || peer->state == PEER_UNSEEN);
    uint64_t number = is_user ? (uint64_t)PEER_STATES + peer->uid : peer->state;
    uint64_t spread = number * UINT64_C(0x9e3779b97f4a7c15);
    struct digest key;

    memcpy(key.bytes, &spread, sizeof(spread));
    memset(key.bytes + sizeof(spread), 0xff, DIGEST_SIZE - sizeof(spread));
    return key;
}

struct digest quota_key(const struct peer *peer, bool counts_users)
{
    struct digest key = {{0}};
    size_t n = 0;

    if (peer->state != PEER_IN_POD)
        return key_outside(peer, counts_users);
    for (const char *at = peer->pod_uid; *at && n < DIGEST_SIZE; at++)
        if (*at != '-')
            key.bytes[n++] = (uint8_t)*at;
    return key;
}

struct quota *quota_join(struct quotas *quotas, const struct peer *peer, bool counts_users)
{
    struct digest key = quota_key(peer, counts_users);
    struct digest_node *node = digest_map_find(&quotas->map, &key);
    struct quota *quota = node ? container_of(node, struct quota, node) : quota_new(quotas, &key);

    if (!quota)
        return NULL;
    if (node && !quota->n_connections) {
        list_remove(&quota->idle);
        quotas->n_idle--;
    }
    quota->n_connections++;
    return quota;
}

/*
 * Twice the rate of requests, so that a client that makes a connection for each request is not
 * throttled here.
 */
static uint64_t connect_delay_usec(struct quota *quota, const struct limits *limits,
                                   uint64_t now_usec)
{
    const struct rate_limit limit = {.per_s = 2 * limits->requests.per_s,
                                     .burst = 2 * limits->requests.burst};

    return limit.per_s ? token_bucket_try(&quota->connects, &limit, now_usec) : 0;
}

bool quota_may_connect(struct quota *quota, const struct peer *peer, const struct limits *limits)
{
    struct quotas *quotas = quota->quotas;
    uint64_t now_usec = clock_boot_usec();
    uint64_t delay_usec = connect_delay_usec(quota, limits, now_usec);
    size_t slot = (size_t)peer->pid % (sizeof(quotas->barred) / sizeof(quotas->barred[0]));

    if (delay_usec && peer->pid > 0) {
        quotas->barred[slot].pid = peer->pid;
        quotas->barred[slot].until_usec =
            now_usec + (delay_usec < BARRED_USEC ? BARRED_USEC : delay_usec);
        if (quotas->barred[slot].until_usec > quotas->barred_until_usec)
            quotas->barred_until_usec = quotas->barred[slot].until_usec;
    }
    return !delay_usec &&
           (!limits->connections_per_pod || quota->n_connections <= limits->connections_per_pod);
}

bool quotas_bar(const struct quotas *quotas)
{
    return quotas->barred_until_usec && clock_boot_usec() < quotas->barred_until_usec;
}

bool quota_is_barred(const struct quotas *quotas, pid_t pid)
{
    size_t slot = (size_t)pid % (sizeof(quotas->barred) / sizeof(quotas->barred[0]));

    return pid > 0 && quotas->barred[slot].pid == pid &&
           clock_boot_usec() < quotas->barred[slot].until_usec;
}

void quota_leave(struct quota *quota)
{
    struct quotas *quotas = quota->quotas;

    assert(quota->n_connections > 0);
    if (--quota->n_connections)
        return;
    quota->left_usec = clock_boot_usec();
    list_append(&quotas->idle, &quota->idle);
    quotas->n_idle++;
    drop_idle(quotas, quota->left_usec);
}

static const struct rate_limit *limit_of(const struct limits *limits, enum charge charge)
{
    return charge == CHARGE_REQUEST ? &limits->requests : &limits->signature_checks;
}

uint64_t quota_reserve(struct quota *quota, const struct limits *limits, enum charge charge)
{
    const struct rate_limit *limit = limit_of(limits, charge);

    return limit->per_s ? token_bucket_reserve(&quota->rates[charge], limit, clock_boot_usec()) : 0;
}

void quota_refund(struct quota *quota, const struct limits *limits, enum charge charge)
{
    token_bucket_refund(&quota->rates[charge], limit_of(limits, charge));
}
