/*
 * Write-behind: tokens that are being written to the disk, and dirty ones, whose row on the disk is
 * missing or out of date.
 */
#ifndef BROKER_WRITE_BEHIND_H
#define BROKER_WRITE_BEHIND_H

#include "broker/login.h"

/* One write. It may outlive its login. */
struct write_behind {
    struct list node; /* in broker.writes */
    struct store_write write;
    struct login *login; /* NULL: it is gone or has a newer token, or the row holds keys */
};

/*
 * Starts to write @record. Returns 0, with the write in @ret_write; or -errno, and writes nothing.
 */
int write_behind_record(struct broker *broker, const struct digest *key,
                        const struct record *record, struct write_behind **ret_write);

/* Starts to write @token for @login. Returns 0; or -errno, and writes nothing. */
int write_behind_begin(struct login *login, const struct token *token);

/* Detaches the write under way, if there is one: its result no longer concerns the login. */
void write_behind_detach(struct login *login);

/* Marks the login as dirty: its token must be written to the disk. */
void login_mark_dirty(struct login *login);

/*
 * Starts to write the login's token, unless a write is under way. If it cannot, the login is dirty.
 */
void login_write(struct login *login);

#endif
