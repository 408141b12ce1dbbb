#include "standin/listener.h"

#include <arpa/inet.h>
#include <errno.h>

#include "standin/ca.h"
#include "standin/request.h"
#include "standin/standin.h"

#define CONNECTIONS_MAX         (16 * 1024)
#define CONNECTION_MEMORY_BYTES (64 * 1024) /* room for headers with a padded token */
#define BACKLOG                 4096

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
    return request_continue(request);
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
    if (request->state != REQUEST_READING && listener->service->on_finished)
        listener->service->on_finished(listener->standin, request);
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
        {MHD_OPTION_HTTPS_MEM_KEY, 0, certificate->key_pem},
        {MHD_OPTION_HTTPS_MEM_CERT, 0, certificate->certificate_pem},
        {MHD_OPTION_END, 0, NULL},
    };
    struct MHD_OptionItem none = {MHD_OPTION_END, 0, NULL};
    bool is_tls = certificate->key_pem != NULL;
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME;
    const union MHD_DaemonInfo *info;

    listener->daemon = MHD_start_daemon(
        is_tls ? flags | MHD_USE_TLS : flags, port, NULL, NULL, on_access, listener,
        MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_NOTIFY_COMPLETED, on_completed, listener,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, listener, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONNECTION_MEMORY_BYTES, MHD_OPTION_LISTEN_BACKLOG_SIZE, (unsigned)BACKLOG,
        MHD_OPTION_ARRAY, is_tls ? tls : &none, MHD_OPTION_END);
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
