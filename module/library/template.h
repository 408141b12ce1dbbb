/* The templates of a token's files: docs/protocol.md describes their specifiers. */
#ifndef LIBRARY_TEMPLATE_H
#define LIBRARY_TEMPLATE_H

#include <stdbool.h>

#include "protocol/wire.h"
#include "text/text.h"

/* What the specifiers stand for. */
struct template_values {
    struct wire_bytes token;
    int64_t now_s; /* Unix time */
    int64_t expires_at_s;
};

/* Returns whether @template has at most 16 specifiers, and none that is unknown. */
bool template_is_valid(struct wire_bytes template);

/* Returns a size that is enough for the text of a valid @template, with a NUL. */
size_t template_size(struct wire_bytes template, const struct template_values *values);

/* Appends @template with its specifiers replaced. */
void template_add(struct text *text, struct wire_bytes template,
                  const struct template_values *values);

#endif
