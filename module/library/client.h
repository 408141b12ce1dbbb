/* A connection to the daemon: connects, writes a request and reads its answer within a deadline. */
#ifndef LIBRARY_CLIENT_H
#define LIBRARY_CLIENT_H

#include "library/deadline.h"
#include "library/server_trust.h"
#include "protocol/messages.h"
#include "protocol/podlogin-status.h"
#include "text/text.h"

#define CLIENT_BUFFER_SIZE (WIRE_HEADER_SIZE + PODLOGIN_ANSWER_MAX)

struct client {
    int fd;    /* -1: not connected */
    pid_t pid; /* of the process that connected */
    bool is_logged_in;
    enum server_trust trust; /* the latest result of server_judge() */
    uid_t server_uid;        /* of the server that was judged */
    int error;               /* why the latest attempt failed, as errno */
    uint16_t last_id;
    size_t buffer_len;
    size_t used;                        /* how much of the buffer may not be wiped */
    uint8_t buffer[CLIENT_BUFFER_SIZE]; /* the request, then its answer; the caller wipes it */
};

/* Where a request goes, and how long it may take. */
struct client_target {
    const char *socket;
    const uint8_t *jwt; /* NULL: the request needs no login */
    size_t jwt_len;
    uid_t server_uid; /* the user that the server must run as */
    struct deadline deadline;
};

/*
 * Sends a request and reads its answer into the client's buffer. Sends LOGIN first if @target has a
 * JWT and the connection is not logged in. If the connection cannot be made, or breaks, connects
 * and sends again until the deadline: requests of this protocol can be repeated safely.
 *
 * @message:    the kind of the request.
 * @values:     its struct.
 * @ret_header: the header of the answer; the payload follows at WIRE_HEADER_SIZE of the buffer.
 *
 * Returns PODLOGIN_OK; PODLOGIN_UNREACHABLE; PODLOGIN_TIMEOUT; PODLOGIN_CANCELLED;
 * PODLOGIN_BAD_ANSWER; PODLOGIN_BAD_ARGUMENT (the request does not fit its table, or the path is
 * too long); PODLOGIN_UNTRUSTED_SERVER (nothing was sent; @client->trust and @client->server_uid
 * say why).
 */
enum podlogin_status client_ask(struct client *client, const struct client_target *target,
                                const struct wire_message *message, const void *values,
                                struct wire_header *ret_header);

/* client_ask() in two halves, each with one attempt. They return 0 or -errno. */
int client_send(struct client *client, const struct client_target *target,
                const struct wire_message *message, const void *values);
int client_receive(struct client *client, const struct deadline *deadline,
                   struct wire_header *ret_header);

/* Returns the status that -errno @r of the functions above means. */
enum podlogin_status client_status(int r, bool was_connected);

/* Returns whether another attempt may succeed, because the daemon starts, for example. */
bool client_may_retry(int r);

/*
 * Waits for @ms and up to half as long again, chosen at random, so that clients that wait for the
 * same event do not return at the same time. Returns false, at once, if that would pass the
 * deadline, or when the caller cancels it.
 */
bool client_nap(uint32_t ms, const struct deadline *deadline);

/*
 * Appends to @why what a caller can do about @status, the result of client_ask() with @target:
 * PODLOGIN_UNREACHABLE or PODLOGIN_UNTRUSTED_SERVER. Appends nothing for other statuses.
 */
void client_explain(const struct client *client, const struct client_target *target,
                    enum podlogin_status status, struct text *why);

/* Wipes the buffer as far as it was used. The rest has pages that the process does not have yet. */
void client_wipe(struct client *client);

/* Closes the connection, if there is one. */
void client_close(struct client *client);

#endif
