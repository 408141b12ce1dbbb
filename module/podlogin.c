/* The library: handles, settings, and results that the caller can keep. */
#include "podlogin.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "status.h"
#include "subject_token.h"
#include "text.h"
#include "time_span.h"

#define EXPORT          __attribute__((visibility("default")))
#define DEFAULT_SERVICE "pulumi"
#define ERROR_MAX       1024

struct podlogin {
    char *service;
    char *socket;
    char *token_file; /* NULL: searched for */
    uint32_t min_ttl_s;
    uint32_t timeout_ms;
    uid_t server_uid;
    struct client client;
    struct podlogin_token *token; /* of podlogin_authenticate(), not handed out yet */
    bool is_authenticated;
    uint32_t retry_after_ms;
    char error[ERROR_MAX];
};

/* One allocation: the struct, then all its strings, so that one wipe gets everything. */
struct podlogin_token {
    size_t size;
    int64_t expires_at_s;
    const char *source;
    const char *value;
    const char *type;
    const char *variable;
    const char *attributes[WIRE_LIST_MAX];
    unsigned n_attributes;
    char text[];
};

struct podlogin_identity {
    int64_t expires_at_s;
    const char *issuer, *subject, *namespace, *serviceaccount, *serviceaccount_uid, *pod, *pod_uid;
    const char *services[WIRE_LIST_MAX];
    unsigned n_services;
    char text[];
};

static bool is_service_name(const char *name)
{
    size_t len = strlen(name);

    return len > 0 && len <= PODLOGIN_SERVICE_MAX &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == len;
}

/* To be added to with text_add(). */
static struct text new_error(struct podlogin *login)
{
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

EXPORT enum podlogin_status podlogin_set_socket(struct podlogin *login, const char *path)
{
    return set_text(&login->socket, path, 107); /* sun_path */
}

EXPORT enum podlogin_status podlogin_set_token_file(struct podlogin *login, const char *path)
{
    return set_text(&login->token_file, path, 4096);
}

EXPORT enum podlogin_status podlogin_set_min_ttl(struct podlogin *login, uint32_t min_ttl_s)
{
    if (min_ttl_s > PODLOGIN_MIN_TTL_MAX_S)
        return PODLOGIN_BAD_ARGUMENT;
    login->min_ttl_s = min_ttl_s;
    return PODLOGIN_OK;
}

EXPORT enum podlogin_status podlogin_set_timeout(struct podlogin *login, uint32_t timeout_ms)
{
    if (timeout_ms == 0 || timeout_ms > PODLOGIN_TIMEOUT_MAX_MS)
        return PODLOGIN_BAD_ARGUMENT;
    login->timeout_ms = timeout_ms;
    return PODLOGIN_OK;
}

EXPORT enum podlogin_status podlogin_set_server_uid(struct podlogin *login, uid_t uid)
{
    if (uid == (uid_t)-1)
        return PODLOGIN_BAD_ARGUMENT;
    login->server_uid = uid;
    return PODLOGIN_OK;
}

/* Not where somebody else's environment came along with more privileges than he has. */
static const char *environment(const char *name)
{
    const char *value = secure_getenv(name);

    return value && *value ? value : NULL;
}

static int uid_read(const char *text, uid_t *ret_uid)
{
    uint64_t uid = 0;

    if (!*text)
        return -EINVAL;
    for (; *text; text++) {
        uid = uid * 10 + (uint64_t)(*text - '0');
        if (*text < '0' || *text > '9' || uid >= (uid_t)-1)
            return -EINVAL;
    }
    *ret_uid = (uid_t)uid;
    return 0;
}

static enum podlogin_status read_environment(struct podlogin *login)
{
    const char *min_ttl = environment("PODLOGIN_MIN_TTL");
    const char *timeout = environment("PODLOGIN_TIMEOUT");
    const char *socket = environment("PODLOGIN_SOCKET");
    const char *server_uid = environment("PODLOGIN_SERVER_UID");
    enum podlogin_status status;
    uint64_t ms;

    status = podlogin_set_socket(login, socket ? socket : PODLOGIN_SOCKET_PATH);
    if (status == PODLOGIN_OK && server_uid && uid_read(server_uid, &login->server_uid) < 0)
        return PODLOGIN_BAD_ARGUMENT;
    if (status == PODLOGIN_OK && min_ttl) {
        if (time_span_parse(min_ttl, PODLOGIN_MIN_TTL_MAX_S * UINT64_C(1000), &ms) < 0)
            return PODLOGIN_BAD_ARGUMENT;
        login->min_ttl_s = (uint32_t)(ms / 1000);
    }
    if (status == PODLOGIN_OK && timeout) {
        if (time_span_parse(timeout, PODLOGIN_TIMEOUT_MAX_MS, &ms) < 0 || ms == 0)
            return PODLOGIN_BAD_ARGUMENT;
        login->timeout_ms = (uint32_t)ms;
    }
    return status;
}

EXPORT enum podlogin_status podlogin_start(const char *service, struct podlogin **ret_login)
{
    struct podlogin *login = calloc(1, sizeof(*login));
    enum podlogin_status status;

    if (!login)
        return PODLOGIN_NO_MEMORY;
    login->client.fd = -1;
    login->timeout_ms = PODLOGIN_TIMEOUT_MS;
    if (!service)
        service = environment("PODLOGIN_SERVICE");
    if (!service)
        service = DEFAULT_SERVICE;
    status = is_service_name(service) ? set_text(&login->service, service, PODLOGIN_SERVICE_MAX)
                                      : PODLOGIN_BAD_ARGUMENT;
    if (status == PODLOGIN_OK)
        status = read_environment(login);
    if (status != PODLOGIN_OK) {
        podlogin_end(login);
        return status;
    }
    *ret_login = login;
    return PODLOGIN_OK;
}

EXPORT void podlogin_end(struct podlogin *login)
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

/* The C string of @bytes, at *@at, which moves past it. */
static const char *copy_text(char **at, struct wire_bytes bytes)
{
    char *text = *at;

    if (bytes.len)
        memcpy(text, bytes.at, bytes.len);
    text[bytes.len] = '\0';
    *at += bytes.len + 1;
    return text;
}

static size_t list_size(const struct wire_list *list)
{
    size_t size = 0;

    for (size_t i = 0; i < list->n; i++)
        size += list->item[i].len + 1;
    return size;
}

static const char *source_name(uint32_t source)
{
    switch (source) {
    case TOKEN_SOURCE_CACHE:
        return "cache";
    case TOKEN_SOURCE_EXCHANGE:
        return "exchange";
    case TOKEN_SOURCE_JOINED:
        return "joined";
    default:
        return "unknown";
    }
}

static struct podlogin_token *token_new(const struct message_token *message)
{
    size_t size = sizeof(struct podlogin_token) + message->token.len + message->token_type.len +
                  message->variable.len + 3 + list_size(&message->attributes);
    struct podlogin_token *token = calloc(1, size);
    char *at = token ? token->text : NULL;

    if (!token)
        return NULL;
    token->size = size;
    token->expires_at_s = (int64_t)message->expires_at_s;
    token->source = source_name(message->source);
    token->value = copy_text(&at, message->token);
    token->type = copy_text(&at, message->token_type);
    token->variable = copy_text(&at, message->variable);
    for (; token->n_attributes < message->attributes.n; token->n_attributes++)
        token->attributes[token->n_attributes] =
            copy_text(&at, message->attributes.item[token->n_attributes]);
    return token;
}

static struct podlogin_identity *identity_new(const struct message_identity *message)
{
    const struct wire_bytes texts[] = {
        message->issuer,
        message->subject,
        message->namespace,
        message->serviceaccount,
        message->serviceaccount_uid,
        message->pod,
        message->pod_uid,
    };
    size_t size = sizeof(struct podlogin_identity) + list_size(&message->services);
    struct podlogin_identity *identity;
    char *at;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        size += texts[i].len + 1;
    identity = calloc(1, size);
    if (!identity)
        return NULL;
    at = identity->text;
    identity->expires_at_s = (int64_t)message->expires_at_s;
    identity->issuer = copy_text(&at, message->issuer);
    identity->subject = copy_text(&at, message->subject);
    identity->namespace = copy_text(&at, message->namespace);
    identity->serviceaccount = copy_text(&at, message->serviceaccount);
    identity->serviceaccount_uid = copy_text(&at, message->serviceaccount_uid);
    identity->pod = copy_text(&at, message->pod);
    identity->pod_uid = copy_text(&at, message->pod_uid);
    for (; identity->n_services < message->services.n; identity->n_services++)
        identity->services[identity->n_services] =
            copy_text(&at, message->services.item[identity->n_services]);
    return identity;
}

/* The refusal in the client's buffer becomes the handle's error. */
static enum podlogin_status read_error(struct podlogin *login, const struct wire_header *header)
{
    struct text error = new_error(login);
    struct message_error message;
    const struct status_info *info;

    if (wire_decode(&message_error, login->client.buffer + WIRE_HEADER_SIZE, header->payload_len,
                    &message) < 0 ||
        message.status == PODLOGIN_OK)
        return PODLOGIN_BAD_ANSWER;
    info = message.status < PODLOGIN_UNREACHABLE ? status_info(message.status)
                                                 : status_info(PODLOGIN_INTERNAL);
    login->retry_after_ms = message.retry_after_ms;
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

static void explain_local(struct podlogin *login, enum podlogin_status status)
{
    struct text error = new_error(login);
    char timeout[NUMBER_SIZE], number[NUMBER_SIZE], other[NUMBER_SIZE];

    if (status == PODLOGIN_UNREACHABLE)
        text_add(&error, login->socket, ": ", status_info(status)->sentence, NULL);
    if (status == PODLOGIN_UNTRUSTED_SERVER && login->client.trust == SERVER_OF_ANOTHER_USER)
        text_add(&error, login->socket, ": ", status_info(status)->sentence, ": it runs as uid ",
                 number_text(login->client.server_uid, number), ", not ",
                 number_text(login->server_uid, other),
                 "; if that is right, say so in PODLOGIN_SERVER_UID", NULL);
    if (status == PODLOGIN_UNTRUSTED_SERVER && login->client.trust == SERVER_IN_WRITABLE_DIRECTORY)
        text_add(&error, login->socket, ": ", status_info(status)->sentence,
                 ": the caller can write to its directory; mount it read-only", NULL);
    if (status == PODLOGIN_TIMEOUT)
        text_add(&error, status_info(status)->sentence, " (",
                 number_text(login->timeout_ms, timeout), " ms)", NULL);
}

static enum podlogin_status read_subject_token(struct podlogin *login, struct subject_token *token)
{
    int r = subject_token_read(login->token_file, token);
    struct text error = new_error(login);

    if (r == 0)
        return PODLOGIN_OK;
    if (token->path)
        text_add(&error, token->path, ": ",
                 r == -EFBIG     ? "longer than a service-account token can be; check --token-file"
                 : r == -ENODATA ? "empty; is it a service-account token?"
                                 : strerror(-r),
                 NULL);
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
        explain_local(login, status);
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
            /* kubelet has a newer token by now, and it has been read */
            login->client.is_logged_in = false;
            is_renewed = true;
        } else if (status != PODLOGIN_TOO_MANY || !login->retry_after_ms ||
                   !client_nap(login->retry_after_ms, target->deadline_ms)) {
            /* that was the daemon's own "not now"; what upstreams say the caller judges */
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
        status = read_subject_token(login, &token);
        target.jwt = token.bytes;
        target.jwt_len = token.len;
    }
    if (status == PODLOGIN_OK)
        status = ask_target(login, &target, question);
    explicit_bzero(&token, sizeof(token));
    return status;
}

/* The buffer has held a JWT or a token. */
static void wipe_buffer(struct podlogin *login)
{
    explicit_bzero(login->client.buffer, sizeof(login->client.buffer));
}

/* A little less than our own, so that the daemon's reason arrives before we give up. */
static uint32_t daemon_timeout(const struct podlogin *login)
{
    uint32_t timeout_ms = login->timeout_ms - login->timeout_ms / 10;

    return timeout_ms ? timeout_ms : 1;
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

    if (status == PODLOGIN_OK) {
        *ret_token = token_new(&message);
        if (!*ret_token)
            status = PODLOGIN_NO_MEMORY;
    }
    wipe_buffer(login);
    return status;
}

EXPORT enum podlogin_status podlogin_authenticate(struct podlogin *login)
{
    struct podlogin_token *token = NULL;
    enum podlogin_status status;

    login->client.is_logged_in = false; /* the file may hold another token by now */
    status = get(login, &token);

    login->is_authenticated = status == PODLOGIN_OK;
    podlogin_token_free(login->token);
    login->token = login->is_authenticated ? token : NULL;
    return status;
}

EXPORT enum podlogin_status podlogin_get_token(struct podlogin *login,
                                               struct podlogin_token **ret_token)
{
    if (!login->is_authenticated)
        return PODLOGIN_BAD_ARGUMENT;
    if (!login->token)
        return get(login, ret_token);
    *ret_token = login->token;
    login->token = NULL;
    return PODLOGIN_OK;
}

EXPORT enum podlogin_status podlogin_whoami(struct podlogin *login,
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

EXPORT enum podlogin_status podlogin_ping(struct podlogin *login)
{
    const struct message_ping ping = {0};
    struct message_pong pong;
    const struct question question = {&message_ping, &ping, false, &message_pong, &pong};

    return ask(login, &question);
}

EXPORT const char *podlogin_strerror(const struct podlogin *login, enum podlogin_status status)
{
    if (login && status != PODLOGIN_OK && login->error[0])
        return login->error;
    return status_info(status)->sentence;
}

EXPORT uint32_t podlogin_retry_after(const struct podlogin *login)
{
    return login->retry_after_ms;
}

EXPORT const char *podlogin_service(const struct podlogin *login)
{
    return login->service;
}

EXPORT const char *podlogin_token_value(const struct podlogin_token *token)
{
    return token->value;
}

EXPORT const char *podlogin_token_type(const struct podlogin_token *token)
{
    return token->type;
}

EXPORT int64_t podlogin_token_expires_at(const struct podlogin_token *token)
{
    return token->expires_at_s;
}

EXPORT const char *podlogin_token_source(const struct podlogin_token *token)
{
    return token->source;
}

EXPORT const char *podlogin_token_variable(const struct podlogin_token *token)
{
    return token->variable;
}

EXPORT const char *podlogin_token_attribute_at(const struct podlogin_token *token, unsigned index)
{
    return index < token->n_attributes ? token->attributes[index] : NULL;
}

EXPORT const char *podlogin_token_attribute(const struct podlogin_token *token, const char *name)
{
    size_t len = strlen(name);

    for (unsigned i = 0; i < token->n_attributes; i++)
        if (strncmp(token->attributes[i], name, len) == 0 && token->attributes[i][len] == '=')
            return token->attributes[i] + len + 1;
    return NULL;
}

EXPORT void podlogin_token_free(struct podlogin_token *token)
{
    if (!token)
        return;
    explicit_bzero(token, token->size);
    free(token);
}

EXPORT int64_t podlogin_identity_expires_at(const struct podlogin_identity *identity)
{
    return identity->expires_at_s;
}

#define IDENTITY_TEXT(member)                                                                      \
    EXPORT const char *podlogin_identity_##member(const struct podlogin_identity *identity)        \
    {                                                                                              \
        return identity->member;                                                                   \
    }

IDENTITY_TEXT(issuer)
IDENTITY_TEXT(subject)
IDENTITY_TEXT(namespace)
IDENTITY_TEXT(serviceaccount)
IDENTITY_TEXT(serviceaccount_uid)
IDENTITY_TEXT(pod)
IDENTITY_TEXT(pod_uid)

EXPORT const char *podlogin_identity_service_at(const struct podlogin_identity *identity,
                                                unsigned index)
{
    return index < identity->n_services ? identity->services[index] : NULL;
}

EXPORT void podlogin_identity_free(struct podlogin_identity *identity)
{
    free(identity);
}
