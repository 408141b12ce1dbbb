#include "standin/azure/azure.h"

#include <string.h>

#include "standin/admissions.h"
#include "standin/azure/error.h"
#include "standin/body.h"
#include "standin/memory.h"
#include "standin/standin.h"
#include "standin/subject.h"

#define KIND           "azure"
#define PATH_END       "/oauth2/v2.0/token"
#define ASSERTION_TYPE "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
#define SCOPE_END      "/.default"

struct login {
    const char *client_id;
    const char *scope;
    const char *assertion;
    char *tenant;
    json_t *claims;
};

static void login_done(struct login *login)
{
    free(login->tenant);
    json_decref(login->claims);
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);

    return len > end_len && strcmp(text + len - end_len, end) == 0;
}

/* "/TENANT/oauth2/v2.0/token" */
static bool has_path(const char *path)
{
    size_t tenant_len = *path == '/' ? strcspn(path + 1, "/") : 0;

    return tenant_len > 0 && strcmp(path + 1 + tenant_len, PATH_END) == 0;
}

static bool is_login(const struct request *request)
{
    return strcmp(request->method, "POST") == 0;
}

/* Returns the first parameter that is missing, but for the assertion, or NULL. */
static const char *missing_of(const json_t *fields)
{
    static const char *const needed[] = {"grant_type", "client_id", "scope"};

    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
        if (json_string_length(json_object_get(fields, needed[i])) == 0)
            return needed[i];
    return NULL;
}

/* Reads the fields. Answers with the error when one is not valid, and returns false. */
static bool login_read(const json_t *fields, struct login *login, struct reply *reply)
{
    const char *grant_type = json_string_value(json_object_get(fields, "grant_type"));
    const char *type = json_string_value(json_object_get(fields, "client_assertion_type"));
    const char *missing = missing_of(fields);

    if (missing)
        return !azure_refuse(reply, "AADSTS900144", missing);
    login->client_id = json_string_value(json_object_get(fields, "client_id"));
    login->scope = json_string_value(json_object_get(fields, "scope"));
    login->assertion = json_string_value(json_object_get(fields, "client_assertion"));
    if (strcmp(grant_type, "client_credentials") != 0)
        return !azure_refuse(reply, "AADSTS70003", grant_type);
    if (!ends_with(login->scope, SCOPE_END) || strchr(login->scope, ' '))
        return !azure_refuse(reply, "AADSTS1002012", login->scope);
    if (!login->assertion || !*login->assertion)
        return !azure_refuse(reply, "AADSTS7000218", NULL);
    if (!type || strcmp(type, ASSERTION_TYPE) != 0)
        return !azure_refuse(reply, "AADSTS900144", "client_assertion_type");
    return true;
}

/* The caller holds the lock. Returns NULL after the error. */
static const json_t *admission_find(struct standin *standin, const struct login *login,
                                    struct reply *reply)
{
    const struct criterion criteria[] = {
        {"tenant", login->tenant}, {"role", login->client_id}, {"scope", login->scope}, {0}};
    const char *missed;
    const json_t *admission =
        admissions_find(standin->admissions, KIND, criteria, login->claims, &missed);

    if (admission)
        return admission;
    if (strcmp(missed, "tenant") == 0)
        azure_refuse(reply, "AADSTS90002", login->tenant);
    else if (strcmp(missed, "role") == 0)
        azure_refuse(reply, "AADSTS700016", login->client_id);
    else if (strcmp(missed, "scope") == 0)
        azure_refuse(reply, "AADSTS1002012", login->scope);
    else if (strcmp(missed, "subject") == 0)
        azure_refuse(reply, "AADSTS700213",
                     json_string_value(json_object_get(login->claims, "sub")));
    else
        azure_refuse(reply, "AADSTS700212", NULL);
    return NULL;
}

static void refuse_assertion(struct reply *reply, enum subject_error error, const char *assertion)
{
    CLEANUP(freep) char *issuer = subject_peek(assertion, "iss");

    if (error == SUBJECT_EXPIRED || error == SUBJECT_TOO_EARLY)
        azure_refuse(reply, "AADSTS700024", NULL);
    else if (error == SUBJECT_UNKNOWN_ISSUER)
        azure_refuse(reply, "AADSTS700211", issuer);
    else if (error == SUBJECT_UNKNOWN_KEY || error == SUBJECT_BAD_SIGNATURE)
        azure_refuse(reply, "AADSTS50013", NULL);
    else
        azure_refuse(reply, "AADSTS50027", NULL);
}

/* An access token looks like a JWT, and is opaque for its client. */
static void reply_token(struct standin *standin, const struct login *login, const json_t *admission,
                        struct reply *reply)
{
    static const struct token_form form = {KIND, "eyJ0eXAiOiJKV1QifQ.", "."};
    json_int_t lifetime_s = tokens_lifetime(&standin->tokens, admission_lifetime(admission));
    const json_t *record =
        tokens_issue(&standin->tokens, &form,
                     json_string_value(json_object_get(login->claims, "sub")), lifetime_s,
                     must(json_pack("{s:s, s:s, s:s}", "role", login->client_id, "tenant",
                                    login->tenant, "scope", login->scope)));

    reply_json(reply, 200,
               must(json_pack("{s:s, s:I, s:I, s:O}", "token_type", "Bearer", "expires_in",
                              lifetime_s, "ext_expires_in", lifetime_s, "access_token",
                              json_object_get(record, "value"))));
}

static bool on_login(struct standin *standin, const struct request *request, struct reply *reply)
{
    CLEANUP(login_done) struct login login = {0};
    const json_t *admission;
    enum subject_error error;

    login.tenant = must_print("%.*s", (int)strcspn(request->path + 1, "/"), request->path + 1);
    if (!login_read(request->note, &login, reply))
        return false;
    pthread_mutex_lock(&standin->lock);
    admission = admission_find(standin, &login, reply);
    pthread_mutex_unlock(&standin->lock);
    if (!admission)
        return false;
    error = subject_verify(standin, login.assertion, &login.claims);
    if (error) {
        refuse_assertion(reply, error, login.assertion);
        return false;
    }
    pthread_mutex_lock(&standin->lock);
    admission = admission_find(standin, &login, reply);
    if (admission)
        reply_token(standin, &login, admission, reply);
    pthread_mutex_unlock(&standin->lock);
    return admission;
}

static void on_call(struct standin *standin, struct request *request, struct reply *reply)
{
    (void)standin;
    (void)request;
    reply_oauth_error(reply, 405, "invalid_request", "the method is not POST");
}

static bool on_error(const char *name, struct reply *reply)
{
    return azure_refuse(reply, name, NULL);
}

const struct upstream_kind azure_kind = {
    .name = KIND,
    .token_field = "client_assertion",
    .has_path = has_path,
    .parse = body_form,
    .is_login = is_login,
    .on_login = on_login,
    .on_call = on_call,
    .on_error = on_error,
};
