#include "standin/counts.h"

#include "standin/memory.h"
#include "standin/standin.h"

void counts_init(struct counts *counts)
{
    *counts = (struct counts){.by_kind = must(json_object()), .by_subject = must(json_object())};
}

void counts_done(struct counts *counts)
{
    json_decref(counts->by_kind);
    json_decref(counts->by_subject);
}

static void count_in(json_t *counts, const char *name)
{
    json_int_t old = json_integer_value(json_object_get(counts, name));

    must_json(json_object_set_new(counts, name, json_integer(old + 1)));
}

void counts_exchange_begin(struct counts *counts, const char *kind, const char *subject)
{
    counts->exchanges++;
    counts->exchanges_in_flight++;
    if (counts->exchanges_in_flight > counts->exchanges_in_flight_max)
        counts->exchanges_in_flight_max = counts->exchanges_in_flight;
    count_in(counts->by_kind, kind);
    if (subject)
        count_in(counts->by_subject, subject);
}

void counts_exchange_end(struct counts *counts)
{
    counts->exchanges_in_flight--;
}

void counts_reset(struct standin *standin)
{
    struct counts *counts = &standin->counts;
    uint64_t in_flight = counts->exchanges_in_flight;

    counts_done(counts);
    counts_init(counts);
    counts->exchanges_in_flight = in_flight;
    counts->exchanges_in_flight_max = in_flight;
    for (size_t i = 0; i < LISTENERS; i++)
        atomic_store(&standin->listeners[i].connections, 0);
}

static uint64_t connections_of(struct standin *standin, enum listener_id id)
{
    return atomic_load(&standin->listeners[id].connections);
}

json_t *counts_report(struct standin *standin)
{
    const struct counts *counts = &standin->counts;
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"exchanges", counts->exchanges},
        {"exchanges_ok", counts->exchanges_ok},
        {"exchanges_refused", counts->exchanges_refused},
        {"exchanges_faulted", counts->exchanges_faulted},
        {"exchanges_in_flight", counts->exchanges_in_flight},
        {"exchanges_in_flight_max", counts->exchanges_in_flight_max},
        {"user", counts->user},
        {"discovery", counts->discovery},
        {"keys", counts->keys},
        {"reviews", counts->reviews},
        {"upstream_connections", connections_of(standin, LISTENER_UPSTREAM)},
        {"untrusted_connections", connections_of(standin, LISTENER_UNTRUSTED)},
        {"issuer_connections", connections_of(standin, LISTENER_ISSUER)},
    };
    json_t *report = must(json_object());

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        must_json(
            json_object_set_new(report, rows[i].name, json_integer((json_int_t)rows[i].value)));
    must_json(json_object_set_new(report, "by_kind", json_deep_copy(counts->by_kind)));
    must_json(json_object_set_new(report, "by_subject", json_deep_copy(counts->by_subject)));
    return report;
}
