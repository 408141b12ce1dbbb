/* Asks the API server whether a JWT is still valid (TokenReview, authentication.k8s.io/v1). */
#include "exchanger/review_job.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/url.h"
#include "exchanger/result.h"
#include "exchanger/work.h"

struct review_task {
    uint16_t id;
    char *audience, *username, *uid;
    struct secret *jwt, *own_token; /* the API server's answer may quote them */
};

static void task_free(struct review_task *task)
{
    free(task->audience);
    free(task->username);
    free(task->uid);
    secret_free(task->jwt);
    secret_free(task->own_token);
    free(task);
}

DEFINE_CLEANUP(struct review_task *, task_free)

static bool array_holds(const json_t *array, const char *text)
{
    json_t *element;
    size_t i;

    json_array_foreach(array, i, element)
    {
        const char *value = json_string_value(element);

        if (value && strcmp(value, text) == 0)
            return true;
    }
    return false;
}

/* The user and the audience that the API server reports must be those of the JWT. */
static enum outcome status_read(const json_t *status, const struct review_expected *expected,
                                char *ret_detail)
{
    const json_t *user = json_object_get(status, "user");
    const char *error = json_member_string(status, "error");
    const char *username = json_member_string(user, "username");
    const char *uid = json_member_string(user, "uid");

    snprintf(ret_detail, DETAIL_SIZE, "%s", error && *error ? error : "not authenticated");
    if (!json_is_true(json_object_get(status, "authenticated")))
        return OUTCOME_REFUSED;
    /*
     * An API server that does not support audiences reports none. The JWT is then valid for the API
     * server itself, which says nothing about our audience.
     */
    snprintf(ret_detail, DETAIL_SIZE, "TokenReview reports another audience, or none");
    if (!array_holds(json_object_get(status, "audiences"), expected->audience))
        return OUTCOME_REFUSED;
    snprintf(ret_detail, DETAIL_SIZE, "TokenReview reports another service account");
    if (!username || strcmp(username, expected->username) != 0 || !uid ||
        strcmp(uid, expected->uid) != 0)
        return OUTCOME_REFUSED;
    *ret_detail = '\0';
    return OUTCOME_OK;
}

enum outcome review_read(long http_status, const void *body, size_t len,
                         const struct review_expected *expected, char *ret_detail)
{
    CLEANUP(json_decrefp)
    json_t *json = json_read_object(body, len);
    const json_t *status = json_object_get(json, "status");

    if (http_status == 401 || http_status == 403) {
        snprintf(ret_detail, DETAIL_SIZE, "TokenReview: HTTP %s",
                 http_status == 401
                     ? "401: the API server does not accept the token in APIServerTokenFile="
                     : "403: the daemon's account may not create tokenreviews; bind it to the "
                       "cluster role system:auth-delegator");
        return OUTCOME_MISCONFIGURED;
    }
    if (http_status != 200 && http_status != 201) {
        snprintf(ret_detail, DETAIL_SIZE, "TokenReview: HTTP %ld", http_status);
        return OUTCOME_UNAVAILABLE;
    }
    if (!json_is_object(status)) {
        snprintf(ret_detail, DETAIL_SIZE, "the answer is not a TokenReview");
        return OUTCOME_MALFORMED;
    }
    return status_read(status, expected, ret_detail);
}

static void on_reviewed(struct http_transfer *transfer)
{
    CLEANUP(task_freep)
    struct review_task *task = transfer->data;
    const struct review_expected expected = {task->audience, task->username, task->uid};
    enum outcome outcome;
    char detail[DETAIL_SIZE];

    if (!transfer->status) {
        result_send_failure(task->id, transfer->outcome, transfer->detail);
        return;
    }
    outcome = review_read(transfer->status, transfer->body, transfer->body_len, &expected, detail);
    if (outcome == OUTCOME_OK) {
        result_send(task->id, &(struct job_result){.outcome = outcome});
        return;
    }
    detail_hide(detail, task->jwt->bytes, task->jwt->len);
    detail_hide(detail, task->own_token->bytes, task->own_token->len);
    result_send_failure(task->id, outcome, detail);
}

static struct secret *review_body(const struct job_review *job)
{
    CLEANUP(json_decrefp)
    json_t *json =
        json_pack("{s:s, s:s, s:{s:s%, s:[s%]}}", "apiVersion", "authentication.k8s.io/v1", "kind",
                  "TokenReview", "spec", "token", job->subject_token.at, job->subject_token.len,
                  "audiences", job->audience.at, job->audience.len);
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    struct secret *body = text ? secret_new(text, strlen(text)) : NULL;

    free(text);
    return body;
}

static int task_new(uint16_t id, const struct job_review *job, struct review_task **ret_task)
{
    CLEANUP(task_freep)
    struct review_task *task = calloc(1, sizeof(*task));

    if (!task)
        return -ENOMEM;
    task->id = id;
    task->audience = copy_bytes(job->audience);
    task->username = copy_bytes(job->username);
    task->uid = copy_bytes(job->uid);
    task->jwt = secret_new(job->subject_token.at, job->subject_token.len);
    task->own_token = secret_new(job->own_token.at, job->own_token.len);
    if (!task->audience || !task->username || !task->uid || !task->jwt || !task->own_token)
        return -ENOMEM;
    *ret_task = TAKE_PTR(task);
    return 0;
}

static int send_request(struct worker *worker, struct review_task *task,
                        const struct job_review *job)
{
    CLEANUP(freep)
    char *server = copy_bytes(job->api_server), *url = NULL;
    CLEANUP(ca_donep)
    struct ca ca;
    struct http_request http = {
        .method = "POST",
        .accept = "application/json",
        .content_type = "application/json",
        .ca = &ca,
        .authorization = task->own_token,
    };
    int r = worker_read_ca(worker, job->ca_file, &ca);

    if (r < 0)
        return r;
    if (!server || asprintf(&url, "%.*s/apis/authentication.k8s.io/v1/tokenreviews",
                            url_length(server), server) < 0)
        return -ENOMEM;
    http.url = url;
    http.body = review_body(job);
    return http.body ? http_start(&worker->http, &http, on_reviewed, task) : -ENOMEM;
}

int review_job_begin(struct worker *worker, uint16_t id, const struct job_review *job)
{
    CLEANUP(task_freep)
    struct review_task *task = NULL;
    int r = task_new(id, job, &task);

    if (r == 0)
        r = send_request(worker, task, job);
    if (r == 0)
        (void)TAKE_PTR(task); /* the transfer owns it until on_reviewed() */
    return r;
}
