#include "broker/write_behind.h"

#include <errno.h>

#include "broker/flight.h"

static void on_written(struct store_write *write, int result);

int write_behind_record(struct broker *broker, const struct digest *key,
                        const struct record *record, struct write_behind **ret_write)
{
    struct write_behind *pending = calloc(1, sizeof(*pending));
    int r;

    if (!pending)
        return -ENOMEM;
    pending->write.on_done = on_written;
    r = store_put(broker->store, &pending->write, key, record);
    if (r < 0) {
        free(pending);
        return r;
    }
    list_append(&broker->writes, &pending->node);
    *ret_write = pending;
    return 0;
}

int write_behind_begin(struct login *login, const struct token *token)
{
    const struct record record = token_record(token);
    struct write_behind *pending;
    int r = write_behind_record(login->broker, &login->node.key, &record, &pending);

    if (r < 0)
        return r;
    pending->login = login;
    write_behind_detach(login);
    login->write = pending;
    return 0;
}

void write_behind_detach(struct login *login)
{
    if (login->write)
        login->write->login = NULL;
    login->write = NULL;
}

void login_mark_dirty(struct login *login)
{
    list_remove(&login->dirty);
    list_append(&login->broker->dirty, &login->dirty);
}

void login_write(struct login *login)
{
    if (login->write)
        return;
    list_remove(&login->dirty);
    if (!login->token.frame)
        return; /* it was purged */
    if (write_behind_begin(login, &login->token) < 0)
        login_mark_dirty(login);
}

/* The token is good even if it was not stored; the store has logged the disk's problem. */
static void on_written(struct store_write *write, int result)
{
    struct write_behind *pending = container_of(write, struct write_behind, write);
    struct login *login = pending->login;
    struct broker *broker;

    list_remove(&pending->node);
    free(pending);
    if (!login)
        return;
    broker = login->broker;
    login->write = NULL;
    if (result < 0)
        login_mark_dirty(login);
    else
        list_remove(&login->dirty);
    broker->is_disk_slow = false;
    flight_stored(login);
    /* after an outage of the disk, the dirty logins are written one after the other */
    if (result == 0 && !list_is_empty(&broker->dirty))
        login_write(container_of(broker->dirty.next, struct login, dirty));
}
