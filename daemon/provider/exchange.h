/*
 * The second half of a provider: builds the HTTP request that exchanges a JWT for an access token,
 * and reads the answer. The functions do no I/O. The exchanger uses them, and podloginctl to show
 * the request.
 */
#ifndef PROVIDER_EXCHANGE_H
#define PROVIDER_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "base/outcome.h"
#include "base/secret.h"
#include "protocol/names.h"
#include "provider/detail.h"
#include "provider/provider.h"

#define PROVIDER_HEADERS_MAX   4
#define PROVIDER_VARIABLES_MAX 9

/* An additional header, besides Accept and Content-Type. */
struct provider_header {
    const char *name;
    char *value; /* owned; wiped when it is freed */
};

struct provider_request {
    const char *method; /* "POST" */
    char *url;          /* of a program, its command */
    const char *accept;
    const char *content_type; /* of the body */
    struct secret *body;
    struct provider_header headers[PROVIDER_HEADERS_MAX];
    size_t n_headers;
};

struct provider_variable {
    char name[VARIABLE_NAME_MAX + 1];
    struct secret *value;
};

/*
 * With OUTCOME_OK, it has at least one variable, and one of expires_in_s and expires_at_s.
 */
struct provider_answer {
    enum outcome outcome;
    char detail[DETAIL_SIZE];
    uint32_t retry_after_ms;
    char token_type[64];
    struct provider_variable variables[PROVIDER_VARIABLES_MAX]; /* the first is the token */
    size_t n_variables;
    uint32_t expires_in_s; /* from the time of the answer; 0: unknown */
    int64_t expires_at_s;  /* Unix time; 0: unknown */
};

struct provider_exchange {
    const struct provider *provider;

    /*
     * Builds a request. @jwt is copied. Returns 0; -EINVAL if the values were not checked
     * and are not valid; or -ENOMEM.
     */
    int (*request)(const struct provider_values *values, const struct secret *jwt,
                   struct provider_request *ret_request);

    /*
     * Reads the answer to a request into @answer, which is zeroed but for retry_after_ms. Sets
     * answer->outcome in each case. Returns 0 or -ENOMEM.
     */
    int (*answer)(const struct provider_values *values, long http_status, const void *body,
                  size_t body_len, struct provider_answer *answer);
};

/* Returns the exchange half of the provider @name, or NULL. */
const struct provider_exchange *provider_exchange_find(const char *name);

/*
 * Appends a variable with copies of @name, of at most VARIABLE_NAME_MAX bytes, and @value. Returns
 * 0, or -ENOMEM, also if there are PROVIDER_VARIABLES_MAX already.
 */
int answer_add_variable(struct provider_answer *answer, const char *name, const void *value,
                        size_t len);

/*
 * Returns whether @text, which may be NULL, has 1 to @max bytes of printable ASCII without blanks:
 * it is safe in a header, an environment variable and a terminal.
 */
bool answer_is_visible(const char *text, size_t max);

/* Sets the lifetime of a token to @seconds, which is positive, up to TOKEN_LIFETIME_MAX_S. */
void answer_set_lifetime(struct provider_answer *answer, int64_t seconds);

/* Sets OUTCOME_MALFORMED, and appends the reason: "the answer has no valid ...". Returns 0. */
int answer_set_malformed(struct provider_answer *answer, const char *what);

/*
 * Sets the outcome of an answer that is no success, and begins its detail with the HTTP status. A
 * 503 with answer->retry_after_ms set is OUTCOME_THROTTLED.
 */
void answer_set_failure(struct provider_answer *answer, long http_status, enum outcome outcome);

/* Appends ": " and @text, which may be NULL, to the detail. */
void answer_explain(struct provider_answer *answer, const char *text);

/* Sets the body to a JSON object; NULL: memory ran out. Returns 0 or -ENOMEM. */
int request_set_json(struct provider_request *request, const json_t *body);

/*
 * Appends a header, with a value that has the form of printf(3). Returns 0 or -ENOMEM.
 */
__attribute__((format(printf, 3, 4))) int
request_add_header(struct provider_request *request, const char *name, const char *format, ...);

/*
 * Returns the outcome of an HTTP status alone, for answers whose body has no known error, such as
 * those of proxies and gateways: 401 and 403 are REFUSED, 429 THROTTLED, 408 and 500 and above
 * UNAVAILABLE, and all other 4xx MISCONFIGURED: they are about the request. All others, including
 * 200 and redirects, are MALFORMED.
 */
enum outcome outcome_of_http_status(long http_status);

/* Frees and wipes the contents. */
void provider_request_done(struct provider_request *request);
void provider_answer_done(struct provider_answer *answer);

#define EXCHANGE_DECLARE(name, id) extern const struct provider_exchange provider_##id##_exchange;
PROVIDERS(EXCHANGE_DECLARE)

#endif
