/*
 * What the generators of load have in common: the bytes of a request, made once; a connection; the
 * check of an answer.
 */
#ifndef CLIENT_H
#define CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "protocol/messages.h"

/* LOGIN and GET as they are written, in this order and as one. */
struct ticket {
    uint8_t *bytes;
    size_t len;
    size_t get_at; /* where the GET begins, which alone is the next request of a connection */
};

struct tickets {
    struct ticket *ticket;
    size_t n;
};

struct client {
    int fd;
    uint16_t id; /* of the request under way */
    uint64_t started_ns;
    size_t got; /* bytes of its answer */
    uint8_t answer[WIRE_HEADER_SIZE + PODLOGIN_ANSWER_MAX];
};

uint64_t now_ns(void);

/* Raises the limit of descriptors as far as it goes. */
void raise_descriptors(void);

/* One ticket for each line of @jwt_path. 0, or -errno; a failure is printed. */
int tickets_load(struct tickets *tickets, const char *jwt_path, const char *service);
void tickets_done(struct tickets *tickets);

/* Connects, and writes nothing. 0, or -errno; a failure is printed. */
int client_connect(struct client *client, const char *socket_path);
void client_close(struct client *client);

/* Writes the ticket from byte @from on, under the next id. 0, or -errno; a failure is printed. */
int client_ask(struct client *client, const struct ticket *ticket, size_t from);

/*
 * Reads what is there of the answer.
 *
 * Returns its length once it is whole, a TOKEN, and has the request's id; 0 if there is more to
 * come; -errno if it is anything else, which is printed.
 */
long client_read(struct client *client);

#endif
