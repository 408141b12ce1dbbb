/*
 * The audit trail: one line for each answer, with its own fields in the journal. If a token turns
 * up somewhere, it can be traced to each pod that received it. Tokens appear by fingerprint only:
 * the first 64 bits of their SHA-256.
 *
 * A pod may cause 10 lines per second, after 50 at once; further ones are left out and counted. The
 * first line of each token that is handed out with a JWT for a service is always written.
 */
#ifndef OBSERVE_AUDIT_H
#define OBSERVE_AUDIT_H

#include "base/token_bucket.h"
#include "identity/identity.h"
#include "peer/peer.h"

#define AUDIT_TOKENS_MAX 16

struct audit_event {
    enum podlogin_status status;
    const char *service;             /* NULL: none */
    const struct peer *peer;         /* the client, as the kernel sees it */
    const struct identity *identity; /* NULL: not logged in; claims are logged if verified */
    const uint64_t *token;           /* the fingerprint; NULL: no token is handed out */
    const char *source;              /* "hit", "miss" or "stale"; NULL without a token */
    const char *attestation; /* what PeerAttestation=audit would have refused with; or NULL */
};

/* The audit trail of one pod; zeroed at first. */
struct audit_trail {
    struct token_bucket rate;
    uint64_t tokens[AUDIT_TOKENS_MAX]; /* hashes of what was handed out, the latest of them */
    unsigned next;                     /* the index in tokens to write to */
    unsigned n_left_out;               /* since the latest line */
};

/* Writes the line for an answer, or counts it as left out. */
void audit_answer(struct audit_trail *trail, const struct audit_event *event);

/* Ends a trail: logs how many lines were left out since the latest one, if any. */
void audit_end(struct audit_trail *trail);

#endif
