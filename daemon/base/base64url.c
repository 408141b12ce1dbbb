#include "base/base64url.h"

#include <errno.h>
#include <stdbool.h>

#define NO_DIGIT 64 /* a bit that no digit has */

/* clang-format off */
static const uint8_t digits[128] = {
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 62, 64, 64,
    52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 64, 64, 64, 64, 64, 64,
    64,  0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14,
    15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 64, 64, 64, 64, 63,
    64, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
    41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 64, 64, 64, 64, 64,
};
/* clang-format on */

/* Returns the value of a digit; NO_DIGIT or more: the character is not in the alphabet. */
static uint32_t digit_value(char c)
{
    return digits[c & 127] | (c & 0x80);
}

/* Decodes the last 2 or 3 digits. Returns whether they are valid, and the bits left over zero. */
static bool rest_decode(const char *text, size_t len, uint8_t *ret_bytes)
{
    uint32_t a = digit_value(text[0]), b = digit_value(text[1]);
    uint32_t c = len == 3 ? digit_value(text[2]) : 0;

    ret_bytes[0] = (uint8_t)(a << 2 | b >> 4);
    if (len == 3)
        ret_bytes[1] = (uint8_t)(b << 4 | c >> 2);
    return (a | b | c) < NO_DIGIT && (len == 3 ? c & 3 : b & 15) == 0;
}

int base64url_decode(const char *text, size_t len, uint8_t *ret_bytes, size_t *ret_len)
{
    size_t rest = len % 4, n = 0;
    uint32_t seen = 0;

    for (size_t i = 0; i < len - rest; i += 4, n += 3) {
        uint32_t a = digit_value(text[i]), b = digit_value(text[i + 1]);
        uint32_t c = digit_value(text[i + 2]), d = digit_value(text[i + 3]);

        seen |= a | b | c | d;
        ret_bytes[n] = (uint8_t)(a << 2 | b >> 4);
        ret_bytes[n + 1] = (uint8_t)(b << 4 | c >> 2);
        ret_bytes[n + 2] = (uint8_t)(c << 6 | d);
    }
    if (seen >= NO_DIGIT || rest == 1)
        return -EBADMSG;
    if (rest && !rest_decode(text + n / 3 * 4, rest, ret_bytes + n))
        return -EBADMSG;
    *ret_len = n + (rest ? rest - 1 : 0);
    return 0;
}
