/* What was asked of the stand-in, and how often. */
#ifndef STANDIN_COUNTS_H
#define STANDIN_COUNTS_H

#include <jansson.h>
#include <stdint.h>

struct standin;

struct counts {
    uint64_t exchanges; /* all of them, with those below */
    uint64_t exchanges_ok;
    uint64_t exchanges_refused;
    uint64_t exchanges_faulted;
    uint64_t exchanges_in_flight;
    uint64_t exchanges_in_flight_max;
    uint64_t user;
    uint64_t discovery;
    uint64_t keys;
    uint64_t reviews;   /* with a good token of the asker's own */
    json_t *by_subject; /* exchanges by the subject that they claim to be for */
};

void counts_init(struct counts *counts);
void counts_done(struct counts *counts);

/* The caller of these holds the lock. @subject may be NULL when it cannot be read. */
void counts_exchange_begin(struct counts *counts, const char *subject);
void counts_exchange_end(struct counts *counts);

/* Starts all counts anew; what is in flight stays so. */
void counts_reset(struct standin *standin);

/* The caller owns the object. */
json_t *counts_report(struct standin *standin);

#endif
