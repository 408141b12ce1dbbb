/* The fields of an audit line, and which lines are left out. */
#include "observe/audit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "protocol/status.h"

static const struct rate_limit lines = {.per_s = 10, .burst = 50};

/* FNV-1a. A collision leaves out one line that should have been written, which helps nobody. */
static uint64_t mix(uint64_t hash, const void *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ ((const uint8_t *)bytes)[i]) * UINT64_C(0x100000001b3);
    return hash;
}

/* A hash of what makes two answers alike: status, service, JWT and token. */
static uint64_t essence(const struct audit_event *event)
{
    uint64_t hash = mix(UINT64_C(0xcbf29ce484222325), &event->status, sizeof(event->status));

    if (event->service)
        hash = mix(hash, event->service, strlen(event->service));
    if (event->identity)
        hash = mix(hash, &event->identity->node.key, 8);
    if (event->token)
        hash = mix(hash, event->token, sizeof(*event->token));
    return hash;
}

/* Returns whether to write the line. */
static bool take(struct audit_trail *trail, const struct audit_event *event)
{
    uint64_t said = essence(event);
    bool is_news = said != trail->last;
    bool has_room = token_bucket_try(&trail->rate, &lines, clock_boot_usec()) == 0;

    trail->last = said;
    if (!is_news && !has_room)
        trail->n_left_out++;
    return is_news || has_room;
}

void audit_answer(struct audit_trail *trail, const struct audit_event *event)
{
    const struct identity *identity = event->identity;
    const struct claims *claims = identity && identity->key ? &identity->claims : NULL;
    const struct peer *peer = event->peer;
    char token[17] = "", jwt[17] = "", pid[16], uid[16], left_out[16];

    if (!take(trail, event))
        return;
    if (event->token)
        snprintf(token, sizeof(token), "%016" PRIx64, *event->token);
    if (identity)
        digest_hex(&identity->node.key, 8, jwt);
    snprintf(pid, sizeof(pid), "%d", (int)peer->pid);
    snprintf(uid, sizeof(uid), "%u", (unsigned)peer->uid);
    snprintf(left_out, sizeof(left_out), "%u", trail->n_left_out);

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
        {"PODLOGIN_PEER_PID", "peer_pid", pid},
        {"PODLOGIN_PEER_UID", "peer_uid", uid},
        {"PODLOGIN_ATTESTATION", "attestation", event->attestation},
        {"PODLOGIN_TOKEN", "token", event->token ? token : NULL},
        {"PODLOGIN_JWT", "jwt", identity ? jwt : NULL},
        {"PODLOGIN_LEFT_OUT", "left_out", trail->n_left_out ? left_out : NULL},
    };

    log_fields(LOG_INFO, "answer", fields, sizeof(fields) / sizeof(fields[0]));
    trail->n_left_out = 0;
}

void audit_end(struct audit_trail *trail)
{
    if (trail->n_left_out)
        log_info("%u audit lines of a pod that is gone were left out; they repeated its last one",
                 trail->n_left_out);
    trail->n_left_out = 0;
}
