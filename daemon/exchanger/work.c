#include "exchanger/work.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/json.h"
#include "base/log.h"
#include "base/url.h"
#include "exchange/job.h"
#include "provider/oauth.h"

/* A job under way: what has to be remembered until its answer comes. */
struct task {
    struct worker *worker;
    uint16_t id;
    char *ca_file;
    const struct provider *provider; /* of an exchange */
    char *settings[PROVIDER_SETTINGS_MAX];
    char *audience, *username, *uid; /* of a review */
    char *issuer; /* of a key fetch: set while its discovery document is on the way */
};

static void task_free(struct task *task)
{
    for (size_t i = 0; i < PROVIDER_SETTINGS_MAX; i++)
        free(task->settings[i]);
    free(task->ca_file);
    free(task->issuer);
    free(task->audience);
    free(task->username);
    free(task->uid);
    free(task);
}

DEFINE_CLEANUP(struct task *, task_free)

static void answer_donep(struct provider_answer *answer)
{
    provider_answer_done(answer);
}

/* Blocks while the broker is behind: it reads answers before it sends jobs. */
static void send_result(uint16_t id, const struct job_result *result)
{
    static uint8_t buffer[JOB_FRAME_MAX];
    const struct job_result too_odd = {.outcome = OUTCOME_MALFORMED,
                                       .detail = wire_string("the answer cannot be passed on")};
    size_t len;

    if (wire_encode(&job_result, id, result, buffer, sizeof(buffer), &len) < 0 &&
        wire_encode(&job_result, id, &too_odd, buffer, sizeof(buffer), &len) < 0)
        return;
    if (send(JOB_SOCKET_FD, buffer, len, MSG_NOSIGNAL) < 0)
        log_debug("a result could not be sent: %s", strerror(errno));
    explicit_bzero(buffer, len);
}

static void send_failure(uint16_t id, enum outcome outcome, const char *detail)
{
    struct provider_answer answer = {0};

    answer_add_detail(&answer, detail);
    send_result(id, &(struct job_result){.outcome = outcome, .detail = wire_string(answer.detail)});
}

static void send_answer(uint16_t id, const struct provider_answer *answer)
{
    struct job_result result = {
        .outcome = answer->outcome,
        .detail = wire_string(answer->detail),
        .retry_after_ms = answer->retry_after_ms,
        .token_type = wire_string(answer->token_type),
        .expires_in_s = answer->expires_in_s,
        .variable = wire_string(answer->variable),
    };

    if (answer->token)
        result.token = wire_bytes(answer->token->bytes, answer->token->len);
    for (size_t i = 0; i < answer->n_attributes; i++)
        result.attributes.item[result.attributes.n++] = wire_string(answer->attributes[i]);
    send_result(id, &result);
}

static struct provider_values task_values(const struct task *task)
{
    struct provider_values values;

    for (size_t i = 0; i < PROVIDER_SETTINGS_MAX; i++)
        values.value[i] = task->settings[i];
    return values;
}

static void on_exchanged(struct http_transfer *transfer)
{
    CLEANUP(task_freep)
    struct task *task = transfer->data;
    CLEANUP(answer_donep)
    struct provider_answer answer = {0};
    struct provider_values values = task_values(task);

    if (!transfer->status) {
        send_failure(task->id, transfer->outcome, transfer->detail);
        return;
    }
    answer.retry_after_ms = transfer->retry_after_ms;
    if (task->provider->answer(&values, transfer->status, transfer->body, transfer->body_len,
                               &answer) < 0)
        send_failure(task->id, OUTCOME_UNAVAILABLE, "out of memory");
    else
        send_answer(task->id, &answer);
}

static void on_keys(struct http_transfer *transfer)
{
    CLEANUP(task_freep)
    struct task *task = transfer->data;
    char detail[64];

    if (!transfer->status) {
        send_failure(task->id, transfer->outcome, transfer->detail);
    } else if (transfer->status != 200 || !transfer->body_len) {
        snprintf(detail, sizeof(detail), "the key set: HTTP %ld", transfer->status);
        send_failure(task->id, OUTCOME_UNAVAILABLE, detail);
    } else {
        send_result(task->id, &(struct job_result){
                                  .outcome = OUTCOME_OK,
                                  .keys = wire_bytes(transfer->body, transfer->body_len),
                                  .max_age_s = transfer->max_age_s,
                              });
    }
}

static int fetch(struct task *task, const char *url, const char *accept, http_done on_done)
{
    struct http_request request = {.url = url, .accept = accept, .ca_file = task->ca_file};

    return http_start(task->worker->multi, &request, on_done, task);
}

static void on_discovered(struct http_transfer *transfer)
{
    CLEANUP(task_freep)
    struct task *task = transfer->data;
    CLEANUP(freep)
    char *url = NULL;
    const char *error = NULL;
    char detail[64];

    if (!transfer->status) {
        send_failure(task->id, transfer->outcome, transfer->detail);
        return;
    }
    if (transfer->status != 200) {
        snprintf(detail, sizeof(detail), "the discovery document: HTTP %ld", transfer->status);
        send_failure(task->id, OUTCOME_UNAVAILABLE, detail);
        return;
    }
    url = discovery_read(transfer->body, transfer->body_len, task->issuer, &error);
    if (!url)
        send_failure(task->id, OUTCOME_MALFORMED, error);
    else if (fetch(task, url, "application/jwk-set+json, application/json", on_keys) < 0)
        send_failure(task->id, OUTCOME_UNAVAILABLE, "out of memory");
    else
        (void)TAKE_PTR(task); /* the next transfer's */
}

char *discovery_read(const void *body, size_t len, const char *issuer, const char **ret_error)
{
    CLEANUP(json_decrefp)
    json_t *json = json_read_object(body, len);
    const char *named = json_member_string(json, "issuer");
    const char *url = json_member_string(json, "jwks_uri");

    *ret_error = "the discovery document is not a JSON object";
    if (!json)
        return NULL;
    *ret_error = "the discovery document is of another issuer";
    if (!named || strcmp(named, issuer) != 0)
        return NULL;
    *ret_error = "the discovery document has no https jwks_uri";
    if (!url || !url_is_https(url))
        return NULL;
    *ret_error = "out of memory";
    return strdup(url);
}

static char *copy_bytes(struct wire_bytes bytes)
{
    return bytes.len ? strndup((const char *)bytes.at, bytes.len) : NULL;
}

static struct task *task_new(struct worker *worker, uint16_t id, struct wire_bytes ca_file)
{
    struct task *task = calloc(1, sizeof(*task));

    if (!task)
        return NULL;
    task->worker = worker;
    task->id = id;
    task->ca_file = copy_bytes(ca_file);
    return task;
}

/* NAME=VALUE goes to the place that the provider has for NAME. */
static int task_set(struct task *task, struct wire_bytes setting)
{
    const char *equals = memchr(setting.at, '=', setting.len);
    const char *const *names = task->provider->settings;

    for (size_t i = 0; equals && names[i]; i++) {
        size_t len = (size_t)(equals - (const char *)setting.at);

        if (strlen(names[i]) != len || memcmp(names[i], setting.at, len) != 0)
            continue;
        free(task->settings[i]);
        task->settings[i] = copy_bytes(wire_bytes(equals + 1, setting.len - len - 1));
        return task->settings[i] ? 0 : -ENOMEM;
    }
    return -EINVAL;
}

static int begin_exchange(struct worker *worker, uint16_t id, const struct job_exchange *job)
{
    CLEANUP(task_freep)
    struct task *task = task_new(worker, id, job->ca_file);
    CLEANUP(freep)
    char *name = copy_bytes(job->provider);
    CLEANUP(secret_freep)
    struct secret *jwt = NULL;
    struct provider_request request = {0};
    struct provider_values values;
    struct http_request http;
    int r = 0;

    if (!task || !name)
        return -ENOMEM;
    task->provider = provider_find(name);
    if (!task->provider)
        return -EINVAL;
    for (size_t i = 0; i < job->settings.n && r == 0; i++)
        r = task_set(task, job->settings.item[i]);
    jwt = secret_new(job->subject_token.at, job->subject_token.len);
    if (!jwt || r < 0)
        return r < 0 ? r : -ENOMEM;
    values = task_values(task);
    r = task->provider->request(&values, jwt, &request);
    if (r == 0) {
        http = (struct http_request){.url = request.url,
                                     .accept = request.accept,
                                     .ca_file = task->ca_file,
                                     .body = TAKE_PTR(request.body)};
        r = http_start(worker->multi, &http, on_exchanged, task);
    }
    provider_request_done(&request);
    if (r == 0)
        (void)TAKE_PTR(task);
    return r;
}

static int begin_keys(struct worker *worker, uint16_t id, const struct job_keys *job)
{
    CLEANUP(task_freep)
    struct task *task = task_new(worker, id, job->ca_file);
    CLEANUP(freep)
    char *url = copy_bytes(job->keys_url);
    int r;

    if (!task)
        return -ENOMEM;
    if (url) {
        r = fetch(task, url, "application/jwk-set+json, application/json", on_keys);
    } else {
        task->issuer = copy_bytes(job->issuer);
        if (!task->issuer || asprintf(&url, "%.*s/.well-known/openid-configuration",
                                      url_length(task->issuer), task->issuer) < 0)
            return -ENOMEM;
        r = fetch(task, url, "application/json", on_discovered);
    }
    if (r == 0)
        (void)TAKE_PTR(task);
    return r;
}

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

enum outcome review_read(long http_status, const void *body, size_t len,
                         const struct review_expected *expected, char *ret_detail, size_t size)
{
    CLEANUP(json_decrefp)
    json_t *json = json_read_object(body, len);
    const json_t *status = json_object_get(json, "status"), *user = json_object_get(status, "user");
    const char *error = json_member_string(status, "error");
    const char *username = json_member_string(user, "username");
    const char *uid = json_member_string(user, "uid");

    if (http_status == 401 || http_status == 403) {
        snprintf(ret_detail, size, "the API server refuses the daemon's own token: HTTP %ld",
                 http_status);
        return OUTCOME_MISCONFIGURED;
    }
    snprintf(ret_detail, size, "TokenReview: HTTP %ld", http_status);
    if (http_status != 200 && http_status != 201)
        return OUTCOME_UNAVAILABLE;
    snprintf(ret_detail, size, "the answer is not a TokenReview");
    if (!json_is_object(status))
        return OUTCOME_MALFORMED;
    snprintf(ret_detail, size, "%s", error ? error : "not authenticated");
    if (!json_is_true(json_object_get(status, "authenticated")))
        return OUTCOME_REFUSED;
    /* without any it would be for the API server: one that does not know audiences says so */
    snprintf(ret_detail, size, "TokenReview finds another audience, or none");
    if (!array_holds(json_object_get(status, "audiences"), expected->audience))
        return OUTCOME_REFUSED;
    snprintf(ret_detail, size, "TokenReview finds another account");
    if (!username || strcmp(username, expected->username) != 0 || !uid ||
        strcmp(uid, expected->uid) != 0)
        return OUTCOME_REFUSED;
    *ret_detail = '\0';
    return OUTCOME_OK;
}

static void on_reviewed(struct http_transfer *transfer)
{
    CLEANUP(task_freep)
    struct task *task = transfer->data;
    const struct review_expected expected = {task->audience, task->username, task->uid};
    struct job_result result = {0};
    char detail[256];

    if (!transfer->status) {
        send_failure(task->id, transfer->outcome, transfer->detail);
        return;
    }
    result.outcome = review_read(transfer->status, transfer->body, transfer->body_len, &expected,
                                 detail, sizeof(detail));
    if (result.outcome == OUTCOME_OK)
        send_result(task->id, &result);
    else
        send_failure(task->id, result.outcome, detail);
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

    wiping_free(text);
    return body;
}

static int begin_review(struct worker *worker, uint16_t id, const struct job_review *job)
{
    CLEANUP(task_freep)
    struct task *task = task_new(worker, id, job->ca_file);
    CLEANUP(freep)
    char *server = copy_bytes(job->api_server), *url = NULL;
    CLEANUP(secret_freep)
    struct secret *own = secret_new(job->own_token.at, job->own_token.len);
    struct http_request http = {
        .accept = "application/json", .content_type = "application/json", .authorization = own};
    int r;

    if (!task || !server || !own ||
        asprintf(&url, "%.*s/apis/authentication.k8s.io/v1/tokenreviews", url_length(server),
                 server) < 0)
        return -ENOMEM;
    task->audience = copy_bytes(job->audience);
    task->username = copy_bytes(job->username);
    task->uid = copy_bytes(job->uid);
    http.url = url;
    http.ca_file = task->ca_file;
    http.body = task->audience && task->username && task->uid ? review_body(job) : NULL;
    if (!http.body)
        return -ENOMEM;
    r = http_start(worker->multi, &http, on_reviewed, task);
    if (r == 0)
        (void)TAKE_PTR(task);
    return r;
}

void worker_take(struct worker *worker, const uint8_t *frame, size_t len)
{
    struct wire_header header;
    struct job_exchange exchange;
    struct job_keys keys;
    struct job_review review;
    int r = -EBADMSG;

    if (len < WIRE_HEADER_SIZE)
        return;
    wire_header_read(frame, &header);
    frame += WIRE_HEADER_SIZE;
    len -= WIRE_HEADER_SIZE;
    if (header.type == JOB_EXCHANGE && wire_decode(&job_exchange, frame, len, &exchange) == 0)
        r = begin_exchange(worker, header.id, &exchange);
    else if (header.type == JOB_REVIEW && wire_decode(&job_review, frame, len, &review) == 0)
        r = begin_review(worker, header.id, &review);
    else if (header.type == JOB_KEYS && wire_decode(&job_keys, frame, len, &keys) == 0)
        r = begin_keys(worker, header.id, &keys);
    if (r < 0)
        send_failure(header.id, OUTCOME_UNAVAILABLE, strerror(-r));
}
