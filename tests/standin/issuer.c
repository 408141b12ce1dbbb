#include "standin/issuer.h"

#include <string.h>

#include "standin/memory.h"
#include "standin/standin.h"
#include "standin/subject.h"

#define MAX_AGE_S      300
#define BODY_MAX_BYTES (64 * 1024)

#define DISCOVERY_PATH ISSUER_PATH "/.well-known/openid-configuration"
#define REVIEW_PATH    "/apis/authentication.k8s.io/v1/tokenreviews"
#define KEYS_PATH      ISSUER_PATH "/keys"

/* OpenID Connect Discovery 1.0, section 3, with the members that Kubernetes sends. */
static char *discovery_document(struct standin *standin)
{
    CLEANUP(json_decrefp) json_t *document = NULL;
    CLEANUP(freep) char *keys_url = must_print("%s/keys", issuer_url(standin));

    document = must(json_pack(
        "{s:s, s:s, s:[s], s:[s], s:o}", "issuer", issuer_url(standin), "jwks_uri", keys_url,
        "response_types_supported", "id_token", "subject_types_supported", "public",
        "id_token_signing_alg_values_supported", keyring_algorithms(&standin->keyring)));
    return must(json_dumps(document, JSON_COMPACT));
}

/* Sets the body to @document. Returns false when the document has to be generated. */
static bool reply_verbatim(const struct issuer_document *document, struct reply *reply)
{
    if (!document->body)
        return false;
    reply->body = must_alloc(document->body_bytes + 1);
    memcpy(reply->body, document->body, document->body_bytes);
    reply->body_bytes = document->body_bytes;
    return true;
}

static const char *claim_member(const json_t *claims, const char *object, const char *member)
{
    const json_t *kubernetes = json_object_get(claims, "kubernetes.io");

    return json_string_value(json_object_get(json_object_get(kubernetes, object), member));
}

static bool review_is_revoked(const struct issuer *issuer, const json_t *claims)
{
    const char *pod = claim_member(claims, "pod", "uid");
    const char *account = claim_member(claims, "serviceaccount", "uid");

    return (pod && json_object_get(issuer->revoked, pod)) ||
           (account && json_object_get(issuer->revoked, account));
}

static json_t *review_failure_new(const char *error)
{
    return must(json_pack("{s:s, s:s, s:{s:b, s:s}}", "apiVersion", "authentication.k8s.io/v1",
                          "kind", "TokenReview", "status", "authenticated", 0, "error", error));
}

static json_t *review_success_new(const json_t *claims)
{
    return must(json_pack("{s:s, s:s, s:{s:b, s:{s:O, s:s}, s:O}}", "apiVersion",
                          "authentication.k8s.io/v1", "kind", "TokenReview", "status",
                          "authenticated", 1, "user", "username", json_object_get(claims, "sub"),
                          "uid", claim_member(claims, "serviceaccount", "uid"), "audiences",
                          json_object_get(claims, "aud")));
}

/* TokenReview of the Kubernetes API (authentication.k8s.io/v1). */
static void review_answer(struct standin *standin, struct request *request, struct reply *reply)
{
    const char *authorization = request_header(request, "Authorization");
    CLEANUP(json_decrefp) json_t *review = json_loads(request->body ? request->body : "", 0, NULL);
    CLEANUP(json_decrefp) json_t *claims = NULL;
    CLEANUP(json_decrefp) json_t *own = NULL;
    const json_t *spec = json_object_get(review, "spec");
    const char *token = json_string_value(json_object_get(spec, "token"));
    enum subject_error invalid;
    const char *error = "no token";

    if (!authorization || strncmp(authorization, "Bearer ", 7) != 0 ||
        subject_verify_own(standin, authorization + 7, &own)) {
        reply_error(reply, 401, "Unauthorized");
        return;
    }
    if (token) {
        invalid = subject_verify_own(standin, token, &claims);
        error = invalid ? subject_error_text(invalid) : NULL;
    }
    pthread_mutex_lock(&standin->lock);
    if (!error && review_is_revoked(&standin->issuer, claims))
        error = "[invalid bearer token, service account token has been invalidated]";
    pthread_mutex_unlock(&standin->lock);
    reply_json(reply, 201, error ? review_failure_new(error) : review_success_new(claims));
}

static void issuer_receive(struct standin *standin, struct request *request)
{
    pthread_mutex_lock(&standin->lock);
    if (strcmp(request->path, DISCOVERY_PATH) == 0)
        standin->counts.discovery++;
    if (strcmp(request->path, KEYS_PATH) == 0)
        standin->counts.keys++;
    if (strcmp(request->path, REVIEW_PATH) == 0)
        standin->counts.reviews++;
    pthread_mutex_unlock(&standin->lock);
}

static void issuer_answer(struct standin *standin, struct request *request, struct reply *reply)
{
    bool is_keys = strcmp(request->path, KEYS_PATH) == 0;
    bool is_verbatim;

    if (strcmp(request->path, REVIEW_PATH) == 0 && strcmp(request->method, "POST") == 0) {
        review_answer(standin, request, reply);
        return;
    }
    if (!is_keys && strcmp(request->path, DISCOVERY_PATH) != 0) {
        reply_error(reply, 404, "Not Found");
        return;
    }
    if (strcmp(request->method, "GET") != 0 && strcmp(request->method, "HEAD") != 0) {
        reply_error(reply, 405, "Method Not Allowed");
        return;
    }
    reply->status = 200;
    reply->content_type = is_keys ? "application/jwk-set+json" : "application/json";
    pthread_mutex_lock(&standin->lock);
    if (standin->issuer.max_age_s >= 0)
        reply->cache_control = must_print("public, max-age=%d", standin->issuer.max_age_s);
    is_verbatim =
        reply_verbatim(is_keys ? &standin->issuer.keys : &standin->issuer.discovery, reply);
    pthread_mutex_unlock(&standin->lock);
    if (!is_verbatim)
        reply_text(reply, 200, reply->content_type,
                   is_keys ? keyring_document(&standin->keyring) : discovery_document(standin));
}

void issuer_init(struct issuer *issuer)
{
    *issuer = (struct issuer){.max_age_s = MAX_AGE_S, .revoked = must(json_object())};
}

void issuer_done(struct issuer *issuer)
{
    json_decref(issuer->revoked);
    free(issuer->keys.body);
    free(issuer->discovery.body);
}

const struct service issuer_service = {
    .body_max_bytes = BODY_MAX_BYTES,
    .on_received = issuer_receive,
    .on_answer = issuer_answer,
};
