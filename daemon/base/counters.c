#include "base/counters.h"

uint64_t counters[COUNTERS];

static const struct counter_info infos[COUNTERS] = {
    [COUNTER_REQUESTS_OK] = {"podlogin_requests_total", "result=\"ok\""},
    [COUNTER_REQUESTS_REFUSED] = {"podlogin_requests_total", "result=\"refused\""},
    [COUNTER_REQUESTS_UNAVAILABLE] = {"podlogin_requests_total", "result=\"unavailable\""},
    [COUNTER_REQUESTS_FAULT] = {"podlogin_requests_total", "result=\"fault\""},
    [COUNTER_CACHE_HITS] = {"podlogin_cache_hits_total", ""},
    [COUNTER_EXCHANGES + OUTCOME_OK] = {"podlogin_exchanges_total", "result=\"ok\""},
    [COUNTER_EXCHANGES + OUTCOME_REFUSED] = {"podlogin_exchanges_total", "result=\"refused\""},
    [COUNTER_EXCHANGES +
        OUTCOME_MISCONFIGURED] = {"podlogin_exchanges_total", "result=\"misconfigured\""},
    [COUNTER_EXCHANGES + OUTCOME_THROTTLED] = {"podlogin_exchanges_total", "result=\"throttled\""},
    [COUNTER_EXCHANGES +
        OUTCOME_UNAVAILABLE] = {"podlogin_exchanges_total", "result=\"unavailable\""},
    [COUNTER_EXCHANGES + OUTCOME_MALFORMED] = {"podlogin_exchanges_total", "result=\"malformed\""},
    [COUNTER_EXCHANGES + OUTCOME_UNTRUSTED] = {"podlogin_exchanges_total", "result=\"untrusted\""},
    [COUNTER_REFRESH_FAILURES] = {"podlogin_refresh_failures_total", ""},
    [COUNTER_REJECTED_QUOTA] = {"podlogin_rejected_total", "reason=\"quota\""},
    [COUNTER_REJECTED_BARRED] = {"podlogin_rejected_total", "reason=\"barred\""},
    [COUNTER_REJECTED_SHORTAGE] = {"podlogin_rejected_total", "reason=\"shortage\""},
    [COUNTER_REJECTED_YOUNG] = {"podlogin_rejected_total", "reason=\"young\""},
    [COUNTER_REJECTED_GONE] = {"podlogin_rejected_total", "reason=\"gone\""},
    [COUNTER_STORE_ERRORS] = {"podlogin_store_errors_total", ""},
    [COUNTER_CLOCK_STEPS] = {"podlogin_clock_steps_total", ""},
};

const struct counter_info *counter_info(enum counter counter)
{
    return &infos[counter];
}
