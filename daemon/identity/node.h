/*
 * Which node this is, and whether a token was issued for a pod of it: names of nodes and pods are
 * reused, their uids are not.
 *
 * The uid is the administrator's word (NodeUID=), or the one in the daemon's own projected token
 * (NodeTokenFile=), which is verified by the same code as every other token. It is learnt when the
 * configuration is loaded, when an issuer's keys come, and once a second until it is known. With
 * neither setting, tokens of all nodes are accepted. Kubernetes writes "kubernetes.io".node.uid
 * since 1.30.
 */
#ifndef NODE_H
#define NODE_H

#include "base/timer.h"
#include "identity/claims.h"

#define NODE_UID_MAX 128

struct identities;

struct own_node {
    bool is_expected;           /* NodeTokenFile= or NodeUID= is set */
    char uid[NODE_UID_MAX + 1]; /* "": not known */
    struct timer retry;
    char error[320]; /* why it could not be learnt, as it was logged */
};

/* The configuration of @identities has changed: begins to find out. */
void node_begin(struct identities *identities);

/* Tries to learn the uid, unless it is known; logs an error that is new. */
void node_learn(struct identities *identities);

void node_done(struct own_node *node);

/* Whether tokens have to name a node, and it is not known yet which. */
static inline bool node_is_unknown(const struct own_node *node)
{
    return node->is_expected && !node->uid[0];
}

/*
 * Returns PODLOGIN_OK, also if no node is expected; or PODLOGIN_TOKEN_WRONG_NODE, which
 * @ret_refusal explains. The node is not unknown.
 */
enum podlogin_status node_judge(const struct own_node *node, const struct claims *claims,
                                struct refusal *ret_refusal);

#endif
