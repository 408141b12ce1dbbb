/*
 * The real broker in a simulated environment: clocks that the test advances, and an upstream, a
 * disk and pods that are functions. It is linked before base/clock.c, exchange/exchanger_client.c
 * and store/store.c, and so replaces them; sim_dep also replaces admission/admission.c,
 * sim_rules_dep does not. All brokers share one clock and one set of timers.
 */
#ifndef SIM_H
#define SIM_H

#include "broker/broker.h"
#include "exchange/job.h"

#define SIM_EPOCH_S 1800000000 /* the wall clock at the start */

/* How the upstream answers one exchange. */
struct sim_reply {
    enum outcome outcome;
    uint64_t latency_usec;
    uint32_t expires_in_s;   /* with OUTCOME_OK */
    uint32_t retry_after_ms; /* with OUTCOME_THROTTLED */
    char token[24];          /* with OUTCOME_OK; empty: all tokens are equal */
};

/* A node's disk: what a broker finds after a restart. */
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
extern int64_t sim_wall_offset_s; /* the wall clock minus the boot clock */
extern uint64_t sim_n_exchanges;  /* exchanges begun so far */
extern unsigned sim_n_in_flight;
extern bool sim_hold_disk; /* writes are not acknowledged while this is set */

/* The verdict of admission, if the real one is not linked. */
extern bool sim_admits;
extern const struct service *sim_refuses; /* the service that admits nobody; NULL: none */

/* Called when an exchange arrives at the upstream; sim_exchange has its request during the call. */
extern struct sim_reply (*sim_upstream)(void);
extern const struct job_exchange *sim_exchange;

/* The reply to other requests: for key sets, which have no bytes here, and for reviews. */
extern struct sim_reply sim_reply_to_others;

void sim_init(uint64_t seed);

/* Advances the boot clock to @usec, and runs everything that is due until then. */
void sim_run_until(uint64_t usec);
void sim_run_for(uint64_t usec);

/* Creates a configuration with @n_services services, "service-0" and so on, of one upstream. */
struct config *sim_config(size_t n_services);

void sim_disk_init(struct sim_disk *disk);
void sim_disk_done(struct sim_disk *disk);

/* Starts a broker on @disk. */
void sim_broker_init(struct broker *broker, struct identities *identities,
                     const struct config *config, struct sim_disk *disk);

/* Creates a verified JWT of a pod of the account @name, which expires in @lifetime_s. */
struct identity *sim_identity(const char *name, uint32_t lifetime_s);

#endif
