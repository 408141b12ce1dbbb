#include "standin/vault/login.h"

#include <string.h>

#include "standin/admissions.h"
#include "standin/encoding.h"
#include "standin/memory.h"
#include "standin/standin.h"
#include "standin/subject.h"
#include "standin/vault/error.h"
#include "standin/vault/vault.h"

struct login {
    const char *namespace;
    const char *mount;
    const char *role;
    const char *jwt;
    json_t *claims;
};

static const json_t *admission_find(struct standin *standin, const struct login *login,
                                    const char **ret_missed)
{
    const struct criterion criteria[] = {
        {"namespace", login->namespace}, {"mount", login->mount}, {"role", login->role}, {0}};

    return admissions_find(standin->admissions, VAULT_KIND, criteria, login->claims, ret_missed);
}

/* What Vault says when no admission fits. A mount that does not exist is nobody's business. */
static void refuse_missed(struct reply *reply, const struct login *login, const char *missed)
{
    CLEANUP(freep) char *text = NULL;

    if (strcmp(missed, "namespace") == 0 || strcmp(missed, "mount") == 0) {
        vault_refuse(reply, 403, "permission denied");
        return;
    }
    if (strcmp(missed, "role") == 0)
        text = must_print("role \"%s\" could not be found", login->role);
    else if (strcmp(missed, "subject") == 0)
        text = must_copy("error validating token: invalid subject (sub) claim");
    else
        text = must_copy("error validating token: invalid audience (aud) claim: audience claim "
                         "does not match any expected audience");
    vault_refuse(reply, 400, text);
}

static void refuse_token(struct reply *reply, enum subject_error error)
{
    CLEANUP(freep) char *text = NULL;

    if (error == SUBJECT_EXPIRED)
        text = must_copy("error validating token: invalid expiration time (exp) claim: token is "
                         "expired");
    else if (error == SUBJECT_TOO_EARLY)
        text = must_copy("error validating token: invalid not before (nbf) claim: token not yet "
                         "valid");
    else if (error == SUBJECT_UNKNOWN_ISSUER)
        text = must_copy("error validating token: invalid issuer (iss) claim");
    else
        text = must_print("error validating token: error verifying token signature: %s",
                          subject_error_text(error));
    vault_refuse(reply, 400, text);
}

static const json_t *issue(struct standin *standin, const struct login *login,
                           json_int_t lifetime_s)
{
    static const struct token_form form = {VAULT_KIND, "hvs.", "."};
    const char *subject = json_string_value(json_object_get(login->claims, "sub"));
    char accessor[UUID_BYTES];

    uuid_random(accessor);
    return tokens_issue(&standin->tokens, &form, subject, lifetime_s,
                        must(json_pack("{s:s, s:s, s:s, s:s, s:I}", "role", login->role, "mount",
                                       login->mount, "namespace", login->namespace, "accessor",
                                       accessor, "lease_duration", lifetime_s)));
}

static json_t *auth_new(const json_t *record)
{
    return must(json_pack(
        "{s:O, s:O, s:[s, s], s:[s, s], s:{s:O}, s:O, s:b, s:s, s:s, s:b, s:n, s:i}",
        "client_token", json_object_get(record, "value"), "accessor",
        json_object_get(record, "accessor"), "policies", "default", "ci", "token_policies",
        "default", "ci", "metadata", "role", json_object_get(record, "role"), "lease_duration",
        json_object_get(record, "lease_duration"), "renewable", 1, "entity_id", "", "token_type",
        "service", "orphan", 1, "mfa_requirement", "num_uses", 0));
}

static void reply_token(struct reply *reply, const json_t *record)
{
    char request_id[UUID_BYTES];

    uuid_random(request_id);
    reply_json(reply, 200,
               must(json_pack("{s:s, s:s, s:b, s:i, s:n, s:n, s:n, s:o}", "request_id", request_id,
                              "lease_id", "", "renewable", 0, "lease_duration", 0, "data",
                              "wrap_info", "warnings", "auth", auth_new(record))));
}

/* Reads the fields. Answers with the error when one is missing, and returns false. */
static bool login_read(const json_t *fields, struct login *login, struct reply *reply)
{
    login->role = json_string_value(json_object_get(fields, "role"));
    login->jwt = json_string_value(json_object_get(fields, "jwt"));
    if (!fields)
        vault_refuse(reply, 400, "failed to parse JSON input: error decoding JSON");
    else if (!login->role || !*login->role)
        vault_refuse(reply, 400, "missing role");
    else if (!login->jwt || !*login->jwt)
        vault_refuse(reply, 400, "missing token");
    else
        return true;
    return false;
}

/* The caller holds the lock. Returns whether there is a role that the token may be shown to. */
static bool has_role(struct standin *standin, const struct login *login, struct reply *reply)
{
    const char *missed;

    if (admission_find(standin, login, &missed))
        return true;
    refuse_missed(reply, login, missed);
    return false;
}

static bool grant(struct standin *standin, const struct login *login, struct reply *reply)
{
    const char *missed;
    const json_t *admission = admission_find(standin, login, &missed);

    if (!admission) {
        refuse_missed(reply, login, missed);
        return false;
    }
    reply_token(reply, issue(standin, login,
                             tokens_lifetime(&standin->tokens, admission_lifetime(admission))));
    return true;
}

bool vault_login(struct standin *standin, const struct request *request, const char *mount,
                 const char *namespace, struct reply *reply)
{
    CLEANUP(json_decrefp) json_t *claims = NULL;
    struct login login = {.namespace = namespace, .mount = mount};
    enum subject_error error;
    bool is_granted;

    if (!login_read(request->note, &login, reply))
        return false;
    pthread_mutex_lock(&standin->lock);
    is_granted = has_role(standin, &login, reply);
    pthread_mutex_unlock(&standin->lock);
    if (!is_granted)
        return false;
    error = subject_verify(standin, login.jwt, &claims);
    if (error) {
        refuse_token(reply, error);
        return false;
    }
    login.claims = claims;
    pthread_mutex_lock(&standin->lock);
    is_granted = grant(standin, &login, reply);
    pthread_mutex_unlock(&standin->lock);
    return is_granted;
}
