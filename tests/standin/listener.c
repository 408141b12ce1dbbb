#include "standin/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "standin/memory.h"
#include "standin/standin.h"
#include "standin/stream.h"

#define CONNECTIONS_MAX         (16 * 1024)
#define CONNECTION_MEMORY_BYTES (64 * 1024) /* room for headers with a padded token */
#define BACKLOG                 4096
#define DRAIN_MAX_BYTES         (32 * 1024 * 1024) /* what is read of a body that gets a 413 */

const char *request_header(const struct request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

const char *request_parameter(const struct request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

static struct request *request_new(struct listener *listener, struct MHD_Connection *connection,
                                   const char *method, const char *path)
{
    struct request *request = must_alloc(sizeof(*request));

    request->listener = listener;
    request->connection = connection;
    request->wait.connection = connection;
    request->method = must_copy(method);
    request->path = must_copy(path);
    request->body = must_copy("");
    return request;
}

static void request_free(struct request *request)
{
    free(request->method);
    free(request->path);
    free(request->body);
    fault_plan_done(&request->plan);
    json_decref(request->note);
    free(request);
}

/* Returns false when the peer sends so much that it has to be stopped. */
static bool request_append(struct request *request, const char *bytes, size_t len)
{
    size_t total = request->body_bytes + len;

    request->received_bytes += len;
    if (request->received_bytes > request->listener->service.body_max_bytes) {
        request->is_too_large = true;
        request->body_bytes = 0; /* nobody is to read the part that is there */
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
 * Aborts the connection with RST at once, without a TLS goodbye: disconnecting a TCP socket does
 * that. SO_LINGER alone would do it at close(), which is after libmicrohttpd's orderly shutdown.
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
        response = stream_new(&request->listener->standin->waiting, request->connection, reply);
    }
    must(response);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, reply->content_type);
    if (reply->retry_after)
        MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, reply->retry_after);
    if (reply->cache_control)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, reply->cache_control);
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
        reply_pulumi_error(&reply, 413, "Request body too large");
    else if (request->plan.kind != FAULT_NONE)
        fault_reply(&request->plan, &reply);
    else
        listener->service.on_answer(listener->standin, request, &reply);
    result = request_send(request, &reply);
    reply_done(&reply);
    return result;
}

/* The request is complete. Draws its fault, and suspends it if the answer is not due at once. */
static enum MHD_Result request_received(struct request *request)
{
    struct listener *listener = request->listener;
    struct standin *standin = listener->standin;
    struct fault *fault = listener->service.fault;
    bool is_suspended = false;

    if (fault) {
        pthread_mutex_lock(&standin->lock);
        fault_take(fault, &request->plan);
        pthread_mutex_unlock(&standin->lock);
    }
    request->state = REQUEST_WAITING;
    if (listener->service.on_received)
        listener->service.on_received(standin, request);
    if (request->plan.kind == FAULT_HANG)
        request->state = REQUEST_HANGING;
    if (request->state == REQUEST_HANGING || request->plan.delay_ms > 0) {
        bool is_hung = request->state == REQUEST_HANGING;

        pthread_mutex_lock(&standin->lock);
        /* If the fault changed since it was drawn, nobody would come to release this request. */
        if (!is_hung || request->plan.generation == fault->generation)
            is_suspended = waiting_suspend(&standin->waiting, &request->wait,
                                           request->plan.delay_ms, is_hung ? fault : NULL);
        pthread_mutex_unlock(&standin->lock);
    }
    if (is_suspended)
        return MHD_YES;
    return request->state == REQUEST_HANGING ? request_reset(request) : request_answer(request);
}

static enum MHD_Result on_access(void *userdata, struct MHD_Connection *connection,
                                 const char *path, const char *method, const char *version,
                                 const char *bytes, size_t *len, void **state)
{
    struct listener *listener = userdata;
    struct request *request = *state;

    (void)version;
    if (!request) {
        *state = request_new(listener, connection, method, path);
        return MHD_YES;
    }
    if (*len > 0) {
        bool is_bearable = request_append(request, bytes, *len);

        *len = 0;
        return is_bearable ? MHD_YES : MHD_NO;
    }
    if (request->state == REQUEST_READING)
        return request_received(request);
    if (request->state == REQUEST_HANGING || atomic_load(&listener->standin->is_stopping))
        return request_reset(request);
    if (request->state == REQUEST_WAITING)
        return request_answer(request);
    return MHD_NO;
}

static void on_completed(void *userdata, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode why)
{
    struct listener *listener = userdata;
    struct request *request = *state;

    (void)connection;
    (void)why;
    if (!request)
        return;
    if (request->state != REQUEST_READING && listener->service.on_finished)
        listener->service.on_finished(listener->standin, request);
    request_free(request);
    *state = NULL;
}

static void on_connection(void *userdata, struct MHD_Connection *connection, void **state,
                          enum MHD_ConnectionNotificationCode what)
{
    struct listener *listener = userdata;

    (void)connection;
    (void)state;
    if (what == MHD_CONNECTION_NOTIFY_STARTED)
        atomic_fetch_add(&listener->connections, 1);
}

int listener_start(struct listener *listener, uint16_t port, const struct certificate *certificate)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_KEY, 0, certificate ? certificate->key_pem : NULL},
        {MHD_OPTION_HTTPS_MEM_CERT, 0, certificate ? certificate->certificate_pem : NULL},
        {MHD_OPTION_END, 0, NULL},
    };
    struct MHD_OptionItem none = {MHD_OPTION_END, 0, NULL};
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME;
    const union MHD_DaemonInfo *info;

    listener->daemon = MHD_start_daemon(
        certificate ? flags | MHD_USE_TLS : flags, port, NULL, NULL, on_access, listener,
        MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_NOTIFY_COMPLETED, on_completed, listener,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, listener, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONNECTION_MEMORY_BYTES, MHD_OPTION_LISTEN_BACKLOG_SIZE, (unsigned)BACKLOG,
        MHD_OPTION_ARRAY, certificate ? tls : &none, MHD_OPTION_END);
    if (!listener->daemon)
        return -EADDRINUSE;
    info = MHD_get_daemon_info(listener->daemon, MHD_DAEMON_INFO_BIND_PORT);
    listener->port = info ? info->port : 0;
    return listener->port ? 0 : -EADDRINUSE;
}

void listener_stop(struct listener *listener)
{
    if (listener->daemon)
        MHD_stop_daemon(listener->daemon);
    listener->daemon = NULL;
}
