/* An identity that the caller keeps: who the daemon takes the caller for. */
#include "library/identity.h"

#include <stdlib.h>

#include "library/packed.h"

struct podlogin_identity {
    int64_t expires_at_s;
    const char *issuer, *subject, *namespace, *serviceaccount, *serviceaccount_uid, *pod, *pod_uid;
    const char *services[WIRE_LIST_MAX];
    unsigned n_services;
    char text[];
};

struct podlogin_identity *identity_new(const struct message_identity *message)
{
    const struct wire_bytes texts[] = {
        message->issuer,
        message->subject,
        message->namespace,
        message->serviceaccount,
        message->serviceaccount_uid,
        message->pod,
        message->pod_uid,
    };
    size_t size = sizeof(struct podlogin_identity) + packed_size(&message->services);
    struct podlogin_identity *identity;
    char *at;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        size += texts[i].len + 1;
    identity = calloc(1, size);
    if (!identity)
        return NULL;
    at = identity->text;
    identity->expires_at_s = (int64_t)message->expires_at_s;
    identity->issuer = packed_add(&at, message->issuer);
    identity->subject = packed_add(&at, message->subject);
    identity->namespace = packed_add(&at, message->namespace);
    identity->serviceaccount = packed_add(&at, message->serviceaccount);
    identity->serviceaccount_uid = packed_add(&at, message->serviceaccount_uid);
    identity->pod = packed_add(&at, message->pod);
    identity->pod_uid = packed_add(&at, message->pod_uid);
    for (; identity->n_services < message->services.n; identity->n_services++)
        identity->services[identity->n_services] =
            packed_add(&at, message->services.item[identity->n_services]);
    return identity;
}

int64_t podlogin_identity_expires_at(const struct podlogin_identity *identity)
{
    return identity->expires_at_s;
}

#define IDENTITY_TEXT(member)                                                                      \
    const char *podlogin_identity_##member(const struct podlogin_identity *identity)               \
    {                                                                                              \
        return identity->member;                                                                   \
    }

IDENTITY_TEXT(issuer)
IDENTITY_TEXT(subject)
IDENTITY_TEXT(namespace)
IDENTITY_TEXT(serviceaccount)
IDENTITY_TEXT(serviceaccount_uid)
IDENTITY_TEXT(pod)
IDENTITY_TEXT(pod_uid)

const char *podlogin_identity_service_at(const struct podlogin_identity *identity, unsigned index)
{
    return index < identity->n_services ? identity->services[index] : NULL;
}

void podlogin_identity_free(struct podlogin_identity *identity)
{
    free(identity);
}
