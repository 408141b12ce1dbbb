/*
 * A provider is a kind of upstream: which settings it has, which HTTP request exchanges a JWT for
 * its token, and how its answer is read. Pure functions: the broker checks settings with them, the
 * exchanger builds requests and reads answers with them. One file per provider.
 */
#ifndef PROVIDER_H
#define PROVIDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/outcome.h"
#include "base/secret.h"

#define PROVIDER_SETTINGS_MAX   16
#define PROVIDER_ATTRIBUTES_MAX 8
#define UPSTREAM_BODY_MAX       65536
#define TOKEN_LIFETIME_MAX_S    (7 * 24 * 3600) /* whatever an upstream says */

/* Values of the provider's section, in the order of provider->settings; NULL: not set. */
struct provider_values {
    const char *value[PROVIDER_SETTINGS_MAX];
};

struct provider_request {
    char *url;
    struct secret *body; /* application/x-www-form-urlencoded */
    const char *accept;
};

struct provider_answer {
    enum outcome outcome;
    char detail[256]; /* for a person; printable, holds no secret */
    uint32_t retry_after_ms;
    struct secret *token;
    char token_type[64];
    uint32_t expires_in_s;
    const char *variable; /* constant: the environment variable that takes the token */
    char *attributes[PROVIDER_ATTRIBUTES_MAX]; /* NAME=VALUE */
    size_t n_attributes;
};

struct provider {
    const char *name;            /* of Provider= */
    const char *section;         /* of the service file */
    const char *const *settings; /* NULL at the end */

    /* 0, or -EINVAL with a sentence that says what would be right. */
    int (*check)(const struct provider_values *values, char *ret_error, size_t error_size);

    /* The URL that tells upstreams apart; valid as long as @values. */
    const char *(*endpoint)(const struct provider_values *values);

    /* @jwt is not kept. 0, -EINVAL (values were not checked) or -ENOMEM. */
    int (*request)(const struct provider_values *values, const struct secret *jwt,
                   struct provider_request *ret_request);

    /* Reads the answer to a request that got one; always sets answer->outcome. 0 or -ENOMEM. */
    int (*answer)(const struct provider_values *values, long http_status, const void *body,
                  size_t body_len, struct provider_answer *answer);
};

/* NULL: there is none of that name. */
const struct provider *provider_find(const char *name);

/* "pulumi, ..." for an error message. */
const char *provider_names(void);

void provider_request_done(struct provider_request *request);
void provider_answer_done(struct provider_answer *answer);

extern const struct provider provider_pulumi;

#endif
