/* podlogind --create-directories: what only root can do for a daemon that runs as another user. */
#ifndef SANDBOX_DIRECTORIES_H
#define SANDBOX_DIRECTORIES_H

#include "config/config.h"

struct owner {
    uid_t uid;
    gid_t gid;
};

/* Reads "UID:GID". Returns 0 or -EINVAL. */
int owner_parse(const char *text, struct owner *ret_owner);

/*
 * Creates the directories of the sockets, the cache and the runtime key, one level deep, and gives
 * them to @owner. A directory that has something in it and is not
 * the owner's is left alone. Needs CAP_CHOWN, and write access to their parents.
 *
 * Returns an exit code, after an error was logged.
 */
int directories_create(const struct config *config, const struct owner *owner);

#endif
