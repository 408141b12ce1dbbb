#include "exporter/page.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/json.h"

#define EXPIRIES_MAX 10
#define GRAPH_WIDTH  600
#define GRAPH_HEIGHT 120

static const char head[] =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>podlogin</title>"
    "<meta name=\"viewport\" content=\"width=device-width\">"
    "<meta http-equiv=\"refresh\" content=\"30\"><style>"
    "body{font:15px/1.45 system-ui,sans-serif;max-width:64em;margin:2em auto;padding:0 1em;"
    "color:#222;background:#fff}"
    "h1{font-size:1.4em}h2{font-size:1.1em;margin:1.6em 0 .4em}"
    "table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.25em .8em .25em 0;"
    "border-bottom:1px solid #ddd;vertical-align:top}th{font-weight:600}"
    ".bad{color:#b00020}.hits{stroke:#1a7f37}.misses{stroke:#9a6700}"
    "polyline{fill:none;stroke-width:2}svg{width:100%;height:auto;border:1px solid #ddd}"
    "@media(prefers-color-scheme:dark){body{color:#ddd;background:#1b1b1b}"
    "th,td{border-color:#444}svg{border-color:#444}.bad{color:#ff7b72}}"
    "</style></head><body><h1>podlogin</h1>\n";

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

static void put_cell(FILE *file, const char *text)
{
    fputs("<td>", file);
    put_text(file, text ? text : "–");
    fputs("</td>", file);
}

static void put_member(FILE *file, const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    char text[32];

    if (json_is_number(value))
        snprintf(text, sizeof(text), "%.0f", json_number_value(value));
    put_cell(file, json_is_number(value) ? text : json_string_value(value));
}

static void put_bad(FILE *file, const char *text)
{
    fputs("<td class=\"bad\">", file);
    put_text(file, text);
    fputs("</td>", file);
}

/* A table with the members of each object; "problem" is marked. */
static void put_table(FILE *file, const char *title, const json_t *objects,
                      const char *const columns[][2])
{
    const json_t *object;
    size_t i;

    fprintf(file, "<h2>%s</h2>", title);
    if (!json_array_size(objects)) {
        fputs("<p>none</p>\n", file);
        return;
    }
    fputs("<table><tr>", file);
    for (size_t j = 0; columns[j][0]; j++)
        fprintf(file, "<th>%s</th>", columns[j][1]);
    fputs("</tr>\n", file);
    json_array_foreach(objects, i, object)
    {
        fputs("<tr>", file);
        for (size_t j = 0; columns[j][0]; j++) {
            if (strcmp(columns[j][0], "problem") == 0)
                put_bad(file, json_member_string(object, "problem"));
            else
                put_member(file, object, columns[j][0]);
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
            "<h2>Requests per minute, the last hour</h2>"
            "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"hits and misses per minute\">",
            GRAPH_WIDTH, GRAPH_HEIGHT);
    put_line(file, history, n, most, true);
    put_line(file, history, n, most, false);
    fprintf(file,
            "</svg><p><span style=\"color:#1a7f37\">hits</span>, <span style=\"color:#9a6700\">"
            "misses</span>; the top is %lld</p>\n",
            (long long)most);
}

static int by_expiry(const void *a, const void *b)
{
    json_int_t first = json_integer_value(json_object_get(*(json_t *const *)a, "expires_at"));
    json_int_t second = json_integer_value(json_object_get(*(json_t *const *)b, "expires_at"));

    return (first > second) - (first < second);
}

/* The tokens that expire first. */
static void put_expiries(FILE *file, const json_t *tokens)
{
    size_t n = json_array_size(tokens);
    json_t **sorted = calloc(n + 1, sizeof(json_t *)); /* NOLINT(bugprone-sizeof-expression) */

    if (!sorted)
        return;
    for (size_t i = 0; i < n; i++)
        sorted[i] = json_array_get(tokens, i);
    qsort(sorted, n, sizeof(json_t *), by_expiry); /* NOLINT(bugprone-sizeof-expression) */
    fputs("<h2>Nearest expiries</h2><p>of at most 500 "
          "tokens</p><table><tr><th>service</th><th>service account</th>"
          "<th>state</th><th>expires in</th></tr>\n",
          file);
    for (size_t i = 0; i < n && i < EXPIRIES_MAX; i++) {
        json_int_t at = json_integer_value(json_object_get(sorted[i], "expires_at"));

        fputs("<tr>", file);
        put_member(file, sorted[i], "service");
        put_member(file, sorted[i], "serviceaccount");
        put_member(file, sorted[i], "state");
        fprintf(file, "<td>%.0f s</td></tr>\n", difftime((time_t)at, time(NULL)));
    }
    fputs("</table>\n", file);
    free(sorted);
}

static void put_summary(FILE *file, const json_t *status)
{
    const json_t *waits = json_object_get(status, "waits_for"), *each;
    const json_t *cache = json_object_get(status, "cache");
    size_t i;

    fprintf(file, "<p>podlogind %s, PeerAttestation=%s, %lld connections, %lld tokens cached</p>\n",
            json_member_string(status, "version"), json_member_string(status, "attestation"),
            (long long)json_integer_value(
                json_object_get(json_object_get(status, "connections"), "open")),
            (long long)json_integer_value(json_object_get(cache, "tokens")));
    json_array_foreach(waits, i, each)
    {
        fputs("<p class=\"bad\">cannot serve yet; waits for ", file);
        put_text(file, json_string_value(each));
        fputs("</p>\n", file);
    }
    if (json_member_string(cache, "problem")) {
        fputs("<p class=\"bad\">serving from memory only: ", file);
        put_text(file, json_member_string(cache, "problem"));
        fputs("</p>\n", file);
    }
}

char *page_render(const json_t *status, const json_t *tokens, const struct history *history)
{
    static const char *const services[][2] = {{"name", "name"},
                                              {"provider", "provider"},
                                              {"issuer", "issuer"},
                                              {"upstream", "upstream"},
                                              {NULL, NULL}};
    static const char *const issuers[][2] = {
        {"name", "name"},       {"url", "URL"},
        {"keys", "keys"},       {"keys_age_s", "fetched, seconds ago"},
        {"problem", "problem"}, {NULL, NULL}};
    static const char *const upstreams[][2] = {{"url", "URL"},
                                               {"breaker", "circuit breaker"},
                                               {"exchanges_in_flight", "in flight"},
                                               {"problem", "problem"},
                                               {NULL, NULL}};
    static const char *const refusals[][2] = {{"status", "status"},
                                              {"times", "times"},
                                              {"service", "service"},
                                              {"serviceaccount", "service account"},
                                              {"sentence", "what happened, and what to do"},
                                              {"detail", "detail"},
                                              {NULL, NULL}};
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);

    if (!file)
        return NULL;
    fputs(head, file);
    put_summary(file, status);
    put_graph(file, history);
    put_table(file, "Services", json_object_get(status, "services"), services);
    put_table(file, "Issuers", json_object_get(status, "issuers"), issuers);
    put_table(file, "Upstreams", json_object_get(status, "upstreams"), upstreams);
    put_expiries(file, tokens);
    put_table(file, "Latest refusals", json_object_get(status, "refusals"), refusals);
    fputs("</body></html>\n", file);
    if (fclose(file) == 0)
        return text;
    free(text);
    return NULL;
}
