#include "support/disk.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define SECTOR    512
#define PATH_SIZE 256

enum operation {
    OPERATION_OPEN,
    OPERATION_CREATE, /* an xOpen, too */
    OPERATION_READ,
    OPERATION_WRITE,
    OPERATION_TRUNCATE,
    OPERATION_SYNC,
    OPERATION_DELETE,
    OPERATION_ACCESS,
    OPERATION_SIZE,
    OPERATION_LOCK,
};

static const struct {
    int own_code;    /* for codes that the operation cannot return */
    int other_codes; /* a bit for each primary code that it can return besides */
    bool is_writing;
} operations[] = {
    [OPERATION_OPEN] = {SQLITE_CANTOPEN, 1 << SQLITE_NOMEM, false},
    [OPERATION_CREATE] = {SQLITE_CANTOPEN, 1 << SQLITE_NOMEM | 1 << SQLITE_READONLY, true},
    [OPERATION_READ] = {SQLITE_IOERR_READ, 0, false},
    [OPERATION_WRITE] = {SQLITE_IOERR_WRITE, 1 << SQLITE_FULL | 1 << SQLITE_READONLY, true},
    [OPERATION_TRUNCATE] = {SQLITE_IOERR_TRUNCATE, 0, true},
    [OPERATION_SYNC] = {SQLITE_IOERR_FSYNC, 0, true},
    [OPERATION_DELETE] = {SQLITE_IOERR_DELETE, 0, true},
    [OPERATION_ACCESS] = {SQLITE_IOERR_ACCESS, 0, false},
    [OPERATION_SIZE] = {SQLITE_IOERR_FSTAT, 0, false},
    [OPERATION_LOCK] = {SQLITE_IOERR_LOCK, 1 << SQLITE_BUSY, false},
};

struct image {
    uint8_t *bytes;
    size_t len, capacity;
};

/* What happened to a file since its last sync: bytes within one sector, or a truncation. */
struct change {
    struct change *next;
    bool is_truncation;
    size_t at, len;
    uint8_t bytes[];
};

/* Newest first in the list, since a cut may have to choose between two of the same name. */
struct file {
    struct file *next;
    char name[PATH_SIZE];
    bool is_named;   /* the process finds it */
    bool is_durable; /* the disk knows the name, too */
    struct image volatile_image, durable_image;
    struct change *first, **end; /* of the changes, in order */
};

struct handle {
    sqlite3_file base;
    struct handle *next;
    struct file *file; /* NULL once the process is dead */
    int lock;
};

static struct {
    struct file *files;
    struct handle *handles;
    uint64_t n_operations;
    struct {
        uint64_t in; /* so many writing operations; 0: never */
        uint64_t seed;
        bool has_happened;
    } cut;
    struct {
        uint64_t at; /* in n_operations; 0: never */
        int code;
        bool is_for_ever, has_happened;
    } failure;
} disk;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static sqlite3_vfs vfs;

static pthread_mutex_t *lock_disk(void)
{
    pthread_mutex_lock(&mutex);
    return &mutex;
}

static void unlockp(pthread_mutex_t **locked)
{
    pthread_mutex_unlock(*locked);
}

/* Until the end of the function it stands in. Unused: clang does not see the cleanup. */
#define LOCKED_HERE __attribute__((unused)) CLEANUP(unlockp) pthread_mutex_t *locked_ = lock_disk()

/* A test that runs out of memory has nothing to say. */
static void *need(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

/* splitmix64 */
static uint64_t random_next(uint64_t *random)
{
    uint64_t mixed = *random += 0x9e3779b97f4a7c15;

    mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111eb;
    return mixed ^ mixed >> 31;
}

static void image_resize(struct image *image, size_t len)
{
    if (len > image->capacity) {
        image->capacity = len * 2;
        image->bytes = need(realloc(image->bytes, image->capacity));
    }
    if (len > image->len)
        memset(image->bytes + image->len, 0, len - image->len);
    image->len = len;
}

static void image_write(struct image *image, size_t at, const uint8_t *bytes, size_t len)
{
    if (at + len > image->len)
        image_resize(image, at + len);
    if (len > 0)
        memcpy(image->bytes + at, bytes, len);
}

static void change_apply(const struct change *change, struct image *image)
{
    if (!change->is_truncation)
        image_write(image, change->at, change->bytes, change->len);
    else if (change->at < image->len)
        image_resize(image, change->at);
}

static void change_add(struct file *file, size_t at, const uint8_t *bytes, size_t len)
{
    struct change *change = need(malloc(sizeof(*change) + len));

    *change = (struct change){.is_truncation = !bytes, .at = at, .len = len};
    if (bytes)
        memcpy(change->bytes, bytes, len);
    *file->end = change;
    file->end = &change->next;
}

static void changes_free(struct file *file)
{
    struct change *change;

    while ((change = file->first) != NULL) {
        file->first = change->next;
        free(change);
    }
    file->end = &file->first;
}

static struct file *file_find(const char *name)
{
    for (struct file *file = disk.files; file; file = file->next)
        if (file->is_named && strcmp(file->name, name) == 0)
            return file;
    return NULL;
}

/* Without a @name it is a temporary file, gone when it is closed. */
static struct file *file_new(const char *name)
{
    struct file *file = need(calloc(1, sizeof(*file)));

    if (name)
        snprintf(file->name, sizeof(file->name), "%s", name);
    file->is_named = name != NULL;
    file->end = &file->first;
    file->next = disk.files;
    disk.files = file;
    return file;
}

static void file_free(struct file *file)
{
    changes_free(file);
    free(file->volatile_image.bytes);
    free(file->durable_image.bytes);
    free(file);
}

static bool file_is_needed(const struct file *file)
{
    if (file->is_named || file->is_durable)
        return true;
    for (struct handle *handle = disk.handles; handle; handle = handle->next)
        if (handle->file == file)
            return true;
    return false;
}

static void files_tidy(void)
{
    struct file **link = &disk.files;

    while (*link) {
        struct file *file = *link;

        if (file_is_needed(file)) {
            link = &file->next;
        } else {
            *link = file->next;
            file_free(file);
        }
    }
}

static void file_write(struct file *file, size_t at, const uint8_t *bytes, size_t len)
{
    image_write(&file->volatile_image, at, bytes, len);
    while (len > 0) {
        size_t to_sector_end = SECTOR - at % SECTOR;
        size_t part = len < to_sector_end ? len : to_sector_end;

        change_add(file, at, bytes, part);
        at += part;
        bytes += part;
        len -= part;
    }
}

/* All files are in one directory. */
static void directory_sync(void)
{
    for (struct file *file = disk.files; file; file = file->next)
        file->is_durable = file->is_named;
}

/* The first one of a new file syncs its directory: what SQLite on a real file does for a journal
 * and a WAL, and counts on, for it does not sync after deleting a journal. */
static void file_sync(struct file *file)
{
    for (struct change *change = file->first; change; change = change->next)
        change_apply(change, &file->durable_image);
    changes_free(file);
    if (file->is_named && !file->is_durable)
        directory_sync();
}

/* @survivors of 16 changes reach the disk; half of the other writes do in part. */
static void change_cut(struct change *change, struct image *image, unsigned survivors,
                       uint64_t *random)
{
    if (random_next(random) % 16 >= survivors) {
        if (change->len < 2 || random_next(random) % 2 == 0)
            return;
        change->len = 1 + random_next(random) % (change->len - 1);
    }
    change_apply(change, image);
}

static void file_cut(struct file *file, unsigned survivors, uint64_t *random)
{
    struct image *durable = &file->durable_image;

    for (struct change *change = file->first; change; change = change->next)
        change_cut(change, durable, survivors, random);
    changes_free(file);
    image_resize(&file->volatile_image, durable->len);
    image_write(&file->volatile_image, 0, durable->bytes, durable->len);

    if (file->is_named != file->is_durable)
        file->is_named = random_next(random) % 2 == 0;
    file->is_named = file->is_named && file_find(file->name) == file;
    file->is_durable = file->is_named;
}

static void processes_end(void)
{
    for (struct handle *handle = disk.handles; handle; handle = handle->next)
        handle->file = NULL;
}

static void cut(uint64_t seed)
{
    uint64_t random = seed;
    unsigned survivors = random_next(&random) % 17; /* from none to all */

    processes_end();
    for (struct file *file = disk.files; file; file = file->next)
        file_cut(file, survivors, &random);
    files_tidy();
    disk.cut.in = 0;
    disk.cut.has_happened = true;
}

static void wipe(void)
{
    processes_end();
    for (struct file *file = disk.files; file; file = file->next)
        file->is_named = file->is_durable = false;
    files_tidy();
    disk.cut.in = 0;
    disk.failure.at = 0;
}

/* What the operation fails with if it is one that has to, else SQLITE_OK. */
static int injected_code(enum operation operation)
{
    int code = disk.failure.code;
    bool is_due = disk.failure.is_for_ever ? disk.n_operations >= disk.failure.at
                                           : disk.n_operations == disk.failure.at;
    bool stops_writers_only =
        disk.failure.is_for_ever && (code == SQLITE_FULL || code == SQLITE_READONLY);

    if (!disk.failure.at || !is_due || (stops_writers_only && !operations[operation].is_writing))
        return SQLITE_OK;
    disk.failure.has_happened = true;
    return code < 31 && operations[operation].other_codes & 1 << code
               ? code
               : operations[operation].own_code;
}

/* To be called before an operation is done, which then only happens on SQLITE_OK. */
static int operation_begin(enum operation operation)
{
    disk.n_operations++;
    if (operations[operation].is_writing && disk.cut.in > 0 && --disk.cut.in == 0) {
        cut(disk.cut.seed);
        return SQLITE_IOERR;
    }
    return injected_code(operation);
}

static int handle_begin(struct handle *handle, enum operation operation)
{
    return handle->file ? operation_begin(operation) : SQLITE_IOERR;
}

static int on_close(sqlite3_file *base)
{
    struct handle *handle = (struct handle *)base, **link = &disk.handles;
    LOCKED_HERE;

    while (*link != handle)
        link = &(*link)->next;
    *link = handle->next;
    files_tidy();
    return SQLITE_OK;
}

static int on_read(sqlite3_file *base, void *buffer, int len, sqlite3_int64 at)
{
    struct handle *handle = (struct handle *)base;
    size_t wanted = (size_t)len, start = (size_t)at, got = 0;
    const struct image *image;
    LOCKED_HERE;
    int code = handle_begin(handle, OPERATION_READ);

    if (code != SQLITE_OK) {
        memset(buffer, 0xee, wanted); /* so that nobody gets away with using it */
        return code;
    }
    image = &handle->file->volatile_image;
    if (start < image->len) {
        got = image->len - start < wanted ? image->len - start : wanted;
        memcpy(buffer, image->bytes + start, got);
    }
    memset((uint8_t *)buffer + got, 0, wanted - got); /* SQLite insists */
    return got < wanted ? SQLITE_IOERR_SHORT_READ : SQLITE_OK;
}

static int on_write(sqlite3_file *base, const void *bytes, int len, sqlite3_int64 at)
{
    struct handle *handle = (struct handle *)base;
    LOCKED_HERE;
    int code = handle_begin(handle, OPERATION_WRITE);
    size_t written = (size_t)(code == SQLITE_OK ? len : len / 2);

    if (handle->file)
        file_write(handle->file, (size_t)at, bytes, written);
    return code;
}

static int on_truncate(sqlite3_file *base, sqlite3_int64 len)
{
    struct handle *handle = (struct handle *)base;
    LOCKED_HERE;
    int code = handle_begin(handle, OPERATION_TRUNCATE);

    if (code == SQLITE_OK) {
        image_resize(&handle->file->volatile_image, (size_t)len);
        change_add(handle->file, (size_t)len, NULL, 0);
    }
    return code;
}

static int on_sync(sqlite3_file *base, int flags)
{
    struct handle *handle = (struct handle *)base;
    LOCKED_HERE;
    int code = handle_begin(handle, OPERATION_SYNC);

    (void)flags;
    if (code == SQLITE_OK)
        file_sync(handle->file);
    return code;
}

static int on_file_size(sqlite3_file *base, sqlite3_int64 *ret_len)
{
    struct handle *handle = (struct handle *)base;
    LOCKED_HERE;
    int code = handle_begin(handle, OPERATION_SIZE);

    if (code == SQLITE_OK)
        *ret_len = (sqlite3_int64)handle->file->volatile_image.len;
    return code;
}

/* The highest lock that other handles have on the same file. */
static int lock_of_others(const struct handle *handle)
{
    int highest = SQLITE_LOCK_NONE;

    for (struct handle *other = disk.handles; other; other = other->next)
        if (other != handle && other->file == handle->file && other->lock > highest)
            highest = other->lock;
    return highest;
}

/* A waiting writer does not keep new readers out here (PENDING): there is one process. */
static bool is_lock_free(const struct handle *handle, int lock)
{
    int others = lock_of_others(handle);

    switch (lock) {
    case SQLITE_LOCK_SHARED:
        return others < SQLITE_LOCK_EXCLUSIVE;
    case SQLITE_LOCK_RESERVED:
        return others < SQLITE_LOCK_RESERVED;
    default:
        return others == SQLITE_LOCK_NONE;
    }
}

static int on_lock(sqlite3_file *base, int lock)
{
    struct handle *handle = (struct handle *)base;
    LOCKED_HERE;
    int code = handle_begin(handle, OPERATION_LOCK);

    if (code != SQLITE_OK || lock <= handle->lock)
        return code;
    if (!is_lock_free(handle, lock))
        return SQLITE_BUSY;
    handle->lock = lock;
    return SQLITE_OK;
}

static int on_unlock(sqlite3_file *base, int lock)
{
    struct handle *handle = (struct handle *)base;
    LOCKED_HERE;

    if (lock < handle->lock)
        handle->lock = lock;
    return handle->file ? SQLITE_OK : SQLITE_IOERR;
}

static int on_check_reserved_lock(sqlite3_file *base, int *ret_is_reserved)
{
    struct handle *handle = (struct handle *)base;
    LOCKED_HERE;

    *ret_is_reserved =
        handle->lock >= SQLITE_LOCK_RESERVED || lock_of_others(handle) >= SQLITE_LOCK_RESERVED;
    return handle->file ? SQLITE_OK : SQLITE_IOERR;
}

static int on_file_control(sqlite3_file *base, int operation, void *data)
{
    (void)base;
    (void)operation;
    (void)data;
    return SQLITE_NOTFOUND;
}

static int on_sector_size(sqlite3_file *base)
{
    (void)base;
    return SECTOR;
}

/* Promises nothing. SQLite on a real file counts on SQLITE_IOCAP_POWERSAFE_OVERWRITE, which this
 * disk has as well: a torn write harms no byte beside it. */
static int on_device_characteristics(sqlite3_file *base)
{
    (void)base;
    return 0;
}

static const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = on_close,
    .xRead = on_read,
    .xWrite = on_write,
    .xTruncate = on_truncate,
    .xSync = on_sync,
    .xFileSize = on_file_size,
    .xLock = on_lock,
    .xUnlock = on_unlock,
    .xCheckReservedLock = on_check_reserved_lock,
    .xFileControl = on_file_control,
    .xSectorSize = on_sector_size,
    .xDeviceCharacteristics = on_device_characteristics,
};

/* The file that xOpen is about, made if it has to be. */
static int file_open(const char *name, int flags, struct file **ret_file)
{
    struct file *file = name ? file_find(name) : NULL;
    bool may_create = flags & SQLITE_OPEN_CREATE;
    int code = operation_begin(!file && may_create ? OPERATION_CREATE : OPERATION_OPEN);

    if (code != SQLITE_OK)
        return code;
    if (file ? flags & SQLITE_OPEN_EXCLUSIVE : !may_create)
        return SQLITE_CANTOPEN;
    *ret_file = file ? file : file_new(name);
    return SQLITE_OK;
}

static int on_open(sqlite3_vfs *self, const char *name, sqlite3_file *base, int flags,
                   int *ret_flags)
{
    struct handle *handle = (struct handle *)base;
    struct file *file;
    LOCKED_HERE;
    int code;

    (void)self;
    base->pMethods = NULL; /* nothing to close on failure */
    code = file_open(name, flags, &file);
    if (code != SQLITE_OK)
        return code;
    *handle = (struct handle){.base = {&methods}, .next = disk.handles, .file = file};
    disk.handles = handle;
    if (ret_flags)
        *ret_flags = flags;
    return SQLITE_OK;
}

static bool has_dead_process(void)
{
    for (struct handle *handle = disk.handles; handle; handle = handle->next)
        if (!handle->file)
            return true;
    return false;
}

static int on_delete(sqlite3_vfs *self, const char *name, int sync_directory)
{
    LOCKED_HERE;
    int code = has_dead_process() ? SQLITE_IOERR : operation_begin(OPERATION_DELETE);
    struct file *file = file_find(name);

    (void)self;
    if (code != SQLITE_OK)
        return code;
    if (!file)
        return SQLITE_IOERR_DELETE_NOENT;
    file->is_named = false;
    if (sync_directory)
        directory_sync();
    files_tidy();
    return SQLITE_OK;
}

static int on_access(sqlite3_vfs *self, const char *name, int flags, int *ret_is_there)
{
    LOCKED_HERE;
    int code = operation_begin(OPERATION_ACCESS);

    (void)self;
    (void)flags;
    *ret_is_there = code == SQLITE_OK && file_find(name) != NULL;
    return code;
}

static int on_full_pathname(sqlite3_vfs *self, const char *name, int size, char *ret_path)
{
    (void)self;
    return snprintf(ret_path, (size_t)size, "%s", name) < size ? SQLITE_OK : SQLITE_CANTOPEN;
}

static int on_get_last_error(sqlite3_vfs *self, int size, char *ret_text)
{
    (void)self;
    (void)size;
    (void)ret_text;
    return 0;
}

void disk_install(void)
{
    vfs = *sqlite3_vfs_find(NULL); /* time, randomness, sleeping: the real one's */
    vfs.iVersion = 2;              /* without replaceable system calls */
    vfs.szOsFile = sizeof(struct handle);
    vfs.mxPathname = PATH_SIZE - 1;
    vfs.pNext = NULL;
    vfs.zName = "disk";
    vfs.xOpen = on_open;
    vfs.xDelete = on_delete;
    vfs.xAccess = on_access;
    vfs.xFullPathname = on_full_pathname;
    vfs.xGetLastError = on_get_last_error;
    sqlite3_vfs_register(&vfs, 1);
}

void disk_remove(void)
{
    sqlite3_vfs_unregister(&vfs);
    disk_wipe();
}

void disk_wipe(void)
{
    LOCKED_HERE;

    wipe();
}

void disk_cut(uint64_t seed)
{
    LOCKED_HERE;

    cut(seed);
}

void disk_cut_at(uint64_t n, uint64_t seed)
{
    LOCKED_HERE;

    disk.cut.in = n;
    disk.cut.seed = seed;
    disk.cut.has_happened = false;
}

bool disk_has_been_cut(void)
{
    LOCKED_HERE;

    return disk.cut.has_happened;
}

void disk_fail_at(uint64_t n, int code, bool for_ever)
{
    LOCKED_HERE;

    disk.failure.at = disk.n_operations + n;
    disk.failure.code = code;
    disk.failure.is_for_ever = for_ever;
    disk.failure.has_happened = false;
}

void disk_heal(void)
{
    LOCKED_HERE;

    disk.failure.at = 0;
}

bool disk_has_failed(void)
{
    LOCKED_HERE;

    return disk.failure.has_happened;
}

uint64_t disk_operations(void)
{
    LOCKED_HERE;

    return disk.n_operations;
}
