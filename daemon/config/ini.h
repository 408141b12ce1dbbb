/*
 * Configuration files: lines of `[Section]` or `[Section "name"]`, `Key=value`, and `#` comments.
 *
 * This reader is our own because keys of rules may be quoted, their values are used verbatim, and a
 * line must never be truncated (docs/decisions/0001-ini-reader.md).
 */
#ifndef CONFIG_INI_H
#define CONFIG_INI_H

#include <stddef.h>

#include "config/findings.h"

#define INI_LINE_MAX 4096 /* bytes, with a NUL */
#define INI_FILE_MAX (256 * 1024)

struct ini_line {
    int number;
    const char *section;
    const char *name;  /* of `[Section "name"]`, may be ""; NULL: it has none */
    const char *key;   /* NULL: this line begins the section */
    const char *value; /* never NULL with a key; may be empty */
};

struct ini_handler {
    /*
     * Called for each section and each setting, in order. The strings are valid until it returns.
     * Adds what is wrong to the findings. Returns 0; -EINVAL at a section whose settings should be
     * skipped; or another -errno, which ends the reading.
     */
    int (*on_line)(void *data, const struct ini_line *line);
    /* Returns whether values in this section are used verbatim. NULL: none are. */
    int (*is_verbatim)(const char *section);
    void *data;
};

/*
 * Reads a file of at most INI_FILE_MAX bytes, and goes on after a line that is not valid.
 *
 * @findings: gets what is wrong. The caller has called findings_begin() with @path.
 *
 * Returns 0, also if there are errors; or -errno if memory runs out or the handler fails.
 */
int ini_read_file(const char *path, const struct ini_handler *handler, struct findings *findings);

/* Reads @len bytes of @text in the same way. */
int ini_read(const char *text, size_t len, const struct ini_handler *handler,
             struct findings *findings);

#endif
