#include "standin/pulumi/api.h"

#include <string.h>

#include "standin/calls.h"
#include "standin/memory.h"
#include "standin/pulumi/issuers.h"
#include "standin/pulumi/stacks.h"
#include "standin/pulumi/token_type.h"
#include "standin/standin.h"

#define ENVIRONMENTS "/api/esc/environments"
#define STACKS       "/api/stacks/"
#define ORGS         "/api/orgs/"

/* Returns the token in Authorization, or NULL. */
static const char *credential_of(const struct request *request)
{
    static const char scheme[] = "token ";
    const char *authorization = request_header(request, "Authorization");

    if (!authorization || strncmp(authorization, scheme, sizeof(scheme) - 1) != 0)
        return NULL;
    return authorization + sizeof(scheme) - 1;
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

static json_t *default_organization_new(const json_t *token)
{
    return must(json_pack("{s:O, s:[]}", "GitHubLogin", json_object_get(token, "organization"),
                          "Messages"));
}

/* One environment in each organization: enough to see whose are listed. */
static json_t *environments_new(const json_t *token)
{
    return must(json_pack("{s:[{s:O, s:s, s:s, s:s, s:s}], s:s}", "environments", "organization",
                          json_object_get(token, "organization"), "project", "default", "name",
                          "test", "created", "2026-01-01T00:00:00Z", "modified",
                          "2026-01-01T00:00:00Z", "nextToken", ""));
}

/* Answers a GET that has no side effect. Returns NULL if there is no such path. */
static json_t *resource_new(struct standin *standin, const struct request *request,
                            const json_t *token)
{
    const char *path = request->path;
    const char *organization = json_string_value(json_object_get(token, "organization"));

    if (strcmp(path, "/api/user") == 0)
        return user_new(standin, token);
    if (strcmp(path, "/api/user/organizations/default") == 0)
        return default_organization_new(token);
    if (strcmp(path, "/api/capabilities") == 0)
        return must(json_pack("{s:[]}", "capabilities"));
    if (strcmp(path, "/api/user/stacks") == 0)
        return stacks_list(standin->pulumi.stacks, organization, request);
    if (strcmp(path, ENVIRONMENTS) == 0 ||
        (strncmp(path, ENVIRONMENTS "/", sizeof(ENVIRONMENTS)) == 0 &&
         strcmp(path + sizeof(ENVIRONMENTS), organization) == 0))
        return environments_new(token);
    return NULL;
}

/* Returns what follows /api/orgs/ORGANIZATION/, or NULL: other organizations do not exist. */
static const char *path_of_organization(const char *path, const char *organization)
{
    size_t len = strlen(organization);

    if (strncmp(path, ORGS, sizeof(ORGS) - 1) != 0)
        return NULL;
    path += sizeof(ORGS) - 1;
    return strncmp(path, organization, len) == 0 && path[len] == '/' ? path + len + 1 : NULL;
}

static void answer_for(struct standin *standin, const struct request *request, const json_t *token,
                       struct reply *reply)
{
    const char *organization = json_string_value(json_object_get(token, "organization"));
    const char *rest = path_of_organization(request->path, organization);
    json_t *resource;

    if (rest) {
        issuers_answer(standin, organization, rest, json_is_true(json_object_get(token, "admin")),
                       request, reply);
        return;
    }
    if (strncmp(request->path, STACKS, sizeof(STACKS) - 1) == 0) {
        stacks_answer(standin->pulumi.stacks, organization, request->path + sizeof(STACKS) - 1,
                      request, reply);
        return;
    }
    resource = resource_new(standin, request, token);
    if (!resource) {
        reply_error(reply, 404, "Not Found");
    } else if (strcmp(request->method, "GET") != 0) {
        json_decref(resource);
        reply_error(reply, 405, "Method Not Allowed");
    } else {
        reply_json(reply, 200, resource);
    }
}

void api_answer(struct standin *standin, struct request *request, struct reply *reply)
{
    const char *credential = credential_of(request);
    const json_t *token;

    pthread_mutex_lock(&standin->lock);
    token = credential ? tokens_find_valid(&standin->tokens, "pulumi", credential) : NULL;
    if (token)
        answer_for(standin, request, token, reply);
    else
        reply_error(reply, 401, "Unauthorized: No credentials provided or are invalid.");
    calls_record(standin->calls, request, credential, reply);
    pthread_mutex_unlock(&standin->lock);
}
