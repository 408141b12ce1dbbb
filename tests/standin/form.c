#include "standin/form.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "standin/memory.h"

static int hex_value(char digit)
{
    if (!isxdigit((unsigned char)digit))
        return -1;
    return digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10;
}

/* Decodes @len bytes. A NUL is malformed, because the stand-in handles parameters as C strings. */
static int unescape(const char *text, size_t len, char **ret_plain)
{
    CLEANUP(freep) char *plain = must_alloc(len + 1);
    size_t used = 0;

    for (size_t i = 0; i < len; i++) {
        int high, low;

        if (text[i] != '%') {
            plain[used++] = text[i] == '+' ? ' ' : text[i];
            continue;
        }
        if (len - i < 3)
            return -EBADMSG;
        high = hex_value(text[i + 1]);
        low = hex_value(text[i + 2]);
        if (high < 0 || low < 0 || (high == 0 && low == 0))
            return -EBADMSG;
        plain[used++] = (char)(high << 4 | low);
        i += 2;
    }
    if (strlen(plain) != used)
        return -EBADMSG;
    *ret_plain = TAKE_PTR(plain);
    return 0;
}

char *form_decode(const char *text, size_t len)
{
    char *plain = NULL;

    unescape(text, len, &plain);
    return plain;
}

static int add_pair(json_t *form, const char *pair, size_t len)
{
    const char *equals = memchr(pair, '=', len);
    size_t name_len = equals ? (size_t)(equals - pair) : len;
    size_t value_len = equals ? len - name_len - 1 : 0;
    CLEANUP(freep) char *name = NULL;
    CLEANUP(freep) char *value = NULL;

    if (unescape(pair, name_len, &name) < 0 ||
        unescape(pair + len - value_len, value_len, &value) < 0)
        return -EBADMSG;
    if (json_object_get(form, name))
        return -EBADMSG;
    return json_object_set_new(form, name, json_string(value)) == 0 ? 0 : -EBADMSG;
}

json_t *form_parse(const char *body, size_t len)
{
    json_t *form = must(json_object());
    const char *end = body + len;

    while (body < end) {
        const char *ampersand = memchr(body, '&', (size_t)(end - body));
        size_t pair_len = (size_t)((ampersand ? ampersand : end) - body);

        if (pair_len > 0 && add_pair(form, body, pair_len) < 0) {
            json_decref(form);
            return NULL;
        }
        body += pair_len + 1;
    }
    return form;
}
