#include "standin/login.h"

#include "standin/memory.h"
#include "standin/standin.h"
#include "standin/subject.h"

static enum MHD_Result header_add(void *headers, enum MHD_ValueKind kind, const char *name,
                                  const char *value)
{
    json_t *text = json_string(value); /* NULL when it is not UTF-8 */

    (void)kind;
    if (text)
        json_object_set_new(headers, name, text);
    return MHD_YES;
}

static json_t *header_or_null(const struct request *request, const char *name)
{
    const char *value = request_header(request, name);

    return value ? must(json_string(value)) : json_null();
}

/* The request as it came over the wire, for GET /last-exchange. */
static json_t *record_new(const struct request *request, const char *kind)
{
    json_t *fields = request->note ? must(json_deep_copy(request->note)) : json_null();
    json_t *headers = must(json_object());

    MHD_get_connection_values(request->connection, MHD_HEADER_KIND, header_add, headers);
    return must(json_pack(
        "{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "kind", kind, "method", request->method,
        "path", request->path, "content_type", header_or_null(request, "Content-Type"), "accept",
        header_or_null(request, "Accept"), "authorization",
        header_or_null(request, "Authorization"), "user_agent",
        header_or_null(request, "User-Agent"), "headers", headers, "fields", fields));
}

void login_receive(struct standin *standin, const struct request *request, const char *kind,
                   const char *token)
{
    CLEANUP(freep) char *subject = subject_peek(token, "sub");
    json_t *record = record_new(request, kind);

    pthread_mutex_lock(&standin->lock);
    counts_exchange_begin(&standin->counts, kind, subject);
    if (request->plan.kind != FAULT_NONE)
        standin->counts.exchanges_faulted++;
    json_decref(standin->last_exchange);
    standin->last_exchange = record;
    pthread_mutex_unlock(&standin->lock);
}

void login_finish(struct standin *standin)
{
    pthread_mutex_lock(&standin->lock);
    counts_exchange_end(&standin->counts);
    pthread_mutex_unlock(&standin->lock);
}
