#include "standin/exchange.h"

#include <string.h>
#include <strings.h>

#include "standin/form.h"
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

static bool is_media_type(const char *content_type, const char *expected)
{
    size_t len = strlen(expected);

    if (strncasecmp(content_type, expected, len) != 0)
        return false;
    content_type += len + strspn(content_type + len, " \t");
    return *content_type == ';' || *content_type == '\0'; /* parameters are ignored */
}

/*
 * Returns the parameters in the body, or NULL when it is malformed or neither a form nor JSON. In a
 * form every parameter is a string.
 */
static json_t *fields_parse(const struct request *request)
{
    const char *content_type = request_header(request, "Content-Type");
    CLEANUP(json_decrefp) json_t *fields = NULL;

    if (!content_type)
        return NULL;
    if (is_media_type(content_type, "application/x-www-form-urlencoded"))
        return form_parse(request->body, request->body_bytes);
    if (!is_media_type(content_type, "application/json"))
        return NULL;
    fields = json_loadb(request->body, request->body_bytes, JSON_REJECT_DUPLICATES, NULL);
    return json_is_object(fields) ? TAKE_PTR(fields) : NULL;
}

static json_t *header_or_null(const struct request *request, const char *name)
{
    const char *value = request_header(request, name);
    json_t *text = value ? json_string(value) : NULL; /* also NULL when it is not UTF-8 */

    return text ? text : json_null();
}

/* The request as it came over the wire, for GET /last-exchange. */
static json_t *record_new(const struct request *request)
{
    json_t *fields = request->note ? must(json_deep_copy(request->note)) : json_null();

    return must(json_pack("{s:o, s:o, s:o, s:o, s:o}", "content_type",
                          header_or_null(request, "Content-Type"), "accept",
                          header_or_null(request, "Accept"), "authorization",
                          header_or_null(request, "Authorization"), "user_agent",
                          header_or_null(request, "User-Agent"), "fields", fields));
}

void exchange_receive(struct standin *standin, struct request *request)
{
    CLEANUP(freep) char *subject = NULL;
    json_t *record;

    request->note = fields_parse(request);
    subject = subject_peek(json_string_value(json_object_get(request->note, "subject_token")));
    record = record_new(request);
    pthread_mutex_lock(&standin->lock);
    counts_exchange_begin(&standin->counts, subject);
    if (request->plan.kind != FAULT_NONE)
        standin->counts.exchanges_faulted++;
    json_decref(standin->last_exchange);
    standin->last_exchange = record;
    pthread_mutex_unlock(&standin->lock);
}

void exchange_finish(struct standin *standin)
{
    pthread_mutex_lock(&standin->lock);
    counts_exchange_end(&standin->counts);
    pthread_mutex_unlock(&standin->lock);
}

static const char *field(const json_t *fields, const char *name)
{
    return json_string_value(json_object_get(fields, name));
}

static struct refusal exchange_read(const json_t *fields, struct exchange *ret_exchange)
{
    const char *grant_type = field(fields, "grant_type");

    if (!fields)
        return refusal_of_request("the body is neither a form nor JSON, or malformed");
    if (!grant_type)
        return refusal_of_request("grant_type is missing");
    if (strcmp(grant_type, GRANT_TYPE) != 0)
        return refusal_make(400, "unsupported_grant_type", "the grant type is not token exchange");
    *ret_exchange = (struct exchange){
        .fields = fields,
        .subject_token = field(fields, "subject_token"),
        .subject_token_type = field(fields, "subject_token_type"),
        .requested_token_type = field(fields, "requested_token_type"),
        .audience = field(fields, "audience"),
        .scope = json_object_get(fields, "scope") ? field(fields, "scope") : "",
    };
    return no_refusal;
}

static struct refusal exchange_verify(struct standin *standin, struct exchange *exchange)
{
    const char *error;

    if (!exchange->subject_token)
        return refusal_of_request("subject_token is missing");
    error = subject_verify(standin, exchange->subject_token, &exchange->claims);
    return error ? refusal_make(400, "invalid_grant", error) : no_refusal;
}

static void reply_grant(struct reply *reply, const struct grant *grant)
{
    reply_json(reply, 200,
               must(json_pack("{s:s, s:s, s:s, s:I, s:s}", "access_token", grant->access_token,
                              "issued_token_type", grant->issued_token_type, "token_type",
                              grant->token_type, "expires_in", grant->expires_in_s, "scope",
                              grant->scope)));
}

void exchange_answer(struct standin *standin, const struct request *request,
                     const struct exchange_rules *rules, struct reply *reply)
{
    struct exchange exchange = {0};
    struct grant grant;
    struct refusal refusal;

    refusal = exchange_read(request->note, &exchange);
    if (!refusal.error)
        refusal = rules->check(standin, &exchange);
    if (!refusal.error)
        refusal = exchange_verify(standin, &exchange);
    pthread_mutex_lock(&standin->lock);
    if (!refusal.error)
        refusal = rules->grant(standin, &exchange, &grant);
    if (refusal.error) {
        standin->counts.exchanges_refused++;
        reply_oauth_error(reply, refusal.status, refusal.error, refusal.description);
    } else {
        standin->counts.exchanges_ok++;
        reply_grant(reply, &grant);
    }
    pthread_mutex_unlock(&standin->lock);
    json_decref(exchange.claims);
}
