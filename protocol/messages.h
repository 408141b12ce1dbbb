/*
 * Every request of a client, every answer of the daemon, every limit.
 *
 * A client sends LOGIN, then any number of requests on the same connection; it may write all of
 * them at once. The daemon does not answer LOGIN: if the token is not accepted, each request that
 * needs it is answered with the error. Each request gets exactly one answer, with the id of the
 * request. Answers may come in another order than the requests.
 */
#ifndef PROTOCOL_MESSAGES_H
#define PROTOCOL_MESSAGES_H

#include "protocol/wire.h"

#define PODLOGIN_REQUEST_MAX    16384 /* bytes of a request's payload */
#define PODLOGIN_ANSWER_MAX     32768 /* bytes of an answer's payload */
#define PODLOGIN_JWT_MAX        8192
#define PODLOGIN_TOKEN_MAX      16384
#define PODLOGIN_SERVICE_MAX    64
#define PODLOGIN_NAME_MAX       512 /* issuer, subject, Kubernetes names */
#define PODLOGIN_DETAIL_MAX     512
#define PODLOGIN_ATTRIBUTE_MAX  4096
#define PODLOGIN_FILE_MAX       8192 /* NAME=TEMPLATE */
#define PODLOGIN_MIN_TTL_MAX_S  (7 * 24 * 3600)
#define PODLOGIN_TIMEOUT_MAX_MS 60000
#define PODLOGIN_TIMEOUT_MS     10000 /* if the client sends none */
#define PODLOGIN_WAIT_MAX_MS    3600000
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

/* Where the daemon got the token of an answer from. */
enum token_source {
    TOKEN_SOURCE_CACHE = 1,    /* no exchange was needed */
    TOKEN_SOURCE_EXCHANGE = 2, /* this request started an exchange */
    TOKEN_SOURCE_JOINED = 3,   /* this request waited for the exchange of another one */
};

/* Presents the pod's service-account token. Valid for this connection, until the next LOGIN. */
struct message_login {
    struct wire_bytes subject_token; /* a compact JWS (RFC 7515), 1..PODLOGIN_JWT_MAX bytes */
};

/* Asks for an access token of a service. The answer is TOKEN or ERROR. */
struct message_get {
    struct wire_bytes service; /* [A-Za-z0-9._-]{1,64}: a file of services.d */
    uint32_t min_ttl_s;        /* the remaining lifetime that the token should have at least */
    uint32_t timeout_ms;       /* the daemon answers within it; 0: PODLOGIN_TIMEOUT_MS */
    uint64_t rejected;         /* the fingerprint of a token that the upstream rejects; 0: none */
    uint64_t known;            /* the fingerprint of the token that the client has; 0: none */
    uint32_t wait_ms;          /* how long to wait for another token than @known, before that */
    uint32_t is_last;          /* 1: no frame follows; the daemon closes the connection behind it */
};

/* Asks for the client's identity. The answer is IDENTITY or ERROR. */
struct message_whoami {
    uint32_t timeout_ms;
};

/* Asks whether the daemon answers. Needs no LOGIN. The answer is PONG. */
struct message_ping {
    char nothing;
};

#define MESSAGE_TOKEN_SOURCE (WIRE_TAG_OPTIONAL | 4) /* its tag, for wire_set_u32() */

struct message_token {
    struct wire_bytes token;
    struct wire_bytes token_type; /* how to present the token, as the upstream said */
    uint64_t expires_at_s;        /* Unix time */
    uint32_t source;              /* enum token_source */
    struct wire_bytes variable;   /* the environment variable for the token */
    struct wire_list attributes;  /* NAME=VALUE: further variables; may hold secrets */
    struct wire_bytes directory;  /* VARIABLE=NAME: a private directory for the files below */
    struct wire_list files;       /* NAME=TEMPLATE: its files */
    struct wire_list unset;       /* names of variables that must not be set beside the token */
};

struct message_identity {
    struct wire_bytes issuer;
    struct wire_bytes subject;
    struct wire_bytes namespace;
    struct wire_bytes serviceaccount;
    struct wire_bytes serviceaccount_uid;
    struct wire_bytes pod; /* absent if the token is not bound to a pod */
    struct wire_bytes pod_uid;
    uint64_t expires_at_s;     /* of the service-account token, Unix time */
    struct wire_list services; /* that the identity may use now */
};

struct message_pong {
    struct wire_bytes server; /* "podlogind 0.1.0" */
};

struct message_error {
    uint32_t status;          /* enum podlogin_status */
    uint32_t retry_after_ms;  /* 0: no advice */
    struct wire_bytes detail; /* what is particular to this error; never a secret */
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
