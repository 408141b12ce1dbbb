#include "standin/pulumi/pulumi.h"

#include <string.h>

#include "standin/exchange.h"
#include "standin/memory.h"
#include "standin/pulumi/api.h"
#include "standin/pulumi/policy.h"
#include "standin/pulumi/rules.h"
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

static void pulumi_answer(struct standin *standin, struct request *request, struct reply *reply)
{
    if (is_exchange(request))
        exchange_answer(standin, request, &pulumi_rules, reply);
    else if (strcmp(request->path, EXCHANGE_PATH) == 0)
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
        .stacks = must(json_object()),
        .calls = must(json_array()),
        .expires_in_max_s = EXPIRES_IN_MAX_S,
    };
    tokens_init(&pulumi->tokens);
}

void pulumi_done(struct pulumi *pulumi)
{
    json_decref(pulumi->policies);
    json_decref(pulumi->organizations);
    json_decref(pulumi->stacks);
    json_decref(pulumi->calls);
    tokens_done(&pulumi->tokens);
}

const struct service pulumi_service = {
    .body_max_bytes = BODY_MAX_BYTES,
    .on_received = pulumi_receive,
    .on_answer = pulumi_answer,
    .on_finished = pulumi_finish,
};
