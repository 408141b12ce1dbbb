/*
 * Loaded into a program with LD_PRELOAD: the allocation with the number $PODLOGIN_TEST_NO_MEMORY,
 * from 1, fails; all others succeed. The variable is removed, so that programs that this one
 * executes are spared. Allocations by libc itself, as in setenv() and strdup(), count as well.
 *
 * If the variable is a path, the number is in that file, 8 bytes in the byte order of the machine.
 * It is counted down there, and a test can write another one at any time. 0: none fails.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *memory, size_t size);

static long own;
static volatile long *left = &own; /* allocations up to the one that fails */

__attribute__((constructor)) static void begin(void)
{
    const char *number = getenv("PODLOGIN_TEST_NO_MEMORY");

    if (number && *number == '/') {
        int fd = open(number, O_RDWR);
        void *shared = mmap(NULL, sizeof(*left), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

        if (shared == MAP_FAILED)
            abort();
        close(fd);
        left = shared;
    } else {
        own = number ? atol(number) : 0;
    }
    unsetenv("PODLOGIN_TEST_NO_MEMORY");
}

static int fails(void)
{
    if (*left == 0 || --*left > 0)
        return 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    return fails() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *memory, size_t size)
{
    return fails() ? NULL : __libc_realloc(memory, size);
}
