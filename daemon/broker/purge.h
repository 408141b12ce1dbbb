/* Removes tokens from memory and from the disk, when the administrator asks for it. */
#ifndef BROKER_PURGE_H
#define BROKER_PURGE_H

#include "broker/login.h"

/*
 * Which logins. All that is not NULL must match. A login that nobody has used since the start has
 * no known service and account, and matches any, so that no token stays that was meant.
 */
struct login_filter {
    const char *service; /* its name, or that of a service that shares its tokens */
    const char *account; /* "NAMESPACE/NAME" */
    const char *key;     /* the first characters of the cache key, in hexadecimal */
};

bool login_matches(const struct login *login, const struct login_filter *filter);

struct purge {
    struct list node; /* in broker.purges */
    struct broker *broker;
    struct store_write deletion;
    struct digest *keys; /* of the logins whose tokens were dropped; owned */
    size_t n_tokens;
    int result; /* of the disk: 0 or -errno */

    /* Called once all rows are deleted, which may be before broker_purge() returns; frees it. */
    void (*on_done)(struct purge *purge);
    void *data;
};

/*
 * Drops the tokens of logins that match, and deletes their rows. Without a filter, deletes all rows
 * of tokens, also those of logins that are not in memory any more. Exchanges in flight go on.
 *
 * @filter: NULL: all tokens.
 * @purge:  zeroed but for on_done and data; belongs to on_done().
 */
void broker_purge(struct broker *broker, const struct login_filter *filter, struct purge *purge);

/* Ends all purges, after the store was closed. */
void purges_done(struct broker *broker);

#endif
