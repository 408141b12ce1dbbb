/*
 * Reads the head of an HTTP request (RFC 9112), strictly: what is not as it should be is refused,
 * not repaired.
 */
#ifndef COMMAND_REQUEST_H
#define COMMAND_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

/* The parts that matter: C strings in the buffer; NULL: there is none. */
struct request {
    const char *method;
    const char *target;
    const char *host;
    const char *authorization;
};

/*
 * Reads @bytes, a buffer of @len bytes and a NUL, and changes it: a request line, header fields,
 * and an empty line at the very end. A request with a body is not valid. Returns whether the
 * request is valid.
 */
bool request_parse(char *bytes, size_t len, struct request *ret_request);

#endif
