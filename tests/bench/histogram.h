/*
 * Latencies in a fixed number of buckets. The width of each bucket is at most 1.6 % of its values.
 */
#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_STEPS   64 /* buckets for each power of two */
#define HISTOGRAM_BUCKETS (59 * HISTOGRAM_STEPS)

struct histogram {
    uint64_t n;
    uint64_t max_ns;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *histogram, uint64_t value_ns);

/* Returns the value that @fraction (0..1) of all values do not exceed; 0 if there are none. */
uint64_t histogram_percentile(const struct histogram *histogram, double fraction);

/* Prints "p50_us", "p99_us", "p999_us" and "max_us" as members of a JSON object. */
void histogram_print(const struct histogram *histogram);

#endif
