#include "standin/body.h"

#include <string.h>
#include <strings.h>

#include "standin/form.h"
#include "standin/memory.h"
#include "standin/request.h"

static bool is_type(const struct request *request, const char *expected)
{
    const char *type = request_header(request, "Content-Type");
    size_t len = strlen(expected);

    if (!type || strncasecmp(type, expected, len) != 0)
        return false;
    type += len + strspn(type + len, " \t");
    return *type == ';' || *type == '\0'; /* parameters are ignored */
}

json_t *body_form(const struct request *request)
{
    if (!is_type(request, "application/x-www-form-urlencoded"))
        return NULL;
    return form_parse(request->body, request->body_bytes);
}

json_t *body_json(const struct request *request)
{
    CLEANUP(json_decrefp) json_t *fields = NULL;

    if (!is_type(request, "application/json"))
        return NULL;
    fields = json_loadb(request->body, request->body_bytes, JSON_REJECT_DUPLICATES, NULL);
    return json_is_object(fields) ? TAKE_PTR(fields) : NULL;
}

json_t *body_form_or_json(const struct request *request)
{
    json_t *fields = body_form(request);

    return fields ? fields : body_json(request);
}
