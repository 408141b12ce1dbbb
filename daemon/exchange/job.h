/*
 * The messages between the broker and the exchanger, over a socket pair (SOCK_SEQPACKET: one frame
 * in each packet). They use the codec of the public protocol, but are private.
 */
#ifndef EXCHANGE_JOB_H
#define EXCHANGE_JOB_H

#include "base/outcome.h"
#include "protocol/wire.h"

#define JOB_FRAME_MAX       (96 * 1024) /* enough for a key set of UPSTREAM_BODY_MAX */
#define JOB_SOCKET_FD       3           /* the descriptor in the exchanger */
#define UPSTREAM_BODY_MAX   65536       /* bytes of an HTTP answer */
#define CONNECT_TIMEOUT_MS  2000
#define TRANSFER_TIMEOUT_MS 8000
#define EXCHANGER_HANG_S    10 /* an exchanger whose loop does not turn for so long ends itself */
#define PROGRAMS_MAX        16 /* that run at once */

enum job_type {
    JOB_EXCHANGE = 1,
    JOB_KEYS = 2,
    JOB_REVIEW = 3,
    JOB_PROBE = 4,
    JOB_RESULT = 0x81,
};

/* Exchanges a JWT for an access token. */
struct job_exchange {
    struct wire_bytes provider;
    struct wire_list settings; /* NAME=VALUE, from the provider's section */
    struct wire_bytes subject_token;
    struct wire_bytes ca_file;     /* absent: the system's certificates */
    struct wire_bytes secret_file; /* absent: the provider's settings name none */
};

/*
 * Fetches an issuer's key set. URLs of the API server's origin are fetched with own_token and
 * verified by api_ca_file. These two and api_server are absent if there are no such URLs.
 */
struct job_keys {
    struct wire_bytes issuer;   /* its URL */
    struct wire_bytes keys_url; /* absent: read from the discovery document */
    struct wire_bytes ca_file;
    struct wire_bytes api_server;
    struct wire_bytes api_ca_file;
    struct wire_bytes own_token;
};

/* Asks the API server whether a JWT is still valid (TokenReview, authentication.k8s.io/v1). */
struct job_review {
    struct wire_bytes api_server; /* its URL */
    struct wire_bytes ca_file;
    struct wire_bytes own_token; /* authenticates the daemon to the API server */
    struct wire_bytes subject_token;
    struct wire_bytes audience; /* these three must be those of the review */
    struct wire_bytes username;
    struct wire_bytes uid;
};

/*
 * Looks whether a server answers, for podloginctl doctor. Any HTTP status is an answer. With
 * own_token, the server is the API server, and the result has the body of the document at the URL.
 */
struct job_probe {
    struct wire_bytes url;
    struct wire_bytes ca_file;   /* absent: the system's certificates */
    struct wire_bytes own_token; /* absent: none */
};

/* The answer to each job. */
struct job_result {
    uint32_t outcome;         /* enum outcome */
    struct wire_bytes detail; /* why it is not OUTCOME_OK */
    uint32_t retry_after_ms;  /* 0: no advice */
    struct wire_bytes token;
    struct wire_bytes token_type;
    uint32_t expires_in_s;       /* from the time of the answer; 0: unknown */
    struct wire_bytes variable;  /* the environment variable for the token */
    struct wire_list attributes; /* NAME=VALUE: further variables */
    struct wire_bytes keys;      /* the key set, unparsed */
    uint32_t max_age_s;          /* of Cache-Control; 0: none */
    uint64_t expires_at_s;       /* Unix time; 0: unknown */
    uint32_t http_status;        /* of a probe */
    uint64_t date_s;             /* of a probe: the server's time, in Unix time; 0: unknown */
    struct wire_bytes body;      /* of a probe */
};

extern const struct wire_message job_exchange;
extern const struct wire_message job_keys;
extern const struct wire_message job_review;
extern const struct wire_message job_probe;
extern const struct wire_message job_result;

#endif
