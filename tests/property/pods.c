/* Pods, their accounts and their JWTs; the JWTs are JSON without a signature. */
#include "property.h"

static const char *const namespaces[] = {"ci", "cd", "ops"};
static const char *const accounts[] = {"runner", "team.a", "team-a"};

/* --- identity, from the JWT alone --- */

const json_t *jwt_claims(const struct identity *identity)
{
    static struct {
        struct digest digest;
        json_t *claims;
    } latest[64], *entry;

    entry = &latest[identity->digest.bytes[0] % ARRAY_SIZE(latest)];
    if (entry->claims && memcmp(&entry->digest, &identity->digest, DIGEST_SIZE) == 0)
        return entry->claims;
    json_decref(entry->claims);
    entry->digest = identity->digest;
    entry->claims = json_loadb((char *)identity->jwt->bytes, identity->jwt->len, 0, NULL);
    assert_non_null(entry->claims);
    return entry->claims;
}

const char *jwt_text(const json_t *claims, const char *object, const char *member)
{
    const json_t *kubernetes = json_object_get(claims, "kubernetes.io");
    const char *text =
        json_string_value(json_object_get(json_object_get(kubernetes, object), member));

    return text ? text : "";
}

const char *jwt_audience(const json_t *claims)
{
    const json_t *aud = json_object_get(claims, "aud");

    if (json_is_array(aud))
        aud = json_array_size(aud) == 1 ? json_array_get(aud, 0) : NULL;
    return aud ? json_string_value(aud) : "several";
}

void jwt_who(const json_t *claims, char ret_who[160])
{
    const char *kind = *jwt_text(claims, "pod", "uid")      ? "pod"
                       : *jwt_text(claims, "secret", "uid") ? "secret"
                                                            : "none";

    snprintf(ret_who, 160, "%s %s %s %s %s", json_string_value(json_object_get(claims, "iss")),
             jwt_audience(claims), json_string_value(json_object_get(claims, "sub")),
             jwt_text(claims, "serviceaccount", "uid"), kind);
}

int64_t jwt_expiry_s(const json_t *claims)
{
    return json_integer_value(json_object_get(claims, "exp"));
}

/* --- pods --- */

void pod_login(struct pod *pod, const char *jwt)
{
    struct identity *identity = calloc(1, sizeof(*identity));
    struct refusal refusal;

    assert_non_null(identity);
    identity_unref(pod->identity);
    pod->identity = identity;
    identity->n_refs = 1;
    list_init(&identity->age);
    identity->jwt = secret_new(jwt, strlen(jwt));
    assert_int_equal(digest_of(jwt, strlen(jwt), &identity->digest), 0);
    identity->payload = json_value_read(jwt, strlen(jwt));
    assert_int_equal(claims_read(identity->payload, &identity->claims, &refusal), PODLOGIN_OK);
    identity->expires_boot_usec = UINT64_MAX;
    if (!pod->is_forged) {
        identity->key = jwk_ref(&world.key);
        return;
    }
    identity->jws = calloc(1, sizeof(*identity->jws));
    assert_non_null(identity->jws);
    identity->jws->algorithm = ALGORITHM_RS256;
    strcpy(identity->jws->kid, "a key that no issuer has");
}

/* Gives the same pod a new JWT. */
static void pod_renew(struct pod *pod)
{
    int64_t now_s = clock_now().wall_s;
    char jwt[1024];

    pod->expires_s = now_s + 600 + (int64_t)random_below(3000);
    pod->is_forged = random_below(24) == 0;
    pod->jti = ++world.n_jwts;
    *upstream_refused_usec(pod->jti) = 0;
    snprintf(jwt, sizeof(jwt),
             "{\"jti\":%llu,\"iat\":%lld,\"exp\":%lld,\"level\":%d,\"trusted\":%s,%s}",
             (unsigned long long)pod->jti, (long long)now_s, (long long)pod->expires_s,
             (int)random_below(14) - 1, random_below(3) ? "true" : "false", pod->claims);
    pod_login(pod, jwt);
}

static void pod_bind(const struct pod *pod, char *bound, size_t size)
{
    static const char *const names[] = {"job", "debug", "build"};
    unsigned long long id = ++world.n_pods;

    bound[0] = '\0';
    if (pod->kind == KIND_SECRET)
        snprintf(bound, size, ",\"secret\":{\"name\":\"s\",\"uid\":\"secret-%llu\"}", id);
    if (pod->kind == KIND_POD)
        snprintf(bound, size,
                 ",\"pod\":{\"name\":\"%s-%d\",\"uid\":\"pod-%llu\"},"
                 "\"node\":{\"name\":\"node-%d\",\"uid\":\"%s\"}",
                 names[random_below(3)], (int)random_below(10), id, 1 + (int)random_below(3),
                 random_below(12) ? own_node : "another node");
}

void pod_begin(struct pod *pod)
{
    static const char *const extras[] = {"", ",\"team\":\"red\",\"roles\":[\"dev\"]",
                                         ",\"team\":\"gr\u00fcn\",\"roles\":[\"ops\",\"dev\"]",
                                         ",\"team\":\"blau\",\"roles\":\"admin\"",
                                         ",\"team\":null,\"roles\":[]"};
    unsigned account = (unsigned)random_below(ACCOUNTS);
    const char *namespace = namespaces[account / 2 % 3], *name = accounts[account / 6];
    char bound[160], audience[64];
    size_t i = random_below(ARRAY_SIZE(audiences));

    pod->account = account;
    pod->generation = world.generations[account];
    pod->kind = random_below(4) ? KIND_POD : (unsigned)random_below(KINDS);
    pod_bind(pod, bound, sizeof(bound));
    snprintf(audience, sizeof(audience), random_below(2) ? "\"%s\"" : "[\"%s\"]", audiences[i]);
    if (random_below(12) == 0)
        snprintf(audience, sizeof(audience), "[\"%s\",\"urn:other\"]", audiences[i]);
    snprintf(pod->claims, sizeof(pod->claims),
             "\"iss\":\"%s\",\"aud\":%s,\"sub\":\"system:serviceaccount:%s:%s\","
             "\"kubernetes.io\":{\"namespace\":\"%s\",\"serviceaccount\":{\"name\":\"%s\","
             "\"uid\":\"uid-%u\"}%s}%s",
             issuers[account % 2], audience, namespace, name, namespace, name, pod->generation,
             bound, pod->kind == KIND_POD ? extras[random_below(ARRAY_SIZE(extras))] : "");
    pod_renew(pod);
}

void pod_go_on(struct pod *pod)
{
    if (pod->generation != world.generations[pod->account] || random_below(3) == 0)
        pod_begin(pod);
    else
        pod_renew(pod);
}

void account_recreate(void)
{
    world.generations[random_below(ACCOUNTS)]++;
    counts.recreated++;
}
