/*
 * Everything a client can ask of the daemon, every answer, every limit.
 *
 * A client sends LOGIN, then any number of requests on the same connection; it may write them all
 * at once. LOGIN itself is not answered: what is wrong with it is the answer to each request that
 * needs it. Each request gets exactly one answer, with its id; answers may overtake each other.
 */
#ifndef MESSAGES_H
#define MESSAGES_H

#include "protocol/wire.h"

#define PODLOGIN_REQUEST_MAX    16384 /* bytes of a request's payload */
#define PODLOGIN_ANSWER_MAX     32768 /* bytes of an answer's payload */
#define PODLOGIN_JWT_MAX        8192
#define PODLOGIN_TOKEN_MAX      16384
#define PODLOGIN_SERVICE_MAX    64
#define PODLOGIN_NAME_MAX       512 /* issuer, subject, Kubernetes names */
#define PODLOGIN_DETAIL_MAX     512
#define PODLOGIN_ATTRIBUTE_MAX  4096
#define PODLOGIN_MIN_TTL_MAX_S  (7 * 24 * 3600)
#define PODLOGIN_TIMEOUT_MAX_MS 60000
#define PODLOGIN_TIMEOUT_MS     10000 /* when the client names none */
#define PODLOGIN_SOCKET_PATH    "/run/podlogin/podlogin.sock"

enum message_type {
    MESSAGE_LOGIN = 1,
    MESSAGE_GET = 2,
    MESSAGE_WHOAMI = 3,
    MESSAGE_PING = 4,
    MESSAGE_TOKEN = 0x81,
    MESSAGE_IDENTITY = 0x82,
    MESSAGE_PONG = 0x83,
    MESSAGE_ERROR = 0xff,
};

/* Where the token of an answer comes from. */
enum token_source {
    TOKEN_SOURCE_CACHE = 1,    /* no exchange was needed */
    TOKEN_SOURCE_EXCHANGE = 2, /* this request started an exchange */
    TOKEN_SOURCE_JOINED = 3,   /* this request waited for another's exchange */
};

/* Presents the pod's service-account token, for this connection and until the next LOGIN. */
struct message_login {
    struct wire_bytes subject_token; /* a compact JWS (RFC 7515), 1..PODLOGIN_JWT_MAX bytes */
};

/* Asks for a token of a service. Answered with TOKEN or ERROR. */
struct message_get {
    struct wire_bytes service; /* [A-Za-z0-9._-]{1,64}: a file of services.d */
    uint32_t min_ttl_s;        /* the lifetime that the token should still have */
    uint32_t timeout_ms;       /* the daemon answers within it; 0: PODLOGIN_TIMEOUT_MS */
};

/* Asks who the daemon takes the client for. Answered with IDENTITY or ERROR. */
struct message_whoami {
    uint32_t timeout_ms;
};

/* Asks whether the daemon answers. Needs no LOGIN. Answered with PONG. */
struct message_ping {
    char nothing;
};

struct message_token {
    struct wire_bytes token;
    struct wire_bytes token_type; /* of the upstream's answer: how to present the token */
    uint64_t expires_at_s;        /* Unix time */
    uint32_t source;              /* enum token_source */
    struct wire_bytes variable;   /* the environment variable that takes the token */
    struct wire_list attributes;  /* NAME=VALUE: further variables; may hold secrets */
};

struct message_identity {
    struct wire_bytes issuer;
    struct wire_bytes subject;
    struct wire_bytes namespace;
    struct wire_bytes serviceaccount;
    struct wire_bytes serviceaccount_uid;
    struct wire_bytes pod; /* absent: the token is bound to no pod */
    struct wire_bytes pod_uid;
    uint64_t expires_at_s;     /* of the service-account token, Unix time */
    struct wire_list services; /* those that the identity may use now */
};

struct message_pong {
    struct wire_bytes server; /* "podlogind 0.1.0" */
};

struct message_error {
    uint32_t status;          /* enum podlogin_status */
    uint32_t retry_after_ms;  /* 0: no advice */
    struct wire_bytes detail; /* what is particular to this case; no secret */
};

extern const struct wire_message message_login;
extern const struct wire_message message_get;
extern const struct wire_message message_whoami;
extern const struct wire_message message_ping;
extern const struct wire_message message_token;
extern const struct wire_message message_identity;
extern const struct wire_message message_pong;
extern const struct wire_message message_error;

#endif
