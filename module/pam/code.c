/* Turns statuses into codes of PAM. */
#include "pam/code.h"

#include <security/_pam_types.h>

/*
 * Without a default, the compiler finds a status that is forgotten. CANCELLED and NOT_RENEWED are
 * results of calls that the module does not make.
 */
int pam_code(enum podlogin_status status)
{
    switch (status) {
    case PODLOGIN_OK:
        return PAM_SUCCESS;
    case PODLOGIN_TOKEN_MALFORMED:
    case PODLOGIN_TOKEN_UNTRUSTED_ISSUER:
    case PODLOGIN_TOKEN_BAD_ALGORITHM:
    case PODLOGIN_TOKEN_UNKNOWN_KEY:
    case PODLOGIN_TOKEN_BAD_SIGNATURE:
    case PODLOGIN_TOKEN_EXPIRED:
    case PODLOGIN_TOKEN_NOT_YET_VALID:
    case PODLOGIN_TOKEN_WRONG_AUDIENCE:
    case PODLOGIN_TOKEN_WRONG_NODE:
    case PODLOGIN_TOKEN_REVOKED:
    case PODLOGIN_PEER_MISMATCH:
    case PODLOGIN_PEER_GONE:
    case PODLOGIN_POLICY_DENIED:
    case PODLOGIN_UPSTREAM_REFUSED:
        return PAM_AUTH_ERR;
    case PODLOGIN_UPSTREAM_UNAVAILABLE:
    case PODLOGIN_UPSTREAM_PROTOCOL:
    case PODLOGIN_ISSUER_UNAVAILABLE:
    case PODLOGIN_REVIEW_UNAVAILABLE:
    case PODLOGIN_BUSY:
    case PODLOGIN_TOO_MANY:
    case PODLOGIN_INTERNAL:
    case PODLOGIN_UNREACHABLE:
    case PODLOGIN_TIMEOUT:
    case PODLOGIN_UNTRUSTED_SERVER:
        return PAM_AUTHINFO_UNAVAIL;
    case PODLOGIN_NO_SUBJECT_TOKEN:
        return PAM_CRED_INSUFFICIENT;
    case PODLOGIN_NO_MEMORY:
        return PAM_BUF_ERR;
    case PODLOGIN_UNKNOWN_SERVICE:
    case PODLOGIN_BAD_FRAME:
    case PODLOGIN_BAD_REQUEST:
    case PODLOGIN_BAD_ARGUMENT:
    case PODLOGIN_BAD_ANSWER:
    case PODLOGIN_CANCELLED:
    case PODLOGIN_NOT_RENEWED:
        return PAM_SERVICE_ERR;
    }
    return PAM_SERVICE_ERR; /* a number that this version does not know */
}
