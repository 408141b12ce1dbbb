/*
 * The whole daemon but for its clock, its exchanger and its disk: sessions, the broker and the
 * identities over the simulation (support/sim.h), and clients that are connected to it. To be
 * linked with sim_rules_dep, so that admission is the real one.
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

/* After sim_init(). It listens at the socket of @config, which stays the caller's, too. */
void sim_daemon_begin(const struct config *config);

/* Ends it and the clients; nothing of it is left. */
void sim_daemon_end(void);

/* A new client logs in with @jwt and asks once, which is read at once. */
void sim_client_ask(const char *jwt, const struct wire_message *message, const void *values);

/* The client that came last ends. */
void sim_client_leave(void);

/* How many flights, and how many requests that wait, are in @state. */
size_t sim_n_flights(enum flight_state state);
size_t sim_n_pending(enum pending_state state);

#endif
