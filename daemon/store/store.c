#include "store.h"

#include <errno.h>
#include <libgen.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>

#include "database.h"
#include "log.h"
#include "messages.h"
#include "seal.h"

#define ROW_MAX (SEAL_OVERHEAD + DIGEST_SIZE + WIRE_HEADER_SIZE + PODLOGIN_ANSWER_MAX)

struct store {
    char *path;
    struct loop *loop;
    struct loop_source done_source; /* an eventfd: writes have ended */
    struct seal seal;
    struct database database; /* the thread's, once that runs; db NULL: nothing is kept */
    uint8_t database_id[DATABASE_ID_SIZE];
    bool has_thread;
    bool has_warned;
    pthread_t thread;

    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t wake;
    struct list queued;
    struct list done;
    bool wants_purge;
    bool is_closing;
};

/* What a sealed row is bound to: it opens only at its place, until its time, in its database. */
struct associated {
    char format[8];
    uint8_t database_id[DATABASE_ID_SIZE];
    uint8_t name[DIGEST_SIZE];
    uint8_t key_id[SEAL_ID_SIZE];
    int64_t created_s;
    int64_t expires_s;
};

_Static_assert(sizeof(struct associated) == 8 + 16 + 32 + 8 + 16, "no padding is authenticated");

static struct associated associated_of(const struct store *store, const struct digest *name,
                                       int64_t created_s, int64_t expires_s)
{
    struct associated associated = {
        .format = "podlog1", .created_s = created_s, .expires_s = expires_s};

    memcpy(associated.database_id, store->database_id, sizeof(associated.database_id));
    memcpy(associated.name, name->bytes, sizeof(associated.name));
    memcpy(associated.key_id, store->seal.id, sizeof(associated.key_id));
    return associated;
}

/* The plain text of a row: the key itself, since its name is only an HMAC, then the frame. */
static int row_seal(struct store *store, struct store_write *write, const struct digest *key,
                    const struct token *token)
{
    CLEANUP(secret_freep)
    struct secret *plain = secret_alloc(DIGEST_SIZE + token->frame->len);
    struct associated associated;
    int r;

    if (!plain || seal_name(&store->seal, key, &write->name) < 0)
        return -ENOMEM;
    write->sealed_len = plain->len + SEAL_OVERHEAD;
    write->sealed = malloc(write->sealed_len);
    if (!write->sealed)
        return -ENOMEM;
    memcpy(plain->bytes, key->bytes, DIGEST_SIZE);
    memcpy(plain->bytes + DIGEST_SIZE, token->frame->bytes, token->frame->len);
    write->created_s = token->created_s;
    write->expires_s = token->expires_s;
    associated = associated_of(store, &write->name, write->created_s, write->expires_s);
    r = seal_close(&store->seal, plain->bytes, plain->len, &associated, sizeof(associated),
                   write->sealed);
    if (r < 0)
        free(TAKE_PTR(write->sealed));
    return r;
}

static int row_open(struct store *store, const struct database_row *row, struct digest *ret_key,
                    struct token *ret_token)
{
    struct associated associated = associated_of(store, &row->name, row->created_s, row->expires_s);
    CLEANUP(secret_freep)
    struct secret *plain = NULL;
    CLEANUP(secret_freep)
    struct secret *frame = NULL;
    struct digest name;

    if (row->sealed_len < SEAL_OVERHEAD + DIGEST_SIZE || row->sealed_len > ROW_MAX)
        return -EBADMSG;
    plain = secret_alloc(row->sealed_len - SEAL_OVERHEAD);
    if (!plain)
        return -ENOMEM;
    if (seal_open(&store->seal, row->sealed, row->sealed_len, &associated, sizeof(associated),
                  plain->bytes) < 0)
        return -EBADMSG;
    memcpy(ret_key->bytes, plain->bytes, DIGEST_SIZE);
    frame = secret_new(plain->bytes + DIGEST_SIZE, plain->len - DIGEST_SIZE);
    if (!frame || seal_name(&store->seal, ret_key, &name) < 0)
        return -ENOMEM;
    if (memcmp(&name, &row->name, sizeof(name)) != 0 ||
        !token_frame_is_sound(frame, row->expires_s))
        return -EBADMSG;
    *ret_token = (struct token){
        .frame = TAKE_PTR(frame),
        .created_s = row->created_s,
        .expires_s = row->expires_s,
        .expires_boot_usec =
            clock_boot_usec() + (uint64_t)(row->expires_s - clock_now().wall_s) * SECOND_USEC,
    };
    return 0;
}

struct loading {
    struct store *store;
    store_row on_row;
    void *data;
    size_t n_loaded;
    size_t n_refused;
};

/* A row that does not open is a miss, not an error: another key sealed it, or somebody changed it.
 */
static int on_loaded_row(void *data, const struct database_row *row)
{
    struct loading *loading = data;
    struct digest key;
    struct token token;
    int r = row_open(loading->store, row, &key, &token);

    if (r == -EBADMSG) {
        loading->n_refused++;
        return 0;
    }
    if (r == 0) {
        loading->n_loaded++;
        r = loading->on_row(loading->data, &key, &token, false);
    }
    return r;
}

static int write_batch(struct store *store, struct list *batch)
{
    int r = database_begin(&store->database);

    for (struct list *node = batch->next; node != batch && r == 0; node = node->next) {
        const struct store_write *write = container_of(node, struct store_write, node);

        r = database_insert(&store->database, &(struct database_row){
                                                  .name = write->name,
                                                  .created_s = write->created_s,
                                                  .expires_s = write->expires_s,
                                                  .sealed = write->sealed,
                                                  .sealed_len = write->sealed_len,
                                              });
    }
    if (r == 0)
        r = database_commit(&store->database);
    if (r < 0)
        database_rollback(&store->database);
    return r;
}

static void take_turn(struct store *store, struct list *batch, bool wants_purge)
{
    int r = store->database.db ? 0 : -EROFS;

    if (r == 0 && !list_is_empty(batch))
        r = write_batch(store, batch);
    if (store->database.db && wants_purge && database_purge(&store->database, time(NULL)) < 0)
        log_warning("expired rows cannot be removed from %s", store->path);
    for (struct list *node = batch->next; node != batch; node = node->next)
        container_of(node, struct store_write, node)->result = r;
}

/* One commit for all that came in while the one before was on its way to the disk. */
static void *writer(void *data)
{
    struct store *store = data;
    const uint64_t one = 1;

    pthread_mutex_lock(&store->mutex);
    while (!store->is_closing || !list_is_empty(&store->queued)) {
        struct list batch;
        bool wants_purge = store->wants_purge;

        if (list_is_empty(&store->queued) && !wants_purge) {
            pthread_cond_wait(&store->wake, &store->mutex);
            continue;
        }
        list_init(&batch);
        list_move(&batch, &store->queued);
        store->wants_purge = false;
        pthread_mutex_unlock(&store->mutex);
        take_turn(store, &batch, wants_purge);
        pthread_mutex_lock(&store->mutex);
        list_move(&store->done, &batch);
        if (write(store->done_source.fd, &one, sizeof(one)) < 0)
            log_error("the loop cannot be woken: %s", strerror(errno));
    }
    pthread_mutex_unlock(&store->mutex);
    return NULL;
}

static void warn_once(struct store *store, int result)
{
    if (result == 0 && store->has_warned)
        log_notice("tokens are kept in %s again", store->path);
    if (result < 0 && !store->has_warned)
        log_warning("tokens cannot be kept in %s (%s): serving from memory only", store->path,
                    strerror(-result));
    store->has_warned = result < 0;
}

static void on_writes_done(struct loop_source *source, uint32_t events)
{
    struct store *store = container_of(source, struct store, done_source);
    struct list done, *node;
    uint64_t n;

    (void)events;
    if (read(source->fd, &n, sizeof(n)) < 0 && errno != EAGAIN)
        return;
    list_init(&done);
    pthread_mutex_lock(&store->mutex);
    list_move(&done, &store->done);
    pthread_mutex_unlock(&store->mutex);
    while ((node = list_take(&done))) {
        struct store_write *write = container_of(node, struct store_write, node);

        free(TAKE_PTR(write->sealed));
        warn_once(store, write->result);
        write->on_done(write, write->result);
    }
}

/* Nobody else may be able to read, replace or add files. */
static int directory_check(const char *path, char *ret_error)
{
    CLEANUP(freep)
    char *copy = strdup(path);
    const char *directory = copy ? dirname(copy) : NULL;
    struct stat st;

    if (!directory)
        return -ENOMEM;
    if ((mkdir(directory, 0700) < 0 && errno != EEXIST) || stat(directory, &st) < 0)
        return 0; /* opening the database says what is wrong */
    if (st.st_uid != geteuid() || st.st_mode & 077) {
        snprintf(ret_error, STORE_ERROR_MAX,
                 "the directory %s must belong to the daemon's user and have mode 0700", directory);
        return -EPERM;
    }
    return 0;
}

static void set_aside(const char *path, const char *reason)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};

    log_warning("%s is set aside as %s.corrupt: %s", path, path, reason);
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        CLEANUP(freep)
        char *from = NULL, *to = NULL;

        if (asprintf(&from, "%s%s", path, suffixes[i]) < 0 ||
            asprintf(&to, "%s.corrupt%s", path, suffixes[i]) < 0)
            return;
        if (rename(from, to) < 0 && errno != ENOENT)
            log_warning("%s cannot be renamed: %s", from, strerror(errno));
    }
}

static int load(struct store *store, struct loading *loading, char *reason)
{
    int r = database_open(&store->database, store->path, reason);

    if (r < 0)
        return r;
    memcpy(store->database_id, store->database.id, sizeof(store->database_id));
    r = database_load(&store->database, time(NULL), on_loaded_row, loading);
    if (r < 0) {
        snprintf(reason, DATABASE_ERROR_MAX, "its rows cannot be read");
        database_close(&store->database);
    }
    return r;
}

static int load_or_begin_anew(struct store *store, struct loading *loading, char *ret_error)
{
    char reason[DATABASE_ERROR_MAX];
    int r = load(store, loading, reason);

    if (r == -EUCLEAN) {
        set_aside(store->path, reason);
        r = load(store, loading, reason);
    }
    if (r == -EBUSY) {
        snprintf(ret_error, STORE_ERROR_MAX, "%s is in use; is another podlogind running?",
                 store->path);
        return r;
    }
    if (r < 0) {
        log_warning("tokens cannot be kept in %s (%s): serving from memory only", store->path,
                    reason);
        store->has_warned = true;
    }
    log_info("%zu tokens taken over from %s, %zu rows not usable", loading->n_loaded, store->path,
             loading->n_refused);
    return 0;
}

static int thread_start(struct store *store)
{
    sigset_t all, before;
    int r;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    r = pthread_create(&store->thread, NULL, writer, store);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    store->has_thread = r == 0;
    return -r;
}

DEFINE_CLEANUP(struct store *, store_close)

int store_open(const struct store_settings *settings, struct loop *loop, store_row on_row,
               void *data, struct store **ret_store, char ret_error[STORE_ERROR_MAX])
{
    CLEANUP(store_closep)
    struct store *store = calloc(1, sizeof(*store));
    struct loading loading = {.store = store, .on_row = on_row, .data = data};
    char reason[SEAL_ERROR_MAX] = "";
    int r;

    snprintf(ret_error, STORE_ERROR_MAX, "the store cannot be set up");
    if (!store)
        return -ENOMEM;
    store->done_source.fd = -1;
    list_init(&store->queued);
    list_init(&store->done);
    pthread_mutex_init(&store->mutex, NULL);
    pthread_cond_init(&store->wake, NULL);
    store->loop = loop;
    store->path = strdup(settings->path);
    if (!store->path)
        return -ENOMEM;
    r = directory_check(store->path, ret_error);
    if (r < 0)
        return r;
    r = seal_init(&store->seal, settings->key, store->path, reason);
    if (r < 0) {
        snprintf(ret_error, STORE_ERROR_MAX, "%s", reason);
        return r;
    }
    r = load_or_begin_anew(store, &loading, ret_error);
    if (r < 0)
        return r;
    store->done_source = (struct loop_source){.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
                                              .on_ready = on_writes_done};
    r = store->done_source.fd < 0 ? -errno : loop_add(loop, &store->done_source, EPOLLIN);
    if (r == 0)
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
    }
    while ((node = list_take(&store->done)))
        free(TAKE_PTR(container_of(node, struct store_write, node)->sealed));
    if (store->done_source.fd >= 0) {
        loop_remove(store->loop, &store->done_source);
        close(store->done_source.fd);
    }
    if (store->database.db)
        database_close(&store->database);
    seal_done(&store->seal);
    pthread_cond_destroy(&store->wake);
    pthread_mutex_destroy(&store->mutex);
    free(store->path);
    free(store);
    return NULL;
}

int store_put(struct store *store, struct store_write *write, const struct digest *key,
              const struct token *token)
{
    int r = row_seal(store, write, key, token);

    if (r < 0)
        return r;
    pthread_mutex_lock(&store->mutex);
    list_append(&store->queued, &write->node);
    pthread_cond_signal(&store->wake);
    pthread_mutex_unlock(&store->mutex);
    return 0;
}

void store_tick(struct store *store)
{
    pthread_mutex_lock(&store->mutex);
    store->wants_purge = true;
    pthread_cond_signal(&store->wake);
    pthread_mutex_unlock(&store->mutex);
}
