#include "base/failure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct failure *find(const struct failures *failures, const struct digest *key)
{
    if (!failures->n)
        return NULL;
    for (struct list *node = failures->list.next; node != &failures->list; node = node->next) {
        struct failure *failure = container_of(node, struct failure, node);

        if (memcmp(&failure->key, key, sizeof(*key)) == 0)
            return failure;
    }
    return NULL;
}

const struct failure *failures_find(const struct failures *failures, const struct digest *key,
                                    uint64_t now_usec)
{
    const struct failure *failure = find(failures, key);

    return failure && failure->until_usec > now_usec ? failure : NULL;
}

static void forget(struct failures *failures, struct failure *failure)
{
    list_remove(&failure->node);
    failures->n--;
    free(failure);
}

static struct failure *take_or_make(struct failures *failures, const struct digest *key)
{
    struct failure *failure = find(failures, key);

    if (failure) {
        list_remove(&failure->node);
        failures->n--;
        return failure;
    }
    failure = calloc(1, sizeof(*failure));
    if (!failure)
        return NULL;
    failure->key = *key;
    if (!failures->list.next)
        list_init(&failures->list);
    if (failures->n >= FAILURES_MAX)
        forget(failures, container_of(failures->list.next, struct failure, node));
    return failure;
}

void failures_add(struct failures *failures, const struct digest *key, const char *detail,
                  uint64_t first_usec, uint64_t most_usec, uint64_t now_usec)
{
    struct failure *failure = take_or_make(failures, key);

    if (!failure)
        return;
    failure->pause_usec = failure->pause_usec ? 2 * failure->pause_usec : first_usec;
    if (failure->pause_usec > most_usec)
        failure->pause_usec = most_usec;
    failure->until_usec = now_usec + failure->pause_usec;
    snprintf(failure->detail, sizeof(failure->detail), "%s", detail);
    list_append(&failures->list, &failure->node);
    failures->n++;
}

void failures_clear(struct failures *failures)
{
    while (failures->n)
        forget(failures, container_of(failures->list.next, struct failure, node));
}
