#include "config/reader.h"

#include <errno.h>
#include <string.h>

int reader_begin_section(struct reader *reader, size_t i, const struct ini_line *line)
{
    if (reader->sections[i].line) {
        findings_error(reader->findings, line->number,
                       "[%.64s] appears twice; the first is in line %d: merge them", line->section,
                       reader->sections[i].line);
        return -EINVAL;
    }
    reader->sections[i].line = line->number;
    return 0;
}

void reader_note(struct reader *reader, struct place *place, const struct ini_line *line,
                 const char *expected)
{
    if (expected)
        findings_error(reader->findings, line->number, "%s=%.64s is not valid; expected %s",
                       line->key, line->value, expected);
    else if (place->line)
        findings_warning(reader->findings, line->number,
                         "%s= is set twice; the value in line %d is not used", line->key,
                         place->line);
    place->line = line->number;
    place->is_refused |= expected != NULL;
}

void reader_set(struct reader *reader, const struct setting *settings, void *target,
                struct place *places, const struct ini_line *line)
{
    size_t i = 0;

    while (settings[i].key && strcmp(settings[i].key, line->key) != 0)
        i++;
    if (settings[i].key)
        reader_note(reader, &places[i], line,
                    settings[i].parse(line->value, (char *)target + settings[i].offset));
    else
        findings_error(reader->findings, line->number,
                       "[%.64s] has no setting %.64s=", line->section, line->key);
}

int reader_unknown_section(struct reader *reader, const struct ini_line *line, const char *expected)
{
    findings_error(reader->findings, line->number, "unknown section [%.64s]; expected %s",
                   line->section, expected);
    return -EINVAL;
}

int reader_line(const struct reader *reader, size_t i, int otherwise)
{
    return reader->settings[i].line ? reader->settings[i].line : otherwise;
}

void reader_require(struct reader *reader, size_t i, const void *value, const char *what)
{
    if (!value && !reader->settings[i].is_refused)
        findings_error(reader->findings, reader_line(reader, i, 1), "%s", what);
}

void reader_refuse_both(struct reader *reader, size_t a, size_t b, const char *what)
{
    int line = reader->settings[a].line;

    if (reader->settings[b].line > line)
        line = reader->settings[b].line;
    findings_error(reader->findings, line, "%s cannot both be set", what);
}
