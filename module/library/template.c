/* Replaces the specifiers of a template, which are like those of systemd and printf(). */
#include "library/template.h"

#define SPECIFIERS_MAX 16 /* bounds the size of the text */

static bool is_specifier(uint8_t byte)
{
    return byte == 't' || byte == 'n' || byte == 'e' || byte == '%';
}

static size_t count_specifiers(struct wire_bytes template)
{
    size_t n = 0;

    for (size_t i = 0; i < template.len; i++) {
        if (template.at[i] != '%')
            continue;
        i++;
        n++;
    }
    return n;
}

bool template_is_valid(struct wire_bytes template)
{
    for (size_t i = 0; i < template.len; i++)
        if (template.at[i] == '%' && (++i == template.len || !is_specifier(template.at[i])))
            return false;
    return count_specifiers(template) <= SPECIFIERS_MAX;
}

size_t template_size(struct wire_bytes template, const struct template_values *values)
{
    size_t token_size = 2 * values->token.len;
    size_t largest = token_size > TIME_SIZE ? token_size : TIME_SIZE;

    return template.len + count_specifiers(template) * largest + 1;
}

/* The files of this version are JSON; a token in one is part of a string. */
static void add_escaped(struct text *text, struct wire_bytes token)
{
    for (size_t i = 0; i < token.len; i++) {
        if (token.at[i] == '"' || token.at[i] == '\\')
            text_add(text, "\\", NULL);
        text_add_bytes(text, token.at + i, 1);
    }
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
    for (size_t i = 0; i < template.len; i++) {
        if (template.at[i] == '%')
            add_specifier(text, template.at[++i], values);
        else
            text_add_bytes(text, template.at + i, 1);
    }
}
