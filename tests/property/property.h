/*
 * The parts of the property test: pods, the upstream that issues their tokens, the services of the
 * daemon, requests, and events such as restarts. They share one world, which each run resets.
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

/* Checks that are disabled on purpose. */
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
    VIOLATION_RULES,   /* a token for a pod that the rules do not admit */
    VIOLATION_FOREIGN, /* a token that was issued for another account, service or pod */
    VIOLATION_EXPIRED,
    VIOLATION_STRANGER, /* a token for an invalid JWT, or a JWT that another pod presented */
    VIOLATION_UNSERVED,
};

/* A version of the rules of an organization's upstream, current or earlier. */
struct version {
    struct version *before;
    struct rules rules;
};

struct pod {
    struct identity *identity;
    uint64_t jti;
    unsigned account, generation; /* the account's generation when the pod was created */
    enum {
        KIND_POD,
        KIND_SECRET,
        KIND_NONE,
        KINDS
    } kind;
    char claims[640]; /* the claims that stay the same when the JWT is renewed */
    int64_t expires_s;
    bool is_forged; /* its JWT is forged */
};

/* The true facts about the process that asks. */
struct caller {
    char pod_uid[POD_UID_SIZE]; /* "": it runs in no pod, or that is unknown */
    bool has_ended;
};

/* The settings of a service, as written to its file. */
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
    bool is_watch; /* it has a token, and waits for another one */
};

/* The upstream's record of a token. */
struct issued {
    char who[160];
    char pod_uid[16];
    char what[32];
    const struct version *version;
    uint64_t expires_usec;
};

/* The state of one run. */
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
    const char *node; /* NodeUID=; NULL: pods of any node are served */
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
        refusals, obliged, rejected, watched, renewed;
};

extern struct world world;
extern struct counts counts;

/* pidfds of the test itself, and of a process that has ended. */
extern int own_pidfd, ended_pidfd;

/* Values in services and JWTs. */
extern const char *const issuers[2];
extern const char *const audiences[3];
extern const char *const organizations[ORGANIZATIONS];
extern const char *const users[3];
extern const char own_node[];

/* --- pods.c: identity, from the JWT alone --- */

/*
 * The claims by jansson, so that the reader of the daemon is not judged by itself. The JWTs of this
 * test are their claims. Valid until a few others have been asked for.
 */
const json_t *jwt_claims(const struct identity *identity);

const char *jwt_text(const json_t *claims, const char *object, const char *member);
const char *jwt_audience(const json_t *claims);

/* Writes what pods must have in common to share a token. */
void jwt_who(const json_t *claims, char ret_who[160]);
int64_t jwt_expiry_s(const json_t *claims);

/* Sets the pod's JWT to @jwt. The daemon has verified it, unless it is forged. */
void pod_login(struct pod *pod, const char *jwt);

/* Replaces the pod by a new one, of the current generation of an account. */
void pod_begin(struct pod *pod);

/* Gives the pod a new JWT, or replaces the pod: there are no new JWTs for a deleted account. */
void pod_go_on(struct pod *pod);

/* Deletes an account and creates it again. JWTs of its pods stay valid until they expire. */
void account_recreate(void);

/* --- upstream.c --- */

/* Returns the upstream's reply to sim_exchange. */
struct sim_reply upstream_answer(void);

/* Changes the upstream's rules. */
void upstream_change(unsigned organization, const struct rules *rules);

/*
 * Changes the upstream's rules to ones that no service needs to repeat, so that no reload is
 * needed.
 */
void upstream_change_alone(void);

/* Returns where the time of the upstream's latest refusal of the JWT is stored; 0: none. */
uint64_t *upstream_refused_usec(uint64_t jti);

/* Writes the settings that determine which token the upstream issues. */
void token_what(const char *organization, const char *user, char ret_what[32]);

/* --- services.c: the configuration --- */

void directory_make(void);
void config_make(bool is_first);
const struct config *config_read(void);
const struct service *service_of(unsigned i);

/* Creates issuers that have their one key already, so that nothing is fetched. */
void identities_begin(void);

/* --- requests.c: in place of daemon/session --- */

void request_ask(void);
void request_leave(void);
void request_end(struct request *request);

/* --- mishaps.c: events in and around the daemon --- */

void daemon_reload(void);
void daemon_restart(void);
void broker_end(void);
void upstream_turn_over(void);
void disk_turn_over(void);

#endif
