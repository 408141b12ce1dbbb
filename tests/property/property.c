/*
 * Who gets which token: random pods, rules, reloads and mishaps, against an upstream that has rules
 * of its own and writes a record of what it gave to whom.
 *
 * At every answer: the upstream would have given the token to this pod, too; it was issued for the
 * same account, issuer, audience and service (and pod, with Share=pod), and has not expired. The
 * JWT that was presented is signed by its issuer, has not expired, and, where the configuration
 * asks for it, is of this node and of the pod that the caller runs in. And a pod that the rules of
 * both sides admit is served while the upstream works.
 *
 *   test_property [STEPS [SEED]]    150,000 steps, or with PODLOGIN_SCALE=full 1,000,000
 */
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "admission/admission.h"
#include "base/log.h"
#include "identity/issuer.h"
#include "protocol/messages.h"
#include "support/rules.h"
#include "support/scratch.h"
#include "support/sim.h"

#define MSEC             UINT64_C(1000)
#define MINUTE           (60 * SECOND_USEC)
#define PODS             48
#define REQUESTS         64
#define SERVICES         6
#define ORGANIZATIONS    3
#define DEADLINE_USEC    (10 * SECOND_USEC)
#define REFUSAL_USEC     (61 * SECOND_USEC)  /* how long it may be remembered */
#define OUTAGE_USEC      (130 * SECOND_USEC) /* how long one may be felt after its end */
#define REFUSALS_TRACKED 65536
#define COUNT(counts)    (sizeof(counts) / sizeof((counts)[0]))

static const char *const issuers[] = {"https://one.example", "https://two.example"};
static const char *const audiences[] = {"urn:a", "urn:b", "urn:ab"};
static const char *const organizations[ORGANIZATIONS] = {"acme", "umbrella", "initech"};
static const char *const users[] = {NULL, "ann", "bob"};
static const char *const namespaces[] = {"ci", "cd", "ops"};
static const char *const accounts[] = {"runner", "team.a", "team-a"};

static const char own_node[] = "this node";

#define ACCOUNTS 18 /* of the issuers, namespaces and names above */

/* What is broken on purpose. */
enum fault {
    FAULT_NONE,
    FAULT_RULES_NOT_JUDGED,
    FAULT_RULES_NOT_REPEATED,
    FAULT_AUDIENCE_NOT_JUDGED,
    FAULT_NODE_NOT_JUDGED,
    FAULT_SIGNATURE_NOT_VERIFIED,
    FAULT_TIME_NOT_JUDGED,
    FAULT_CALLER_NOT_ALIVE,
};

enum violation {
    VIOLATION_NONE,
    VIOLATION_RULES,   /* a token for somebody who would not have got it */
    VIOLATION_FOREIGN, /* a token that was issued for another */
    VIOLATION_EXPIRED,
    VIOLATION_STRANGER, /* a token for a JWT that is not valid, or presented by another */
    VIOLATION_UNSERVED,
};

static const char *const violation_names[] = {
    "none", "rules", "issued for another", "expired token", "JWT not valid", "not served"};

/* The rules of an organization's upstream, of now or once. */
struct version {
    struct version *before;
    struct rules rules;
};

struct pod {
    struct identity *identity;
    uint64_t jti;
    unsigned account, generation; /* of the account when the pod began */
    enum {
        KIND_POD,
        KIND_SECRET,
        KIND_NONE,
        KINDS
    } kind;
    char claims[640]; /* those that stay when its JWT is renewed */
    int64_t expires_s;
    bool is_forged; /* the JWT */
};

/* The process that asks, as it really is. */
struct caller {
    char pod_uid[POD_UID_SIZE]; /* "": it runs in no pod, or nobody can tell */
    bool has_ended;
};

/* A service as it was written down. */
struct spec {
    bool is_there;
    unsigned organization, issuer, audience, user;
    bool is_per_pod;
    struct rules local;
};

struct request {
    struct broker_waiter waiter;
    struct timer deadline;
    struct identity *identity; /* NULL: the slot is free */
    struct caller caller;
    struct peer peer; /* the caller as the kernel shows it */
    bool is_forged;
    uint64_t jti;
    unsigned service;
    uint64_t asked_usec;
};

/* What the upstream remembers of a token. */
struct issued {
    char who[160];
    char pod_uid[16];
    char what[32];
    const struct version *version;
    uint64_t expires_usec;
};

static struct {
    char directory[SCRATCH_MAX];
    enum fault fault;
    const struct config *config;
    struct identities identities;
    struct broker broker;
    struct sim_disk disk;
    struct jwk key;
    struct version *versions[ORGANIZATIONS];
    struct spec specs[SERVICES];
    bool is_attested; /* PeerAttestation=enforce */
    const char *node; /* NodeUID=; NULL: pods of any */
    unsigned generations[ACCOUNTS];
    struct pod pods[PODS];
    struct request requests[REQUESTS];
    struct issued *issued;
    size_t n_issued;
    uint64_t refused_usec[REFUSALS_TRACKED]; /* by jti */
    uint64_t n_jwts, n_pods;
    bool is_down;
    uint64_t up_since_usec;
    enum violation violation;
} now;

static struct counts {
    uint64_t steps, asked, cached, joined, exchanged, by_rules, by_identity, by_node, by_caller,
        by_signature, by_upstream, failed, left, deadlines, reloads, restarts, recreated, issued,
        refusals, obliged;
} n;

/* Of processes: the test itself, and one that has ended. */
static int own_pidfd = -1, ended_pidfd = -1;

/* --- checks, which can be taken away one by one --- */

#define WRAP(type, name, ...)                                                                      \
    type __real_##name(__VA_ARGS__);                                                               \
    type __wrap_##name(__VA_ARGS__);                                                               \
    type __wrap_##name(__VA_ARGS__)

WRAP(enum verdict, policy_judge, const struct policy *policy, const json_t *claims,
     const struct rule_section **ret_section)
{
    *ret_section = NULL;
    if (now.fault == FAULT_RULES_NOT_JUDGED)
        return VERDICT_ALLOW;
    return __real_policy_judge(policy, claims, ret_section);
}

WRAP(bool, claims_have_audience, const struct claims *claims, const char *audience)
{
    return now.fault == FAULT_AUDIENCE_NOT_JUDGED || __real_claims_have_audience(claims, audience);
}

WRAP(enum podlogin_status, node_judge, const struct own_node *node, const struct claims *claims,
     struct refusal *ret_refusal)
{
    if (now.fault == FAULT_NODE_NOT_JUDGED)
        return PODLOGIN_OK;
    return __real_node_judge(node, claims, ret_refusal);
}

WRAP(enum verification, identity_verify, struct identities *identities, struct identity *identity,
     bool may_wait, struct refusal *ret_refusal)
{
    if (now.fault == FAULT_SIGNATURE_NOT_VERIFIED)
        return IDENTITY_VERIFIED;
    return __real_identity_verify(identities, identity, may_wait, ret_refusal);
}

WRAP(enum podlogin_status, identity_judge_time, struct identities *identities,
     struct identity *identity, struct now when, struct refusal *ret_refusal)
{
    if (now.fault == FAULT_TIME_NOT_JUDGED)
        return PODLOGIN_OK;
    return __real_identity_judge_time(identities, identity, when, ret_refusal);
}

WRAP(bool, peer_lives, const struct peer *peer)
{
    return now.fault == FAULT_CALLER_NOT_ALIVE || __real_peer_lives(peer);
}

/* --- who somebody is, by the JWT alone --- */

static const char *text_of(const json_t *claims, const char *object, const char *member)
{
    const json_t *kubernetes = json_object_get(claims, "kubernetes.io");
    const char *text =
        json_string_value(json_object_get(json_object_get(kubernetes, object), member));

    return text ? text : "";
}

static const char *audience_of(const json_t *claims)
{
    const json_t *aud = json_object_get(claims, "aud");

    if (json_is_array(aud))
        aud = json_array_size(aud) == 1 ? json_array_get(aud, 0) : NULL;
    return aud ? json_string_value(aud) : "several";
}

/* All that pods have in common if they may share a token. */
static void who_of(const json_t *claims, char ret_who[160])
{
    const char *kind = *text_of(claims, "pod", "uid")      ? "pod"
                       : *text_of(claims, "secret", "uid") ? "secret"
                                                           : "none";

    snprintf(ret_who, 160, "%s %s %s %s %s", json_string_value(json_object_get(claims, "iss")),
             audience_of(claims), json_string_value(json_object_get(claims, "sub")),
             text_of(claims, "serviceaccount", "uid"), kind);
}

static void what_of(const char *organization, const char *user, char ret_what[32])
{
    snprintf(ret_what, 32, "%s %s", organization, user ? user : "-");
}

static int64_t expiry_of(const json_t *claims)
{
    return json_integer_value(json_object_get(claims, "exp"));
}

/* --- upstream --- */

static const struct wire_bytes *setting(const char *name)
{
    static struct wire_bytes value;
    const struct wire_list *list = &sim_exchange->settings;

    for (size_t i = 0; i < list->n; i++) {
        value = list->item[i];
        if (value.len <= strlen(name) || memcmp(value.at, name, strlen(name)) != 0)
            continue;
        value.at += strlen(name);
        value.len -= strlen(name);
        return &value;
    }
    return NULL;
}

static uint64_t *refused(uint64_t jti)
{
    return &now.refused_usec[jti % REFUSALS_TRACKED];
}

static uint32_t token_lifetime_s(void)
{
    return (uint32_t)(random_below(4) ? 600 + random_below(6600) : 5 + random_below(100));
}

static void issue(struct sim_reply *reply, const json_t *claims, unsigned organization)
{
    const struct wire_bytes *user = setting("User=");
    char name[16] = "";
    struct issued *issued;

    if (now.n_issued % 4096 == 0)
        now.issued = reallocarray(now.issued, now.n_issued + 4096, sizeof(*now.issued));
    assert_non_null(now.issued);
    issued = &now.issued[now.n_issued];
    if (user)
        snprintf(name, sizeof(name), "%.*s", (int)user->len, (const char *)user->at);
    *issued = (struct issued){.version = now.versions[organization]};
    who_of(claims, issued->who);
    what_of(organizations[organization], user ? name : NULL, issued->what);
    snprintf(issued->pod_uid, sizeof(issued->pod_uid), "%s", text_of(claims, "pod", "uid"));
    reply->outcome = OUTCOME_OK;
    reply->expires_in_s = token_lifetime_s();
    issued->expires_usec = sim_now_usec + reply->expires_in_s * SECOND_USEC;
    snprintf(reply->token, sizeof(reply->token), "token-%zu", now.n_issued++);
    n.issued++;
}

/* What it decides by is the JWT, its time and the organization's rules. */
static struct sim_reply upstream(void)
{
    static const enum outcome failures[] = {OUTCOME_UNAVAILABLE, OUTCOME_UNAVAILABLE,
                                            OUTCOME_THROTTLED,   OUTCOME_MALFORMED,
                                            OUTCOME_UNTRUSTED,   OUTCOME_MISCONFIGURED};
    struct sim_reply reply = {.outcome = OUTCOME_REFUSED,
                              .latency_usec = (10 + random_below(300)) * MSEC};
    const struct wire_bytes *name = setting("Organization=");
    unsigned organization = 0;
    json_t *claims;

    if (now.is_down) {
        reply.outcome = failures[random_below(COUNT(failures))];
        reply.latency_usec = random_below(5 * SECOND_USEC);
        reply.retry_after_ms = (uint32_t)random_below(60000);
        return reply;
    }
    claims = json_loadb((const char *)sim_exchange->subject_token.at,
                        sim_exchange->subject_token.len, 0, NULL);
    assert_non_null(claims);
    assert_non_null(name);
    while (!wire_bytes_equal(*name, organizations[organization]))
        assert_true(++organization < ORGANIZATIONS);
    if (expiry_of(claims) > clock_now().wall_s &&
        rules_admit(&now.versions[organization]->rules, claims)) {
        issue(&reply, claims, organization);
    } else {
        *refused((uint64_t)json_integer_value(json_object_get(claims, "jti"))) = sim_now_usec;
        n.refusals++;
    }
    json_decref(claims);
    return reply;
}

static void change_upstream(unsigned organization, const struct rules *rules)
{
    struct version *version = calloc(1, sizeof(*version));

    assert_non_null(version);
    version->before = now.versions[organization];
    version->rules = *rules;
    now.versions[organization] = version;
}

/* Rules that nobody needs to repeat, so without a reload. */
static void change_upstream_alone(void)
{
    unsigned organization = (unsigned)random_below(ORGANIZATIONS);
    struct rules rules = now.versions[organization]->rules;

    rules_drop_account_denies(&rules);
    while (random_below(3) == 0 && rules.n < SECTIONS_MAX / 2)
        rules_add(&rules, true, SCOPE_ACCOUNT);
    change_upstream(organization, &rules);
}

/* --- pods --- */

static void pod_login(struct pod *pod, const char *jwt)
{
    struct identity *identity = calloc(1, sizeof(*identity));
    struct refusal refusal;

    assert_non_null(identity);
    identity_unref(pod->identity);
    pod->identity = identity;
    identity->n_refs = 1;
    list_init(&identity->age);
    identity->jwt = secret_new(jwt, strlen(jwt));
    assert_int_equal(digest_of(jwt, strlen(jwt), &identity->node.key), 0);
    identity->payload = json_loads(jwt, 0, NULL);
    assert_int_equal(claims_read(identity->payload, &identity->claims, &refusal), PODLOGIN_OK);
    identity->expires_boot_usec = UINT64_MAX;
    if (!pod->is_forged) {
        identity->key = jwk_ref(&now.key);
        return;
    }
    identity->jws = calloc(1, sizeof(*identity->jws));
    assert_non_null(identity->jws);
    identity->jws->algorithm = ALGORITHM_RS256;
    strcpy(identity->jws->kid, "a key that no issuer has");
}

/* A new JWT of the same pod. */
static void pod_renew(struct pod *pod)
{
    int64_t now_s = clock_now().wall_s;
    char jwt[1024];

    pod->expires_s = now_s + 600 + (int64_t)random_below(3000);
    pod->is_forged = random_below(24) == 0;
    pod->jti = ++now.n_jwts;
    *refused(pod->jti) = 0;
    snprintf(jwt, sizeof(jwt),
             "{\"jti\":%llu,\"iat\":%lld,\"exp\":%lld,\"level\":%d,\"trusted\":%s,%s}",
             (unsigned long long)pod->jti, (long long)now_s, (long long)pod->expires_s,
             (int)random_below(14) - 1, random_below(3) ? "true" : "false", pod->claims);
    pod_login(pod, jwt);
}

static void pod_bind(const struct pod *pod, char *bound, size_t size)
{
    static const char *const names[] = {"job", "debug", "build"};
    unsigned long long id = ++now.n_pods;

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

/* Another pod, of the account as it is now. */
static void pod_begin(struct pod *pod)
{
    static const char *const extras[] = {"", ",\"team\":\"red\",\"roles\":[\"dev\"]",
                                         ",\"team\":\"gr\u00fcn\",\"roles\":[\"ops\",\"dev\"]",
                                         ",\"team\":\"blau\",\"roles\":\"admin\"",
                                         ",\"team\":null,\"roles\":[]"};
    unsigned account = (unsigned)random_below(ACCOUNTS);
    const char *namespace = namespaces[account / 2 % 3], *name = accounts[account / 6];
    char bound[160], audience[64];
    size_t i = random_below(COUNT(audiences));

    pod->account = account;
    pod->generation = now.generations[account];
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
             bound, pod->kind == KIND_POD ? extras[random_below(COUNT(extras))] : "");
    pod_renew(pod);
}

/* Nobody gets a new JWT for an account that is gone. */
static void pod_go_on(struct pod *pod)
{
    if (pod->generation != now.generations[pod->account] || random_below(3) == 0)
        pod_begin(pod);
    else
        pod_renew(pod);
}

/* Deleted, and created again: its pods' JWTs live on until they expire. */
static void account_recreate(void)
{
    now.generations[random_below(ACCOUNTS)]++;
    n.recreated++;
}

/* --- configuration --- */

static void service_name(unsigned i, char ret_name[16])
{
    snprintf(ret_name, 16, "service-%u", i);
}

static const struct service *service_of(unsigned i)
{
    char name[16];

    service_name(i, name);
    return config_service(now.config, name, strlen(name));
}

static void spec_write(unsigned i)
{
    const struct spec *spec = &now.specs[i];
    char path[SCRATCH_MAX + 64], name[16];
    FILE *file;

    service_name(i, name);
    snprintf(path, sizeof(path), "%s/services.d/%s.conf", now.directory, name);
    if (!spec->is_there) {
        remove(path);
        return;
    }
    file = fopen(path, "we");
    assert_non_null(file);
    fprintf(file, "[Service]\nProvider=pulumi\nIssuer=issuer-%u\nAudience=%s\nShare=%s\n",
            spec->issuer, audiences[spec->audience], spec->is_per_pod ? "pod" : "serviceaccount");
    fprintf(file, "[Pulumi]\nOrganization=%s\n", organizations[spec->organization]);
    if (users[spec->user])
        fprintf(file, "TokenType=personal\nUser=%s\n", users[spec->user]);
    rules_print(&spec->local, file);
    fclose(file);
}

static void spec_repeat(struct spec *spec)
{
    bool is_repeated = spec->is_per_pod || now.fault == FAULT_RULES_NOT_REPEATED;

    rules_repeat(&spec->local, &now.versions[spec->organization]->rules,
                 is_repeated ? SCOPE_POD : SCOPE_ACCOUNT);
}

/* Few settings, so that some services have the same, by intent or once they were changed back. */
static void spec_make(struct spec *spec)
{
    if (!spec->is_there || random_below(2)) {
        *spec = (struct spec){
            .issuer = (unsigned)random_below(2),
            .audience = (unsigned)random_below(COUNT(audiences)),
            .organization = (unsigned)random_below(ORGANIZATIONS),
            .user = (unsigned)random_below(COUNT(users)),
        };
    }
    if (random_below(4) == 0)
        spec->audience = (unsigned)random_below(COUNT(audiences));
    spec->is_per_pod = random_below(2);
    spec->is_there = random_below(8) > 0;
}

/* Most ask for what is checked when it is given; the others are as PeerAttestation=off. */
static void daemon_make(void)
{
    static const char *const attestations[] = {"enforce", "enforce", "audit", "off"};
    const char *attestation = attestations[random_below(COUNT(attestations))];
    char path[SCRATCH_MAX + 64], text[128];

    now.is_attested = strcmp(attestation, "enforce") == 0;
    now.node = random_below(3) ? own_node : NULL;
    snprintf(path, sizeof(path), "%s/podlogind.conf", now.directory);
    snprintf(text, sizeof(text), "[Daemon]\nCacheRows=100\nPeerAttestation=%s\n%s%s\n", attestation,
             now.node ? "NodeUID=" : "", now.node ? now.node : "");
    scratch_write(path, text, strlen(text), 0600);
}

static void config_make(bool is_first)
{
    bool is_changed[ORGANIZATIONS];
    struct rules rules;

    if (is_first || random_below(8) == 0)
        daemon_make();
    for (unsigned i = 0; i < ORGANIZATIONS; i++) {
        is_changed[i] = is_first || random_below(3) == 0;
        if (!is_changed[i])
            continue;
        rules_make(&rules, SCOPE_JWT);
        change_upstream(i, &rules);
    }
    for (unsigned i = 0; i < SERVICES; i++) {
        struct spec *spec = &now.specs[i];
        bool is_other = is_first || random_below(4) == 0;

        if (is_other)
            spec_make(spec);
        if (!is_other && !is_changed[spec->organization] && random_below(3))
            continue;
        spec_repeat(spec);
        spec_write(i);
    }
}

static void config_read(const struct config **ret_config)
{
    char error[INI_ERROR_MAX];

    if (config_load(now.directory, ret_config, error) < 0)
        fail_msg("%s", error);
}

static void directory_make(void)
{
    char path[SCRATCH_MAX + 64], text[128];

    scratch_make(now.directory, "/tmp");
    snprintf(path, sizeof(path), "%s/services.d", now.directory);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/issuers.d", now.directory);
    assert_int_equal(mkdir(path, 0700), 0);
    for (unsigned i = 0; i < COUNT(issuers); i++) {
        snprintf(path, sizeof(path), "%s/issuers.d/issuer-%u.conf", now.directory, i);
        snprintf(text, sizeof(text), "[Issuer]\nURL=%s\n", issuers[i]);
        scratch_write(path, text, strlen(text), 0600);
    }
}

/* Issuers whose one key is at hand, so that nothing is fetched. */
static void identities_begin(void)
{
    now.key = (struct jwk){.n_refs = 1};
    now.identities =
        (struct identities){.loop = &sim_loop, .generation = 1, .config = config_ref(now.config)};
    list_init(&now.identities.by_age);
    now.identities.n_issuers = now.config->n_issuers;
    now.identities.issuers = calloc(now.config->n_issuers, sizeof(struct issuer *));
    assert_non_null(now.identities.issuers);
    for (size_t i = 0; i < now.config->n_issuers; i++) {
        struct issuer *issuer = calloc(1, sizeof(*issuer));

        assert_non_null(issuer);
        issuer->config = issuer_config_ref(&now.config->issuers[i]);
        issuer->loop = &sim_loop;
        list_init(&issuer->waiters);
        now.identities.issuers[i] = issuer;
    }
    node_begin(&now.identities);
}

/* --- requests, as daemon/session has them --- */

static void violate(enum violation violation, const struct request *request, const char *detail)
{
    if (now.violation)
        return;
    now.violation = violation;
    if (now.fault)
        return; /* as it should be */
    printf("step %llu, service-%u, %.*s: %s: %s\n", (unsigned long long)n.steps, request->service,
           (int)request->identity->jwt->len, (const char *)request->identity->jwt->bytes,
           violation_names[violation], detail);
    rules_print(&now.specs[request->service].local, stdout);
    printf("upstream:\n");
    rules_print(&now.versions[now.specs[request->service].organization]->rules, stdout);
}

static void request_end(struct request *request)
{
    timer_unset(&request->deadline);
    waiter_leave(&request->waiter.waiter);
    identity_unref(request->identity);
    request->identity = NULL;
}

/* Whether the JWT is of a pod of this node, if that is asked for. */
static bool is_of_node(const struct request *request)
{
    return !now.node || strcmp(text_of(request->identity->payload, "node", "uid"), now.node) == 0;
}

/* Whether it is the caller's own pod's, and the caller is still there, if that is asked for. */
static bool is_of_caller(const struct request *request)
{
    const struct caller *caller = &request->caller;

    return !now.is_attested ||
           (!caller->has_ended && caller->pod_uid[0] &&
            strcmp(text_of(request->identity->payload, "pod", "uid"), caller->pod_uid) == 0);
}

/* Whether the JWT is for the service, lives, and is the caller's. */
static bool is_valid(const struct request *request)
{
    const struct spec *spec = &now.specs[request->service];
    const json_t *claims = request->identity->payload;

    return spec->is_there && !request->is_forged && is_of_node(request) && is_of_caller(request) &&
           expiry_of(claims) > clock_now().wall_s &&
           strcmp(audience_of(claims), audiences[spec->audience]) == 0 &&
           strcmp(json_string_value(json_object_get(claims, "iss")), issuers[spec->issuer]) == 0;
}

static bool is_admitted_here(const struct request *request)
{
    return is_valid(request) &&
           rules_admit(&now.specs[request->service].local, request->identity->payload);
}

/* Whether nothing but a fault of podlogin could keep it from a token. */
static bool is_to_be_served(const struct request *request)
{
    const struct spec *spec = &now.specs[request->service];
    uint64_t refused_usec = *refused(request->jti);

    return is_admitted_here(request) &&
           rules_admit(&now.versions[spec->organization]->rules, request->identity->payload) &&
           !now.is_down && request->asked_usec >= now.up_since_usec + OUTAGE_USEC &&
           (!refused_usec || sim_now_usec - refused_usec > REFUSAL_USEC);
}

static void count_refusal(const struct request *request)
{
    if (is_valid(request))
        n.by_rules++;
    else if (request->is_forged)
        n.by_signature++;
    else if (!is_of_node(request))
        n.by_node++;
    else if (!is_of_caller(request))
        n.by_caller++;
    else
        n.by_identity++;
}

/* By the function that serves. */
static bool judge(struct request *request, bool for_exchange)
{
    const struct admission admission = {
        .identities = &now.identities,
        .identity = request->identity,
        .service = service_of(request->service),
        .peer = &request->peer,
        .now = clock_now(),
        .may_wait = true,
        .for_exchange = for_exchange,
    };
    struct refusal refusal;

    if (admission.service && admission_judge(&admission, &refusal) == ADMISSION_GRANTED)
        return true;
    count_refusal(request);
    if (is_admitted_here(request))
        violate(VIOLATION_UNSERVED, request, "the rules admit it");
    return false;
}

static void check_rules(const struct request *request, const struct issued *issued)
{
    const struct spec *spec = &now.specs[request->service];
    const struct version *version = now.versions[spec->organization];
    const json_t *claims = request->identity->payload;

    if (!rules_admit(&spec->local, claims))
        violate(VIOLATION_RULES, request, "the service's rules do not admit it");
    if (!rules_could_admit(&issued->version->rules, claims,
                           spec->is_per_pod ? SCOPE_POD : SCOPE_ACCOUNT))
        violate(VIOLATION_RULES, request, "the upstream did not admit such a one");
    if (issued->version == version && !rules_admit(&version->rules, claims))
        violate(VIOLATION_RULES, request, "the upstream does not admit it");
}

static void check_token(const struct request *request, const struct token *token)
{
    const struct spec *spec = &now.specs[request->service];
    const json_t *claims = request->identity->payload;
    struct message_token message;
    const struct issued *issued;
    char who[160], what[32];
    size_t id = 0;

    assert_int_equal(wire_decode(&message_token, token->frame->bytes + WIRE_HEADER_SIZE,
                                 token->frame->len - WIRE_HEADER_SIZE, &message),
                     0);
    for (size_t i = strlen("token-"); i < message.token.len; i++)
        id = id * 10 + (size_t)(message.token.at[i] - '0');
    assert_true(id < now.n_issued);
    issued = &now.issued[id];
    who_of(claims, who);
    what_of(organizations[spec->organization], users[spec->user], what);
    if (!is_valid(request))
        violate(VIOLATION_STRANGER, request, "the JWT is not good for this, or not the caller's");
    if (issued->expires_usec <= sim_now_usec || (int64_t)message.expires_at_s <= clock_now().wall_s)
        violate(VIOLATION_EXPIRED, request, issued->who);
    if (strcmp(issued->who, who) != 0 || strcmp(issued->what, what) != 0)
        violate(VIOLATION_FOREIGN, request, issued->who);
    if (spec->is_per_pod && strcmp(issued->pod_uid, text_of(claims, "pod", "uid")) != 0)
        violate(VIOLATION_FOREIGN, request, issued->pod_uid);
    check_rules(request, issued);
    if (is_to_be_served(request))
        n.obliged++;
}

static void fail_request(const struct request *request, enum podlogin_status status)
{
    char detail[64];

    if (status == PODLOGIN_UPSTREAM_REFUSED)
        n.by_upstream++;
    else
        n.failed++;
    snprintf(detail, sizeof(detail), "status %d", (int)status);
    if (is_to_be_served(request))
        violate(VIOLATION_UNSERVED, request, detail);
}

static void on_wake(struct waiter *waiter, const void *news)
{
    struct request *request = container_of(waiter, struct request, waiter.waiter);
    const struct broker_answer *answer = news;

    if (!answer->token) {
        fail_request(request, answer->refusal.status);
    } else if (judge(request, false)) {
        if (request->waiter.is_leader)
            n.exchanged++;
        else
            n.joined++;
        check_token(request, answer->token);
    }
    request_end(request);
}

static void on_deadline(struct timer *timer)
{
    struct request *request = container_of(timer, struct request, deadline);

    n.deadlines++;
    if (is_to_be_served(request))
        violate(VIOLATION_UNSERVED, request, "no answer in time");
    request_end(request);
}

/* Whether the configuration lets the JWT be used, as far as the pod goes. */
static bool is_usable(const struct pod *pod)
{
    const json_t *claims = pod->identity->payload;

    return !pod->is_forged && (!now.is_attested || pod->kind == KIND_POD) &&
           (!now.node || strcmp(text_of(claims, "node", "uid"), now.node) == 0);
}

/* Most ask for services that their JWTs are for. */
static struct pod *pod_for(unsigned service)
{
    const struct spec *spec = &now.specs[service];
    struct pod *pod = NULL;

    for (int i = 0; i < 20; i++) {
        pod = &now.pods[random_below(PODS)];
        if (strcmp(pod->identity->claims.issuer, issuers[spec->issuer]) == 0 &&
            strcmp(audience_of(pod->identity->payload), audiences[spec->audience]) == 0 &&
            (is_usable(pod) || random_below(5) == 0))
            break;
    }
    return pod;
}

/* Most processes present the JWT of their own pod; some another's, or have ended since. */
static void call(struct request *request, const struct pod *pod)
{
    static const enum peer_state others[] = {PEER_IN_NO_POD, PEER_CONTRADICTORY, PEER_ENDED,
                                             PEER_UNSEEN};
    struct caller *caller = &request->caller;
    uint64_t which = random_below(24);
    const char *own = text_of(pod->identity->payload, "pod", "uid");

    if (which == 0)
        own = text_of(now.pods[random_below(PODS)].identity->payload, "pod", "uid");
    if (which != 1)
        snprintf(caller->pod_uid, sizeof(caller->pod_uid), "%s", own);
    caller->has_ended = which == 2;
    request->peer = (struct peer){
        .state = caller->pod_uid[0] ? PEER_IN_POD : others[random_below(COUNT(others))],
        .pidfd = caller->has_ended ? ended_pidfd : own_pidfd,
    };
    /* what is not known to be true says nothing */
    snprintf(request->peer.pod_uid, sizeof(request->peer.pod_uid), "%s", own);
}

static void ask(void)
{
    struct request *request = &now.requests[random_below(REQUESTS)];
    unsigned service = (unsigned)random_below(SERVICES);
    struct pod *pod = pod_for(service);
    uint32_t min_ttl_s = random_below(10) ? 0 : (uint32_t)random_below(7200);
    const struct token *token;
    struct refusal refusal;

    if (request->identity || !now.specs[service].is_there)
        return;
    if (pod->expires_s <= clock_now().wall_s && random_below(4))
        pod_go_on(pod);
    n.asked++;
    *request = (struct request){.identity = identity_ref(pod->identity),
                                .is_forged = pod->is_forged,
                                .jti = pod->jti,
                                .service = service,
                                .asked_usec = sim_now_usec};
    request->waiter =
        (struct broker_waiter){.identity = request->identity, .service = service_of(service)};
    waiter_init(&request->waiter.waiter, on_wake);
    call(request, pod);
    if (!judge(request, false)) {
        request_end(request);
        return;
    }
    token = broker_find(&now.broker, request->identity, request->waiter.service, min_ttl_s,
                        clock_now());
    if (token) {
        n.cached++;
        check_token(request, token);
        request_end(request);
    } else if (!judge(request, true)) {
        request_end(request);
    } else if (broker_join(&now.broker, &request->waiter, &refusal)) {
        loop_timer(&sim_loop, &request->deadline, DEADLINE_USEC, on_deadline);
    } else {
        fail_request(request, refusal.status);
        request_end(request);
    }
}

static void leave(void)
{
    struct request *request = &now.requests[random_below(REQUESTS)];

    if (!request->identity)
        return;
    n.left++;
    request_end(request);
}

/* --- what happens to the daemon --- */

/* In the order of daemon/main.c. */
static void reload(void)
{
    const struct config *fresh, *before = now.config;
    struct issuer **same;

    for (uint64_t i = random_below(20); i > 0; i--)
        ask(); /* so that somebody waits */
    config_make(false);
    config_read(&fresh);
    assert_int_equal(identities_prepare(&now.identities, fresh, &same), 0);
    now.config = fresh;
    for (size_t i = 0; i < REQUESTS; i++) {
        struct request *request = &now.requests[i];
        const struct service *service = request->waiter.service, *then;

        if (!request->identity)
            continue;
        then = config_service(fresh, service->name, strlen(service->name));
        if (then && service_is_same(then, service))
            request->waiter.service = then;
        else
            request_end(request);
    }
    broker_reload(&now.broker, fresh);
    identities_reload(&now.identities, fresh, same);
    config_unref(before);
    n.reloads++;
}

static void broker_end(void)
{
    now.disk.mode = SIM_DISK_WORKS;
    sim_hold_disk = false;
    sim_run_for(0); /* what is being written is on the disk */
    for (size_t i = 0; i < REQUESTS; i++)
        if (now.requests[i].identity)
            request_end(&now.requests[i]);
    broker_done(&now.broker);
}

static void restart(void)
{
    broker_end();
    for (size_t i = 0; i < PODS; i++) {
        char jwt[1024];

        snprintf(jwt, sizeof(jwt), "%.*s", (int)now.pods[i].identity->jwt->len,
                 (const char *)now.pods[i].identity->jwt->bytes);
        pod_login(&now.pods[i], jwt);
    }
    sim_broker_init(&now.broker, &now.identities, now.config, &now.disk);
    n.restarts++;
}

static void turn_upstream(void)
{
    if (now.is_down)
        now.up_since_usec = sim_now_usec;
    now.is_down = !now.is_down && random_below(3) == 0;
}

static void turn_disk(void)
{
    now.disk.mode = random_below(2) ? SIM_DISK_WORKS : (unsigned)random_below(3);
    sim_hold_disk = random_below(4) == 0;
}

static void pass_time(void)
{
    switch (random_below(40)) {
    case 0:
        sim_run_for(random_below(20 * MINUTE));
        break;
    case 1:
    case 2:
    case 3:
    case 4:
        sim_run_for(random_below(20 * SECOND_USEC));
        break;
    default:
        sim_run_for(random_below(200 * MSEC));
    }
}

static void go_on_one(void)
{
    pod_go_on(&now.pods[random_below(PODS)]);
}

/* Of a thousand steps. */
static const struct {
    unsigned weight;
    void (*take)(void);
} steps[] = {
    {780, ask},      {130, pass_time},           {50, leave},
    {20, go_on_one}, {5, account_recreate},      {4, turn_upstream},
    {4, turn_disk},  {3, change_upstream_alone}, {3, reload},
    {1, restart},
};

static void step(void)
{
    uint64_t which = random_below(1000);
    size_t i = 0;

    while (which >= steps[i].weight)
        which -= steps[i++].weight;
    steps[i].take();
    n.steps++;
}

/* --- runs --- */

static void begin(uint64_t from, enum fault fault)
{
    memset(&now, 0, sizeof(now));
    n = (struct counts){0};
    now.fault = fault;
    sim_init(from);
    sim_upstream = upstream;
    sim_disk_init(&now.disk);
    directory_make();
    config_make(true);
    config_read(&now.config);
    identities_begin();
    for (size_t i = 0; i < ACCOUNTS; i++)
        now.generations[i] = 1; /* the same everywhere: a uid is not what tells them apart */
    for (size_t i = 0; i < PODS; i++)
        pod_begin(&now.pods[i]);
    sim_broker_init(&now.broker, &now.identities, now.config, &now.disk);
}

static void end(void)
{
    broker_end();
    sim_run_for(MINUTE); /* what was cancelled comes back to nobody */
    for (size_t i = 0; i < PODS; i++)
        identity_unref(now.pods[i].identity);
    identities_done(&now.identities);
    assert_int_equal(now.key.n_refs, 1);
    config_unref(now.config);
    sim_disk_done(&now.disk);
    scratch_remove(now.directory);
    for (size_t i = 0; i < ORGANIZATIONS; i++) {
        while (now.versions[i]) {
            struct version *before = now.versions[i]->before;

            free(now.versions[i]);
            now.versions[i] = before;
        }
    }
    free(now.issued);
}

static enum violation run(uint64_t from, enum fault fault, uint64_t steps_max)
{
    begin(from, fault);
    while (n.steps < steps_max && !now.violation)
        step();
    end();
    return now.violation;
}

static uint64_t n_steps = 150000, seed = 1;

static void nobody_gets_a_token_that_the_upstream_would_have_denied(void **state)
{
    const struct {
        const char *name;
        uint64_t *count;
        uint64_t one_in; /* steps, at least */
    } counts[] = {
        {"asked", &n.asked, 2},
        {"served from cache", &n.cached, 10},
        {"joined", &n.joined, 200},
        {"exchanged", &n.exchanged, 100},
        {"denied by rules", &n.by_rules, 20},
        {"denied by identity", &n.by_identity, 100},
        {"denied by node", &n.by_node, 200},
        {"denied by caller", &n.by_caller, 200},
        {"denied by signature", &n.by_signature, 200},
        {"denied upstream", &n.by_upstream, 200},
        {"bound to be served", &n.obliged, 15},
        {"other failures", &n.failed, 1000},
        {"left", &n.left, 1000},
        {"deadlines", &n.deadlines, 500000},
        {"tokens issued", &n.issued, 100},
        {"refusals upstream", &n.refusals, 500},
        {"accounts recreated", &n.recreated, 1000},
        {"reloads", &n.reloads, 1000},
        {"restarts", &n.restarts, 5000},
    };

    (void)state;
    assert_int_equal(run(seed, FAULT_NONE, n_steps), VIOLATION_NONE);
    printf("%llu steps", (unsigned long long)n.steps);
    for (size_t i = 0; i < COUNT(counts); i++)
        printf(", %s %llu", counts[i].name, (unsigned long long)*counts[i].count);
    printf("\n");
    for (size_t i = 0; i < COUNT(counts); i++)
        assert_true(*counts[i].count >= n_steps / counts[i].one_in);
}

static void somebody_does_when_rules_are_not_judged(void **state)
{
    (void)state;
    assert_int_equal(run(2, FAULT_RULES_NOT_JUDGED, 100000), VIOLATION_RULES);
}

static void somebody_does_when_rules_on_pods_are_not_repeated(void **state)
{
    (void)state;
    assert_int_equal(run(3, FAULT_RULES_NOT_REPEATED, 100000), VIOLATION_RULES);
}

static void somebody_does_when_a_check_of_the_jwt_is_left_out(void **state)
{
    static const enum fault faults[] = {FAULT_AUDIENCE_NOT_JUDGED, FAULT_NODE_NOT_JUDGED,
                                        FAULT_SIGNATURE_NOT_VERIFIED, FAULT_TIME_NOT_JUDGED,
                                        FAULT_CALLER_NOT_ALIVE};

    (void)state;
    for (size_t i = 0; i < COUNT(faults); i++)
        assert_int_equal(run(4 + i, faults[i], 100000), VIOLATION_STRANGER);
}

static int processes_begin(void **state)
{
    pid_t child = fork();

    (void)state;
    if (child == 0)
        _exit(0);
    own_pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
    ended_pidfd = (int)syscall(SYS_pidfd_open, child, 0);
    return own_pidfd >= 0 && ended_pidfd >= 0 && waitpid(child, NULL, 0) == child ? 0 : -1;
}

static int processes_end(void **state)
{
    (void)state;
    close(own_pidfd);
    close(ended_pidfd);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_gets_a_token_that_the_upstream_would_have_denied),
        cmocka_unit_test(somebody_does_when_rules_are_not_judged),
        cmocka_unit_test(somebody_does_when_rules_on_pods_are_not_repeated),
        cmocka_unit_test(somebody_does_when_a_check_of_the_jwt_is_left_out),
    };
    const char *scale = getenv("PODLOGIN_SCALE");

    if (scale && strcmp(scale, "full") == 0)
        n_steps = 1000000;
    if (argc > 1)
        n_steps = strtoull(argv[1], NULL, 10);
    if (argc > 2)
        seed = strtoull(argv[2], NULL, 10);
    log_init("test-property", -1);
    return cmocka_run_group_tests(tests, processes_begin, processes_end);
}
