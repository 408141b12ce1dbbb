/*
 * Restricts which files the process can open, with Landlock (landlock(7)). Threads and processes
 * that it starts later inherit this; threads that exist do not, so restrict before they start.
 */
#ifndef SANDBOX_FILES_H
#define SANDBOX_FILES_H

#include <stdbool.h>

enum file_access {
    FILES_READ,        /* files, and names in directories */
    FILES_RUN,         /* read and execute */
    FILES_CHANGE,      /* read, write, create and remove regular files */
    FILES_CHANGE_ALL,  /* also execute, and create and remove all but devices */
    FILES_SOCKETS,     /* create and remove sockets; read and write nothing */
    FILES_NEW_SOCKETS, /* create directories and sockets in them */
};

#define FILES_VERSION_OF_SIGNALS 6 /* of the kernel's interface, from Linux 6.12 on */

/* What the process may open: a set of rules of the kernel's. */
struct file_rules {
    int fd;      /* -1: the kernel has no Landlock, or memory ran out */
    int error;   /* -errno of the first failure; 0: none */
    int version; /* of the kernel's interface */
};

/* Starts without any rule. @connects: TCP connections may be made. */
void file_rules_init(struct file_rules *rules, bool connects);

/*
 * Adds a file; or a directory, with all that is below it. Links are followed. Does nothing if
 * nothing is there, or @path is NULL.
 */
void file_rules_add(struct file_rules *rules, const char *path, enum file_access access);

/* Adds the directory of a file, because files are replaced. Does nothing if @path is NULL. */
void file_rules_add_directory_of(struct file_rules *rules, const char *path,
                                 enum file_access access);

/*
 * Applies the rules to the calling thread, for good, and releases them. All other files cannot be
 * opened, created or removed; nothing can listen for TCP; and processes outside get no signals, nor
 * connections to their abstract Unix sockets.
 *
 * Returns 0; -EOPNOTSUPP if the kernel has no Landlock; or another -errno.
 */
int file_rules_apply(struct file_rules *rules);

#endif
