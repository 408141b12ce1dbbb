/* Names that come from the peer: of services, and of environment variables. */
#ifndef PROTOCOL_NAMES_H
#define PROTOCOL_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#define VARIABLE_NAME_MAX 64

/*
 * Returns whether @name can name a service: 1..PODLOGIN_SERVICE_MAX bytes of [A-Za-z0-9._-], of
 * which the first is not a dot. So it can also name a file or a directory.
 */
bool service_name_is_valid(const char *name, size_t len);

/* Returns whether @name has the form of a variable: 1..VARIABLE_NAME_MAX bytes, [A-Z][A-Z0-9_]*. */
bool variable_name_is_valid(const char *name, size_t len);

/* Returns whether @name can name a file in a directory; the rule is that for services. */
bool file_name_is_valid(const char *name, size_t len);

/*
 * Returns whether an access token may set the environment variable @name: the name is valid, and
 * the variable does not change which code runs, how it is loaded, or which servers and
 * configuration files programs trust. Refused are the variables of dynamic loaders, libc, shells
 * and interpreters, of programs that start other programs (git, editors, pagers), of certificates
 * and proxies, and podlogin's own. The list began with the lists of libc (unsecure variables) and
 * sudo (variables removed by default).
 *
 * The variables of a token are credentials and what belongs to them: PULUMI_ACCESS_TOKEN,
 * AWS_REGION, VAULT_ADDR. A list of what each provider sets belongs in the daemon. The client
 * cannot have one, because it would refuse the providers of later daemons, and the variables whose
 * names an administrator chooses. But it is the client that changes an environment. With this list,
 * an upstream, an exchanger or a daemon in an attacker's hands cannot run code in the pod with
 * LD_PRELOAD or the like. The list is a second line of defence, and cannot be complete.
 */
bool variable_name_is_safe(const char *name, size_t len);

#endif
