/* JSON without a library: objects of strings. */
#include "command/json.h"

/* Strings of ours hold no control characters, so quote and backslash are all there is to escape. */
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
