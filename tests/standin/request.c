#include "standin/request.h"

#include <string.h>
#include <sys/socket.h>

#include "standin/memory.h"
#include "standin/standin.h"
#include "standin/stream.h"

#define DRAIN_MAX_BYTES (32 * 1024 * 1024) /* read and dropped of a body that gets a 413 */

static bool is_utf8(const char *text)
{
    CLEANUP(json_decrefp) json_t *json = json_string(text);

    return json;
}

const char *request_header(const struct request *request, const char *name)
{
    const char *value = MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);

    return value && is_utf8(value) ? value : NULL;
}

const char *request_parameter(const struct request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

struct request *request_new(struct listener *listener, struct MHD_Connection *connection,
                            const char *method, const char *path)
{
    struct request *request = must_alloc(sizeof(*request));

    request->listener = listener;
    request->connection = connection;
    request->wait.connection = connection;
    request->method = must_copy(method);
    request->path = must_copy(is_utf8(path) ? path : "");
    request->body = must_copy("");
    return request;
}

void request_free(struct request *request)
{
    free(request->method);
    free(request->path);
    free(request->body);
    fault_plan_done(&request->plan);
    json_decref(request->note);
    free(request);
}

bool request_append(struct request *request, const char *bytes, size_t len)
{
    size_t total = request->body_bytes + len;

    request->received_bytes += len;
    if (request->received_bytes > request->listener->service->body_max_bytes) {
        request->is_too_large = true;
        request->body_bytes = 0; /* no one uses a part of a body */
        request->body[0] = '\0';
        return request->received_bytes <= DRAIN_MAX_BYTES;
    }
    request->body = must_resize(request->body, total + 1);
    memcpy(request->body + total - len, bytes, len);
    request->body[total] = '\0';
    request->body_bytes = total;
    return true;
}

/*
 * Sends RST at once, without a TLS close_notify, by disconnecting the TCP socket. SO_LINGER alone
 * would send RST at close(), after libmicrohttpd has shut the connection down in order.
 */
static enum MHD_Result request_reset(struct request *request)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    struct sockaddr nobody = {.sa_family = AF_UNSPEC};

    request->state = REQUEST_ANSWERED;
    if (info) {
        setsockopt(info->connect_fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
        connect(info->connect_fd, &nobody, sizeof(nobody));
    }
    return MHD_NO;
}

static enum MHD_Result request_send(struct request *request, struct reply *reply)
{
    struct MHD_Response *response;
    enum MHD_Result queued;

    request->state = REQUEST_ANSWERED;
    if (reply->kind == REPLY_RESET)
        return request_reset(request);
    if (reply->kind == REPLY_BODY) {
        size_t len = reply->body_bytes;

        response =
            MHD_create_response_from_buffer(len, TAKE_PTR(reply->body), MHD_RESPMEM_MUST_FREE);
    } else {
        response = stream_new(&request->listener->standin->wait_queue, request->connection, reply);
    }
    must(response);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, reply->content_type);
    if (reply->retry_after)
        MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, reply->retry_after);
    if (reply->cache_control)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, reply->cache_control);
    if (reply->has_challenge)
        MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE,
                                "Basic realm=\"standin\"");
    queued = MHD_queue_response(request->connection, reply->status, response);
    MHD_destroy_response(response);
    return queued;
}

static enum MHD_Result request_answer(struct request *request)
{
    struct listener *listener = request->listener;
    struct reply reply = {.kind = REPLY_BODY};
    enum MHD_Result result;

    if (request->is_too_large)
        reply_error(&reply, 413, "Request body too large");
    else if (request->plan.kind == FAULT_ERROR && listener->service->on_error)
        listener->service->on_error(request, &reply);
    else if (request->plan.kind != FAULT_NONE)
        fault_reply(&request->plan, &reply);
    else
        listener->service->on_answer(listener->standin, request, &reply);
    result = request_send(request, &reply);
    reply_done(&reply);
    return result;
}

/* Makes the fault plan, and suspends the request unless its answer is due now. */
static enum MHD_Result request_received(struct request *request)
{
    struct listener *listener = request->listener;
    struct standin *standin = listener->standin;
    struct fault *fault = listener->fault;
    bool is_suspended = false;

    pthread_mutex_lock(&standin->lock);
    fault_draw(fault, &request->plan);
    pthread_mutex_unlock(&standin->lock);
    request->state = REQUEST_WAITING;
    if (listener->service->on_received)
        listener->service->on_received(standin, request);
    if (request->plan.kind == FAULT_HANG)
        request->state = REQUEST_HANGING;
    if (request->state == REQUEST_HANGING || request->plan.delay_ms > 0) {
        bool is_hung = request->state == REQUEST_HANGING;

        pthread_mutex_lock(&standin->lock);
        /* When the fault has changed since, no later change would release this request. */
        if (!is_hung || request->plan.generation == fault->generation)
            is_suspended = wait_queue_suspend(&standin->wait_queue, &request->wait,
                                              request->plan.delay_ms, is_hung ? fault : NULL);
        pthread_mutex_unlock(&standin->lock);
    }
    if (is_suspended)
        return MHD_YES;
    return request->state == REQUEST_HANGING ? request_reset(request) : request_answer(request);
}

enum MHD_Result request_continue(struct request *request)
{
    if (request->state == REQUEST_READING)
        return request_received(request);
    if (request->state == REQUEST_HANGING || atomic_load(&request->listener->standin->is_stopping))
        return request_reset(request);
    if (request->state == REQUEST_WAITING)
        return request_answer(request);
    return MHD_NO;
}
