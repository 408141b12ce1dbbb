/* Restricts the system calls of the process, with seccomp (seccomp(2)). */
#ifndef SANDBOX_SYSTEM_CALLS_H
#define SANDBOX_SYSTEM_CALLS_H

enum sandbox_process {
    SANDBOX_BROKER,
    SANDBOX_EXCHANGER,
    SANDBOX_EXPORTER,
    SANDBOX_PROGRAM, /* of the administrator; a list of what it may not call */
    SANDBOX_PROCESSES,
};

/*
 * Applies the filter of the process, which filters.c makes, to the calling thread and those that it
 * starts, for good. Returns 0 or -errno.
 */
int system_calls_restrict(enum sandbox_process process);

#endif
