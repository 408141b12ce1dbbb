/*
 * Which node this is, and whether a token was issued for a pod of it: names of nodes and of pods
 * are used again, their uids are not.
 *
 * The uid is the administrator's word (NodeUID=), or the one in the daemon's own projected token
 * (NodeTokenFile=), which is verified by the same code as everybody's. Where neither is set, tokens
 * of all nodes are taken. Kubernetes writes "kubernetes.io".node.uid since 1.30.
 */
#ifndef NODE_H
#define NODE_H

#include "base/clock.h"
#include "config/config.h"
#include "identity/claims.h"

#define NODE_UID_MAX 128

struct identities;

struct own_node {
    const char *token_file; /* NULL: none; the configuration's */
    char uid[NODE_UID_MAX + 1];
    uint64_t tried_usec; /* the latest attempt to learn it; 0: none */
    char error[320];     /* why it failed */
};

/* @config outlives @node, or is followed by another. */
void node_init(struct own_node *node, const struct config *config);

/* Whether node_learn() is still to succeed. */
bool node_is_unknown(const struct own_node *node);

/*
 * Reads and verifies the daemon's own token, once a second at most. PODLOGIN_OK, or
 * PODLOGIN_INTERNAL with a reason.
 */
enum podlogin_status node_learn(struct identities *identities, struct now now,
                                const char **ret_reason);

/* PODLOGIN_OK, also where no node is to be told, or PODLOGIN_TOKEN_WRONG_NODE. */
enum podlogin_status node_judge(const struct own_node *node, const struct claims *claims,
                                const char **ret_reason);

#endif
