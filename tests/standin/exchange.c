#include "standin/exchange.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "standin/form.h"
#include "standin/memory.h"
#include "standin/policy.h"
#include "standin/standin.h"
#include "standin/subject.h"

#define GRANT_TYPE        "urn:ietf:params:oauth:grant-type:token-exchange"
#define SUBJECT_TYPE      "urn:ietf:params:oauth:token-type:id_token"
#define TOKEN_TYPE_PREFIX "urn:pulumi:token-type:access_token:"
#define AUDIENCE_PREFIX   "urn:pulumi:org:"

#define EXPIRATION_DEFAULT_S 7200

static const struct {
    const char *token_type;
    const char *scope_prefix; /* NULL: an organization's scope has no target */
} scopes[] = {
    {"organization", NULL},
    {"team", "team:"},
    {"personal", "user:"},
    {"runner", "runner:"},
};

/* A request that was understood. The strings belong to its fields. */
struct exchange {
    const char *requested_type; /* the URN */
    const char *organization;
    const char *scope;
    const char *subject_token;
    json_int_t expires_in_s;
    struct policy_question question;
};

struct refusal {
    unsigned status;
    const char *error; /* NULL: there is none */
    const char *description;
};

static const struct refusal no_refusal;

static struct refusal refuse(unsigned status, const char *error, const char *description)
{
    return (struct refusal){status, error, description};
}

static struct refusal bad_request(const char *description)
{
    return refuse(400, "invalid_request", description);
}

static bool is_media_type(const char *content_type, const char *expected)
{
    size_t len = strlen(expected);

    if (strncasecmp(content_type, expected, len) != 0)
        return false;
    content_type += len + strspn(content_type + len, " \t");
    return *content_type == ';' || *content_type == '\0'; /* parameters do not matter here */
}

json_t *exchange_fields(const char *content_type, const char *body, size_t len)
{
    json_t *fields;

    if (!content_type)
        return NULL;
    if (is_media_type(content_type, "application/x-www-form-urlencoded"))
        return form_parse(body, len);
    if (!is_media_type(content_type, "application/json"))
        return NULL;
    fields = json_loadb(body, len, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(fields)) {
        json_decref(fields);
        return NULL;
    }
    return fields;
}

static const char *field(const json_t *fields, const char *name)
{
    return json_string_value(json_object_get(fields, name));
}

static bool field_is(const json_t *fields, const char *name, const char *expected)
{
    const char *value = field(fields, name);

    return value && strcmp(value, expected) == 0;
}

static bool is_organization(struct standin *standin, const char *name)
{
    bool is_known = false;
    json_t *known;
    size_t i;

    pthread_mutex_lock(&standin->lock);
    json_array_foreach(standin->pulumi.organizations, i, known)
    {
        if (strcmp(json_string_value(known), name) == 0)
            is_known = true;
    }
    pthread_mutex_unlock(&standin->lock);
    return is_known;
}

static struct refusal read_scope(const char *prefix, struct exchange *exchange)
{
    if (!prefix) {
        exchange->question.wants_admin = strcmp(exchange->scope, "admin") == 0;
        if (exchange->scope[0] != '\0' && !exchange->question.wants_admin)
            return refuse(400, "invalid_scope", "an organization's scope is empty or admin");
        return no_refusal;
    }
    if (strncmp(exchange->scope, prefix, strlen(prefix)) != 0 ||
        exchange->scope[strlen(prefix)] == '\0')
        return refuse(400, "invalid_scope", "the scope does not fit the requested token type");
    exchange->question.target = exchange->scope + strlen(prefix);
    return no_refusal;
}

/* In a form it is a decimal string, in JSON a number; anything but a positive integer is refused.
 */
static struct refusal read_expiration(const json_t *fields, struct exchange *exchange)
{
    const json_t *value = json_object_get(fields, "expiration");
    const char *text = json_string_value(value);
    char *end = NULL;

    exchange->expires_in_s = EXPIRATION_DEFAULT_S;
    if (!value)
        return no_refusal;
    if (text) {
        errno = 0;
        exchange->expires_in_s = strtoll(text, &end, 10);
        if (errno != 0 || *text < '0' || *text > '9' || *end != '\0')
            return bad_request("expiration is not a number");
    } else if (json_is_integer(value)) {
        exchange->expires_in_s = json_integer_value(value);
    } else {
        return bad_request("expiration is not an integer");
    }
    if (exchange->expires_in_s <= 0)
        return bad_request("expiration is not positive");
    return no_refusal;
}

static struct refusal read_types(struct standin *standin, const json_t *fields,
                                 struct exchange *exchange, size_t *ret_type)
{
    const char *requested = field(fields, "requested_token_type");
    const char *audience = field(fields, "audience");
    size_t i = 0;

    if (!field(fields, "grant_type"))
        return bad_request("grant_type is missing");
    if (!field_is(fields, "grant_type", GRANT_TYPE))
        return refuse(400, "unsupported_grant_type", "the grant type is not token exchange");
    if (!field_is(fields, "subject_token_type", SUBJECT_TYPE))
        return bad_request("the subject token type is not id_token");
    if (!requested || strncmp(requested, TOKEN_TYPE_PREFIX, strlen(TOKEN_TYPE_PREFIX)) != 0)
        return bad_request("unsupported requested token type");
    while (i < 4 && strcmp(requested + strlen(TOKEN_TYPE_PREFIX), scopes[i].token_type) != 0)
        i++;
    if (i == 4)
        return bad_request("unsupported requested token type");
    if (!audience || strncmp(audience, AUDIENCE_PREFIX, strlen(AUDIENCE_PREFIX)) != 0 ||
        !is_organization(standin, audience + strlen(AUDIENCE_PREFIX)))
        return bad_request("the audience is not a known organization");
    exchange->requested_type = requested;
    exchange->organization = audience + strlen(AUDIENCE_PREFIX);
    *ret_type = i;
    return no_refusal;
}

static struct refusal read_request(struct standin *standin, const json_t *fields,
                                   struct exchange *exchange)
{
    struct refusal refusal;
    size_t type;

    if (!fields)
        return bad_request("the body is neither a form nor JSON, or malformed");
    refusal = read_types(standin, fields, exchange, &type);
    if (refusal.error)
        return refusal;
    exchange->question.token_type = scopes[type].token_type;
    exchange->scope = json_object_get(fields, "scope") ? field(fields, "scope") : "";
    if (!exchange->scope)
        return refuse(400, "invalid_scope", "the scope is not a string");
    refusal = read_scope(scopes[type].scope_prefix, exchange);
    if (refusal.error)
        return refusal;
    refusal = read_expiration(fields, exchange);
    if (refusal.error)
        return refusal;
    exchange->subject_token = field(fields, "subject_token");
    if (!exchange->subject_token)
        return bad_request("subject_token is missing");
    return no_refusal;
}

/* The policies say yes: makes the token and its answer. The caller holds the lock. */
static json_t *grant(struct standin *standin, const struct exchange *exchange)
{
    struct pulumi *pulumi = &standin->pulumi;
    json_int_t expires_in_s = exchange->expires_in_s < pulumi->expires_in_max_s
                                  ? exchange->expires_in_s
                                  : pulumi->expires_in_max_s;
    struct token_order order = {
        .subject = json_string_value(json_object_get(exchange->question.claims, "sub")),
        .type = exchange->requested_type,
        .scope = exchange->scope,
        .organization = exchange->organization,
        .expires_at = time(NULL) + expires_in_s,
        .bytes_min = pulumi->token_bytes,
    };

    return must(json_pack("{s:s, s:s, s:s, s:I, s:s}", "access_token",
                          tokens_issue(&pulumi->tokens, &order), "issued_token_type", order.type,
                          "token_type", "token", "expires_in", expires_in_s, "scope", order.scope));
}

void exchange_answer(struct standin *standin, const json_t *fields, struct reply *reply)
{
    CLEANUP(json_decrefp) json_t *claims = NULL;
    struct exchange exchange = {0};
    struct refusal refusal = read_request(standin, fields, &exchange);
    json_t *granted = NULL;

    if (!refusal.error) {
        const char *why = subject_verify(standin, exchange.subject_token, &claims);

        if (why)
            refusal = refuse(400, "invalid_grant", why);
    }
    exchange.question.claims = claims;
    pthread_mutex_lock(&standin->lock);
    if (!refusal.error) {
        if (policies_decide(standin->pulumi.policies, &exchange.question) == POLICY_ALLOWED)
            granted = grant(standin, &exchange);
        else
            refusal = refuse(403, "access_denied", "no policy allows this exchange");
    }
    if (granted)
        standin->counts.exchanges_ok++;
    else
        standin->counts.exchanges_refused++;
    pthread_mutex_unlock(&standin->lock);
    if (granted)
        reply_json(reply, 200, granted);
    else
        reply_oauth_error(reply, refusal.status, refusal.error, refusal.description);
}
