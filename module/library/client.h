/* One conversation with the daemon: connect, write a request, read its answer, within a deadline.
 */
#ifndef CLIENT_H
#define CLIENT_H

#include "library/server_trust.h"
#include "protocol/messages.h"
#include "protocol/podlogin-status.h"

#define CLIENT_BUFFER_SIZE (WIRE_HEADER_SIZE + PODLOGIN_ANSWER_MAX)

struct client {
    int fd; /* -1: not connected */
    bool is_logged_in;
    enum server_trust trust; /* in who serves there; why there is none */
    uid_t server_uid;
    uint16_t last_id;
    uint8_t buffer[CLIENT_BUFFER_SIZE]; /* the request, then its answer; wiped by the caller */
    size_t buffer_len;
};

/* Milliseconds of CLOCK_BOOTTIME. */
int64_t clock_ms(void);

/* Where to connect, and what with. */
struct client_target {
    const char *socket;
    const uint8_t *jwt; /* NULL: the request needs no login */
    size_t jwt_len;
    uid_t server_uid; /* who has to serve there */
    int64_t deadline_ms;
};

/*
 * Sends a request, after LOGIN where the connection has none yet, and reads its answer into the
 * client's buffer. A connection that cannot be made or breaks is made anew until the deadline: the
 * requests of this protocol do no harm when they are repeated.
 *
 * Returns PODLOGIN_OK with an answer whose header is *ret_header and whose payload follows it in
 * the buffer, or PODLOGIN_UNREACHABLE, PODLOGIN_TIMEOUT, PODLOGIN_BAD_ANSWER,
 * PODLOGIN_BAD_ARGUMENT, PODLOGIN_UNTRUSTED_SERVER (nothing was sent; @client->trust says why).
 */
enum podlogin_status client_ask(struct client *client, const struct client_target *target,
                                const struct wire_message *message, const void *values,
                                struct wire_header *ret_header);

/* Waits for about @ms, but no longer than until @deadline_ms. False: it would be past that. */
bool client_nap(uint32_t ms, int64_t deadline_ms);

void client_close(struct client *client);

#endif
