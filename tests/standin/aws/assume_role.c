#include "standin/aws/assume_role.h"

#include <stdint.h>
#include <string.h>
#include <time.h>

#include "standin/admissions.h"
#include "standin/aws/error.h"
#include "standin/aws/parameters.h"
#include "standin/aws/sts.h"
#include "standin/aws/xml.h"
#include "standin/encoding.h"
#include "standin/memory.h"
#include "standin/standin.h"
#include "standin/subject.h"

#define DURATION_DEFAULT_S 3600

/* Answers with what AWS says about a token that subject_verify() refuses. */
static void refuse_token(struct reply *reply, enum subject_error error, const char *token)
{
    CLEANUP(freep) char *issuer = subject_peek(token, "iss");
    CLEANUP(freep) char *message = NULL;

    if (error == SUBJECT_EXPIRED) {
        message = must_print("Token expired: current date/time %lld must be before the expiration "
                             "date/time of the token",
                             (long long)time(NULL));
        aws_error(reply, "ExpiredTokenException", message);
        return;
    }
    if (error == SUBJECT_UNKNOWN_ISSUER)
        message = must_print("No OpenIDConnect provider found in your account for %s",
                             issuer ? issuer : "the token's issuer");
    else if (error == SUBJECT_UNKNOWN_KEY)
        message = must_copy("Couldn't retrieve verification key from your identity provider, "
                            "please reference AssumeRoleWithWebIdentity documentation for "
                            "requirements");
    else
        message =
            must_print("The ID Token provided is not a valid JWT: %s", subject_error_text(error));
    aws_error(reply, "InvalidIdentityToken", message);
}

/* AWS knows RS and ES with 256, 384 and 512, but not PS. The token is verified. */
static bool is_pss(const char *token)
{
    CLEANUP(json_decrefp) json_t *header = NULL;
    CLEANUP(freep) uint8_t *text = NULL;
    const char *algorithm;
    size_t len;

    if (base64url_decode(token, strcspn(token, "."), &text, &len) < 0)
        return false;
    header = json_loadb((const char *)text, len, 0, NULL);
    algorithm = json_string_value(json_object_get(header, "alg"));
    return algorithm && strncmp(algorithm, "PS", 2) == 0;
}

/* Returns the admission, or answers with the error. The caller holds the lock. */
static const json_t *admission_find(struct standin *standin, const struct role_request *request,
                                    const json_t *claims, struct reply *reply)
{
    const struct criterion criteria[] = {{"role", request->role_arn}, {0}};
    const char *missed;
    const json_t *admission =
        admissions_find(standin->admissions, STS_KIND, criteria, claims, &missed);

    if (!admission) {
        if (strcmp(missed, "audience") == 0)
            aws_error(reply, "InvalidIdentityToken", "Incorrect token audience");
        else
            aws_error(reply, "AccessDenied", NULL);
        return NULL;
    }
    if (request->duration_s > admission_lifetime(admission)) {
        aws_error(
            reply, "ValidationError",
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.");
        return NULL;
    }
    return admission;
}

/* "arn:aws:iam::ACCOUNT:role/PATH/NAME" becomes "arn:aws:sts::ACCOUNT:assumed-role/NAME/SESSION".
 */
static char *session_arn_new(const struct role_request *request)
{
    const char *account = request->role_arn + strlen("arn:aws:iam::");

    return must_print("arn:aws:sts::%.*s:assumed-role/%s/%s", (int)strcspn(account, ":"), account,
                      strrchr(request->role_arn, '/') + 1, request->session_name);
}

static char *access_key_id_new(void)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    char *id = must_copy("ASIA0123456789ABCDEF");
    uint8_t bytes[16];

    random_bytes(bytes, sizeof(bytes));
    for (size_t i = 0; i < sizeof(bytes); i++)
        id[4 + i] = digits[bytes[i] % 32];
    return id;
}

/* The session token is the one that shows its subject; a secret key has no room for it. */
static const json_t *issue(struct standin *standin, const struct role_request *request,
                           const json_t *claims, json_int_t lifetime_s)
{
    static const struct token_form form = {STS_KIND, "IQoJ", "/+"};
    CLEANUP(freep) char *arn = session_arn_new(request);
    CLEANUP(freep) char *id = access_key_id_new();
    CLEANUP(freep) char *secret = NULL;
    uint8_t bytes[30]; /* 40 characters */

    random_bytes(bytes, sizeof(bytes));
    secret = base64_encode(bytes, sizeof(bytes));
    return tokens_issue(&standin->tokens, &form, json_string_value(json_object_get(claims, "sub")),
                        lifetime_s,
                        must(json_pack("{s:s, s:s, s:s, s:s}", "role", request->role_arn, "arn",
                                       arn, "access_key_id", id, "secret_access_key", secret)));
}

static void time_print(json_int_t seconds, char ret_text[32])
{
    time_t at = (time_t)seconds;
    struct tm parts;

    gmtime_r(&at, &parts);
    strftime(ret_text, 32, "%Y-%m-%dT%H:%M:%SZ", &parts);
}

static char *packed_size_new(const struct role_request *request)
{
    if (request->policy_bytes == 0)
        return must_copy("");
    return must_print("    <PackedPolicySize>%zu</PackedPolicySize>\n",
                      1 + request->policy_bytes * 99 / 2048);
}

/* The issuer without its scheme, as the ARN of a provider has it. */
static char *provider_new(const json_t *claims)
{
    const char *issuer = json_string_value(json_object_get(claims, "iss"));
    const char *separator = strstr(issuer, "://");

    return xml_escape(separator ? separator + strlen("://") : issuer);
}

static void reply_credentials(struct reply *reply, const json_t *record, const json_t *claims,
                              const struct role_request *request)
{
    const json_t *audience = json_object_get(claims, "aud");
    const char *first =
        json_string_value(json_is_array(audience) ? json_array_get(audience, 0) : audience);
    CLEANUP(freep) char *subject = xml_escape(token_member(record, "subject"));
    CLEANUP(freep) char *shown = xml_escape(first ? first : "");
    CLEANUP(freep) char *provider = provider_new(claims);
    CLEANUP(freep) char *packed = packed_size_new(request);
    const char *account = request->role_arn + strlen("arn:aws:iam::");
    char expiration[32], request_id[UUID_BYTES];

    uuid_random(request_id);
    time_print(json_integer_value(json_object_get(record, "expires_at")), expiration);
    reply_text(reply, 200, "text/xml",
               must_print("<AssumeRoleWithWebIdentityResponse xmlns=\"" STS_NAMESPACE "\">\n"
                          "  <AssumeRoleWithWebIdentityResult>\n"
                          "    <Audience>%s</Audience>\n"
                          "    <AssumedRoleUser>\n"
                          "      <AssumedRoleId>AROA0123456789ABCDEFG:%s</AssumedRoleId>\n"
                          "      <Arn>%s</Arn>\n"
                          "    </AssumedRoleUser>\n"
                          "    <Provider>arn:aws:iam::%.*s:oidc-provider/%s</Provider>\n"
                          "    <Credentials>\n"
                          "      <AccessKeyId>%s</AccessKeyId>\n"
                          "      <SecretAccessKey>%s</SecretAccessKey>\n"
                          "      <SessionToken>%s</SessionToken>\n"
                          "      <Expiration>%s</Expiration>\n"
                          "    </Credentials>\n"
                          "    <SubjectFromWebIdentityToken>%s</SubjectFromWebIdentityToken>\n"
                          "%s"
                          "  </AssumeRoleWithWebIdentityResult>\n"
                          "  <ResponseMetadata>\n"
                          "    <RequestId>%s</RequestId>\n"
                          "  </ResponseMetadata>\n"
                          "</AssumeRoleWithWebIdentityResponse>\n",
                          shown, request->session_name, token_member(record, "arn"),
                          (int)strcspn(account, ":"), account, provider,
                          token_member(record, "access_key_id"),
                          token_member(record, "secret_access_key"), token_member(record, "value"),
                          expiration, subject, packed, request_id));
}

bool assume_role(struct standin *standin, const json_t *fields, struct reply *reply)
{
    CLEANUP(json_decrefp) json_t *claims = NULL;
    const json_t *admission;
    struct role_request request;
    enum subject_error error;

    if (!role_request_read(fields, &request, reply))
        return false;
    error = subject_verify(standin, request.token, &claims);
    if (!error && is_pss(request.token))
        error = SUBJECT_OTHER_ALGORITHM;
    if (error) {
        refuse_token(reply, error, request.token);
        return false;
    }
    pthread_mutex_lock(&standin->lock);
    admission = admission_find(standin, &request, claims, reply);
    if (admission) {
        json_int_t asked_s = request.duration_s > 0 ? request.duration_s : DURATION_DEFAULT_S;
        json_int_t lifetime_s = tokens_lifetime(&standin->tokens, asked_s);

        reply_credentials(reply, issue(standin, &request, claims, lifetime_s), claims, &request);
    }
    pthread_mutex_unlock(&standin->lock);
    return admission;
}
