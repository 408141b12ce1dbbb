#include "provider/form.h"

#include <string.h>

/* Unreserved characters (RFC 3986, section 2.3) are copied; all others are percent-encoded. */
static const uint8_t is_unreserved[256] = {
    ['-'] = 1, ['.'] = 1, ['_'] = 1, ['~'] = 1, ['0'] = 1, ['1'] = 1, ['2'] = 1, ['3'] = 1,
    ['4'] = 1, ['5'] = 1, ['6'] = 1, ['7'] = 1, ['8'] = 1, ['9'] = 1, ['A'] = 1, ['B'] = 1,
    ['C'] = 1, ['D'] = 1, ['E'] = 1, ['F'] = 1, ['G'] = 1, ['H'] = 1, ['I'] = 1, ['J'] = 1,
    ['K'] = 1, ['L'] = 1, ['M'] = 1, ['N'] = 1, ['O'] = 1, ['P'] = 1, ['Q'] = 1, ['R'] = 1,
    ['S'] = 1, ['T'] = 1, ['U'] = 1, ['V'] = 1, ['W'] = 1, ['X'] = 1, ['Y'] = 1, ['Z'] = 1,
    ['a'] = 1, ['b'] = 1, ['c'] = 1, ['d'] = 1, ['e'] = 1, ['f'] = 1, ['g'] = 1, ['h'] = 1,
    ['i'] = 1, ['j'] = 1, ['k'] = 1, ['l'] = 1, ['m'] = 1, ['n'] = 1, ['o'] = 1, ['p'] = 1,
    ['q'] = 1, ['r'] = 1, ['s'] = 1, ['t'] = 1, ['u'] = 1, ['v'] = 1, ['w'] = 1, ['x'] = 1,
    ['y'] = 1, ['z'] = 1,
};

static size_t value_measure(const uint8_t *bytes, size_t len)
{
    size_t n = 3 * len;

    for (size_t i = 0; i < len; i++)
        n -= 2 * (size_t)is_unreserved[bytes[i]];
    return n;
}

/* Encodes into @at, or only measures if @at is NULL. Returns the length. */
static size_t value_encode(const void *value, size_t len, uint8_t *at)
{
    static const char digits[] = "0123456789ABCDEF";
    const uint8_t *bytes = value;
    size_t n = 0;

    if (!at)
        return value_measure(bytes, len);
    for (size_t i = 0; i < len; i++) {
        if (is_unreserved[bytes[i]]) {
            at[n++] = bytes[i];
            continue;
        }
        at[n++] = '%';
        at[n++] = (uint8_t)digits[bytes[i] >> 4];
        at[n++] = (uint8_t)digits[bytes[i] & 15];
    }
    return n;
}

static size_t fields_encode(const struct form_field *fields, size_t n, uint8_t *at)
{
    size_t len = 0;

    for (size_t i = 0; i < n; i++) {
        if (i > 0) {
            if (at)
                at[len] = '&';
            len++;
        }
        len += value_encode(fields[i].name, strlen(fields[i].name), at ? at + len : NULL);
        if (at)
            at[len] = '=';
        len++;
        len += value_encode(fields[i].value, fields[i].len, at ? at + len : NULL);
    }
    return len;
}

struct secret *form_encode(const struct form_field *fields, size_t n)
{
    size_t len = fields_encode(fields, n, NULL);
    struct secret *body = len <= FORM_MAX ? secret_alloc(len) : NULL;

    if (body)
        fields_encode(fields, n, body->bytes);
    return body;
}

struct secret *form_encode_value(const void *value, size_t len)
{
    size_t encoded_len = value_encode(value, len, NULL);
    struct secret *encoded = encoded_len <= FORM_MAX ? secret_alloc(encoded_len) : NULL;

    if (encoded)
        value_encode(value, len, encoded->bytes);
    return encoded;
}
