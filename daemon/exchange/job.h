/*
 * What the broker and the exchanger say to each other over their socket pair (SOCK_SEQPACKET: one
 * message, one frame). The same codec as the public protocol; the messages are private.
 */
#ifndef JOB_H
#define JOB_H

#include "base/outcome.h"
#include "protocol/wire.h"

#define JOB_FRAME_MAX       (96 * 1024) /* a key set of UPSTREAM_BODY_MAX fits, as does an answer */
#define JOB_SOCKET_FD       3           /* in the exchanger */
#define UPSTREAM_BODY_MAX   65536
#define JOBS_IN_FLIGHT_MAX  64
#define CONNECT_TIMEOUT_MS  2000
#define TRANSFER_TIMEOUT_MS 8000

enum job_type {
    JOB_EXCHANGE = 1,
    JOB_KEYS = 2,
    JOB_REVIEW = 3,
    JOB_RESULT = 0x81,
};

/* Exchange a JWT for a token. */
struct job_exchange {
    struct wire_bytes provider;
    struct wire_list settings; /* NAME=VALUE of the provider's section */
    struct wire_bytes subject_token;
    struct wire_bytes ca_file; /* absent: the system's */
};

/* Fetch an issuer's key set. */
struct job_keys {
    struct wire_bytes issuer;   /* its URL */
    struct wire_bytes keys_url; /* absent: from the discovery document */
    struct wire_bytes ca_file;
};

/* Ask the API server whether a token still counts (TokenReview, authentication.k8s.io/v1). */
struct job_review {
    struct wire_bytes api_server; /* its URL */
    struct wire_bytes ca_file;
    struct wire_bytes own_token; /* with which it is asked */
    struct wire_bytes subject_token;
    struct wire_bytes audience;
    struct wire_bytes username; /* that it must find in the token, and this uid */
    struct wire_bytes uid;
};

/* The answer to each of them. */
struct job_result {
    uint32_t outcome; /* enum outcome */
    struct wire_bytes detail;
    uint32_t retry_after_ms;
    struct wire_bytes token;
    struct wire_bytes token_type;
    uint32_t expires_in_s; /* 0: not told */
    struct wire_bytes variable;
    struct wire_list attributes;
    struct wire_bytes keys; /* the key set's body */
    uint32_t max_age_s;     /* of Cache-Control; 0: none */
    uint64_t expires_at_s;  /* of the token, Unix time; 0: not told */
};

extern const struct wire_message job_exchange;
extern const struct wire_message job_keys;
extern const struct wire_message job_review;
extern const struct wire_message job_result;

#endif
