/*
 * The messages at the administrator's socket. They use the codec of the public protocol, but are
 * private: podloginctl and the daemon are of one version. Each connection has one request and one
 * answer.
 */
#ifndef ADMIN_MESSAGE_H
#define ADMIN_MESSAGE_H

#include "protocol/wire.h"

#define ADMIN_REQUEST_MAX 4096              /* bytes of payload */
#define ADMIN_ANSWER_MAX  (4 * 1024 * 1024) /* bytes of payload */

enum admin_type {
    ADMIN_REQUEST = 0x40,
    ADMIN_ANSWER = 0xc0,
    ADMIN_ERROR = 0xc1,
};

struct admin_request {
    struct wire_bytes command;  /* "status" */
    struct wire_list arguments; /* NAME=VALUE */
};

/* A JSON document; the metrics in the text format of Prometheus. */
struct admin_answer {
    struct wire_bytes text;
};

struct admin_error {
    uint32_t exit_code; /* enum exit_code */
    struct wire_bytes text;
};

extern const struct wire_message admin_request;
extern const struct wire_message admin_answer;
extern const struct wire_message admin_error;

#endif
