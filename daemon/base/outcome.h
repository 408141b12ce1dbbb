/* What a job of the exchanger came to. The broker decides from it, whoever the server is. */
#ifndef OUTCOME_H
#define OUTCOME_H

enum outcome {
    OUTCOME_OK,
    OUTCOME_REFUSED,       /* this JWT, or what is asked for with it, is not granted */
    OUTCOME_MISCONFIGURED, /* no JWT would do: the request itself is wrong */
    OUTCOME_THROTTLED,
    OUTCOME_UNAVAILABLE, /* 5xx, timeout, reset, name resolution */
    OUTCOME_MALFORMED,   /* an answer that no such server gives */
    OUTCOME_UNTRUSTED,   /* TLS: the server is not who it should be */
    OUTCOMES,
};

#endif
