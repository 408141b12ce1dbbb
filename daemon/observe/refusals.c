#include "observe/refusals.h"

#include <stdio.h>
#include <string.h>

#include "identity/identity.h"

/* The latest first. */
static struct past_refusal past[REFUSALS_MAX];
static size_t n_past;

static bool is_same(const struct past_refusal *a, const struct past_refusal *b)
{
    return a->status == b->status && strcmp(a->service, b->service) == 0 &&
           strcmp(a->account, b->account) == 0;
}

/* Returns the place of one that is the same; otherwise that of the oldest, or a new place. */
static size_t place_of(const struct past_refusal *refusal)
{
    size_t i = 0;

    while (i < n_past && !is_same(&past[i], refusal))
        i++;
    if (i < n_past)
        return i;
    if (n_past < REFUSALS_MAX)
        n_past++;
    past[n_past - 1] = (struct past_refusal){0};
    return n_past - 1;
}

void refusals_note(enum podlogin_status status, const char *service,
                   const struct identity *identity, const char *detail)
{
    struct past_refusal refusal = {.at_s = clock_now().wall_s, .status = status};
    size_t place;

    snprintf(refusal.service, sizeof(refusal.service), "%s", service ? service : "");
    if (identity && identity->key) /* only what was verified */
        snprintf(refusal.account, sizeof(refusal.account), "%.159s/%.159s",
                 identity->claims.namespace, identity->claims.serviceaccount);
    snprintf(refusal.detail, sizeof(refusal.detail), "%s", detail);
    place = place_of(&refusal);
    refusal.n = past[place].n + 1;
    memmove(&past[1], &past[0], place * sizeof(past[0]));
    past[0] = refusal;
}

const struct past_refusal *refusals_get(size_t i)
{
    return i < n_past ? &past[i] : NULL;
}
