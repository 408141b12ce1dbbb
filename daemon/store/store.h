/*
 * What survives a restart: tokens, sealed, in SQLite.
 *
 * Memory is what the broker serves from. The store is read once, at start, and written by a thread
 * of its own, since a commit waits for the disk; that thread sees sealed rows only. What was read
 * is opened row by row, when it is asked for or else in the background, so that the first hit does
 * not wait for all. Where there is no usable disk the store says so, the broker goes on without it,
 * and it is tried again.
 */
#ifndef STORE_H
#define STORE_H

#include <stdint.h>

#include "base/list.h"
#include "base/loop.h"
#include "store/database.h"
#include "store/record.h"

#define STORE_ERROR_MAX 512

struct store;

/* Called back in the loop's thread. */
struct store_events {
    void *data;

    /*
     * For each row that is opened, is whole and has not expired. Takes over @record. One that
     * @is_outdated is not on the disk in today's form and should be put there.
     */
    void (*on_row)(void *data, const struct digest *key, struct record *record, bool is_outdated);

    /* There is another, empty database now: all tokens should be put there. */
    void (*on_empty)(void *data);
};

struct store_settings {
    const char *path;
    const char *key; /* CacheKey= */
    bool is_key_beside_allowed;
    uint32_t rows_max;
    struct store_events events;
};

/* One write under way; embedded in its owner. */
struct store_write {
    struct list node;
    void (*on_done)(struct store_write *write, int result); /* 0 or -errno; in the loop's thread */
    struct database_row row;                                /* owns what is sealed */
    uint8_t database_id[DATABASE_ID_SIZE];                  /* in which alone the row opens */
    int result;
};

/*
 * Opens or creates the database. One that is damaged is set aside, and an empty one begun. One that
 * cannot be opened is no error: the store then writes nothing, has logged why, and tries again.
 *
 * 0; -EPERM if its directory or key are open to others; another -errno; with a sentence in
 * @ret_error.
 */
int store_open(const struct store_settings *settings, struct loop *loop, struct store **ret_store,
               char ret_error[STORE_ERROR_MAX]);

/* Until all rows are open: opens the one of @key, if there is one, and hands it to on_row(). */
void store_open_row(struct store *store, const struct digest *key);

/* Opens the next @n rows, also those that have been asked for. False: all are open. */
bool store_open_rows(struct store *store, size_t n);

/* Writes all that is under way, without calling back, and closes. */
struct store *store_close(struct store *store);

/* Seals @record and begins to write it. 0, or -errno (then nothing is called back). */
int store_put(struct store *store, struct store_write *write, const struct digest *key,
              const struct record *record);

/* Once a minute: removes rows that have expired, opens what could not be opened; in the
 * background. */
void store_tick(struct store *store);

#endif
