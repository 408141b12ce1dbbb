#include "exporter/page.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/json.h"

#define EXPIRIES_MAX 10
#define GRAPH_WIDTH  600
#define GRAPH_HEIGHT 120

/* In a narrow window, each row of a table becomes a block with a line for each cell. */
static const char head[] =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>podlogin</title>"
    "<meta name=\"viewport\" content=\"width=device-width\">"
    "<meta http-equiv=\"refresh\" content=\"30\"><style>"
    ":root{color-scheme:light dark;--text:#1f2328;--faint:#59636e;--page:#fff;--card:#f6f8fa;"
    "--line:#d1d9e0;--good:#1a7f37;--warm:#9a6700;--bad:#b3261e}"
    "@media(prefers-color-scheme:dark){:root{--text:#e6edf3;--faint:#9198a1;--page:#0d1117;"
    "--card:#161b22;--line:#30363d;--good:#3fb950;--warm:#d29922;--bad:#ff7b72}}"
    "body{font:15px/1.5 system-ui,sans-serif;max-width:66em;margin:0 auto;padding:1.5em 1.25em 3em;"
    "color:var(--text);background:var(--page);overflow-wrap:break-word}"
    "h1{font-size:1.5em;margin:0}h2{font-size:1.05em;margin:2em 0 .5em}p{margin:.3em 0}"
    ".faint,th,dt{color:var(--faint)}.good{color:var(--good)}.bad{color:var(--bad)}"
    ".state{font-size:.6em;font-weight:600;padding:.2em .7em;border:1px solid;border-radius:1em;"
    "margin-left:.6em;vertical-align:middle}"
    "dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(7.5em,1fr));gap:.75em;"
    "margin:1.25em 0}"
    "dl div{background:var(--card);border:1px solid var(--line);border-radius:6px;"
    "padding:.6em .8em}"
    "dt{font-size:.85em}dd{margin:0;font-size:1.35em;font-variant-numeric:tabular-nums}"
    "table{border-collapse:collapse;width:100%}"
    "th,td{text-align:left;padding:.4em 1em .4em 0;border-bottom:1px solid var(--line);"
    "vertical-align:top}th{font-size:.85em;font-weight:600}"
    ".time{white-space:nowrap}.long{display:inline-block;min-width:8em;overflow-wrap:anywhere}"
    "svg{display:block;box-sizing:border-box;width:100%;height:9em;background:var(--card);"
    "border:1px solid var(--line);border-radius:6px}"
    "polyline{fill:none;stroke:currentColor;stroke-width:2;vector-effect:non-scaling-stroke}"
    ".hits{color:var(--good)}.misses{color:var(--warm)}"
    ".row{display:flex;justify-content:space-between;font-size:.85em;color:var(--faint)}"
    ".key::before{content:\"\\25CF\\00A0\"}.key{margin-left:1em}"
    "@media(max-width:44em){table,tbody,tr,td{display:block}th{display:none}"
    "tr{border-bottom:1px solid var(--line);padding:.5em 0}td{border:0;padding:.1em 0;display:flex}"
    "td::before{content:attr(data-name);color:var(--faint);flex:0 0 8.5em;font-size:.85em;"
    "padding-top:.15em}td span{min-width:0}}"
    "</style></head><body>\n";

void history_add(struct history *history, const json_t *status)
{
    const json_t *totals = json_object_get(status, "totals");
    const struct sample sample = {
        .hits = json_integer_value(json_object_get(totals, "hits")),
        .misses = json_integer_value(json_object_get(totals, "misses")),
    };
    const struct sample *latest = &history->samples[(history->n - 1) % (HISTORY_MINUTES + 1)];

    if (history->n && (sample.hits < latest->hits || sample.misses < latest->misses))
        history->n = 0;
    history->samples[history->n++ % (HISTORY_MINUTES + 1)] = sample;
}

static void put_text(FILE *file, const char *text)
{
    for (; text && *text; text++) {
        switch (*text) {
        case '<':
            fputs("&lt;", file);
            break;
        case '>':
            fputs("&gt;", file);
            break;
        case '&':
            fputs("&amp;", file);
            break;
        case '"':
            fputs("&quot;", file);
            break;
        default:
            fputc(*text, file);
        }
    }
}

/* "59 s", "12 min", "1 h 59 min", "3 d 2 h" */
static void put_span(FILE *file, json_int_t seconds)
{
    long long s = seconds > 0 ? seconds : 0;

    if (s < 60)
        fprintf(file, "%lld s", s);
    else if (s < 3600)
        fprintf(file, "%lld min", s / 60);
    else if (s < 86400)
        fprintf(file, "%lld h %lld min", s / 3600, s / 60 % 60);
    else
        fprintf(file, "%lld d %lld h", s / 86400, s / 3600 % 24);
}

enum column_kind {
    SHORT,   /* a word or a number */
    LONG,    /* a text that may be broken anywhere */
    PROBLEM, /* marked, if there is one */
    BREAKER, /* marked, unless it is closed */
    AGE,     /* in seconds */
    SINCE,   /* a time in the past */
    UNTIL,   /* a time in the future */
};

static const char *const classes[] = {
    [SHORT] = "word", [LONG] = "long",  [PROBLEM] = "long", [BREAKER] = "word",
    [AGE] = "time",   [SINCE] = "time", [UNTIL] = "time"};

struct column {
    const char *member; /* NULL: the last one */
    const char *title;
    enum column_kind kind;
};

static bool is_marked(const struct column *column, const json_t *value)
{
    const char *text = json_string_value(value);

    return text &&
           (column->kind == PROBLEM || (column->kind == BREAKER && strcmp(text, "closed") != 0));
}

static void put_value(FILE *file, const struct column *column, const json_t *value)
{
    json_int_t number = json_integer_value(value);

    if (!json_is_string(value) && !json_is_integer(value))
        fputs("–", file);
    else if (json_is_string(value))
        put_text(file, json_string_value(value));
    else if (column->kind == SINCE || column->kind == UNTIL)
        put_span(file, (number - time(NULL)) * (column->kind == UNTIL ? 1 : -1));
    else if (column->kind == AGE)
        put_span(file, number);
    else
        fprintf(file, "%lld", (long long)number);
    if (json_is_integer(value) && (column->kind == SINCE || column->kind == AGE))
        fputs(" ago", file);
}

/* Without @objects, nothing but the title and @nothing. */
static void put_table(FILE *file, const char *title, const json_t *objects,
                      const struct column *columns, const char *nothing)
{
    const json_t *object;
    size_t i;

    fprintf(file, "<h2>%s</h2>", title);
    if (!json_array_size(objects)) {
        fprintf(file, "<p class=\"faint\">%s</p>\n", nothing);
        return;
    }
    fputs("<table><tr>", file);
    for (const struct column *column = columns; column->member; column++)
        fprintf(file, "<th>%s</th>", column->title);
    fputs("</tr>\n", file);
    json_array_foreach(objects, i, object)
    {
        fputs("<tr>", file);
        for (const struct column *column = columns; column->member; column++) {
            const json_t *value = json_object_get(object, column->member);

            fprintf(file, "<td data-name=\"%s\"><span class=\"%s%s\">", column->title,
                    classes[column->kind], is_marked(column, value) ? " bad" : "");
            put_value(file, column, value);
            fputs("</span></td>", file);
        }
        fputs("</tr>\n", file);
    }
    fputs("</table>\n", file);
}

/* Returns the requests of the minute before sample @i, counted from the latest. */
static json_int_t in_minute(const struct history *history, size_t i, bool is_hits)
{
    const struct sample *end = &history->samples[(history->n - 1 - i) % (HISTORY_MINUTES + 1)];
    const struct sample *begin = &history->samples[(history->n - 2 - i) % (HISTORY_MINUTES + 1)];

    return is_hits ? end->hits - begin->hits : end->misses - begin->misses;
}

static void put_line(FILE *file, const struct history *history, size_t n, json_int_t most,
                     bool is_hits)
{
    fprintf(file, "<polyline class=\"%s\" points=\"", is_hits ? "hits" : "misses");
    for (size_t i = n; i-- > 0;)
        fprintf(file, "%.1f,%.1f ",
                (double)GRAPH_WIDTH * (HISTORY_MINUTES - 1 - (double)i) / (HISTORY_MINUTES - 1),
                GRAPH_HEIGHT - 4 -
                    (double)(GRAPH_HEIGHT - 8) * (double)in_minute(history, i, is_hits) /
                        (double)most);
    fputs("\"/>", file);
}

static void put_graph(FILE *file, const struct history *history)
{
    size_t n = history->n ? history->n - 1 : 0;
    json_int_t most = 1;

    if (n > HISTORY_MINUTES)
        n = HISTORY_MINUTES;
    for (size_t i = 0; i < n; i++) {
        if (in_minute(history, i, true) > most)
            most = in_minute(history, i, true);
        if (in_minute(history, i, false) > most)
            most = in_minute(history, i, false);
    }
    fprintf(file,
            "<h2>Requests per minute</h2><div class=\"row\"><span>%lld</span><span>"
            "<span class=\"key hits\">hits</span><span class=\"key misses\">misses</span></span>"
            "</div><svg viewBox=\"0 0 %d %d\" preserveAspectRatio=\"none\" role=\"img\" "
            "aria-label=\"hits and misses per minute\">",
            (long long)most, GRAPH_WIDTH, GRAPH_HEIGHT);
    if (n > 1) { /* a line has two ends */
        put_line(file, history, n, most, true);
        put_line(file, history, n, most, false);
    }
    fprintf(file, "</svg><div class=\"row\"><span>an hour ago</span><span>%s</span></div>\n",
            n > 1 ? "now" : "the line begins after two minutes");
}

static int by_expiry(const void *a, const void *b)
{
    json_int_t first = json_integer_value(json_object_get(*(json_t *const *)a, "expires_at"));
    json_int_t second = json_integer_value(json_object_get(*(json_t *const *)b, "expires_at"));

    return (first > second) - (first < second);
}

/* The tokens that expire first: a new reference, or NULL. */
static json_t *first_to_expire(const json_t *tokens)
{
    size_t n = json_array_size(tokens);
    json_t **sorted = calloc(n + 1, sizeof(json_t *)); /* NOLINT(bugprone-sizeof-expression) */
    json_t *first = json_array();

    for (size_t i = 0; sorted && i < n; i++)
        sorted[i] = json_array_get(tokens, i);
    if (sorted)
        qsort(sorted, n, sizeof(json_t *), by_expiry); /* NOLINT(bugprone-sizeof-expression) */
    for (size_t i = 0; sorted && i < n && i < EXPIRIES_MAX; i++)
        json_array_append(first, sorted[i]);
    free(sorted);
    return first;
}

static void put_tile(FILE *file, const char *name, const json_t *object, const char *member)
{
    fprintf(file, "<div><dt>%s</dt><dd>%lld</dd></div>", name,
            (long long)json_integer_value(json_object_get(object, member)));
}

static void put_tiles(FILE *file, const json_t *status)
{
    const json_t *totals = json_object_get(status, "totals");

    fputs("<dl>", file);
    put_tile(file, "hits", totals, "hits");
    put_tile(file, "misses", totals, "misses");
    put_tile(file, "refused", totals, "refused");
    put_tile(file, "unavailable", totals, "unavailable");
    put_tile(file, "tokens cached", json_object_get(status, "cache"), "tokens");
    put_tile(file, "connections", json_object_get(status, "connections"), "open");
    fputs("</dl>\n", file);
}

static void put_summary(FILE *file, const json_t *status)
{
    const json_t *waits = json_object_get(status, "waits_for"), *each;
    const json_t *cache = json_object_get(status, "cache");
    bool is_ready = json_array_size(waits) == 0;
    size_t i;

    fprintf(file, "<h1>podlogin<span class=\"state %s\">%s</span></h1>", is_ready ? "good" : "bad",
            is_ready ? "ready" : "not ready");
    fprintf(file, "<p class=\"faint\">podlogind %s, PeerAttestation=%s, up for ",
            json_member_string(status, "version"), json_member_string(status, "attestation"));
    put_span(file, json_integer_value(json_object_get(status, "uptime_s")));
    fputs("</p>\n", file);
    json_array_foreach(waits, i, each)
    {
        fputs("<p class=\"bad\">waits for ", file);
        put_text(file, json_string_value(each));
        fputs("</p>\n", file);
    }
    if (json_member_string(cache, "problem")) {
        fputs("<p class=\"bad\">serving from memory only: ", file);
        put_text(file, json_member_string(cache, "problem"));
        fputs("</p>\n", file);
    }
}

static const struct column services[] = {{"name", "service", SHORT},
                                         {"provider", "provider", SHORT},
                                         {"issuer", "issuer", SHORT},
                                         {"upstream", "upstream", LONG},
                                         {0}};
static const struct column issuers[] = {
    {"name", "issuer", SHORT},       {"url", "URL", LONG},
    {"keys", "keys", SHORT},         {"keys_age_s", "fetched", AGE},
    {"problem", "problem", PROBLEM}, {0}};
static const struct column upstreams[] = {{"url", "upstream", LONG},
                                          {"breaker", "circuit breaker", BREAKER},
                                          {"exchanges_in_flight", "in flight", SHORT},
                                          {"problem", "problem", PROBLEM},
                                          {0}};
static const struct column expiries[] = {{"service", "service", SHORT},
                                         {"serviceaccount", "service account", LONG},
                                         {"state", "state", SHORT},
                                         {"expires_at", "expires in", UNTIL},
                                         {0}};
static const struct column refusals[] = {{"status", "status", SHORT},
                                         {"at", "latest", SINCE},
                                         {"times", "times", SHORT},
                                         {"service", "service", SHORT},
                                         {"serviceaccount", "service account", LONG},
                                         {"sentence", "what happened, what to do", LONG},
                                         {"detail", "detail", LONG},
                                         {0}};

char *page_render(const json_t *status, const json_t *tokens, const struct history *history)
{
    CLEANUP(json_decrefp) json_t *first = first_to_expire(tokens);
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);

    if (!file)
        return NULL;
    fputs(head, file);
    put_summary(file, status);
    put_tiles(file, status);
    put_graph(file, history);
    put_table(file, "Services", json_object_get(status, "services"), services, "There are none.");
    put_table(file, "Issuers", json_object_get(status, "issuers"), issuers, "There are none.");
    put_table(file, "Upstreams", json_object_get(status, "upstreams"), upstreams,
              "No exchange has been needed yet.");
    put_table(file, "Tokens that expire first", first, expiries, "No token is cached.");
    put_table(file, "Latest refusals", json_object_get(status, "refusals"), refusals,
              "No request was refused.");
    fputs("</body></html>\n", file);
    if (fclose(file) == 0)
        return text;
    free(text);
    return NULL;
}
