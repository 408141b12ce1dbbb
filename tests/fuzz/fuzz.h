/* Included by every harness. PROMISE() aborts if a guarantee does not hold, also with NDEBUG. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define PROMISE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition))                                                                          \
            abort();                                                                               \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is left of an input. An input that ends too early goes on with zeros. */
struct input {
    const uint8_t *at;
    size_t len;
};

/* Takes a number of @n bytes, big endian. */
static inline uint64_t input_number(struct input *input, size_t n)
{
    uint64_t number = 0;

    for (; n > 0; n--) {
        number = number << 8 | (input->len ? *input->at : 0);
        input->at += input->len > 0;
        input->len -= input->len > 0;
    }
    return number;
}

/* Takes the next @len bytes, or all that are left. */
static inline struct input input_part(struct input *input, size_t len)
{
    struct input part = {input->at, len < input->len ? len : input->len};

    input->at += part.len;
    input->len -= part.len;
    return part;
}

/* Returns a C string that the caller frees; it ends at a NUL in the part. */
static inline char *input_text(struct input part)
{
    char *text = strndup((const char *)part.at, part.len);

    PROMISE(text);
    return text;
}

/* Whether all bytes are ASCII from @least on, without DEL. */
static inline bool is_ascii(const void *text, size_t len, uint8_t least)
{
    for (size_t i = 0; i < len; i++)
        if (((const uint8_t *)text)[i] < least || ((const uint8_t *)text)[i] >= 0x7f)
            return false;
    return true;
}

/* Whether the text is one line: control characters would forge others in a log or on a terminal. */
static inline bool is_line(const void *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (((const uint8_t *)text)[i] < 0x20 || ((const uint8_t *)text)[i] == 0x7f)
            return false;
    return true;
}

#endif
