#include "standin/pulumi/pulumi.h"

#include <string.h>

#include "standin/body.h"
#include "standin/exchange.h"
#include "standin/memory.h"
#include "standin/pulumi/api.h"
#include "standin/pulumi/policy.h"
#include "standin/pulumi/rules.h"
#include "standin/standin.h"

#define EXCHANGE_PATH "/api/oauth/token"
#define USER_PATH     "/api/user"

/* Its paths are all that no other upstream has, so that an unknown path gets an answer, too. */
static bool pulumi_has_path(const char *path)
{
    (void)path;
    return true;
}

static bool pulumi_is_login(const struct request *request)
{
    return strcmp(request->path, EXCHANGE_PATH) == 0 && strcmp(request->method, "POST") == 0;
}

static bool pulumi_login(struct standin *standin, const struct request *request,
                         struct reply *reply)
{
    return exchange_answer(standin, request, &pulumi_rules, reply);
}

static void pulumi_receive(struct standin *standin, const struct request *request)
{
    pthread_mutex_lock(&standin->lock);
    if (strcmp(request->path, USER_PATH) == 0)
        standin->counts.user++;
    pthread_mutex_unlock(&standin->lock);
}

static void pulumi_answer(struct standin *standin, struct request *request, struct reply *reply)
{
    if (strcmp(request->path, EXCHANGE_PATH) == 0)
        reply_oauth_error(reply, 405, "invalid_request", "the method is not POST");
    else if (strncmp(request->path, "/api/", strlen("/api/")) == 0)
        api_answer(standin, request, reply);
    else
        reply_error(reply, 404, "Not Found");
}

void pulumi_init(struct pulumi *pulumi)
{
    *pulumi = (struct pulumi){
        .policies = policies_default(),
        .organizations = must(json_pack("[s]", "acme")),
        .issuers = must(json_object()),
        .stacks = must(json_object()),
    };
}

void pulumi_done(struct pulumi *pulumi)
{
    json_decref(pulumi->policies);
    json_decref(pulumi->organizations);
    json_decref(pulumi->issuers);
    json_decref(pulumi->stacks);
}

/* The firewall in front of it throttles, with a page; concurrent exchanges are known to get a 500.
 */
static bool pulumi_error(const char *name, struct reply *reply)
{
    static const char page[] = "<html><body><h1>429 Too Many Requests</h1></body></html>\n";

    if (strcmp(name, "unavailable") == 0)
        return exchange_error("server_error", reply);
    if (strcmp(name, "throttled") != 0)
        return exchange_error(name, reply);
    reply_text(reply, 429, "text/html", must_copy(page));
    return true;
}

const struct upstream_kind pulumi_kind = {
    .name = "pulumi",
    .token_field = "subject_token",
    .has_path = pulumi_has_path,
    .parse = body_form_or_json,
    .is_login = pulumi_is_login,
    .on_login = pulumi_login,
    .on_call_received = pulumi_receive,
    .on_call = pulumi_answer,
    .on_error = pulumi_error,
};
