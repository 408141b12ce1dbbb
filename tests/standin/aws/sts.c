#include "standin/aws/sts.h"

#include <string.h>

#include "standin/aws/assume_role.h"
#include "standin/aws/error.h"
#include "standin/aws/signature.h"
#include "standin/body.h"
#include "standin/calls.h"
#include "standin/encoding.h"
#include "standin/memory.h"
#include "standin/standin.h"

#define IDENTITY_ACTION "GetCallerIdentity"

static bool sts_has_path(const char *path)
{
    return strcmp(path, "/") == 0;
}

static const char *action_of(const struct request *request)
{
    const char *action = json_string_value(json_object_get(request->note, "Action"));

    return action ? action : "";
}

static bool sts_is_login(const struct request *request)
{
    return strcmp(request->method, "POST") == 0 && strcmp(action_of(request), IDENTITY_ACTION) != 0;
}

/* Answers with the error when the request is not for @action of the one version, returns false. */
static bool action_check(const struct request *request, const char *action, struct reply *reply)
{
    const char *version = json_string_value(json_object_get(request->note, "Version"));
    CLEANUP(freep) char *message = NULL;

    if (!*action_of(request))
        return !aws_error(reply, "MissingAction", NULL);
    if (strcmp(action_of(request), action) == 0 && version && strcmp(version, STS_VERSION) == 0)
        return true;
    message = must_print("Could not find operation %s for version %s", action_of(request),
                         version ? version : "NO_VERSION_SPECIFIED");
    return !aws_error(reply, "InvalidAction", message);
}

static bool sts_login(struct standin *standin, const struct request *request, struct reply *reply)
{
    return action_check(request, "AssumeRoleWithWebIdentity", reply) &&
           assume_role(standin, request->note, reply);
}

static void reply_identity(struct reply *reply, const json_t *record)
{
    const char *arn = token_member(record, "arn");
    const char *account = token_member(record, "role") + strlen("arn:aws:iam::");
    char request_id[UUID_BYTES];

    uuid_random(request_id);
    reply_text(reply, 200, "text/xml",
               must_print("<GetCallerIdentityResponse xmlns=\"" STS_NAMESPACE "\">\n"
                          "  <GetCallerIdentityResult>\n"
                          "    <Arn>%s</Arn>\n"
                          "    <UserId>AROA0123456789ABCDEFG:%s</UserId>\n"
                          "    <Account>%.*s</Account>\n"
                          "  </GetCallerIdentityResult>\n"
                          "  <ResponseMetadata>\n"
                          "    <RequestId>%s</RequestId>\n"
                          "  </ResponseMetadata>\n"
                          "</GetCallerIdentityResponse>\n",
                          arn, strrchr(arn, '/') + 1, (int)strcspn(account, ":"), account,
                          request_id));
}

static void sts_answer(struct standin *standin, struct request *request, struct reply *reply)
{
    const json_t *record = NULL;
    const char *code;

    pthread_mutex_lock(&standin->lock);
    if (action_check(request, IDENTITY_ACTION, reply)) {
        code = signature_verify(request, &standin->tokens, &record);
        if (code)
            aws_error(reply, code, NULL);
        else
            reply_identity(reply, record);
    }
    calls_record(standin->calls, request, request_header(request, "X-Amz-Security-Token"), reply);
    pthread_mutex_unlock(&standin->lock);
}

static bool sts_error(const char *name, struct reply *reply)
{
    return aws_error(reply, name, NULL);
}

const struct upstream_kind sts_kind = {
    .name = STS_KIND,
    .token_field = "WebIdentityToken",
    .has_path = sts_has_path,
    .parse = body_form,
    .is_login = sts_is_login,
    .on_login = sts_login,
    .on_call = sts_answer,
    .on_error = sts_error,
};
