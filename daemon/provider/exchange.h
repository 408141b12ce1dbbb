/*
 * The second half of a provider: which HTTP request exchanges a JWT for its token, and how the
 * answer is read. Pure functions, used by the exchanger, and by podloginctl to show the request.
 */
#ifndef EXCHANGE_H
#define EXCHANGE_H

#include <stdint.h>

#include "base/outcome.h"
#include "base/secret.h"
#include "provider/detail.h"
#include "provider/provider.h"

#define PROVIDER_HEADERS_MAX   4
#define PROVIDER_VARIABLES_MAX 9

/* Beside Accept and Content-Type. */
struct provider_header {
    const char *name;
    char *value;
};

struct provider_request {
    const char *method; /* "POST" */
    char *url;
    const char *accept;
    const char *content_type; /* of the body */
    struct secret *body;
    struct provider_header headers[PROVIDER_HEADERS_MAX];
    size_t n_headers;
};

struct provider_variable {
    const char *name; /* constant: one of provider->variables */
    struct secret *value;
};

/* With OUTCOME_OK it has a variable at least, and an end by one of the two ways to tell it. */
struct provider_answer {
    enum outcome outcome;
    char detail[DETAIL_SIZE];
    uint32_t retry_after_ms;
    char token_type[64];
    struct provider_variable variables[PROVIDER_VARIABLES_MAX]; /* the first is the token itself */
    size_t n_variables;
    uint32_t expires_in_s; /* since the answer; 0: not told */
    int64_t expires_at_s;  /* Unix time; 0: not told */
};

struct provider_exchange {
    const struct provider *provider;

    /* @jwt is not kept. Returns 0, -EINVAL (the values were not checked) or -ENOMEM. */
    int (*request)(const struct provider_values *values, const struct secret *jwt,
                   struct provider_request *ret_request);

    /* Reads the answer to a request; always sets answer->outcome. Returns 0 or -ENOMEM. */
    int (*answer)(const struct provider_values *values, long http_status, const void *body,
                  size_t body_len, struct provider_answer *answer);
};

/* NULL: there is none of that name. */
const struct provider_exchange *provider_exchange_find(const char *name);

/* Appends a variable with a copy of @value. Returns 0, or -ENOMEM, also if there are too many. */
int answer_add_variable(struct provider_answer *answer, const char *name, const void *value,
                        size_t len);

/*
 * The outcome that an HTTP status means where the body says nothing that is known, as with answers
 * of proxies and gateways. Statuses below 400 are no failure: OUTCOME_MALFORMED.
 */
enum outcome outcome_of_http_status(long http_status);

void provider_request_done(struct provider_request *request);
void provider_answer_done(struct provider_answer *answer);

extern const struct provider_exchange provider_pulumi_exchange;

#endif
