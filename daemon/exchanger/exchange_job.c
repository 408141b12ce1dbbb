/* Exchanges a JWT for an access token, with the one HTTP request that the provider builds. */
#include <errno.h>
#include <string.h>

#include "exchanger/exchange_task.h"
#include "exchanger/result.h"
#include "exchanger/work.h"

static void request_donep(struct provider_request *request)
{
    provider_request_done(request);
}

static void on_answer(struct http_transfer *transfer)
{
    CLEANUP(exchange_task_freep)
    struct exchange_task *task = transfer->data;

    if (!transfer->status)
        result_send_failure(task->id, transfer->outcome, transfer->detail);
    else
        exchange_task_answer(task, transfer->status, transfer->body, transfer->body_len,
                             transfer->retry_after_ms);
}

static int keep_authorization(struct exchange_task *task, const struct provider_request *request)
{
    for (size_t i = 0; i < request->n_headers; i++) {
        const struct provider_header *header = &request->headers[i];

        if (strcmp(header->name, "Authorization") != 0)
            continue;
        task->authorization = secret_new(header->value, strlen(header->value));
        return task->authorization ? 0 : -ENOMEM;
    }
    return 0;
}

static int send_request(struct worker *worker, struct exchange_task *task,
                        const struct job_exchange *job)
{
    CLEANUP(request_donep)
    struct provider_request request = {0};
    CLEANUP(ca_donep)
    struct ca ca;
    struct provider_values values;
    struct http_request http;
    int r = worker_read_ca(worker, job->ca_file, &ca);

    if (r == 0)
        r = worker_read_secret(worker, job->secret_file, &task->secret);
    if (r < 0)
        return r;
    values = exchange_task_values(task);
    r = task->exchange->request(&values, task->jwt, &request);
    if (r == 0)
        r = keep_authorization(task, &request);
    if (r < 0)
        return r;
    http = (struct http_request){
        .method = request.method,
        .url = request.url,
        .accept = request.accept,
        .content_type = request.content_type,
        .headers = request.headers,
        .n_headers = request.n_headers,
        .ca = &ca,
        .body = TAKE_PTR(request.body),
    };
    return http_start(&worker->http, &http, on_answer, task);
}

int exchange_job_begin(struct worker *worker, uint16_t id, const struct job_exchange *job)
{
    CLEANUP(exchange_task_freep)
    struct exchange_task *task = NULL;
    int r = exchange_task_new(id, job, false, &task);

    if (r == 0)
        r = send_request(worker, task, job);
    if (r == 0)
        (void)TAKE_PTR(task); /* the transfer owns it until on_answer() */
    return r;
}
