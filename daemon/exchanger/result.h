/* What a job came to, sent to the broker: each job has one result. */
#ifndef RESULT_H
#define RESULT_H

#include "exchange/job.h"

/* Blocks while the broker is behind: it reads results before it sends jobs. */
void result_send(uint16_t id, const struct job_result *result);

/* One without anything but a sentence, which is made fit for a log. */
void result_send_failure(uint16_t id, enum outcome outcome, const char *detail);

#endif
