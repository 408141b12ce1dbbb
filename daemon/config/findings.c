#include "config/findings.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void findings_begin(struct findings *findings, const char *path)
{
    findings->path = path;
    findings->begin = findings->n;
}

/* Makes room in a full list: an error is never omitted for the sake of a warning. */
static bool drop_warning(struct findings *findings)
{
    for (size_t i = findings->n; i > 0; i--) {
        if (findings->list[i - 1].is_error)
            continue;
        memmove(&findings->list[i - 1], &findings->list[i],
                (findings->n - i) * sizeof(findings->list[0]));
        findings->n--;
        if (i - 1 < findings->begin)
            findings->begin--;
        return true;
    }
    return false;
}

/* Returns a new finding, after those of its file up to its line; or NULL if the list is full. */
static struct finding *insert(struct findings *findings, bool is_error, int line)
{
    size_t at;

    findings->n_errors += is_error;
    if (findings->n == FINDINGS_MAX) {
        findings->n_omitted++;
        if (!is_error || !drop_warning(findings))
            return NULL;
    }
    for (at = findings->n; at > findings->begin && findings->list[at - 1].line > line; at--)
        findings->list[at] = findings->list[at - 1];
    findings->n++;
    findings->list[at] = (struct finding){.line = line, .is_error = is_error};
    return &findings->list[at];
}

static void add(struct findings *findings, bool is_error, int line, const char *format,
                va_list args)
{
    struct finding *finding = insert(findings, is_error, line);
    int n;

    if (!finding)
        return;
    if (line)
        n = snprintf(finding->text, FINDING_MAX, "%s:%d: ", findings->path, line);
    else
        n = snprintf(finding->text, FINDING_MAX, "%s: ", findings->path);
    if (n > 0 && n < FINDING_MAX)
        vsnprintf(finding->text + n, (size_t)(FINDING_MAX - n), format, args);
}

void findings_error(struct findings *findings, int line, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add(findings, true, line, format, args);
    va_end(args);
}

void findings_warning(struct findings *findings, int line, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add(findings, false, line, format, args);
    va_end(args);
}

void findings_add(struct findings *findings, bool is_error, int line, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add(findings, is_error, line, format, args);
    va_end(args);
}
