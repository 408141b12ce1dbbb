#include "provider/form.h"

#include <stdbool.h>
#include <string.h>

/* Unreserved characters (RFC 3986, section 2.3) are copied; all others are percent-encoded. */
static bool is_unreserved(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

/* Encodes into @at, or only measures if @at is NULL. Returns the length. */
static size_t value_encode(const void *value, size_t len, uint8_t *at)
{
    static const char digits[] = "0123456789ABCDEF";
    const uint8_t *bytes = value;
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        bool is_plain = is_unreserved(bytes[i]);

        if (at && is_plain)
            at[n] = bytes[i];
        if (at && !is_plain) {
            at[n] = '%';
            at[n + 1] = (uint8_t)digits[bytes[i] >> 4];
            at[n + 2] = (uint8_t)digits[bytes[i] & 15];
        }
        n += is_plain ? 1 : 3;
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
