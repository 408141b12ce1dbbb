/* What SQLite calls: sqlite3_vfs and sqlite3_io_methods, over the files of the simulated disk. */
#include <stdio.h>
#include <string.h>

#include "support/disk_parts.h"

static sqlite3_vfs vfs;

static int handle_begin(struct handle *handle, enum operation operation)
{
    return handle->file ? disk_operation_begin(operation) : SQLITE_IOERR;
}

static int on_close(sqlite3_file *base)
{
    struct handle *handle = (struct handle *)base, **link = &disk.handles;
    LOCKED_HERE;

    while (*link != handle)
        link = &(*link)->next;
    *link = handle->next;
    disk_files_tidy();
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
        memset(buffer, 0xee, wanted); /* so that a caller that uses it is noticed */
        return code;
    }
    image = &handle->file->volatile_image;
    if (start < image->len) {
        got = image->len - start < wanted ? image->len - start : wanted;
        memcpy(buffer, image->bytes + start, got);
    }
    memset((uint8_t *)buffer + got, 0, wanted - got); /* SQLite requires this */
    return got < wanted ? SQLITE_IOERR_SHORT_READ : SQLITE_OK;
}

static int on_write(sqlite3_file *base, const void *bytes, int len, sqlite3_int64 at)
{
    struct handle *handle = (struct handle *)base;
    LOCKED_HERE;
    int code = handle_begin(handle, OPERATION_WRITE);
    size_t written = (size_t)(code == SQLITE_OK ? len : len / 2);

    if (handle->file)
        disk_file_write(handle->file, (size_t)at, bytes, written);
    return code;
}

static int on_truncate(sqlite3_file *base, sqlite3_int64 len)
{
    struct handle *handle = (struct handle *)base;
    LOCKED_HERE;
    int code = handle_begin(handle, OPERATION_TRUNCATE);

    if (code == SQLITE_OK)
        disk_file_truncate(handle->file, (size_t)len);
    return code;
}

static int on_sync(sqlite3_file *base, int flags)
{
    struct handle *handle = (struct handle *)base;
    LOCKED_HERE;
    int code = handle_begin(handle, OPERATION_SYNC);

    (void)flags;
    if (code == SQLITE_OK)
        disk_file_sync(handle->file);
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

/* Returns the highest lock that other handles have on the same file. */
static int lock_of_others(const struct handle *handle)
{
    int highest = SQLITE_LOCK_NONE;

    for (struct handle *other = disk.handles; other; other = other->next)
        if (other != handle && other->file == handle->file && other->lock > highest)
            highest = other->lock;
    return highest;
}

/* A waiting writer (PENDING) does not block new readers here, because there is one process. */
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
    return DISK_SECTOR;
}

/*
 * Promises nothing. On a real file, SQLite relies on SQLITE_IOCAP_POWERSAFE_OVERWRITE. It would be
 * true of this disk, too: a torn write damages no other bytes.
 */
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

/* Finds the file for xOpen, and creates it if necessary. */
static int file_open(const char *name, int flags, struct file **ret_file)
{
    struct file *file = name ? disk_file_find(name) : NULL;
    bool may_create = flags & SQLITE_OPEN_CREATE;
    int code = disk_operation_begin(!file && may_create ? OPERATION_CREATE : OPERATION_OPEN);

    if (code != SQLITE_OK)
        return code;
    if (file ? flags & SQLITE_OPEN_EXCLUSIVE : !may_create)
        return SQLITE_CANTOPEN;
    *ret_file = file ? file : disk_file_new(name);
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
    int code = has_dead_process() ? SQLITE_IOERR : disk_operation_begin(OPERATION_DELETE);
    struct file *file = disk_file_find(name);

    (void)self;
    if (code != SQLITE_OK)
        return code;
    if (!file)
        return SQLITE_IOERR_DELETE_NOENT;
    file->is_named = false;
    if (sync_directory)
        disk_directory_sync();
    disk_files_tidy();
    return SQLITE_OK;
}

static int on_access(sqlite3_vfs *self, const char *name, int flags, int *ret_is_there)
{
    LOCKED_HERE;
    int code = disk_operation_begin(OPERATION_ACCESS);

    (void)self;
    (void)flags;
    *ret_is_there = code == SQLITE_OK && disk_file_find(name) != NULL;
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
    vfs = *sqlite3_vfs_find(NULL); /* time, randomness and sleeping are the real ones */
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
