/*
 * Loaded into pam_host with LD_PRELOAD: while it is armed, the function with a given number fails,
 * of those of libc and libpam that the PAM module, the library and libpam call. All others succeed.
 * The error 0 means the end of a file or a connection, for functions that read; other functions
 * succeed then.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <security/pam_modules.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *memory, size_t size);

static long left; /* calls up to the one that fails; 0: not armed */
static int error;
static const char *failed;

void faults_arm(long number, int with_error);
void faults_arm(long number, int with_error)
{
    left = number;
    error = with_error;
    failed = NULL;
}

/* Returns the function that failed, or NULL. */
const char *faults_disarm(void);
const char *faults_disarm(void)
{
    left = 0;
    return failed;
}

static int fails(const char *name)
{
    if (left == 0 || --left > 0)
        return 0;
    failed = name;
    errno = error;
    return 1;
}

/* For what cannot end like a file. */
static int fails_with_error(const char *name)
{
    return fails(name) && error;
}

/* A connection that is said to be reset, is. */
static int socket_fails(const char *name, int fd)
{
    if (!fails_with_error(name))
        return 0;
    if (error == ECONNRESET)
        syscall(SYS_shutdown, fd, SHUT_RDWR);
    errno = error;
    return 1;
}

static int allocation_fails(const char *name)
{
    if (!fails(name))
        return 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size)
{
    return allocation_fails("malloc") ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    return allocation_fails("calloc") ? NULL : __libc_calloc(n, size);
}

void *realloc(void *memory, size_t size)
{
    return allocation_fails("realloc") ? NULL : __libc_realloc(memory, size);
}

int open64(const char *path, int flags, ...)
{
    return fails_with_error("open") ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, flags, 0);
}

int fcntl64(int fd, int command, ...)
{
    va_list arguments;
    long argument;

    va_start(arguments, command);
    argument = va_arg(arguments, long);
    va_end(arguments);
    return fails_with_error("fcntl") ? -1 : (int)syscall(SYS_fcntl, fd, command, argument);
}

int lstat64(const char *path, struct stat64 *ret_st)
{
    return fails_with_error("lstat") ? -1 : fstatat64(AT_FDCWD, path, ret_st, AT_SYMLINK_NOFOLLOW);
}

int poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
    struct timespec timeout = {timeout_ms / 1000, timeout_ms % 1000 * 1000000L};

    if (fails("poll"))
        return error ? -1 : 0;
    return (int)syscall(SYS_ppoll, fds, n, timeout_ms < 0 ? NULL : &timeout, NULL, 8);
}

ssize_t read(int fd, void *buffer, size_t size)
{
    if (fails("read"))
        return error ? -1 : 0;
    return syscall(SYS_read, fd, buffer, size);
}

ssize_t recv(int fd, void *buffer, size_t size, int flags)
{
    if (error ? socket_fails("recv", fd) : fails("recv"))
        return error ? -1 : 0;
    return syscall(SYS_recvfrom, fd, buffer, size, flags, NULL, NULL);
}

ssize_t send(int fd, const void *buffer, size_t size, int flags)
{
    return socket_fails("send", fd) ? -1 : syscall(SYS_sendto, fd, buffer, size, flags, NULL, NULL);
}

int socket(int domain, int type, int protocol)
{
    return fails_with_error("socket") ? -1 : (int)syscall(SYS_socket, domain, type, protocol);
}

int connect(int fd, __CONST_SOCKADDR_ARG address, socklen_t len)
{
    return socket_fails("connect", fd) ? -1
                                       : (int)syscall(SYS_connect, fd, address.__sockaddr__, len);
}

int setsockopt(int fd, int level, int option, const void *value, socklen_t len)
{
    return socket_fails("setsockopt", fd)
               ? -1
               : (int)syscall(SYS_setsockopt, fd, level, option, value, len);
}

int getsockopt(int fd, int level, int option, void *value, socklen_t *len)
{
    return socket_fails("getsockopt", fd)
               ? -1
               : (int)syscall(SYS_getsockopt, fd, level, option, value, len);
}

#define NEXT(name) __extension__((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int pam_get_item(const pam_handle_t *handle, int type, const void **ret_item)
{
    return fails("pam_get_item") ? PAM_BUF_ERR : NEXT(pam_get_item)(handle, type, ret_item);
}

int pam_get_data(const pam_handle_t *handle, const char *name, const void **ret_data)
{
    return fails("pam_get_data") ? PAM_SYSTEM_ERR : NEXT(pam_get_data)(handle, name, ret_data);
}

int pam_set_data(pam_handle_t *handle, const char *name, void *data,
                 void (*cleanup)(pam_handle_t *, void *, int))
{
    return fails("pam_set_data") ? PAM_BUF_ERR : NEXT(pam_set_data)(handle, name, data, cleanup);
}

int pam_putenv(pam_handle_t *handle, const char *assignment)
{
    return fails("pam_putenv") ? PAM_BUF_ERR : NEXT(pam_putenv)(handle, assignment);
}
