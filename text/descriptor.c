/* Keeps other files off the numbers of standard input, output and error. */
#include "text/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* O_PATH needs no permission and no /dev; it allows no I/O. open() takes the lowest free number. */
int descriptors_hold_standard(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/", O_PATH | O_CLOEXEC) < 0)
            return -errno;
    return 0;
}

int descriptor_raise(int fd)
{
    int raised, error;

    if (fd < 0 || fd > STDERR_FILENO)
        return fd;
    raised = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    error = errno;
    close(fd);
    errno = error;
    return raised;
}
