/*
 * Credential helpers: the command under a name by which git and docker run it, with their
 * protocols. A name may end with a dash and the name of a service, as in
 * docker-credential-podlogin-registry, because docker passes no options.
 */
#ifndef COMMAND_HELPER_H
#define COMMAND_HELPER_H

#include <stddef.h>

#include "command/options.h"

#define HELPER_INPUT_MAX 65536 /* bytes that git or docker send */

/*
 * Returns the helper that is called @name; NULL if none is.
 *
 * @ret_service: the service in the name; NULL if it has none. Set on success only.
 */
const struct command *helper_find(const char *name, const char **ret_service);

/* Reads standard input to its end into @buffer as a C string. Returns its length, or -errno. */
int helper_read(char buffer[HELPER_INPUT_MAX]);

/* The user name of the options, or else of the environment, or else one that fits most servers. */
const char *helper_username(const struct options *options);

/* Returns -1, or after an error, which has been printed, an exit code. */
int helper_check(const struct options *options);

/* The servers that may get the token: of the options, or else of the environment, or NULL. */
const char *helper_hosts(const struct options *options);

/* Returns whether @host, of @len bytes, is in @hosts, with commas or blanks between them. */
bool helper_may_have(const char *hosts, const char *host, size_t len);

#endif
