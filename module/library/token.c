/* An access token that the caller keeps: one allocation, wiped when it is freed. */
#include "library/token.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "library/packed.h"
#include "library/template.h"
#include "protocol/names.h"

/* One allocation: the struct, then all its strings, so that one wipe gets everything. */
struct podlogin_token {
    size_t size;
    int64_t expires_at_s;
    const char *source;
    const char *value;
    const char *type;
    const char *variable;
    const char *environment[1 + WIRE_LIST_MAX]; /* NAME=VALUE; the token's own variable is first */
    unsigned n_environment;
    const char *directory;
    const char *files[WIRE_LIST_MAX];
    unsigned n_files;
    const char *unset[WIRE_LIST_MAX];
    unsigned n_unset;
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

/* Splits NAME=VALUE, and returns whether there is a "=". */
static bool split(struct wire_bytes text, struct wire_bytes *ret_name, struct wire_bytes *ret_value)
{
    const uint8_t *equals = text.len ? memchr(text.at, '=', text.len) : NULL;

    if (!equals)
        return false;
    *ret_name = wire_bytes(text.at, (size_t)(equals - text.at));
    *ret_value = wire_bytes(equals + 1, text.len - ret_name->len - 1);
    return true;
}

static bool attribute_check(struct wire_bytes attribute, struct text *why)
{
    struct wire_bytes name, value;

    if (split(attribute, &name, &value))
        return variable_check(name, why);
    text_add(why, "an attribute is not of the form NAME=VALUE", NULL);
    return false;
}

static bool is_file_name(struct wire_bytes name)
{
    return file_name_is_valid((const char *)name.at, name.len);
}

static bool directory_check(const struct message_token *message, struct text *why)
{
    struct wire_bytes name, value;

    if (message->directory.len) {
        if (!split(message->directory, &name, &value) || !is_file_name(value)) {
            text_add(why, "it has a directory without a valid name", NULL);
            return false;
        }
        if (!variable_check(name, why))
            return false;
    }
    for (size_t i = 0; i < message->files.n; i++) {
        if (message->directory.len && split(message->files.item[i], &name, &value) &&
            is_file_name(name) && template_is_valid(value))
            continue;
        text_add(why, "it has a file without a directory, a valid name or a valid template", NULL);
        return false;
    }
    return true;
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
    for (size_t i = 0; i < message->unset.n; i++)
        if (!variable_check(message->unset.item[i], why))
            return false;
    return directory_check(message, why);
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

static size_t files_size(const struct wire_list *files, const struct template_values *values)
{
    size_t size = 0;

    for (size_t i = 0; i < files->n; i++)
        size += template_size(files->item[i], values);
    return size;
}

/* Adds NAME=VALUE of the token's own variable, if it has one, and then the further ones. */
static void add_environment(struct podlogin_token *token, char **at,
                            const struct message_token *message)
{
    struct text text = text_in(*at, message->variable.len + message->token.len + 2);

    if (message->variable.len) {
        token->environment[token->n_environment++] = *at;
        text_add_bytes(&text, message->variable.at, message->variable.len);
        text_add(&text, "=", NULL);
    }
    token->value = text.at;
    text_add_bytes(&text, message->token.at, message->token.len);
    *at = text.at + 1;
    for (size_t i = 0; i < message->attributes.n; i++)
        token->environment[token->n_environment++] = packed_add(at, message->attributes.item[i]);
}

/* A name has no percent sign, so NAME=TEMPLATE is a template, too. */
static const char *add_file(char **at, size_t size, struct wire_bytes file,
                            const struct template_values *values)
{
    const char *start = *at;
    struct text text = text_in(*at, size);

    template_add(&text, file, values);
    *at = text.at + 1;
    return start;
}

struct podlogin_token *token_new(const struct message_token *message)
{
    const struct template_values values = {message->token, time(NULL),
                                           (int64_t)message->expires_at_s};
    size_t size = sizeof(struct podlogin_token) + message->token.len + message->token_type.len +
                  2 * message->variable.len + message->directory.len + 5 +
                  packed_size(&message->attributes) + packed_size(&message->unset) +
                  files_size(&message->files, &values);
    struct podlogin_token *token = calloc(1, size);
    char *at = token ? token->text : NULL;

    if (!token)
        return NULL;
    token->size = size;
    token->expires_at_s = (int64_t)message->expires_at_s;
    token->source = source_name(message->source);
    add_environment(token, &at, message);
    token->type = packed_add(&at, message->token_type);
    token->variable = packed_add(&at, message->variable);
    token->directory = packed_add(&at, message->directory);
    for (; token->n_files < message->files.n; token->n_files++)
        token->files[token->n_files] = add_file(&at, size - (size_t)(at - (char *)token),
                                                message->files.item[token->n_files], &values);
    for (; token->n_unset < message->unset.n; token->n_unset++)
        token->unset[token->n_unset] = packed_add(&at, message->unset.item[token->n_unset]);
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

const char *podlogin_token_environment_at(const struct podlogin_token *token, unsigned index)
{
    return index < token->n_environment ? token->environment[index] : NULL;
}

const char *podlogin_token_attribute(const struct podlogin_token *token, const char *name)
{
    size_t len = strlen(name);

    for (unsigned i = 0; i < token->n_environment; i++)
        if (strncmp(token->environment[i], name, len) == 0 && token->environment[i][len] == '=')
            return token->environment[i] + len + 1;
    return NULL;
}

const char *podlogin_token_directory(const struct podlogin_token *token)
{
    return token->directory;
}

const char *podlogin_token_file_at(const struct podlogin_token *token, unsigned index)
{
    return index < token->n_files ? token->files[index] : NULL;
}

const char *podlogin_token_unset_at(const struct podlogin_token *token, unsigned index)
{
    return index < token->n_unset ? token->unset[index] : NULL;
}

void podlogin_token_free(struct podlogin_token *token)
{
    if (!token)
        return;
    explicit_bzero(token, token->size);
    free(token);
}
