/* Replaces the specifiers of a template, which are like those of systemd and printf(). */
#include "library/template.h"

#define SPECIFIERS_MAX 16 /* bounds the size of the text */

static bool is_specifier(uint8_t byte)
{
    return byte == 't' || byte == 'n' || byte == 'e' || byte == '%';
}

bool template_is_valid(struct wire_bytes template)
{
    unsigned n = 0;

    for (size_t i = 0; i < template.len; i++) {
        if (template.at[i] != '%')
            continue;
        if (++i == template.len || !is_specifier(template.at[i]) || ++n > SPECIFIERS_MAX)
            return false;
    }
    return true;
}

size_t template_size(struct wire_bytes template, const struct template_values *values)
{
    size_t size = template.len + 1;

    for (size_t i = 0; i < template.len; i++)
        if (template.at[i] == '%')
            size += template.at[++i] == 't' ? 2 * values->token.len : TIME_SIZE;
    return size;
}

/* The files of this version are JSON; a token in one is part of a string. */
static void add_escaped(struct text *text, struct wire_bytes token)
{
    const uint8_t *from = token.at, *end = token.at + token.len; /* a run costs as much as a byte */

    for (const uint8_t *at = from; at < end; at++) {
        if (*at != '"' && *at != '\\')
            continue;
        text_add_bytes(text, from, (size_t)(at - from));
        text_add(text, "\\", NULL);
        from = at;
    }
    text_add_bytes(text, from, (size_t)(end - from));
}

static void add_specifier(struct text *text, uint8_t specifier,
                          const struct template_values *values)
{
    char time[TIME_SIZE];

    if (specifier == 't')
        add_escaped(text, values->token);
    else if (specifier == '%')
        text_add(text, "%", NULL);
    else
        text_add(text, time_text(specifier == 'n' ? values->now_s : values->expires_at_s, time),
                 NULL);
}

void template_add(struct text *text, struct wire_bytes template,
                  const struct template_values *values)
{
    size_t from = 0;

    for (size_t i = 0; i < template.len; i++) {
        if (template.at[i] != '%')
            continue;
        text_add_bytes(text, template.at + from, i - from);
        add_specifier(text, template.at[++i], values);
        from = i + 1;
    }
    if (template.len)
        text_add_bytes(text, template.at + from, template.len - from);
}
