#include "broker/purge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "broker/stored_keys.h"
#include "broker/write_behind.h"

#define ROWS_PER_CALL 1024

static bool is_of_service(const struct login *login, const char *name)
{
    const struct service *service = login->service;
    const struct service *named =
        service ? config_service(service->config, name, strlen(name)) : NULL;

    /* services with the same settings share their tokens */
    return !service || strcmp(service->name, name) == 0 ||
           (named && service_is_same(named, service));
}

bool login_matches(const struct login *login, const struct login_filter *filter)
{
    char key[2 * sizeof(login->node.key.bytes) + 1];

    if (filter->service && !is_of_service(login, filter->service))
        return false;
    if (filter->account && login->account && strcmp(login->account, filter->account) != 0)
        return false;
    if (!filter->key)
        return true;
    digest_hex(&login->node.key, sizeof(login->node.key.bytes), key);
    return strncmp(key, filter->key, strlen(filter->key)) == 0;
}

/*
 * A login may have got another token while the rows were being deleted, by an exchange that was
 * under way; its row may be among those.
 */
static void write_again(struct purge *purge)
{
    struct broker *broker = purge->broker;

    for (size_t i = 0; i < purge->n_tokens; i++) {
        struct digest_node *node = digest_map_find(&broker->logins, &purge->keys[i]);

        if (node && container_of(node, struct login, node)->token.frame)
            login_mark_dirty(container_of(node, struct login, node));
    }
    if (!list_is_empty(&broker->dirty))
        login_write(container_of(broker->dirty.next, struct login, dirty));
}

static void purge_end(struct purge *purge, int result)
{
    list_remove(&purge->node);
    free(purge->keys);
    purge->result = result;
    purge->on_done(purge);
}

static void on_deleted(struct store_write *deletion, int result)
{
    struct purge *purge = container_of(deletion, struct purge, deletion);

    write_again(purge);
    purge_end(purge, result);
}

/* Drops the tokens in memory, and notes the keys of their logins. */
static void drop_tokens(struct broker *broker, const struct login_filter *filter,
                        struct purge *purge)
{
    struct list *node = broker->by_age.next;

    while (node != &broker->by_age) {
        struct login *login = container_of(node, struct login, age);

        node = node->next;
        if (!login->token.frame || (filter && !login_matches(login, filter)))
            continue;
        purge->keys[purge->n_tokens++] = login->node.key;
        login_refuse_watchers(login);
        if (login_is_idle(login))
            login_free(login);
        else
            login_drop_token(login);
    }
}

static int delete_rows(struct broker *broker, bool all, struct purge *purge)
{
    struct digest *keys;
    int r;

    if (!all)
        return store_delete(broker->store, &purge->deletion, purge->keys, purge->n_tokens, false);
    keys = calloc(broker->identities->n_issuers + 1, sizeof(*keys));
    if (!keys)
        return -ENOMEM;
    r = store_delete(broker->store, &purge->deletion, keys, stored_keys_rows(broker, keys), true);
    free(keys);
    return r;
}

void broker_purge(struct broker *broker, const struct login_filter *filter, struct purge *purge)
{
    int r = -ENOMEM;

    while (store_open_rows(broker->store, ROWS_PER_CALL))
        ; /* a row that is not open yet may be one of those */
    purge->broker = broker;
    purge->deletion.on_done = on_deleted;
    list_append(&broker->purges, &purge->node);
    purge->keys = calloc(broker->logins.n + 1, sizeof(*purge->keys));
    if (purge->keys) {
        drop_tokens(broker, filter, purge);
        r = delete_rows(broker, !filter, purge);
    }
    if (r < 0)
        purge_end(purge, r);
}

void purges_done(struct broker *broker)
{
    while (!list_is_empty(&broker->purges))
        purge_end(container_of(broker->purges.next, struct purge, node), -ECANCELED);
}
