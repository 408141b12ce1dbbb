/* The pod's own service-account token, read each time that it is needed: kubelet replaces it. */
#ifndef LIBRARY_SUBJECT_TOKEN_H
#define LIBRARY_SUBJECT_TOKEN_H

#include <stddef.h>
#include <stdint.h>

#include "library/deadline.h"
#include "protocol/messages.h"

#define SUBJECT_TOKEN_PATH "/var/run/secrets/podlogin/serviceaccount/token"

struct subject_token {
    uint8_t bytes[PODLOGIN_JWT_MAX + 2]; /* wiped by the caller */
    size_t len;
    const char *path; /* the file that was read, or that could not be read; NULL: none was found */
};

/*
 * Reads @path. If it is NULL, reads the first that exists of $PODLOGIN_TOKEN_FILE,
 * SUBJECT_TOKEN_PATH, $AWS_WEB_IDENTITY_TOKEN_FILE and
 * /var/run/secrets/eks.amazonaws.com/serviceaccount/token. A program with more privileges than its
 * caller ignores the variables (secure_getenv(3)). Waits for the writer of a pipe, until
 * @deadline. White space at the end is cut off.
 *
 * Returns 0; -ENOENT if no file exists, or not the one that @path or $PODLOGIN_TOKEN_FILE names;
 * -EFBIG if it is longer than a token can be; -ENODATA if it is empty; -EILSEQ if it has bytes that
 * are not visible ASCII; -ETIME; -ECANCELED; or another -errno. Sets @ret_token->path in each case;
 * the caller wipes @ret_token in each case.
 */
int subject_token_read(const char *path, const struct deadline *deadline,
                       struct subject_token *ret_token);

/* Wipes what was read. The rest of the bytes has pages that the process may not have yet. */
void subject_token_wipe(struct subject_token *token);

/* Returns what an error of subject_token_read() means. */
const char *subject_token_strerror(int r);

#endif
