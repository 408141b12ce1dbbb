#include "provider/exchange.h"

#include <errno.h>
#include <string.h>

static const struct provider_exchange *const exchanges[] = {
    &provider_pulumi_exchange,
};

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
    variable->name = name;
    variable->value = secret_new(value, len);
    if (!variable->value)
        return -ENOMEM;
    answer->n_variables++;
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
