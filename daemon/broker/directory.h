/*
 * The private directory in which a client puts the files of a token. The broker makes it of the
 * service's settings, so that nothing of it comes from the exchanger.
 */
#ifndef BROKER_DIRECTORY_H
#define BROKER_DIRECTORY_H

#include "base/digest.h"
#include "config/config.h"
#include "protocol/wire.h"

struct directory {
    char *variable;         /* VARIABLE=NAME; NULL: the provider has no files */
    struct wire_list files; /* NAME=TEMPLATE; the directory owns the bytes */
};

/*
 * Describes the directory of the login @key of @service. Its name is a digest of the cache key, so
 * that two logins have one directory if and only if they share a token.
 *
 * @ret_directory: always set; the caller releases it with directory_done().
 *
 * Returns 0 or -ENOMEM.
 */
int directory_describe(const struct service *service, const struct digest *key,
                       struct directory *ret_directory);

/* Frees the contents. */
void directory_done(struct directory *directory);

#endif
