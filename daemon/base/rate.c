#include "base/rate.h"

#include "base/clock.h"

static uint64_t interval_usec(const struct rate_limit *limit)
{
    return SECOND_USEC / limit->per_s ? SECOND_USEC / limit->per_s : 1;
}

uint64_t rate_take(struct rate *rate, const struct rate_limit *limit, uint64_t now_usec)
{
    uint64_t interval, tolerance;

    if (!limit->per_s)
        return 0;
    interval = interval_usec(limit);
    tolerance = interval * limit->burst;
    if (rate->paid_until_usec < now_usec)
        rate->paid_until_usec = now_usec;
    rate->paid_until_usec += interval;
    return rate->paid_until_usec - now_usec > tolerance
               ? rate->paid_until_usec - now_usec - tolerance
               : 0;
}

uint64_t rate_try(struct rate *rate, const struct rate_limit *limit, uint64_t now_usec)
{
    uint64_t delay = rate_take(rate, limit, now_usec);

    if (delay)
        rate_return(rate, limit);
    return delay;
}

void rate_return(struct rate *rate, const struct rate_limit *limit)
{
    if (limit->per_s)
        rate->paid_until_usec -= interval_usec(limit);
}
