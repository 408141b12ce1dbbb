/*
 * A disk in memory that SQLite writes to, and whose power fails. It is a VFS for databases with
 * locking_mode = EXCLUSIVE, which need no shared memory; all of it may be called from any thread.
 *
 * A file has two images: what its process reads back, and what a power cut leaves. A write is in
 * the first at once, and on the disk with the file's next xSync. Until then a cut may keep, drop or
 * tear each of its 512-byte sectors, in any combination; a truncation it may keep or drop. Creating
 * and deleting files is safe with the next sync of their directory, which is part of a new file's
 * first xSync and of an xDelete that asks for it.
 */
#ifndef DISK_H
#define DISK_H

#include <stdbool.h>
#include <stdint.h>

/* Makes an empty disk SQLite's default VFS, until disk_remove(), which forgets its files too. */
void disk_install(void);
void disk_remove(void);

/* Forgets all files; handles still open are dead as after a cut. Injections end, counts stay. */
void disk_wipe(void);

/*
 * The power fails now. The same @seed gives the same outcome for the same unsynced operations.
 *
 * Handles open then belong to a process that is no more: whatever is done with them fails with
 * SQLITE_IOERR until they are closed, and so does xDelete while one of them is open, since it would
 * be that process tidying up. Newly opened handles work.
 */
void disk_cut(uint64_t seed);

/* The same when the @n-th writing operation from now, counted from 1, is about to happen. Writing
 * are xWrite, xSync, xTruncate, xDelete and an xOpen that creates. 0 takes the order back. */
void disk_cut_at(uint64_t n, uint64_t seed);

/* Whether the cut ordered last has happened. */
bool disk_has_been_cut(void);

/*
 * The @n-th operation from now, counted from 1, fails, and with @for_ever all later ones until
 * disk_heal(). Operations are xOpen, xRead, xWrite, xTruncate, xSync, xDelete, xAccess, xFileSize
 * and xLock. A failing write leaves half of its bytes, a failing read garbage.
 *
 * @code: what SQLite is told, if the operation can report that, else its own SQLITE_IOERR_* (from
 *        xOpen SQLITE_CANTOPEN). A disk that is SQLITE_FULL or SQLITE_READONLY for ever refuses
 *        what writes, and lets the rest pass.
 */
void disk_fail_at(uint64_t n, int code, bool for_ever);
void disk_heal(void);

/* Whether an operation has failed since the last disk_fail_at(). */
bool disk_has_failed(void);

/* Operations so far, those that failed included. */
uint64_t disk_operations(void);

#endif
