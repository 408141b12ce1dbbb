#include "standin/pulumi.h"

#include <string.h>
#include <time.h>

#include "standin/exchange.h"
#include "standin/memory.h"
#include "standin/policy.h"
#include "standin/standin.h"
#include "standin/subject.h"

#define BODY_MAX_BYTES   (64 * 1024)
#define EXPIRES_IN_MAX_S 7200

#define EXCHANGE_PATH "/api/oauth/token"
#define USER_PATH     "/api/user"

static bool is_exchange(const struct request *request)
{
    return strcmp(request->path, EXCHANGE_PATH) == 0 && strcmp(request->method, "POST") == 0;
}

static json_t *header_or_null(const struct request *request, const char *name)
{
    const char *value = request_header(request, name);
    json_t *text = value ? json_string(value) : NULL; /* NULL also when it is not UTF-8 */

    return text ? text : json_null();
}

/* Parses the body, and leaves it with the request: nothing changes while the answer is waited for.
 */
static void note_exchange(struct standin *standin, struct request *request)
{
    CLEANUP(freep) char *subject = NULL;
    json_t *fields;
    json_t *seen;

    request->note = exchange_fields(request_header(request, "Content-Type"), request->body,
                                    request->body_bytes);
    subject = subject_claimed(json_string_value(json_object_get(request->note, "subject_token")));
    fields = request->note ? must(json_deep_copy(request->note)) : json_null();
    seen = must(json_pack("{s:o, s:o, s:o, s:o, s:o}", "content_type",
                          header_or_null(request, "Content-Type"), "accept",
                          header_or_null(request, "Accept"), "authorization",
                          header_or_null(request, "Authorization"), "user_agent",
                          header_or_null(request, "User-Agent"), "fields", fields));
    pthread_mutex_lock(&standin->lock);
    counts_exchange_begin(&standin->counts, subject);
    if (request->plan.kind != FAULT_NONE)
        standin->counts.exchanges_faulted++;
    json_decref(standin->pulumi.last_exchange);
    standin->pulumi.last_exchange = seen;
    pthread_mutex_unlock(&standin->lock);
}

static void on_received(struct standin *standin, struct request *request)
{
    if (is_exchange(request)) {
        note_exchange(standin, request);
        return;
    }
    pthread_mutex_lock(&standin->lock);
    if (strcmp(request->path, USER_PATH) == 0)
        standin->counts.user++;
    pthread_mutex_unlock(&standin->lock);
}

static void on_finished(struct standin *standin, struct request *request)
{
    if (!is_exchange(request))
        return;
    pthread_mutex_lock(&standin->lock);
    counts_exchange_end(&standin->counts);
    pthread_mutex_unlock(&standin->lock);
}

/* Returns the valid token that the request shows, or NULL. The caller holds the lock. */
static json_t *token_shown(struct standin *standin, const struct request *request)
{
    static const char scheme[] = "token ";
    const char *authorization = request_header(request, "Authorization");

    if (!authorization || strncmp(authorization, scheme, sizeof(scheme) - 1) != 0)
        return NULL;
    return tokens_find_valid(&standin->pulumi.tokens, authorization + sizeof(scheme) - 1,
                             time(NULL));
}

/* What the CLI reads to learn who it is: for a personal token the user, otherwise the organization.
 */
static json_t *user_of_token(struct standin *standin, const json_t *token)
{
    const char *scope = json_string_value(json_object_get(token, "scope"));
    const char *organization = json_string_value(json_object_get(token, "organization"));
    bool is_personal = strncmp(scope, "user:", 5) == 0;
    const char *login = is_personal ? scope + 5 : organization;
    json_t *organizations = must(json_array());
    json_t *user;
    json_t *name;
    size_t i;

    json_array_foreach(standin->pulumi.organizations, i, name)
    {
        must_json(
            json_array_append_new(organizations, json_pack("{s:O, s:O, s:s}", "githubLogin", name,
                                                           "name", name, "avatarUrl", "")));
    }
    user = must(json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:[], s:b}", "id", login, "githubLogin",
                          login, "name", login, "email", "", "avatarUrl", "", "organizations",
                          organizations, "identities", "siteAdmin", 0));
    if (!is_personal)
        must_json(json_object_set_new(
            user, "tokenInfo",
            json_pack("{s:s, s:s}", "name", "exchanged", "organization", organization)));
    if (strncmp(scope, "team:", 5) == 0)
        must_json(json_object_set_new(json_object_get(user, "tokenInfo"), "team",
                                      json_string(scope + 5)));
    return user;
}

static void answer_user(struct standin *standin, struct request *request, struct reply *reply)
{
    json_t *user = NULL;
    json_t *token;

    if (strcmp(request->method, "GET") != 0) {
        reply_pulumi_error(reply, 405, "Method Not Allowed");
        return;
    }
    pthread_mutex_lock(&standin->lock);
    token = token_shown(standin, request);
    if (token)
        user = user_of_token(standin, token);
    pthread_mutex_unlock(&standin->lock);
    if (user)
        reply_json(reply, 200, user);
    else
        reply_pulumi_error(reply, 401, "Unauthorized: No credentials provided or are invalid.");
}

static void on_answer(struct standin *standin, struct request *request, struct reply *reply)
{
    if (is_exchange(request))
        exchange_answer(standin, request->note, reply);
    else if (strcmp(request->path, EXCHANGE_PATH) == 0)
        reply_oauth_error(reply, 405, "invalid_request", "the method is not POST");
    else if (strcmp(request->path, USER_PATH) == 0)
        answer_user(standin, request, reply);
    else
        reply_pulumi_error(reply, 404, "Not Found");
}

void pulumi_init(struct pulumi *pulumi)
{
    *pulumi = (struct pulumi){
        .policies = policies_default(),
        .organizations = must(json_pack("[s]", "acme")),
        .expires_in_max_s = EXPIRES_IN_MAX_S,
        .last_exchange = json_null(),
    };
    tokens_init(&pulumi->tokens);
}

void pulumi_done(struct pulumi *pulumi)
{
    json_decref(pulumi->policies);
    json_decref(pulumi->organizations);
    json_decref(pulumi->last_exchange);
    tokens_done(&pulumi->tokens);
}

void pulumi_service(struct standin *standin, struct service *ret_service)
{
    *ret_service = (struct service){
        .body_max_bytes = BODY_MAX_BYTES,
        .fault = &standin->upstream_fault,
        .on_received = on_received,
        .on_answer = on_answer,
        .on_finished = on_finished,
    };
}
