/* Strings of a message, copied one after another into one allocation. */
#include "library/packed.h"

#include <string.h>

const char *packed_add(char **at, struct wire_bytes bytes)
{
    char *text = *at;

    if (bytes.len)
        memcpy(text, bytes.at, bytes.len);
    text[bytes.len] = '\0';
    *at += bytes.len + 1;
    return text;
}

size_t packed_size(const struct wire_list *list)
{
    size_t size = 0;

    for (size_t i = 0; i < list->n; i++)
        size += list->item[i].len + 1;
    return size;
}
