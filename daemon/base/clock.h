/*
 * The time, from two clocks that fail in different ways: the wall clock (CLOCK_REALTIME) can be
 * set, and the boot clock (CLOCK_BOOTTIME, which counts suspend) starts at zero with each boot.
 *
 * All code of the daemon reads the time through these functions, so that tests and the simulation
 * can link their own clocks instead of clock.c.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

#define SECOND_USEC  UINT64_C(1000000)
#define BOOT_ID_SIZE 16

struct now {
    int64_t wall_s;     /* Unix time */
    uint64_t boot_usec; /* microseconds since boot */
};

/* Returns the time by both clocks. */
struct now clock_now(void);

/* Returns the microseconds since boot. */
uint64_t clock_boot_usec(void);

/* Returns the microseconds since 1970. */
int64_t clock_wall_usec(void);

/*
 * Reads the id of this boot. Values of the boot clock can be compared only within one boot.
 *
 * Returns 0, -EBADMSG if the kernel's file holds no UUID, or another -errno.
 */
int clock_boot_id(uint8_t ret_id[BOOT_ID_SIZE]);

/* Returns a random number in [0, @below), or 0 if @below is 0. For jitter, not for cryptography. */
uint64_t random_below(uint64_t below);

#endif
