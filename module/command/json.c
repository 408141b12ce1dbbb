/* JSON without a library. */
#include "command/json.h"

/* The strings have no control characters, so only quotes and backslashes need to be escaped. */
void json_add_string(struct text *text, const char *before, const char *value)
{
    text_add(text, before, "\"", NULL);
    for (; *value; value++) {
        if (*value == '"' || *value == '\\')
            text_add(text, "\\", NULL);
        text_add_bytes(text, value, 1);
    }
    text_add(text, "\"", NULL);
}

void json_add(struct text *text, const char *before, const char *name, const char *value)
{
    json_add_string(text, before, name);
    json_add_string(text, ":", value);
}
