/*
 * Loaded into a real exchanger with LD_PRELOAD: code that a server has brought into it. It tries
 * what an exchanger must not do, when the exchanger waits for its first job, and prints a line for
 * each attempt to standard error. With $PODLOGIN_TEST_HOSTILE_EARLY, it tries at once, before the
 * exchanger is confined: this shows that nothing else would stop it.
 *
 * $PODLOGIN_TEST_HOSTILE_FILES: paths of files to read, separated by colons.
 * $PODLOGIN_TEST_HOSTILE_SOCKET: a Unix socket to connect to.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static bool is_done;
static pid_t parent; /* the exchanger may not ask for it later */

static void tell(const char *what, bool succeeds)
{
    dprintf(STDERR_FILENO, "hostile %s: %s\n", what, succeeds ? "done" : strerror(errno));
}

static void read_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char what[4200], byte;

    snprintf(what, sizeof(what), "read %s", path);
    tell(what, fd >= 0 && read(fd, &byte, 1) >= 0);
    close(fd);
}

static void read_files(void)
{
    char *paths = strdup(getenv("PODLOGIN_TEST_HOSTILE_FILES")), *rest = paths, *path;

    while ((path = strsep(&rest, ":")))
        read_file(path);
    free(paths);
}

static void read_parent(const char *name)
{
    char path[64], what[64], byte;
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/%s", (int)parent, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    snprintf(what, sizeof(what), "look at the parent's %s", name);
    tell(what, fd >= 0 && read(fd, &byte, 1) == 1);
    close(fd);
}

static void start_program(void)
{
    pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    char *const arguments[] = {"/bin/true", NULL};

    if (pid == 0) {
        execve(arguments[0], arguments, arguments);
        _exit(1);
    }
    tell("start a process", pid > 0);
    if (pid > 0)
        waitpid(pid, NULL, 0);
    execve("/nonexistent", arguments, arguments);
    tell("execute", errno == ENOENT); /* of what is there, nothing would come back */
}

static void touch_parent(void)
{
    char byte;
    struct iovec to = {&byte, 1}, from = {(void *)&is_done, 1};

    /* the parent is not dumpable, so root alone may read it; another error than ENOSYS tells that
       the kernel went so far as to look */
    process_vm_readv(parent, &to, 1, &from, 1, 0);
    tell("read the parent's memory", errno != ENOSYS && errno != EACCES);
    tell("signal the parent", kill(parent, 0) == 0);
    tell("have a signal sent to the parent", fcntl(STDERR_FILENO, F_SETOWN, parent) == 0);
    tell("trace", ptrace(PTRACE_TRACEME, 0, 0, 0) == 0);
}

static void write_file(void)
{
    int fd = open("/tmp", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);

    tell("write a file", fd >= 0);
    close(fd);
}

static void connect_to_daemon(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s",
             getenv("PODLOGIN_TEST_HOSTILE_SOCKET"));
    tell("connect to the administrator's socket",
         fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    close(fd);
}

/* A pair of datagram sockets can send to any name. */
static void send_datagrams(void)
{
    int pair[2] = {-1, -1};

    tell("make datagram sockets", socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) == 0);
    close(pair[0]);
    close(pair[1]);
}

static void listen_somewhere(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    tell("listen", fd >= 0 && listen(fd, 1) == 0);
    close(fd);
}

static void make_code(void)
{
    void *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    tell("make memory executable", mprotect(code, 4096, PROT_READ | PROT_EXEC) == 0);
    munmap(code, 4096);
    code = mmap(NULL, 4096, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    tell("see memory twice", mremap(code, 0, 4096, MREMAP_MAYMOVE) != MAP_FAILED);
}

static void attack(void)
{
    is_done = true;
    read_files();
    read_parent("cgroup");
    read_parent("environ");
    start_program();
    touch_parent();
    write_file();
    connect_to_daemon();
    send_datagrams();
    listen_somewhere();
    make_code();
    dprintf(STDERR_FILENO, "hostile end\n");
}

__attribute__((constructor)) static void begin(void)
{
    parent = getppid();
    is_done = strcmp(program_invocation_short_name, "podlogin-exchanger") != 0;
    if (!is_done && getenv("PODLOGIN_TEST_HOSTILE_EARLY"))
        attack();
}

int epoll_wait(int epoll_fd, struct epoll_event *ret_events, int n, int timeout_ms)
{
    typedef int wait_function(int, struct epoll_event *, int, int);
    wait_function *real;

    if (!is_done)
        attack();
    *(void **)&real = dlsym(RTLD_NEXT, "epoll_wait"); /* dlsym(3) has this way */
    return real(epoll_fd, ret_events, n, timeout_ms);
}
