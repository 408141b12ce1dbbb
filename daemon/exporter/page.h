/* The page to look at: what the daemon does, as HTML without scripts. */
#ifndef EXPORTER_PAGE_H
#define EXPORTER_PAGE_H

#include <jansson.h>

#define HISTORY_MINUTES 60

/* Counts of hits and misses, once a minute; a ring. */
struct history {
    struct sample {
        json_int_t hits, misses;
    } samples[HISTORY_MINUTES + 1];
    size_t n; /* how many there were */
};

/* Adds the counts of the daemon's status. After a restart of the daemon, begins again. */
void history_add(struct history *history, const json_t *status);

/*
 * Returns the page, which the caller frees; NULL: no memory.
 *
 * @status: of the daemon, as `podloginctl status --json` has it.
 * @tokens: of its cache, as `podloginctl cache list --json` has them.
 */
char *page_render(const json_t *status, const json_t *tokens, const struct history *history);

#endif
