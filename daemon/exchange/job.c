#include "exchange/job.h"

#include "protocol/messages.h"

static const struct wire_field exchange_fields[] = {
    {1, WIRE_STRING, true, 64, offsetof(struct job_exchange, provider)},
    {2, WIRE_LIST, true, 4096, offsetof(struct job_exchange, settings)},
    {3, WIRE_BYTES, true, PODLOGIN_JWT_MAX, offsetof(struct job_exchange, subject_token)},
    {4, WIRE_STRING, false, 4096, offsetof(struct job_exchange, ca_file)},
    {5, WIRE_STRING, false, 4096, offsetof(struct job_exchange, secret_file)},
};

static const struct wire_field keys_fields[] = {
    {1, WIRE_STRING, true, 512, offsetof(struct job_keys, issuer)},
    {2, WIRE_STRING, false, 512, offsetof(struct job_keys, keys_url)},
    {3, WIRE_STRING, false, 4096, offsetof(struct job_keys, ca_file)},
    {4, WIRE_STRING, false, 512, offsetof(struct job_keys, api_server)},
    {5, WIRE_STRING, false, 4096, offsetof(struct job_keys, api_ca_file)},
    {6, WIRE_BYTES, false, PODLOGIN_JWT_MAX, offsetof(struct job_keys, own_token)},
};

static const struct wire_field review_fields[] = {
    {1, WIRE_STRING, true, 512, offsetof(struct job_review, api_server)},
    {2, WIRE_STRING, false, 4096, offsetof(struct job_review, ca_file)},
    {3, WIRE_BYTES, true, PODLOGIN_JWT_MAX, offsetof(struct job_review, own_token)},
    {4, WIRE_BYTES, true, PODLOGIN_JWT_MAX, offsetof(struct job_review, subject_token)},
    {5, WIRE_STRING, true, PODLOGIN_NAME_MAX, offsetof(struct job_review, audience)},
    {6, WIRE_STRING, true, PODLOGIN_NAME_MAX, offsetof(struct job_review, username)},
    {7, WIRE_STRING, true, PODLOGIN_NAME_MAX, offsetof(struct job_review, uid)},
};

static const struct wire_field probe_fields[] = {
    {1, WIRE_STRING, true, 1024, offsetof(struct job_probe, url)},
    {2, WIRE_STRING, false, 4096, offsetof(struct job_probe, ca_file)},
    {3, WIRE_BYTES, false, PODLOGIN_JWT_MAX, offsetof(struct job_probe, own_token)},
};

static const struct wire_field result_fields[] = {
    {1, WIRE_U32, true, OUTCOMES - 1, offsetof(struct job_result, outcome)},
    {2, WIRE_STRING, false, 256, offsetof(struct job_result, detail)},
    {3, WIRE_U32, false, UINT32_MAX, offsetof(struct job_result, retry_after_ms)},
    {4, WIRE_BYTES, false, PODLOGIN_TOKEN_MAX, offsetof(struct job_result, token)},
    {5, WIRE_STRING, false, 64, offsetof(struct job_result, token_type)},
    {6, WIRE_U32, false, UINT32_MAX, offsetof(struct job_result, expires_in_s)},
    {7, WIRE_STRING, false, 64, offsetof(struct job_result, variable)},
    {8, WIRE_LIST, false, PODLOGIN_ATTRIBUTE_MAX, offsetof(struct job_result, attributes)},
    {9, WIRE_BYTES, false, UPSTREAM_BODY_MAX, offsetof(struct job_result, keys)},
    {10, WIRE_U32, false, UINT32_MAX, offsetof(struct job_result, max_age_s)},
    {11, WIRE_U64, false, INT64_MAX, offsetof(struct job_result, expires_at_s)},
    {12, WIRE_U32, false, 999, offsetof(struct job_result, http_status)},
    {13, WIRE_U64, false, INT64_MAX, offsetof(struct job_result, date_s)},
    {14, WIRE_BYTES, false, UPSTREAM_BODY_MAX, offsetof(struct job_result, body)},
};

#define JOB_MESSAGE(id, noun, table)                                                               \
    const struct wire_message job_##noun = {                                                       \
        .type = id,                                                                                \
        .name = #noun,                                                                             \
        .size = sizeof(struct job_##noun),                                                         \
        .payload_max = JOB_FRAME_MAX - WIRE_HEADER_SIZE,                                           \
        .fields = table,                                                                           \
        .n_fields = sizeof(table) / sizeof(table[0]),                                              \
    }

JOB_MESSAGE(JOB_EXCHANGE, exchange, exchange_fields);
JOB_MESSAGE(JOB_KEYS, keys, keys_fields);
JOB_MESSAGE(JOB_REVIEW, review, review_fields);
JOB_MESSAGE(JOB_PROBE, probe, probe_fields);
JOB_MESSAGE(JOB_RESULT, result, result_fields);
