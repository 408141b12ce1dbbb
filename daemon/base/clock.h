/*
 * What time it is, by two clocks that fail in different ways: the wall clock can be set, the boot
 * clock (CLOCK_BOOTTIME, which goes on while the machine sleeps) begins anew with each boot.
 *
 * Everything that asks for the time asks here, so that tests and the simulation can put clocks of
 * their own in the place of clock.c.
 */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>

#define SECOND_USEC  UINT64_C(1000000)
#define BOOT_ID_SIZE 16

struct now {
    int64_t wall_s;     /* seconds since 1970 */
    uint64_t boot_usec; /* microseconds since boot */
};

struct now clock_now(void);
uint64_t clock_boot_usec(void);
int64_t clock_wall_usec(void);

/* Tells boots apart, whose boot clocks have nothing in common. 0 or -errno. */
int clock_boot_id(uint8_t ret_id[BOOT_ID_SIZE]);

/* An even distribution over [0, @below), for jitter; 0 for 0. No cryptographic promise. */
uint64_t random_below(uint64_t below);

#endif
