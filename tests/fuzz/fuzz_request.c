/*
 * Any request to the endpoint on loopback: one that is valid has one end, at its very end, no
 * control character, no body, and at most one Host and one Authorization, which are what it says.
 */
#include <strings.h>

#include "command/request.h"
#include "fuzz/fuzz.h"

/* Counts the fields @name, and finds the value of the last. */
static unsigned fields(const char *text, const char *name, const char **ret_value)
{
    unsigned n = 0;

    while ((text = strstr(text, "\r\n"))) {
        text += 2;
        if (strncasecmp(text, name, strlen(name)) != 0 || text[strlen(name)] != ':')
            continue;
        n++;
        *ret_value = text + strlen(name) + 1;
        *ret_value += strspn(*ret_value, " \t");
    }
    return n;
}

/* Whether @part is what the text has for the field @name, or is NULL and the text has none. */
static bool is_field(const char *text, const char *name, const char *part)
{
    const char *value = NULL;
    unsigned n = fields(text, name, &value);

    if (!part)
        return n == 0;
    return n == 1 && strncmp(value, part, strlen(part)) == 0 &&
           strspn(value + strlen(part), " \t") ==
               (size_t)(strstr(value, "\r\n") - value) - strlen(part);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(freep) char *bytes = malloc(size + 1);
    CLEANUP(freep) char *text = malloc(size + 1);
    const char *value;
    struct request request;

    PROMISE(bytes && text);
    memcpy(bytes, data, size);
    memcpy(text, data, size);
    bytes[size] = text[size] = '\0';
    if (!request_parse(bytes, size, &request))
        return 0;
    PROMISE(strlen(text) == size && size >= 4);
    PROMISE(strstr(text, "\r\n\r\n") == text + size - 4);
    for (size_t i = 0; i < size; i++)
        PROMISE(text[i] == '\t' || !strchr("\r\n", text[i]) == is_line(text + i, 1));
    PROMISE(request.method && request.target && !strchr(request.target, ' '));
    PROMISE(strncmp(text, request.method, strlen(request.method)) == 0);
    PROMISE(is_field(text, "Host", request.host));
    PROMISE(is_field(text, "Authorization", request.authorization));
    PROMISE(fields(text, "Transfer-Encoding", &value) == 0);
    PROMISE(fields(text, "Content-Length", &value) == 0 || *value == '0');
    return 0;
}
