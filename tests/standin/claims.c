#include "standin/claims.h"

#include <string.h>
#include <time.h>

#include "standin/encoding.h"
#include "standin/memory.h"

#define LIFETIME_S 3600

static char *claims_spec_check(const struct claims_spec *spec)
{
    json_t *one;
    size_t i;

    if (spec->pod && !json_is_string(spec->pod) && !json_is_null(spec->pod))
        return must_copy("pod is neither a string nor null");
    if (spec->node && !json_is_string(spec->node) && !json_is_null(spec->node))
        return must_copy("node is neither a string nor null");
    if (spec->changes && !json_is_object(spec->changes))
        return must_copy("claims is not an object");
    if (!spec->audience || json_is_string(spec->audience))
        return NULL;
    if (!json_is_array(spec->audience))
        return must_copy("audience is neither a string nor an array");
    json_array_foreach(spec->audience, i, one)
    {
        if (!json_is_string(one))
            return must_copy("audience has something that is not a string");
    }
    if (spec->has_string_audience && json_array_size(spec->audience) != 1)
        return must_copy("only one audience can be a string");
    return NULL;
}

char *claims_spec_read(json_t *json, struct claims_spec *ret_spec)
{
    struct claims_spec spec = {
        .namespace = "ci",
        .serviceaccount = "pulumi-runner",
        .lifetime_s = LIFETIME_S,
        .issued_at = time(NULL),
    };
    json_t *not_before = NULL;
    json_error_t json_error;
    int has_string_audience = 0;
    char *error;

    /* The caller reads the last four fields. JSON_STRICT needs them here, too. */
    if (json_unpack_ex(json, &json_error, JSON_STRICT,
                       "{s?s, s?s, s?s, s?o, s?s, s?o, s?s, s?o, s?b, s?I, s?I, s?o, s?o,"
                       " s?o, s?o, s?o, s?o}",
                       "namespace", &spec.namespace, "serviceaccount", &spec.serviceaccount,
                       "serviceaccount_uid", &spec.serviceaccount_uid, "pod", &spec.pod, "pod_uid",
                       &spec.pod_uid, "node", &spec.node, "node_uid", &spec.node_uid, "audience",
                       &spec.audience, "audience_as_string", &has_string_audience, "lifetime",
                       &spec.lifetime_s, "issued_at", &spec.issued_at, "not_before", &not_before,
                       "claims", &spec.changes, "alg", &(json_t *){NULL}, "sign", &(json_t *){NULL},
                       "header", &(json_t *){NULL}, "count", &(json_t *){NULL}) < 0)
        return must_copy(json_error.text);
    if (not_before && !json_is_integer(not_before))
        return must_copy("not_before is not an integer");
    spec.not_before = not_before ? json_integer_value(not_before) : spec.issued_at;
    spec.has_string_audience = has_string_audience;
    error = claims_spec_check(&spec);
    if (!error)
        *ret_spec = spec;
    return error;
}

/* Replaces the first %d in @name by @index. @name is not a format: it comes from the client. */
static char *name_number(const char *name, size_t index)
{
    const char *at = strstr(name, "%d");

    return at ? must_print("%.*s%zu%s", (int)(at - name), name, index, at + 2) : must_copy(name);
}

/* {"name":...,"uid":...}. Without @uid, the same kind, namespace and name give the same uid. */
static json_t *reference_new(const char *kind, const char *namespace, const char *name,
                             const char *uid)
{
    CLEANUP(freep)
    char *full = must_print("%s:%s%s%s", kind, namespace, *namespace ? ":" : "", name);
    char derived[UUID_BYTES];

    uuid_of_name(full, derived);
    return must(json_pack("{s:s, s:s}", "name", name, "uid", uid ? uid : derived));
}

static json_t *audience_claim_new(const struct claims_spec *spec)
{
    json_t *audience = spec->audience;

    if (!audience)
        audience = json_pack(spec->has_string_audience ? "s" : "[s]", "urn:pulumi:org:acme");
    else if (json_is_string(audience) != spec->has_string_audience)
        audience = spec->has_string_audience ? json_incref(json_array_get(audience, 0))
                                             : json_pack("[O]", audience);
    else
        json_incref(audience);
    return must(audience);
}

static json_t *kubernetes_claim_new(const struct claims_spec *spec, const char *serviceaccount,
                                    size_t index)
{
    json_t *claim = must(json_pack("{s:s}", "namespace", spec->namespace));
    const char *pod_name = spec->pod ? json_string_value(spec->pod) : "job-abc";
    const char *node =
        spec->node ? json_string_value(spec->node) : "ip-10-10-4-26.us-west-2.compute.internal";

    if (node)
        must_json(
            json_object_set_new(claim, "node", reference_new("node", "", node, spec->node_uid)));
    if (pod_name) {
        CLEANUP(freep) char *pod = name_number(pod_name, index);

        must_json(json_object_set_new(claim, "pod",
                                      reference_new("pod", spec->namespace, pod, spec->pod_uid)));
    }
    must_json(json_object_set_new(
        claim, "serviceaccount",
        reference_new("sa", spec->namespace, serviceaccount, spec->serviceaccount_uid)));
    return claim;
}

json_t *claims_make(const struct claims_spec *spec, const char *issuer, size_t index)
{
    CLEANUP(freep) char *serviceaccount = name_number(spec->serviceaccount, index);
    CLEANUP(freep)
    char *subject = must_print("system:serviceaccount:%s:%s", spec->namespace, serviceaccount);
    char id[UUID_BYTES];
    json_t *claims;

    uuid_random(id);
    claims = must(json_pack("{s:o, s:I, s:I, s:s, s:s, s:o, s:I, s:s}", "aud",
                            audience_claim_new(spec), "exp", spec->issued_at + spec->lifetime_s,
                            "iat", spec->issued_at, "iss", issuer, "jti", id, "kubernetes.io",
                            kubernetes_claim_new(spec, serviceaccount, index), "nbf",
                            spec->not_before, "sub", subject));
    claims_change(claims, spec->changes);
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
