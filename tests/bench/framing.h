/*
 * Where an answer ends, and whether it is one: what bench-replay knows of the protocols of the
 * daemon and its peers.
 */
#ifndef FRAMING_H
#define FRAMING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct framing {
    const char *name;

    /* Returns the length of the first answer in @bytes; 0 if more is to come; -EBADMSG if it is a
     * refusal, or no answer of this protocol. */
    long (*answer_len)(const uint8_t *bytes, size_t len);

    /* Sets the number of the request on its connection, from 0; NULL: requests have none. */
    void (*set_number)(uint8_t *request, size_t len, uint32_t number);
};

/* podlogin, http, resp (Redis), ssh-agent, munge, oidc-agent, grpc; NULL: the name is none of them.
 */
const struct framing *framing_find(const char *name);

#endif
