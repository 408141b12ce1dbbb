#include "standin/exchange.h"

#include <string.h>

#include "standin/memory.h"
#include "standin/standin.h"
#include "standin/subject.h"

#define GRANT_TYPE "urn:ietf:params:oauth:grant-type:token-exchange"

const struct refusal no_refusal;

struct refusal refusal_make(unsigned status, const char *error, const char *description)
{
    return (struct refusal){status, error, description};
}

struct refusal refusal_of_request(const char *description)
{
    return refusal_make(400, "invalid_request", description);
}

static const char *field(const json_t *fields, const char *name)
{
    return json_string_value(json_object_get(fields, name));
}

static struct refusal exchange_read(const json_t *fields, struct exchange *ret_exchange)
{
    const char *grant_type = field(fields, "grant_type");

    if (!fields)
        return refusal_of_request("the body is malformed, or of another type");
    if (!grant_type)
        return refusal_of_request("grant_type is missing");
    if (strcmp(grant_type, GRANT_TYPE) != 0)
        return refusal_make(400, "unsupported_grant_type", "the grant type is not token exchange");
    *ret_exchange = (struct exchange){
        .request = ret_exchange->request,
        .fields = fields,
        .subject_token = field(fields, "subject_token"),
        .subject_token_type = field(fields, "subject_token_type"),
        .requested_token_type = field(fields, "requested_token_type"),
        .audience = field(fields, "audience"),
        .scope = json_object_get(fields, "scope") ? field(fields, "scope") : "",
    };
    return no_refusal;
}

static struct refusal exchange_verify(struct standin *standin, const struct exchange_rules *rules,
                                      struct exchange *exchange)
{
    enum subject_error error;

    if (!exchange->subject_token)
        return refusal_of_request("subject_token is missing");
    error = subject_verify(standin, exchange->subject_token, &exchange->claims);
    return error ? refusal_make(400, rules->bad_token, subject_error_text(error)) : no_refusal;
}

static void reply_grant(struct reply *reply, const struct grant *grant)
{
    json_t *lifetime = grant->expires_in_s > 0 ? json_integer(grant->expires_in_s) : NULL;

    reply_json(reply, 200,
               must(json_pack("{s:s, s:s, s:s, s:o*, s:s*}", "access_token", grant->access_token,
                              "issued_token_type", grant->issued_token_type, "token_type",
                              grant->token_type, "expires_in", lifetime, "scope", grant->scope)));
}

bool exchange_answer(struct standin *standin, const struct request *request,
                     const struct exchange_rules *rules, struct reply *reply)
{
    struct exchange exchange = {.request = request};
    struct grant grant;
    struct refusal refusal;

    refusal = exchange_read(request->note, &exchange);
    if (!refusal.error)
        refusal = rules->check(standin, &exchange);
    if (!refusal.error)
        refusal = exchange_verify(standin, rules, &exchange);
    pthread_mutex_lock(&standin->lock);
    if (!refusal.error)
        refusal = rules->grant(standin, &exchange, &grant);
    reply->has_challenge = refusal.status == 401;
    if (refusal.error)
        reply_oauth_error(reply, refusal.status, refusal.error, refusal.description);
    else
        reply_grant(reply, &grant);
    pthread_mutex_unlock(&standin->lock);
    json_decref(exchange.claims);
    return !refusal.error;
}

/* RFC 6749, sections 4.1.2.1 and 5.2; RFC 8693, section 2.2.2 */
bool exchange_error(const char *name, struct reply *reply)
{
    static const struct refusal refusals[] = {
        {400, "invalid_request", "the request is not valid"},
        {401, "invalid_client", "the client is not authenticated"},
        {400, "invalid_grant", "the subject token is not valid"},
        {400, "unauthorized_client", "the client may not use this grant type"},
        {400, "unsupported_grant_type", "the grant type is not supported"},
        {400, "invalid_scope", "the scope is not valid"},
        {400, "invalid_target", "the target service is not known"},
        {403, "access_denied", "the exchange is not allowed"},
        {500, "server_error", "internal server error"},
        {503, "temporarily_unavailable", "the server is overloaded"},
    };

    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
        if (strcmp(refusals[i].error, name) == 0) {
            reply_oauth_error(reply, refusals[i].status, name, refusals[i].description);
            return true;
        }
    return false;
}
