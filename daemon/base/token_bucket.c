#include "base/token_bucket.h"

#include "base/clock.h"

static uint64_t interval_usec(const struct rate_limit *limit)
{
    return SECOND_USEC / limit->per_s ? SECOND_USEC / limit->per_s : 1;
}

uint64_t token_bucket_reserve(struct token_bucket *rate, const struct rate_limit *limit,
                              uint64_t now_usec)
{
    uint64_t interval, tolerance;

    if (!limit->per_s)
        return 0;
    interval = interval_usec(limit);
    tolerance = interval * limit->burst;
    if (rate->reserved_until_usec < now_usec)
        rate->reserved_until_usec = now_usec;
    rate->reserved_until_usec += interval;
    return rate->reserved_until_usec - now_usec > tolerance
               ? rate->reserved_until_usec - now_usec - tolerance
               : 0;
}

uint64_t token_bucket_try(struct token_bucket *rate, const struct rate_limit *limit,
                          uint64_t now_usec)
{
    uint64_t delay = token_bucket_reserve(rate, limit, now_usec);

    if (delay)
        token_bucket_refund(rate, limit);
    return delay;
}

void token_bucket_refund(struct token_bucket *rate, const struct rate_limit *limit)
{
    if (limit->per_s)
        rate->reserved_until_usec -= interval_usec(limit);
}
