/*
 * The real broker with simulated surroundings: clocks that are turned, an upstream, a disk and pods
 * that are functions. Replaces, by being linked before them: base/clock.c,
 * exchange/exchanger_client.c and store/store.c; with sim_dep, but not sim_rules_dep,
 * admission/admission.c too. All brokers share one clock and one set of timers.
 */
#ifndef SIM_H
#define SIM_H

#include "broker/broker.h"
#include "exchange/job.h"

#define SIM_EPOCH_S 1800000000 /* the wall clock at first */

/* How the upstream answers one exchange. */
struct sim_reply {
    enum outcome outcome;
    uint64_t latency_usec;
    uint32_t expires_in_s;   /* with OUTCOME_OK */
    uint32_t retry_after_ms; /* with OUTCOME_THROTTLED */
    char token[24];          /* with OUTCOME_OK; empty: all get the same */
};

/* A node's disk: what a broker that starts again finds. */
struct sim_disk {
    struct list rows;
    size_t n_rows;
    enum {
        SIM_DISK_WORKS,
        SIM_DISK_FAILS,
        SIM_DISK_HANGS,
    } mode;
};

extern struct loop sim_loop;
extern uint64_t sim_now_usec;     /* the boot clock */
extern int64_t sim_wall_offset_s; /* of the wall clock from the boot clock */
extern uint64_t sim_n_exchanges;  /* begun so far */
extern unsigned sim_n_in_flight;
extern bool sim_hold_disk; /* what is written is acknowledged only after this ends */
extern bool sim_admits;    /* what the rules say, unless they are judged */

/* Called when an exchange arrives upstream; what it brings is in sim_exchange until it returns. */
extern struct sim_reply (*sim_upstream)(void);
extern const struct job_exchange *sim_exchange;

/* To what is asked for besides: key sets, which have no bytes here, and reviews. */
extern struct sim_reply sim_reply_to_others;

void sim_init(uint64_t seed);

/* Runs what is due until @usec of the boot clock. */
void sim_run_until(uint64_t usec);
void sim_run_for(uint64_t usec);

/* A configuration with @n_services services, "service-0" and so on, of one upstream. */
struct config *sim_config(size_t n_services);

void sim_disk_init(struct sim_disk *disk);
void sim_disk_done(struct sim_disk *disk);

/* A broker on @disk. */
void sim_broker_init(struct broker *broker, struct identities *identities,
                     const struct config *config, struct sim_disk *disk);

/* A pod's JWT of the account @name, verified, which lives for @lifetime_s from now on. */
struct identity *sim_identity(const char *name, uint32_t lifetime_s);

#endif
