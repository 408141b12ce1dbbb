/* Waiting that ends at a deadline, or when the caller cancels it. */
#ifndef LIBRARY_DEADLINE_H
#define LIBRARY_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>

struct deadline {
    int64_t at_ms; /* of CLOCK_BOOTTIME */
    int cancel_fd; /* cancels when it becomes readable; -1: none */
};

/* Returns the time of CLOCK_BOOTTIME in milliseconds. */
int64_t clock_ms(void);

/* Returns how many milliseconds are left: at least 0. */
int64_t deadline_left_ms(const struct deadline *deadline);

/*
 * Waits until @fd has one of the poll(2) @events, an error, or its end.
 *
 * Returns 0, also after a signal; -ETIME; -ECANCELED; or another -errno.
 */
int deadline_wait(const struct deadline *deadline, int fd, short events);

/* Waits for @ms, also if signals arrive, or until the deadline. Returns 0, -ECANCELED or another
 * -errno. */
int deadline_sleep(const struct deadline *deadline, int64_t ms);

#endif
