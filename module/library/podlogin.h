/*
 * libpodlogin: short-lived access tokens for a pod, from the daemon of its node.
 *
 * It is used like PAM: start, authenticate, get, end.
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
 * The library needs libc only. It has no globals, starts no threads, changes no signal handlers,
 * prints nothing and never ends the process. Its descriptors are numbered from 3, also if standard
 * input, output or error are closed. Signals do not end a call early.
 *
 * Only one thread may use a handle at a time. After fork(), only one of the two processes may use
 * it; each can start a handle of its own. A process never uses a connection that another one has
 * made, so that no answer can reach the wrong process.
 */
#ifndef PODLOGIN_H
#define PODLOGIN_H

#include <stdint.h>
#include <sys/types.h>

#include "podlogin-status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The library is compiled with hidden visibility; it exports what is declared here. */
#pragma GCC visibility push(default)

struct podlogin;          /* a login to one service */
struct podlogin_token;    /* an access token; podlogin_token_free() wipes it */
struct podlogin_watch;    /* waits for the renewal of a token */
struct podlogin_identity; /* the identity that the daemon derives from the service-account token */

/*
 * Opens a handle for a service. Does no I/O.
 *
 * @service:   1..64 bytes of [A-Za-z0-9._-]. NULL means $PODLOGIN_SERVICE, or "pulumi" if that is
 *             not set.
 * @ret_login: set on PODLOGIN_OK only; the caller closes it with podlogin_end().
 *
 * Reads settings from the environment (PODLOGIN_SOCKET, PODLOGIN_TOKEN_FILE, PODLOGIN_MIN_TTL,
 * PODLOGIN_TIMEOUT, PODLOGIN_SERVER_UID); the functions below override them. A program with more
 * privileges than its caller ignores the environment (secure_getenv(3)).
 *
 * Returns PODLOGIN_OK, PODLOGIN_BAD_ARGUMENT (@service or a variable is not valid), or
 * PODLOGIN_NO_MEMORY.
 */
enum podlogin_status podlogin_start(const char *service, struct podlogin **ret_login);

/*
 * Settings, to be made before podlogin_authenticate(). @path is copied. Each function returns
 * PODLOGIN_OK, PODLOGIN_BAD_ARGUMENT (the value is empty, too long or out of range), or
 * PODLOGIN_NO_MEMORY.
 */
enum podlogin_status podlogin_set_socket(struct podlogin *login, const char *path);
enum podlogin_status podlogin_set_token_file(struct podlogin *login, const char *path);

/*
 * Sets the user that the daemon must run as; by default root. The library sends nothing to a server
 * of another user. It sends nothing, either, if the caller can write to the directory of the
 * socket, unless the caller is root or that user.
 */
enum podlogin_status podlogin_set_server_uid(struct podlogin *login, uid_t uid);

/* Sets the remaining lifetime in seconds that a token should have at least: 0..604800. */
enum podlogin_status podlogin_set_min_ttl(struct podlogin *login, uint32_t min_ttl_s);

/* Sets how many milliseconds each call below may take in total: 1..60000, by default 10000. */
enum podlogin_status podlogin_set_timeout(struct podlogin *login, uint32_t timeout_ms);

/*
 * Sets a descriptor of the caller's, such as that of eventfd(2) or signalfd(2), which cancels the
 * calls below when poll(2) finds it readable: they return PODLOGIN_CANCELLED. The library reads
 * nothing from it and does not close it. -1, the default, means none.
 */
enum podlogin_status podlogin_set_cancel_fd(struct podlogin *login, int fd);

/*
 * Logs in: reads the file of the service-account token, connects, and asks for a token of the
 * service, in one round trip. If the daemon is not running, or restarts, waits for it. Blocks until
 * the timeout at most.
 *
 * Returns PODLOGIN_OK; a refusal of the daemon (podlogin-status.h); PODLOGIN_UNREACHABLE,
 * PODLOGIN_TIMEOUT, PODLOGIN_NO_SUBJECT_TOKEN, PODLOGIN_BAD_ANSWER, PODLOGIN_UNTRUSTED_SERVER,
 * PODLOGIN_CANCELLED, PODLOGIN_NO_MEMORY.
 */
enum podlogin_status podlogin_authenticate(struct podlogin *login);

/*
 * Returns the token of podlogin_authenticate(). Later calls ask the daemon for a valid token, on
 * the same connection, and block until the timeout at most.
 *
 * @ret_token: set on PODLOGIN_OK only; the caller frees it with podlogin_token_free().
 *
 * Returns the statuses of podlogin_authenticate(), and PODLOGIN_BAD_ARGUMENT if the latest
 * podlogin_authenticate() did not succeed, or was not called.
 */
enum podlogin_status podlogin_get_token(struct podlogin *login, struct podlogin_token **ret_token);

/*
 * Tells the daemon that the upstream rejects a token, and gets another one. If the daemon still has
 * the rejected token, it exchanges a new one, once for all who reject the same token; otherwise it
 * returns the newer one that it has. A token that was exchanged in the last 30 seconds is not
 * replaced. Does not need podlogin_authenticate(). Blocks until the timeout at most.
 *
 * @rejected:  the token; only its fingerprint is sent.
 * @ret_token: set on PODLOGIN_OK only; the caller frees it with podlogin_token_free().
 *
 * Returns the statuses of podlogin_authenticate(); PODLOGIN_BUSY (the token is too new, see
 * podlogin_retry_after()); PODLOGIN_BAD_ARGUMENT (@rejected is NULL or empty).
 */
enum podlogin_status podlogin_reject_token(struct podlogin *login, const char *rejected,
                                           struct podlogin_token **ret_token);

/*
 * Watches a token: gets a descriptor that becomes readable when the daemon has renewed the token,
 * for an event loop. Copies the settings of @login, which may be closed before the watch. Does not
 * block.
 *
 * @token:     the token that the caller has.
 * @ret_watch: set on PODLOGIN_OK only; the caller closes it with podlogin_watch_end().
 *
 * Returns PODLOGIN_OK, PODLOGIN_NO_MEMORY, or PODLOGIN_BAD_ARGUMENT (there are no descriptors
 * left).
 */
enum podlogin_status podlogin_watch_start(const struct podlogin *login,
                                          const struct podlogin_token *token,
                                          struct podlogin_watch **ret_watch);

/* Returns the descriptor, to be polled for reading; the watch owns it. */
int podlogin_watch_fd(const struct podlogin_watch *watch);

/*
 * Returns the next token, when the descriptor is readable. The watch goes on, whatever the result:
 * after an error it asks again, after a pause that grows to a minute, and it reads the file of the
 * service-account token each time. Takes the time of a connection to the daemon, or until the
 * timeout of the settings if the daemon hangs.
 *
 * @ret_token: set on PODLOGIN_OK only; the caller frees it with podlogin_token_free(), and the
 * watch waits for another one than this from now on.
 *
 * Returns PODLOGIN_OK; PODLOGIN_NOT_RENEWED (not yet; go on polling); PODLOGIN_BAD_ARGUMENT (the
 * caller is a child of the process that started the watch); or a status of
 * podlogin_authenticate(). After an error, the token that the caller has is still valid until it
 * expires. A daemon that restarts is not an error before the timeout of the settings.
 */
enum podlogin_status podlogin_watch_next(struct podlogin_watch *watch,
                                         struct podlogin_token **ret_token);

/* Explains @status, as podlogin_strerror() does. Valid until the next call with @watch. */
const char *podlogin_watch_strerror(const struct podlogin_watch *watch,
                                    enum podlogin_status status);

/* Closes @watch, which may be NULL. Tokens stay valid. */
void podlogin_watch_end(struct podlogin_watch *watch);

/*
 * Asks for the identity that the daemon derives from the service-account token. Does not need
 * podlogin_authenticate(). Blocks until the timeout at most.
 *
 * @ret_identity: set on PODLOGIN_OK only; the caller frees it with podlogin_identity_free().
 *
 * Returns the statuses of podlogin_authenticate().
 */
enum podlogin_status podlogin_whoami(struct podlogin *login,
                                     struct podlogin_identity **ret_identity);

/*
 * Waits until the daemon answers, or until the timeout. Needs neither a service-account token nor
 * podlogin_authenticate(). Returns the statuses of podlogin_authenticate().
 */
enum podlogin_status podlogin_wait(struct podlogin *login);

/* Closes @login, which may be NULL. Tokens and identities stay valid. */
void podlogin_end(struct podlogin *login);

/*
 * Explains @status in one line, without a newline and without secrets: what happened, why, and what
 * to do. If @status is the result of the latest call with @login, the line says what is particular
 * to it; otherwise, and if @login is NULL, what @status means in general. Valid until the next call
 * with @login.
 */
const char *podlogin_strerror(const struct podlogin *login, enum podlogin_status status);

/* Returns how many milliseconds to wait before a retry of the latest call, or 0: no advice. */
uint32_t podlogin_retry_after(const struct podlogin *login);

/* Returns the name of the service, valid until podlogin_end(). */
const char *podlogin_service(const struct podlogin *login);

/* The parts of a token: C strings that are valid until podlogin_token_free(), never NULL. */
const char *podlogin_token_value(const struct podlogin_token *token);

/* How to present the token: "token", "Bearer". */
const char *podlogin_token_type(const struct podlogin_token *token);

/* When the token expires, in Unix time. */
int64_t podlogin_token_expires_at(const struct podlogin_token *token);

/* Where the daemon got the token from: "cache", "exchange", "joined", or "unknown". */
const char *podlogin_token_source(const struct podlogin_token *token);

/* The environment variable that programs read the token from: "PULUMI_ACCESS_TOKEN"; or "". */
const char *podlogin_token_variable(const struct podlogin_token *token);

/*
 * The environment variables of the token: podlogin_token_variable() with the token itself, if there
 * is one, then further ones, such as AWS_ACCESS_KEY_ID. By @name: the value, or NULL. By @index,
 * from 0: "NAME=VALUE", or NULL after the last. Values may be secrets.
 *
 * The names are [A-Z][A-Z0-9_]*. The library refuses a token that would set a variable which
 * changes how programs run, such as LD_PRELOAD or PATH, with PODLOGIN_BAD_ANSWER.
 */
const char *podlogin_token_attribute(const struct podlogin_token *token, const char *name);
const char *podlogin_token_environment_at(const struct podlogin_token *token, unsigned index);

/*
 * Programs such as the Pulumi CLI read the token from a file instead. podlogin_token_directory()
 * returns "VARIABLE=NAME", or "": before such a program is started, make a private directory for
 * each NAME, and set VARIABLE to its path. podlogin_token_file_at() returns a file for it by
 * @index, from 0: "NAME=CONTENT", or NULL after the last. The content is a secret, and is as of the
 * time at which the token was received.
 *
 * The names of directories and files are [A-Za-z0-9_-][A-Za-z0-9._-]*.
 */
const char *podlogin_token_directory(const struct podlogin_token *token);
const char *podlogin_token_file_at(const struct podlogin_token *token, unsigned index);

/*
 * Returns the name of a variable by @index, from 0; NULL after the last. Such a variable makes
 * programs use another token, or send this one to another server: remove it from the environment
 * of a program before the others are set. The names are of the same form.
 */
const char *podlogin_token_unset_at(const struct podlogin_token *token, unsigned index);

/* Wipes and frees @token, which may be NULL. */
void podlogin_token_free(struct podlogin_token *token);

/*
 * The parts of an identity: C strings that are valid until podlogin_identity_free(). Empty if the
 * service-account token does not state the part.
 */
const char *podlogin_identity_issuer(const struct podlogin_identity *identity);
const char *podlogin_identity_subject(const struct podlogin_identity *identity);
const char *podlogin_identity_namespace(const struct podlogin_identity *identity);
const char *podlogin_identity_serviceaccount(const struct podlogin_identity *identity);
const char *podlogin_identity_serviceaccount_uid(const struct podlogin_identity *identity);
const char *podlogin_identity_pod(const struct podlogin_identity *identity);
const char *podlogin_identity_pod_uid(const struct podlogin_identity *identity);
/* Returns when the service-account token expires, in Unix time. */
int64_t podlogin_identity_expires_at(const struct podlogin_identity *identity);

/* Returns a service that the identity may use now, by @index from 0; NULL after the last. */
const char *podlogin_identity_service_at(const struct podlogin_identity *identity, unsigned index);

/* Frees @identity, which may be NULL. */
void podlogin_identity_free(struct podlogin_identity *identity);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
