/* What a status means to PAM. */
#ifndef PAM_CODE_H
#define PAM_CODE_H

#include "protocol/podlogin-status.h"

/*
 * Returns PAM_SUCCESS for PODLOGIN_OK only, and never PAM_IGNORE. PAM_AUTH_ERR: it was refused;
 * PAM_AUTHINFO_UNAVAIL: it may be different later; PAM_CRED_INSUFFICIENT: there is no
 * service-account token; PAM_BUF_ERR; PAM_SERVICE_ERR: a fault, or a wrong configuration.
 */
int pam_code(enum podlogin_status status);

#endif
