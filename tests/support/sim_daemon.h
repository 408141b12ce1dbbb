/*
 * The whole daemon except its clock, its exchanger and its disk: sessions, broker and identities
 * over the simulation (support/sim.h), and clients that are connected to it. Link it with
 * sim_rules_dep, so that admission is the real one.
 */
#ifndef SIM_DAEMON_H
#define SIM_DAEMON_H

#include "broker/flight.h"
#include "protocol/messages.h"
#include "session/connection.h"
#include "session/pending.h"
#include "support/sim.h"

extern struct identities identities;
extern struct broker broker;
extern struct sessions sessions;
extern struct sim_disk disk;

/*
 * Starts the daemon, after sim_init(). It listens at the socket of @config, and takes its own
 * reference to it.
 */
void sim_daemon_begin(const struct config *config);

/* Ends the daemon and the clients, and frees everything. */
void sim_daemon_end(void);

/*
 * Connects a client that logs in with @jwt and sends one request, which the daemon reads at once.
 */
void sim_client_ask(const char *jwt, const struct wire_message *message, const void *values);

/* Disconnects the latest client. */
void sim_client_leave(void);

/* These return the number of flights, and of waiting requests, that are in @state. */
size_t sim_n_flights(enum flight_state state);
size_t sim_n_pending(enum pending_state state);

#endif
