#include "standin/pulumi/token_type.h"

#include <stddef.h>
#include <string.h>

#define URN "urn:pulumi:token-type:access_token:"

const struct token_type token_types[TOKEN_TYPES] = {
    [TOKEN_ORGANIZATION] = {URN "organization", "organization", NULL, NULL},
    [TOKEN_TEAM] = {URN "team", "team", "team:", "teamName"},
    [TOKEN_PERSONAL] = {URN "personal", "personal", "user:", "userLogin"},
    [TOKEN_RUNNER] = {URN "runner", "runner", "runner:", "runnerID"},
};

const struct token_type *token_type_find(const char *name)
{
    for (size_t i = 0; name && i < TOKEN_TYPES; i++)
        if (strcmp(token_types[i].name, name) == 0)
            return &token_types[i];
    return NULL;
}

const struct token_type *token_type_find_urn(const char *urn)
{
    for (size_t i = 0; urn && i < TOKEN_TYPES; i++)
        if (strcmp(token_types[i].urn, urn) == 0)
            return &token_types[i];
    return NULL;
}
