/*
 * The administrator's socket: what the daemon does, and what it can be told to do (podloginctl(8)).
 *
 * Root and the daemon's own user may do all. Others who can reach the socket, members of its group,
 * may look only.
 */
#ifndef ADMIN_ADMIN_H
#define ADMIN_ADMIN_H

#include <jansson.h>

#include "session/session.h"

struct findings;

/* What the commands look at. All must outlive the socket. */
struct admin_view {
    struct loop *loop;
    struct broker *broker;
    struct identities *identities;
    struct sessions *sessions;
    struct exchanger_client **exchangers; /* EXCHANGERS of them; NULL: not needed */
    bool replaces;                        /* the socket of another daemon */

    /* Reads the configuration again. Returns 0, or -errno with the reasons in @ret_findings. */
    int (*reload)(struct admin_view *view, struct findings *ret_findings);
};

struct admin {
    struct admin_view *view;
    struct listener listener;
    struct list connections;
    unsigned n_connections;
};

/*
 * Listens at AdminSocket=. If that is not set and the default cannot be used, logs a warning and
 * goes without. Returns 0, or -errno with a sentence in @ret_error; the caller calls admin_done()
 * in both cases.
 */
int admin_init(struct admin *admin, struct admin_view *view, const struct config *config,
               char ret_error[LISTENER_ERROR_MAX]);

/* Closes all connections and the listener. Does nothing if @admin is zeroed. */
void admin_done(struct admin *admin);

/* Return new references, or NULL if memory ran out. */
json_t *admin_status(const struct admin_view *view);

/* What the daemon waits for before it can serve, as sentences; an empty array: nothing. */
json_t *admin_waits_for(const struct admin_view *view);

struct login_filter;

/*
 * Lists the cached tokens that match, without the tokens: at most @limit of them after the first
 * @offset.
 */
json_t *admin_cache_list(const struct admin_view *view, const struct login_filter *filter,
                         size_t offset, size_t limit);

/* Returns the metrics in the text format of Prometheus, which the caller frees; NULL: no memory. */
char *admin_metrics(const struct admin_view *view);

#endif
