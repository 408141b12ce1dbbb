#include "exchanger/program_job.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "exchange/job_packet.h"
#include "exchanger/descendants.h"
#include "exchanger/exchange_task.h"
#include "exchanger/program.h"
#include "exchanger/program_log.h"
#include "exchanger/result.h"
#include "provider/exec.h"

#define END_USEC  SECOND_USEC /* between SIGTERM and SIGKILL */
#define ERROR_MAX 4096        /* bytes of standard error that are logged */

enum run_state {
    RUN_GOES_ON,
    RUN_IS_ENDING, /* it had SIGTERM at its timeout; all that follow are final */
    RUN_HAS_ENDED, /* with all that the program started, before the timeout */
    RUN_TOOK_TOO_LONG,
    RUN_PRINTED_TOO_MUCH,
    RUN_IS_IN_VAIN, /* nobody waits for a result */
};

/* A program that runs. */
struct run {
    const struct exchange_task *task;
    enum run_state state;
    bool hung; /* the program itself had not ended at its timeout */
    uint64_t until_usec;
    int signals_fd;
    struct program program;
    const struct secret *request;
    size_t n_written;
    struct secret *output, *error;
    size_t output_len, error_len;
    int status; /* of the program, as from waitpid(2), once its pid is 0 */
};

static void close_end(int *fd)
{
    fd_closep(fd);
    *fd = -1;
}

/* A program need not read its input. */
static void write_request(struct run *run)
{
    ssize_t n = write(run->program.input, run->request->bytes + run->n_written,
                      run->request->len - run->n_written);

    if (n > 0)
        run->n_written += (size_t)n;
    if ((n < 0 && errno != EAGAIN) || run->n_written == run->request->len)
        close_end(&run->program.input);
}

/* Reads what there is; what does not fit is dropped. */
static void read_into(int *fd, struct secret *buffer, size_t *len)
{
    char dropped[1024];
    size_t room = buffer->len - *len;
    ssize_t n = room ? read(*fd, buffer->bytes + *len, room) : read(*fd, dropped, sizeof(dropped));

    if (n > 0 && room)
        *len += (size_t)n;
    if (n == 0 || (n < 0 && errno != EAGAIN))
        close_end(fd);
}

/* Reaps what has ended. Returns whether nothing is left. */
static bool reap(struct run *run)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid != run->program.pid)
            continue;
        run->program.pid = 0;
        run->status = status;
    }
    return pid < 0 && errno == ECHILD;
}

static void take_signals(struct run *run)
{
    struct signalfd_siginfo info;

    while (read(run->signals_fd, &info, sizeof(info)) == sizeof(info))
        if (info.ssi_signo == PROGRAM_JOB_PARENT_ENDED)
            run->state = RUN_IS_IN_VAIN;
}

static void on_timeout(struct run *run)
{
    if (run->state == RUN_IS_ENDING) {
        run->state = RUN_TOOK_TOO_LONG;
        return;
    }
    run->state = RUN_IS_ENDING;
    run->hung = run->program.pid;
    run->until_usec = clock_boot_usec() + END_USEC;
    descendants_signal(SIGTERM, NULL, 0);
}

static int timeout_ms(const struct run *run)
{
    uint64_t now_usec = clock_boot_usec();

    return now_usec < run->until_usec ? (int)((run->until_usec - now_usec + 999) / 1000) : 0;
}

/* Decides whether the run is over, unless that was decided before. */
static void decide(struct run *run)
{
    bool is_read = run->program.output < 0 && run->program.error < 0;
    bool have_ended = reap(run);

    if (run->state > RUN_IS_ENDING)
        return;
    if (run->output_len > UPSTREAM_BODY_MAX)
        run->state = RUN_PRINTED_TOO_MUCH;
    else if (have_ended && is_read)
        run->state = run->state == RUN_IS_ENDING ? RUN_TOOK_TOO_LONG : RUN_HAS_ENDED;
}

/* Waits for the next event and handles it. */
static void turn(struct run *run)
{
    struct program *program = &run->program;
    struct pollfd fds[] = {
        {.fd = JOB_SOCKET_FD}, /* its end */
        {.fd = run->signals_fd, .events = POLLIN},
        {.fd = program->input, .events = POLLOUT},
        {.fd = program->output, .events = POLLIN},
        {.fd = program->error, .events = POLLIN},
    };

    poll(fds, sizeof(fds) / sizeof(fds[0]), timeout_ms(run));
    if (clock_boot_usec() >= run->until_usec) /* also of one that writes all the time */
        on_timeout(run);
    if (fds[0].revents)
        run->state = RUN_IS_IN_VAIN;
    if (fds[1].revents)
        take_signals(run);
    if (fds[2].revents)
        write_request(run);
    if (fds[3].revents)
        read_into(&program->output, run->output, &run->output_len);
    if (fds[4].revents)
        read_into(&program->error, run->error, &run->error_len);
    decide(run);
}

static void fail(const struct run *run, enum outcome outcome, const char *format, long number)
{
    char detail[DETAIL_SIZE];

    snprintf(detail, sizeof(detail), format, number);
    result_send_failure(run->task->id, outcome, detail);
}

static void send_result(const struct run *run)
{
    struct provider_values values = exchange_task_values(run->task);
    long timeout_s = (long)exec_timeout_s(&values);

    if (run->state == RUN_PRINTED_TOO_MUCH)
        fail(run, OUTCOME_MALFORMED, "the program printed more than %ld bytes", UPSTREAM_BODY_MAX);
    else if (run->state == RUN_TOOK_TOO_LONG && run->hung)
        fail(run, OUTCOME_UNAVAILABLE, "the program did not end within %ld s", timeout_s);
    else if (run->state == RUN_TOOK_TOO_LONG)
        fail(run, OUTCOME_MALFORMED,
             "the program left a process behind, which was killed after %ld s", timeout_s);
    else if (WIFSIGNALED(run->status))
        fail(run, OUTCOME_UNAVAILABLE, "the program was killed by signal %ld",
             WTERMSIG(run->status));
    else
        exchange_task_answer(run->task, WEXITSTATUS(run->status), run->output->bytes,
                             run->output_len, 0);
}

/* An output that has a token is a secret as well, whatever became of the program. */
static bool has_token(const struct run *run)
{
    static const char name[] = "\"access_token\"";

    return (run->state == RUN_HAS_ENDED && run->status == 0) ||
           memmem(run->output->bytes, run->output_len, name, strlen(name));
}

static void log_errors(const struct run *run)
{
    struct provider_values values = exchange_task_values(run->task);
    const struct program_secret secrets[] = {{run->task->jwt->bytes, run->task->jwt->len},
                                             {run->output->bytes, run->output_len}};

    program_log(values.value[EXEC_COMMAND], run->error->bytes, run->error_len, secrets,
                has_token(run) ? 2 : 1);
}

static void fail_to_start(const struct run *run, int r)
{
    bool is_passing = r == -EAGAIN || r == -ENOMEM || r == -EMFILE || r == -ENFILE || r == -ETXTBSY;
    char detail[DETAIL_SIZE];

    snprintf(detail, sizeof(detail), "Command= cannot be executed: %s", strerror(-r));
    result_send_failure(run->task->id, is_passing ? OUTCOME_UNAVAILABLE : OUTCOME_MISCONFIGURED,
                        detail);
}

/* Those that stop the daemon are left to it: this process ends with its connection, or its parent.
 */
static int watch_signals(void)
{
    sigset_t all, watched;

    sigfillset(&all);
    sigemptyset(&watched);
    sigaddset(&watched, SIGCHLD);
    sigaddset(&watched, PROGRAM_JOB_PARENT_ENDED);
    if (sigprocmask(SIG_SETMASK, &all, NULL) < 0)
        return -errno;
    return signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void supervise(struct run *run)
{
    struct provider_values values = exchange_task_values(run->task);
    int r = program_start(&values, &run->program);

    if (r < 0) {
        descendants_end();
        fail_to_start(run, r);
        return;
    }
    run->until_usec = clock_boot_usec() + exec_timeout_s(&values) * SECOND_USEC;
    while (run->state == RUN_GOES_ON || run->state == RUN_IS_ENDING)
        turn(run);
    descendants_end();
    log_errors(run);
    if (run->state != RUN_IS_IN_VAIN)
        send_result(run);
}

static void request_donep(struct provider_request *request)
{
    provider_request_done(request);
}

static int run_task(const struct exchange_task *task)
{
    struct provider_values values = exchange_task_values(task);
    CLEANUP(request_donep)
    struct provider_request request = {0};
    CLEANUP(secret_freep)
    struct secret *output = secret_alloc(UPSTREAM_BODY_MAX + 1), *error = secret_alloc(ERROR_MAX);
    struct run run = {.task = task, .output = output, .error = error};
    int r;

    if (!output || !error)
        return -ENOMEM;
    r = task->exchange->request(&values, task->jwt, &request);
    if (r < 0)
        return r;
    run.request = request.body;
    run.signals_fd = watch_signals();
    if (run.signals_fd < 0)
        return -errno;
    supervise(&run);
    return 0;
}

static int run_job(const uint8_t *frame, size_t len)
{
    CLEANUP(exchange_task_freep)
    struct exchange_task *task = NULL;
    struct wire_header header;
    struct job_exchange job;
    int r = -EBADMSG;

    wire_header_read(frame, &header);
    if (header.type == JOB_EXCHANGE &&
        wire_decode(&job_exchange, frame + WIRE_HEADER_SIZE, len - WIRE_HEADER_SIZE, &job) == 0)
        r = exchange_task_new(header.id, &job, true, &task);
    if (r == 0)
        r = descendants_adopt();
    if (r == 0)
        r = run_task(task);
    if (r < 0)
        result_send_error(header.id, strerror(-r));
    return 0;
}

/* Tells the parent whether there is a job, before the job is done. */
static ssize_t receive(struct secret *frame, int news_fd)
{
    struct program_job_news news = {.result = -ENOMEM};
    struct wire_header header = {0};
    struct job_files files;

    if (frame) {
        news.result = job_packet_receive(JOB_SOCKET_FD, frame->bytes, frame->len, &files);
        job_files_done(&files);
    }
    if (news.result >= WIRE_HEADER_SIZE)
        wire_header_read(frame->bytes, &header);
    news.id = header.id;
    if (write(news_fd, &news, sizeof(news)) != sizeof(news))
        return -EPIPE;
    close(news_fd);
    return news.result;
}

int program_job_run(int news_fd)
{
    CLEANUP(secret_freep) struct secret *frame = secret_alloc(JOB_FRAME_MAX);
    ssize_t n = receive(frame, news_fd);

    return n < WIRE_HEADER_SIZE ? 0 : run_job(frame->bytes, (size_t)n);
}
