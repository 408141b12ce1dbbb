/* Table tests of providers: settings as the configuration reads them, requests, and answers. */
#ifndef SUPPORT_PROVIDER_H
#define SUPPORT_PROVIDER_H

#include "base/log.h"
#include "provider/exchange.h"
#include "support/check.h"

#define LINES_MAX 12

/* A request as it must be. Headers: "Name: value", NULL: no more. */
struct request_case {
    const char *lines[LINES_MAX];
    const char *jwt, *url, *body;
    const char *headers[PROVIDER_HEADERS_MAX];
};

/* An answer, and what it must be read as. */
struct answer_case {
    const char *why;
    long status;
    const char *body;
    enum outcome outcome;
    const char *detail; /* that the detail must have; NULL: any */
    uint32_t retry_after_ms;
};

static inline size_t setting_index(const struct provider *provider, const char *line)
{
    const struct provider_setting *settings = provider->settings;
    size_t len = strcspn(line, "="), i = 0;

    while (strlen(settings[i].name) != len || memcmp(settings[i].name, line, len) != 0)
        assert_non_null(settings[++i].name);
    return i;
}

/* Reads "Name=value" lines as the configuration does: an empty value means "not set". */
static inline struct provider_values provider_values_of(const struct provider *provider,
                                                        const char *const *lines)
{
    struct provider_values values = {0};

    for (; *lines; lines++) {
        const char *value = strchr(*lines, '=') + 1;

        values.value[setting_index(provider, *lines)] = *value ? value : NULL;
    }
    return values;
}

/* Checks each setting by itself, then all together, as the configuration does. */
static inline int provider_settings_check(const struct provider *provider, const char *const *lines,
                                          char *ret_error, size_t size)
{
    struct provider_values values = provider_values_of(provider, lines);
    size_t blamed;

    for (; *lines; lines++) {
        const struct provider_setting *setting =
            &provider->settings[setting_index(provider, *lines)];
        const char *expected = setting->expects(strchr(*lines, '=') + 1);

        if (expected) {
            snprintf(ret_error, size, "%s= takes %s", setting->name, expected);
            return -EINVAL;
        }
    }
    return provider->check(&values, &blamed, ret_error, size);
}

static inline void assert_settings_valid(const struct provider *provider, const char *const *lines)
{
    char error[256] = "";

    if (provider_settings_check(provider, lines, error, sizeof(error)) != 0)
        fail_msg("%s: %s", lines[0] ? lines[0] : "no line", error);
}

static inline void assert_settings_refused(const struct provider *provider,
                                           const char *const *lines, const char *reason)
{
    char error[256] = "";

    if (provider_settings_check(provider, lines, error, sizeof(error)) != -EINVAL ||
        !strstr(error, reason))
        fail_msg("%s: \"%s\", not \"%s\"", lines[0] ? lines[0] : "no line", error, reason);
}

static inline void assert_headers(const struct provider_request *request,
                                  const char *const headers[PROVIDER_HEADERS_MAX])
{
    for (size_t i = 0; i < request->n_headers; i++) {
        size_t len = strlen(request->headers[i].name);

        if (!headers[i] || strncmp(headers[i], request->headers[i].name, len) != 0 ||
            strncmp(headers[i] + len, ": ", 2) != 0 ||
            strcmp(headers[i] + len + 2, request->headers[i].value) != 0)
            fail_msg("header %s: %s", request->headers[i].name, request->headers[i].value);
    }
    assert_true(request->n_headers == PROVIDER_HEADERS_MAX || !headers[request->n_headers]);
}

/* @secret: what the secret file holds; NULL: none. */
static inline void assert_request(const struct provider_exchange *exchange,
                                  const struct request_case *expected, const char *secret,
                                  const char *accept, const char *content_type)
{
    struct provider_values values = provider_values_of(exchange->provider, expected->lines);
    CLEANUP(secret_freep)
    struct secret *jwt = secret_new(expected->jwt, strlen(expected->jwt));
    CLEANUP(secret_freep)
    struct secret *content = secret ? secret_new(secret, strlen(secret)) : NULL;
    struct provider_request request = {0};

    values.secret = content;
    assert_settings_valid(exchange->provider, expected->lines);
    assert_int_equal(exchange->request(&values, jwt, &request), 0);
    assert_string_equal(request.url, expected->url);
    assert_string_equal(request.method, "POST");
    assert_string_equal(request.accept, accept);
    assert_string_equal(request.content_type, content_type);
    if (request.body->len != strlen(expected->body) ||
        memcmp(request.body->bytes, expected->body, request.body->len) != 0)
        fail_msg("%s: %.*s", expected->url, (int)request.body->len, (char *)request.body->bytes);
    assert_headers(&request, expected->headers);
    provider_request_done(&request);
}

static inline void assert_request_invalid(const struct provider_exchange *exchange,
                                          const char *const *lines)
{
    struct provider_values values = provider_values_of(exchange->provider, lines);
    CLEANUP(secret_freep)
    struct secret *jwt = secret_new("j", 1);
    struct provider_request request = {0};

    assert_int_equal(exchange->request(&values, jwt, &request), -EINVAL);
    provider_request_done(&request);
}

/*
 * Reads an answer. All or nothing: a success has variables that the provider may set, and a
 * lifetime; a failure has neither, and says why in printable text.
 */
static inline void provider_read(const struct provider_exchange *exchange,
                                 const struct provider_values *values, long status,
                                 const char *body, size_t len, struct provider_answer *answer)
{
    CLEANUP(freep)
    char *exact = copy_of(body, len);

    assert_int_equal(exchange->answer(values, status, exact, len, answer), 0);
    for (const char *c = answer->detail; *c; c++)
        assert_in_range(*c, 0x20, 0x7e);
    if (answer->outcome != OUTCOME_OK) {
        assert_int_equal(answer->n_variables, 0);
        assert_string_not_equal(answer->detail, "");
        return;
    }
    assert_string_equal(answer->detail, "");
    assert_true(answer->n_variables > 0 && answer->token_type[0]);
    assert_true(answer->expires_in_s > 0 || answer->expires_at_s > 0);
    for (size_t i = 0; i < answer->n_variables; i++)
        assert_true(provider_may_set(exchange->provider, values, answer->variables[i].name,
                                     strlen(answer->variables[i].name)));
}

static inline void assert_answers(const struct provider_exchange *exchange,
                                  const char *const *lines, const struct answer_case *cases,
                                  size_t n)
{
    struct provider_values values = provider_values_of(exchange->provider, lines);

    for (size_t i = 0; i < n; i++) {
        struct provider_answer answer = {.retry_after_ms = cases[i].retry_after_ms};

        provider_read(exchange, &values, cases[i].status, cases[i].body, strlen(cases[i].body),
                      &answer);
        if (answer.outcome != cases[i].outcome ||
            (cases[i].detail && !strstr(answer.detail, cases[i].detail)))
            fail_msg("%s: outcome %d, \"%s\"", cases[i].why, answer.outcome, answer.detail);
        if (strstr(answer.detail, "SECRET"))
            fail_msg("%s: \"%s\"", cases[i].why, answer.detail);
        provider_answer_done(&answer);
    }
}

/* Of a good answer with HTTP 200, no part by itself is a success. */
static inline void assert_truncations_malformed(const struct provider_exchange *exchange,
                                                const char *const *lines, const char *body)
{
    struct provider_values values = provider_values_of(exchange->provider, lines);

    for (size_t len = 0; len < strlen(body); len++) {
        struct provider_answer answer = {0};

        provider_read(exchange, &values, 200, body, len, &answer);
        if (answer.outcome != OUTCOME_MALFORMED)
            fail_msg("%zu bytes: outcome %d, \"%s\"", len, answer.outcome, answer.detail);
        provider_answer_done(&answer);
    }
}

/* Returns the value of a variable of @answer as a C string, valid until the next call. */
static inline const char *answer_variable(const struct provider_answer *answer, const char *name)
{
    static char text[20000];

    for (size_t i = 0; i < answer->n_variables; i++) {
        if (strcmp(answer->variables[i].name, name) != 0)
            continue;
        snprintf(text, sizeof(text), "%.*s", (int)answer->variables[i].value->len,
                 (const char *)answer->variables[i].value->bytes);
        return text;
    }
    return NULL;
}

#endif
