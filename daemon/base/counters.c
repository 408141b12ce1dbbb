#include "base/counters.h"

uint64_t counters[COUNTERS];

static const struct counter_info infos[COUNTERS] = {
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
