#include "protocol/status.h"

#define ROW(status, exit_code, is_retryable, sentence)                                             \
    {                                                                                              \
        PODLOGIN_##status, #status, exit_code, is_retryable, sentence                              \
    }

static const struct status_info table[] = {
    ROW(OK, EXIT_CODE_OK, false, "success"),
    ROW(BAD_FRAME, EXIT_CODE_FAULT, false,
        "the daemon could not read the request; client and daemon do not fit together"),
    ROW(BAD_REQUEST, EXIT_CODE_FAULT, false, "the daemon cannot do what the request asks for"),
    ROW(UNKNOWN_SERVICE, EXIT_CODE_CONFIG, false,
        "the daemon has no service of that name; ask the node's administrator, or check --service"),
    ROW(TOKEN_MALFORMED, EXIT_CODE_REFUSED, false,
        "the service-account token is not a well-formed Kubernetes JWT; check --token-file"),
    ROW(TOKEN_UNTRUSTED_ISSUER, EXIT_CODE_REFUSED, false,
        "the service-account token is of an issuer that this service does not trust"),
    ROW(TOKEN_BAD_ALGORITHM, EXIT_CODE_REFUSED, false,
        "the service-account token is signed with an algorithm that its issuer may not use"),
    ROW(TOKEN_UNKNOWN_KEY, EXIT_CODE_REFUSED, false,
        "the service-account token is signed with a key that its issuer does not publish"),
    ROW(TOKEN_BAD_SIGNATURE, EXIT_CODE_REFUSED, false,
        "the signature of the service-account token is wrong"),
    ROW(TOKEN_EXPIRED, EXIT_CODE_REFUSED, false,
        "the service-account token has expired; use one that kubelet renews (a projected volume)"),
    ROW(TOKEN_NOT_YET_VALID, EXIT_CODE_REFUSED, false,
        "the service-account token is not valid yet; check the clocks of node and cluster"),
    ROW(TOKEN_WRONG_AUDIENCE, EXIT_CODE_REFUSED, false,
        "the service-account token has another audience; project one for this service's audience"),
    ROW(TOKEN_WRONG_NODE, EXIT_CODE_REFUSED, false,
        "the service-account token was issued for a pod of another node"),
    ROW(TOKEN_REVOKED, EXIT_CODE_REFUSED, false,
        "the API server no longer accepts the service-account token; its pod or account is gone"),
    ROW(PEER_MISMATCH, EXIT_CODE_REFUSED, false,
        "the service-account token is another pod's; each pod presents its own"),
    ROW(PEER_GONE, EXIT_CODE_REFUSED, false, "the asking process ended before the answer"),
    ROW(POLICY_DENIED, EXIT_CODE_REFUSED, false,
        "the service's rules do not admit this service account or pod"),
    ROW(UPSTREAM_REFUSED, EXIT_CODE_REFUSED, false, "the upstream refused the exchange"),
    ROW(UPSTREAM_UNAVAILABLE, EXIT_CODE_TRY_AGAIN, true,
        "the upstream did not answer the exchange in time; try again"),
    ROW(UPSTREAM_PROTOCOL, EXIT_CODE_TRY_AGAIN, true,
        "the upstream's answer is not that of a token endpoint; check the service's URL"),
    ROW(ISSUER_UNAVAILABLE, EXIT_CODE_TRY_AGAIN, true,
        "the issuer's keys cannot be fetched, so no token of it can be verified; try again"),
    ROW(BUSY, EXIT_CODE_TRY_AGAIN, true, "the upstream asks for fewer requests; try again later"),
    ROW(TOO_MANY, EXIT_CODE_TRY_AGAIN, true, "too many requests at once; try again later"),
    ROW(INTERNAL, EXIT_CODE_FAULT, false, "a fault of the daemon; its log says more"),
    ROW(UNREACHABLE, EXIT_CODE_UNREACHABLE, true,
        "no daemon answers at the socket; is podlogind running, and its directory mounted?"),
    ROW(TIMEOUT, EXIT_CODE_TRY_AGAIN, true, "no answer before the timeout; try again"),
    ROW(NO_SUBJECT_TOKEN, EXIT_CODE_CONFIG, false,
        "no service-account token; mount a projected one or name it with --token-file"),
    ROW(BAD_ARGUMENT, EXIT_CODE_USAGE, false, "an argument is empty, too long or out of range"),
    ROW(BAD_ANSWER, EXIT_CODE_FAULT, false,
        "the daemon's answer could not be read; client and daemon do not fit together"),
    ROW(NO_MEMORY, EXIT_CODE_FAULT, false, "out of memory"),
    ROW(UNTRUSTED_SERVER, EXIT_CODE_REFUSED, false,
        "whoever serves at the socket need not be the daemon, so no token was shown to it"),
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
