/*
 * Stores records, such as tokens, in an SQLite database, so that they survive a restart. They are
 * sealed.
 *
 * The broker serves from memory. It reads the store once, at start: rows are opened in the
 * background, or earlier if they are requested, so that the first requests do not wait for all
 * rows. A writer thread does the writing, because a commit waits for the disk; it handles sealed
 * rows only. If the disk cannot be used, the store logs it, the broker continues without it, and
 * the store tries again with each store_tick().
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/loop.h"
#include "store/database.h"
#include "store/record.h"

#define STORE_ERROR_MAX 512

struct store;

/* Callbacks, called in the thread of the event loop. */
struct store_events {
    void *data;

    /*
     * Called for each row that was opened and has not expired. Takes over @record's bytes.
     *
     * @is_outdated: the row was sealed with the previous key, or by an older version; the record
     *               should be put again.
     */
    void (*on_row)(void *data, const struct digest *key, struct record *record, bool is_outdated);

    /*
     * Called when another database was opened, which lacks the records of the previous one: all
     * records should be put again.
     */
    void (*on_empty)(void *data);
};

struct store_settings {
    const char *path;
    const char *key; /* CacheKey= */
    bool is_key_beside_allowed;
    const char *socket_path; /* neither key nor database may be in its directory; NULL: none */
    uint32_t rows_max;
    struct store_events events;
};

/* A write or a deletion; embedded in its owner, which must not free or reuse it before on_done().
 */
struct store_write {
    struct list node;
    bool is_deletion;
    bool all_others;      /* a deletion of all rows but those */
    struct digest *names; /* of a deletion's rows; owned */
    size_t n_names;
    void (*on_done)(struct store_write *write, int result); /* 0 or -errno; in the loop's thread */
    struct database_row row;                                /* owns the sealed bytes */
    uint8_t database_id[DATABASE_ID_SIZE]; /* the database that the row is sealed for */
    int result;
};

/*
 * Opens or creates the database. A damaged one is renamed and replaced by an empty one. It is not
 * an error if the database cannot be opened: the store logs why, writes nothing, and tries again
 * with store_tick().
 *
 * @ret_store: set on success only; closed with store_close().
 * @ret_error: on failure, one line.
 *
 * Returns 0; -EPERM if other users could access the directory or the key; or another -errno.
 */
int store_open(const struct store_settings *settings, struct loop *loop, struct store **ret_store,
               char ret_error[STORE_ERROR_MAX]);

/*
 * Checks that no other user can read or replace the files of a store in @directory. One that does
 * not exist passes.
 *
 * Returns 0; or -EPERM, with one line in @ret_error.
 */
int store_check_directory(const char *directory, char ret_error[STORE_ERROR_MAX]);

/*
 * Opens the row of @key, if there is one, and calls on_row(). Does nothing once all rows are open.
 */
void store_open_row(struct store *store, const struct digest *key);

/*
 * Opens the next @n rows, including those that store_open_row() has opened already, and calls
 * on_row(). Returns false once all are open.
 */
bool store_open_rows(struct store *store, size_t n);

/* Completes all writes without calling on_done(), and closes. @store may be NULL. Returns NULL. */
struct store *store_close(struct store *store);

/*
 * Seals @record, and queues it to be written; on_done() of @write reports the result. Returns 0; or
 * -errno, and on_done() is not called: -ENODEV if there is no database.
 */
int store_put(struct store *store, struct store_write *write, const struct digest *key,
              const struct record *record);

/*
 * Deletes the rows of @n @keys, or all rows but those (@all_others), after the writes that are
 * queued, and then truncates the write-ahead log. A key has two rows, if it was sealed with the
 * current key and with the previous one. on_done() of @deletion reports the result.
 *
 * Returns 0; or -errno, and on_done() is not called: -ENODEV if there is no database.
 */
int store_delete(struct store *store, struct store_write *deletion, const struct digest *keys,
                 size_t n, bool all_others);

/* Returns why tokens are not stored at present; valid until control returns to the loop; or NULL.
 */
const char *store_problem(const struct store *store);

/*
 * Deletes expired rows, and opens a database that could not be opened. Done by the writer thread;
 * the caller calls this once a minute.
 */
void store_tick(struct store *store);

#endif
