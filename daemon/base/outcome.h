/*
 * The result of a job of the exchanger, in terms that do not depend on the server. The broker
 * decides by it what to do next.
 */
#ifndef BASE_OUTCOME_H
#define BASE_OUTCOME_H

enum outcome {
    OUTCOME_OK,
    OUTCOME_REFUSED,       /* the server refuses this JWT, or what was requested with it */
    OUTCOME_MISCONFIGURED, /* the request itself is wrong, whatever the JWT */
    OUTCOME_THROTTLED,
    OUTCOME_UNAVAILABLE, /* 5xx, timeout, reset, name resolution */
    OUTCOME_MALFORMED,   /* the answer is not one of such a server */
    OUTCOME_UNTRUSTED,   /* TLS: the server's identity could not be verified */
    OUTCOMES,
};

#endif
