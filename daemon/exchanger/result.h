/* Sends results to the broker. Each job has exactly one. */
#ifndef EXCHANGER_RESULT_H
#define EXCHANGER_RESULT_H

#include "exchange/job.h"

/*
 * Sends the result of the job @id. If it breaks a limit of the message, sends a result with
 * OUTCOME_MALFORMED instead. Blocks while the socket is full. This cannot deadlock: the broker
 * never blocks on the socket.
 */
void result_send(uint16_t id, const struct job_result *result);

/* Sends a result that has only an outcome and @detail, which detail_add() makes safe for logs. */
void result_send_failure(uint16_t id, enum outcome outcome, const char *detail);

/* Sends a result with OUTCOME_UNAVAILABLE and a sentence of ours, in which paths are not hidden. */
void result_send_error(uint16_t id, const char *sentence);

#endif
