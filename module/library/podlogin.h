/*
 * libpodlogin: short-lived access tokens for a pod, from the daemon of its node.
 *
 * In the manner of PAM: start, authenticate, get, end.
 *
 *     struct podlogin *login;
 *     struct podlogin_token *token;
 *
 *     if (podlogin_start("pulumi", &login) != PODLOGIN_OK)
 *         ...
 *     status = podlogin_authenticate(login);
 *     if (status == PODLOGIN_OK)
 *         status = podlogin_get_token(login, &token);
 *     if (status != PODLOGIN_OK)
 *         fprintf(stderr, "%s\n", podlogin_strerror(login, status));
 *     ...
 *     podlogin_token_free(token);
 *     podlogin_end(login);
 *
 * The library needs libc only. It has no globals, starts no threads, touches no signals, prints
 * nothing and never ends the process. A handle is used by one thread at a time. After fork() the
 * child may go on with the handle only if the parent does not; each may start one of its own.
 */
#ifndef PODLOGIN_H
#define PODLOGIN_H

#include <stdint.h>
#include <sys/types.h>

#include "podlogin-status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The library is compiled with hidden visibility; what is declared here is what it shows. */
#pragma GCC visibility push(default)

struct podlogin;       /* a login to one service */
struct podlogin_token; /* an access token, wiped when it is freed */
struct podlogin_identity;

/*
 * Opens a handle for @service: 1..64 bytes of [A-Za-z0-9._-], or NULL for $PODLOGIN_SERVICE, and
 * "pulumi" where that is not set. Does no I/O. The caller ends it with podlogin_end().
 *
 * Settings come from the environment (PODLOGIN_SOCKET, PODLOGIN_TOKEN_FILE, PODLOGIN_MIN_TTL,
 * PODLOGIN_TIMEOUT, PODLOGIN_SERVER_UID) unless set below.
 *
 * Returns PODLOGIN_OK, PODLOGIN_BAD_ARGUMENT (@service, or a value of the environment), or
 * PODLOGIN_NO_MEMORY.
 */
enum podlogin_status podlogin_start(const char *service, struct podlogin **ret_login);

/*
 * Settings, before podlogin_authenticate(). Strings are copied. PODLOGIN_OK, PODLOGIN_BAD_ARGUMENT
 * (empty, too long, out of range) or PODLOGIN_NO_MEMORY.
 */
enum podlogin_status podlogin_set_socket(struct podlogin *login, const char *path);
enum podlogin_status podlogin_set_token_file(struct podlogin *login, const char *path);

/*
 * The user whose daemon is believed; root unless set. Nothing is sent to another's, nor, unless the
 * caller is that user himself or root, to one in a directory that the caller could write to.
 */
enum podlogin_status podlogin_set_server_uid(struct podlogin *login, uid_t uid);

/* The lifetime in seconds that a token should still have: 0..604800. */
enum podlogin_status podlogin_set_min_ttl(struct podlogin *login, uint32_t min_ttl_s);

/* The time in milliseconds that each call below may take, everything included: 1..60000. */
enum podlogin_status podlogin_set_timeout(struct podlogin *login, uint32_t timeout_ms);

/*
 * Logs in: reads the service-account token anew, connects, and asks for a token of the service, in
 * one round trip. A daemon that is not there yet, or goes away, is waited for. Blocks for the
 * timeout at most.
 *
 * Returns PODLOGIN_OK; a refusal of the daemon (podlogin-status.h); PODLOGIN_UNREACHABLE,
 * PODLOGIN_TIMEOUT, PODLOGIN_NO_SUBJECT_TOKEN, PODLOGIN_BAD_ANSWER, PODLOGIN_UNTRUSTED_SERVER,
 * PODLOGIN_NO_MEMORY.
 */
enum podlogin_status podlogin_authenticate(struct podlogin *login);

/*
 * Hands out the token of podlogin_authenticate(); called again, asks the daemon for one that is
 * valid then, on the same connection. The caller frees it with podlogin_token_free().
 *
 * Returns as podlogin_authenticate(), and PODLOGIN_BAD_ARGUMENT before it succeeded.
 */
enum podlogin_status podlogin_get_token(struct podlogin *login, struct podlogin_token **ret_token);

/*
 * What the daemon takes the caller for; needs no podlogin_authenticate(). The caller frees it with
 * podlogin_identity_free(). Returns as podlogin_authenticate().
 */
enum podlogin_status podlogin_whoami(struct podlogin *login,
                                     struct podlogin_identity **ret_identity);

/* Returns when the daemon answers; needs no service-account token. As podlogin_authenticate(). */
enum podlogin_status podlogin_ping(struct podlogin *login);

/* NULL is fine. */
void podlogin_end(struct podlogin *login);

/*
 * Explains @status in one line, without a newline and without secrets: what happened, why, and what
 * to do. If @status is the result of the latest call with @login, the line says what is particular
 * to it; otherwise, and if @login is NULL, what @status means in general. Valid until the next call
 * with @login.
 */
const char *podlogin_strerror(const struct podlogin *login, enum podlogin_status status);

/* After a refusal: milliseconds until a retry makes sense; 0: no advice. */
uint32_t podlogin_retry_after(const struct podlogin *login);

const char *podlogin_service(const struct podlogin *login);

/* The token's parts live as long as the token; they are printable and end with a NUL. */
const char *podlogin_token_value(const struct podlogin_token *token);
const char *podlogin_token_type(const struct podlogin_token *token);   /* "token", "Bearer" */
int64_t podlogin_token_expires_at(const struct podlogin_token *token); /* Unix time */
const char *
podlogin_token_source(const struct podlogin_token *token); /* "cache", "exchange", "joined" */
const char *
podlogin_token_variable(const struct podlogin_token *token); /* "PULUMI_ACCESS_TOKEN", "" */

/*
 * Further variables that go with the token. By name: the value, or NULL. By index, from 0:
 * "NAME=VALUE", or NULL after the last. Names, also that of podlogin_token_variable(), are
 * [A-Z][A-Z0-9_]*. A token that would set a variable which changes how programs run (LD_PRELOAD,
 * PATH, ...) is refused with PODLOGIN_BAD_ANSWER.
 */
const char *podlogin_token_attribute(const struct podlogin_token *token, const char *name);
const char *podlogin_token_attribute_at(const struct podlogin_token *token, unsigned index);

void podlogin_token_free(struct podlogin_token *token);

/* "" where the service-account token says nothing. */
const char *podlogin_identity_issuer(const struct podlogin_identity *identity);
const char *podlogin_identity_subject(const struct podlogin_identity *identity);
const char *podlogin_identity_namespace(const struct podlogin_identity *identity);
const char *podlogin_identity_serviceaccount(const struct podlogin_identity *identity);
const char *podlogin_identity_serviceaccount_uid(const struct podlogin_identity *identity);
const char *podlogin_identity_pod(const struct podlogin_identity *identity);
const char *podlogin_identity_pod_uid(const struct podlogin_identity *identity);
int64_t podlogin_identity_expires_at(const struct podlogin_identity *identity);

/* The services that may be used now, from index 0; NULL after the last. */
const char *podlogin_identity_service_at(const struct podlogin_identity *identity, unsigned index);

void podlogin_identity_free(struct podlogin_identity *identity);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
