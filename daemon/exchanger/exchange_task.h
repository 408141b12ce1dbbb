/* An exchange until its answer comes: what a server's and a program's have in common. */
#ifndef EXCHANGER_EXCHANGE_TASK_H
#define EXCHANGER_EXCHANGE_TASK_H

#include "exchange/job.h"
#include "provider/exchange.h"

struct exchange_task {
    uint16_t id; /* of the job */
    const struct provider_exchange *exchange;
    struct secret *jwt;
    struct secret *secret;        /* what the secret file holds; NULL: none */
    struct secret *authorization; /* the request's header, which has the secret; NULL: none */
    char *settings[PROVIDER_SETTINGS_MAX];
};

/*
 * @is_program: the kind of provider that the caller's role has jobs of.
 *
 * Returns 0 and a task that the caller frees with exchange_task_free(); -EBADMSG: the provider is
 * of the other kind; -EINVAL: there is no such provider, or no such setting of it; or -ENOMEM.
 */
int exchange_task_new(uint16_t id, const struct job_exchange *job, bool is_program,
                      struct exchange_task **ret_task);

void exchange_task_free(struct exchange_task *task);

DEFINE_CLEANUP(struct exchange_task *, exchange_task_free)

/* Returns the settings, which point into @task. */
struct provider_values exchange_task_values(const struct exchange_task *task);

/*
 * Has the provider read an answer, and sends the result. No detail quotes the JWT or the
 * secret, as it is or as it was sent.
 *
 * @status: the HTTP status, or that with which the program ended.
 */
void exchange_task_answer(const struct exchange_task *task, long status, const void *body,
                          size_t body_len, uint32_t retry_after_ms);

#endif
