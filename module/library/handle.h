/* What a handle consists of, and how its requests are asked. */
#ifndef LIBRARY_HANDLE_H
#define LIBRARY_HANDLE_H

#include "library/client.h"
#include "library/podlogin.h"
#include "library/subject_token.h"

#define ERROR_MAX 1024

struct podlogin {
    char *service;
    char *socket;
    char *token_file; /* NULL: the library looks for it */
    uint32_t min_ttl_s;
    uint32_t timeout_ms;
    uid_t server_uid;
    int cancel_fd;                /* the caller's; -1: none */
    struct podlogin_token *token; /* of podlogin_authenticate(), not yet returned to the caller */
    bool is_authenticated;
    bool asks_once; /* has no connection between its requests */
    uint32_t retry_after_ms;
    enum podlogin_status error_status; /* the status that @error explains */
    char error[ERROR_MAX];
    struct subject_token subject_token; /* only while a request is sent */
    struct client client;               /* ends with the largest buffer */
};

/* A request and its answer. */
struct question {
    const struct wire_message *request;
    const void *values;
    bool needs_login;
    const struct wire_message *answer;
    void *ret_values; /* point into the client's buffer */
};

/* Returns where the handle's requests go, without a login. */
struct client_target handle_target(const struct podlogin *login);

/*
 * Reads the service-account token until the deadline of @target, for a login there; the caller
 * wipes it in each case, with subject_token_wipe().
 *
 * Returns PODLOGIN_OK, or PODLOGIN_NO_SUBJECT_TOKEN or PODLOGIN_CANCELLED, which the handle then
 * explains.
 */
enum podlogin_status handle_read_token(struct podlogin *login, struct client_target *target);

/* Asks until the timeout. The handle explains another result than PODLOGIN_OK. */
enum podlogin_status handle_ask(struct podlogin *login, const struct question *question);

/*
 * Reads the answer in the client's buffer: the values, or the status of an error, which the handle
 * then explains.
 */
enum podlogin_status handle_read(struct podlogin *login, const struct question *question,
                                 const struct wire_header *header);

/* Explains @status, the result of a function of the client with @target. */
void handle_explain(struct podlogin *login, const struct client_target *target,
                    enum podlogin_status status);

/* A little less than the library's own timeout, so that the daemon's error arrives before it. */
uint32_t handle_daemon_timeout(const struct podlogin *login);

/* Returns a GET with the settings of the handle. */
struct message_get handle_get(const struct podlogin *login);

/* Copies the answer to a GET, if it may become a token. */
enum podlogin_status handle_take(struct podlogin *login, const struct message_token *message,
                                 struct podlogin_token **ret_token);

/* Wipes the client's buffer, which held a JWT or a token. */
void handle_wipe(struct podlogin *login);

/* Forgets the error of the latest call. */
void handle_begin(struct podlogin *login);

/* Makes @status the error of the handle, without anything particular to it. Returns @status. */
enum podlogin_status handle_fail(struct podlogin *login, enum podlogin_status status);

#endif
