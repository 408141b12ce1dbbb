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

/* docs/decisions/0046 explains these */
#define ALONE_USEC      SECOND_USEC /* for which the first exchange goes alone */
#define KNOWN           7 /* after so many successes, refusals are the business of the upstream */
#define INTERVAL_USEC   (10 * SECOND_USEC) /* after other refusals */
#define INTERVALS       32 /* without a refusal, until exchanges are not spaced any more */
#define OUTAGE_PARTS    50 /* after an outage, the interval is its length divided by this */
#define OUTAGE_MIN_USEC (900 * SECOND_USEC) /* few tokens are missing after a shorter outage */
#define OUTAGE_MAX_USEC (24 * SECOND_USEC)

void breaker_init(struct breaker *breaker)
{
    *breaker = (struct breaker){.window = 1};
}

static bool is_spaced(const struct breaker *breaker, uint64_t now_usec)
{
    return now_usec < breaker->spaced_until_usec;
}

/* Returns whether others wait for the first exchange, which tells whether the upstream answers. */
static bool is_alone(const struct breaker *breaker, uint64_t now_usec)
{
    return breaker->first_usec && !breaker->has_ended &&
           now_usec < breaker->first_usec + ALONE_USEC;
}

static unsigned window(const struct breaker *breaker, uint64_t now_usec)
{
    bool is_late = breaker->first_usec && !breaker->has_ended && !is_alone(breaker, now_usec);

    return is_late ? BREAKER_WINDOW_MAX : breaker->window;
}

uint64_t breaker_wait_usec(const struct breaker *breaker, uint64_t now_usec)
{
    return is_alone(breaker, now_usec) ? breaker->first_usec + ALONE_USEC - now_usec : 0;
}

enum breaker_verdict breaker_ask(const struct breaker *breaker, uint64_t now_usec)
{
    if (breaker->open_until_usec > now_usec)
        return BREAKER_LATER;
    if (breaker->open_until_usec)
        return breaker->is_probing ? BREAKER_WAIT : BREAKER_PASS;
    if (!is_spaced(breaker, now_usec))
        return breaker->n_in_flight < window(breaker, now_usec) ? BREAKER_PASS : BREAKER_WAIT;
    if (breaker->n_in_flight)
        return BREAKER_WAIT;
    return breaker->next_usec <= now_usec ? BREAKER_PASS : BREAKER_LATER;
}

uint64_t breaker_delay_usec(const struct breaker *breaker, uint64_t now_usec)
{
    uint64_t until_usec = breaker->open_until_usec;

    if (!until_usec && is_spaced(breaker, now_usec))
        until_usec = breaker->next_usec;
    return until_usec > now_usec ? until_usec - now_usec : 0;
}

uint64_t breaker_interval_usec(const struct breaker *breaker, uint64_t now_usec)
{
    return is_spaced(breaker, now_usec) ? breaker->interval_usec : 0;
}

/*
 * The next exchange is due an interval after this one was due, so that one that comes late does not
 * delay the later ones; but not at once. Slightly more than an interval, so that nodes drift apart.
 */
static void plan_next(struct breaker *breaker, uint64_t now_usec)
{
    uint64_t least_usec = now_usec + breaker->interval_usec / 2;

    breaker->due_usec += breaker->interval_usec + random_below(breaker->interval_usec / 6);
    breaker->next_usec = breaker->due_usec > least_usec ? breaker->due_usec : least_usec;
}

struct breaker_pass breaker_begin(struct breaker *breaker, uint64_t now_usec)
{
    struct breaker_pass pass = {.is_probe = breaker->open_until_usec &&
                                            breaker->open_until_usec <= now_usec};

    if (!breaker->first_usec)
        breaker->first_usec = now_usec;
    pass.is_spaced = !breaker->open_until_usec && is_spaced(breaker, now_usec);
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

static void open_for(struct breaker *breaker, uint64_t usec, uint64_t now_usec)
{
    if (!breaker->open_until_usec)
        breaker->opened_usec = now_usec;
    if (breaker->open_until_usec <= now_usec) /* once for all exchanges that fail together */
        breaker->n_opened++;
    if (breaker->open_until_usec < now_usec + usec)
        breaker->open_until_usec = now_usec + usec;
    breaker->points = 0;
    breaker->window = 1;
}

/* Exchanges are an interval apart; the first is due at from_usec. */
static void space(struct breaker *breaker, uint64_t interval_usec, uint64_t from_usec,
                  uint64_t now_usec)
{
    if (!is_spaced(breaker, now_usec)) {
        breaker->interval_usec = 0;
        breaker->due_usec = from_usec;
    }
    if (breaker->interval_usec < interval_usec)
        breaker->interval_usec = interval_usec;
    breaker->spaced_until_usec = now_usec + INTERVALS * breaker->interval_usec;
}

/*
 * How much later than asked a probe goes, so that nodes that were refused at the same time do not
 * return at the same time: U(0, 10 s), and half as much again after each further refusal in a row.
 */
static uint64_t spread_usec(const struct breaker *breaker)
{
    uint64_t most = INTERVAL_USEC;

    for (unsigned i = 1; i < breaker->n_refused && most < PAUSE_MAX_USEC; i++)
        most += most / 2;
    return random_below(most < PAUSE_MAX_USEC ? most : PAUSE_MAX_USEC);
}

/* While the breaker is open, refusals of earlier exchanges count only if they ask for a delay. */
static void throttle(struct breaker *breaker, bool is_probe, uint32_t retry_after_ms,
                     uint64_t now_usec)
{
    bool is_known = breaker->n_good >= KNOWN, was_spaced = is_spaced(breaker, now_usec);
    uint64_t usec = retry_after_ms * UINT64_C(1000);

    if (usec < THROTTLE_MIN_USEC)
        usec = THROTTLE_MIN_USEC;
    if (usec > THROTTLE_MAX_USEC)
        usec = THROTTLE_MAX_USEC;
    if (breaker->open_until_usec && !is_probe) {
        if (retry_after_ms)
            open_for(breaker, usec, now_usec);
        return;
    }
    breaker->n_refused++;
    if (retry_after_ms && !was_spaced)
        usec += random_below(usec / 10); /* the upstream's own delay is tried first */
    else
        usec += is_known ? pause_usec(breaker) : spread_usec(breaker);
    if (!is_known)
        space(breaker, INTERVAL_USEC, now_usec + random_below(INTERVAL_USEC), now_usec);
    open_for(breaker, usec, now_usec);
}

/*
 * After a long outage, all tokens may be missing, here and on all other nodes. It has lasted from
 * the first to the latest failure: the time in which nobody asked is not part of it.
 */
static void close_breaker(struct breaker *breaker, uint64_t now_usec)
{
    uint64_t outage_usec = breaker->failed_usec > breaker->opened_usec
                               ? breaker->failed_usec - breaker->opened_usec
                               : 0;
    uint64_t interval_usec = outage_usec / OUTAGE_PARTS;

    if (outage_usec >= OUTAGE_MIN_USEC)
        space(breaker, interval_usec < OUTAGE_MAX_USEC ? interval_usec : OUTAGE_MAX_USEC, now_usec,
              now_usec);
    breaker->open_until_usec = 0;
}

static void widen(struct breaker *breaker)
{
    if (breaker->window < BREAKER_WINDOW_MAX)
        breaker->window++;
    else
        breaker->n_opened = 0;
}

/*
 * Every answer, also a refusal, means that the upstream works. Of the exchanges that were under way
 * when the breaker opened, only the probe counts: an upstream that throttles still answers earlier
 * ones.
 */
static void succeed(struct breaker *breaker, struct breaker_pass pass, uint64_t now_usec)
{
    if (breaker->open_until_usec && !pass.is_probe)
        return;
    breaker->points = 0;
    breaker->n_refused = is_spaced(breaker, now_usec);
    if (!is_spaced(breaker, now_usec) && breaker->n_good < KNOWN)
        breaker->n_good++;
    if (breaker->open_until_usec)
        close_breaker(breaker, now_usec);
    else if (!is_spaced(breaker, now_usec))
        widen(breaker);
    if ((pass.is_probe || pass.is_spaced) && is_spaced(breaker, now_usec))
        plan_next(breaker, now_usec); /* not for those that began before */
}

/* While the breaker is open, only the probe counts here, too. */
static void fail(struct breaker *breaker, bool is_probe, unsigned points, uint64_t now_usec)
{
    if (breaker->open_until_usec && !is_probe)
        return;
    breaker->points += points;
    if (!is_probe && breaker->points < POINTS_TO_OPEN)
        return;
    open_for(breaker, pause_usec(breaker), now_usec);
    breaker->failed_usec = now_usec;
}

void breaker_end(struct breaker *breaker, struct breaker_pass pass, enum outcome outcome,
                 uint32_t retry_after_ms, uint64_t now_usec)
{
    breaker_abandon(breaker, pass);
    breaker->has_ended = true;
    switch (outcome) {
    case OUTCOME_OK:
    case OUTCOME_REFUSED:
    case OUTCOME_MISCONFIGURED:
        succeed(breaker, pass, now_usec);
        return;
    case OUTCOME_THROTTLED:
        throttle(breaker, pass.is_probe, retry_after_ms, now_usec);
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
