#include "standin/rfc8693/rfc8693.h"

#include <string.h>

#include "standin/admissions.h"
#include "standin/body.h"
#include "standin/exchange.h"
#include "standin/form.h"
#include "standin/memory.h"
#include "standin/rfc8693/client.h"
#include "standin/standin.h"

#define KIND       "rfc8693"
#define TOKEN_PATH "/oauth2/token"
#define URN        "urn:ietf:params:oauth:token-type:"

static bool has_path(const char *path)
{
    return strcmp(path, TOKEN_PATH) == 0;
}

static bool is_login(const struct request *request)
{
    return strcmp(request->method, "POST") == 0;
}

static const char *field(const struct exchange *exchange, const char *name)
{
    return json_string_value(json_object_get(exchange->fields, name));
}

/* Returns whether @word is one of the words in @list, which blanks separate. */
static bool has_word(const char *list, const char *word, size_t len)
{
    for (; *list; list += strspn(list, " ")) {
        size_t n = strcspn(list, " ");

        if (n == len && strncmp(list, word, len) == 0)
            return true;
        list += n;
    }
    return false;
}

/* Returns whether all words of @part are in @whole. */
static bool has_words(const char *whole, const char *part)
{
    for (part += strspn(part, " "); *part; part += strspn(part, " ")) {
        size_t n = strcspn(part, " ");

        if (!has_word(whole, part, n))
            return false;
        part += n;
    }
    return true;
}

/* Returns whether @urn is one of the token types of RFC 8693, section 3, that JWTs may have. */
static bool is_token_type(const char *urn)
{
    size_t len = strlen(URN);

    return strncmp(urn, URN, len) == 0 &&
           has_word("access_token id_token jwt", urn + len, strlen(urn + len));
}

/* An absolute URI without a fragment (RFC 8693, section 2.1). */
static bool is_resource(const char *resource)
{
    size_t scheme_len = strcspn(resource, ":/?#");

    return scheme_len > 0 && resource[scheme_len] == ':' && !strchr(resource, '#');
}

/* Finds the admission of the client, the target and the claims, if these are verified. */
static const json_t *admission_find(struct standin *standin, const struct exchange *exchange,
                                    const struct client *client, const char **ret_missed)
{
    const struct criterion criteria[] = {{"client_id", client->id},
                                         {"client_authentication", client->authentication},
                                         {"client_secret", client->secret},
                                         {"role", exchange->audience},
                                         {"resource", field(exchange, "resource")},
                                         {0}};

    return admissions_find(standin->admissions, KIND, criteria, exchange->claims, ret_missed);
}

static struct refusal refusal_of_missed(const char *missed)
{
    if (strncmp(missed, "client_", strlen("client_")) == 0)
        return refusal_make(401, "invalid_client", "the client is unknown or not authenticated");
    if (strcmp(missed, "role") == 0 || strcmp(missed, "resource") == 0)
        return refusal_make(400, "invalid_target", "the target service is not known");
    /* Also a policy: RFC 8693, section 2.2.2. */
    return refusal_of_request("the subject token is not acceptable for this target");
}

static struct refusal check_types(const struct exchange *exchange)
{
    const char *resource = field(exchange, "resource");

    if (!exchange->subject_token_type || !is_token_type(exchange->subject_token_type))
        return refusal_of_request("the subject token type is missing or not supported");
    if (exchange->requested_token_type && !is_token_type(exchange->requested_token_type))
        return refusal_of_request("the requested token type is not supported");
    if (field(exchange, "actor_token") || field(exchange, "actor_token_type"))
        return refusal_of_request("actor tokens are not supported");
    if (resource && !is_resource(resource))
        return refusal_make(400, "invalid_target", "the resource is not an absolute URI");
    return no_refusal;
}

/* Clients and targets come before the token: nobody else learns whether it is valid. */
static struct refusal check(struct standin *standin, struct exchange *exchange)
{
    CLEANUP(client_done) struct client client;
    struct refusal refusal = client_read(exchange, &client);
    const char *missed;

    if (refusal.error)
        return refusal;
    pthread_mutex_lock(&standin->lock);
    if (!admission_find(standin, exchange, &client, &missed))
        refusal = refusal_of_missed(missed);
    pthread_mutex_unlock(&standin->lock);
    return refusal.error ? refusal : check_types(exchange);
}

/* The further parameters that the admission demands, such as Dex's connector_id. */
static bool has_parameters(const struct exchange *exchange, const json_t *admission)
{
    const char *text = json_string_value(json_object_get(admission, "parameters"));
    CLEANUP(json_decrefp) json_t *demanded = text ? form_parse(text, strlen(text)) : NULL;
    const char *name;
    json_t *value;

    json_object_foreach(demanded, name, value)
    {
        if (!json_equal(value, json_object_get(exchange->fields, name)))
            return false;
    }
    return true;
}

static bool omits(const json_t *admission, const char *member)
{
    const char *list = json_string_value(json_object_get(admission, "omit"));

    return list && has_word(list, member, strlen(member));
}

static const json_t *issue(struct standin *standin, const struct exchange *exchange,
                           const char *type, const char *scope, json_int_t lifetime_s)
{
    static const struct token_form form = {KIND, "tok-", "."};

    return tokens_issue(
        &standin->tokens, &form, json_string_value(json_object_get(exchange->claims, "sub")),
        lifetime_s,
        must(json_pack("{s:s, s:s, s:s?, s:s?}", "type", type, "scope", scope, "role",
                       exchange->audience, "resource", field(exchange, "resource"))));
}

static struct refusal grant_by(struct standin *standin, const struct exchange *exchange,
                               const json_t *admission, struct grant *ret_grant)
{
    const char *allowed = json_string_value(json_object_get(admission, "scope"));
    const char *scope = *exchange->scope ? exchange->scope : allowed ? allowed : "";
    const char *type =
        exchange->requested_token_type ? exchange->requested_token_type : URN "access_token";
    json_int_t lifetime_s = tokens_lifetime(&standin->tokens, admission_lifetime(admission));
    const json_t *record;

    if (!has_parameters(exchange, admission))
        return refusal_of_request("a parameter that this server demands is missing or wrong");
    if (allowed && !has_words(allowed, scope))
        return refusal_make(400, "invalid_scope", "the scope is more than this client may have");
    record = issue(standin, exchange, type, scope, lifetime_s);
    *ret_grant = (struct grant){
        .access_token = token_member(record, "value"),
        .issued_token_type = token_member(record, "type"),
        .token_type = "bearer",
        .scope = *scope && !omits(admission, "scope") ? token_member(record, "scope") : NULL,
        .expires_in_s = omits(admission, "expires_in") ? 0 : lifetime_s,
    };
    return no_refusal;
}

static struct refusal grant(struct standin *standin, const struct exchange *exchange,
                            struct grant *ret_grant)
{
    CLEANUP(client_done) struct client client;
    struct refusal refusal = client_read(exchange, &client);
    const json_t *admission;
    const char *missed;

    if (refusal.error)
        return refusal;
    admission = admission_find(standin, exchange, &client, &missed);
    return admission ? grant_by(standin, exchange, admission, ret_grant)
                     : refusal_of_missed(missed);
}

/* RFC 8693, section 2.2.2, wants invalid_request for a token that is not valid. */
static const struct exchange_rules rules = {"invalid_request", check, grant};

static bool on_login(struct standin *standin, const struct request *request, struct reply *reply)
{
    return exchange_answer(standin, request, &rules, reply);
}

static void on_call(struct standin *standin, struct request *request, struct reply *reply)
{
    (void)standin;
    (void)request;
    reply_oauth_error(reply, 405, "invalid_request", "the method is not POST");
}

static bool on_error(const char *name, struct reply *reply)
{
    if (strcmp(name, "unavailable") == 0)
        return exchange_error("temporarily_unavailable", reply);
    if (strcmp(name, "throttled") != 0)
        return exchange_error(name, reply);
    reply_oauth_error(reply, 429, "temporarily_unavailable", "too many requests");
    return true;
}

const struct upstream_kind rfc8693_kind = {
    .name = KIND,
    .token_field = "subject_token",
    .has_path = has_path,
    .parse = body_form,
    .is_login = is_login,
    .on_login = on_login,
    .on_call = on_call,
    .on_error = on_error,
};
