#include "broker/write_behind.h"

#include <errno.h>

#include "broker/flight.h"

static void on_written(struct store_write *write, int result);

int write_behind_row(struct broker *broker, const struct digest *key, const struct token *token,
                     struct write_behind **ret_write)
{
    struct write_behind *keep = calloc(1, sizeof(*keep));
    int r;

    if (!keep)
        return -ENOMEM;
    keep->write.on_done = on_written;
    r = store_put(broker->store, &keep->write, key, token);
    if (r < 0) {
        free(keep);
        return r;
    }
    list_append(&broker->writes, &keep->node);
    *ret_write = keep;
    return 0;
}

int write_behind_begin(struct login *login, const struct token *token)
{
    struct write_behind *keep;
    int r = write_behind_row(login->broker, &login->node.key, token, &keep);

    if (r < 0)
        return r;
    keep->login = login;
    write_behind_detach(login);
    login->keep = keep;
    return 0;
}

void write_behind_detach(struct login *login)
{
    if (login->keep)
        login->keep->login = NULL;
    login->keep = NULL;
}

void login_mark_dirty(struct login *login)
{
    list_remove(&login->dirty);
    list_append(&login->broker->dirty, &login->dirty);
}

void login_write(struct login *login)
{
    if (login->keep || !login->token.frame)
        return;
    list_remove(&login->dirty);
    if (write_behind_begin(login, &login->token) < 0)
        login_mark_dirty(login);
}

/* Stored or not, the token is good; the store has said what is wrong with the disk. */
static void on_written(struct store_write *write, int result)
{
    struct write_behind *keep = container_of(write, struct write_behind, write);
    struct login *login = keep->login;
    struct broker *broker;

    list_remove(&keep->node);
    free(keep);
    if (!login)
        return;
    broker = login->broker;
    login->keep = NULL;
    if (result < 0)
        login_mark_dirty(login);
    else
        list_remove(&login->dirty);
    broker->is_disk_slow = false;
    flight_stored(login);
    /* a disk that works again gets what it missed, one after the other */
    if (result == 0 && !list_is_empty(&broker->dirty))
        login_write(container_of(broker->dirty.next, struct login, dirty));
}
