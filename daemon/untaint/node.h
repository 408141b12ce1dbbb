/* A node of Kubernetes as the API server describes it (core/v1), as far as its taints go. */
#ifndef UNTAINT_NODE_H
#define UNTAINT_NODE_H

#include <stddef.h>

#include "base/secret.h"

/*
 * Makes the patch (RFC 6902) that removes the first taint with this key, as long as it is still at
 * its place.
 *
 * @body:      the node as JSON.
 * @ret_patch: set if the result is 1; the caller frees it.
 *
 * Returns 1; 0: the node has no such taint; -EBADMSG: this is no node, or memory ran out; or
 * -ENOMEM.
 */
int node_patch(const void *body, size_t len, const char *key, struct secret **ret_patch);

#endif
