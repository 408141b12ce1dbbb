/* Loaded with LD_PRELOAD: a kernel without SO_PEERPIDFD, as Linux before 6.5. */
#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SO_PEERPIDFD_NUMBER 77

int getsockopt(int fd, int level, int option, void *restrict value, socklen_t *restrict len)
{
    if (level != SOL_SOCKET || option != SO_PEERPIDFD_NUMBER)
        return (int)syscall(SYS_getsockopt, fd, level, option, value, len);
    errno = ENOPROTOOPT;
    return -1;
}
