/* Service-account tokens, like those that an API server issues for projected volumes. */
#ifndef STANDIN_MINT_H
#define STANDIN_MINT_H

#include <jansson.h>

struct standin;

/*
 * Makes the tokens that @json, the body of POST /mint, describes. Only the thread of the control
 * interface may call this.
 *
 * @ret_tokens: an array of strings, set on success only; the caller owns it.
 *
 * Returns NULL, or an error message that the caller frees.
 */
char *mint_tokens(struct standin *standin, json_t *json, json_t **ret_tokens);

#endif
