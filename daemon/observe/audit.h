/*
 * The audit trail: a line for each answer, with fields of its own in the journal, so that a token
 * that turns up somewhere can be traced to each pod that got it. Tokens appear by fingerprint only:
 * the first 64 bits of their SHA-256.
 *
 * Where a pod causes many lines, one that says what the one before said is left out, and counted.
 */
#ifndef AUDIT_H
#define AUDIT_H

#include "base/token_bucket.h"
#include "identity/identity.h"
#include "peer/peer.h"

struct audit_event {
    enum podlogin_status status;
    const char *service;             /* NULL: none */
    const struct peer *peer;         /* what the kernel says */
    const struct identity *identity; /* NULL: not logged in; believed if it is verified */
    const uint64_t *token;           /* its fingerprint; NULL: none is handed out */
    const char *source;              /* "hit", "miss" or "stale", with a token */
    const char *attestation;         /* the refusal that PeerAttestation=audit forgoes; or NULL */
};

/* One pod's; zeroed at first. */
struct audit_trail {
    struct token_bucket rate;
    uint64_t last; /* what the latest line said */
    unsigned n_left_out;
};

void audit_answer(struct audit_trail *trail, const struct audit_event *event);

/* The pod has gone: says how many were left out, if some were. */
void audit_end(struct audit_trail *trail);

#endif
