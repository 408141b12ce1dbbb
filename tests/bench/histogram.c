#include "bench/histogram.h"

#include <math.h>
#include <stdio.h>

/* The highest bits of a value select its bucket; the rest is the width of the bucket. */
static unsigned shift_of(uint64_t value_ns)
{
    unsigned top = value_ns ? 63u - (unsigned)__builtin_clzll(value_ns) : 0;

    return top > 6 ? top - 6 : 0;
}

void histogram_add(struct histogram *histogram, uint64_t value_ns)
{
    unsigned shift = shift_of(value_ns);

    histogram->buckets[shift * HISTOGRAM_STEPS + (value_ns >> shift)]++;
    histogram->n++;
    if (value_ns > histogram->max_ns)
        histogram->max_ns = value_ns;
}

static uint64_t middle_of(size_t bucket)
{
    size_t shift;

    if (bucket < 2 * HISTOGRAM_STEPS)
        return bucket;
    shift = bucket / HISTOGRAM_STEPS - 1;
    return ((bucket % HISTOGRAM_STEPS + HISTOGRAM_STEPS) << shift) + ((uint64_t)1 << shift) / 2;
}

uint64_t histogram_percentile(const struct histogram *histogram, double fraction)
{
    uint64_t rank = (uint64_t)ceil(fraction * (double)histogram->n);
    uint64_t seen = 0;

    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen && seen >= rank)
            return middle_of(i) < histogram->max_ns ? middle_of(i) : histogram->max_ns;
    }
    return 0;
}

void histogram_print(const struct histogram *histogram)
{
    printf("\"p50_us\": %.3f, \"p99_us\": %.3f, \"p999_us\": %.3f, \"max_us\": %.3f",
           (double)histogram_percentile(histogram, 0.5) / 1e3,
           (double)histogram_percentile(histogram, 0.99) / 1e3,
           (double)histogram_percentile(histogram, 0.999) / 1e3, (double)histogram->max_ns / 1e3);
}
