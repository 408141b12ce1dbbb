#include "standin/pulumi/tokens.h"

#include <stdio.h>
#include <string.h>

#include "standin/encoding.h"
#include "standin/memory.h"

void tokens_init(struct tokens *tokens)
{
    tokens->by_value = must(json_object());
}

void tokens_done(struct tokens *tokens)
{
    json_decref(tokens->by_value);
}

static char *value_new(const char *subject, size_t bytes_min)
{
    CLEANUP(freep) char *prefix = hex_encode(subject, strlen(subject));
    CLEANUP(freep) char *suffix = NULL;
    uint8_t bytes[18]; /* 24 characters */
    char *value;
    size_t len;

    random_bytes(bytes, sizeof(bytes));
    suffix = base64url_encode(bytes, sizeof(bytes));
    value = must_print("pul-%s.%s", prefix, suffix);
    len = strlen(value);
    if (len < bytes_min) {
        value = must_resize(value, bytes_min + 1);
        memset(value + len, 'x', bytes_min - len);
        value[bytes_min] = '\0';
    }
    return value;
}

const char *tokens_issue(struct tokens *tokens, const struct token_spec *spec)
{
    CLEANUP(freep) char *value = value_new(spec->subject, spec->bytes_min);
    json_t *record =
        must(json_pack("{s:s, s:s, s:s, s:s, s:s, s:I}", "value", value, "subject", spec->subject,
                       "type", spec->type, "scope", spec->scope, "organization", spec->organization,
                       "expires_at", (json_int_t)spec->expires_at));

    must_json(json_object_set_new(tokens->by_value, value, record));
    return json_string_value(json_object_get(record, "value"));
}

json_t *tokens_find(struct tokens *tokens, const char *value)
{
    return json_object_get(tokens->by_value, value);
}

json_t *tokens_find_valid(struct tokens *tokens, const char *value, time_t now)
{
    json_t *record = tokens_find(tokens, value);

    if (!record || json_integer_value(json_object_get(record, "expires_at")) <= now)
        return NULL;
    return record;
}

json_t *tokens_list(struct tokens *tokens)
{
    json_t *list = must(json_array());
    const char *value;
    json_t *record;

    json_object_foreach(tokens->by_value, value, record) must_json(json_array_append(list, record));
    return list;
}
