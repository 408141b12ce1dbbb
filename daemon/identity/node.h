/*
 * Which node this is, and whether a token was issued for a pod on it. Nodes are compared by uid,
 * because names of nodes and pods are reused.
 *
 * The uid comes from NodeUID=, or from the daemon's own projected token (NodeTokenFile=), which is
 * verified like every other token. The token is read when the configuration is loaded, when an
 * issuer gets new keys, and once a second until the uid is known. If neither is set, tokens of all
 * nodes are accepted. Kubernetes writes "kubernetes.io".node.uid since 1.30.
 */
#ifndef IDENTITY_NODE_H
#define IDENTITY_NODE_H

#include "base/timer.h"
#include "identity/claims.h"

#define NODE_UID_MAX 128

struct identities;

struct own_node {
    bool is_expected;           /* NodeTokenFile= or NodeUID= is set */
    char uid[NODE_UID_MAX + 1]; /* "": not known yet */
    struct timer retry;
    char error[320]; /* the latest error that was logged; "": none */
};

/* Starts over after the configuration of @identities has changed. */
void node_begin(struct identities *identities);

/* Tries to learn the uid, unless it is known. Logs an error that differs from the one before. */
void node_learn(struct identities *identities);

void node_done(struct own_node *node);

/* Returns whether tokens must name a node whose uid is not known yet. */
static inline bool node_is_unknown(const struct own_node *node)
{
    return node->is_expected && !node->uid[0];
}

/*
 * Checks that @claims name this node. node_is_unknown() is false.
 *
 * Returns PODLOGIN_OK, also if no node is expected; or PODLOGIN_TOKEN_WRONG_NODE, with the reason
 * in @ret_refusal.
 */
enum podlogin_status node_judge(const struct own_node *node, const struct claims *claims,
                                struct refusal *ret_refusal);

#endif
