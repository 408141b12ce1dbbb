/* Counts of the requests to the issuer and the upstream. */
#ifndef STANDIN_COUNTS_H
#define STANDIN_COUNTS_H

#include <jansson.h>
#include <stdint.h>

struct standin;

struct counts {
    uint64_t exchanges; /* includes the refused and the faulted */
    uint64_t exchanges_ok;
    uint64_t exchanges_refused;
    uint64_t exchanges_faulted;
    uint64_t exchanges_in_flight;
    uint64_t exchanges_in_flight_max;
    uint64_t user;
    uint64_t discovery;
    uint64_t keys;
    uint64_t reviews;   /* only those whose caller is authenticated */
    json_t *by_kind;    /* exchanges by the kind of upstream */
    json_t *by_subject; /* exchanges by the claimed subject */
};

void counts_init(struct counts *counts);
void counts_done(struct counts *counts);

/* The caller holds the lock for these and all below. @subject is NULL when it is unreadable. */
void counts_exchange_begin(struct counts *counts, const char *kind, const char *subject);
void counts_exchange_end(struct counts *counts);

/* Sets all counts to zero, except that exchanges in flight stay counted as such. */
void counts_reset(struct standin *standin);

/* The caller owns the object. */
json_t *counts_report(struct standin *standin);

#endif
