/*
 * Any text that the command takes for JSON: credentials.json, and what client-go asks for. In valid
 * JSON it finds the member that jansson finds, and its bytes are a value that jansson reads alike.
 */
#include <jansson.h>

#include "command/json_scan.h"
#include "fuzz/fuzz.h"

/* Text in which nobody has to tell escapes, encodings or numbers that are too large. */
static bool is_simple(const uint8_t *data, size_t size)
{
    return !memchr(data, '\\', size) && is_ascii(data, size, '\t');
}

/* Whether no value can be deeper than the command reads. */
static bool is_flat(const uint8_t *data, size_t size)
{
    size_t n = 0;

    for (size_t i = 0; i < size; i++)
        n += data[i] == '{' || data[i] == '[';
    return n <= 32;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(freep) char *exact = malloc(size ? size : 1);
    struct json_span text = {exact, size}, value;
    json_t *json, *theirs, *ours;
    bool found;

    PROMISE(exact);
    memcpy(exact, data, size);
    found = json_scan_find(text, "a", &value);
    if (found)
        PROMISE(value.len > 0 && value.at > exact && value.at + value.len < exact + size);
    json = json_loadb(exact, size, JSON_DECODE_ANY, NULL);
    theirs = json_object_get(json, "a");
    if (json && found && is_simple(data, size)) {
        ours = json_loadb(value.at, value.len, JSON_DECODE_ANY, NULL);
        PROMISE(theirs && json_equal(ours, theirs));
        json_decref(ours);
    }
    if (theirs && is_simple(data, size) && is_flat(data, size))
        PROMISE(found);
    json_decref(json);
    return 0;
}
