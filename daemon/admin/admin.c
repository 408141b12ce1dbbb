#include "admin/admin.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "admin/message.h"
#include "base/activation.h"
#include "base/file.h"
#include "base/log.h"
#include "broker/purge.h"
#include "config/findings.h"
#include "protocol/status.h"

#define CONNECTIONS_MAX  16
#define LOOKERS_MAX      12 /* of them; those who may look only cannot keep root out */
#define TIMEOUT_USEC     (5 * SECOND_USEC) /* for the request, and for reading the answer */
#define ARGUMENTS_MAX    4
#define CACHE_LIST_LIMIT 500

struct admin_client {
    struct list node;
    struct admin *admin;
    struct loop_source source;
    struct timer timeout;
    bool may_change; /* not only look */
    uint8_t input[WIRE_HEADER_SIZE + ADMIN_REQUEST_MAX];
    size_t n_input;
    uint8_t *answer; /* NULL: not answered yet */
    size_t n_answer, n_sent;
    struct purge *purge; /* NULL: none under way */
};

struct arguments {
    struct login_filter filter;
    size_t offset;
    bool all;
    char *texts[ARGUMENTS_MAX]; /* owned; the others point into them */
};

static void client_free(struct admin_client *client)
{
    if (client->purge)
        client->purge->data = NULL;
    list_remove(&client->node);
    client->admin->n_connections--;
    loop_remove(client->admin->view->loop, &client->source);
    close(client->source.fd);
    timer_unset(&client->timeout);
    free(client->answer);
    free(client);
}

static void on_timeout(struct timer *timer)
{
    client_free(container_of(timer, struct admin_client, timeout));
}

/* Sends what the socket takes, and frees the client at the end. */
static void flush(struct admin_client *client)
{
    struct loop *loop = client->admin->view->loop;

    while (client->n_sent < client->n_answer) {
        ssize_t n = send(client->source.fd, client->answer + client->n_sent,
                         client->n_answer - client->n_sent, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno == EAGAIN) {
            loop_change(loop, &client->source, EPOLLOUT);
            return;
        }
        if (n < 0)
            break;
        client->n_sent += (size_t)n;
    }
    client_free(client);
}

static void answer(struct admin_client *client, const struct wire_message *message,
                   const void *values)
{
    size_t size = wire_size(message, values);

    client->answer = malloc(size);
    if (!client->answer ||
        wire_encode(message, 0, values, client->answer, size, &client->n_answer) < 0)
        client->n_answer = 0; /* the client sees the end without an answer */
    loop_timer(client->admin->view->loop, &client->timeout, TIMEOUT_USEC, on_timeout);
    flush(client);
}

static void refuse(struct admin_client *client, enum exit_code code, const char *text)
{
    const struct admin_error error = {.exit_code = code, .text = wire_string(text)};

    answer(client, &admin_error, &error);
}

/* Takes over @text; NULL: memory ran out. */
static void answer_text(struct admin_client *client, char *text)
{
    const struct admin_answer message = {.text = wire_string(text)};

    if (text)
        answer(client, &admin_answer, &message);
    else
        refuse(client, EXIT_CODE_FAULT, "out of memory");
    free(text);
}

static void answer_json(struct admin_client *client, json_t *json)
{
    answer_text(client, json ? json_dumps(json, JSON_COMPACT) : NULL);
    json_decref(json);
}

static void on_status(struct admin_client *client, const struct arguments *arguments)
{
    (void)arguments;
    answer_json(client, admin_status(client->admin->view));
}

static void on_metrics(struct admin_client *client, const struct arguments *arguments)
{
    (void)arguments;
    answer_text(client, admin_metrics(client->admin->view));
}

static void on_cache_list(struct admin_client *client, const struct arguments *arguments)
{
    answer_json(client, admin_cache_list(client->admin->view, &arguments->filter, arguments->offset,
                                         CACHE_LIST_LIMIT));
}

/* Returns why rows could not be deleted; NULL: they were. */
static const char *disk_problem(const struct admin_client *client, int result)
{
    const char *problem = store_problem(client->admin->view->broker->store);

    if (result == 0)
        return NULL;
    return problem ? problem : strerror(-result);
}

static void on_purged(struct purge *purge)
{
    struct admin_client *client = purge->data;

    log_notice("%zu tokens purged", purge->n_tokens);
    if (client) {
        client->purge = NULL;
        answer_json(client, json_pack("{s:I, s:s?}", "purged", (json_int_t)purge->n_tokens,
                                      "problem", disk_problem(client, purge->result)));
    }
    free(purge);
}

static void on_cache_purge(struct admin_client *client, const struct arguments *arguments)
{
    const struct login_filter *filter = &arguments->filter;
    struct purge *purge;

    if (arguments->all == (filter->service || filter->account || filter->key)) {
        refuse(client, EXIT_CODE_USAGE, "name either what to purge, or all");
        return;
    }
    purge = calloc(1, sizeof(*purge));
    if (!purge) {
        refuse(client, EXIT_CODE_FAULT, "out of memory");
        return;
    }
    purge->on_done = on_purged;
    purge->data = client;
    client->purge = purge;
    timer_unset(&client->timeout); /* the disk may be slow */
    broker_purge(client->admin->view->broker, arguments->all ? NULL : filter, purge);
}

static char *findings_text(const struct findings *findings)
{
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);

    if (!file)
        return NULL;
    for (size_t i = 0; i < findings->n; i++)
        fprintf(file, "%s%s\n",
                findings->list[i].is_error ? "" : "warning: ", findings->list[i].text);
    return fclose(file) == 0 ? text : NULL;
}

static void on_reload(struct admin_client *client, const struct arguments *arguments)
{
    struct admin_view *view = client->admin->view;
    struct findings findings = {0};
    char *text;
    int r;

    (void)arguments;
    if (view->sessions->is_stopping) {
        refuse(client, EXIT_CODE_TRY_AGAIN, "the daemon is stopping");
        return;
    }
    r = view->reload(view, &findings);
    text = findings_text(&findings);
    if (r < 0)
        refuse(client, EXIT_CODE_CONFIG, text && *text ? text : "see the daemon's log");
    else
        answer_json(client, json_pack("{s:s, s:I}", "findings", text ? text : "", "services",
                                      (json_int_t)view->sessions->config->n_services));
    free(text);
}

static const struct command {
    const char *name;
    bool changes;
    void (*run)(struct admin_client *client, const struct arguments *arguments);
} commands[] = {
    {"status", false, on_status},         {"metrics", false, on_metrics},
    {"cache list", false, on_cache_list}, {"cache purge", true, on_cache_purge},
    {"reload", true, on_reload},
};

/* Returns the value of "NAME=VALUE" if that is its name. */
static const char *value_of(const char *text, const char *name)
{
    size_t len = strlen(name);

    return strncmp(text, name, len) == 0 && text[len] == '=' ? text + len + 1 : NULL;
}

/* An empty value is a variable of a script that is not set; it must not mean all. */
static bool read_argument(struct arguments *arguments, const char *text)
{
    const char *value;

    if ((value = value_of(text, "service")))
        arguments->filter.service = value;
    else if ((value = value_of(text, "serviceaccount")))
        arguments->filter.account = value;
    else if ((value = value_of(text, "key")))
        arguments->filter.key = value;
    else if ((value = value_of(text, "offset")))
        arguments->offset = strtoul(value, NULL, 10);
    else if ((value = value_of(text, "all")))
        arguments->all = true;
    return value && *value;
}

/*
 * Returns false if an argument has no meaning or no value. The caller frees the texts in both
 * cases.
 */
static bool read_arguments(const struct wire_list *list, struct arguments *ret_arguments)
{
    if (list->n > ARGUMENTS_MAX)
        return false;
    for (size_t i = 0; i < list->n; i++) {
        char *text = strndup((const char *)list->item[i].at, list->item[i].len);

        ret_arguments->texts[i] = text;
        if (!text || !read_argument(ret_arguments, text))
            return false;
    }
    return true;
}

static const struct command *find_command(struct wire_bytes name)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (wire_bytes_equal(name, commands[i].name))
            return &commands[i];
    return NULL;
}

static void run(struct admin_client *client, const struct admin_request *request)
{
    const struct command *command = find_command(request->command);
    struct arguments arguments = {0};

    timer_unset(&client->timeout);
    loop_change(client->admin->view->loop, &client->source, 0);
    if (!command)
        refuse(client, EXIT_CODE_USAGE,
               "the daemon does not know this command; it is of another version");
    else if (command->changes && !client->may_change)
        refuse(client, EXIT_CODE_REFUSED, "only root may do this");
    else if (read_arguments(&request->arguments, &arguments))
        command->run(client, &arguments);
    else
        refuse(
            client, EXIT_CODE_USAGE,
            "an argument has no value, or the daemon is of another version and does not know it");
    for (size_t i = 0; i < ARGUMENTS_MAX; i++)
        free(arguments.texts[i]);
}

static void on_input(struct admin_client *client)
{
    struct wire_header header;
    struct admin_request request;
    ssize_t n = recv(client->source.fd, client->input + client->n_input,
                     sizeof(client->input) - client->n_input, MSG_DONTWAIT);

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        client_free(client);
        return;
    }
    client->n_input += (size_t)n;
    if (client->n_input < WIRE_HEADER_SIZE)
        return;
    wire_header_read(client->input, &header);
    if (header.type == ADMIN_REQUEST && header.payload_len <= ADMIN_REQUEST_MAX &&
        client->n_input < WIRE_HEADER_SIZE + header.payload_len)
        return; /* the rest is on its way */
    if (header.type != ADMIN_REQUEST || header.payload_len > ADMIN_REQUEST_MAX ||
        wire_decode(&admin_request, client->input + WIRE_HEADER_SIZE, header.payload_len,
                    &request) < 0)
        refuse(client, EXIT_CODE_FAULT, "this is not a request of podloginctl");
    else
        run(client, &request);
}

static void on_ready(struct loop_source *source, uint32_t events)
{
    struct admin_client *client = container_of(source, struct admin_client, source);

    if (client->answer)
        flush(client);
    else if (events & EPOLLIN)
        on_input(client);
    else
        client_free(client);
}

static bool may_change(int fd)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
           (peer.uid == 0 || peer.uid == geteuid());
}

static bool on_accept(struct listener *listener, int fd)
{
    struct admin *admin = container_of(listener, struct admin, listener);
    struct admin_client *client = NULL;
    bool is_root = may_change(fd);

    if (admin->n_connections < (is_root ? CONNECTIONS_MAX : LOOKERS_MAX))
        client = calloc(1, sizeof(*client));
    if (!client) {
        close(fd);
        return false;
    }
    client->admin = admin;
    client->may_change = is_root;
    client->source = (struct loop_source){.fd = fd, .on_ready = on_ready};
    list_append(&admin->connections, &client->node);
    admin->n_connections++;
    loop_timer(admin->view->loop, &client->timeout, TIMEOUT_USEC, on_timeout);
    if (loop_add(admin->view->loop, &client->source, EPOLLIN) < 0)
        client_free(client);
    return true;
}

static void on_shortage(struct listener *listener, int fd)
{
    (void)listener;
    close(fd);
}

int admin_init(struct admin *admin, struct admin_view *view, const struct config *config,
               char ret_error[LISTENER_ERROR_MAX])
{
    static const struct listener_events events = {.on_accept = on_accept,
                                                  .on_shortage = on_shortage};
    const struct listener_place place = {
        .path = config->admin_socket ? config->admin_socket : ADMIN_SOCKET_PATH,
        .mode = 0660,
        .passed_fd = activation_take("podlogin-admin"),
        .replaces = view->replaces,
    };
    int r;

    *admin = (struct admin){.view = view};
    list_init(&admin->connections);
    /* again, because a directory may not have existed when the configuration was read */
    if (file_is_beside(place.path, config->socket)) {
        snprintf(ret_error, LISTENER_ERROR_MAX,
                 "AdminSocket= is in the directory of Socket=, which pods mount");
        return -EPERM;
    }
    r = listener_open(&admin->listener, view->loop, &place, &events, ret_error);
    if (r == 0 || config->admin_socket || place.passed_fd >= 0)
        return r;
    log_warning("%s; podloginctl cannot reach this daemon", ret_error);
    listener_close(&admin->listener);
    return 0;
}

void admin_done(struct admin *admin)
{
    if (!admin->view)
        return;
    while (!list_is_empty(&admin->connections))
        client_free(container_of(admin->connections.next, struct admin_client, node));
    listener_close(&admin->listener);
}
