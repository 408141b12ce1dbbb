#include "provider/provider.h"

#include <string.h>

static const struct provider *const providers[] = {
    &provider_pulumi,
};

const struct provider *provider_find(const char *name)
{
    for (size_t i = 0; i < sizeof(providers) / sizeof(providers[0]); i++)
        if (strcmp(providers[i]->name, name) == 0)
            return providers[i];
    return NULL;
}

const char *provider_names(void)
{
    return "pulumi";
}

void provider_request_done(struct provider_request *request)
{
    free(request->url);
    secret_free(request->body);
    *request = (struct provider_request){0};
}

void provider_answer_done(struct provider_answer *answer)
{
    secret_free(answer->token);
    for (size_t i = 0; i < answer->n_attributes; i++)
        wiping_free(answer->attributes[i]);
    *answer = (struct provider_answer){0};
}
