#include "ctl/payload.h"

#include <errno.h>
#include <string.h>

#include "base/base64url.h"

struct secret *payload_decode(const struct secret *token)
{
    const char *text = (const char *)token->bytes;
    const char *first = memchr(text, '.', token->len), *second = memrchr(text, '.', token->len);
    size_t len = (size_t)(second - first - 1), n = 0;
    struct secret *bytes = secret_alloc(BASE64URL_DECODED_MAX(len));
    int r;

    errno = ENOMEM;
    if (!bytes)
        return NULL;
    r = base64url_decode(first + 1, len, bytes->bytes, &n);
    if (r < 0) {
        errno = -r;
        return secret_free(bytes);
    }
    bytes->len = (uint32_t)n;
    return bytes;
}
