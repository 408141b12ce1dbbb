/*
 * The broker under a simulated clock (support/sim.h): a configuration of two services, an upstream
 * that gives every request the same reply, and pods that ask. It is set up and torn down for each
 * test.
 */
#ifndef BROKER_FIXTURE_H
#define BROKER_FIXTURE_H

#include "base/log.h"
#include "broker/login.h"
#include "protocol/messages.h"
#include "support/check.h"
#include "support/sim.h"

#define HOUR_S     3600
#define MSEC       UINT64_C(1000)
#define NO_ANSWER  -1
#define LIFETIME_S 7200

extern struct sim_disk disk;
extern struct config *config;
extern struct identities identities;
extern struct broker broker;
extern struct sim_reply reply; /* the upstream's reply to every request */

extern uint64_t asked_usec[100000]; /* the time of each request to the upstream */
extern size_t n_asked;

/* A pod that asks. */
struct pod {
    struct broker_waiter waiter;
    struct identity *identity;
    const struct service *service;
    int status; /* enum podlogin_status, or NO_ANSWER */
    uint32_t retry_after_ms;
    uint32_t source;
    int64_t expires_s; /* as the answer says */
    uint64_t fingerprint;
    uint64_t answered_usec;
    char detail[64];
};

/* A pod of the account @name, for the first service, with a JWT that lives for @lifetime_s. */
void pod_init(struct pod *pod, const char *name, uint32_t lifetime_s);
void pod_done(struct pod *pod);

/* Asks as a session does. Returns whether the answer came at once, from memory. */
bool pod_ask(struct pod *pod);
bool pod_ask_for(struct pod *pod, uint32_t min_ttl_s);

/* Asks for another token than the one with the fingerprint @rejected. */
bool pod_reject(struct pod *pod, uint64_t rejected);

/* Waits for another token than the one that pod_ask() has just got, until the returned time. */
uint64_t pod_watch(struct pod *pod);

/* Asks and waits. Returns the status. */
int pod_get(struct pod *pod);

int broker_fixture_begin(void **state);
int broker_fixture_end(void **state);

#define BROKER_TEST(name)                                                                          \
    cmocka_unit_test_setup_teardown(name, broker_fixture_begin, broker_fixture_end)

#endif
