/*
 * What a client does to the environment of a program for a token, besides setting its variables.
 * The broker makes it of the service's settings, so that nothing of it comes from the exchanger.
 */
#ifndef BROKER_ENVIRONMENT_H
#define BROKER_ENVIRONMENT_H

#include "base/digest.h"
#include "config/config.h"
#include "protocol/wire.h"

struct environment {
    char *directory; /* VARIABLE=NAME: a private directory for the files; NULL: there are none */
    struct wire_list files; /* NAME=TEMPLATE; the service owns the bytes */
    struct wire_list unset; /* names of variables to remove, not owned */
};

/*
 * Describes the environment for the login @key of @service. The name of its directory is a digest
 * of the cache key, so that two logins have one directory if and only if they share a token.
 *
 * @ret_environment: always set; the caller releases it with environment_done().
 *
 * Returns 0 or -ENOMEM.
 */
int environment_describe(const struct service *service, const struct digest *key,
                         struct environment *ret_environment);

/* Frees the contents. */
void environment_done(struct environment *environment);

#endif
