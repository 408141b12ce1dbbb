/* Service-account tokens, as a cluster's API server issues them for projected volumes. */
#ifndef STANDIN_MINT_H
#define STANDIN_MINT_H

#include <jansson.h>

struct standin;

/*
 * Makes the tokens that @order, the body of POST /mint, asks for. Runs in the control interface's
 * thread only.
 *
 * @ret_tokens: an array of strings, set on success only; the caller owns it.
 *
 * Returns NULL, or what is wrong with @order, which the caller frees.
 */
char *mint(struct standin *standin, json_t *order, json_t **ret_tokens);

#endif
