/*
 * Reads the settings of one file, and remembers where they are, so that a mistake that shows later
 * is told with its line.
 */
#ifndef CONFIG_READER_H
#define CONFIG_READER_H

#include "config/config.h"
#include "config/ini.h"
#include "config/parse.h"

#define READER_SETTINGS_MAX 16 /* in a section */
#define READER_SECTIONS_MAX 2  /* that a file has once */

struct setting {
    const char *key; /* NULL at the end of a table */
    setting_parser parse;
    size_t offset; /* of the member in the target */
};

/* Where something is in the file. */
struct place {
    int line; /* 0: nowhere */
    bool is_refused;
};

/* Initially zero but for the first three. */
struct reader {
    const struct config *config;
    struct findings *findings;
    void *target; /* what the file is about */
    struct place sections[READER_SECTIONS_MAX];
    struct place
        settings[READER_SETTINGS_MAX];        /* of the first section, in the order of its table */
    struct place others[READER_SETTINGS_MAX]; /* of the second */
};

/* Notes section @i, which a file has once. Returns 0, or -EINVAL if it is there again. */
int reader_begin_section(struct reader *reader, size_t i, const struct ini_line *line);

/* Adds that the section is unknown. Returns -EINVAL. */
int reader_unknown_section(struct reader *reader, const struct ini_line *line,
                           const char *expected);

/* Notes a setting. @expected: NULL, or what is expected instead of its value. */
void reader_note(struct reader *reader, struct place *place, const struct ini_line *line,
                 const char *expected);

/* Finds the setting in a table, stores its value in the target, and notes its place. */
void reader_set(struct reader *reader, const struct setting *settings, void *target,
                struct place *places, const struct ini_line *line);

/* Returns the line of setting @i of the first section; or @otherwise if it is not there. */
int reader_line(const struct reader *reader, size_t i, int otherwise);

/* Adds an error if setting @i is not there, or is empty: its @value is NULL. */
void reader_require(struct reader *reader, size_t i, const void *value, const char *what);

/* Adds the error that both settings cannot be set, at the second of them. */
void reader_refuse_both(struct reader *reader, size_t a, size_t b, const char *what);

#endif
