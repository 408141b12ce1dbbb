/* Any text in which podlogin kube looks for a member: in valid JSON, it finds what jansson finds.
 */
#include <jansson.h>

#include "command/json.h"
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(freep) char *text = malloc(size + 1);
    char value[64];
    bool found, is_plain;
    json_t *json;
    const char *theirs;

    PROMISE(text);
    memcpy(text, data, size);
    text[size] = '\0';
    found = json_find(text, "a", value, sizeof(value));
    is_plain = !strchr(text, '\\');
    json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    theirs = json_string_value(json_object_get(json, "a"));
    if (json && found)
        PROMISE(theirs && strcmp(theirs, value) == 0);
    if (json && is_plain && theirs && strlen(theirs) < sizeof(value))
        PROMISE(found);
    json_decref(json);
    return 0;
}
