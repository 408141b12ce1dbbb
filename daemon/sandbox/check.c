#include "sandbox/check.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/io_uring.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "protocol/status.h"
#include "sandbox/broker.h"
#include "sandbox/exchanger.h"
#include "sandbox/exporter.h"
#include "sandbox/program.h"
#include "sandbox/system_calls.h"
#include "store/key.h"

/* What the attempts need to know. */
struct scene {
    const char *directory;
    const struct config *config;
    const char *key; /* of the cache */
    pid_t parent;
};

/* An attempt returns whether it was refused. Others fail because of their harmless arguments. */
static bool is_refused(long result)
{
    return result < 0 && (errno == ENOSYS || errno == EPERM || errno == EACCES);
}

static bool start_program(const struct scene *scene)
{
    char *const arguments[] = {"", NULL};

    (void)scene;
    return is_refused(execve("/nonexistent", arguments, arguments));
}

static bool create_process(const struct scene *scene)
{
    pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

    (void)scene;
    if (pid == 0)
        _exit(0);
    return is_refused(pid);
}

static bool trace_process(const struct scene *scene)
{
    (void)scene;
    return is_refused(ptrace(PTRACE_TRACEME, 0, 0, 0));
}

static bool read_memory(const struct scene *scene)
{
    char byte;
    struct iovec to = {&byte, 1}, from = {(void *)scene, 1};

    return is_refused(process_vm_readv(scene->parent, &to, 1, &from, 1, 0));
}

static bool signal_process(const struct scene *scene)
{
    return is_refused(kill(scene->parent, 0));
}

static bool have_signal_sent(const struct scene *scene)
{
    return is_refused(fcntl(STDIN_FILENO, F_SETOWN, scene->parent));
}

static bool write_code(const struct scene *scene)
{
    void *code = mmap(NULL, 4096, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    (void)scene;
    return mremap(code, 0, 4096, MREMAP_MAYMOVE) == MAP_FAILED;
}

static bool make_executable(const struct scene *scene)
{
    (void)scene;
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                0) == MAP_FAILED;
}

static bool create_namespace(const struct scene *scene)
{
    (void)scene;
    return is_refused(unshare(CLONE_NEWUSER));
}

/* Interfaces of the kernel that its attackers like. */
static bool use_io_uring(const struct scene *scene)
{
    struct io_uring_params params = {0};

    (void)scene;
    return is_refused(syscall(SYS_io_uring_setup, 1, &params));
}

static bool use_keyrings(const struct scene *scene)
{
    (void)scene;
    return is_refused(syscall(SYS_keyctl, 0 /* KEYCTL_GET_KEYRING_ID */, -4, 0));
}

static bool open_socket(int family)
{
    CLEANUP(fd_closep)
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    return is_refused(fd);
}

static bool use_network(const struct scene *scene)
{
    (void)scene;
    return open_socket(AF_INET);
}

static bool use_unix_sockets(const struct scene *scene)
{
    int pair[2]; /* of datagram sockets, which may send to any other */

    (void)scene;
    return open_socket(AF_UNIX) &&
           is_refused(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair));
}

/* Sending that connects (TCP Fast Open). */
static bool connect_by_sending(const struct scene *scene)
{
    (void)scene;
    return is_refused(sendto(-1, NULL, 0, MSG_FASTOPEN, NULL, 0));
}

static bool use_netlink(const struct scene *scene)
{
    (void)scene;
    return open_socket(AF_NETLINK);
}

static bool serve(const struct scene *scene)
{
    (void)scene;
    return is_refused(listen(-1, 1));
}

static bool cannot_open(const char *path, int flags)
{
    CLEANUP(fd_closep)
    int fd = open(path, flags | O_CLOEXEC, 0600);

    return is_refused(fd);
}

/* A file that may not be there yet: then, its directory cannot be listed. */
static bool cannot_read(const char *path)
{
    char directory[PATH_MAX], *slash;

    if (!path || access(path, F_OK) == 0)
        return !path || cannot_open(path, O_RDONLY);
    snprintf(directory, sizeof(directory), "%s", path);
    slash = strrchr(directory, '/');
    if (!slash)
        return true;
    *(slash == directory ? slash + 1 : slash) = '\0';
    return access(directory, F_OK) < 0 || cannot_open(directory, O_RDONLY | O_DIRECTORY);
}

static bool read_users(const struct scene *scene)
{
    (void)scene;
    return cannot_open("/etc/passwd", O_RDONLY);
}

static bool write_file(const struct scene *scene)
{
    (void)scene;
    return cannot_open("/tmp", O_TMPFILE | O_WRONLY);
}

static bool read_configuration(const struct scene *scene)
{
    return cannot_open(scene->directory, O_RDONLY | O_DIRECTORY);
}

static bool read_cache(const struct scene *scene)
{
    return cannot_read(scene->config->cache);
}

static bool read_key(const struct scene *scene)
{
    return cannot_read(scene->key);
}

static bool see_processes(const struct scene *scene)
{
    (void)scene;
    return cannot_open("/proc/1/cgroup", O_RDONLY);
}

#define OF(process) (1u << (process))
#define BROKER      OF(SANDBOX_BROKER)
#define EXCHANGER   OF(SANDBOX_EXCHANGER)
#define EXPORTER    OF(SANDBOX_EXPORTER)
#define PROGRAM     OF(SANDBOX_PROGRAM)
#define ALL         (BROKER | EXCHANGER | EXPORTER)

static const struct {
    const char *what;
    bool (*is_refused)(const struct scene *scene);
    unsigned processes;
} attempts[] = {
    {"start a program", start_program, ALL},
    {"create a process", create_process, ALL},
    {"trace a process", trace_process, ALL | PROGRAM},
    {"read the memory of another process", read_memory, ALL | PROGRAM},
    {"send a signal", signal_process, ALL},
    {"have a signal sent", have_signal_sent, ALL},
    {"make memory executable", make_executable, ALL},
    {"see memory twice", write_code, ALL},
    {"create a namespace", create_namespace, ALL | PROGRAM},
    {"use io_uring", use_io_uring, ALL | PROGRAM},
    {"use keyrings", use_keyrings, ALL | PROGRAM},
    {"use the network", use_network, BROKER | EXPORTER},
    {"use Unix sockets", use_unix_sockets, EXCHANGER},
    {"connect by sending", connect_by_sending, EXPORTER},
    {"use netlink", use_netlink, ALL},
    {"listen at another address", serve, EXCHANGER | EXPORTER},
    {"read /etc/passwd", read_users, ALL},
    {"write a file in /tmp", write_file, ALL | PROGRAM},
    {"read the configuration", read_configuration, EXCHANGER | EXPORTER | PROGRAM},
    {"read the cache", read_cache, EXCHANGER | EXPORTER | PROGRAM},
    {"read the key of the cache", read_key, EXCHANGER | EXPORTER | PROGRAM},
    {"see other processes", see_processes, EXCHANGER | EXPORTER},
};

static void enter(enum sandbox_process process, const struct scene *scene)
{
    switch (process) {
    case SANDBOX_BROKER:
        sandbox_broker(scene->directory, scene->config);
        break;
    case SANDBOX_EXCHANGER:
        sandbox_exchanger();
        break;
    case SANDBOX_PROGRAM:
        sandbox_program(NULL, NULL, NULL);
        break;
    default:
        sandbox_exporter();
        break;
    }
}

/* In the child. Returns its exit code. */
static int try_all(enum sandbox_process process, const struct scene *scene)
{
    static const char *const names[] = {"podlogind", "podlogin-exchanger", "podlogin-exporter",
                                        "a program"};
    bool is_tight = true;

    enter(process, scene);
    for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
        bool refused;

        if (!(attempts[i].processes & OF(process)))
            continue;
        refused = attempts[i].is_refused(scene);
        is_tight &= refused;
        printf("%-18s  %-36s%s\n", names[process], attempts[i].what,
               refused ? "refused" : "ALLOWED");
    }
    fflush(stdout);
    return is_tight ? EXIT_CODE_OK : EXIT_CODE_FAULT;
}

int sandbox_check(const char *directory, const struct config *config)
{
    char error[KEY_ERROR_MAX];
    CLEANUP(freep)
    char *key = NULL;
    struct scene scene = {.directory = directory, .config = config, .parent = getpid()};
    int code = EXIT_CODE_OK;

    if (strcmp(config->cache_key, "runtime") == 0)
        key = cache_key_runtime_path();
    else if (cache_key_path(config->cache_key, &key, error) < 0)
        key = NULL;
    scene.key = key;
    for (int process = 0; process < SANDBOX_PROCESSES; process++) {
        int status = 0;
        pid_t pid = fork();

        if (pid == 0)
            _exit(try_all((enum sandbox_process)process, &scene));
        if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
            WEXITSTATUS(status) != EXIT_CODE_OK)
            code = EXIT_CODE_FAULT;
    }
    printf(code == EXIT_CODE_OK ? "the sandboxes are in force\n"
                                : "the sandboxes are not in force: see podlogind(8), SANDBOX\n");
    return code;
}
