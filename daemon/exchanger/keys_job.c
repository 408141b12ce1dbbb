/* Fetches an issuer's key set, from a configured URL or the one in the discovery document. */
#include "exchanger/keys_job.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/secret.h"
#include "base/url.h"
#include "exchanger/result.h"
#include "exchanger/work.h"
#include "provider/detail.h"

#define ACCEPT_KEYS "application/jwk-set+json, application/json"

struct keys_task {
    struct worker *worker;
    uint16_t id;
    struct ca ca;
    char *issuer; /* NULL: the URL of the keys is configured */
    char *api_server;
    struct ca api_ca;
    struct secret *own_token; /* for the origin of api_server only; NULL: none */
    bool carries_token;       /* the latest request does */
};

static void task_free(struct keys_task *task)
{
    ca_done(&task->ca);
    free(task->issuer);
    free(task->api_server);
    ca_done(&task->api_ca);
    secret_free(task->own_token);
    free(task);
}

DEFINE_CLEANUP(struct keys_task *, task_free)

_Static_assert(DISCOVERY_ERROR_SIZE == DETAIL_SIZE, "detail_hide() can change the error");
_Static_assert(HTTP_ERROR_SIZE == DETAIL_SIZE, "detail_hide() can change the detail");

/*
 * What fails is told without the daemon's own token: the API server may quote it in its discovery
 * document, and in the URL of the keys, whose host is in errors of libcurl.
 */
static void hide_token(const struct keys_task *task, char detail[DETAIL_SIZE])
{
    if (task->own_token)
        detail_hide(detail, task->own_token->bytes, task->own_token->len);
}

static void fail_with_transfer(const struct keys_task *task, struct http_transfer *transfer)
{
    hide_token(task, transfer->detail);
    result_send_failure(task->id, transfer->outcome, transfer->detail);
}

static void refuse_document(const struct keys_task *task, char error[DISCOVERY_ERROR_SIZE])
{
    hide_token(task, error);
    result_send_error(task->id, error);
}

/* Returns what is wrong with the daemon's own token, or with the lack of one; or "". */
static const char *denial(const struct keys_task *task, long http_status)
{
    if (http_status != 401 && http_status != 403)
        return "";
    if (!task->carries_token)
        return " without a token; one is sent only if the URL has the host and port of APIServer=, "
               "and the file in APIServerTokenFile= exists";
    return http_status == 401
               ? ": the API server does not accept the token in APIServerTokenFile="
               : ": the daemon's account may not read it; bind it to the cluster role "
                 "system:service-account-issuer-discovery";
}

static void fail_with_status(const struct keys_task *task, const char *what, long http_status)
{
    char detail[DETAIL_SIZE];

    snprintf(detail, sizeof(detail), "cannot fetch %s: HTTP %ld%s", what, http_status,
             denial(task, http_status));
    result_send_failure(task->id, OUTCOME_UNAVAILABLE, detail);
}

static void on_keys(struct http_transfer *transfer)
{
    CLEANUP(task_freep)
    struct keys_task *task = transfer->data;

    if (!transfer->status)
        fail_with_transfer(task, transfer);
    else if (transfer->status != 200 || !transfer->body_len)
        fail_with_status(task, "the key set", transfer->status);
    else
        result_send(task->id, &(struct job_result){
                                  .outcome = OUTCOME_OK,
                                  .keys = wire_bytes(transfer->body, transfer->body_len),
                                  .max_age_s = transfer->head.max_age_s,
                              });
}

static int fetch(struct keys_task *task, const char *url, const char *accept, http_callback on_done)
{
    struct http_request request = {.method = "GET", .url = url, .accept = accept, .ca = &task->ca};

    task->carries_token = task->own_token && url_is_same_origin(url, task->api_server);
    if (task->carries_token) {
        request.authorization = task->own_token;
        request.ca = &task->api_ca; /* what authenticates the API server gets its token */
    }
    return http_start(&task->worker->http, &request, on_done, task);
}

static char *refuse(char *ret_error, const char *reason)
{
    snprintf(ret_error, DISCOVERY_ERROR_SIZE, "%s", reason);
    return NULL;
}

static char *refuse_issuer(char *ret_error, const char *named, const char *issuer)
{
    snprintf(ret_error, DISCOVERY_ERROR_SIZE,
             "the discovery document names another issuer: %.90s instead of %.90s",
             named ? named : "none", issuer);
    for (char *at = ret_error; *at; at++)
        if (*at < 0x20 || *at >= 0x7f)
            *at = '?';
    return NULL;
}

char *discovery_read(const void *body, size_t len, const char *issuer,
                     char ret_error[DISCOVERY_ERROR_SIZE])
{
    char *copy;
    CLEANUP(json_decrefp)
    json_t *json = json_read_object(body, len);
    const char *named = json_member_string(json, "issuer");
    const char *url = json_member_string(json, "jwks_uri");

    if (!json)
        return refuse(ret_error, "the discovery document is not a JSON object");
    if (!named || strcmp(named, issuer) != 0)
        return refuse_issuer(ret_error, named, issuer);
    if (!url || !url_is_complete(url))
        return refuse(ret_error, "the discovery document has no https jwks_uri");
    copy = strdup(url);
    return copy ? copy : refuse(ret_error, "out of memory");
}

static void on_discovered(struct http_transfer *transfer)
{
    CLEANUP(task_freep)
    struct keys_task *task = transfer->data;
    CLEANUP(freep)
    char *url = NULL;
    char error[DISCOVERY_ERROR_SIZE];

    if (!transfer->status) {
        fail_with_transfer(task, transfer);
        return;
    }
    if (transfer->status != 200) {
        fail_with_status(task, "the discovery document", transfer->status);
        return;
    }
    url = discovery_read(transfer->body, transfer->body_len, task->issuer, error);
    if (!url)
        refuse_document(task, error);
    else if (fetch(task, url, ACCEPT_KEYS, on_keys) < 0)
        result_send_error(task->id, task->worker->http.error);
    else
        (void)TAKE_PTR(task); /* the next transfer owns it */
}

static int discover(struct keys_task *task, struct wire_bytes issuer)
{
    CLEANUP(freep)
    char *url = NULL;

    task->issuer = copy_bytes(issuer);
    if (!task->issuer || asprintf(&url, "%.*s/.well-known/openid-configuration",
                                  url_length(task->issuer), task->issuer) < 0)
        return -ENOMEM;
    return fetch(task, url, "application/json", on_discovered);
}

static bool copy(struct wire_bytes bytes, char **ret_text)
{
    *ret_text = copy_bytes(bytes);
    return *ret_text || !bytes.len;
}

static bool copy_own_token(const struct job_keys *job, struct keys_task *task)
{
    if (!job->own_token.len)
        return true;
    task->own_token = secret_new(job->own_token.at, job->own_token.len);
    task->api_server = copy_bytes(job->api_server);
    return task->own_token && task->api_server;
}

int keys_job_begin(struct worker *worker, uint16_t id, const struct job_keys *job)
{
    CLEANUP(task_freep)
    struct keys_task *task = calloc(1, sizeof(*task));
    CLEANUP(freep)
    char *url = NULL;
    int r;

    if (!task)
        return -ENOMEM;
    task->worker = worker;
    task->id = id;
    if (!copy(job->keys_url, &url) || !copy_own_token(job, task))
        return -ENOMEM;
    r = worker_read_ca(worker, job->ca_file, &task->ca);
    if (r == 0)
        r = worker_read_ca(worker, job->api_ca_file, &task->api_ca);
    if (r < 0)
        return r;
    r = url ? fetch(task, url, ACCEPT_KEYS, on_keys) : discover(task, job->issuer);
    if (r == 0)
        (void)TAKE_PTR(task); /* the transfer owns it */
    return r;
}
