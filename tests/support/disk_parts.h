/*
 * What the parts of the disk share: disk_file.c has the files and what happened to them since their
 * last sync, disk_power.c the cuts and failures that a test orders, disk_vfs.c what SQLite calls.
 * All of it is called with the lock.
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

extern struct disk {
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

pthread_mutex_t *disk_lock(void);
void disk_unlockp(pthread_mutex_t **locked);

/* Until the end of the function it stands in. Unused: clang does not see the cleanup. */
#define LOCKED_HERE                                                                                \
    __attribute__((unused)) CLEANUP(disk_unlockp) pthread_mutex_t *locked_ = disk_lock()

/* --- disk_file.c --- */

/* NULL: the process does not find one of that name. */
struct file *disk_file_find(const char *name);

/* Without a @name it is a temporary file, gone when it is closed. */
struct file *disk_file_new(const char *name);

void disk_file_write(struct file *file, size_t at, const uint8_t *bytes, size_t len);
void disk_file_truncate(struct file *file, size_t len);
void disk_file_sync(struct file *file);

/* All files are in one directory. */
void disk_directory_sync(void);

/* What a power cut leaves: @survivors of 16 changes reach the disk, others do in part. */
void disk_file_cut(struct file *file, unsigned survivors, uint64_t *random);

/* Frees those that nobody can find or has open any more. */
void disk_files_tidy(void);

/* --- disk_power.c --- */

/* To be called before an operation is done, which then only happens on SQLITE_OK. */
int disk_operation_begin(enum operation operation);

/* splitmix64, whose state is *@random. */
uint64_t disk_random(uint64_t *random);

#endif
