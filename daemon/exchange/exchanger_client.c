#include "exchange/exchanger_client.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/log.h"
#include "exchange/job_packet.h"
#include "message/frame.h"

#define REVIEWS_IN_FLIGHT_MAX 64
#define JOB_DEADLINE_USEC     (15 * SECOND_USEC) /* for a complete transfer and time in the queue */
#define HANG_USEC             (10 * SECOND_USEC) /* longer than TRANSFER_TIMEOUT_MS */
#define JOB_SENT_MAX          2
#define RESTART_DELAY_USEC    (SECOND_USEC / 2)
#define SETTLED_USEC          SECOND_USEC /* an exchanger that ran for longer is restarted without delay */

/*
 * The jobs of one type. Those at a server that hangs wait for nobody but themselves: there is one
 * fetch of keys for each issuer, and circuit breakers limit the exchanges at each upstream.
 */
struct lane {
    struct list queued;
    unsigned n_sent, most;
};

enum {
    LANE_KEYS,
    LANE_REVIEWS,
    LANE_EXCHANGES,
    LANES, /* in the order in which they are sent */
};

struct exchanger_client {
    struct loop *loop;
    struct launcher *launcher;
    enum exchanger_role role;
    bool is_flapping; /* it ended soon after its start, which was logged */
    int said;         /* the error of its start that was logged last */
    uint64_t started_usec;
    struct loop_source source; /* of the socket; fd -1: not running */
    bool is_full;              /* the socket: it is watched for room */
    struct timer restart;
    uint64_t heard_usec; /* when the latest answer came */
    struct lane lanes[LANES];
    struct list sent;
    unsigned n_sent;
    uint16_t last_id;
    struct secret *answer; /* JOB_FRAME_MAX bytes for one result; wiped after each */
};

static void job_reset(struct job *job)
{
    if (job->state != JOB_IDLE)
        list_remove(&job->node);
    if (job->state == JOB_SENT) {
        job->exchanger->n_sent--;
        job->lane->n_sent--;
    }
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

static void exchanger_client_flush(struct exchanger_client *exchanger);
static void exchanger_client_lost(struct exchanger_client *exchanger, const char *how);

/*
 * Fails the job. The exchanger has shorter timeouts of its own, so if it has sent nothing at all
 * for HANG_USEC since it got the job, it hangs and is restarted.
 */
static void on_deadline(struct timer *timer)
{
    struct job *job = container_of(timer, struct job, deadline);
    struct exchanger_client *exchanger = job->exchanger;
    bool hangs = job->state == JOB_SENT && exchanger->heard_usec < job->sent_usec &&
                 clock_boot_usec() - job->sent_usec >= HANG_USEC;

    job_fail(job, "the exchanger did not answer in time");
    if (hangs)
        exchanger_client_lost(exchanger, "does not answer");
    else
        exchanger_client_flush(exchanger); /* the job has made room for another */
}

static struct job *job_find(struct exchanger_client *exchanger, uint16_t id)
{
    for (struct list *node = exchanger->sent.next; node != &exchanger->sent; node = node->next)
        if (container_of(node, struct job, node)->id == id)
            return container_of(node, struct job, node);
    return NULL;
}

/* Returns an id that no job in flight has. */
static uint16_t next_id(struct exchanger_client *exchanger)
{
    do {
        exchanger->last_id++;
    } while (job_find(exchanger, exchanger->last_id));
    return exchanger->last_id;
}

/* Returns 0 or -errno. */
static int job_send(struct job *job)
{
    struct exchanger_client *exchanger = job->exchanger;
    int r;

    job->id = next_id(exchanger);
    wire_set_id(job->frame->bytes, job->id);
    r = job_packet_send(exchanger->source.fd, job->frame);
    if (r < 0)
        return r;
    list_remove(&job->node);
    list_append(&exchanger->sent, &job->node);
    exchanger->n_sent++;
    job->lane->n_sent++;
    job->state = JOB_SENT;
    job->sent_usec = clock_boot_usec();
    job->n_sent++;
    return 0;
}

static int lane_flush(struct lane *lane)
{
    int r = 0;

    while (r == 0 && lane->n_sent < lane->most && !list_is_empty(&lane->queued))
        r = job_send(container_of(lane->queued.next, struct job, node));
    return r;
}

static void watch_for_room(struct exchanger_client *exchanger, bool is_full)
{
    if (is_full != exchanger->is_full)
        loop_change(exchanger->loop, &exchanger->source, is_full ? EPOLLIN | EPOLLOUT : EPOLLIN);
    exchanger->is_full = is_full;
}

/* Sends queued jobs; the rest waits for answers, or for the socket. */
static void exchanger_client_flush(struct exchanger_client *exchanger)
{
    int r = 0;

    if (exchanger->source.fd < 0)
        return;
    for (size_t i = 0; i < LANES && r == 0; i++)
        r = lane_flush(&exchanger->lanes[i]);
    if (r < 0 && r != -EAGAIN && r != -ENOBUFS)
        return; /* EPOLLHUP follows and causes the restart */
    watch_for_room(exchanger, r < 0);
}

static void on_result(struct exchanger_client *exchanger, const uint8_t *frame, size_t len)
{
    struct wire_header header;
    struct job_result result;
    struct job *job;

    if (len < WIRE_HEADER_SIZE)
        return;
    wire_header_read(frame, &header);
    job = job_find(exchanger, header.id);
    if (!job) /* it passed its deadline, or was cancelled */
        return;
    if (header.type != JOB_RESULT || header.payload_len != len - WIRE_HEADER_SIZE ||
        wire_decode(&job_result, frame + WIRE_HEADER_SIZE, header.payload_len, &result) < 0) {
        job_fail(job, "the exchanger sent a malformed answer");
        return;
    }
    job_reset(job);
    job->on_done(job, &result);
}

static void on_socket(struct loop_source *source, uint32_t events)
{
    struct exchanger_client *exchanger = container_of(source, struct exchanger_client, source);
    ssize_t n;

    if (events & EPOLLIN) {
        n = recv(source->fd, exchanger->answer->bytes, exchanger->answer->len, MSG_DONTWAIT);
        if (n > 0) {
            exchanger->heard_usec = clock_boot_usec();
            on_result(exchanger, exchanger->answer->bytes, (size_t)n);
            explicit_bzero(exchanger->answer->bytes, (size_t)n);
        } else if (n == 0 || errno != EAGAIN) {
            exchanger_client_lost(exchanger, "ended");
            return;
        }
    } else if (events & (EPOLLHUP | EPOLLERR)) {
        exchanger_client_lost(exchanger, "ended");
        return;
    }
    exchanger_client_flush(exchanger);
}

static void exchanger_client_stop(struct exchanger_client *exchanger)
{
    if (exchanger->source.fd >= 0) {
        loop_remove(exchanger->loop, &exchanger->source);
        close(exchanger->source.fd);
    }
    exchanger->source.fd = -1;
}

static int exchanger_client_start(struct exchanger_client *exchanger)
{
    int fd, r = launcher_connect(exchanger->launcher, exchanger->role, &fd);

    if (r < 0)
        return r;
    exchanger->source = (struct loop_source){.fd = fd, .on_ready = on_socket};
    r = loop_add(exchanger->loop, &exchanger->source, EPOLLIN);
    if (r < 0) {
        close(fd);
        exchanger->source.fd = -1;
        return r;
    }
    exchanger->is_full = false;
    exchanger->started_usec = clock_boot_usec();
    exchanger_client_flush(exchanger);
    return 0;
}

static void on_restart(struct timer *timer)
{
    struct exchanger_client *exchanger = container_of(timer, struct exchanger_client, restart);
    int r = exchanger_client_start(exchanger);

    if (r == -EPIPE) {
        log_error("the process that starts exchangers has ended; stopping");
        loop_fail(exchanger->loop, r); /* the service manager starts the daemon again */
        return;
    }
    if (r < 0 && r != exchanger->said)
        log_error("cannot start the exchanger for %s: %s", exchanger_names[exchanger->role],
                  strerror(-r));
    exchanger->said = r;
    if (r < 0)
        loop_timer(exchanger->loop, &exchanger->restart, RESTART_DELAY_USEC, on_restart);
}

/* Puts the jobs in flight back to the front of their queues, in order. */
static void requeue(struct exchanger_client *exchanger)
{
    while (!list_is_empty(&exchanger->sent)) {
        struct job *job = container_of(exchanger->sent.prev, struct job, node);

        list_remove(&job->node);
        list_append(job->lane->queued.next, &job->node); /* before the first */
        exchanger->n_sent--;
        job->lane->n_sent--;
        job->state = JOB_QUEUED;
    }
}

/* Returns a queued job that was sent too often; NULL: none. */
static struct job *find_deadly(const struct exchanger_client *exchanger)
{
    for (size_t i = 0; i < LANES; i++) {
        const struct list *queued = &exchanger->lanes[i].queued;

        for (struct list *node = queued->next; node != queued; node = node->next)
            if (container_of(node, struct job, node)->n_sent >= JOB_SENT_MAX)
                return container_of(node, struct job, node);
    }
    return NULL;
}

static void exchanger_client_lost(struct exchanger_client *exchanger, const char *how)
{
    bool was_settled = clock_boot_usec() - exchanger->started_usec > SETTLED_USEC;
    struct job *job;

    if (was_settled || !exchanger->is_flapping)
        log_warning("the exchanger for %s %s, with %u jobs in flight; restarting it",
                    exchanger_names[exchanger->role], how, exchanger->n_sent);
    exchanger->is_flapping = !was_settled;
    exchanger_client_stop(exchanger);
    requeue(exchanger);
    while ((job = find_deadly(exchanger))) /* the callback of one may cancel others */
        job_fail(job, "the exchanger ended twice during this job");
    loop_timer(exchanger->loop, &exchanger->restart, was_settled ? 0 : RESTART_DELAY_USEC,
               on_restart);
}

int exchanger_client_new(struct loop *loop, struct launcher *launcher, enum exchanger_role role,
                         struct exchanger_client **ret_exchanger)
{
    struct exchanger_client *exchanger = calloc(1, sizeof(*exchanger));
    int r = 0;

    if (!exchanger)
        return -ENOMEM;
    exchanger->loop = loop;
    exchanger->launcher = launcher;
    exchanger->role = role;
    exchanger->source.fd = -1;
    for (size_t i = 0; i < LANES; i++) {
        list_init(&exchanger->lanes[i].queued);
        exchanger->lanes[i].most = i == LANE_REVIEWS            ? REVIEWS_IN_FLIGHT_MAX
                                   : role == EXCHANGER_PROGRAMS ? PROGRAMS_MAX
                                                                : UINT_MAX;
    }
    list_init(&exchanger->sent);
    exchanger->answer = secret_alloc(JOB_FRAME_MAX);
    if (exchanger->answer && launcher->directory)
        on_restart(&exchanger->restart); /* one that another manager starts may come later */
    else
        r = exchanger->answer ? exchanger_client_start(exchanger) : -ENOMEM;
    if (r < 0) {
        exchanger_client_free(exchanger);
        return r;
    }
    *ret_exchanger = exchanger;
    return 0;
}

struct exchanger_client *exchanger_client_free(struct exchanger_client *exchanger)
{
    if (!exchanger)
        return NULL;
    for (size_t i = 0; i < LANES; i++)
        while (!list_is_empty(&exchanger->lanes[i].queued))
            job_reset(container_of(exchanger->lanes[i].queued.next, struct job, node));
    while (!list_is_empty(&exchanger->sent))
        job_reset(container_of(exchanger->sent.next, struct job, node));
    timer_unset(&exchanger->restart);
    exchanger_client_stop(exchanger);
    secret_free(exchanger->answer);
    free(exchanger);
    return NULL;
}

bool exchanger_is_running(const struct exchanger_client *exchanger)
{
    return exchanger->source.fd >= 0;
}

unsigned exchanger_n_jobs(const struct exchanger_client *exchanger)
{
    return exchanger->n_sent;
}

static struct lane *lane_of(struct exchanger_client *exchanger, const struct wire_message *message)
{
    return &exchanger->lanes[message == &job_keys     ? LANE_KEYS
                             : message == &job_review ? LANE_REVIEWS
                                                      : LANE_EXCHANGES];
}

int exchanger_client_submit(struct exchanger_client *exchanger, struct job *job,
                            const struct wire_message *message, const void *values,
                            job_done on_done)
{
    int r;

    assert(job->state == JOB_IDLE);
    r = frame_new(message, 0, values, &job->frame);
    if (r < 0)
        return r;
    loop_timer(exchanger->loop, &job->deadline, JOB_DEADLINE_USEC, on_deadline);
    job->exchanger = exchanger;
    job->on_done = on_done;
    job->state = JOB_QUEUED;
    job->lane = lane_of(exchanger, message);
    list_append(&job->lane->queued, &job->node);
    exchanger_client_flush(exchanger);
    return 0;
}
