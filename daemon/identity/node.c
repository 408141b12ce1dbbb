#include "identity/node.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "identity/identity.h"
#include "identity/token_file.h"
#include "protocol/status.h"

#define LEARN_EVERY_USEC SECOND_USEC

void node_init(struct own_node *node, const struct config *config)
{
    *node = (struct own_node){.token_file = config->node_token_file};
    if (config->node_uid)
        snprintf(node->uid, sizeof(node->uid), "%s", config->node_uid);
}

bool node_is_unknown(const struct own_node *node)
{
    return node->token_file && !node->uid[0];
}

enum podlogin_status node_judge(const struct own_node *node, const struct claims *claims,
                                const char **ret_reason)
{
    *ret_reason = NULL;
    if (!node->uid[0] || (claims->node_uid && strcmp(claims->node_uid, node->uid) == 0))
        return PODLOGIN_OK;
    if (!claims->node_uid)
        *ret_reason = "it names no node, as tokens of Kubernetes before 1.30 and of no pod";
    return PODLOGIN_TOKEN_WRONG_NODE;
}

/* NULL, or what is wrong */
static const char *learn(struct identities *identities, struct now now)
{
    struct own_node *node = &identities->node;
    CLEANUP(secret_freep)
    struct secret *jwt = token_file_read(node->token_file);
    CLEANUP(identity_unrefp)
    struct identity *own = NULL;
    const struct presentation presentation = {.now = now, .is_our_own = true};
    enum podlogin_status status;
    const char *reason;

    if (!jwt)
        return strerror(errno);
    status = identities_find(identities, jwt->bytes, jwt->len, &own, &reason);
    if (status == PODLOGIN_OK)
        identity_judge(identities, own, &presentation, &status, &reason);
    if (status == PODLOGIN_ISSUER_UNAVAILABLE)
        identities->node.tried_usec = 0; /* the keys may come at any time */
    if (status != PODLOGIN_OK)
        return reason ? reason : status_info(status)->sentence;
    if (!own->claims.node_uid || strlen(own->claims.node_uid) > NODE_UID_MAX)
        return "the token names no node: Kubernetes 1.30 or later, and a token of a pod, say "
               "NodeUID=";
    strcpy(node->uid, own->claims.node_uid);
    return NULL;
}

enum podlogin_status node_learn(struct identities *identities, struct now now,
                                const char **ret_reason)
{
    struct own_node *node = &identities->node;
    const char *error;

    *ret_reason = "the daemon does not know yet what node this is; its log says why";
    if (node->tried_usec && now.boot_usec - node->tried_usec < LEARN_EVERY_USEC)
        return PODLOGIN_INTERNAL;
    node->tried_usec = now.boot_usec;
    error = learn(identities, now);
    if (error) {
        if (strcmp(error, node->error) != 0)
            log_error("NodeTokenFile=%s does not tell what node this is: %s", node->token_file,
                      error);
        snprintf(node->error, sizeof(node->error), "%s", error);
        return PODLOGIN_INTERNAL;
    }
    log_notice("this is the node with the uid %s", node->uid);
    return PODLOGIN_OK;
}
