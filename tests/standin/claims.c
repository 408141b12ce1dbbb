#include "standin/claims.h"

#include <string.h>
#include <time.h>

#include "standin/encoding.h"
#include "standin/memory.h"

#define LIFETIME_S 3600

static char *check(const struct claims_order *order)
{
    json_t *one;
    size_t i;

    if (order->pod && !json_is_string(order->pod) && !json_is_null(order->pod))
        return must_copy("pod is neither a string nor null");
    if (order->node && !json_is_string(order->node) && !json_is_null(order->node))
        return must_copy("node is neither a string nor null");
    if (order->changes && !json_is_object(order->changes))
        return must_copy("claims is not an object");
    if (!order->audience || json_is_string(order->audience))
        return NULL;
    if (!json_is_array(order->audience))
        return must_copy("audience is neither a string nor an array");
    json_array_foreach(order->audience, i, one)
    {
        if (!json_is_string(one))
            return must_copy("audience has something that is not a string");
    }
    if (order->has_string_audience && json_array_size(order->audience) != 1)
        return must_copy("only one audience can be a string");
    return NULL;
}

char *claims_order_read(json_t *json, struct claims_order *ret_order)
{
    struct claims_order order = {
        .namespace = "ci",
        .serviceaccount = "pulumi-runner",
        .lifetime_s = LIFETIME_S,
        .issued_at = time(NULL),
    };
    json_t *not_before = NULL;
    json_error_t error;
    int has_string_audience = 0;
    char *wrong;

    /* The fields at the end are read by the caller, and here only because all have to be known. */
    if (json_unpack_ex(json, &error, JSON_STRICT,
                       "{s?s, s?s, s?s, s?o, s?s, s?o, s?s, s?o, s?b, s?I, s?I, s?o, s?o,"
                       " s?o, s?o, s?o, s?o}",
                       "namespace", &order.namespace, "serviceaccount", &order.serviceaccount,
                       "serviceaccount_uid", &order.serviceaccount_uid, "pod", &order.pod,
                       "pod_uid", &order.pod_uid, "node", &order.node, "node_uid", &order.node_uid,
                       "audience", &order.audience, "audience_as_string", &has_string_audience,
                       "lifetime", &order.lifetime_s, "issued_at", &order.issued_at, "not_before",
                       &not_before, "claims", &order.changes, "alg", &(json_t *){NULL}, "sign",
                       &(json_t *){NULL}, "header", &(json_t *){NULL}, "count",
                       &(json_t *){NULL}) < 0)
        return must_copy(error.text);
    if (not_before && !json_is_integer(not_before))
        return must_copy("not_before is not an integer");
    order.not_before = not_before ? json_integer_value(not_before) : order.issued_at;
    order.has_string_audience = has_string_audience;
    wrong = check(&order);
    if (!wrong)
        *ret_order = order;
    return wrong;
}

/* Replaces the first %d in @name, which is never used as a format. */
static char *numbered(const char *name, size_t index)
{
    const char *at = strstr(name, "%d");

    return at ? must_print("%.*s%zu%s", (int)(at - name), name, index, at + 2) : must_copy(name);
}

/* {"name":...,"uid":...}, the uid being one that this @kind, @namespace and name always gets. */
static json_t *object_reference(const char *kind, const char *namespace, const char *name,
                                const char *uid)
{
    CLEANUP(freep)
    char *full = must_print("%s:%s%s%s", kind, namespace, *namespace ? ":" : "", name);
    char derived[UUID_BYTES];

    uuid_of_name(full, derived);
    return must(json_pack("{s:s, s:s}", "name", name, "uid", uid ? uid : derived));
}

static json_t *audience_claim(const struct claims_order *order)
{
    json_t *audience = order->audience;

    if (!audience)
        audience = json_pack(order->has_string_audience ? "s" : "[s]", "urn:pulumi:org:acme");
    else if (json_is_string(audience) != order->has_string_audience)
        audience = order->has_string_audience ? json_incref(json_array_get(audience, 0))
                                              : json_pack("[O]", audience);
    else
        json_incref(audience);
    return must(audience);
}

static json_t *kubernetes_claim(const struct claims_order *order, const char *serviceaccount,
                                size_t index)
{
    json_t *claim = must(json_pack("{s:s}", "namespace", order->namespace));
    const char *pod_name = order->pod ? json_string_value(order->pod) : "job-abc";
    const char *node =
        order->node ? json_string_value(order->node) : "ip-10-10-4-26.us-west-2.compute.internal";

    if (node)
        must_json(json_object_set_new(claim, "node",
                                      object_reference("node", "", node, order->node_uid)));
    if (pod_name) {
        CLEANUP(freep) char *pod = numbered(pod_name, index);

        must_json(json_object_set_new(
            claim, "pod", object_reference("pod", order->namespace, pod, order->pod_uid)));
    }
    must_json(json_object_set_new(
        claim, "serviceaccount",
        object_reference("sa", order->namespace, serviceaccount, order->serviceaccount_uid)));
    return claim;
}

json_t *claims_make(const struct claims_order *order, const char *issuer, size_t index)
{
    CLEANUP(freep) char *serviceaccount = numbered(order->serviceaccount, index);
    CLEANUP(freep)
    char *subject = must_print("system:serviceaccount:%s:%s", order->namespace, serviceaccount);
    char id[UUID_BYTES];
    json_t *claims;

    uuid_random(id);
    claims = must(json_pack("{s:o, s:I, s:I, s:s, s:s, s:o, s:I, s:s}", "aud",
                            audience_claim(order), "exp", order->issued_at + order->lifetime_s,
                            "iat", order->issued_at, "iss", issuer, "jti", id, "kubernetes.io",
                            kubernetes_claim(order, serviceaccount, index), "nbf",
                            order->not_before, "sub", subject));
    claims_change(claims, order->changes);
    return claims;
}

void claims_change(json_t *object, json_t *changes)
{
    const char *name;
    json_t *value;

    json_object_foreach(changes, name, value)
    {
        if (json_is_null(value))
            json_object_del(object, name);
        else
            must_json(json_object_set(object, name, value));
    }
}
