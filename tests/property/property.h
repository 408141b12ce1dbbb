/*
 * The parts of the property test: pods, the upstream that they get tokens of, the services that the
 * daemon serves, requests, and what happens to the daemon. They share one world, which begins anew
 * with each run.
 */
#ifndef PROPERTY_H
#define PROPERTY_H

#include "admission/admission.h"
#include "identity/issuer.h"
#include "support/check.h"
#include "support/rules.h"
#include "support/scratch.h"
#include "support/sim.h"

#define MSEC             UINT64_C(1000)
#define MINUTE           (60 * SECOND_USEC)
#define PODS             48
#define REQUESTS         64
#define SERVICES         6
#define ACCOUNTS         18 /* of two issuers, three namespaces and three names */
#define ORGANIZATIONS    3
#define REFUSALS_TRACKED 65536

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

/* All of one run. */
struct world {
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
};

struct counts {
    uint64_t steps, asked, cached, joined, exchanged, by_rules, by_identity, by_node, by_caller,
        by_signature, by_upstream, failed, left, deadlines, reloads, restarts, recreated, issued,
        refusals, obliged;
};

extern struct world world;
extern struct counts counts;

/* Of processes: the test itself, and one that has ended. */
extern int own_pidfd, ended_pidfd;

/* What services and JWTs are made of. */
extern const char *const issuers[2];
extern const char *const audiences[3];
extern const char *const organizations[ORGANIZATIONS];
extern const char *const users[3];
extern const char own_node[];

/* --- pods.c: who somebody is, by the JWT alone --- */

const char *jwt_text(const json_t *claims, const char *object, const char *member);
const char *jwt_audience(const json_t *claims);

/* All that pods have in common if they may share a token. */
void jwt_who(const json_t *claims, char ret_who[160]);
int64_t jwt_expiry_s(const json_t *claims);

/* The pod's JWT is @jwt, which the daemon has verified, unless it is forged. */
void pod_login(struct pod *pod, const char *jwt);

/* Another pod, of an account as it is now. */
void pod_begin(struct pod *pod);

/* A new JWT of the same pod, or another pod: nobody gets one for an account that is gone. */
void pod_go_on(struct pod *pod);

/* An account is deleted, and created again: its pods' JWTs live on until they expire. */
void account_recreate(void);

/* --- upstream.c --- */

/* What it answers to the exchange that sim_exchange is. */
struct sim_reply upstream_answer(void);

/* From now on it has other rules. */
void upstream_change(unsigned organization, const struct rules *rules);

/* Rules that nobody needs to repeat, so without a reload. */
void upstream_change_alone(void);

/* Where it remembers when it refused the JWT the last time; 0: it has not. */
uint64_t *upstream_refused_usec(uint64_t jti);

/* All that decides which token it gives to somebody. */
void token_what(const char *organization, const char *user, char ret_what[32]);

/* --- services.c: the configuration --- */

void directory_make(void);
void config_make(bool is_first);
const struct config *config_read(void);
const struct service *service_of(unsigned i);

/* Issuers whose one key is at hand, so that nothing is fetched. */
void identities_begin(void);

/* --- requests.c: as daemon/session has them --- */

void request_ask(void);
void request_leave(void);
void request_end(struct request *request);

/* --- mishaps.c: what happens to the daemon and around it --- */

void daemon_reload(void);
void daemon_restart(void);
void broker_end(void);
void upstream_turn_over(void);
void disk_turn_over(void);

#endif
