/* The table of statuses, and look-ups in it. */
#include "protocol/status.h"

#define ROW(status, exit_code, is_retryable, sentence)                                             \
    {                                                                                              \
        PODLOGIN_##status, #status, exit_code, is_retryable, sentence                              \
    }

static const struct status_info table[] = {
    ROW(OK, EXIT_CODE_OK, false, "success"),
    ROW(BAD_FRAME, EXIT_CODE_FAULT, false,
        "the daemon could not read the request; check that client and daemon have compatible "
        "versions"),
    ROW(BAD_REQUEST, EXIT_CODE_FAULT, false, "the daemon cannot process this request"),
    ROW(UNKNOWN_SERVICE, EXIT_CODE_CONFIG, false,
        "the daemon has no service with this name; check --service, or ask the node's "
        "administrator"),
    ROW(TOKEN_MALFORMED, EXIT_CODE_REFUSED, false,
        "the service-account token is not a well-formed Kubernetes JWT; check --token-file"),
    ROW(TOKEN_UNTRUSTED_ISSUER, EXIT_CODE_REFUSED, false,
        "this service does not trust the issuer of the service-account token"),
    ROW(TOKEN_BAD_ALGORITHM, EXIT_CODE_REFUSED, false,
        "the service-account token is signed with an algorithm that is not allowed for its issuer"),
    ROW(TOKEN_UNKNOWN_KEY, EXIT_CODE_REFUSED, false,
        "the service-account token is signed with a key that its issuer does not publish"),
    ROW(TOKEN_BAD_SIGNATURE, EXIT_CODE_REFUSED, false,
        "the signature of the service-account token is not valid"),
    ROW(TOKEN_EXPIRED, EXIT_CODE_REFUSED, false,
        "the service-account token has expired; use a projected one, which kubelet renews"),
    ROW(TOKEN_NOT_YET_VALID, EXIT_CODE_REFUSED, false,
        "the service-account token is not valid yet; check the clocks of the node and the cluster"),
    ROW(TOKEN_WRONG_AUDIENCE, EXIT_CODE_REFUSED, false,
        "the service-account token is for another audience; project one with this service's "
        "audience"),
    ROW(TOKEN_WRONG_NODE, EXIT_CODE_REFUSED, false,
        "the service-account token was not issued for a pod on this node"),
    ROW(TOKEN_REVOKED, EXIT_CODE_REFUSED, false,
        "the API server does not accept the service-account token; its pod or account may have "
        "been deleted"),
    ROW(PEER_MISMATCH, EXIT_CODE_REFUSED, false,
        "the caller does not run in the pod of the service-account token; each pod must present "
        "its own"),
    ROW(PEER_GONE, EXIT_CODE_REFUSED, false,
        "the process that connected has ended; the process that asks must connect itself"),
    ROW(POLICY_DENIED, EXIT_CODE_REFUSED, false,
        "the service's rules do not admit this service account or pod"),
    ROW(UPSTREAM_REFUSED, EXIT_CODE_REFUSED, false, "the upstream refused the exchange"),
    ROW(UPSTREAM_UNAVAILABLE, EXIT_CODE_TRY_AGAIN, true, "the upstream is unavailable; try again"),
    ROW(UPSTREAM_PROTOCOL, EXIT_CODE_TRY_AGAIN, true,
        "the upstream did not answer like a token endpoint; check the URL in the service file"),
    ROW(ISSUER_UNAVAILABLE, EXIT_CODE_TRY_AGAIN, true,
        "cannot fetch the issuer's keys, which verify the service-account token; try again"),
    ROW(REVIEW_UNAVAILABLE, EXIT_CODE_TRY_AGAIN, true,
        "cannot ask the API server whether the service-account token is still valid; try again"),
    ROW(BUSY, EXIT_CODE_TRY_AGAIN, true,
        "the upstream limits the rate of requests, or the service's settings have just changed; "
        "try again later"),
    ROW(TOO_MANY, EXIT_CODE_TRY_AGAIN, true, "too many requests at once; try again later"),
    ROW(INTERNAL, EXIT_CODE_FAULT, true, "internal error in the daemon; see its log"),
    ROW(UNREACHABLE, EXIT_CODE_UNREACHABLE, true,
        "no daemon answers at the socket; check that podlogind runs and that the directory is "
        "mounted"),
    ROW(TIMEOUT, EXIT_CODE_TRY_AGAIN, true,
        "the daemon did not answer within the timeout; try again"),
    ROW(NO_SUBJECT_TOKEN, EXIT_CODE_CONFIG, false,
        "no service-account token found; mount a projected one, or name its file in "
        "PODLOGIN_TOKEN_FILE"),
    ROW(BAD_ARGUMENT, EXIT_CODE_USAGE, false, "an argument is empty, too long or out of range"),
    ROW(BAD_ANSWER, EXIT_CODE_FAULT, false,
        "the daemon's answer is not valid; check that client and daemon have compatible versions"),
    ROW(NO_MEMORY, EXIT_CODE_FAULT, false, "out of memory"),
    ROW(UNTRUSTED_SERVER, EXIT_CODE_REFUSED, false,
        "the server at the socket could not be authenticated; the service-account token was not "
        "sent"),
    ROW(CANCELLED, EXIT_CODE_TRY_AGAIN, true, "the caller has cancelled the call"),
    ROW(NOT_RENEWED, EXIT_CODE_TRY_AGAIN, true,
        "there is no other token yet; wait until the watch's descriptor is readable"),
};

const struct status_info *status_info(enum podlogin_status status)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (table[i].status == status)
            return &table[i];
    return status_info(PODLOGIN_INTERNAL);
}

const struct status_info *status_table(size_t *ret_n)
{
    *ret_n = sizeof(table) / sizeof(table[0]);
    return table;
}
