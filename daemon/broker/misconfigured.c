#include "broker/misconfigured.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "message/refusal.h"

#define ACCOUNTS_MAX 3 /* so many make it the service's */
#define HOLD_USEC    (60 * SECOND_USEC)
#define PROBE_USEC   SECOND_USEC

struct entry {
    struct list node;
    struct digest service;
    struct digest accounts[ACCOUNTS_MAX];
    size_t n_accounts;
    uint64_t until_usec; /* when the answers are forgotten */
    uint64_t probe_usec; /* when the next probe may go */
    char detail[REFUSAL_DETAIL_MAX + 1];
};

static int account_of(const struct claims *claims, struct digest *ret_account)
{
    const char *const parts[] = {claims->issuer, claims->subject};

    return digest_of_strings(parts, sizeof(parts) / sizeof(parts[0]), ret_account);
}

static struct entry *entry_find(struct list *list, const struct digest *service)
{
    for (struct list *node = list->next; node != list; node = node->next) {
        struct entry *entry = container_of(node, struct entry, node);

        if (memcmp(&entry->service, service, sizeof(*service)) == 0)
            return entry;
    }
    return NULL;
}

static void entry_free(struct entry *entry)
{
    list_remove(&entry->node);
    free(entry);
}

static bool has_account(const struct entry *entry, const struct digest *account)
{
    for (size_t i = 0; i < entry->n_accounts; i++)
        if (memcmp(&entry->accounts[i], account, sizeof(*account)) == 0)
            return true;
    return false;
}

const char *misconfigured_hold(struct list *list, const struct digest *service,
                               const struct claims *claims, uint64_t now_usec)
{
    struct entry *entry = entry_find(list, service);
    struct digest account;

    if (!entry || entry->n_accounts < ACCOUNTS_MAX || now_usec >= entry->until_usec)
        return NULL;
    if (now_usec < entry->probe_usec || account_of(claims, &account) < 0 ||
        has_account(entry, &account))
        return entry->detail;
    entry->probe_usec = now_usec + PROBE_USEC;
    return NULL;
}

void misconfigured_add(struct list *list, const struct digest *service, const struct claims *claims,
                       const char *detail, uint64_t now_usec)
{
    struct entry *entry = entry_find(list, service);
    struct digest account;

    if (entry && now_usec >= entry->until_usec)
        entry->n_accounts = 0;
    if (!entry) {
        entry = calloc(1, sizeof(*entry));
        if (!entry)
            return;
        entry->service = *service;
        list_append(list, &entry->node);
    }
    entry->until_usec = now_usec + HOLD_USEC;
    entry->probe_usec = now_usec + PROBE_USEC;
    snprintf(entry->detail, sizeof(entry->detail), "%s", detail);
    if (entry->n_accounts < ACCOUNTS_MAX && account_of(claims, &account) == 0 &&
        !has_account(entry, &account))
        entry->accounts[entry->n_accounts++] = account;
}

void misconfigured_end(struct list *list, const struct digest *service)
{
    struct entry *entry = entry_find(list, service);

    if (entry)
        entry_free(entry);
}

void misconfigured_clear(struct list *list)
{
    while (!list_is_empty(list))
        entry_free(container_of(list->next, struct entry, node));
}
