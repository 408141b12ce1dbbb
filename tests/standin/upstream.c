#include "standin/upstream.h"

#include <string.h>

#include "standin/aws/sts.h"
#include "standin/azure/azure.h"
#include "standin/login.h"
#include "standin/memory.h"
#include "standin/pulumi/pulumi.h"
#include "standin/rfc8693/rfc8693.h"
#include "standin/standin.h"
#include "standin/vault/vault.h"

#define BODY_MAX_BYTES (64 * 1024)

/* The last one has all paths that the others do not have. */
static const struct upstream_kind *const kinds[] = {&sts_kind, &vault_kind, &rfc8693_kind,
                                                    &azure_kind, &pulumi_kind};

static const struct upstream_kind *kind_of(const struct request *request)
{
    size_t i = 0;

    while (!kinds[i]->has_path(request->path))
        i++;
    return kinds[i];
}

static void upstream_receive(struct standin *standin, struct request *request)
{
    const struct upstream_kind *kind = kind_of(request);

    request->note = kind->parse(request);
    if (kind->is_login(request))
        login_receive(standin, request, kind->name,
                      json_string_value(json_object_get(request->note, kind->token_field)));
    else if (kind->on_call_received)
        kind->on_call_received(standin, request);
}

static void upstream_answer(struct standin *standin, struct request *request, struct reply *reply)
{
    const struct upstream_kind *kind = kind_of(request);
    bool is_granted;

    if (!kind->is_login(request)) {
        kind->on_call(standin, request, reply);
        return;
    }
    is_granted = kind->on_login(standin, request, reply);
    pthread_mutex_lock(&standin->lock);
    if (is_granted)
        standin->counts.exchanges_ok++;
    else
        standin->counts.exchanges_refused++;
    pthread_mutex_unlock(&standin->lock);
}

static void upstream_error(const struct request *request, struct reply *reply)
{
    const struct upstream_kind *kind = kind_of(request);

    if (!kind->on_error(request->plan.error, reply))
        reply_error(reply, 500, "this upstream has no error of the name that the test set");
    if (request->plan.retry_after)
        reply->retry_after = must_copy(request->plan.retry_after);
}

static void upstream_finish(struct standin *standin, struct request *request)
{
    if (kind_of(request)->is_login(request))
        login_finish(standin);
}

const struct service upstream_service = {
    .body_max_bytes = BODY_MAX_BYTES,
    .on_received = upstream_receive,
    .on_answer = upstream_answer,
    .on_error = upstream_error,
    .on_finished = upstream_finish,
};
