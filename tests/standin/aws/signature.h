/* AWS Signature Version 4 of a request, with the credentials that STS gave. */
#ifndef STANDIN_AWS_SIGNATURE_H
#define STANDIN_AWS_SIGNATURE_H

#include <jansson.h>

struct request;
struct tokens;

/*
 * Verifies the signature in the header Authorization, over the method, the path, the signed headers
 * and the body; a query is not supported. The caller holds the lock.
 *
 * @ret_record: of the session token that came with it; set on success only.
 *
 * Returns NULL, or the code of an error of AWS.
 */
const char *signature_verify(const struct request *request, const struct tokens *tokens,
                             const json_t **ret_record);

#endif
