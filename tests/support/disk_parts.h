/*
 * Shared by the parts of the simulated disk: disk_file.c has the files and their changes since the
 * last sync; disk_power.c has the cuts and failures that a test requests; disk_vfs.c has what
 * SQLite calls. All functions are called with the lock held.
 */
#ifndef DISK_PARTS_H
#define DISK_PARTS_H

#include <pthread.h>
#include <sqlite3.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "support/disk.h"

#define DISK_SECTOR 512
#define PATH_SIZE   256

enum operation {
    OPERATION_OPEN,
    OPERATION_CREATE, /* counts as an xOpen, too */
    OPERATION_READ,
    OPERATION_WRITE,
    OPERATION_TRUNCATE,
    OPERATION_SYNC,
    OPERATION_DELETE,
    OPERATION_ACCESS,
    OPERATION_SIZE,
    OPERATION_LOCK,
};

struct image {
    uint8_t *bytes;
    size_t len, capacity;
};

/* A change of a file since its last sync: bytes within one sector, or a truncation. */
struct change {
    struct change *next;
    bool is_truncation;
    size_t at, len;
    uint8_t bytes[];
};

/*
 * The list has the newest file first, because a cut may have to choose between two with one name.
 */
struct file {
    struct file *next;
    char name[PATH_SIZE];
    bool is_named;   /* the process can find it */
    bool is_durable; /* the name is on the disk, too */
    struct image volatile_image, durable_image;
    struct change *first, **end; /* the changes, in order */
};

struct handle {
    sqlite3_file base;
    struct handle *next;
    struct file *file; /* NULL once the process is dead */
    int lock;
};

extern struct disk {
    struct file *files;
    struct handle *handles;
    uint64_t n_operations;
    struct {
        uint64_t in; /* remaining writing operations; 0: never */
        uint64_t seed;
        bool has_happened;
    } cut;
    struct {
        uint64_t at; /* a value of n_operations; 0: never */
        int code;
        bool is_for_ever, has_happened;
    } failure;
} disk;

pthread_mutex_t *disk_lock(void);
void disk_unlockp(pthread_mutex_t **locked);

/* Holds the lock until the end of the scope. "Unused" because clang does not see the cleanup. */
#define LOCKED_HERE                                                                                \
    __attribute__((unused)) CLEANUP(disk_unlockp) pthread_mutex_t *locked_ = disk_lock()

/* --- disk_file.c --- */

/* Returns NULL if the process cannot find a file of that name. */
struct file *disk_file_find(const char *name);

/* If @name is NULL, the file is temporary: it is deleted when it is closed. */
struct file *disk_file_new(const char *name);

void disk_file_write(struct file *file, size_t at, const uint8_t *bytes, size_t len);
void disk_file_truncate(struct file *file, size_t len);
void disk_file_sync(struct file *file);

/* Syncs the directory, which holds all files. */
void disk_directory_sync(void);

/* Cuts the power: @survivors of 16 changes reach the disk; others reach it in part. */
void disk_file_cut(struct file *file, unsigned survivors, uint64_t *random);

/* Frees the files that are not open and can no longer be found. */
void disk_files_tidy(void);

/* --- disk_power.c --- */

/* Called before each operation, which the caller does only if this returns SQLITE_OK. */
int disk_operation_begin(enum operation operation);

/* Returns the next number of splitmix64; its state is *@random. */
uint64_t disk_random(uint64_t *random);

#endif
