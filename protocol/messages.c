/* The tables of fields of all messages. */
#include "protocol/messages.h"

#define OPTIONAL_TAG(tag) (WIRE_TAG_OPTIONAL | (tag))
#define U32_MAX           UINT32_MAX

static const struct wire_field login_fields[] = {
    {1, WIRE_BYTES, true, PODLOGIN_JWT_MAX, offsetof(struct message_login, subject_token)},
};

static const struct wire_field get_fields[] = {
    {1, WIRE_STRING, true, PODLOGIN_SERVICE_MAX, offsetof(struct message_get, service)},
    {2, WIRE_U32, false, PODLOGIN_MIN_TTL_MAX_S, offsetof(struct message_get, min_ttl_s)},
    {3, WIRE_U32, false, PODLOGIN_TIMEOUT_MAX_MS, offsetof(struct message_get, timeout_ms)},
    {OPTIONAL_TAG(4), WIRE_U64, false, UINT64_MAX, offsetof(struct message_get, rejected)},
    {OPTIONAL_TAG(5), WIRE_U64, false, UINT64_MAX, offsetof(struct message_get, known)},
    {OPTIONAL_TAG(6), WIRE_U32, false, PODLOGIN_WAIT_MAX_MS, offsetof(struct message_get, wait_ms)},
    {OPTIONAL_TAG(7), WIRE_U32, false, 1, offsetof(struct message_get, is_last)},
};

static const struct wire_field whoami_fields[] = {
    {3, WIRE_U32, false, PODLOGIN_TIMEOUT_MAX_MS, offsetof(struct message_whoami, timeout_ms)},
};

static const struct wire_field token_fields[] = {
    {1, WIRE_BYTES, true, PODLOGIN_TOKEN_MAX, offsetof(struct message_token, token)},
    {2, WIRE_STRING, true, PODLOGIN_NAME_MAX, offsetof(struct message_token, token_type)},
    {3, WIRE_U64, true, INT64_MAX, offsetof(struct message_token, expires_at_s)},
    {MESSAGE_TOKEN_SOURCE, WIRE_U32, false, U32_MAX, offsetof(struct message_token, source)},
    {OPTIONAL_TAG(5), WIRE_STRING, false, PODLOGIN_NAME_MAX,
     offsetof(struct message_token, variable)},
    {OPTIONAL_TAG(6), WIRE_LIST, false, PODLOGIN_ATTRIBUTE_MAX,
     offsetof(struct message_token, attributes)},
    {OPTIONAL_TAG(7), WIRE_STRING, false, PODLOGIN_NAME_MAX,
     offsetof(struct message_token, directory)},
    {OPTIONAL_TAG(8), WIRE_LIST, false, PODLOGIN_FILE_MAX, offsetof(struct message_token, files)},
    {OPTIONAL_TAG(9), WIRE_LIST, false, PODLOGIN_NAME_MAX, offsetof(struct message_token, unset)},
};

static const struct wire_field identity_fields[] = {
    {1, WIRE_STRING, true, PODLOGIN_NAME_MAX, offsetof(struct message_identity, issuer)},
    {2, WIRE_STRING, true, PODLOGIN_NAME_MAX, offsetof(struct message_identity, subject)},
    {3, WIRE_STRING, true, PODLOGIN_NAME_MAX, offsetof(struct message_identity, namespace)},
    {4, WIRE_STRING, true, PODLOGIN_NAME_MAX, offsetof(struct message_identity, serviceaccount)},
    {5, WIRE_STRING, true, PODLOGIN_NAME_MAX,
     offsetof(struct message_identity, serviceaccount_uid)},
    {6, WIRE_STRING, false, PODLOGIN_NAME_MAX, offsetof(struct message_identity, pod)},
    {7, WIRE_STRING, false, PODLOGIN_NAME_MAX, offsetof(struct message_identity, pod_uid)},
    {8, WIRE_U64, true, INT64_MAX, offsetof(struct message_identity, expires_at_s)},
    {9, WIRE_LIST, false, PODLOGIN_SERVICE_MAX, offsetof(struct message_identity, services)},
};

static const struct wire_field pong_fields[] = {
    {OPTIONAL_TAG(1), WIRE_STRING, false, PODLOGIN_NAME_MAX, offsetof(struct message_pong, server)},
};

static const struct wire_field error_fields[] = {
    {1, WIRE_U32, true, U32_MAX, offsetof(struct message_error, status)},
    {2, WIRE_U32, false, U32_MAX, offsetof(struct message_error, retry_after_ms)},
    {OPTIONAL_TAG(3), WIRE_STRING, false, PODLOGIN_DETAIL_MAX,
     offsetof(struct message_error, detail)},
};

#define MESSAGE(id, noun, max, table)                                                              \
    const struct wire_message message_##noun = {                                                   \
        .type = id,                                                                                \
        .name = #noun,                                                                             \
        .size = sizeof(struct message_##noun),                                                     \
        .payload_max = max,                                                                        \
        .fields = table,                                                                           \
        .n_fields = sizeof(table) / sizeof(table[0]),                                              \
    }

MESSAGE(MESSAGE_LOGIN, login, PODLOGIN_REQUEST_MAX, login_fields);
MESSAGE(MESSAGE_GET, get, PODLOGIN_REQUEST_MAX, get_fields);
MESSAGE(MESSAGE_WHOAMI, whoami, PODLOGIN_REQUEST_MAX, whoami_fields);
MESSAGE(MESSAGE_TOKEN, token, PODLOGIN_ANSWER_MAX, token_fields);
MESSAGE(MESSAGE_IDENTITY, identity, PODLOGIN_ANSWER_MAX, identity_fields);
MESSAGE(MESSAGE_PONG, pong, PODLOGIN_ANSWER_MAX, pong_fields);
MESSAGE(MESSAGE_ERROR, error, PODLOGIN_ANSWER_MAX, error_fields);

const struct wire_message message_ping = {
    .type = MESSAGE_PING,
    .name = "ping",
    .size = sizeof(struct message_ping),
    .payload_max = PODLOGIN_REQUEST_MAX,
};
