#include "standin/aws/error.h"

#include <string.h>

#include "standin/aws/xml.h"
#include "standin/encoding.h"
#include "standin/memory.h"
#include "standin/reply.h"

/* "throttled" and "unavailable" are the names by which a fault asks every upstream for these. */
static const struct aws_code {
    const char *code;
    unsigned status;
    const char *message;
    const char *alias;
} codes[] = {
    {"AccessDenied", 403, "Not authorized to perform sts:AssumeRoleWithWebIdentity", NULL},
    {"ExpiredTokenException", 400, "Token expired", NULL},
    {"ExpiredToken", 403, "The security token included in the request is expired", NULL},
    {"IDPCommunicationError", 400,
     "The identity provider could not be reached to verify the token. Retry the request.", NULL},
    {"IDPRejectedClaim", 403, "The identity provider reported that the claim is invalid", NULL},
    {"IncompleteSignature", 400, "The request signature does not conform to AWS standards", NULL},
    {"InternalFailure", 500, "An internal error has occurred", NULL},
    {"InvalidAction", 400, "The action or operation requested is invalid", NULL},
    {"InvalidClientTokenId", 403, "The security token included in the request is invalid.", NULL},
    {"InvalidIdentityToken", 400, "The identity token is not valid", NULL},
    {"InvalidParameterValue", 400, "A parameter is not valid for this action", NULL},
    {"MalformedPolicyDocument", 400, "The policy is not in the valid JSON format.", NULL},
    {"MissingAction", 400, "The request is missing an action or a required parameter", NULL},
    {"MissingAuthenticationToken", 403, "Request is missing Authentication Token", NULL},
    {"PackedPolicyTooLarge", 400, "Packed policy consumes 120% of allotted space", NULL},
    {"RegionDisabledException", 403, "STS is not activated in this region for this account", NULL},
    {"ServiceUnavailable", 503, "The request has failed due to a temporary failure", "unavailable"},
    {"SignatureDoesNotMatch", 403,
     "The request signature we calculated does not match the signature you provided.", NULL},
    {"Throttling", 400, "Rate exceeded", "throttled"},
    {"ValidationError", 400, "The input does not satisfy the constraints of the service", NULL},
};

static const struct aws_code *code_find(const char *name)
{
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        if (strcmp(codes[i].code, name) == 0 ||
            (codes[i].alias && strcmp(codes[i].alias, name) == 0))
            return &codes[i];
    return NULL;
}

bool aws_error(struct reply *reply, const char *code, const char *message)
{
    const struct aws_code *found = code_find(code);
    CLEANUP(freep) char *escaped = NULL;
    char request_id[UUID_BYTES];

    if (!found)
        return false;
    uuid_random(request_id);
    escaped = xml_escape(message ? message : found->message);
    reply_text(reply, found->status, "text/xml",
               must_print("<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n"
                          "  <Error>\n"
                          "    <Type>%s</Type>\n"
                          "    <Code>%s</Code>\n"
                          "    <Message>%s</Message>\n"
                          "  </Error>\n"
                          "  <RequestId>%s</RequestId>\n"
                          "</ErrorResponse>\n",
                          found->status < 500 ? "Sender" : "Receiver", found->code, escaped,
                          request_id));
    return true;
}
