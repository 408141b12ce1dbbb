#include "provider/exchange.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ADDRESS(name, id) &provider_##id##_exchange,
static const struct provider_exchange *const exchanges[] = {PROVIDERS(ADDRESS)};

const struct provider_exchange *provider_exchange_find(const char *name)
{
    for (size_t i = 0; i < sizeof(exchanges) / sizeof(exchanges[0]); i++)
        if (strcmp(exchanges[i]->provider->name, name) == 0)
            return exchanges[i];
    return NULL;
}

int answer_add_variable(struct provider_answer *answer, const char *name, const void *value,
                        size_t len)
{
    struct provider_variable *variable = &answer->variables[answer->n_variables];

    if (answer->n_variables == PROVIDER_VARIABLES_MAX)
        return -ENOMEM;
    snprintf(variable->name, sizeof(variable->name), "%s", name);
    variable->value = secret_new(value, len);
    if (!variable->value)
        return -ENOMEM;
    answer->n_variables++;
    return 0;
}

bool answer_is_visible(const char *text, size_t max)
{
    size_t len = text ? strlen(text) : 0;

    if (len == 0 || len > max)
        return false;
    for (; *text; text++)
        if (*text <= 0x20 || *text >= 0x7f)
            return false;
    return true;
}

void answer_set_lifetime(struct provider_answer *answer, int64_t seconds)
{
    answer->expires_in_s =
        (uint32_t)(seconds > TOKEN_LIFETIME_MAX_S ? TOKEN_LIFETIME_MAX_S : seconds);
}

int answer_set_malformed(struct provider_answer *answer, const char *what)
{
    answer->outcome = OUTCOME_MALFORMED;
    detail_add(answer->detail, "the answer has no valid ");
    detail_add(answer->detail, what);
    return 0;
}

void answer_set_failure(struct provider_answer *answer, long http_status, enum outcome outcome)
{
    answer->outcome = outcome;
    if (outcome == OUTCOME_UNAVAILABLE && http_status == 503 && answer->retry_after_ms)
        answer->outcome = OUTCOME_THROTTLED;
    detail_add_number(answer->detail, "HTTP ", http_status);
}

void answer_explain(struct provider_answer *answer, const char *text)
{
    if (!text)
        return;
    detail_add(answer->detail, ": ");
    detail_add(answer->detail, text);
}

int request_set_json(struct provider_request *request, const json_t *body)
{
    size_t len = body ? json_dumpb(body, NULL, 0, JSON_COMPACT) : 0;

    request->body = len ? secret_alloc(len) : NULL;
    if (!request->body)
        return -ENOMEM;
    json_dumpb(body, (char *)request->body->bytes, len, JSON_COMPACT);
    request->content_type = "application/json";
    return 0;
}

int request_add_header(struct provider_request *request, const char *name, const char *format, ...)
{
    struct provider_header *header = &request->headers[request->n_headers];
    va_list args;
    int len;

    if (request->n_headers == PROVIDER_HEADERS_MAX)
        return -ENOMEM;
    va_start(args, format);
    len = vasprintf(&header->value, format, args);
    va_end(args);
    if (len < 0)
        return -ENOMEM;
    header->name = name;
    request->n_headers++;
    return 0;
}

enum outcome outcome_of_http_status(long http_status)
{
    if (http_status == 429)
        return OUTCOME_THROTTLED;
    if (http_status >= 500 || http_status == 408)
        return OUTCOME_UNAVAILABLE;
    if (http_status == 401 || http_status == 403)
        return OUTCOME_REFUSED;
    return http_status >= 400 ? OUTCOME_MISCONFIGURED : OUTCOME_MALFORMED;
}

void provider_request_done(struct provider_request *request)
{
    free(request->url);
    secret_free(request->body);
    for (size_t i = 0; i < request->n_headers; i++)
        free(request->headers[i].value);
    *request = (struct provider_request){0};
}

void provider_answer_done(struct provider_answer *answer)
{
    for (size_t i = 0; i < answer->n_variables; i++)
        secret_free(answer->variables[i].value);
    *answer = (struct provider_answer){0};
}
