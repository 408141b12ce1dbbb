/* The pod's own service-account token, read anew each time since kubelet replaces it. */
#ifndef SUBJECT_TOKEN_H
#define SUBJECT_TOKEN_H

#include <stddef.h>
#include <stdint.h>

#include "protocol/messages.h"

struct subject_token {
    uint8_t bytes[PODLOGIN_JWT_MAX + 2]; /* wiped by the caller */
    size_t len;
    const char *path; /* that it was read from, or that failed */
};

/*
 * Reads @path, or where it is NULL the first there is of $PODLOGIN_TOKEN_FILE,
 * /var/run/secrets/podlogin/serviceaccount/token, $AWS_WEB_IDENTITY_TOKEN_FILE and
 * /var/run/secrets/eks.amazonaws.com/serviceaccount/token. White space at the end is cut off.
 *
 * 0; -ENOENT: none is there; -EFBIG: longer than any token; -ENODATA: empty; or another -errno.
 */
int subject_token_read(const char *path, struct subject_token *ret_token);

#endif
