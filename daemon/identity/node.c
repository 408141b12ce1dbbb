/* Learning the uid of this node, and comparing tokens with it. */
#include "identity/node.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "config/config.h"
#include "identity/identity.h"
#include "identity/token_file.h"
#include "protocol/status.h"

#define RETRY_USEC SECOND_USEC

enum podlogin_status node_judge(const struct own_node *node, const struct claims *claims,
                                struct refusal *ret_refusal)
{
    if (!node->is_expected || (claims->node_uid && strcmp(claims->node_uid, node->uid) == 0))
        return PODLOGIN_OK;
    if (claims->node_uid)
        return refusal_set(ret_refusal, PODLOGIN_TOKEN_WRONG_NODE,
                           "the token is for node %.80s; this is node %s", claims->node_uid,
                           node->uid);
    return refusal_set(ret_refusal, PODLOGIN_TOKEN_WRONG_NODE,
                       "the token names no node: it is not bound to a pod, or Kubernetes is older "
                       "than 1.30");
}

/* The daemon's own token may have any audience and name any node: it tells which node this is. */
static enum podlogin_status judge_own(struct identities *identities, struct identity *own,
                                      struct refusal *ret_refusal)
{
    if (!identity_issuer(identities, own))
        return refusal_set_status(ret_refusal, PODLOGIN_TOKEN_UNTRUSTED_ISSUER);
    if (identity_verify(identities, own, NEWER_KEYS_NONE, ret_refusal) != IDENTITY_VERIFIED)
        return ret_refusal->status;
    return identity_judge_time(identities, own, clock_now(), ret_refusal);
}

static bool keys_are_under_way(const struct identity *own)
{
    return own && own->issuer && own->issuer->job.state != JOB_IDLE;
}

/* Returns false with the reason in ret_error, which is empty while keys are being fetched. */
static bool learn(struct identities *identities, char *ret_error, size_t size)
{
    struct own_node *node = &identities->node;
    CLEANUP(secret_freep)
    struct secret *jwt = NULL;
    int r = token_file_read(identities->config->node_token_file, &jwt);
    CLEANUP(identity_unrefp)
    struct identity *own = NULL;
    struct refusal refusal = {0};
    enum podlogin_status status;

    if (r < 0) {
        snprintf(ret_error, size, "%s", file_strerror(r));
        return false;
    }
    status = identities_find(identities, jwt->bytes, jwt->len, &own, &refusal);
    if (status == PODLOGIN_OK)
        status = judge_own(identities, own, &refusal);
    *ret_error = '\0';
    if (status == PODLOGIN_ISSUER_UNAVAILABLE && keys_are_under_way(own))
        return false;
    if (status != PODLOGIN_OK) {
        snprintf(ret_error, size, "%s",
                 refusal.detail[0] ? refusal.detail : status_info(status)->sentence);
        return false;
    }
    if (!own->claims.node_uid || strlen(own->claims.node_uid) > NODE_UID_MAX) {
        snprintf(ret_error, size,
                 "the token names no node; use the token of a pod, with Kubernetes 1.30 or later, "
                 "or set NodeUID=");
        return false;
    }
    strcpy(node->uid, own->claims.node_uid);
    return true;
}

static void on_retry(struct timer *timer)
{
    node_learn(container_of(timer, struct identities, node.retry));
}

void node_learn(struct identities *identities)
{
    struct own_node *node = &identities->node;
    char error[sizeof(node->error)];

    /* during a reload, keys may arrive although the new configuration has no such file */
    if (!node_is_unknown(node) || !identities->config->node_token_file)
        return;
    if (learn(identities, error, sizeof(error))) {
        log_notice("the uid of this node is %s", node->uid);
        timer_unset(&node->retry);
        return;
    }
    if (error[0] && strcmp(error, node->error) != 0) {
        log_error("cannot learn the node's uid from NodeTokenFile=%s: %s",
                  identities->config->node_token_file, error);
        strcpy(node->error, error);
    }
    loop_timer(identities->loop, &node->retry, RETRY_USEC, on_retry);
}

void node_begin(struct identities *identities)
{
    const struct config *config = identities->config;
    struct own_node *node = &identities->node;

    node_done(node);
    *node = (struct own_node){.is_expected = config->node_token_file || config->node_uid};
    if (config->node_uid)
        snprintf(node->uid, sizeof(node->uid), "%s", config->node_uid);
    node_learn(identities);
}

void node_done(struct own_node *node)
{
    timer_unset(&node->retry);
}
