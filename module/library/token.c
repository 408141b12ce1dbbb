/* An access token that the caller keeps: one allocation, wiped when it is freed. */
#include "library/token.h"

#include <stdlib.h>
#include <string.h>

#include "library/packed.h"
#include "protocol/names.h"

/* One allocation: the struct, then all its strings, so that one wipe gets everything. */
struct podlogin_token {
    size_t size;
    int64_t expires_at_s;
    const char *source;
    const char *value;
    const char *type;
    const char *variable;
    const char *attributes[WIRE_LIST_MAX];
    unsigned n_attributes;
    char text[];
};

static bool variable_check(struct wire_bytes name, struct text *why)
{
    if (variable_name_is_safe((const char *)name.at, name.len))
        return true;
    /* text that is not a name may be a secret, so it is not repeated */
    if (variable_name_is_valid((const char *)name.at, name.len)) {
        text_add(why, "it sets the variable ", NULL);
        text_add_bytes(why, name.at, name.len);
        text_add(why, ", which a token must not set", NULL);
    } else {
        text_add(why, "it sets a variable whose name is not [A-Z][A-Z0-9_]*", NULL);
    }
    return false;
}

static bool attribute_check(struct wire_bytes attribute, struct text *why)
{
    const uint8_t *equals = attribute.len ? memchr(attribute.at, '=', attribute.len) : NULL;

    if (equals)
        return variable_check(wire_bytes(attribute.at, (size_t)(equals - attribute.at)), why);
    text_add(why, "an attribute is not of the form NAME=VALUE", NULL);
    return false;
}

bool token_check(const struct message_token *message, struct text *why)
{
    if (!text_is_visible(message->token.at, message->token.len)) {
        text_add(why, "the token is not visible ASCII", NULL);
        return false;
    }
    if (message->variable.len && !variable_check(message->variable, why))
        return false;
    for (size_t i = 0; i < message->attributes.n; i++)
        if (!attribute_check(message->attributes.item[i], why))
            return false;
    return true;
}

static const char *source_name(uint32_t source)
{
    switch (source) {
    case TOKEN_SOURCE_CACHE:
        return "cache";
    case TOKEN_SOURCE_EXCHANGE:
        return "exchange";
    case TOKEN_SOURCE_JOINED:
        return "joined";
    default:
        return "unknown";
    }
}

struct podlogin_token *token_new(const struct message_token *message)
{
    size_t size = sizeof(struct podlogin_token) + message->token.len + message->token_type.len +
                  message->variable.len + 3 + packed_size(&message->attributes);
    struct podlogin_token *token = calloc(1, size);
    char *at = token ? token->text : NULL;

    if (!token)
        return NULL;
    token->size = size;
    token->expires_at_s = (int64_t)message->expires_at_s;
    token->source = source_name(message->source);
    token->value = packed_add(&at, message->token);
    token->type = packed_add(&at, message->token_type);
    token->variable = packed_add(&at, message->variable);
    for (; token->n_attributes < message->attributes.n; token->n_attributes++)
        token->attributes[token->n_attributes] =
            packed_add(&at, message->attributes.item[token->n_attributes]);
    return token;
}

const char *podlogin_token_value(const struct podlogin_token *token)
{
    return token->value;
}

const char *podlogin_token_type(const struct podlogin_token *token)
{
    return token->type;
}

int64_t podlogin_token_expires_at(const struct podlogin_token *token)
{
    return token->expires_at_s;
}

const char *podlogin_token_source(const struct podlogin_token *token)
{
    return token->source;
}

const char *podlogin_token_variable(const struct podlogin_token *token)
{
    return token->variable;
}

const char *podlogin_token_attribute_at(const struct podlogin_token *token, unsigned index)
{
    return index < token->n_attributes ? token->attributes[index] : NULL;
}

const char *podlogin_token_attribute(const struct podlogin_token *token, const char *name)
{
    size_t len = strlen(name);

    for (unsigned i = 0; i < token->n_attributes; i++)
        if (strncmp(token->attributes[i], name, len) == 0 && token->attributes[i][len] == '=')
            return token->attributes[i] + len + 1;
    return NULL;
}

void podlogin_token_free(struct podlogin_token *token)
{
    if (!token)
        return;
    explicit_bzero(token, token->size);
    free(token);
}
