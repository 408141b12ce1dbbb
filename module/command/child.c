#include "command/child.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "protocol/status.h"
#include "text/text.h"

int child_execute(char **command)
{
    int error;

    execvp(command[0], command);
    error = errno;
    output(STDERR_FILENO, "podlogin: ", command[0], ": ", strerror(error), "\n", NULL);
    return error == ENOENT ? 127 : 126;
}

/* All but those that cannot be passed on, or are about this process itself. */
static void signals_to_wait_for(sigset_t *signals)
{
    static const int own[] = {SIGSEGV, SIGBUS,  SIGFPE,  SIGILL,  SIGTRAP,
                              SIGSYS,  SIGABRT, SIGPIPE, SIGTTIN, SIGTTOU};

    sigfillset(signals);
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        sigdelset(signals, own[i]);
}

/*
 * Returns whether the kernel has sent the signal to this process and not to the child: for a timer,
 * which was set before exec(), or for the end of the terminal, which the leader of the session is
 * told of.
 */
static bool is_for_one(int signal)
{
    return signal == SIGALRM || ((signal == SIGHUP || signal == SIGCONT) && getsid(0) == getpid());
}

/* The terminal sends its other signals to both, because they are in one process group. */
static void pass_on(pid_t child, const siginfo_t *info)
{
    if (info->si_code != SI_KERNEL || is_for_one(info->si_signo))
        kill(child, info->si_signo);
}

/* Returns whether the child has ended, and how. Stops together with it. */
static bool has_ended(pid_t child, int *ret_status)
{
    pid_t pid;

    while ((pid = waitpid(child, ret_status, WNOHANG | WUNTRACED)) > 0) {
        if (!WIFSTOPPED(*ret_status))
            return true;
        if (getpid() == 1)
            continue; /* the first process of a container cannot stop; it passes SIGCONT on */
        kill(getpid(), SIGSTOP);
        kill(child, SIGCONT); /* this process has been continued */
    }
    return pid < 0;
}

static int wait_for(pid_t child, const sigset_t *signals)
{
    int status = 0;

    while (!has_ended(child, &status)) {
        siginfo_t info;

        if (sigwaitinfo(signals, &info) > 0 && info.si_signo != SIGCHLD)
            pass_on(child, &info);
    }
    return status;
}

int child_run(char **command, int *ret_signal)
{
    struct sigaction standard = {.sa_handler = SIG_DFL}, inherited;
    sigset_t signals, before;
    pid_t child;
    int status;

    *ret_signal = 0;
    signals_to_wait_for(&signals);
    sigprocmask(SIG_BLOCK, &signals, &before);
    /* if SIGCHLD were ignored, the exit status would be lost */
    sigaction(SIGCHLD, &standard, &inherited);
    child = fork();
    if (child < 0) {
        output(STDERR_FILENO, "podlogin: ", command[0], ": ", strerror(errno), "\n", NULL);
        return EXIT_CODE_FAULT;
    }
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        sigaction(SIGCHLD, &inherited, NULL);
        sigprocmask(SIG_SETMASK, &before, NULL);
        _exit(child_execute(command));
    }
    /* the signals stay blocked: one that comes now must not change how this process ends */
    status = wait_for(child, &signals);
    if (!WIFSIGNALED(status))
        return WEXITSTATUS(status);
    *ret_signal = WTERMSIG(status);
    return EXIT_CODE_OK;
}

void child_end(int signal)
{
    const struct sigaction standard = {.sa_handler = SIG_DFL};
    const struct rlimit none = {0, 0};
    sigset_t signals;

    prlimit(0, RLIMIT_CORE, &none, NULL); /* the child has left one, if it should */
    sigemptyset(&signals);
    sigaddset(&signals, signal);
    sigaction(signal, &standard, NULL);
    sigprocmask(SIG_UNBLOCK, &signals, NULL);
    kill(getpid(), signal);
    _exit(128 + signal);
}
