/*
 * The audit trail: one line for each answer, with its own fields in the journal. If a token turns
 * up somewhere, it can be traced to each pod that received it. Tokens appear by fingerprint only:
 * the first 64 bits of their SHA-256.
 *
 * If a pod causes many lines, those that repeat the line before are left out and counted: same
 * status, service, JWT and token.
 */
#ifndef OBSERVE_AUDIT_H
#define OBSERVE_AUDIT_H

#include "base/token_bucket.h"
#include "identity/identity.h"
#include "peer/peer.h"

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
    uint64_t last;       /* a hash of the latest answer */
    unsigned n_left_out; /* since the latest line */
};

/* Writes the line for an answer, unless it repeats the one before and the rate is exceeded. */
void audit_answer(struct audit_trail *trail, const struct audit_event *event);

/* Ends a trail: logs how many lines were left out since the latest one, if any. */
void audit_end(struct audit_trail *trail);

#endif
