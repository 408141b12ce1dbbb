/* Looks whether a server answers, and which time it has. */
#include <errno.h>

#include "exchanger/result.h"
#include "exchanger/work.h"
#include "provider/detail.h"

struct probe_task {
    uint16_t id;
    struct secret *own_token; /* NULL: none; the server may quote it */
};

static void task_free(struct probe_task *task)
{
    secret_free(task->own_token);
    free(task);
}

DEFINE_CLEANUP(struct probe_task *, task_free)

static void on_answer(struct http_transfer *transfer)
{
    CLEANUP(task_freep)
    struct probe_task *task = transfer->data;

    if (!transfer->status) {
        if (task->own_token)
            detail_hide(transfer->detail, task->own_token->bytes, task->own_token->len);
        result_send_failure(task->id, transfer->outcome, transfer->detail);
        return;
    }
    result_send(task->id, &(struct job_result){
                              .outcome = OUTCOME_OK,
                              .http_status = (uint32_t)transfer->status,
                              .date_s = (uint64_t)transfer->head.date_s,
                              .body = wire_bytes(transfer->body, transfer->body_len),
                          });
}

static int send_request(struct worker *worker, const struct job_probe *job, struct probe_task *task)
{
    CLEANUP(freep)
    char *url = copy_bytes(job->url);
    CLEANUP(ca_donep)
    struct ca ca;
    struct http_request request = {
        .method = task->own_token ? "GET" : "HEAD",
        .url = url,
        .accept = "application/json",
        .ca = &ca,
        .authorization = task->own_token,
    };
    int r = worker_read_ca(worker, job->ca_file, &ca);

    if (r < 0)
        return r;
    if (!url)
        return -ENOMEM;
    return http_start(&worker->http, &request, on_answer, task);
}

int probe_job_begin(struct worker *worker, uint16_t id, const struct job_probe *job)
{
    CLEANUP(task_freep)
    struct probe_task *task = calloc(1, sizeof(*task));
    int r;

    if (!task)
        return -ENOMEM;
    task->id = id;
    if (job->own_token.len)
        task->own_token = secret_new(job->own_token.at, job->own_token.len);
    if (job->own_token.len && !task->own_token)
        return -ENOMEM;
    r = send_request(worker, job, task);
    if (r == 0)
        (void)TAKE_PTR(task); /* the transfer owns it until on_answer() */
    return r;
}
