/* Tokens on their way to the disk, and those that are not there as they should be. */
#ifndef KEEP_H
#define KEEP_H

#include "broker/login.h"

/* One write, which may outlive its login. */
struct write_behind {
    struct list node; /* of the broker */
    struct store_write write;
    struct login *login; /* NULL: it is gone, or has a newer token; or the row is no token's */
};

/* 0: the write of a row is under way; -errno: there will be none. */
int write_behind_record(struct broker *broker, const struct digest *key,
                        const struct record *record, struct write_behind **ret_write);

/* 0: the write of @token is under way; -errno: there will be none. */
int write_behind_begin(struct login *login, const struct token *token);

/* The write under way, if there is one, says nothing of the login any more. */
void write_behind_detach(struct login *login);

/* The login's token is not on the disk as it should be. */
void login_mark_dirty(struct login *login);

/* Begins to write the login's token, unless it is being written. */
void login_write(struct login *login);

#endif
