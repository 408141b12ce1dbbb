/*
 * What survives a restart: tokens, sealed, in SQLite.
 *
 * Memory is what the broker serves from. The store is read once, at start, and written by a thread
 * of its own, since a commit waits for the disk; that thread sees sealed rows only. Where there is
 * no usable disk the store says so and the broker goes on without it.
 */
#ifndef STORE_H
#define STORE_H

#include <stdint.h>

#include "digest.h"
#include "list.h"
#include "loop.h"
#include "token.h"

#define STORE_ERROR_MAX 512

struct store;

struct store_settings {
    const char *path;
    const char *key; /* CacheKey= */
};

/*
 * Called at start for each row that is whole and has not expired. Takes over @token. One that
 * @is_to_be_kept is not on the disk in today's form and should be put there. 0 or -errno.
 */
typedef int (*store_row)(void *data, const struct digest *key, struct token *token,
                         bool is_to_be_kept);

/* One write under way; embedded in its owner. */
struct store_write {
    struct list node;
    void (*on_done)(struct store_write *write, int result); /* 0 or -errno; in the loop's thread */
    struct digest name;
    int64_t created_s;
    int64_t expires_s;
    uint8_t *sealed;
    size_t sealed_len;
    int result;
};

/*
 * Opens or creates the database and hands each live row to @on_row. One that is damaged,
 * of a newer version or somebody else's is set aside, and an empty one begun. A database that
 * cannot be opened is no error: the store then keeps nothing, and has logged why.
 *
 * 0; -EBUSY if another daemon uses it; -EPERM if its directory or key are open to others; with a
 * sentence in @ret_error.
 */
int store_open(const struct store_settings *settings, struct loop *loop, store_row on_row,
               void *data, struct store **ret_store, char ret_error[STORE_ERROR_MAX]);

/* Writes all that is under way, without calling back, and closes. */
struct store *store_close(struct store *store);

/* Seals @token and begins to write it. 0, or -errno (then nothing is called back). */
int store_put(struct store *store, struct store_write *write, const struct digest *key,
              const struct token *token);

/* Once a minute: removes rows that have expired, in the background. */
void store_tick(struct store *store);

#endif
