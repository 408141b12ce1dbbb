#include "broker/breaker.h"

#include <assert.h>

#include "base/clock.h"

#define POINTS_TO_OPEN    3
#define PAUSE_BASE_USEC   (SECOND_USEC / 2)
#define PAUSE_MAX_USEC    (60 * SECOND_USEC)
#define PAUSE_DOUBLES_MAX 7 /* 0.5 s * 2^7 is more than PAUSE_MAX_USEC */
#define THROTTLE_MIN_USEC SECOND_USEC
#define THROTTLE_MAX_USEC (300 * SECOND_USEC)
#define UNTRUSTED_USEC    (60 * SECOND_USEC)

void breaker_init(struct breaker *breaker)
{
    *breaker = (struct breaker){.window = BREAKER_WINDOW_MAX};
}

enum breaker_verdict breaker_ask(const struct breaker *breaker, uint64_t now_usec)
{
    if (breaker->open_until_usec > now_usec)
        return BREAKER_OPEN;
    if (breaker->open_until_usec)
        return breaker->is_probing ? BREAKER_WAIT : BREAKER_PASS;
    return breaker->n_in_flight < breaker->window ? BREAKER_PASS : BREAKER_WAIT;
}

uint64_t breaker_delay_usec(const struct breaker *breaker, uint64_t now_usec)
{
    return breaker->open_until_usec > now_usec ? breaker->open_until_usec - now_usec : 0;
}

struct breaker_pass breaker_begin(struct breaker *breaker, uint64_t now_usec)
{
    struct breaker_pass pass = {.is_probe = breaker->open_until_usec &&
                                            breaker->open_until_usec <= now_usec};

    breaker->n_in_flight++;
    if (pass.is_probe)
        breaker->is_probing = true;
    return pass;
}

void breaker_abandon(struct breaker *breaker, struct breaker_pass pass)
{
    assert(breaker->n_in_flight > 0);
    breaker->n_in_flight--;
    if (pass.is_probe)
        breaker->is_probing = false;
}

/* Full jitter: U(0, min(60 s, 0.5 s * 2^n)). */
static uint64_t pause_usec(const struct breaker *breaker)
{
    unsigned doubles =
        breaker->n_opened < PAUSE_DOUBLES_MAX ? breaker->n_opened : PAUSE_DOUBLES_MAX;
    uint64_t most = PAUSE_BASE_USEC << doubles;

    return 1 + random_below(most < PAUSE_MAX_USEC ? most : PAUSE_MAX_USEC);
}

/*
 * Slightly later than asked, so that nodes that got the same delay do not return at the same time.
 */
static uint64_t throttle_usec(const struct breaker *breaker, uint32_t retry_after_ms)
{
    uint64_t usec = retry_after_ms * UINT64_C(1000);

    if (usec == 0)
        return THROTTLE_MIN_USEC + pause_usec(breaker);
    if (usec < THROTTLE_MIN_USEC)
        usec = THROTTLE_MIN_USEC;
    if (usec > THROTTLE_MAX_USEC)
        usec = THROTTLE_MAX_USEC;
    return usec + random_below(usec / 10);
}

static void open_for(struct breaker *breaker, uint64_t usec, uint64_t now_usec)
{
    if (breaker->open_until_usec <= now_usec) /* once for all exchanges that fail together */
        breaker->n_opened++;
    if (breaker->open_until_usec < now_usec + usec)
        breaker->open_until_usec = now_usec + usec;
    breaker->points = 0;
}

/*
 * Every answer, also a refusal, means that the upstream works. Of the exchanges that were under way
 * when the breaker opened, only the probe counts: an upstream that throttles still answers earlier
 * ones.
 */
static void succeed(struct breaker *breaker, bool is_probe)
{
    if (breaker->open_until_usec && !is_probe)
        return;
    breaker->points = 0;
    if (breaker->open_until_usec) {
        breaker->open_until_usec = 0;
        breaker->window = 1;
    } else if (breaker->window < BREAKER_WINDOW_MAX) {
        breaker->window++;
    } else {
        breaker->n_opened = 0;
    }
}

/* While the breaker is open, only the probe counts here, too. */
static void fail(struct breaker *breaker, bool is_probe, unsigned points, uint64_t now_usec)
{
    if (is_probe) {
        open_for(breaker, pause_usec(breaker), now_usec);
        return;
    }
    if (breaker->open_until_usec)
        return;
    breaker->points += points;
    if (breaker->points >= POINTS_TO_OPEN)
        open_for(breaker, pause_usec(breaker), now_usec);
}

void breaker_end(struct breaker *breaker, struct breaker_pass pass, enum outcome outcome,
                 uint32_t retry_after_ms, uint64_t now_usec)
{
    breaker_abandon(breaker, pass);
    switch (outcome) {
    case OUTCOME_OK:
    case OUTCOME_REFUSED:
    case OUTCOME_MISCONFIGURED:
        succeed(breaker, pass.is_probe);
        return;
    case OUTCOME_THROTTLED:
        open_for(breaker, throttle_usec(breaker, retry_after_ms), now_usec);
        return;
    case OUTCOME_UNTRUSTED:
        open_for(breaker, UNTRUSTED_USEC, now_usec);
        return;
    case OUTCOME_MALFORMED:
        fail(breaker, pass.is_probe, 2, now_usec);
        return;
    case OUTCOME_UNAVAILABLE:
    case OUTCOMES:
        fail(breaker, pass.is_probe, 1, now_usec);
        return;
    }
}
