/*
 * Lets each allocation and each system call of the library fail in turn, in each way: the first,
 * then the second, and so on until none is left. The calls then fail or return the right token;
 * afterwards, the same handle works, and nothing has leaked.
 *
 *     library_faults
 *
 * The calls of libc are replaced by the linker (--wrap). Prints how many faults there were.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "support/library_use.h"

#define WRAP(type, name, ...)                                                                      \
    type __real_##name(__VA_ARGS__);                                                               \
    type __wrap_##name(__VA_ARGS__);                                                               \
    type __wrap_##name(__VA_ARGS__)

#define PARTIAL (-1) /* no error: one byte is transferred */

static int fault_errno, fault_at, n_calls, n_allocated;
static bool fault_is_of_memory, has_failed;

/* What only a transfer can meet. */
static bool is_of_transfers(void)
{
    return fault_errno == PARTIAL || fault_errno == EPIPE || fault_errno == ECONNRESET;
}

static bool fails(bool is_memory)
{
    if (!fault_at || is_memory != fault_is_of_memory || ++n_calls != fault_at)
        return false;
    has_failed = true;
    errno = is_of_transfers() ? EIO : fault_errno;
    return true;
}

static void *count(void *memory)
{
    n_allocated += memory != NULL;
    return memory;
}

WRAP(void *, malloc, size_t size)
{
    return fails(true) ? NULL : count(__real_malloc(size));
}

WRAP(void *, calloc, size_t n, size_t size)
{
    return fails(true) ? NULL : count(__real_calloc(n, size));
}

WRAP(char *, strdup, const char *text)
{
    return fails(true) ? NULL : count(__real_strdup(text));
}

WRAP(void, free, void *memory)
{
    n_allocated -= memory != NULL;
    __real_free(memory);
}

/* The library reads files only, so there is no mode. */
WRAP(int, open64, const char *path, int flags, ...)
{
    return fails(false) ? -1 : __real_open64(path, flags);
}

WRAP(int, fcntl64, int fd, int command, ...)
{
    va_list list;
    int argument;

    va_start(list, command);
    argument = va_arg(list, int);
    va_end(list);
    return fails(false) ? -1 : __real_fcntl64(fd, command, argument);
}

/* Linux closes a descriptor in any case. */
WRAP(int, close, int fd)
{
    int r = __real_close(fd);

    return fails(false) ? -1 : r;
}

WRAP(int, socket, int domain, int type, int protocol)
{
    return fails(false) ? -1 : __real_socket(domain, type, protocol);
}

WRAP(int, connect, int fd, const struct sockaddr *address, socklen_t len)
{
    return fails(false) ? -1 : __real_connect(fd, address, len);
}

WRAP(int, getsockopt, int fd, int level, int option, void *value, socklen_t *len)
{
    return fails(false) ? -1 : __real_getsockopt(fd, level, option, value, len);
}

WRAP(int, setsockopt, int fd, int level, int option, const void *value, socklen_t len)
{
    return fails(false) ? -1 : __real_setsockopt(fd, level, option, value, len);
}

WRAP(int, poll, struct pollfd *fds, nfds_t n, int timeout_ms)
{
    return fails(false) ? -1 : __real_poll(fds, n, timeout_ms);
}

WRAP(int, epoll_create1, int flags)
{
    return fails(false) ? -1 : __real_epoll_create1(flags);
}

WRAP(int, epoll_ctl, int epoll_fd, int operation, int fd, struct epoll_event *event)
{
    return fails(false) ? -1 : __real_epoll_ctl(epoll_fd, operation, fd, event);
}

WRAP(int, timerfd_create, int clock, int flags)
{
    return fails(false) ? -1 : __real_timerfd_create(clock, flags);
}

/* How much is transferred: all, or one byte; 0: nothing, it fails. */
static size_t transferred(size_t len)
{
    if (!fails(false))
        return len;
    if (fault_errno != PARTIAL && is_of_transfers())
        errno = fault_errno;
    return fault_errno == PARTIAL && len ? 1 : 0;
}

WRAP(ssize_t, read, int fd, void *buffer, size_t len)
{
    size_t n = transferred(len);

    return n ? __real_read(fd, buffer, n) : -1;
}

WRAP(ssize_t, recv, int fd, void *buffer, size_t len, int flags)
{
    size_t n = transferred(len);

    return n ? __real_recv(fd, buffer, n, flags) : -1;
}

WRAP(ssize_t, send, int fd, const void *bytes, size_t len, int flags)
{
    size_t n = transferred(len);

    if (n)
        return __real_send(fd, bytes, n, flags);
    if (errno == EPIPE || errno == ECONNRESET) /* then there is no answer to wait for, either */
        shutdown(fd, SHUT_RDWR);
    return -1;
}

/* Returns whether the call succeeded; then the token must be right. */
static bool try_to_get(struct podlogin *login, const struct expectation *row)
{
    struct podlogin_token *token = NULL;
    enum podlogin_status status = podlogin_get_token(login, &token);

    expect((status == PODLOGIN_OK) == (token != NULL), "a token if and only if it is OK", login,
           status);
    if (token)
        expect(strcmp(podlogin_token_value(token), row->token) == 0, "the right token", login,
               status);
    else
        expect(podlogin_strerror(login, status)[0], "an explanation", login, status);
    podlogin_token_free(token);
    return status == PODLOGIN_OK;
}

static void try_whoami(struct podlogin *login)
{
    struct podlogin_identity *identity = NULL;
    enum podlogin_status status = podlogin_whoami(login, &identity);

    expect((status == PODLOGIN_OK) == (identity != NULL), "an identity if and only if it is OK",
           login, status);
    podlogin_identity_free(identity);
}

/* The token is too new to be replaced. */
static void try_to_reject(struct podlogin *login, const struct expectation *row)
{
    struct podlogin_token *token = NULL;
    enum podlogin_status status = podlogin_reject_token(login, row->token, &token);

    expect(status != PODLOGIN_OK && !token, "no other token", login, status);
}

/* Waits for a token that does not come. */
static void try_to_watch(struct podlogin *login)
{
    struct podlogin_token *token = NULL, *other = NULL;
    struct podlogin_watch *watch = NULL;

    if (podlogin_get_token(login, &token) == PODLOGIN_OK &&
        podlogin_watch_start(login, token, &watch) == PODLOGIN_OK)
        for (int i = 0; i < 3; i++)
            expect(podlogin_watch_next(watch, &other) != PODLOGIN_OK && !other, "no other token",
                   login, PODLOGIN_OK);
    podlogin_watch_end(watch);
    podlogin_token_free(token);
}

static void use(const struct expectation *row)
{
    struct podlogin *login = NULL;

    if (podlogin_start(row->service, &login) != PODLOGIN_OK)
        return;
    if (podlogin_set_token_file(login, row->token_file) == PODLOGIN_OK &&
        podlogin_authenticate(login) == PODLOGIN_OK) {
        try_to_get(login, row); /* that of podlogin_authenticate() */
        try_to_get(login, row);
        try_whoami(login);
        podlogin_wait(login);
        try_to_reject(login, row);
        try_to_watch(login);
    }
    fault_at = 0;
    podlogin_set_token_file(login, row->token_file);
    authenticate(login);
    expect(try_to_get(login, row) && try_to_get(login, row), "a handle that works again", login,
           PODLOGIN_OK);
    podlogin_end(login);
}

/* Returns how many operations could fail. */
static int fail_each(const struct expectation *row, bool is_of_memory, int code)
{
    unsigned n_descriptors = descriptors_count();
    int n = 0;

    fault_is_of_memory = is_of_memory;
    fault_errno = code;
    do {
        n_calls = n_allocated = 0;
        has_failed = false;
        fault_at = ++n;
        use(row);
        expect(n_allocated == 0, "no memory left", NULL, PODLOGIN_OK);
        expect(descriptors_count() == n_descriptors, "no descriptor left", NULL, PODLOGIN_OK);
    } while (has_failed);
    return n - 1;
}

int main(void)
{
    static const int codes[] = {PARTIAL, EINTR,   EAGAIN, EIO,    EPERM,
                                EACCES,  ENOENT,  ENOMEM, EMFILE, ECONNRESET,
                                EPIPE,   ENOBUFS, EINVAL, ENOSYS, EBADF};
    struct expectation row;
    int n_memory, n_calls_failed = 0;

    expectations_read(&row, 1);
    n_memory = fail_each(&row, true, ENOMEM);
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        n_calls_failed += fail_each(&row, false, codes[i]);
    printf("{\"memory\": %d, \"calls\": %d}\n", n_memory, n_calls_failed);
    return EXIT_SUCCESS;
}
