/* JSON without a library: objects of strings. */
#include "command/json.h"

/* The strings have no control characters, so only quotes and backslashes need to be escaped. */
void json_add(struct text *text, const char *before, const char *name, const char *value)
{
    text_add(text, before, "\"", name, "\":\"", NULL);
    for (; *value; value++) {
        if (*value == '"' || *value == '\\')
            text_add(text, "\\", NULL);
        text_add_bytes(text, value, 1);
    }
    text_add(text, "\"", NULL);
}
