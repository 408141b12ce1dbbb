#include "standin/reply.h"

#include <string.h>

#include "standin/memory.h"

void reply_text(struct reply *reply, unsigned status, const char *content_type, char *text)
{
    free(reply->body);
    reply->status = status;
    reply->content_type = content_type;
    reply->body = text;
    reply->body_bytes = strlen(text);
}

void reply_json(struct reply *reply, unsigned status, json_t *json)
{
    reply_text(reply, status, "application/json",
               must(json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY)));
    json_decref(json);
}

void reply_oauth_error(struct reply *reply, unsigned status, const char *error,
                       const char *description)
{
    reply_json(reply, status,
               must(json_pack("{s:s, s:s}", "error", error, "error_description", description)));
}

void reply_error(struct reply *reply, unsigned status, const char *message)
{
    reply_json(reply, status,
               must(json_pack("{s:i, s:s}", "code", (int)status, "message", message)));
}

void reply_done(struct reply *reply)
{
    free(reply->body);
    free(reply->retry_after);
    free(reply->cache_control);
}
