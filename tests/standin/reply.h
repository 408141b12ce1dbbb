/* The answer to a request. */
#ifndef STANDIN_REPLY_H
#define STANDIN_REPLY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum reply_kind {
    REPLY_BODY,  /* status and body at once */
    REPLY_RESET, /* resets the connection instead of answering */
    REPLY_SLOW,  /* sends the body byte by byte, with pauses */
    REPLY_HUGE,  /* sends a body that is larger than any client should accept */
};

/* Owns its strings, except the content type. */
struct reply {
    enum reply_kind kind;
    unsigned status;
    char *body;
    size_t body_bytes;
    const char *content_type;
    char *retry_after;   /* or NULL */
    char *cache_control; /* or NULL */
    bool has_challenge;  /* asks the client to authenticate (RFC 6749, section 5.2) */
};

/* Takes @json. */
void reply_json(struct reply *reply, unsigned status, json_t *json);

/* Takes @text. */
void reply_text(struct reply *reply, unsigned status, const char *content_type, char *text);

/* An error of the token endpoint (RFC 6749, section 5.2). */
void reply_oauth_error(struct reply *reply, unsigned status, const char *error,
                       const char *description);

/* An error of any other endpoint. */
void reply_error(struct reply *reply, unsigned status, const char *message);

void reply_done(struct reply *reply);

#endif
