#include "broker/write_behind.h"

#include <errno.h>

#include "broker/flight.h"

static void on_kept(struct store_write *write, int result);

int keep_row(struct broker *broker, const struct digest *key, const struct token *token,
             struct keep **ret_keep)
{
    struct keep *keep = calloc(1, sizeof(*keep));
    int r;

    if (!keep)
        return -ENOMEM;
    keep->write.on_done = on_kept;
    r = store_put(broker->store, &keep->write, key, token);
    if (r < 0) {
        free(keep);
        return r;
    }
    list_append(&broker->keeps, &keep->node);
    *ret_keep = keep;
    return 0;
}

int keep_begin(struct login *login, const struct token *token)
{
    struct keep *keep;
    int r = keep_row(login->broker, &login->node.key, token, &keep);

    if (r < 0)
        return r;
    keep->login = login;
    keep_orphan(login);
    login->keep = keep;
    return 0;
}

void keep_orphan(struct login *login)
{
    if (login->keep)
        login->keep->login = NULL;
    login->keep = NULL;
}

void login_mark_unkept(struct login *login)
{
    list_remove(&login->unkept);
    list_append(&login->broker->unkept, &login->unkept);
}

void login_keep(struct login *login)
{
    if (login->keep || !login->token.frame)
        return;
    list_remove(&login->unkept);
    if (keep_begin(login, &login->token) < 0)
        login_mark_unkept(login);
}

/* Stored or not, the token is good; the store has said what is wrong with the disk. */
static void on_kept(struct store_write *write, int result)
{
    struct keep *keep = container_of(write, struct keep, write);
    struct login *login = keep->login;
    struct broker *broker;

    list_remove(&keep->node);
    free(keep);
    if (!login)
        return;
    broker = login->broker;
    login->keep = NULL;
    if (result < 0)
        login_mark_unkept(login);
    else
        list_remove(&login->unkept);
    broker->is_disk_slow = false;
    flight_kept(login);
    /* a disk that works again gets what it missed, one after the other */
    if (result == 0 && !list_is_empty(&broker->unkept))
        login_keep(container_of(broker->unkept.next, struct login, unkept));
}
