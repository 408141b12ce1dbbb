#include "standin/rfc8693/client.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "standin/encoding.h"
#include "standin/form.h"
#include "standin/memory.h"
#include "standin/request.h"

static const char *field(const struct exchange *exchange, const char *name)
{
    return json_string_value(json_object_get(exchange->fields, name));
}

/* In HTTP Basic, both are encoded like a form before they are joined (RFC 6749, section 2.3.1). */
static bool basic_read(const char *credentials, struct client *client)
{
    CLEANUP(freep) uint8_t *bytes = NULL;
    const char *text, *colon;
    size_t len;

    if (base64_decode(credentials, &bytes, &len) < 0)
        return false;
    text = (const char *)bytes;
    colon = memchr(text, ':', len);
    client->authentication = "client_secret_basic";
    if (!colon)
        return false;
    client->id = form_decode(text, (size_t)(colon - text));
    client->secret = form_decode(colon + 1, len - (size_t)(colon - text) - 1);
    return client->id && client->secret;
}

static char *copy_or_null(const char *text)
{
    return text ? must_copy(text) : NULL;
}

struct refusal client_read(const struct exchange *exchange, struct client *ret_client)
{
    static const char scheme[] = "Basic ";
    const char *authorization = request_header(exchange->request, "Authorization");
    const char *secret = field(exchange, "client_secret");
    const char *id = field(exchange, "client_id");

    *ret_client = (struct client){.authentication = secret ? "client_secret_post" : "none"};
    if (!authorization) {
        ret_client->id = copy_or_null(id);
        ret_client->secret = copy_or_null(secret);
        return no_refusal;
    }
    if (secret)
        return refusal_of_request("the client authenticates in more than one way");
    if (strncasecmp(authorization, scheme, sizeof(scheme) - 1) != 0 ||
        !basic_read(authorization + sizeof(scheme) - 1, ret_client))
        return refusal_make(401, "invalid_client", "the client's credentials are malformed");
    if (id && strcmp(id, ret_client->id) != 0)
        return refusal_of_request("client_id is not the client that authenticates");
    return no_refusal;
}

void client_done(struct client *client)
{
    free(client->id);
    free(client->secret);
}
