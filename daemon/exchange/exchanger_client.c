#include "exchange/exchanger_client.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/log.h"

#define JOB_DEADLINE_USEC  (15 * SECOND_USEC) /* a whole transfer, and time in the queue */
#define HANG_USEC          (10 * SECOND_USEC) /* more than TRANSFER_TIMEOUT_MS */
#define JOB_SENT_MAX       2
#define RESTART_DELAY_USEC (SECOND_USEC / 2)
#define SETTLED_USEC       SECOND_USEC /* an exchanger that lived so long restarts at once */

extern char **environ;

struct link {
    struct loop *loop;
    char *path;
    pid_t pid; /* 0: not running */
    uint64_t started_usec;
    struct loop_source source; /* of the socket; fd -1: the exchanger does not run */
    struct timer restart;
    uint64_t heard_usec; /* the latest answer */
    struct list queued;
    struct list sent;
    unsigned n_sent;
    uint16_t last_id;
    uint8_t request[JOB_FRAME_MAX]; /* both are wiped after each use */
    uint8_t answer[JOB_FRAME_MAX];
};

static void job_reset(struct job *job)
{
    if (job->state != JOB_IDLE)
        list_remove(&job->node);
    if (job->state == JOB_SENT)
        job->link->n_sent--;
    job->state = JOB_IDLE;
    job->n_sent = 0;
    job->frame = secret_free(job->frame);
    timer_unset(&job->deadline);
}

static void job_fail(struct job *job, const char *detail)
{
    const struct job_result result = {
        .outcome = OUTCOME_UNAVAILABLE,
        .detail = wire_string(detail),
    };

    job_reset(job);
    job->on_done(job, &result);
}

void job_cancel(struct job *job)
{
    job_reset(job);
}

static void link_flush(struct link *link);
static void link_lost(struct link *link, const char *how);

/* The exchanger has deadlines of its own, so one that has said nothing for so long hangs. */
static void on_deadline(struct timer *timer)
{
    struct job *job = container_of(timer, struct job, deadline);
    struct link *link = job->link;
    bool hangs = job->state == JOB_SENT && link->heard_usec < job->sent_usec &&
                 clock_boot_usec() - job->sent_usec >= HANG_USEC;

    job_fail(job, "no answer of the exchanger in time");
    if (hangs)
        link_lost(link, "does not answer");
    else
        link_flush(link); /* there is room now */
}

static struct job *job_find(struct link *link, uint16_t id)
{
    for (struct list *node = link->sent.next; node != &link->sent; node = node->next)
        if (container_of(node, struct job, node)->id == id)
            return container_of(node, struct job, node);
    return NULL;
}

/* An id that no job under way has. */
static uint16_t next_id(struct link *link)
{
    do {
        link->last_id++;
    } while (job_find(link, link->last_id));
    return link->last_id;
}

/* Hands over what there is room for; the rest waits for answers, or for the socket. */
static void link_flush(struct link *link)
{
    bool is_full = false;

    while (link->pid && !is_full && link->n_sent < JOBS_IN_FLIGHT_MAX &&
           !list_is_empty(&link->queued)) {
        struct job *job = container_of(link->queued.next, struct job, node);

        job->id = next_id(link);
        wire_set_id(job->frame->bytes, job->id);
        if (send(link->source.fd, job->frame->bytes, job->frame->len, MSG_NOSIGNAL | MSG_DONTWAIT) <
            0) {
            is_full = errno == EAGAIN || errno == ENOBUFS;
            if (!is_full)
                return; /* the hang-up follows, and with it the restart */
            break;
        }
        list_remove(&job->node);
        list_append(&link->sent, &job->node);
        link->n_sent++;
        job->state = JOB_SENT;
        job->sent_usec = clock_boot_usec();
        job->n_sent++;
    }
    if (link->pid)
        loop_change(link->loop, &link->source, is_full ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void on_result(struct link *link, const uint8_t *frame, size_t len)
{
    struct wire_header header;
    struct job_result result;
    struct job *job;

    if (len < WIRE_HEADER_SIZE)
        return;
    wire_header_read(frame, &header);
    job = job_find(link, header.id);
    if (!job) /* it has passed its deadline */
        return;
    if (header.type != JOB_RESULT || header.payload_len != len - WIRE_HEADER_SIZE ||
        wire_decode(&job_result, frame + WIRE_HEADER_SIZE, header.payload_len, &result) < 0) {
        job_fail(job, "the exchanger's answer could not be read");
        return;
    }
    job_reset(job);
    job->on_done(job, &result);
}

static void on_socket(struct loop_source *source, uint32_t events)
{
    struct link *link = container_of(source, struct link, source);
    ssize_t n;

    if (events & EPOLLIN) {
        n = recv(source->fd, link->answer, sizeof(link->answer), MSG_DONTWAIT);
        if (n > 0) {
            link->heard_usec = clock_boot_usec();
            on_result(link, link->answer, (size_t)n);
            explicit_bzero(link->answer, (size_t)n);
        } else if (n == 0 || errno != EAGAIN) {
            link_lost(link, "ended");
            return;
        }
    } else if (events & (EPOLLHUP | EPOLLERR)) {
        link_lost(link, "ended");
        return;
    }
    link_flush(link);
}

static int spawn(const char *path, int socket_fd, pid_t *ret_pid)
{
    char *argv[] = {"podlogin-exchanger", NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    int r;

    sigemptyset(&none);
    if (posix_spawn_file_actions_init(&actions))
        return -ENOMEM;
    if (posix_spawnattr_init(&attributes)) {
        posix_spawn_file_actions_destroy(&actions);
        return -ENOMEM;
    }
    r = posix_spawn_file_actions_adddup2(&actions, socket_fd, JOB_SOCKET_FD);
    if (!r)
        r = posix_spawnattr_setsigmask(&attributes, &none);
    if (!r)
        r = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    if (!r)
        r = posix_spawn(ret_pid, path, &actions, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return -r;
}

static void link_stop(struct link *link);

static int link_start(struct link *link)
{
    int pair[2], r;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    r = spawn(link->path, pair[1], &link->pid);
    close(pair[1]);
    link->source = (struct loop_source){.fd = pair[0], .on_ready = on_socket};
    if (r == 0)
        r = loop_add(link->loop, &link->source, EPOLLIN);
    if (r < 0) {
        link_stop(link);
        return r;
    }
    link->started_usec = clock_boot_usec();
    link_flush(link);
    return 0;
}

static void on_restart(struct timer *timer)
{
    struct link *link = container_of(timer, struct link, restart);
    int r = link_start(link);

    if (r < 0) {
        log_error("the exchanger %s cannot be started: %s", link->path, strerror(-r));
        loop_timer(link->loop, &link->restart, RESTART_DELAY_USEC, on_restart);
    }
}

static void link_stop(struct link *link)
{
    if (link->source.fd >= 0) {
        loop_remove(link->loop, &link->source);
        close(link->source.fd);
    }
    link->source.fd = -1;
    if (link->pid > 0) {
        kill(link->pid, SIGKILL); /* it holds nothing that could be lost */
        while (waitpid(link->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    link->pid = 0;
}

/* The exchanger is gone: what it had goes back to the queue, in its order. */
static void link_lost(struct link *link, const char *how)
{
    bool was_settled = clock_boot_usec() - link->started_usec > SETTLED_USEC;
    struct list requeued;

    log_warning("the exchanger %s, with %u jobs under way; starting another", how, link->n_sent);
    link_stop(link);
    list_init(&requeued);
    while (!list_is_empty(&link->sent)) {
        struct job *job = container_of(link->sent.next, struct job, node);

        if (job->n_sent >= JOB_SENT_MAX) {
            job_fail(job, "the exchanger ended twice during this exchange");
            continue;
        }
        list_remove(&job->node);
        list_append(&requeued, &job->node);
        link->n_sent--;
        job->state = JOB_QUEUED;
    }
    list_move(&requeued, &link->queued);
    list_move(&link->queued, &requeued);
    loop_timer(link->loop, &link->restart, was_settled ? 0 : RESTART_DELAY_USEC, on_restart);
}

int link_new(struct loop *loop, const char *path, struct link **ret_link)
{
    struct link *link = calloc(1, sizeof(*link));
    int r;

    if (!link)
        return -ENOMEM;
    link->loop = loop;
    link->source.fd = -1;
    list_init(&link->queued);
    list_init(&link->sent);
    link->path = strdup(path);
    r = link->path ? link_start(link) : -ENOMEM;
    if (r < 0) {
        link_free(link);
        return r;
    }
    *ret_link = link;
    return 0;
}

struct link *link_free(struct link *link)
{
    if (!link)
        return NULL;
    while (!list_is_empty(&link->queued))
        job_reset(container_of(link->queued.next, struct job, node));
    while (!list_is_empty(&link->sent))
        job_reset(container_of(link->sent.next, struct job, node));
    timer_unset(&link->restart);
    link_stop(link);
    free(link->path);
    free(link);
    return NULL;
}

int link_submit(struct link *link, struct job *job, const struct wire_message *message,
                const void *values, job_done on_done)
{
    size_t len;
    int r;

    r = wire_encode(message, 0, values, link->request, sizeof(link->request), &len);
    if (r < 0)
        return r;
    job->frame = secret_new(link->request, len);
    explicit_bzero(link->request, len);
    if (!job->frame)
        return -ENOMEM;
    loop_timer(link->loop, &job->deadline, JOB_DEADLINE_USEC, on_deadline);
    job->link = link;
    job->on_done = on_done;
    job->state = JOB_QUEUED;
    list_append(&link->queued, &job->node);
    link_flush(link);
    return 0;
}
