/* The cuts and failures that a test requests, and when they happen. */
#include "support/disk_parts.h"

static const struct {
    int own_code;    /* in place of codes that the operation cannot return */
    int other_codes; /* a bit for each other primary code that it can return */
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

struct disk disk;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

pthread_mutex_t *disk_lock(void)
{
    pthread_mutex_lock(&mutex);
    return &mutex;
}

void disk_unlockp(pthread_mutex_t **locked)
{
    pthread_mutex_unlock(*locked);
}

uint64_t disk_random(uint64_t *random)
{
    uint64_t mixed = *random += 0x9e3779b97f4a7c15;

    mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111eb;
    return mixed ^ mixed >> 31;
}

static void processes_end(void)
{
    for (struct handle *handle = disk.handles; handle; handle = handle->next)
        handle->file = NULL;
}

static void cut_now(uint64_t seed)
{
    uint64_t random = seed;
    unsigned survivors = disk_random(&random) % 17; /* from none to all */

    processes_end();
    for (struct file *file = disk.files; file; file = file->next)
        disk_file_cut(file, survivors, &random);
    disk_files_tidy();
    disk.cut.in = 0;
    disk.cut.has_happened = true;
}

static void wipe(void)
{
    processes_end();
    for (struct file *file = disk.files; file; file = file->next)
        file->is_named = file->is_durable = false;
    disk_files_tidy();
    disk.cut.in = 0;
    disk.failure.at = 0;
}

/* Returns the code that the operation must fail with, or SQLITE_OK. */
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

int disk_operation_begin(enum operation operation)
{
    disk.n_operations++;
    if (operations[operation].is_writing && disk.cut.in > 0 && --disk.cut.in == 0) {
        cut_now(disk.cut.seed);
        return SQLITE_IOERR;
    }
    return injected_code(operation);
}

void disk_wipe(void)
{
    LOCKED_HERE;

    wipe();
}

void disk_cut(uint64_t seed)
{
    LOCKED_HERE;

    cut_now(seed);
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
