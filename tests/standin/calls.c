#include "standin/calls.h"

#include "standin/memory.h"
#include "standin/request.h"

void calls_record(json_t *calls, const struct request *request, const char *credential,
                  const struct reply *reply)
{
    json_t *body = json_loadb(request->body, request->body_bytes, 0, NULL);

    must_json(json_array_append_new(
        calls, json_pack("{s:s, s:s, s:s?, s:o, s:i}", "method", request->method, "path",
                         request->path, "token", credential, "body", body ? body : json_null(),
                         "status", (int)reply->status)));
}
