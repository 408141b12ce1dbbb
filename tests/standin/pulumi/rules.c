#include "standin/pulumi/rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "standin/pulumi/issuers.h"
#include "standin/pulumi/policy.h"
#include "standin/pulumi/token_type.h"
#include "standin/standin.h"

#define SUBJECT_TOKEN_TYPE   "urn:ietf:params:oauth:token-type:id_token"
#define AUDIENCE_PREFIX      "urn:pulumi:org:"
#define EXPIRATION_DEFAULT_S 7200

/* Returns what follows @prefix in @text, or NULL when @text begins otherwise. */
static const char *prefix_skip(const char *text, const char *prefix)
{
    size_t len = strlen(prefix);

    return strncmp(text, prefix, len) == 0 ? text + len : NULL;
}

/* Returns the name of the organization that @exchange is for, or NULL when there is none. */
static const char *organization_of(const struct exchange *exchange)
{
    return exchange->audience ? prefix_skip(exchange->audience, AUDIENCE_PREFIX) : NULL;
}

/* Returns the team, user or runner in the scope, or NULL when the scope does not fit the type. */
static const char *target_of(const struct exchange *exchange, const struct token_type *type)
{
    const char *target = prefix_skip(exchange->scope, type->scope_prefix);

    return target && *target ? target : NULL;
}

static bool wants_admin(const struct exchange *exchange)
{
    return strcmp(exchange->scope, "admin") == 0;
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

static struct refusal check_scope(const struct exchange *exchange, const struct token_type *type)
{
    if (!exchange->scope)
        return refusal_make(400, "invalid_scope", "the scope is not a string");
    if (type->scope_prefix && !target_of(exchange, type))
        return refusal_make(400, "invalid_scope",
                            "the scope does not fit the requested token type");
    if (!type->scope_prefix && exchange->scope[0] != '\0' && !wants_admin(exchange))
        return refusal_make(400, "invalid_scope", "an organization's scope is empty or admin");
    return no_refusal;
}

/* A form has a decimal string, JSON may have a number. Only positive integers are accepted. */
static struct refusal read_expiration(struct exchange *exchange)
{
    const json_t *value = json_object_get(exchange->fields, "expiration");
    const char *text = json_string_value(value);
    char *end = NULL;

    exchange->lifetime_s = EXPIRATION_DEFAULT_S;
    if (!value)
        return no_refusal;
    if (text) {
        errno = 0;
        exchange->lifetime_s = strtoll(text, &end, 10);
        if (errno != 0 || *text < '0' || *text > '9' || *end != '\0')
            return refusal_of_request("expiration is not a number");
    } else if (json_is_integer(value)) {
        exchange->lifetime_s = json_integer_value(value);
    } else {
        return refusal_of_request("expiration is not an integer");
    }
    if (exchange->lifetime_s <= 0)
        return refusal_of_request("expiration is not positive");
    return no_refusal;
}

static struct refusal pulumi_check(struct standin *standin, struct exchange *exchange)
{
    const struct token_type *type = token_type_find_urn(exchange->requested_token_type);
    const char *organization = organization_of(exchange);
    struct refusal refusal;

    if (!exchange->subject_token_type ||
        strcmp(exchange->subject_token_type, SUBJECT_TOKEN_TYPE) != 0)
        return refusal_of_request("the subject token type is not id_token");
    if (!type)
        return refusal_of_request("unsupported requested token type");
    if (!organization || !is_organization(standin, organization))
        return refusal_of_request("the audience is not a known organization");
    refusal = check_scope(exchange, type);
    return refusal.error ? refusal : read_expiration(exchange);
}

const char *pulumi_issue(struct standin *standin, const struct pulumi_token *token)
{
    static const struct token_form form = {"pulumi", "pul-", "."};
    json_t *details = must(json_pack("{s:s, s:s, s:s}", "type", token->type->urn, "scope",
                                     token->scope, "organization", token->organization));

    if (token->is_admin)
        must_json(json_object_set_new(details, "admin", json_true()));
    return token_member(
        tokens_issue(&standin->tokens, &form, token->subject, token->lifetime_s, details), "value");
}

/* The registered issuer's maximum counts, too. */
static json_int_t lifetime_of(const struct standin *standin, const struct exchange *exchange,
                              const json_t *registration)
{
    json_int_t lifetime_s = tokens_lifetime(&standin->tokens, exchange->lifetime_s);

    if (registration && issuer_expiration_max(registration) < lifetime_s)
        return issuer_expiration_max(registration);
    return lifetime_s;
}

static struct refusal pulumi_grant(struct standin *standin, const struct exchange *exchange,
                                   struct grant *ret_grant)
{
    const struct token_type *type = token_type_find_urn(exchange->requested_token_type);
    const char *url = json_string_value(json_object_get(exchange->claims, "iss"));
    json_t *registration = issuers_find(standin->pulumi.issuers, organization_of(exchange), url);
    struct policy_request request = {
        .type = type,
        .target = type->scope_prefix ? target_of(exchange, type) : NULL,
        .wants_admin = !type->scope_prefix && wants_admin(exchange),
        .claims = exchange->claims,
    };
    const struct pulumi_token token = {
        .subject = json_string_value(json_object_get(exchange->claims, "sub")),
        .organization = organization_of(exchange),
        .type = type,
        .scope = exchange->scope,
        .is_admin = request.wants_admin,
        .lifetime_s = lifetime_of(standin, exchange, registration),
    };

    if (policies_evaluate(registration ? issuer_policies(registration) : standin->pulumi.policies,
                          &request) != POLICY_ALLOWED)
        return refusal_make(403, "access_denied", "no policy allows this exchange");
    if (registration)
        issuer_used(registration, time(NULL));
    *ret_grant = (struct grant){
        .access_token = pulumi_issue(standin, &token),
        .issued_token_type = type->urn,
        .token_type = "token",
        .scope = token.scope,
        .expires_in_s = token.lifetime_s,
    };
    return no_refusal;
}

const struct exchange_rules pulumi_rules = {"invalid_grant", pulumi_check, pulumi_grant};
