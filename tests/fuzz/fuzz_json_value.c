/* Any text: both readers of JSON accept it, and read the same, or both refuse it. */
#include "fuzz/fuzz.h"
#include "support/json_agree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(freep) void *exact = malloc(size ? size : 1);
    CLEANUP(json_decrefp) json_t *json = NULL;
    CLEANUP(freep) struct json_value *value = NULL;

    PROMISE(exact);
    memcpy(exact, data, size);
    json = json_read_object(exact, size);
    value = json_value_read(exact, size);
    PROMISE(!json == !value);
    if (value)
        PROMISE(json_agrees(json, value));
    return 0;
}
