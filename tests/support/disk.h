/*
 * A simulated disk for SQLite, in memory, that can lose power. It is a VFS for databases with
 * locking_mode = EXCLUSIVE, which need no shared memory. All functions may be called from any
 * thread.
 *
 * A file has two images: what its process reads back, and what a power cut leaves. A write reaches
 * the first image at once, and the disk with the next xSync of the file. Until then, a cut may
 * keep, drop or tear each 512-byte sector of the write, in any combination; it may keep or drop a
 * truncation. The creation or deletion of a file is durable after the next sync of its directory,
 * which is part of the first xSync of a new file, and of an xDelete that asks for it.
 */
#ifndef DISK_H
#define DISK_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Makes an empty disk the default VFS of SQLite, until disk_remove(), which also drops its files.
 */
void disk_install(void);
void disk_remove(void);

/* Drops all files. Open handles are dead, as after a cut. Ends injected failures; counts stay. */
void disk_wipe(void);

/*
 * Cuts the power now. The same @seed gives the same outcome for the same unsynced operations.
 *
 * Handles that are open belong to the process that died: every operation on them fails with
 * SQLITE_IOERR until they are closed. While one of them is open, xDelete fails too, because it
 * would be the dead process cleaning up. Newly opened handles work.
 */
void disk_cut(uint64_t seed);

/*
 * Cuts the power just before the @n-th writing operation from now, counted from 1; 0 cancels this.
 * Writing operations are xWrite, xSync, xTruncate, xDelete and an xOpen that creates a file.
 */
void disk_cut_at(uint64_t n, uint64_t seed);

/* Returns whether the cut of the latest disk_cut_at() has happened. */
bool disk_has_been_cut(void);

/*
 * Makes the @n-th operation from now, counted from 1, fail; with @for_ever, all later ones, too,
 * until disk_heal(). Operations are xOpen, xRead, xWrite, xTruncate, xSync, xDelete, xAccess,
 * xFileSize and xLock. A failing write writes half of its bytes; a failing read returns garbage.
 *
 * @code: the code that SQLite gets. An operation that cannot report it returns its own
 *        SQLITE_IOERR_* instead (xOpen: SQLITE_CANTOPEN). A disk that is SQLITE_FULL or
 *        SQLITE_READONLY refuses only what writes if @for_ever.
 */
void disk_fail_at(uint64_t n, int code, bool for_ever);
void disk_heal(void);

/* Returns whether an operation has failed since the latest disk_fail_at(). */
bool disk_has_failed(void);

/* Returns the number of operations so far, including those that failed. */
uint64_t disk_operations(void);

#endif
