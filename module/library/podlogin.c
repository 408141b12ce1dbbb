/* The handle: its settings, and its requests to the daemon. */
#include "library/podlogin.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "library/client.h"
#include "library/environment.h"
#include "library/identity.h"
#include "library/subject_token.h"
#include "library/token.h"
#include "protocol/names.h"
#include "protocol/status.h"
#include "text/text.h"

#define DEFAULT_SERVICE "pulumi"
#define ERROR_MAX       1024

struct podlogin {
    char *service;
    char *socket;
    char *token_file; /* NULL: the library looks for it */
    uint32_t min_ttl_s;
    uint32_t timeout_ms;
    uid_t server_uid;
    struct client client;
    struct podlogin_token *token; /* of podlogin_authenticate(), not yet returned to the caller */
    bool is_authenticated;
    uint32_t retry_after_ms;
    enum podlogin_status error_status; /* the status that @error explains */
    char error[ERROR_MAX];
};

/* The text that explains @status from now on; it is appended to with text_add(). */
static struct text new_error(struct podlogin *login, enum podlogin_status status)
{
    login->error_status = status;
    return text_in(login->error, sizeof(login->error));
}

static enum podlogin_status set_text(char **member, const char *value, size_t max)
{
    char *copy;

    if (!value || !*value || strlen(value) > max)
        return PODLOGIN_BAD_ARGUMENT;
    copy = strdup(value);
    if (!copy)
        return PODLOGIN_NO_MEMORY;
    free(*member);
    *member = copy;
    return PODLOGIN_OK;
}

enum podlogin_status podlogin_set_socket(struct podlogin *login, const char *path)
{
    return set_text(&login->socket, path, SOCKET_PATH_MAX);
}

enum podlogin_status podlogin_set_token_file(struct podlogin *login, const char *path)
{
    return set_text(&login->token_file, path, 4096);
}

enum podlogin_status podlogin_set_min_ttl(struct podlogin *login, uint32_t min_ttl_s)
{
    if (min_ttl_s > PODLOGIN_MIN_TTL_MAX_S)
        return PODLOGIN_BAD_ARGUMENT;
    login->min_ttl_s = min_ttl_s;
    return PODLOGIN_OK;
}

enum podlogin_status podlogin_set_timeout(struct podlogin *login, uint32_t timeout_ms)
{
    if (timeout_ms == 0 || timeout_ms > PODLOGIN_TIMEOUT_MAX_MS)
        return PODLOGIN_BAD_ARGUMENT;
    login->timeout_ms = timeout_ms;
    return PODLOGIN_OK;
}

enum podlogin_status podlogin_set_server_uid(struct podlogin *login, uid_t uid)
{
    if (uid == (uid_t)-1)
        return PODLOGIN_BAD_ARGUMENT;
    login->server_uid = uid;
    return PODLOGIN_OK;
}

static enum podlogin_status set_up(struct podlogin *login, const char *service,
                                   const struct environment *environment)
{
    enum podlogin_status status;

    if (!service)
        service = environment->service ? environment->service : DEFAULT_SERVICE;
    if (!service_name_is_valid(service, strlen(service)))
        return PODLOGIN_BAD_ARGUMENT;
    login->min_ttl_s = environment->min_ttl_s;
    login->timeout_ms = environment->timeout_ms;
    login->server_uid = environment->server_uid;
    status = set_text(&login->service, service, PODLOGIN_SERVICE_MAX);
    return status == PODLOGIN_OK ? podlogin_set_socket(login, environment->socket) : status;
}

enum podlogin_status podlogin_start(const char *service, struct podlogin **ret_login)
{
    struct environment environment;
    struct environment_fault fault;
    struct podlogin *login;
    enum podlogin_status status;

    if (!environment_read(&environment, &fault))
        return PODLOGIN_BAD_ARGUMENT;
    login = calloc(1, sizeof(*login));
    if (!login)
        return PODLOGIN_NO_MEMORY;
    login->client.fd = -1;
    status = set_up(login, service, &environment);
    if (status == PODLOGIN_OK)
        *ret_login = login;
    else
        podlogin_end(login);
    return status;
}

void podlogin_end(struct podlogin *login)
{
    if (!login)
        return;
    client_close(&login->client);
    podlogin_token_free(login->token);
    free(login->service);
    free(login->socket);
    free(login->token_file);
    explicit_bzero(login, sizeof(*login));
    free(login);
}

/* Makes the refusal in the client's buffer the error of the handle, and returns its status. */
static enum podlogin_status read_error(struct podlogin *login, const struct wire_header *header)
{
    struct message_error message;
    const struct status_info *info;
    struct text error;

    if (wire_decode(&message_error, login->client.buffer + WIRE_HEADER_SIZE, header->payload_len,
                    &message) < 0 ||
        message.status == PODLOGIN_OK) {
        client_close(&login->client);
        return PODLOGIN_BAD_ANSWER;
    }
    info = message.status < PODLOGIN_UNREACHABLE ? status_info(message.status)
                                                 : status_info(PODLOGIN_INTERNAL);
    login->retry_after_ms = message.retry_after_ms;
    error = new_error(login, info->status);
    text_add(&error, info->sentence, NULL);
    if (message.detail.len) {
        text_add(&error, " (", NULL);
        text_add_bytes(&error, message.detail.at, message.detail.len);
        text_add(&error, ")", NULL);
    }
    if (header->id == 0)
        client_close(&login->client);
    return info->status;
}

static void explain_local(struct podlogin *login, const struct client_target *target,
                          enum podlogin_status status)
{
    struct text error = new_error(login, status);
    char timeout[NUMBER_SIZE];

    if (status == PODLOGIN_TIMEOUT)
        text_add(&error, status_info(status)->sentence, " (",
                 number_text(login->timeout_ms, timeout), " ms)", NULL);
    else
        client_explain(&login->client, target, status, &error);
}

static enum podlogin_status read_subject_token(struct podlogin *login, int64_t deadline_ms,
                                               struct subject_token *token)
{
    int r = subject_token_read(login->token_file, deadline_ms, token);
    struct text error;

    if (r == 0)
        return PODLOGIN_OK;
    error = new_error(login, PODLOGIN_NO_SUBJECT_TOKEN);
    if (token->path)
        text_add(&error, token->path, ": ", subject_token_strerror(r), NULL);
    return PODLOGIN_NO_SUBJECT_TOKEN;
}

struct question {
    const struct wire_message *request;
    const void *values;
    bool needs_login;
    const struct wire_message *answer;
    void *ret_values; /* point into the client's buffer */
};

static enum podlogin_status ask_once(struct podlogin *login, const struct client_target *target,
                                     const struct question *question)
{
    struct client *client = &login->client;
    struct wire_header header;
    enum podlogin_status status =
        client_ask(client, target, question->request, question->values, &header);

    if (status != PODLOGIN_OK) {
        explain_local(login, target, status);
        return status;
    }
    if (header.type == MESSAGE_ERROR)
        return read_error(login, &header);
    if (header.type != question->answer->type ||
        wire_decode(question->answer, client->buffer + WIRE_HEADER_SIZE, header.payload_len,
                    question->ret_values) < 0) {
        client_close(client);
        return PODLOGIN_BAD_ANSWER;
    }
    return PODLOGIN_OK;
}

static enum podlogin_status ask_target(struct podlogin *login, const struct client_target *target,
                                       const struct question *question)
{
    bool is_renewed = !login->client.is_logged_in;
    enum podlogin_status status;

    for (;;) {
        status = ask_once(login, target, question);
        if (status == PODLOGIN_TOKEN_EXPIRED && !is_renewed) {
            /* the connection has an old token; kubelet has replaced it, and the new one was read */
            login->client.is_logged_in = false;
            is_renewed = true;
        } else if (status != PODLOGIN_TOO_MANY || !login->retry_after_ms ||
                   !client_nap(login->retry_after_ms, target->deadline_ms)) {
            /* only the daemon's own limit is waited out; on all others the caller decides */
            return status;
        }
        login->retry_after_ms = 0;
    }
}

static enum podlogin_status ask(struct podlogin *login, const struct question *question)
{
    struct client_target target = {
        .socket = login->socket,
        .deadline_ms = clock_ms() + login->timeout_ms,
        .server_uid = login->server_uid,
    };
    struct subject_token token;
    enum podlogin_status status = PODLOGIN_OK;

    login->error[0] = '\0';
    login->retry_after_ms = 0;
    if (question->needs_login) {
        status = read_subject_token(login, target.deadline_ms, &token);
        target.jwt = token.bytes;
        target.jwt_len = token.len;
    }
    if (status == PODLOGIN_OK)
        status = ask_target(login, &target, question);
    explicit_bzero(&token, sizeof(token));
    return status;
}

/* Wipes the buffer, which held a JWT or a token. */
static void wipe_buffer(struct podlogin *login)
{
    explicit_bzero(login->client.buffer, sizeof(login->client.buffer));
}

/* A little less than the library's own timeout, so that the daemon's error arrives before it. */
static uint32_t daemon_timeout(const struct podlogin *login)
{
    uint32_t timeout_ms = login->timeout_ms - login->timeout_ms / 10;

    return timeout_ms ? timeout_ms : 1;
}

static enum podlogin_status judge_token(struct podlogin *login, const struct message_token *message)
{
    struct text error = new_error(login, PODLOGIN_BAD_ANSWER);

    text_add(&error, status_info(PODLOGIN_BAD_ANSWER)->sentence, " (", NULL);
    if (token_check(message, &error)) {
        login->error[0] = '\0';
        return PODLOGIN_OK;
    }
    text_add(&error, ")", NULL);
    client_close(&login->client);
    return PODLOGIN_BAD_ANSWER;
}

static enum podlogin_status get(struct podlogin *login, struct podlogin_token **ret_token)
{
    const struct message_get get = {
        .service = wire_string(login->service),
        .min_ttl_s = login->min_ttl_s,
        .timeout_ms = daemon_timeout(login),
    };
    struct message_token message = {0};
    const struct question question = {&message_get, &get, true, &message_token, &message};
    enum podlogin_status status = ask(login, &question);

    if (status == PODLOGIN_OK)
        status = judge_token(login, &message);
    if (status == PODLOGIN_OK) {
        *ret_token = token_new(&message);
        if (!*ret_token)
            status = PODLOGIN_NO_MEMORY;
    }
    wipe_buffer(login);
    return status;
}

enum podlogin_status podlogin_authenticate(struct podlogin *login)
{
    struct podlogin_token *token = NULL;
    enum podlogin_status status;

    login->client.is_logged_in = false; /* the file may hold a newer token */
    status = get(login, &token);

    login->is_authenticated = status == PODLOGIN_OK;
    podlogin_token_free(login->token);
    login->token = login->is_authenticated ? token : NULL;
    return status;
}

enum podlogin_status podlogin_get_token(struct podlogin *login, struct podlogin_token **ret_token)
{
    if (!login->is_authenticated)
        return PODLOGIN_BAD_ARGUMENT;
    if (!login->token)
        return get(login, ret_token);
    *ret_token = login->token;
    login->token = NULL;
    return PODLOGIN_OK;
}

enum podlogin_status podlogin_whoami(struct podlogin *login,
                                     struct podlogin_identity **ret_identity)
{
    const struct message_whoami whoami = {.timeout_ms = daemon_timeout(login)};
    struct message_identity message = {0};
    const struct question question = {&message_whoami, &whoami, true, &message_identity, &message};
    enum podlogin_status status = ask(login, &question);

    if (status == PODLOGIN_OK) {
        *ret_identity = identity_new(&message);
        if (!*ret_identity)
            status = PODLOGIN_NO_MEMORY;
    }
    wipe_buffer(login);
    return status;
}

enum podlogin_status podlogin_wait(struct podlogin *login)
{
    const struct message_ping ping = {0};
    struct message_pong pong;
    const struct question question = {&message_ping, &ping, false, &message_pong, &pong};

    return ask(login, &question);
}

const char *podlogin_strerror(const struct podlogin *login, enum podlogin_status status)
{
    if (login && login->error[0] && login->error_status == status)
        return login->error;
    return status_info(status)->sentence;
}

uint32_t podlogin_retry_after(const struct podlogin *login)
{
    return login->retry_after_ms;
}

const char *podlogin_service(const struct podlogin *login)
{
    return login->service;
}
