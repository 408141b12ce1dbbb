/* The upstream listener: which kind of upstream a request is for. */
#ifndef STANDIN_UPSTREAM_H
#define STANDIN_UPSTREAM_H

#include "standin/request.h"

/* One kind of upstream service. The functions run without the lock. */
struct upstream_kind {
    const char *name;        /* as the daemon's Provider= calls it */
    const char *token_field; /* what carries the subject token in the body of a login */

    /* Returns whether @path is one of this kind. */
    bool (*has_path)(const char *path);

    /* Parses the body of a request. */
    json_t *(*parse)(const struct request *request);

    /* Returns whether a request for one of its paths is a login, by what parse() returned, too. */
    bool (*is_login)(const struct request *request);

    /* Answers a login. Returns whether it granted a token, for the counts. */
    bool (*on_login)(struct standin *standin, const struct request *request, struct reply *reply);

    /* Counts any other request. Or NULL. */
    void (*on_call_received)(struct standin *standin, const struct request *request);

    /* Answers any other request. */
    void (*on_call)(struct standin *standin, struct request *request, struct reply *reply);

    /*
     * Answers with one of the errors of this kind: "throttled" and "unavailable", and those that it
     * has names for. Returns false for another name.
     */
    bool (*on_error)(const char *name, struct reply *reply);
};

extern const struct service upstream_service;

#endif
