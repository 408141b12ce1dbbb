#include "support/broker_fixture.h"

#include <stdio.h>
#include <string.h>

struct sim_disk disk;
struct config *config;
struct identities identities;
struct broker broker;
struct sim_reply reply;

uint64_t asked_usec[100000];
size_t n_asked;

static struct sim_reply upstream_replies(void)
{
    asked_usec[n_asked++] = sim_now_usec;
    return reply;
}

int broker_fixture_begin(void **state)
{
    (void)state;
    sim_init(1);
    n_asked = 0;
    sim_upstream = upstream_replies;
    reply = (struct sim_reply){
        .outcome = OUTCOME_OK, .latency_usec = 50 * MSEC, .expires_in_s = LIFETIME_S};
    sim_disk_init(&disk);
    config = sim_config(2);
    identities = (struct identities){0};
    list_init(&identities.by_age);
    sim_broker_init(&broker, &identities, config, &disk);
    return 0;
}

static void forget_pods(struct login *login)
{
    list_init(&login->waiters);
    list_init(&login->watchers);
}

int broker_fixture_end(void **state)
{
    (void)state;
    /* the pods of a failed test were on its stack and no longer exist */
    for (struct list *node = broker.by_age.next; node != &broker.by_age; node = node->next)
        forget_pods(container_of(node, struct login, age));
    broker_done(&broker);
    sim_run_for(60 * SECOND_USEC); /* cancelled exchanges end */
    assert_null(sim_loop.timers.first);
    sim_disk_done(&disk);
    config_unref(config);
    return 0;
}

static void pod_take_answer(struct pod *pod, const struct refusal *refusal)
{
    pod->status = (int)refusal->status;
    pod->retry_after_ms = refusal->retry_after_ms;
    pod->answered_usec = sim_now_usec;
    snprintf(pod->detail, sizeof(pod->detail), "%.63s", refusal->detail);
}

static void pod_take_token(struct pod *pod, const struct token *token)
{
    pod->expires_s = token->expires_s;
    pod->fingerprint = token->fingerprint;
}

static void on_pod_woken(struct waiter *waiter, const void *news)
{
    struct pod *pod = container_of(waiter, struct pod, waiter.waiter);
    const struct broker_answer *answer = news;

    pod_take_answer(pod, &answer->refusal);
    pod->source = pod->waiter.is_leader ? TOKEN_SOURCE_EXCHANGE : TOKEN_SOURCE_JOINED;
    if (answer->token)
        pod_take_token(pod, answer->token);
}

void pod_init(struct pod *pod, const char *name, uint32_t lifetime_s)
{
    *pod =
        (struct pod){.identity = sim_identity(name, lifetime_s), .service = &config->services[0]};
    waiter_init(&pod->waiter.waiter, on_pod_woken);
}

void pod_done(struct pod *pod)
{
    waiter_leave(&pod->waiter.waiter);
    identity_unref(pod->identity);
}

static bool ask(struct pod *pod, uint32_t min_ttl_s, uint64_t rejected)
{
    const struct token *token;
    struct refusal refusal = {0};

    pod->status = NO_ANSWER;
    pod->waiter = (struct broker_waiter){
        .identity = pod->identity, .service = pod->service, .rejected = rejected};
    waiter_init(&pod->waiter.waiter, on_pod_woken);
    token = broker_find(&broker, pod->identity, pod->service, min_ttl_s, clock_now());
    if (token && !(rejected && token->fingerprint == rejected)) {
        pod_take_answer(pod, &refusal);
        pod->source = TOKEN_SOURCE_CACHE;
        pod_take_token(pod, token);
        return true;
    }
    if (!broker_join(&broker, &pod->waiter, &refusal))
        pod_take_answer(pod, &refusal);
    return false;
}

bool pod_ask_for(struct pod *pod, uint32_t min_ttl_s)
{
    return ask(pod, min_ttl_s, 0);
}

bool pod_ask(struct pod *pod)
{
    return ask(pod, 0, 0);
}

bool pod_reject(struct pod *pod, uint64_t rejected)
{
    return ask(pod, 0, rejected);
}

uint64_t pod_watch(struct pod *pod)
{
    pod->status = NO_ANSWER;
    return sim_now_usec + broker_watch(&broker, &pod->waiter, 0, clock_now());
}

int pod_get(struct pod *pod)
{
    pod_ask(pod);
    for (int i = 0; i < 100 && pod->status == NO_ANSWER; i++)
        sim_run_for(100 * MSEC);
    return pod->status;
}
