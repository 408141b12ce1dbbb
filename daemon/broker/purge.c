#include "broker/purge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_PER_CALL 1024

struct deletion {
    struct store_write write;
    struct list node; /* in broker.deletions */
    struct purge *purge;
};

bool login_matches(const struct login *login, const struct login_filter *filter)
{
    char key[2 * sizeof(login->node.key.bytes) + 1];

    if (filter->service && login->service && strcmp(login->service->name, filter->service) != 0)
        return false;
    if (filter->account && login->account && strcmp(login->account, filter->account) != 0)
        return false;
    digest_hex(&login->node.key, sizeof(login->node.key.bytes), key);
    return !filter->key || strncmp(key, filter->key, strlen(filter->key)) == 0;
}

static void purge_unref(struct purge *purge)
{
    if (--purge->n_left == 0)
        purge->on_done(purge);
}

static void on_deleted(struct store_write *write, int result)
{
    struct deletion *deletion = container_of(write, struct deletion, write);
    struct purge *purge = deletion->purge;

    list_remove(&deletion->node);
    free(deletion);
    if (result < 0)
        purge->result = result;
    purge_unref(purge);
}

static int delete_row(struct broker *broker, const struct digest *key, struct purge *purge)
{
    struct deletion *deletion = calloc(1, sizeof(*deletion));
    int r;

    if (!deletion)
        return -ENOMEM;
    deletion->write.on_done = on_deleted;
    deletion->purge = purge;
    r = store_delete(broker->store, &deletion->write, key);
    if (r < 0) {
        free(deletion);
        return r;
    }
    list_append(&broker->deletions, &deletion->node);
    purge->n_left++;
    return 0;
}

void deletions_done(struct broker *broker)
{
    while (!list_is_empty(&broker->deletions))
        on_deleted(&container_of(broker->deletions.next, struct deletion, node)->write, -ECANCELED);
}

void broker_purge(struct broker *broker, const struct login_filter *filter, struct purge *purge)
{
    struct list *node;

    while (store_open_rows(broker->store, ROWS_PER_CALL))
        ; /* a row that is not open yet may be one of those */
    purge->n_left = 1;
    node = broker->by_age.next;
    while (node != &broker->by_age) {
        struct login *login = container_of(node, struct login, age);
        int r;

        node = node->next;
        if (!login->token.frame || !login_matches(login, filter))
            continue;
        purge->n_tokens++;
        r = delete_row(broker, &login->node.key, purge);
        if (r < 0)
            purge->result = r;
        if (login_is_idle(login))
            login_free(login);
        else
            login_drop_token(login);
    }
    purge_unref(purge);
}
