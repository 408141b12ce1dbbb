#include "session/quota.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define IDLE_MAX      4096
#define BARRED_USEC   (SECOND_USEC / 20)
#define IDLE_FOR_USEC (600 * SECOND_USEC) /* longer than anything below counts */

void accounts_init(struct accounts *accounts)
{
    *accounts = (struct accounts){0};
    list_init(&accounts->idle);
}

static void account_free(struct account *account)
{
    struct accounts *accounts = account->accounts;

    list_remove(&account->idle);
    accounts->n_idle--;
    digest_map_remove(&accounts->map, &account->node);
    audit_end(&account->trail);
    free(account);
}

/* All connections have ended. */
void accounts_done(struct accounts *accounts)
{
    while (accounts->idle.next && !list_is_empty(&accounts->idle))
        account_free(container_of(accounts->idle.next, struct account, idle));
    digest_map_done(&accounts->map);
}

static void drop_idle(struct accounts *accounts, uint64_t now_usec)
{
    while (accounts->n_idle) {
        struct account *oldest = container_of(accounts->idle.next, struct account, idle);

        if (accounts->n_idle <= IDLE_MAX && now_usec - oldest->left_usec < IDLE_FOR_USEC)
            return;
        account_free(oldest);
    }
}

static struct account *account_new(struct accounts *accounts, const struct digest *key)
{
    struct account *account = calloc(1, sizeof(*account));

    if (!account)
        return NULL;
    account->accounts = accounts;
    account->node.key = *key;
    list_init(&account->idle);
    if (digest_map_add(&accounts->map, &account->node) < 0) {
        free(account);
        return NULL;
    }
    return account;
}

/*
 * A pod's uid, 32 digits without its dashes; or a number that no digit is in, spread since the map
 * takes the first word for a hash. Nobody chooses either.
 */
static struct digest key_of(const struct peer *peer)
{
    uint64_t spread = peer->uid * UINT64_C(0x9e3779b97f4a7c15);
    struct digest key = {{0}};
    size_t n = 0;

    if (peer->state != PEER_IN_POD) {
        memcpy(key.bytes, &spread, sizeof(spread));
        memset(key.bytes + sizeof(spread), 0xff, DIGEST_SIZE - sizeof(spread));
        return key;
    }
    for (const char *at = peer->pod_uid; *at && n < DIGEST_SIZE; at++)
        if (*at != '-')
            key.bytes[n++] = (uint8_t)*at;
    return key;
}

struct account *account_join(struct accounts *accounts, const struct peer *peer)
{
    struct digest key = key_of(peer);
    struct digest_node *node;
    struct account *account;

    node = digest_map_find(&accounts->map, &key);
    account = node ? container_of(node, struct account, node) : account_new(accounts, &key);
    if (!account)
        return NULL;
    if (node && !account->n_connections) {
        list_remove(&account->idle);
        accounts->n_idle--;
    }
    account->n_connections++;
    return account;
}

/* Twice as often as it may ask: who connects anew for each request is not held up here. */
static uint64_t connect_delay_usec(struct account *account, const struct limits *limits,
                                   uint64_t now_usec)
{
    const struct rate_limit limit = {.per_s = 2 * limits->requests.per_s,
                                     .burst = 2 * limits->requests.burst};

    return limit.per_s ? rate_try(&account->connects, &limit, now_usec) : 0;
}

bool account_may_connect(struct account *account, const struct peer *peer,
                         const struct limits *limits)
{
    struct accounts *accounts = account->accounts;
    uint64_t now_usec = clock_boot_usec();
    uint64_t delay_usec = connect_delay_usec(account, limits, now_usec);
    size_t slot = (size_t)peer->pid % (sizeof(accounts->barred) / sizeof(accounts->barred[0]));

    if (delay_usec && peer->pid > 0) {
        accounts->barred[slot].pid = peer->pid;
        accounts->barred[slot].until_usec =
            now_usec + (delay_usec < BARRED_USEC ? BARRED_USEC : delay_usec);
    }
    return !delay_usec &&
           (!limits->connections_per_pod || account->n_connections <= limits->connections_per_pod);
}

bool account_is_barred(const struct accounts *accounts, pid_t pid)
{
    size_t slot = (size_t)pid % (sizeof(accounts->barred) / sizeof(accounts->barred[0]));

    return pid > 0 && accounts->barred[slot].pid == pid &&
           clock_boot_usec() < accounts->barred[slot].until_usec;
}

void account_leave(struct account *account)
{
    struct accounts *accounts = account->accounts;

    if (--account->n_connections)
        return;
    account->left_usec = clock_boot_usec();
    list_append(&accounts->idle, &account->idle);
    accounts->n_idle++;
    drop_idle(accounts, account->left_usec);
}

static const struct rate_limit *limit_of(const struct limits *limits, enum charge charge)
{
    return charge == CHARGE_REQUEST ? &limits->requests : &limits->signature_checks;
}

uint64_t account_charge(struct account *account, const struct limits *limits, enum charge charge)
{
    const struct rate_limit *limit = limit_of(limits, charge);

    return limit->per_s ? rate_take(&account->rates[charge], limit, clock_boot_usec()) : 0;
}

void account_return(struct account *account, const struct limits *limits, enum charge charge)
{
    rate_return(&account->rates[charge], limit_of(limits, charge));
}
