#include "base/clock.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/file.h"

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

static int hex_digit(char c)
{
    const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c) : NULL;

    return at ? (int)(at - digits) : -1;
}

/* The file holds a random UUID with hyphens (proc(5)). */
int clock_boot_id(uint8_t ret_id[BOOT_ID_SIZE])
{
    CLEANUP(fd_closep)
    int fd = file_open("/proc/sys/kernel/random/boot_id", 0);
    char text[64] = "";
    size_t n = 0, len;
    int r = fd < 0 ? fd : file_read(fd, text, sizeof(text) - 1, &len);

    if (r < 0)
        return r;
    memset(ret_id, 0, BOOT_ID_SIZE);
    for (const char *c = text; *c && n < 2 * BOOT_ID_SIZE; c++) {
        int digit = hex_digit(*c);

        if (digit < 0)
            continue;
        ret_id[n / 2] = (uint8_t)(ret_id[n / 2] << 4 | digit);
        n++;
    }
    return n == 2 * BOOT_ID_SIZE ? 0 : -EBADMSG;
}

/*
 * splitmix64 (Steele, Lea, Flood, 2014). Jitter is computed often, so a system call for each value
 * would be too expensive.
 */
uint64_t random_below(uint64_t below)
{
    static uint64_t state;
    uint64_t z;

    /*
     * Early in the boot the kernel may have no randomness yet. The boot clock is good enough then:
     * jitter keeps many nodes from acting at once, and few nodes boot at the same microsecond.
     */
    if (state == 0 && getrandom(&state, sizeof(state), GRND_NONBLOCK) != sizeof(state))
        state = clock_boot_usec();
    z = state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    z ^= z >> 31;
    return below ? z % below : 0;
}
