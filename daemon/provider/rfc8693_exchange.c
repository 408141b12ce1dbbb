/*
 * Token exchange (RFC 8693, section 2), with a client that authenticates itself as in RFC 6749,
 * section 2.3.1, or not at all.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>

#include "base/setting.h"
#include "provider/exchange.h"
#include "provider/form.h"
#include "provider/oauth.h"
#include "provider/rfc8693.h"

#define GRANT_TYPE "urn:ietf:params:oauth:grant-type:token-exchange"
#define FIELDS_MAX 9

struct fields {
    struct form_field field[FIELDS_MAX];
    size_t n;
};

/* @value: NULL: the field is left out. */
static void add(struct fields *fields, const char *name, const char *value)
{
    if (value)
        fields->field[fields->n++] = (struct form_field){name, value, strlen(value)};
}

static void add_secret(struct fields *fields, const char *name, const struct secret *value)
{
    fields->field[fields->n++] = (struct form_field){name, value->bytes, value->len};
}

/* "Basic", and id and secret, each form-encoded before they are joined. */
static int add_basic(const struct provider_values *values, struct provider_request *request)
{
    const char *id = values->value[RFC8693_CLIENT_ID];
    CLEANUP(secret_freep)
    struct secret *encoded_id = form_encode_value(id, strlen(id));
    CLEANUP(secret_freep)
    struct secret *encoded = form_encode_value(values->secret->bytes, values->secret->len);
    CLEANUP(secret_freep)
    struct secret *pair = NULL, *base64 = NULL;

    if (encoded_id && encoded)
        pair = secret_alloc(encoded_id->len + 1 + encoded->len);
    if (pair)
        base64 = secret_alloc((pair->len + 2) / 3 * 4 + 1);
    if (!base64)
        return -ENOMEM;
    memcpy(pair->bytes, encoded_id->bytes, encoded_id->len);
    pair->bytes[encoded_id->len] = ':';
    memcpy(pair->bytes + encoded_id->len + 1, encoded->bytes, encoded->len);
    EVP_EncodeBlock(base64->bytes, pair->bytes, (int)pair->len);
    return request_add_header(request, "Authorization", "Basic %s", (const char *)base64->bytes);
}

/* Returns the fields, and Parameters= behind them, as they are. */
static struct secret *encode_all(const struct fields *fields, const char *parameters)
{
    CLEANUP(secret_freep)
    struct secret *form = form_encode(fields->field, fields->n);
    size_t len = parameters ? strlen(parameters) : 0;
    struct secret *body;

    if (!form || !len)
        return TAKE_PTR(form);
    body = secret_alloc(form->len + 1 + len);
    if (!body)
        return NULL;
    memcpy(body->bytes, form->bytes, form->len);
    body->bytes[form->len] = '&';
    memcpy(body->bytes + form->len + 1, parameters, len);
    return body;
}

static const char *token_type_of(const char *value)
{
    return value ? rfc8693_token_type(value) : NULL;
}

static int rfc8693_request(const struct provider_values *values, const struct secret *jwt,
                           struct provider_request *ret_request)
{
    const char *subject_type = values->value[RFC8693_SUBJECT_TOKEN_TYPE];
    bool has_secret = values->value[RFC8693_CLIENT_SECRET_FILE];
    bool posts_secret = has_secret && rfc8693_posts_secret(values);
    struct fields fields = {0};
    int r = 0;

    if (!values->value[RFC8693_TOKEN_URL] || (has_secret && !values->secret))
        return -EINVAL;
    add(&fields, "grant_type", GRANT_TYPE);
    add(&fields, "resource", values->value[RFC8693_RESOURCE]);
    add(&fields, "audience", values->value[RFC8693_AUDIENCE]);
    add(&fields, "scope", values->value[RFC8693_SCOPE]);
    add(&fields, "requested_token_type",
        token_type_of(values->value[RFC8693_REQUESTED_TOKEN_TYPE]));
    add_secret(&fields, "subject_token", jwt);
    add(&fields, "subject_token_type", token_type_of(subject_type ? subject_type : "id_token"));
    if (!has_secret || posts_secret)
        add(&fields, "client_id", values->value[RFC8693_CLIENT_ID]);
    if (posts_secret)
        add_secret(&fields, "client_secret", values->secret);

    ret_request->method = "POST";
    ret_request->accept = "application/json";
    ret_request->content_type = "application/x-www-form-urlencoded";
    ret_request->url = strdup(values->value[RFC8693_TOKEN_URL]);
    ret_request->body = encode_all(&fields, values->value[RFC8693_PARAMETERS]);
    if (!ret_request->url || !ret_request->body)
        return -ENOMEM;
    if (has_secret && !posts_secret)
        r = add_basic(values, ret_request);
    return r;
}

static int rfc8693_answer(const struct provider_values *values, long http_status, const void *body,
                          size_t body_len, struct provider_answer *answer)
{
    const char *lifetime = values->value[RFC8693_LIFETIME];
    uint64_t lifetime_s = RFC8693_LIFETIME_S;
    struct oauth_rules rules = {
        .variable = rfc8693_variable(values),
        .has_client = values->value[RFC8693_CLIENT_SECRET_FILE],
    };

    if (lifetime && setting_seconds(lifetime, 1, TOKEN_LIFETIME_MAX_S, &lifetime_s) < 0)
        lifetime_s = RFC8693_LIFETIME_S;
    rules.lifetime_s = (uint32_t)lifetime_s;
    return oauth_answer(http_status, body, body_len, &rules, answer);
}

const struct provider_exchange provider_rfc8693_exchange = {
    .provider = &provider_rfc8693,
    .request = rfc8693_request,
    .answer = rfc8693_answer,
};
