/* The fields of an audit line, and which lines are left out. */
#include "observe/audit.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "protocol/status.h"
#include "text/text.h"

static const struct rate_limit lines = {.per_s = 10, .burst = 50};

/* FNV-1a */
static uint64_t mix(uint64_t hash, const void *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ ((const uint8_t *)bytes)[i]) * UINT64_C(0x100000001b3);
    return hash;
}

/* A hash of what is handed out: service, JWT and token, and whether the peer is attested. */
static uint64_t essence(const struct audit_event *event)
{
    const char *attestation = event->attestation ? event->attestation : "";
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    assert(event->service && event->identity);
    hash = mix(hash, event->service, strlen(event->service));
    hash = mix(hash, &event->identity->digest, 8);
    hash = mix(hash, event->token, sizeof(*event->token));
    return mix(hash, attestation, strlen(attestation));
}

/* Returns whether the token is handed out for the first time, as far as the trail remembers. */
static bool is_first(struct audit_trail *trail, const struct audit_event *event)
{
    uint64_t said;

    if (!event->token)
        return false;
    said = essence(event);
    for (size_t i = 0; i < AUDIT_TOKENS_MAX; i++)
        if (trail->tokens[i] == said)
            return false;
    trail->tokens[trail->next++ % AUDIT_TOKENS_MAX] = said;
    return true;
}

/* Returns whether to write the line. */
static bool take(struct audit_trail *trail, const struct audit_event *event)
{
    bool has_room = token_bucket_try(&trail->rate, &lines, clock_boot_usec()) == 0;

    if (is_first(trail, event) || has_room)
        return true;
    trail->n_left_out++;
    return false;
}

void audit_answer(struct audit_trail *trail, const struct audit_event *event)
{
    const struct identity *identity = event->identity;
    const struct claims *claims = identity && identity->key ? &identity->claims : NULL;
    const struct peer *peer = event->peer;
    char token[17] = "", jwt[17] = "";
    char pid[NUMBER_SIZE], uid[NUMBER_SIZE], left_out[NUMBER_SIZE];

    if (!take(trail, event))
        return;
    if (event->token)
        snprintf(token, sizeof(token), "%016" PRIx64, *event->token);
    if (identity)
        digest_hex(&identity->digest, 8, jwt);

    const struct log_field fields[] = {
        {"PODLOGIN_RESULT", "result", status_info(event->status)->name},
        {"PODLOGIN_SERVICE", "service", event->service},
        {"PODLOGIN_SOURCE", "source", event->source},
        {"PODLOGIN_NAMESPACE", "namespace", claims ? claims->namespace : NULL},
        {"PODLOGIN_SERVICEACCOUNT", "serviceaccount", claims ? claims->serviceaccount : NULL},
        {"PODLOGIN_POD", "pod", claims ? claims->pod : NULL},
        {"PODLOGIN_POD_UID", "pod_uid", claims ? claims->pod_uid : NULL},
        {"PODLOGIN_PEER_POD_UID", "peer_pod_uid",
         peer->state == PEER_IN_POD ? peer->pod_uid : NULL},
        {"PODLOGIN_PEER_PID", "peer_pid", number_text((uint64_t)peer->pid, pid)},
        {"PODLOGIN_PEER_UID", "peer_uid", number_text(peer->uid, uid)},
        {"PODLOGIN_ATTESTATION", "attestation", event->attestation},
        {"PODLOGIN_TOKEN", "token", event->token ? token : NULL},
        {"PODLOGIN_JWT", "jwt", identity ? jwt : NULL},
        {"PODLOGIN_LEFT_OUT", "left_out",
         trail->n_left_out ? number_text(trail->n_left_out, left_out) : NULL},
    };

    log_fields(LOG_INFO, "answer", fields, sizeof(fields) / sizeof(fields[0]));
    trail->n_left_out = 0;
}

void audit_end(struct audit_trail *trail)
{
    if (trail->n_left_out)
        log_info("%u audit lines of a pod that is gone were left out; it caused too many",
                 trail->n_left_out);
    trail->n_left_out = 0;
}
