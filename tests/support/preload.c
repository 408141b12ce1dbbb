/*
 * Loaded into a real daemon with LD_PRELOAD: sets its wall clock wrong, lets time pass, and makes
 * its disk fail. The file that $PODLOGIN_TEST_PRELOAD names holds struct control; preload.py writes
 * it while the daemon runs.
 *
 * Operations are those of SQLite and the daemon on files whose path begins with the prefix, and on
 * descriptors that were opened with such a path; other descriptors (from dup(), or inherited) are
 * not tracked. The functions make the system calls themselves instead of looking up the real
 * functions, because a sanitizer may call them before this library is initialized.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define DESCRIPTORS_MAX 65536

/* preload.py uses the same layout. */
struct control {
    int64_t wall_offset_s; /* added to CLOCK_REALTIME */
    int64_t passed_ms;     /* added to CLOCK_REALTIME and CLOCK_BOOTTIME, as after a suspend */
    int64_t fail_errno;
    int64_t fail_at; /* a value of n_operations; 0: never; reset to 0 after a single failure */
    int64_t fail_for_ever;
    int64_t n_operations; /* since the file was created, including those that failed */
    int64_t n_failed;
    char prefix[256]; /* empty: no file matches */
};

_Static_assert(sizeof(long) == 8, "offsets and times fit one register of a system call");
_Static_assert(sizeof(struct control) == 7 * 8 + 256, "preload.py packs it without gaps");

static struct control *control; /* NULL: this library changes nothing */
static bool is_watched[DESCRIPTORS_MAX];

__attribute__((constructor)) static void control_map(void)
{
    const char *path = getenv("PODLOGIN_TEST_PRELOAD");
    int fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0) : -1;
    void *mapped = MAP_FAILED;

    if (!path)
        return;
    if (fd >= 0)
        mapped = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED) { /* without it, nothing would be injected, and the test would pass */
        fprintf(stderr, "preload: %s: %s\n", path, strerror(errno));
        abort();
    }
    syscall(SYS_close, fd);
    control = mapped;
}

static int64_t load(const int64_t *field)
{
    return __atomic_load_n(field, __ATOMIC_SEQ_CST);
}

/* A full or read-only disk can still be read. */
static bool can_fail_with(int64_t code, bool is_writing)
{
    return is_writing || (code != ENOSPC && code != EROFS && code != EDQUOT);
}

/* Counts an operation. Returns whether it must fail; then errno is set. */
static bool fails(bool is_writing)
{
    int64_t n = __atomic_add_fetch(&control->n_operations, 1, __ATOMIC_SEQ_CST);
    int64_t at = load(&control->fail_at), code = load(&control->fail_errno);

    if (at == 0 || n < at || !can_fail_with(code, is_writing))
        return false;
    if (!load(&control->fail_for_ever) &&
        !__atomic_compare_exchange_n(&control->fail_at, &at, 0, false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_SEQ_CST))
        return false; /* an operation of another thread has failed */
    __atomic_add_fetch(&control->n_failed, 1, __ATOMIC_SEQ_CST);
    errno = (int)code;
    return true;
}

static bool descriptor_is_watched(int fd)
{
    return control && fd >= 0 && fd < DESCRIPTORS_MAX &&
           __atomic_load_n(&is_watched[fd], __ATOMIC_SEQ_CST);
}

static void descriptor_watch(int fd, bool is)
{
    if (fd >= 0 && fd < DESCRIPTORS_MAX)
        __atomic_store_n(&is_watched[fd], is, __ATOMIC_SEQ_CST);
}

static bool path_is_watched(int directory_fd, const char *path)
{
    if (!control || !control->prefix[0])
        return false;
    if (path[0] != '/')
        return descriptor_is_watched(directory_fd);
    return strncmp(path, control->prefix, strnlen(control->prefix, sizeof(control->prefix))) == 0;
}

static bool path_fails(const char *path, bool is_writing)
{
    return path_is_watched(AT_FDCWD, path) && fails(is_writing);
}

static bool descriptor_fails(int fd, bool is_writing)
{
    return descriptor_is_watched(fd) && fails(is_writing);
}

static int open_file(int directory_fd, const char *path, int flags, mode_t mode)
{
    bool watches = path_is_watched(directory_fd, path);
    bool is_writing = (flags & O_ACCMODE) != O_RDONLY || flags & (O_CREAT | O_TRUNC);
    int fd;

    if (watches && fails(is_writing))
        return -1;
    fd = (int)syscall(SYS_openat, directory_fd, path, flags, mode);
    descriptor_watch(fd, watches);
    return fd;
}

/* The mode argument that follows @flags, if there is one. */
#define MODE_AFTER(flags)                                                                          \
    __extension__({                                                                                \
        mode_t mode_ = 0;                                                                          \
        va_list list_;                                                                             \
                                                                                                   \
        if (__OPEN_NEEDS_MODE(flags)) {                                                            \
            va_start(list_, flags);                                                                \
            mode_ = va_arg(list_, mode_t);                                                         \
            va_end(list_);                                                                         \
        }                                                                                          \
        mode_;                                                                                     \
    })

int open(const char *path, int flags, ...)
{
    return open_file(AT_FDCWD, path, flags, MODE_AFTER(flags));
}

int open64(const char *path, int flags, ...)
{
    return open_file(AT_FDCWD, path, flags, MODE_AFTER(flags));
}

int openat(int directory_fd, const char *path, int flags, ...)
{
    return open_file(directory_fd, path, flags, MODE_AFTER(flags));
}

int openat64(int directory_fd, const char *path, int flags, ...)
{
    return open_file(directory_fd, path, flags, MODE_AFTER(flags));
}

int close(int fd)
{
    descriptor_watch(fd, false);
    return (int)syscall(SYS_close, fd);
}

ssize_t read(int fd, void *buffer, size_t len)
{
    return descriptor_fails(fd, false) ? -1 : syscall(SYS_read, fd, buffer, len);
}

ssize_t pread(int fd, void *buffer, size_t len, off_t at)
{
    return descriptor_fails(fd, false) ? -1 : syscall(SYS_pread64, fd, buffer, len, at);
}

ssize_t pread64(int fd, void *buffer, size_t len, off64_t at)
{
    return pread(fd, buffer, len, at);
}

ssize_t write(int fd, const void *bytes, size_t len)
{
    return descriptor_fails(fd, true) ? -1 : syscall(SYS_write, fd, bytes, len);
}

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at)
{
    return descriptor_fails(fd, true) ? -1 : syscall(SYS_pwrite64, fd, bytes, len, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t at)
{
    return pwrite(fd, bytes, len, at);
}

int ftruncate(int fd, off_t len)
{
    return descriptor_fails(fd, true) ? -1 : (int)syscall(SYS_ftruncate, fd, len);
}

int ftruncate64(int fd, off64_t len)
{
    return ftruncate(fd, len);
}

int fallocate(int fd, int mode, off_t at, off_t len)
{
    return descriptor_fails(fd, true) ? -1 : (int)syscall(SYS_fallocate, fd, mode, at, len);
}

int fallocate64(int fd, int mode, off64_t at, off64_t len)
{
    return fallocate(fd, mode, at, len);
}

int fsync(int fd)
{
    return descriptor_fails(fd, true) ? -1 : (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    return descriptor_fails(fd, true) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int unlink(const char *path)
{
    return path_fails(path, true) ? -1 : (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

int mkdir(const char *path, mode_t mode)
{
    return path_fails(path, true) ? -1 : (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}

int rename(const char *from, const char *to)
{
    bool watches = path_is_watched(AT_FDCWD, from) || path_is_watched(AT_FDCWD, to);

    if (watches && fails(true))
        return -1;
    return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

/* fstatat() is not replaced here, so this calls glibc's. */
int stat(const char *path, struct stat *ret_st)
{
    return path_fails(path, false) ? -1 : fstatat(AT_FDCWD, path, ret_st, 0);
}

int stat64(const char *path, struct stat64 *ret_st)
{
    return path_fails(path, false) ? -1 : fstatat64(AT_FDCWD, path, ret_st, 0);
}

int lstat(const char *path, struct stat *ret_st)
{
    return path_fails(path, false) ? -1 : fstatat(AT_FDCWD, path, ret_st, AT_SYMLINK_NOFOLLOW);
}

int lstat64(const char *path, struct stat64 *ret_st)
{
    return path_fails(path, false) ? -1 : fstatat64(AT_FDCWD, path, ret_st, AT_SYMLINK_NOFOLLOW);
}

int fstat(int fd, struct stat *ret_st)
{
    return descriptor_fails(fd, false) ? -1 : fstatat(fd, "", ret_st, AT_EMPTY_PATH);
}

int fstat64(int fd, struct stat64 *ret_st)
{
    return descriptor_fails(fd, false) ? -1 : fstatat64(fd, "", ret_st, AT_EMPTY_PATH);
}

static void add_ms(struct timespec *time, int64_t ms)
{
    int64_t nsec = time->tv_nsec + ms % 1000 * 1000000;

    time->tv_sec += ms / 1000 + (nsec >= 1000000000) - (nsec < 0);
    time->tv_nsec = nsec + (nsec < 0 ? 1000000000 : nsec >= 1000000000 ? -1000000000 : 0);
}

/*
 * A wait for an absolute time of CLOCK_REALTIME happens in the kernel, which does not know the
 * offset.
 */
int clock_gettime(clockid_t clock, struct timespec *ret_now)
{
    int r = (int)syscall(SYS_clock_gettime, clock, ret_now);
    bool is_wall = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;

    if (r == 0 && control && (is_wall || clock == CLOCK_BOOTTIME))
        add_ms(ret_now, load(&control->passed_ms));
    if (r == 0 && control && is_wall)
        ret_now->tv_sec += load(&control->wall_offset_s);
    return r;
}

time_t time(time_t *ret_now)
{
    struct timespec now = {0};

    clock_gettime(CLOCK_REALTIME, &now);
    if (ret_now)
        *ret_now = now.tv_sec;
    return now.tv_sec;
}

int gettimeofday(struct timeval *restrict ret_now, void *restrict zone)
{
    struct timespec now;
    int r = clock_gettime(CLOCK_REALTIME, &now);

    (void)zone;
    if (r == 0)
        *ret_now = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
    return r;
}

/* The one timer of the daemon's loop, for an absolute time of CLOCK_BOOTTIME. */
static struct {
    int fd;
    struct itimerspec spec; /* as the daemon set it */
    int64_t passed_ms;      /* when the kernel got it */
} loop_timer;

static int timer_arm(struct itimerspec *ret_old)
{
    struct itimerspec spec = loop_timer.spec;

    loop_timer.passed_ms = load(&control->passed_ms);
    if (spec.it_value.tv_sec || spec.it_value.tv_nsec) { /* else it is unset */
        add_ms(&spec.it_value, -loop_timer.passed_ms);
        if (spec.it_value.tv_sec < 0)
            spec.it_value = (struct timespec){.tv_nsec = 1};
    }
    return (int)syscall(SYS_timerfd_settime, loop_timer.fd, TFD_TIMER_ABSTIME, &spec, ret_old);
}

int timerfd_settime(int fd, int flags, const struct itimerspec *spec, struct itimerspec *ret_old)
{
    if (!control || flags != TFD_TIMER_ABSTIME)
        return (int)syscall(SYS_timerfd_settime, fd, flags, spec, ret_old);
    loop_timer.fd = fd;
    loop_timer.spec = *spec;
    return timer_arm(ret_old);
}

/* Looks from time to time whether time has passed that the kernel knows nothing of. */
int epoll_wait(int epoll_fd, struct epoll_event *events, int n_max, int timeout_ms)
{
    bool watches = control && timeout_ms < 0;
    int n;

    do {
        if (watches && loop_timer.fd && load(&control->passed_ms) != loop_timer.passed_ms)
            timer_arm(NULL);
        n = (int)syscall(SYS_epoll_pwait, epoll_fd, events, n_max, watches ? 5 : timeout_ms, NULL,
                         0);
    } while (watches && n == 0);
    return n;
}

/* The exporter's wait for its next sample. */
int sigtimedwait(const sigset_t *set, siginfo_t *ret_info, const struct timespec *timeout)
{
    const struct timespec slice = {.tv_nsec = 5000000};
    struct timespec now, end = {0};
    int number;

    clock_gettime(CLOCK_BOOTTIME, &end);
    end.tv_sec += timeout->tv_sec;
    add_ms(&end, timeout->tv_nsec / 1000000);
    do {
        number = (int)syscall(SYS_rt_sigtimedwait, set, ret_info, control ? &slice : timeout, 8);
        clock_gettime(CLOCK_BOOTTIME, &now);
    } while (number < 0 && errno == EAGAIN && control &&
             (now.tv_sec < end.tv_sec || (now.tv_sec == end.tv_sec && now.tv_nsec < end.tv_nsec)));
    return number;
}
