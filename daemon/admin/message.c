#include "admin/message.h"

static const struct wire_field request_fields[] = {
    {1, WIRE_STRING, true, 32, offsetof(struct admin_request, command)},
    {2, WIRE_LIST, false, 1024, offsetof(struct admin_request, arguments)},
};

static const struct wire_field answer_fields[] = {
    {1, WIRE_BYTES, true, ADMIN_ANSWER_MAX - WIRE_FIELD_SIZE, offsetof(struct admin_answer, text)},
};

static const struct wire_field error_fields[] = {
    {1, WIRE_U32, true, 255, offsetof(struct admin_error, exit_code)},
    {2, WIRE_BYTES, true, 65536, offsetof(struct admin_error, text)},
};

#define MESSAGE(id, noun, max)                                                                     \
    const struct wire_message admin_##noun = {                                                     \
        .type = (id),                                                                              \
        .name = #id,                                                                               \
        .size = sizeof(struct admin_##noun),                                                       \
        .payload_max = (max),                                                                      \
        .fields = noun##_fields,                                                                   \
        .n_fields = sizeof(noun##_fields) / sizeof(noun##_fields[0]),                              \
    }

MESSAGE(ADMIN_REQUEST, request, ADMIN_REQUEST_MAX);
MESSAGE(ADMIN_ANSWER, answer, ADMIN_ANSWER_MAX);
MESSAGE(ADMIN_ERROR, error, 2 * 65536);
