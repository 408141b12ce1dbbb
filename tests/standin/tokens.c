#include "standin/tokens.h"

#include <string.h>
#include <time.h>

#include "standin/encoding.h"
#include "standin/memory.h"

#define EXPIRES_IN_MAX_S 7200

void tokens_init(struct tokens *tokens)
{
    *tokens = (struct tokens){must(json_object()), EXPIRES_IN_MAX_S, 0};
}

void tokens_done(struct tokens *tokens)
{
    json_decref(tokens->by_value);
}

json_int_t tokens_lifetime(const struct tokens *tokens, json_int_t asked_s)
{
    return asked_s < tokens->expires_in_max_s ? asked_s : tokens->expires_in_max_s;
}

static char *value_new(const struct token_form *form, const char *subject, size_t bytes_min)
{
    CLEANUP(freep) char *owner = hex_encode(subject, strlen(subject));
    CLEANUP(freep) char *suffix = NULL;
    uint8_t bytes[18]; /* 24 characters */
    char *value;
    size_t len;

    random_bytes(bytes, sizeof(bytes));
    suffix = base64url_encode(bytes, sizeof(bytes));
    value = must_print("%s%s%s%s", form->prefix, owner, form->separator, suffix);
    len = strlen(value);
    if (len < bytes_min) {
        value = must_resize(value, bytes_min + 1);
        memset(value + len, 'x', bytes_min - len);
        value[bytes_min] = '\0';
    }
    return value;
}

/* time(2) is up to a tick behind this clock, which the daemon uses. */
static time_t wall_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec;
}

const json_t *tokens_issue(struct tokens *tokens, const struct token_form *form,
                           const char *subject, json_int_t lifetime_s, json_t *details)
{
    CLEANUP(freep) char *value = value_new(form, subject, tokens->bytes_min);
    json_t *record =
        must(json_pack("{s:s, s:s, s:s, s:I}", "value", value, "kind", form->kind, "subject",
                       subject, "expires_at", (json_int_t)wall_s() + lifetime_s));

    must_json(json_object_update(record, details));
    json_decref(details);
    must_json(json_object_set_new(tokens->by_value, value, record));
    return record;
}

const json_t *tokens_find(const struct tokens *tokens, const char *value)
{
    return json_object_get(tokens->by_value, value);
}

bool token_is_valid(const json_t *record)
{
    return json_integer_value(json_object_get(record, "expires_at")) > time(NULL);
}

const json_t *tokens_find_valid(const struct tokens *tokens, const char *kind, const char *value)
{
    const json_t *record = tokens_find(tokens, value);

    if (!record || strcmp(token_member(record, "kind"), kind) != 0 || !token_is_valid(record))
        return NULL;
    return record;
}

const char *token_member(const json_t *record, const char *name)
{
    return json_string_value(json_object_get(record, name));
}

json_t *tokens_list(const struct tokens *tokens)
{
    json_t *list = must(json_array());
    const char *value;
    json_t *record;

    json_object_foreach(tokens->by_value, value, record) must_json(json_array_append(list, record));
    return list;
}
