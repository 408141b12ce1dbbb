#include "exchanger/programs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "exchange/job.h"
#include "exchanger/descendants.h"
#include "exchanger/program_job.h"
#include "exchanger/result.h"
#include "protocol/status.h"
#include "sandbox/program.h"

#define PAUSE_USEC 10000

/* The process of each job. */
struct runner {
    pid_t supervisors[PROGRAMS_MAX];
    uint16_t ids[PROGRAMS_MAX]; /* of their jobs */
    size_t n;
    bool is_over;
};

/* A job without a result would keep its requests waiting. */
static void on_end(struct runner *runner, size_t which, int status)
{
    if (status != 0) {
        log_error("the supervisor of a program was killed or failed (status 0x%x)", status);
        result_send_error(runner->ids[which], "the supervisor of the program was killed");
    }
    runner->n--;
    runner->supervisors[which] = runner->supervisors[runner->n];
    runner->ids[which] = runner->ids[runner->n];
}

/* A child that is no supervisor is what one has left. Its own children come next. */
static void reap(struct runner *runner)
{
    bool is_left = false;
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        size_t which = 0;

        while (which < runner->n && runner->supervisors[which] != pid)
            which++;
        is_left |= which == runner->n || status != 0;
        if (which < runner->n)
            on_end(runner, which, status);
    }
    if (is_left)
        descendants_signal(SIGKILL, runner->supervisors, runner->n);
}

/* In the child. Returns its exit code. */
static int become_supervisor(pid_t parent, int news_fd)
{
    if (prctl(PR_SET_PDEATHSIG, PROGRAM_JOB_PARENT_ENDED) < 0 || getppid() != parent)
        return EXIT_CODE_FAULT;
    prctl(PR_SET_NAME, "podlogin-job");
    return program_job_run(news_fd);
}

/* Returns what the new supervisor found; -ECHILD if it could not be started, or told nothing. */
static struct program_job_news start_supervisor(pid_t *ret_pid)
{
    struct program_job_news news = {.result = -ECHILD};
    pid_t parent = getpid(), pid;
    int pair[2];

    if (pipe2(pair, O_CLOEXEC) < 0)
        return news;
    pid = fork();
    if (pid == 0)
        _exit(become_supervisor(parent, pair[1]));
    close(pair[1]);
    while (pid > 0 && read(pair[0], &news, sizeof(news)) < 0 && errno == EINTR)
        ;
    close(pair[0]);
    *ret_pid = pid;
    return news;
}

static void take_job(struct runner *runner)
{
    pid_t pid = -1;
    struct program_job_news news = start_supervisor(&pid);

    if (news.result > 0) {
        runner->supervisors[runner->n] = pid;
        runner->ids[runner->n++] = news.id;
    } else if (news.result == -ECHILD || news.result == -ENOMEM) {
        usleep(PAUSE_USEC); /* memory or processes ran out */
    } else if (news.result != -EAGAIN) {
        runner->is_over = true;
    }
}

static int watch_children(void)
{
    sigset_t watched, blocked;

    sigemptyset(&watched);
    sigaddset(&watched, SIGCHLD);
    blocked = watched;
    sigaddset(&blocked, PROGRAM_JOB_PARENT_ENDED); /* a supervisor may get it at once */
    if (sigprocmask(SIG_BLOCK, &blocked, NULL) < 0)
        return -1;
    return signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Like the other exchangers, it ends if it hangs: the broker cannot end another user's process. */
static void turn(struct runner *runner, int children_fd)
{
    struct pollfd fds[] = {
        {.fd = JOB_SOCKET_FD, .events = runner->n < PROGRAMS_MAX ? POLLIN : 0},
        {.fd = children_fd, .events = POLLIN},
    };
    struct signalfd_siginfo info;

    alarm(0);
    poll(fds, 2, -1);
    alarm(EXCHANGER_HANG_S);
    while (fds[1].revents && read(children_fd, &info, sizeof(info)) > 0)
        ;
    if (fds[1].revents)
        reap(runner);
    if (fds[0].revents & POLLIN)
        take_job(runner);
    else if (fds[0].revents)
        runner->is_over = true;
}

int programs_run(void)
{
    struct runner runner = {0};
    CLEANUP(fd_closep) int children_fd = watch_children();
    int r = children_fd < 0 ? -errno : descendants_adopt();

    prctl(PR_SET_PDEATHSIG, 0); /* it sees the end of the broker, and has programs to end */
    if (r < 0) {
        log_error("cannot supervise programs: %s", strerror(-r));
        return EXIT_CODE_FAULT;
    }
    sandbox_program_announce();
    while (!runner.is_over)
        turn(&runner, children_fd);
    descendants_end();
    return EXIT_CODE_OK;
}
