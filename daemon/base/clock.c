#include "clock.h"

#include <sys/random.h>
#include <time.h>

struct now clock_now(void)
{
    struct timespec wall;

    clock_gettime(CLOCK_REALTIME, &wall);
    return (struct now){.wall_s = wall.tv_sec, .boot_usec = clock_boot_usec()};
}

uint64_t clock_boot_usec(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * SECOND_USEC + (uint64_t)now.tv_nsec / 1000;
}

int64_t clock_wall_usec(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * (int64_t)SECOND_USEC + now.tv_nsec / 1000;
}

uint64_t random_below(uint64_t below)
{
    uint64_t random;

    if (below == 0)
        return 0;
    /* a machine that has no randomness yet has not many neighbours either */
    if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != sizeof(random))
        random = clock_boot_usec() * UINT64_C(0x9e3779b97f4a7c15);
    return random % below;
}
