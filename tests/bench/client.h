/*
 * What the load generators share: requests that are encoded once, connections, and the check of
 * answers.
 */
#ifndef CLIENT_H
#define CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "protocol/messages.h"

/* LOGIN and GET as they are sent, one after the other. */
struct ticket {
    uint8_t *bytes;
    size_t len;
    size_t get_at; /* where the GET begins; a further request of a connection is the GET alone */
};

struct tickets {
    struct ticket *ticket;
    size_t n;
};

struct client {
    int fd;
    uint16_t id; /* of the pending request */
    uint64_t started_ns;
    size_t got; /* bytes of its answer so far */
    uint8_t answer[WIRE_HEADER_SIZE + PODLOGIN_ANSWER_MAX];
};

uint64_t now_ns(void);

/* Raises the limit of descriptors to the maximum. */
void raise_descriptors(void);

/* Makes one ticket for each line of @jwt_path. Returns 0 or -errno, and prints failures. */
int tickets_load(struct tickets *tickets, const char *jwt_path, const char *service, bool is_last);
void tickets_done(struct tickets *tickets);

/* Connects without writing. Returns 0 or -errno, and prints failures. */
int client_connect(struct client *client, const char *socket_path);
void client_close(struct client *client);

/*
 * Writes the ticket from byte @from on, under the next id. Returns 0 or -errno, and prints
 * failures.
 */
int client_ask(struct client *client, const struct ticket *ticket, size_t from);

/*
 * Reads what has arrived of the answer.
 *
 * Returns the length of the answer once it is complete, a TOKEN, and has the id of the request; 0
 * if more is to come; -errno otherwise, after printing the reason.
 */
long client_read(struct client *client);

#endif
