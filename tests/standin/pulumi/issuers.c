#include "standin/pulumi/issuers.h"

#include <ctype.h>
#include <string.h>

#include "standin/encoding.h"
#include "standin/memory.h"
#include "standin/pulumi/policy.h"
#include "standin/standin.h"

#define ISSUERS         "oidc/issuers"
#define POLICY_OF       "auth/policies/oidcissuers/"
#define POLICIES        "auth/policies/"
#define REGENERATE      "/regenerate-thumbprints"
#define THUMBPRINT_SIZE 64 /* characters */

struct org_call {
    struct standin *standin;
    const char *organization;
    const struct request *request;
    const json_t *in; /* the body; NULL if it is not a JSON object */
    struct reply *reply;
};

static bool is_method(const struct org_call *call, const char *method)
{
    return strcmp(call->request->method, method) == 0;
}

static const char *text(const json_t *object, const char *name)
{
    const char *value = json_string_value(json_object_get(object, name));

    return value ? value : "";
}

static json_t *time_new(time_t now)
{
    char buffer[32];
    struct tm tm;

    strftime(buffer, sizeof(buffer), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
    return must(json_string(buffer));
}

static bool is_thumbprint(const json_t *value)
{
    const char *hex = json_string_value(value);

    if (!hex || strlen(hex) != THUMBPRINT_SIZE)
        return false;
    for (size_t i = 0; i < THUMBPRINT_SIZE; i++)
        if (!isxdigit((unsigned char)hex[i]))
            return false;
    return true;
}

/* The stand-in knows the certificate of its own issuer only. */
static const char *thumbprint_of(struct standin *standin, const char *url)
{
    return strcmp(url, issuer_url(standin)) == 0 ? standin->pulumi.issuer_thumbprint : NULL;
}

/* Returns NULL, or what is wrong. One of them must be that of the issuer's certificate. */
static char *thumbprints_check(const json_t *thumbprints, const char *calculated)
{
    bool is_there = !calculated || json_array_size(thumbprints) == 0;
    const json_t *one;
    size_t i;

    if (!json_is_array(thumbprints))
        return must_copy("Bad Request: thumbprints is not a list");
    json_array_foreach(thumbprints, i, one)
    {
        if (!is_thumbprint(one))
            return must_copy("Bad Request: a thumbprint is not a SHA-256 in hexadecimal");
        if (calculated && strcmp(json_string_value(one), calculated) == 0)
            is_there = true;
    }
    if (is_there)
        return NULL;
    return must_print("Calculated thumbprint %s does not match any of the provided. Make sure it "
                      "is properly generated (SHA256).",
                      calculated);
}

static char *jwks_check(const json_t *jwks)
{
    const json_t *keys = json_object_get(jwks, "keys");

    if (json_array_size(keys) == 0)
        return must_copy("Bad Request: jwks has no keys");
    return trust_check(keys);
}

/* Returns NULL, or what is wrong with the body of a registration, or of a change of one. */
static char *body_check(const struct org_call *call, const char *url, bool is_new)
{
    json_t *thumbprints = NULL, *jwks = NULL;
    const char *name = "", *ignored;
    json_int_t expiration = 1;
    json_error_t error;

    if (json_unpack_ex((json_t *)call->in, &error, JSON_STRICT, "{s?s, s?s, s?o, s?I, s?o}", "name",
                       &name, "url", &ignored, "thumbprints", &thumbprints, "maxExpiration",
                       &expiration, "jwks", &jwks) < 0)
        return must_print("Bad Request: %s", error.text);
    if (!*name)
        return must_copy("Bad Request: the issuer name is required");
    if (is_new && strncmp(url, "https://", strlen("https://")) != 0)
        return must_copy("Bad Request: invalid issuer url");
    if (!is_new && *url)
        return must_copy("Bad Request: the issuer url cannot be changed");
    if (expiration <= 0)
        return must_copy("Bad Request: invalid max expiration");
    return jwks ? jwks_check(jwks) : NULL;
}

/* A change has no URL, but thumbprints are still those of the issuer. */
static char *certificate_check(const struct org_call *call, const char *url)
{
    const json_t *thumbprints = json_object_get(call->in, "thumbprints");

    return thumbprints ? thumbprints_check(thumbprints, thumbprint_of(call->standin, url)) : NULL;
}

/* Takes the settings of the body over. Static keys replace those that the issuer publishes. */
static void issuer_set(const struct org_call *call, json_t *issuer)
{
    static const char *const settings[] = {"name", "thumbprints", "maxExpiration", "jwks"};
    const json_t *jwks = json_object_get(call->in, "jwks");

    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        json_t *value = json_object_get(call->in, settings[i]);

        if (value)
            must_json(json_object_set_new(issuer, settings[i], json_deep_copy(value)));
    }
    must_json(json_object_set_new(issuer, "modified", time_new(time(NULL))));
    if (jwks)
        trust_put(&call->standin->trust, text(issuer, "url"), json_object_get(jwks, "keys"));
}

static json_t *uuid_new(void)
{
    char uuid[UUID_BYTES];

    uuid_random(uuid);
    return must(json_string(uuid));
}

/* What a new issuer has: it denies every exchange. */
static json_t *default_policy_new(void)
{
    return must(json_pack("{s:o, s:i, s:o, s:o, s:[{s:s, s:s, s:[], s:{}}]}", "id", uuid_new(),
                          "version", 1, "created", time_new(time(NULL)), "modified",
                          time_new(time(NULL)), "policies", "decision", "deny", "tokenType",
                          "organization", "authorizedPermissions", "rules"));
}

json_t *issuers_find(json_t *issuers, const char *organization, const char *url)
{
    const char *id;
    json_t *registration;

    json_object_foreach(issuers, id, registration)
    {
        if (strcmp(text(registration, "organization"), organization) == 0 &&
            strcmp(text(json_object_get(registration, "issuer"), "url"), url) == 0)
            return registration;
    }
    return NULL;
}

static void issuer_register(const struct org_call *call)
{
    const char *url = text(call->in, "url"), *thumbprint = thumbprint_of(call->standin, url);
    CLEANUP(freep) char *error = body_check(call, url, true);
    json_t *issuer, *registration;

    if (!error)
        error = certificate_check(call, url);
    if (error) {
        reply_error(call->reply, 400, error);
        return;
    }
    if (issuers_find(call->standin->pulumi.issuers, call->organization, url)) {
        reply_error(call->reply, 409, "Conflict: an issuer with this url is registered");
        return;
    }
    issuer = must(json_pack("{s:o, s:s, s:s, s:o}", "id", uuid_new(), "url", url, "issuer", url,
                            "created", time_new(time(NULL))));
    if (thumbprint)
        must_json(json_object_set_new(issuer, "thumbprints", json_pack("[s]", thumbprint)));
    issuer_set(call, issuer);
    registration = must(json_pack("{s:s, s:o, s:o}", "organization", call->organization, "issuer",
                                  issuer, "policy", default_policy_new()));
    must_json(json_object_set_new(call->standin->pulumi.issuers, text(issuer, "id"), registration));
    reply_json(call->reply, 200, json_incref(issuer));
}

static void issuers_list(const struct org_call *call)
{
    json_t *list = must(json_array()), *registration;
    const char *id;

    json_object_foreach(call->standin->pulumi.issuers, id, registration)
    {
        if (strcmp(text(registration, "organization"), call->organization) == 0)
            must_json(json_array_append(list, json_object_get(registration, "issuer")));
    }
    reply_json(call->reply, 200, must(json_pack("{s:o}", "oidcIssuers", list)));
}

static void issuer_change(const struct org_call *call, json_t *issuer)
{
    CLEANUP(freep) char *error = body_check(call, text(call->in, "url"), false);

    if (!error)
        error = certificate_check(call, text(issuer, "url"));
    if (error) {
        reply_error(call->reply, 400, error);
        return;
    }
    issuer_set(call, issuer);
    reply_json(call->reply, 200, json_incref(issuer));
}

static void thumbprints_regenerate(const struct org_call *call, json_t *issuer)
{
    const char *thumbprint = thumbprint_of(call->standin, text(issuer, "url"));

    if (json_object_get(issuer, "jwks")) {
        reply_error(call->reply, 400, "Bad Request: the issuer has static keys");
        return;
    }
    if (thumbprint)
        must_json(json_object_set_new(issuer, "thumbprints", json_pack("[s]", thumbprint)));
    reply_json(call->reply, 200, json_incref(issuer));
}

static void issuer_remove(const struct org_call *call, const json_t *issuer)
{
    trust_put(&call->standin->trust, text(issuer, "url"), NULL);
    json_object_del(call->standin->pulumi.issuers, text(issuer, "id"));
    reply_text(call->reply, 204, "application/json", must_copy(""));
}

void issuers_reset(struct standin *standin)
{
    json_t *registration;
    const char *id;

    json_object_foreach(standin->pulumi.issuers, id, registration)
        trust_put(&standin->trust, text(json_object_get(registration, "issuer"), "url"), NULL);
    json_object_clear(standin->pulumi.issuers);
}

/* Returns the registration with this id in the organization of the call, or NULL. */
static json_t *registration_find(const struct org_call *call, const char *id, size_t len)
{
    json_t *found = json_object_getn(call->standin->pulumi.issuers, id, len);

    return found && strcmp(text(found, "organization"), call->organization) == 0 ? found : NULL;
}

/* /oidc/issuers/ID and /oidc/issuers/ID/regenerate-thumbprints */
static void issuer_answer(const struct org_call *call, const char *path)
{
    size_t len = strcspn(path, "/");
    json_t *issuer = json_object_get(registration_find(call, path, len), "issuer");

    if (!issuer || (path[len] && strcmp(path + len, REGENERATE) != 0))
        reply_error(call->reply, 404, "Not Found: OIDC issuer not found");
    else if (path[len] && is_method(call, "POST"))
        thumbprints_regenerate(call, issuer);
    else if (!path[len] && is_method(call, "GET"))
        reply_json(call->reply, 200, json_incref(issuer));
    else if (!path[len] && is_method(call, "PATCH"))
        issuer_change(call, issuer);
    else if (!path[len] && is_method(call, "DELETE"))
        issuer_remove(call, issuer);
    else
        reply_error(call->reply, 405, "Method Not Allowed");
}

/* Replaces the list of policies as a whole. */
static void policy_change(const struct org_call *call, json_t *policy)
{
    const json_t *policies = json_object_get(call->in, "policies");
    CLEANUP(freep) char *error = NULL;

    if (json_array_size(policies) == 0 || json_object_size(call->in) != 1)
        error = must_copy("policy definition can not be empty");
    else
        error = policies_check_strictly(policies);
    if (error) {
        reply_error(call->reply, 400, error);
        return;
    }
    must_json(json_object_set_new(policy, "policies", json_deep_copy(policies)));
    must_json(json_object_set_new(
        policy, "version",
        json_integer(json_integer_value(json_object_get(policy, "version")) + 1)));
    must_json(json_object_set_new(policy, "modified", time_new(time(NULL))));
    reply_json(call->reply, 200, json_incref(policy));
}

static json_t *policy_find(const struct org_call *call, const char *id)
{
    json_t *registration;
    const char *key;

    json_object_foreach(call->standin->pulumi.issuers, key, registration)
    {
        json_t *policy = json_object_get(registration, "policy");

        if (strcmp(text(registration, "organization"), call->organization) == 0 &&
            strcmp(text(policy, "id"), id) == 0)
            return policy;
    }
    return NULL;
}

static void policy_answer(const struct org_call *call, const char *path)
{
    bool is_by_issuer = strncmp(path, POLICY_OF, strlen(POLICY_OF)) == 0;
    const char *issuer_id = path + strlen(POLICY_OF);
    json_t *policy =
        is_by_issuer
            ? json_object_get(registration_find(call, issuer_id, strlen(issuer_id)), "policy")
            : policy_find(call, path + strlen(POLICIES));

    if (!policy)
        reply_error(call->reply, 404, "Not Found: auth policy not found");
    else if (is_by_issuer && is_method(call, "GET"))
        reply_json(call->reply, 200, json_incref(policy));
    else if (!is_by_issuer && is_method(call, "PATCH"))
        policy_change(call, policy);
    else
        reply_error(call->reply, 405, "Method Not Allowed");
}

void issuers_answer(struct standin *standin, const char *organization, const char *path,
                    bool is_admin, const struct request *request, struct reply *reply)
{
    CLEANUP(json_decrefp)
    json_t *in = json_loadb(request->body, request->body_bytes, JSON_REJECT_DUPLICATES, NULL);
    struct org_call call = {standin, organization, request, json_is_object(in) ? in : NULL, reply};

    if (!is_admin)
        reply_error(reply, 403, "Forbidden: you are not an administrator of the organization");
    else if ((is_method(&call, "POST") || is_method(&call, "PATCH")) && !call.in &&
             !strstr(path, REGENERATE))
        reply_error(reply, 400, "Bad Request: invalid request body");
    else if (strcmp(path, ISSUERS) == 0 && is_method(&call, "GET"))
        issuers_list(&call);
    else if (strcmp(path, ISSUERS) == 0 && is_method(&call, "POST"))
        issuer_register(&call);
    else if (strncmp(path, ISSUERS "/", sizeof(ISSUERS)) == 0)
        issuer_answer(&call, path + sizeof(ISSUERS));
    else if (strncmp(path, POLICIES, strlen(POLICIES)) == 0)
        policy_answer(&call, path);
    else
        reply_error(reply, 404, "Not Found");
}

const json_t *issuer_policies(const json_t *registration)
{
    return json_object_get(json_object_get(registration, "policy"), "policies");
}

json_int_t issuer_expiration_max(const json_t *registration)
{
    const json_t *max = json_object_get(json_object_get(registration, "issuer"), "maxExpiration");

    return max ? json_integer_value(max) : ISSUER_EXPIRATION_S;
}

void issuer_used(json_t *registration, time_t now)
{
    must_json(
        json_object_set_new(json_object_get(registration, "issuer"), "lastUsed", time_new(now)));
}
