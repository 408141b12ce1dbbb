/* The functions of a handle: its settings, and what it asks for. */
#include "library/podlogin.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "library/environment.h"
#include "library/fingerprint.h"
#include "library/handle.h"
#include "library/identity.h"
#include "library/login.h"
#include "library/token.h"
#include "protocol/names.h"
#include "protocol/status.h"

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

enum podlogin_status podlogin_set_cancel_fd(struct podlogin *login, int fd)
{
    if (fd < -1)
        return PODLOGIN_BAD_ARGUMENT;
    login->cancel_fd = fd;
    return PODLOGIN_OK;
}

static enum podlogin_status set_up(struct podlogin *login, const struct environment *environment)
{
    const char *service = environment->service;
    enum podlogin_status status;

    if (!service_name_is_valid(service, strlen(service)))
        return PODLOGIN_BAD_ARGUMENT;
    login->min_ttl_s = environment->min_ttl_s;
    login->timeout_ms = environment->timeout_ms;
    login->server_uid = environment->server_uid;
    status = set_text(&login->service, service, PODLOGIN_SERVICE_MAX);
    return status == PODLOGIN_OK ? podlogin_set_socket(login, environment->socket) : status;
}

enum podlogin_status login_start(const struct environment *environment, struct podlogin **ret_login)
{
    struct podlogin *login = calloc(1, sizeof(*login));
    enum podlogin_status status;

    if (!login)
        return PODLOGIN_NO_MEMORY;
    login->client.fd = -1;
    login->cancel_fd = -1;
    status = set_up(login, environment);
    if (status == PODLOGIN_OK)
        *ret_login = login;
    else
        podlogin_end(login);
    return status;
}

void login_asks_once(struct podlogin *login)
{
    login->asks_once = true;
}

enum podlogin_status podlogin_start(const char *service, struct podlogin **ret_login)
{
    struct environment environment;
    struct environment_fault fault;

    if (!environment_read(&environment, &fault))
        return PODLOGIN_BAD_ARGUMENT;
    if (service)
        environment.service = service;
    return login_start(&environment, ret_login);
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
    client_wipe(&login->client);
    explicit_bzero(login, offsetof(struct podlogin, subject_token)); /* is wiped after each use */
    free(login);
}

/* Gets a token, and another one than that with the fingerprint @rejected, if it is not 0. */
static enum podlogin_status get(struct podlogin *login, uint64_t rejected,
                                struct podlogin_token **ret_token)
{
    struct message_get get = handle_get(login);
    struct message_token message = {0};
    const struct question question = {&message_get, &get, true, &message_token, &message};
    enum podlogin_status status;

    get.rejected = rejected;
    status = handle_ask(login, &question);
    if (status == PODLOGIN_OK)
        status = handle_take(login, &message, ret_token);
    handle_wipe(login);
    return status;
}

enum podlogin_status podlogin_authenticate(struct podlogin *login)
{
    struct podlogin_token *token = NULL;
    enum podlogin_status status;

    login->client.is_logged_in = false; /* the file may hold a newer token */
    status = get(login, 0, &token);
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
        return get(login, 0, ret_token);
    *ret_token = login->token;
    login->token = NULL;
    return PODLOGIN_OK;
}

/* A daemon that does not know rejections returns the token that it has. */
static enum podlogin_status check_other(struct podlogin *login, uint64_t rejected,
                                        struct podlogin_token **token)
{
    const char *value = podlogin_token_value(*token);

    if (fingerprint(value, strlen(value)) != rejected)
        return PODLOGIN_OK;
    podlogin_token_free(*token);
    *token = NULL;
    return handle_fail(login, PODLOGIN_BAD_ANSWER);
}

enum podlogin_status podlogin_reject_token(struct podlogin *login, const char *rejected,
                                           struct podlogin_token **ret_token)
{
    struct podlogin_token *token = NULL;
    enum podlogin_status status;
    uint64_t print;

    if (!rejected || !*rejected)
        return PODLOGIN_BAD_ARGUMENT;
    print = fingerprint(rejected, strlen(rejected));
    login->client.is_logged_in = false;
    status = get(login, print, &token);
    if (status == PODLOGIN_OK)
        status = check_other(login, print, &token);
    if (status == PODLOGIN_OK) {
        podlogin_token_free(login->token); /* it may be the rejected one */
        login->token = NULL;
        *ret_token = token;
    }
    return status;
}

enum podlogin_status podlogin_whoami(struct podlogin *login,
                                     struct podlogin_identity **ret_identity)
{
    const struct message_whoami whoami = {.timeout_ms = handle_daemon_timeout(login)};
    struct message_identity message = {0};
    const struct question question = {&message_whoami, &whoami, true, &message_identity, &message};
    enum podlogin_status status = handle_ask(login, &question);

    if (status == PODLOGIN_OK) {
        *ret_identity = identity_new(&message);
        if (!*ret_identity)
            status = PODLOGIN_NO_MEMORY;
    }
    handle_wipe(login);
    return status;
}

enum podlogin_status podlogin_wait(struct podlogin *login)
{
    const struct message_ping ping = {0};
    struct message_pong pong;
    const struct question question = {&message_ping, &ping, false, &message_pong, &pong};

    return handle_ask(login, &question);
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
