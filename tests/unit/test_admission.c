/*
 * The complete admission check that a request goes through: issuer, audience, node, pod, signature
 * and time together, and which of several faults is reported. The forms that each part refuses are
 * in test_jws.c and test_claims.c.
 */
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "admission/admission.h"

#include "support/check.h"
#include "support/mint.h"
#include "support/scratch.h"

#define NOW_S  1782046500
#define NODE   "ffc5761d-0a1b-4c2d-8e3f-405162738495"
#define POD    "3227b947-1111-4222-8333-444455556666"
#define OURS   "urn:pulumi:org:acme"
#define THEIRS "https://kubernetes.default.svc"

static const char good[] =
    "{\"aud\":[\"" OURS "\"],\"exp\":1782050000,\"iat\":1782046400,\"nbf\":1782046400,"
    "\"iss\":\"https://issuer.example/one\",\"kubernetes.io\":{\"namespace\":\"ci\","
    "\"node\":{\"name\":\"ip-10-10-4-26\",\"uid\":\"" NODE "\"},"
    "\"pod\":{\"name\":\"job-abc\",\"uid\":\"" POD "\"},"
    "\"serviceaccount\":{\"name\":\"pulumi-runner\",\"uid\":\"bece172b\"}},"
    "\"sub\":\"system:serviceaccount:ci:pulumi-runner\"}";

static EVP_PKEY *key, *stranger;
static char directory[SCRATCH_MAX], keys_file[SCRATCH_MAX + 16];
static struct issuer_config issuers[2];
static struct service services[1];
static struct config config;
static struct loop loop = {.epoll_fd = -1};
static struct identities identities;

static struct peer own_pod = {.state = PEER_IN_POD, .pidfd = -1, .pod_uid = POD};
static const struct peer other_pod = {
    .state = PEER_IN_POD, .pidfd = -1, .pod_uid = "11111111-2222-4333-8444-555555555555"};
static const struct peer no_pod = {.state = PEER_IN_NO_POD, .pidfd = -1};
static const struct peer two_pods = {.state = PEER_CONTRADICTORY, .pidfd = -1};
static const struct peer unreadable = {.state = PEER_UNREADABLE, .pidfd = -1};
static const struct peer ended = {.state = PEER_ENDED, .pidfd = -1};
static const struct peer unseen = {.state = PEER_UNSEEN, .pidfd = -1};

enum signer {
    BY_ISSUER,
    BY_STRANGER,
    BY_UNKNOWN_KID,
    BY_OTHER_ALGORITHM,
};

struct change {
    const char *path, *value; /* JSON; NULL removes it */
};

struct row {
    const char *why;
    enum podlogin_status expected;
    const char *reason; /* a part of the detail; NULL: any */
    struct change changes[3];
    enum signer signer;
    const struct peer *peer; /* NULL: its own pod */
};

#define K "kubernetes.io/"
#define EXPIRED                                                                                    \
    {                                                                                              \
        "exp", "1782046499"                                                                        \
    }

static const struct row rows[] = {
    /* accepted */
    {"no change", PODLOGIN_OK, NULL, {{0}}, 0, NULL},
    {"one audience as a string", PODLOGIN_OK, NULL, {{"aud", "\"" OURS "\""}}, 0, NULL},
    {"no nbf", PODLOGIN_OK, NULL, {{"nbf", NULL}}, 0, NULL},
    {"iat 30 s ahead", PODLOGIN_OK, NULL, {{"iat", "1782046530"}}, 0, NULL},
    {"nbf 30 s ahead", PODLOGIN_OK, NULL, {{"nbf", "1782046530"}}, 0, NULL},
    {"exp in a second", PODLOGIN_OK, NULL, {{"exp", "1782046501"}}, 0, NULL},
    {"a day and a minute long", PODLOGIN_OK, NULL, {{"exp", "1782132860"}}, 0, NULL},
    {"warnafter, and a lifetime within a day",
     PODLOGIN_OK,
     NULL,
     {{K "warnafter", "1782049607"}},
     0,
     NULL},
    {"another account",
     PODLOGIN_OK,
     NULL,
     {{K "serviceaccount", "{\"name\":\"a\",\"uid\":\"b\"}"},
      {"sub", "\"system:serviceaccount:ci:a\""}},
     0,
     NULL},
    /* issuer */
    {"the other configured issuer",
     PODLOGIN_TOKEN_UNTRUSTED_ISSUER,
     NULL,
     {{"iss", "\"https://issuer.example/two\""}},
     0,
     NULL},
    {"an unknown issuer",
     PODLOGIN_TOKEN_UNTRUSTED_ISSUER,
     "issuer is https://issuer.example; service pulumi trusts https://issuer.example/one",
     {{"iss", "\"https://issuer.example\""}},
     0,
     NULL},
    {"the issuer with a trailing slash",
     PODLOGIN_TOKEN_UNTRUSTED_ISSUER,
     NULL,
     {{"iss", "\"https://issuer.example/one/\""}},
     0,
     NULL},
    {"another case",
     PODLOGIN_TOKEN_UNTRUSTED_ISSUER,
     NULL,
     {{"iss", "\"https://ISSUER.example/one\""}},
     0,
     NULL},
    {"the issuer with a leading space",
     PODLOGIN_TOKEN_UNTRUSTED_ISSUER,
     NULL,
     {{"iss", "\" https://issuer.example/one\""}},
     0,
     NULL},
    {"the issuer with http",
     PODLOGIN_TOKEN_UNTRUSTED_ISSUER,
     NULL,
     {{"iss", "\"http://issuer.example/one\""}},
     0,
     NULL},
    {"an issuer that is not printable",
     PODLOGIN_TOKEN_UNTRUSTED_ISSUER,
     "issuer is https://a??; service",
     {{"iss", "\"https://a\u00e4\""}},
     0,
     NULL},
    /* audience */
    {"the audience of the API server",
     PODLOGIN_TOKEN_WRONG_AUDIENCE,
     NULL,
     {{"aud", "[\"" THEIRS "\"]"}},
     0,
     NULL},
    {"the audience of AWS",
     PODLOGIN_TOKEN_WRONG_AUDIENCE,
     "audience is sts.amazonaws.com; service pulumi needs " OURS,
     {{"aud", "[\"sts.amazonaws.com\"]"}},
     0,
     NULL},
    {"the right audience and another",
     PODLOGIN_TOKEN_WRONG_AUDIENCE,
     "further audiences",
     {{"aud", "[\"" OURS "\",\"" THEIRS "\"]"}},
     0,
     NULL},
    {"another audience and the right one",
     PODLOGIN_TOKEN_WRONG_AUDIENCE,
     "further audiences",
     {{"aud", "[\"" THEIRS "\",\"" OURS "\"]"}},
     0,
     NULL},
    {"the right audience twice",
     PODLOGIN_TOKEN_WRONG_AUDIENCE,
     "further audiences",
     {{"aud", "[\"" OURS "\",\"" OURS "\"]"}},
     0,
     NULL},
    {"a prefix of the audience",
     PODLOGIN_TOKEN_WRONG_AUDIENCE,
     NULL,
     {{"aud", "[\"urn:pulumi:org:acm\"]"}},
     0,
     NULL},
    {"the audience as a prefix",
     PODLOGIN_TOKEN_WRONG_AUDIENCE,
     NULL,
     {{"aud", "[\"urn:pulumi:org:acme2\"]"}},
     0,
     NULL},
    {"another case",
     PODLOGIN_TOKEN_WRONG_AUDIENCE,
     NULL,
     {{"aud", "[\"URN:pulumi:org:acme\"]"}},
     0,
     NULL},
    {"a wildcard as audience", PODLOGIN_TOKEN_WRONG_AUDIENCE, NULL, {{"aud", "[\"*\"]"}}, 0, NULL},
    /* node */
    {"another node",
     PODLOGIN_TOKEN_WRONG_NODE,
     "is for node 11111111-0a1b-4c2d-8e3f-405162738495; this is node " NODE,
     {{K "node/uid", "\"11111111-0a1b-4c2d-8e3f-405162738495\""}},
     0,
     NULL},
    {"no node", PODLOGIN_TOKEN_WRONG_NODE, "names no node", {{K "node", NULL}}, 0, NULL},
    {"a node without a uid",
     PODLOGIN_TOKEN_WRONG_NODE,
     "names no node",
     {{K "node/uid", NULL}},
     0,
     NULL},
    {"the uid as the node's name",
     PODLOGIN_TOKEN_WRONG_NODE,
     "names no node",
     {{K "node", "{\"name\":\"" NODE "\"}"}},
     0,
     NULL},
    {"a part of the uid",
     PODLOGIN_TOKEN_WRONG_NODE,
     NULL,
     {{K "node/uid", "\"ffc5761d\""}},
     0,
     NULL},
    {"a number as the node's uid", PODLOGIN_TOKEN_MALFORMED, NULL, {{K "node/uid", "7"}}, 0, NULL},
    /* pod */
    {"the caller is in another pod", PODLOGIN_PEER_MISMATCH, "11111111-2222", {{0}}, 0, &other_pod},
    {"the caller is in no pod", PODLOGIN_PEER_MISMATCH, "in no pod", {{0}}, 0, &no_pod},
    {"the caller's cgroups cannot be read",
     PODLOGIN_PEER_MISMATCH,
     "too long",
     {{0}},
     0,
     &unreadable},
    {"the caller is in two pods", PODLOGIN_PEER_MISMATCH, "two pods", {{0}}, 0, &two_pods},
    {"the caller has ended", PODLOGIN_PEER_GONE, NULL, {{0}}, 0, &ended},
    {"the caller cannot be seen", PODLOGIN_INTERNAL, "hostPID", {{0}}, 0, &unseen},
    {"bound to no pod", PODLOGIN_PEER_MISMATCH, "bound to no pod", {{K "pod", NULL}}, 0, NULL},
    {"bound to a secret",
     PODLOGIN_PEER_MISMATCH,
     "bound to no pod",
     {{K "pod", NULL}, {K "secret", "{\"name\":\"s\",\"uid\":\"" POD "\"}"}},
     0,
     NULL},
    {"the pod's uid in capitals",
     PODLOGIN_PEER_MISMATCH,
     NULL,
     {{K "pod/uid", "\"3227B947-1111-4222-8333-444455556666\""}},
     0,
     NULL},
    {"a part of the uid", PODLOGIN_PEER_MISMATCH, NULL, {{K "pod/uid", "\"3227b947\""}}, 0, NULL},
    {"a pod without a uid", PODLOGIN_TOKEN_MALFORMED, NULL, {{K "pod/uid", NULL}}, 0, NULL},
    {"an empty pod uid, the caller in no pod",
     PODLOGIN_TOKEN_MALFORMED,
     NULL,
     {{K "pod/uid", "\"\""}},
     0,
     &no_pod},
    /* signature */
    {"signed with another key", PODLOGIN_TOKEN_BAD_SIGNATURE, NULL, {{0}}, BY_STRANGER, NULL},
    {"signed with an unknown key", PODLOGIN_TOKEN_UNKNOWN_KEY, NULL, {{0}}, BY_UNKNOWN_KID, NULL},
    {"an algorithm that the issuer does not allow",
     PODLOGIN_TOKEN_BAD_ALGORITHM,
     NULL,
     {{0}},
     BY_OTHER_ALGORITHM,
     NULL},
    /* time */
    {"expires now", PODLOGIN_TOKEN_EXPIRED, NULL, {{"exp", "1782046500"}}, 0, NULL},
    {"expired a second ago", PODLOGIN_TOKEN_EXPIRED, NULL, {EXPIRED}, 0, NULL},
    {"expired in 1970", PODLOGIN_TOKEN_EXPIRED, NULL, {{"exp", "1"}}, 0, NULL},
    {"iat 31 s ahead", PODLOGIN_TOKEN_NOT_YET_VALID, NULL, {{"iat", "1782046531"}}, 0, NULL},
    {"nbf 31 s ahead", PODLOGIN_TOKEN_NOT_YET_VALID, NULL, {{"nbf", "1782046531"}}, 0, NULL},
    {"a year long, with warnafter",
     PODLOGIN_TOKEN_MALFORMED,
     "longer than a day",
     {{"exp", "1813582400"}, {K "warnafter", "1782050007"}},
     0,
     NULL},
    {"a day and 61 s long",
     PODLOGIN_TOKEN_MALFORMED,
     "longer than a day",
     {{"exp", "1782132861"}},
     0,
     NULL},
    {"valid almost forever",
     PODLOGIN_TOKEN_MALFORMED,
     "longer than a day",
     {{"exp", "4000000000000"}},
     0,
     NULL},
    /*
     * several faults: faults of the claims come first, because checking them is cheap; then the
     * gravest
     */
    {"forged and expired", PODLOGIN_TOKEN_BAD_SIGNATURE, NULL, {EXPIRED}, BY_STRANGER, NULL},
    {"an unknown key, and expired",
     PODLOGIN_TOKEN_UNKNOWN_KEY,
     NULL,
     {EXPIRED},
     BY_UNKNOWN_KID,
     NULL},
    {"forged and not yet valid",
     PODLOGIN_TOKEN_BAD_SIGNATURE,
     NULL,
     {{"nbf", "1782050000"}},
     BY_STRANGER,
     NULL},
    {"forged and a year long",
     PODLOGIN_TOKEN_BAD_SIGNATURE,
     NULL,
     {{"exp", "1813582400"}},
     BY_STRANGER,
     NULL},
    {"forged, in another pod", PODLOGIN_PEER_MISMATCH, NULL, {{0}}, BY_STRANGER, &other_pod},
    {"an unknown key, in another pod",
     PODLOGIN_PEER_MISMATCH,
     NULL,
     {{0}},
     BY_UNKNOWN_KID,
     &other_pod},
    {"expired, in another pod", PODLOGIN_PEER_MISMATCH, NULL, {EXPIRED}, 0, &other_pod},
    {"another node, in another pod",
     PODLOGIN_TOKEN_WRONG_NODE,
     NULL,
     {{K "node/uid", "\"x\""}},
     0,
     &other_pod},
    {"another audience, and another node",
     PODLOGIN_TOKEN_WRONG_AUDIENCE,
     NULL,
     {{"aud", "[\"" THEIRS "\"]"}, {K "node/uid", "\"x\""}},
     0,
     NULL},
    {"another issuer, and another audience",
     PODLOGIN_TOKEN_UNTRUSTED_ISSUER,
     NULL,
     {{"iss", "\"https://a\""}, {"aud", "[\"" THEIRS "\"]"}},
     0,
     NULL},
    {"another issuer, and forged",
     PODLOGIN_TOKEN_UNTRUSTED_ISSUER,
     NULL,
     {{"iss", "\"https://a\""}},
     BY_STRANGER,
     NULL},
    {"another issuer, and malformed",
     PODLOGIN_TOKEN_MALFORMED,
     NULL,
     {{"iss", "\"https://a\""}, {"exp", "\"soon\""}},
     0,
     NULL},
    {"all at once",
     PODLOGIN_TOKEN_UNTRUSTED_ISSUER,
     NULL,
     {{"iss", "\"https://a\""}, EXPIRED, {K "node", NULL}},
     BY_STRANGER,
     &no_pod},
};

/* @path is split at its slashes, at most two; the names of members have none. */
static void change_apply(json_t *payload, const struct change *change)
{
    CLEANUP(freep)
    char *path = copy_of(change->path, strlen(change->path) + 1);
    char *member = path, *slash;

    while ((slash = strchr(member, '/'))) {
        *slash = '\0';
        payload = json_object_get(payload, member);
        assert_non_null(payload);
        member = slash + 1;
    }
    if (change->value)
        json_object_set_new(payload, member, json_loads(change->value, JSON_DECODE_ANY, NULL));
    else
        json_object_del(payload, member);
}

static char *row_token(const struct row *row)
{
    CLEANUP(json_decrefp)
    json_t *payload = json_loads(good, 0, NULL);
    CLEANUP(freep)
    char *text = NULL;
    const char *header = row->signer == BY_UNKNOWN_KID ? "{\"alg\":\"ES256\",\"kid\":\"two\"}"
                         : row->signer == BY_OTHER_ALGORITHM
                             ? "{\"alg\":\"ES384\",\"kid\":\"one\"}"
                             : "{\"alg\":\"ES256\",\"kid\":\"one\"}";

    for (size_t i = 0; i < ARRAY_SIZE(row->changes) && row->changes[i].path; i++)
        change_apply(payload, &row->changes[i]);
    text = json_dumps(payload, JSON_COMPACT);
    return mint_token(row->signer == BY_STRANGER ? stranger : key, "ES256", header, text);
}

static enum podlogin_status judge_token(const char *token, const struct peer *peer, struct now now,
                                        struct refusal *ret_refusal)
{
    struct admission admission = {
        .identities = &identities, .service = services, .peer = peer, .now = now};
    CLEANUP(identity_unrefp)
    struct identity *identity = NULL;

    *ret_refusal = (struct refusal){0};
    if (identities_find(&identities, token, strlen(token), &identity, ret_refusal) != PODLOGIN_OK)
        return ret_refusal->status;
    admission.identity = identity;
    if (admission_judge(&admission, ret_refusal) == ADMISSION_GRANTED)
        return PODLOGIN_OK;
    assert_int_not_equal(ret_refusal->status, PODLOGIN_OK);
    return ret_refusal->status;
}

static const struct now now = {.wall_s = NOW_S, .boot_usec = 1000 * SECOND_USEC};

/* Judges each token twice: what is cached the first time must not change the result. */
static void each_token_gets_its_status(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(freep)
        char *token = row_token(&rows[i]);

        for (int time = 1; time <= 2; time++) {
            struct refusal refusal;
            enum podlogin_status status =
                judge_token(token, rows[i].peer ? rows[i].peer : &own_pod, now, &refusal);

            if (status != rows[i].expected)
                fail_msg("%s: %d instead of %d (%s)", rows[i].why, status, rows[i].expected,
                         refusal.detail);
            if (rows[i].reason && !strstr(refusal.detail, rows[i].reason))
                fail_msg("%s: \"%s\" does not say \"%s\"", rows[i].why, refusal.detail,
                         rows[i].reason);
        }
    }
}

/* That a token was verified is cached; the caller and the time are checked each time. */
static void a_verified_token_is_judged_again_for_each_request(void **state)
{
    CLEANUP(freep)
    char *token = row_token(&rows[0]);
    struct now later = now;
    struct refusal refusal;
    size_t n_remembered;

    (void)state;
    assert_int_equal(judge_token(token, &own_pod, now, &refusal), PODLOGIN_OK);
    n_remembered = identities.verified.n;
    assert_int_equal(judge_token(token, &other_pod, now, &refusal), PODLOGIN_PEER_MISMATCH);
    assert_int_equal(judge_token(token, &ended, now, &refusal), PODLOGIN_PEER_GONE);
    later.wall_s = 1782050000;
    later.boot_usec += (uint64_t)(later.wall_s - now.wall_s) * SECOND_USEC;
    assert_int_equal(judge_token(token, &own_pod, later, &refusal), PODLOGIN_TOKEN_EXPIRED);
    later.wall_s = now.wall_s; /* the wall clock is set back, the boot clock is not */
    assert_int_equal(judge_token(token, &own_pod, later, &refusal), PODLOGIN_TOKEN_EXPIRED);
    assert_int_equal(judge_token(token, &own_pod, now, &refusal), PODLOGIN_OK);
    assert_int_equal(identities.verified.n, n_remembered);
}

static void tokens_of_a_withdrawn_key_are_refused(void **state)
{
    CLEANUP(freep)
    char *token = row_token(&rows[0]);
    struct jwks none = {0};
    struct refusal refusal;

    (void)state;
    assert_int_equal(judge_token(token, &own_pod, now, &refusal), PODLOGIN_OK);
    jwks_replace(&identities.issuers[0]->jwks, &none);
    assert_int_equal(judge_token(token, &own_pod, now, &refusal), PODLOGIN_ISSUER_UNAVAILABLE);
}

static void rules_are_judged_last_and_the_detail_names_the_section(void **state)
{
    static const struct row denied = {.changes = {{K "namespace", "\"lab\""},
                                                  {"sub", "\"system:serviceaccount:lab:pulumi-"
                                                          "runner\""}}};
    static const struct row denied_and_expired = {
        .changes = {{K "namespace", "\"lab\""},
                    {"sub", "\"system:serviceaccount:lab:pulumi-runner\""},
                    EXPIRED}};
    CLEANUP(freep)
    char *token = row_token(&denied), *expired = row_token(&denied_and_expired);
    struct refusal refusal;

    (void)state;
    assert_int_equal(judge_token(token, &own_pod, now, &refusal), PODLOGIN_POLICY_DENIED);
    assert_string_equal(refusal.detail, "[Deny \"labs\"] of service pulumi");
    assert_int_equal(judge_token(expired, &own_pod, now, &refusal), PODLOGIN_TOKEN_EXPIRED);
    services[0].policy.n_sections = 0;
    assert_int_equal(judge_token(token, &own_pod, now, &refusal), PODLOGIN_POLICY_DENIED);
    assert_string_equal(refusal.detail, "no [Allow] section of service pulumi matches");
    services[0].policy.n_sections = 2;
}

/* The connection of a process that ended may have been inherited by another process. */
static void a_caller_that_has_ended_is_refused(void **state)
{
    CLEANUP(freep)
    char *token = row_token(&rows[0]);
    struct peer peer = own_pod;
    pid_t child = fork();
    struct refusal refusal;

    (void)state;
    if (child == 0)
        _exit(0);
    peer.pidfd = (int)syscall(SYS_pidfd_open, child, 0);
    assert_true(peer.pidfd >= 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(judge_token(token, &peer, now, &refusal), PODLOGIN_PEER_GONE);
    config.attestation = ATTESTATION_AUDIT;
    assert_int_equal(judge_token(token, &peer, now, &refusal), PODLOGIN_OK);
    config.attestation = ATTESTATION_ENFORCE;
    close(peer.pidfd);
}

static enum admission_verdict judge_review(struct identity *identity, bool for_exchange)
{
    const struct admission admission = {.identities = &identities,
                                        .identity = identity,
                                        .service = services,
                                        .peer = &own_pod,
                                        .now = now,
                                        .for_exchange = for_exchange};
    struct refusal refusal;

    return admission_judge(&admission, &refusal);
}

static void a_review_is_needed_as_the_issuer_configures_it(void **state)
{
    CLEANUP(freep)
    char *token = row_token(&rows[0]);
    CLEANUP(identity_unrefp)
    struct identity *identity = NULL;
    struct refusal refusal;

    (void)state;
    assert_int_equal(identities_find(&identities, token, strlen(token), &identity, &refusal),
                     PODLOGIN_OK);
    assert_int_equal(judge_review(identity, true), ADMISSION_GRANTED);
    issuers[0].review.mode = REVIEW_MISS;
    assert_int_equal(judge_review(identity, false), ADMISSION_GRANTED);
    assert_int_equal(judge_review(identity, true), ADMISSION_NEEDS_REVIEW);
    issuers[0].review = (struct review_config){.mode = REVIEW_INTERVAL, .interval_s = 60};
    assert_int_equal(judge_review(identity, false), ADMISSION_NEEDS_REVIEW);
    identity->review = calloc(1, sizeof(*identity->review));
    identity->review->good_usec = now.boot_usec - 59 * SECOND_USEC;
    assert_int_equal(judge_review(identity, false), ADMISSION_GRANTED);
    identity->review->good_usec = now.boot_usec - 60 * SECOND_USEC;
    assert_int_equal(judge_review(identity, false), ADMISSION_NEEDS_REVIEW);
}

/* Judging does not read the daemon's own token to learn the node; other events do. */
static void all_requests_fail_until_the_node_is_known(void **state)
{
    CLEANUP(freep)
    char *token = row_token(&rows[0]);
    struct refusal refusal;

    (void)state;
    identities.node.uid[0] = '\0';
    assert_int_equal(judge_token(token, &own_pod, now, &refusal), PODLOGIN_INTERNAL);
    assert_non_null(strstr(refusal.detail, "the uid of its node"));
}

static void peer_attestation_can_be_enforced_audited_or_off(void **state)
{
    CLEANUP(freep)
    char *token = row_token(&rows[0]);
    struct refusal refusal;

    (void)state;
    config.attestation = ATTESTATION_AUDIT;
    assert_int_equal(judge_token(token, &other_pod, now, &refusal), PODLOGIN_OK);
    config.attestation = ATTESTATION_OFF;
    assert_int_equal(judge_token(token, &unseen, now, &refusal), PODLOGIN_OK);
    config.attestation = ATTESTATION_ENFORCE;
    assert_int_equal(judge_token(token, &other_pod, now, &refusal), PODLOGIN_PEER_MISMATCH);
}

/* Admits all but the pods of the namespace "lab". */
static void rules_init(struct policy *policy)
{
    const char *error;

    *policy = (struct policy){0};
    assert_int_equal(rule_section_add(policy_add_section(policy, "all", false), "sub", "*", &error),
                     0);
    assert_int_equal(rule_section_add(policy_add_section(policy, "labs", true),
                                      "\"kubernetes.io\".namespace", "lab", &error),
                     0);
}

static int begin(void **state)
{
    struct policy policy;

    (void)state;
    own_pod.pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
    assert_true(own_pod.pidfd >= 0);
    issuers[0] = (struct issuer_config){.config = &config,
                                        .name = (char *)"one",
                                        .url = (char *)"https://issuer.example/one",
                                        .keys_file = keys_file,
                                        .algorithms = 1u << ALGORITHM_ES256};
    issuers[1] = issuers[0];
    issuers[1].name = (char *)"two";
    issuers[1].url = (char *)"https://issuer.example/two";
    issuers[1].digest.bytes[0] = 1;
    rules_init(&policy);
    services[0] = (struct service){.config = &config,
                                   .name = (char *)"pulumi",
                                   .issuer = &issuers[0],
                                   .audience = (char *)OURS,
                                   .policy = policy};
    config = (struct config){.n_refs = 1,
                             .issuers = issuers,
                             .n_issuers = 2,
                             .services = services,
                             .n_services = 1,
                             .node_uid = (char *)NODE};
    return identities_init(&identities, &config, &loop, NULL);
}

static int end(void **state)
{
    (void)state;
    identities_done(&identities);
    assert_int_equal(config.n_refs, 1); /* nothing keeps a reference to it */
    policy_done(&services[0].policy);
    close(own_pod.pidfd);
    return 0;
}

static int set_up(void **state)
{
    CLEANUP(freep)
    char *jwk = NULL, *keys = NULL;

    (void)state;
    key = mint_ec("P-256");
    stranger = mint_ec("P-256");
    jwk = mint_jwk(key, "one");
    assert_true(asprintf(&keys, "{\"keys\":[%s]}", jwk) > 0);
    scratch_make(directory, "/tmp");
    snprintf(keys_file, sizeof(keys_file), "%s/keys", directory);
    scratch_write(keys_file, keys, strlen(keys), 0600);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    scratch_remove(directory);
    EVP_PKEY_free(key);
    EVP_PKEY_free(stranger);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_token_gets_its_status, begin, end),
        cmocka_unit_test_setup_teardown(a_verified_token_is_judged_again_for_each_request, begin,
                                        end),
        cmocka_unit_test_setup_teardown(tokens_of_a_withdrawn_key_are_refused, begin, end),
        cmocka_unit_test_setup_teardown(peer_attestation_can_be_enforced_audited_or_off, begin,
                                        end),
        cmocka_unit_test_setup_teardown(rules_are_judged_last_and_the_detail_names_the_section,
                                        begin, end),
        cmocka_unit_test_setup_teardown(a_caller_that_has_ended_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(a_review_is_needed_as_the_issuer_configures_it, begin, end),
        cmocka_unit_test_setup_teardown(all_requests_fail_until_the_node_is_known, begin, end),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
