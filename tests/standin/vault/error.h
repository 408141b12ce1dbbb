/* The errors of Vault: a status and texts. */
#ifndef STANDIN_VAULT_ERROR_H
#define STANDIN_VAULT_ERROR_H

#include <stdbool.h>

struct reply;

/* Answers {"errors":[text]}. */
void vault_refuse(struct reply *reply, unsigned status, const char *text);

/* Answers with the error that a fault calls @name. Returns false when there is no such error. */
bool vault_error(const char *name, struct reply *reply);

#endif
