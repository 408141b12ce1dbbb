#include "standin/pulumi/pulumi.h"

#include <string.h>
#include <time.h>

#include "standin/exchange.h"
#include "standin/memory.h"
#include "standin/pulumi/policy.h"
#include "standin/pulumi/rules.h"
#include "standin/pulumi/token_type.h"
#include "standin/standin.h"

#define BODY_MAX_BYTES   (64 * 1024)
#define EXPIRES_IN_MAX_S 7200

#define EXCHANGE_PATH "/api/oauth/token"
#define USER_PATH     "/api/user"

static bool is_exchange(const struct request *request)
{
    return strcmp(request->path, EXCHANGE_PATH) == 0 && strcmp(request->method, "POST") == 0;
}

static void pulumi_receive(struct standin *standin, struct request *request)
{
    if (is_exchange(request)) {
        exchange_receive(standin, request);
        return;
    }
    pthread_mutex_lock(&standin->lock);
    if (strcmp(request->path, USER_PATH) == 0)
        standin->counts.user++;
    pthread_mutex_unlock(&standin->lock);
}

static void pulumi_finish(struct standin *standin, struct request *request)
{
    if (is_exchange(request))
        exchange_finish(standin);
}

/* Returns the record of the valid token in Authorization, or NULL. The caller holds the lock. */
static json_t *request_token(struct standin *standin, const struct request *request)
{
    static const char scheme[] = "token ";
    const char *authorization = request_header(request, "Authorization");

    if (!authorization || strncmp(authorization, scheme, sizeof(scheme) - 1) != 0)
        return NULL;
    return tokens_find_valid(&standin->pulumi.tokens, authorization + sizeof(scheme) - 1,
                             time(NULL));
}

static json_t *organizations_new(struct standin *standin)
{
    json_t *list = must(json_array());
    json_t *name;
    size_t i;

    json_array_foreach(standin->pulumi.organizations, i, name)
    {
        must_json(json_array_append_new(list, json_pack("{s:O, s:O, s:s}", "githubLogin", name,
                                                        "name", name, "avatarUrl", "")));
    }
    return list;
}

/* The user that the CLI logs in as. Unless the token is personal, this is the organization. */
static json_t *user_new(struct standin *standin, const json_t *token)
{
    const struct token_type *type =
        token_type_find_urn(json_string_value(json_object_get(token, "type")));
    const char *organization = json_string_value(json_object_get(token, "organization"));
    const char *scope = json_string_value(json_object_get(token, "scope"));
    const char *target = type->scope_prefix ? scope + strlen(type->scope_prefix) : NULL;
    bool is_personal = type == &token_types[TOKEN_PERSONAL];
    const char *login = is_personal ? target : organization;
    json_t *user =
        must(json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:[], s:b}", "id", login, "githubLogin",
                       login, "name", login, "email", "", "avatarUrl", "", "organizations",
                       organizations_new(standin), "identities", "siteAdmin", 0));
    json_t *info;

    if (is_personal)
        return user;
    info = must(json_pack("{s:s, s:s}", "name", "exchanged", "organization", organization));
    must_json(json_object_set_new(user, "tokenInfo", info));
    if (type == &token_types[TOKEN_TEAM])
        must_json(json_object_set_new(info, "team", json_string(target)));
    return user;
}

static void user_answer(struct standin *standin, struct request *request, struct reply *reply)
{
    json_t *user = NULL;
    json_t *token;

    if (strcmp(request->method, "GET") != 0) {
        reply_error(reply, 405, "Method Not Allowed");
        return;
    }
    pthread_mutex_lock(&standin->lock);
    token = request_token(standin, request);
    if (token)
        user = user_new(standin, token);
    pthread_mutex_unlock(&standin->lock);
    if (user)
        reply_json(reply, 200, user);
    else
        reply_error(reply, 401, "Unauthorized: No credentials provided or are invalid.");
}

static void pulumi_answer(struct standin *standin, struct request *request, struct reply *reply)
{
    if (is_exchange(request))
        exchange_answer(standin, request, &pulumi_rules, reply);
    else if (strcmp(request->path, EXCHANGE_PATH) == 0)
        reply_oauth_error(reply, 405, "invalid_request", "the method is not POST");
    else if (strcmp(request->path, USER_PATH) == 0)
        user_answer(standin, request, reply);
    else
        reply_error(reply, 404, "Not Found");
}

void pulumi_init(struct pulumi *pulumi)
{
    *pulumi = (struct pulumi){
        .policies = policies_default(),
        .organizations = must(json_pack("[s]", "acme")),
        .expires_in_max_s = EXPIRES_IN_MAX_S,
    };
    tokens_init(&pulumi->tokens);
}

void pulumi_done(struct pulumi *pulumi)
{
    json_decref(pulumi->policies);
    json_decref(pulumi->organizations);
    tokens_done(&pulumi->tokens);
}

const struct service pulumi_service = {
    .body_max_bytes = BODY_MAX_BYTES,
    .on_received = pulumi_receive,
    .on_answer = pulumi_answer,
    .on_finished = pulumi_finish,
};
