/* How a handle asks: the request, its answer or error, and the explanation. */
#include "library/handle.h"

#include <errno.h>
#include <string.h>

#include "library/token.h"
#include "protocol/status.h"

/* The text that explains @status from now on; it is appended to with text_add(). */
static struct text new_error(struct podlogin *login, enum podlogin_status status)
{
    login->error_status = status;
    return text_in(login->error, sizeof(login->error));
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

void handle_explain(struct podlogin *login, const struct client_target *target,
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

enum podlogin_status handle_read_token(struct podlogin *login, struct client_target *target)
{
    struct subject_token *token = &login->subject_token;
    int r = subject_token_read(login->token_file, &target->deadline, token);
    struct text error;

    target->jwt = token->bytes;
    target->jwt_len = token->len;
    if (r == 0)
        return PODLOGIN_OK;
    if (r == -ECANCELED)
        return handle_fail(login, PODLOGIN_CANCELLED);
    error = new_error(login, PODLOGIN_NO_SUBJECT_TOKEN);
    if (token->path)
        text_add(&error, token->path, ": ", subject_token_strerror(r), NULL);
    return PODLOGIN_NO_SUBJECT_TOKEN;
}

enum podlogin_status handle_read(struct podlogin *login, const struct question *question,
                                 const struct wire_header *header)
{
    struct client *client = &login->client;

    if (header->type == MESSAGE_ERROR)
        return read_error(login, header);
    if (header->type != question->answer->type ||
        wire_decode(question->answer, client->buffer + WIRE_HEADER_SIZE, header->payload_len,
                    question->ret_values) < 0) {
        client_close(client);
        return PODLOGIN_BAD_ANSWER;
    }
    return PODLOGIN_OK;
}

static enum podlogin_status ask_once(struct podlogin *login, const struct client_target *target,
                                     const struct question *question)
{
    struct wire_header header;
    enum podlogin_status status =
        client_ask(&login->client, target, question->request, question->values, &header);

    if (status == PODLOGIN_OK)
        status = handle_read(login, question, &header);
    else
        handle_explain(login, target, status);
    if (login->asks_once)
        client_close(&login->client);
    return status;
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
                   !client_nap(login->retry_after_ms, &target->deadline)) {
            /* only the daemon's own limit is waited out; on all others the caller decides */
            return status;
        }
        login->retry_after_ms = 0;
    }
}

struct client_target handle_target(const struct podlogin *login)
{
    return (struct client_target){
        .socket = login->socket,
        .server_uid = login->server_uid,
        .deadline = {clock_ms() + login->timeout_ms, login->cancel_fd},
    };
}

enum podlogin_status handle_ask(struct podlogin *login, const struct question *question)
{
    struct client_target target = handle_target(login);
    enum podlogin_status status = PODLOGIN_OK;

    handle_begin(login);
    if (question->needs_login)
        status = handle_read_token(login, &target);
    if (status == PODLOGIN_OK)
        status = ask_target(login, &target, question);
    subject_token_wipe(&login->subject_token);
    return status;
}

void handle_begin(struct podlogin *login)
{
    login->error[0] = '\0';
    login->retry_after_ms = 0;
}

enum podlogin_status handle_fail(struct podlogin *login, enum podlogin_status status)
{
    struct text error = new_error(login, status);

    text_add(&error, status_info(status)->sentence, NULL);
    return status;
}

void handle_wipe(struct podlogin *login)
{
    client_wipe(&login->client);
}

uint32_t handle_daemon_timeout(const struct podlogin *login)
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

struct message_get handle_get(const struct podlogin *login)
{
    return (struct message_get){
        .service = wire_string(login->service),
        .min_ttl_s = login->min_ttl_s,
        .timeout_ms = handle_daemon_timeout(login),
        .is_last = login->asks_once,
    };
}

enum podlogin_status handle_take(struct podlogin *login, const struct message_token *message,
                                 struct podlogin_token **ret_token)
{
    enum podlogin_status status = judge_token(login, message);

    if (status != PODLOGIN_OK)
        return status;
    *ret_token = token_new(message);
    return *ret_token ? PODLOGIN_OK : PODLOGIN_NO_MEMORY;
}
