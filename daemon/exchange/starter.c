#include "exchange/starter.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "exchange/descriptors.h"
#include "exchange/job.h"
#include "exchange/launcher.h"

#define VARIABLES_MAX 64
#define PAUSE_USEC    10000

extern char **environ;

/*
 * What an exchanger may know of the environment: how the network is reached, where the log goes,
 * and what the loader and sanitizers of a test read. A server that takes it over finds no other
 * program's secrets there.
 */
static const char *const passed_variables[] = {
    "http_proxy=", "https_proxy=",  "all_proxy=",    "no_proxy=",      "JOURNAL_STREAM=",
    "LD_",         "LSAN_OPTIONS=", "ASAN_OPTIONS=", "UBSAN_OPTIONS=", "PODLOGIN_TEST_",
};

static bool is_passed(const char *variable)
{
    for (size_t i = 0; i < sizeof(passed_variables) / sizeof(passed_variables[0]); i++)
        if (strncasecmp(variable, passed_variables[i], strlen(passed_variables[i])) == 0)
            return true;
    return false;
}

static void passed_environment(char *ret_variables[VARIABLES_MAX])
{
    size_t n = 0;

    for (char **variable = environ; *variable && n < VARIABLES_MAX - 1; variable++)
        if (is_passed(*variable))
            ret_variables[n++] = *variable;
    ret_variables[n] = NULL;
}

/*
 * Service managers and terminals signal the whole group. The starter and the exchangers leave these
 * signals to the daemon, and end with it.
 */
static void signals_of_daemon(sigset_t *ret_set)
{
    sigemptyset(ret_set);
    sigaddset(ret_set, SIGTERM);
    sigaddset(ret_set, SIGINT);
    sigaddset(ret_set, SIGHUP);
}

int exchanger_spawn(const char *program, const char *name, int socket_fd, pid_t *ret_pid)
{
    char *argv[] = {"podlogin-exchanger", (char *)name, NULL}, *variables[VARIABLES_MAX];
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t blocked;
    int r;

    signals_of_daemon(&blocked);
    passed_environment(variables);
    if (posix_spawn_file_actions_init(&actions))
        return -ENOMEM;
    if (posix_spawnattr_init(&attributes)) {
        posix_spawn_file_actions_destroy(&actions);
        return -ENOMEM;
    }
    r = posix_spawn_file_actions_adddup2(&actions, socket_fd, JOB_SOCKET_FD);
    if (!r)
        r = posix_spawnattr_setsigmask(&attributes, &blocked);
    if (!r)
        r = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    if (!r)
        r = posix_spawn(ret_pid, program, &actions, &attributes, argv, variables);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return -r;
}

int starter_ask(int fd, int role, int socket_fd)
{
    const struct iovec data = {&role, sizeof(role)};

    return descriptors_send(fd, &data, 1, &socket_fd, 1);
}

/* Returns 1 for a request; 0 at the end; -1 for anything else. */
static int next_request(int fd, int *ret_role, int *ret_socket_fd)
{
    const struct iovec data = {ret_role, sizeof(*ret_role)};
    int fds[DESCRIPTORS_MAX];
    size_t n_fds;
    ssize_t n = descriptors_receive(fd, &data, 1, 0, fds, &n_fds);

    if (n == 0)
        return 0;
    if (n == (ssize_t)sizeof(*ret_role) && *ret_role >= 0 && *ret_role < EXCHANGERS && n_fds == 1) {
        *ret_socket_fd = fds[0];
        return 1;
    }
    while (n_fds > 0)
        close(fds[--n_fds]);
    return -1;
}

static void wait_for_end(pid_t *pid)
{
    while (waitpid(*pid, NULL, 0) < 0 && errno == EINTR)
        ;
    *pid = 0;
}

/* An exchanger has no state that could be lost. */
static void end(pid_t *pid)
{
    if (*pid <= 0)
        return;
    kill(*pid, SIGKILL);
    wait_for_end(pid);
}

/* All have lost their connections. That for programs has these to end before it ends itself. */
static void end_all(pid_t pids[EXCHANGERS])
{
    for (int role = 0; role < EXCHANGERS; role++)
        if (role != EXCHANGER_PROGRAMS)
            end(&pids[role]);
    if (pids[EXCHANGER_PROGRAMS] > 0)
        wait_for_end(&pids[EXCHANGER_PROGRAMS]);
}

/* Replaces the exchanger of @role. Logs a failure once. */
static void start(const char *program, int role, int socket_fd, pid_t *pid, int *said)
{
    int r;

    end(pid);
    r = exchanger_spawn(program, exchanger_names[role], socket_fd, pid);
    if (r < 0 && r != *said)
        log_error("cannot start the exchanger for %s: %s", exchanger_names[role], strerror(-r));
    *said = r;
}

int starter_run(int fd, const char *program)
{
    pid_t pids[EXCHANGERS] = {0};
    int said[EXCHANGERS] = {0}, role, socket_fd, r;
    sigset_t blocked;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NAME, "podlogind-start");
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    signals_of_daemon(&blocked);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    if (dup3(fd, JOB_SOCKET_FD, O_CLOEXEC) < 0 && fd != JOB_SOCKET_FD)
        return 1;
    close_range(JOB_SOCKET_FD + 1, ~0U, 0);
    while ((r = next_request(JOB_SOCKET_FD, &role, &socket_fd)) != 0) {
        if (r < 0) {
            usleep(PAUSE_USEC); /* memory ran out, say */
            continue;
        }
        start(program, role, socket_fd, &pids[role], &said[role]);
        close(socket_fd);
    }
    end_all(pids);
    return 0;
}
