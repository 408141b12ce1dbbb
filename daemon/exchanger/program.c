#include "exchanger/program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "provider/exec.h"
#include "sandbox/program.h"

#define VARIABLES_MAX 16
#define FAILURE_FD    3 /* in the child: tells why it cannot be executed */

extern char **environ;

/* How the network is reached; the program stands in for an exchanger. */
static const char *const passed_variables[] = {
    "http_proxy=", "https_proxy=", "all_proxy=", "no_proxy="};

/* podlogind.conf(5) states it. */
static void fill_environment(char *ret_variables[VARIABLES_MAX])
{
    size_t n = 0;

    ret_variables[n++] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    ret_variables[n++] = "LANG=C.UTF-8";
    for (char **variable = environ; *variable; variable++)
        for (size_t i = 0; i < sizeof(passed_variables) / sizeof(passed_variables[0]); i++)
            if (n < VARIABLES_MAX - 1 &&
                strncasecmp(*variable, passed_variables[i], strlen(passed_variables[i])) == 0)
                ret_variables[n++] = *variable;
    ret_variables[n] = NULL;
}

/* Cuts @command into words. */
static void split(char *command, char *ret_arguments[EXEC_ARGUMENTS_MAX + 1])
{
    char *rest, *word = strtok_r(command, " \t", &rest);
    size_t n = 0;

    for (; word && n < EXEC_ARGUMENTS_MAX; word = strtok_r(NULL, " \t", &rest))
        ret_arguments[n++] = word;
    ret_arguments[n] = NULL;
}

/* Keeps FAILURE_FD as the only other one. */
static int take_descriptors(const int fds[3])
{
    for (int i = 0; i < 3; i++)
        if (dup2(fds[i], i) < 0)
            return -errno;
    return close_range(FAILURE_FD + 1, ~0U, 0) < 0 ? -errno : 0;
}

/* Signals that are blocked or ignored stay so in a program that is executed. */
static int reset_signals(void)
{
    sigset_t none;

    sigemptyset(&none);
    if (signal(SIGPIPE, SIG_DFL) == SIG_ERR || sigprocmask(SIG_SETMASK, &none, NULL) < 0)
        return -errno;
    return 0;
}

/* In the child. Returns -errno, or does not return. */
static int become(const struct provider_values *values, const int fds[3])
{
    char *arguments[EXEC_ARGUMENTS_MAX + 1], *variables[VARIABLES_MAX];
    char *command = strdup(values->value[EXEC_COMMAND]);
    int r = command ? take_descriptors(fds) : -ENOMEM;

    if (r == 0)
        r = reset_signals();
    if (r < 0)
        return r;
    split(command, arguments);
    fill_environment(variables);
    umask(077);
    if (!arguments[0])
        return -EINVAL;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || setsid() < 0 || chdir("/") < 0)
        return -errno;
    r = sandbox_program(arguments[0], values->value[EXEC_READ_PATHS],
                        values->value[EXEC_READ_WRITE_PATHS]);
    if (r < 0)
        return r;
    execve(arguments[0], arguments, variables);
    return -errno;
}

static void close_pair(int pair[2])
{
    for (int i = 0; i < 2; i++)
        fd_closep(&pair[i]);
}

/* Returns 0 once the child was replaced by the program, or why that failed. */
static int wait_for_execution(int failure)
{
    int r = 0;
    ssize_t n;

    do {
        n = read(failure, &r, sizeof(r));
    } while (n < 0 && errno == EINTR);
    return n == 0 ? 0 : n == sizeof(r) ? r : -EIO;
}

static int fork_program(const struct provider_values *values, const int fds[3], int failure[2],
                        pid_t *ret_pid)
{
    pid_t pid = fork();
    int r;

    if (pid == 0) {
        if (dup3(failure[1], FAILURE_FD, O_CLOEXEC) < 0) /* replaces the broker's socket */
            _exit(1);
        r = become(values, fds);
        _exit(write(FAILURE_FD, &r, sizeof(r)) == sizeof(r) ? 0 : 1);
    }
    if (pid < 0)
        return -errno;
    *ret_pid = pid;
    close(failure[1]);
    failure[1] = -1;
    return wait_for_execution(failure[0]);
}

int program_start(const struct provider_values *values, struct program *ret_program)
{
    int input[2] = {-1, -1}, output[2] = {-1, -1}, error[2] = {-1, -1}, failure[2] = {-1, -1};
    int r = 0;

    if (!values->value[EXEC_COMMAND])
        return -EINVAL;
    if (pipe2(input, O_CLOEXEC) < 0 || pipe2(output, O_CLOEXEC) < 0 ||
        pipe2(error, O_CLOEXEC) < 0 || pipe2(failure, O_CLOEXEC) < 0 ||
        fcntl(input[1], F_SETFL, O_NONBLOCK) < 0 || fcntl(output[0], F_SETFL, O_NONBLOCK) < 0 ||
        fcntl(error[0], F_SETFL, O_NONBLOCK) < 0)
        r = -errno;
    if (r == 0)
        r = fork_program(values, (const int[]){input[0], output[1], error[1]}, failure,
                         &ret_program->pid);
    if (r == 0) {
        ret_program->input = TAKE_FD(input[1]);
        ret_program->output = TAKE_FD(output[0]);
        ret_program->error = TAKE_FD(error[0]);
    }
    close_pair(input);
    close_pair(output);
    close_pair(error);
    close_pair(failure);
    return r;
}
