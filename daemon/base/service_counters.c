#include "base/service_counters.h"

#include <string.h>

const uint32_t histogram_bounds_usec[HISTOGRAM_BUCKETS] = {
    10,    25,    50,     100,    250,    500,     1000,    2500,    5000,    10000,
    25000, 50000, 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000};

static struct service_counters all[SERVICE_COUNTERS_MAX];
static size_t n_services, latest;

static struct service_counters *counters_of(const char *service)
{
    if (!service)
        service = "";
    if (n_services && strcmp(all[latest].name, service) == 0)
        return &all[latest];
    for (latest = 0; latest < n_services; latest++)
        if (strcmp(all[latest].name, service) == 0)
            return &all[latest];
    if (n_services == SERVICE_COUNTERS_MAX) {
        latest = SERVICE_COUNTERS_MAX - 1;
        return &all[latest];
    }
    if (n_services == SERVICE_COUNTERS_MAX - 1)
        service = "(others)"; /* no name of a service */
    strncpy(all[latest].name, service, sizeof(all[latest].name) - 1);
    n_services++;
    return &all[latest];
}

static void histogram_add(struct histogram *histogram, uint64_t usec)
{
    size_t i = 0;

    while (i < HISTOGRAM_BUCKETS && usec > histogram_bounds_usec[i])
        i++;
    histogram->n[i]++;
    histogram->sum_usec += usec;
}

void count_request(const char *service, enum request_result result)
{
    counters_of(service)->requests[result]++;
}

void count_served(const char *service, bool is_hit, uint64_t usec)
{
    struct service_counters *counters = counters_of(service);

    counters->hits += is_hit;
    histogram_add(is_hit ? &counters->hit : &counters->miss, usec);
}

void count_exchange(const char *service, enum outcome outcome, uint64_t usec)
{
    struct service_counters *counters = counters_of(service);

    counters->exchanges[outcome]++;
    histogram_add(&counters->exchange, usec);
}

const struct service_counters *service_counters(size_t *ret_n)
{
    *ret_n = n_services;
    return all;
}
