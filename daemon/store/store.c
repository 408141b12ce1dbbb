#include "store/store.h"

#include <assert.h>
#include <errno.h>
#include <libgen.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/counters.h"
#include "base/log.h"
#include "store/key.h"
#include "store/row.h"

#define CLOSE_USEC  2000 /* a commit that begins so soon after another follows it closely */
#define LINGER_USEC 1000

struct store {
    char *path;
    uint32_t rows_max;
    struct loop *loop;
    struct store_events events;
    struct loop_source done_source; /* an eventfd: the writer thread has completed a turn */
    struct rows rows;
    bool has_database; /* its id is in rows.database_id */
    bool has_warned;
    char problem[DATABASE_ERROR_MAX]; /* what it has warned of */
    bool has_thread;
    pthread_t thread;

    bool is_reading; /* reading rows: the loop owns the database, and nothing is written */
    size_t n_of_state[ROW_STATES];

    struct database database; /* owned by the thread once it runs; db NULL: not open */
    bool has_failed;          /* the latest turn failed; owned by the thread */

    pthread_mutex_t mutex; /* protects all members below */
    pthread_cond_t wake;
    struct list queued;
    struct list done;
    bool wants_tick;
    bool is_closing;
    int result;     /* of the thread's latest turn */
    bool is_opened; /* the thread has opened a database since the loop last checked */
    uint8_t opened_id[DATABASE_ID_SIZE];
    char reason[DATABASE_ERROR_MAX]; /* why it could not open one */
};

/* Passes a row to on_row(). A row that does not open is a miss, not an error. */
static int hand_over(struct store *store, const struct database_row *row, enum row_state *ret_state)
{
    struct digest key;
    struct record record;
    int r = row_open(&store->rows, row, clock_now(), ret_state, &key, &record);

    if (r == 0 && (*ret_state == ROW_GOOD || *ret_state == ROW_OLD))
        store->events.on_row(store->events.data, &key, &record, *ret_state == ROW_OLD);
    return r;
}

static int on_found_row(void *data, const struct database_row *row)
{
    enum row_state state;

    return hand_over(data, row, &state);
}

static int on_read_row(void *data, const struct database_row *row)
{
    struct store *store = data;
    enum row_state state;
    int r = hand_over(store, row, &state);

    if (r == 0)
        store->n_of_state[state]++;
    return r;
}

static int write_batch(struct store *store, struct list *batch)
{
    int r = database_begin(&store->database);

    for (struct list *node = batch->next; node != batch && r == 0; node = node->next) {
        struct store_write *write = container_of(node, struct store_write, node);

        if (write->is_deletion)
            r = database_delete(&store->database, write->names, write->n_names, write->all_others);
        /* the row was sealed for a database that has been replaced since */
        else if (memcmp(write->database_id, store->database.id, DATABASE_ID_SIZE) != 0)
            write->result = -ESTALE;
        else
            r = database_insert(&store->database, &write->row);
    }
    if (r == 0)
        r = database_commit(&store->database);
    if (r < 0)
        database_rollback(&store->database);
    return r;
}

static int open_or_replace(struct store *store, char *reason);

/*
 * Opens the database again, after it could not be opened or failed: a new handle has no stale
 * state.
 */
static void reopen(struct store *store)
{
    char reason[DATABASE_ERROR_MAX] = "";
    int r;

    if (store->database.db)
        database_close(&store->database);
    r = open_or_replace(store, reason);
    pthread_mutex_lock(&store->mutex);
    if (r == 0) {
        store->is_opened = true;
        memcpy(store->opened_id, store->database.id, DATABASE_ID_SIZE);
    }
    strcpy(store->reason, r == 0 ? "" : reason);
    pthread_mutex_unlock(&store->mutex);
    store->has_failed = r < 0;
}

static bool must_reopen(struct store *store)
{
    if (!store->database.db || store->has_failed)
        return true;
    if (!database_has_moved(&store->database))
        return false;
    log_warning("%s was deleted or replaced while it was in use; opening it again", store->path);
    return true;
}

static int take_turn(struct store *store, struct list *batch, bool wants_tick)
{
    int r = 0;

    if (wants_tick && must_reopen(store))
        reopen(store);
    if (!store->database.db)
        r = -EROFS;
    if (r == 0 && !list_is_empty(batch))
        r = write_batch(store, batch);
    if (r == 0 && wants_tick)
        r = database_purge(&store->database, clock_now().wall_s, store->rows_max);
    store->has_failed = r < 0;
    if (r == -EUCLEAN) /* damaged: replaced at once, before more writes are lost */
        reopen(store);
    for (struct list *node = batch->next; node != batch && r < 0; node = node->next)
        container_of(node, struct store_write, node)->result = r;
    return r;
}

/*
 * Lets rows gather while commits follow each other closely, so that more of them share a commit
 * (docs/decisions/0044). A row that comes alone is committed at once.
 */
static void linger(struct store *store, uint64_t ended_usec)
{
    if (store->is_closing || clock_boot_usec() - ended_usec >= CLOSE_USEC)
        return;
    pthread_mutex_unlock(&store->mutex);
    usleep(LINGER_USEC);
    pthread_mutex_lock(&store->mutex);
}

/* The writer thread. Writes that arrive during a commit are committed together in the next one. */
static void *writer(void *data)
{
    struct store *store = data;
    const uint64_t one = 1;
    uint64_t ended_usec = 0;

    pthread_mutex_lock(&store->mutex);
    while (!store->is_closing || !list_is_empty(&store->queued)) {
        struct list batch;
        bool wants_tick;
        int r;

        if (list_is_empty(&store->queued) && !store->wants_tick) {
            pthread_cond_wait(&store->wake, &store->mutex);
            continue;
        }
        linger(store, ended_usec);
        wants_tick = store->wants_tick;
        list_init(&batch);
        list_move(&batch, &store->queued);
        store->wants_tick = false;
        pthread_mutex_unlock(&store->mutex);
        r = take_turn(store, &batch, wants_tick);
        ended_usec = clock_boot_usec();
        pthread_mutex_lock(&store->mutex);
        store->result = r;
        list_move(&store->done, &batch);
        if (write(store->done_source.fd, &one, sizeof(one)) < 0)
            log_error("cannot wake the event loop: %s", strerror(errno));
    }
    pthread_mutex_unlock(&store->mutex);
    return NULL;
}

/* Logs the beginning and the end of a failure once. systemctl status shows it while it lasts. */
static void say(struct store *store, int result, const char *reason)
{
    bool warns = result < 0;

    if (warns == store->has_warned)
        return;
    store->has_warned = warns;
    snprintf(store->problem, sizeof(store->problem), "%s", warns ? reason : "");
    if (warns) {
        log_warning("cannot store tokens in %s: %s; serving from memory only", store->path, reason);
        sd_notifyf(0, "STATUS=Serving from memory only: cannot store tokens in %s: %s", store->path,
                   reason);
    } else {
        log_notice("storing tokens in %s again", store->path);
        sd_notifyf(0, "STATUS=Storing tokens in %s", store->path);
    }
}

/* Frees what the store allocated for a write. */
static void release(struct store_write *write)
{
    free((void *)TAKE_PTR(write->row.sealed));
    free(TAKE_PTR(write->names));
}

static void on_opened(struct store *store, const uint8_t id[DATABASE_ID_SIZE])
{
    bool is_same =
        store->has_database && memcmp(store->rows.database_id, id, DATABASE_ID_SIZE) == 0;

    store->has_database = true;
    memcpy(store->rows.database_id, id, DATABASE_ID_SIZE);
    if (!is_same)
        store->events.on_empty(store->events.data);
}

static void on_thread(struct loop_source *source, uint32_t events)
{
    struct store *store = container_of(source, struct store, done_source);
    char reason[DATABASE_ERROR_MAX];
    uint8_t id[DATABASE_ID_SIZE];
    struct list done, *node;
    bool is_opened;
    uint64_t n;
    int result;

    (void)events;
    if (read(source->fd, &n, sizeof(n)) < 0 && errno != EAGAIN)
        return;
    list_init(&done);
    pthread_mutex_lock(&store->mutex);
    list_move(&done, &store->done);
    result = store->result;
    is_opened = store->is_opened;
    store->is_opened = false;
    memcpy(id, store->opened_id, sizeof(id));
    strcpy(reason, result == -EROFS && store->reason[0] ? store->reason : strerror(-result));
    pthread_mutex_unlock(&store->mutex);
    if (result < 0)
        counter_add(COUNTER_STORE_ERRORS);
    say(store, result, reason);
    if (is_opened)
        on_opened(store, id);
    while ((node = list_take(&done))) {
        struct store_write *write = container_of(node, struct store_write, node);

        release(write);
        write->on_done(write, write->result);
    }
}

/* Other users must not be able to read, replace or add files. */
int store_check_directory(const char *directory, char ret_error[STORE_ERROR_MAX])
{
    struct stat st;

    if (stat(directory, &st) < 0)
        return 0;
    if (st.st_uid != geteuid() || st.st_mode & 077) {
        snprintf(ret_error, STORE_ERROR_MAX,
                 "the directory %s must belong to the daemon's user and have mode 0700", directory);
        return -EPERM;
    }
    return 0;
}

static int directory_prepare(const char *path, char *ret_error)
{
    CLEANUP(freep)
    char *copy = strdup(path);
    const char *directory = copy ? dirname(copy) : NULL;

    if (!directory)
        return -ENOMEM;
    if (mkdir(directory, 0700) < 0 && errno != EEXIST)
        return 0; /* opening the database will fail and report why */
    return store_check_directory(directory, ret_error);
}

/* Renames a damaged database. The latest two are kept. */
static void set_aside(const char *path, const char *reason)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};

    log_warning("%s is damaged (%s); moving it to %s.corrupt", path, reason, path);
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        CLEANUP(freep)
        char *from = NULL, *to = NULL, *older = NULL;

        if (asprintf(&from, "%s%s", path, suffixes[i]) < 0 ||
            asprintf(&to, "%s.corrupt%s", path, suffixes[i]) < 0 ||
            asprintf(&older, "%s.corrupt.old%s", path, suffixes[i]) < 0)
            return;
        /* removes leftovers, so that the files of different databases are never mixed */
        if (rename(to, older) < 0 && errno == ENOENT)
            unlink(older);
        if (rename(from, to) < 0 && errno != ENOENT)
            log_warning("cannot rename %s: %s", from, strerror(errno));
    }
}

static int open_or_replace(struct store *store, char *reason)
{
    int r = database_open(&store->database, store->path, store->rows_max, reason);

    if (r != -EUCLEAN)
        return r;
    set_aside(store->path, reason);
    return database_open(&store->database, store->path, store->rows_max, reason);
}

/* Opens the database. The daemon starts even if that fails. */
static void begin(struct store *store)
{
    char reason[DATABASE_ERROR_MAX] = "";
    int r = open_or_replace(store, reason);

    store->is_reading = store->has_database = r == 0;
    if (r < 0) {
        memcpy(store->reason, reason, sizeof(store->reason));
        say(store, r, reason);
        return;
    }
    memcpy(store->rows.database_id, store->database.id, DATABASE_ID_SIZE);
    store->rows.seen_s = store->database.seen_s;
    sd_notifyf(0, "STATUS=Storing tokens in %s", store->path);
}

static int keys_init(struct store *store, const struct store_settings *settings, char *ret_error)
{
    struct cache_keys keys;
    int r = cache_keys_load(settings->key, store->path, settings->is_key_beside_allowed,
                            settings->socket_path, &keys, ret_error);

    if (r == 0)
        r = seal_init(&store->rows.seal, keys.current);
    if (r == 0 && keys.has_previous)
        r = seal_init(&store->rows.previous, keys.previous);
    explicit_bzero(&keys, sizeof(keys));
    return r;
}

static int thread_start(struct store *store)
{
    sigset_t all, before;
    int r;

    /* from here on, the thread owns the database */
    assert(!store->is_reading && !store->has_thread);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    r = pthread_create(&store->thread, NULL, writer, store);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    store->has_thread = r == 0;
    return -r;
}

/* Recovers from an error while rows were read. The rows that were not read yet are lost. */
static void begin_empty(struct store *store, int result)
{
    char reason[DATABASE_ERROR_MAX] = "cannot read its rows";

    database_close(&store->database);
    if (result == -EUCLEAN) {
        set_aside(store->path, reason);
        result = open_or_replace(store, reason);
    }
    store->has_database = false;
    if (result == 0) {
        on_opened(store, store->database.id);
        return;
    }
    memcpy(store->reason, reason, sizeof(store->reason));
    say(store, result, reason);
}

/* Ends the reading. From now on, the writer thread owns the database. */
static void reading_ends(struct store *store, int result)
{
    const size_t *n = store->n_of_state;
    int r;

    store->is_reading = false;
    log_info("loaded %zu rows from %s; skipped: %zu expired, %zu undecryptable",
             n[ROW_GOOD] + n[ROW_OLD], store->path, n[ROW_EXPIRED], n[ROW_BAD]);
    if (result < 0)
        begin_empty(store, result);
    r = thread_start(store);
    if (r < 0) {
        log_error("cannot start the thread that stores tokens: %s", strerror(-r));
        store->has_database = false;
    }
}

bool store_open_rows(struct store *store, size_t n)
{
    int r;

    if (!store->is_reading)
        return false;
    r = database_read(&store->database, n, on_read_row, store);
    if (r > 0)
        return true;
    reading_ends(store, r);
    return false;
}

static void open_named(struct store *store, const struct seal *seal, const struct digest *key)
{
    struct digest name;

    if (seal->key && seal_name(seal, key, &name) == 0)
        database_find(&store->database, &name, on_found_row, store);
}

void store_open_row(struct store *store, const struct digest *key)
{
    if (!store->is_reading)
        return;
    open_named(store, &store->rows.seal, key);
    open_named(store, &store->rows.previous, key);
}

DEFINE_CLEANUP(struct store *, store_close)

static struct store *store_new(const struct store_settings *settings, struct loop *loop)
{
    struct store *store = calloc(1, sizeof(*store));

    if (!store)
        return NULL;
    store->done_source.fd = -1;
    store->loop = loop;
    store->rows_max = settings->rows_max;
    store->events = settings->events;
    list_init(&store->queued);
    list_init(&store->done);
    pthread_mutex_init(&store->mutex, NULL);
    pthread_cond_init(&store->wake, NULL);
    store->path = strdup(settings->path);
    if (!store->path)
        return store_close(store);
    /* a random id matches no row, so that the wall clock decides for all of them */
    if (clock_boot_id(store->rows.boot_id) < 0)
        RAND_bytes(store->rows.boot_id, BOOT_ID_SIZE);
    return store;
}

int store_open(const struct store_settings *settings, struct loop *loop, struct store **ret_store,
               char ret_error[STORE_ERROR_MAX])
{
    CLEANUP(store_closep)
    struct store *store = store_new(settings, loop);
    int r;

    snprintf(ret_error, STORE_ERROR_MAX, "cannot set up the store");
    if (!store)
        return -ENOMEM;
    r = directory_prepare(store->path, ret_error);
    if (r == 0)
        r = keys_init(store, settings, ret_error);
    if (r < 0)
        return r;
    begin(store);
    store->done_source =
        (struct loop_source){.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .on_ready = on_thread};
    r = store->done_source.fd < 0 ? -errno : loop_add(loop, &store->done_source, EPOLLIN);
    if (r == 0 && !store->is_reading)
        r = thread_start(store);
    if (r < 0)
        return r;
    *ret_store = TAKE_PTR(store);
    return 0;
}

struct store *store_close(struct store *store)
{
    struct list *node;

    if (!store)
        return NULL;
    if (store->has_thread) {
        pthread_mutex_lock(&store->mutex);
        store->is_closing = true;
        pthread_cond_signal(&store->wake);
        pthread_mutex_unlock(&store->mutex);
        pthread_join(store->thread, NULL);
    } else if (store->database.db && !list_is_empty(&store->queued)) {
        write_batch(store, &store->queued); /* closed before the thread was started */
    }
    list_move(&store->done, &store->queued);
    while ((node = list_take(&store->done)))
        release(container_of(node, struct store_write, node));
    if (store->done_source.fd >= 0) {
        loop_remove(store->loop, &store->done_source);
        close(store->done_source.fd);
    }
    if (store->database.db)
        database_close(&store->database);
    seal_done(&store->rows.seal);
    seal_done(&store->rows.previous);
    pthread_cond_destroy(&store->wake);
    pthread_mutex_destroy(&store->mutex);
    free(store->path);
    free(store);
    return NULL;
}

/* A deletion wants a tick, which truncates the log: deleted rows stay in it until then. */
static void enqueue(struct store *store, struct store_write *write)
{
    write->result = 0;
    pthread_mutex_lock(&store->mutex);
    list_append(&store->queued, &write->node);
    store->wants_tick |= write->is_deletion;
    pthread_cond_signal(&store->wake);
    pthread_mutex_unlock(&store->mutex);
}

int store_put(struct store *store, struct store_write *write, const struct digest *key,
              const struct record *record)
{
    int r;

    if (!store->has_database) /* a row is sealed for one database */
        return -ENODEV;
    r = row_seal(&store->rows, key, record, &write->row);
    if (r < 0)
        return r;
    write->is_deletion = false;
    write->names = NULL;
    memcpy(write->database_id, store->rows.database_id, DATABASE_ID_SIZE);
    enqueue(store, write);
    return 0;
}

static int add_name(const struct seal *seal, const struct digest *key, struct store_write *deletion)
{
    return seal->key ? seal_name(seal, key, &deletion->names[deletion->n_names++]) : 0;
}

int store_delete(struct store *store, struct store_write *deletion, const struct digest *keys,
                 size_t n, bool all_others)
{
    int r = 0;

    if (!store->has_database || store->is_reading)
        return -ENODEV;
    deletion->is_deletion = true;
    deletion->all_others = all_others;
    deletion->row = (struct database_row){0};
    deletion->n_names = 0;
    deletion->names = calloc(2 * n + 1, sizeof(*deletion->names));
    if (!deletion->names)
        return -ENOMEM;
    for (size_t i = 0; i < n && r == 0; i++) {
        r = add_name(&store->rows.seal, &keys[i], deletion);
        if (r == 0)
            r = add_name(&store->rows.previous, &keys[i], deletion);
    }
    if (r == 0)
        enqueue(store, deletion);
    else
        free(TAKE_PTR(deletion->names));
    return r;
}

const char *store_problem(const struct store *store)
{
    return store->problem[0] ? store->problem : NULL;
}

void store_tick(struct store *store)
{
    pthread_mutex_lock(&store->mutex);
    store->wants_tick = true;
    pthread_cond_signal(&store->wake);
    pthread_mutex_unlock(&store->mutex);
}
