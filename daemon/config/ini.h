/*
 * Configuration files: `[Section]` or `[Section "name"]`, `Key=value`, `#` comments, one a line.
 *
 * A reader of our own, since a rule's key may be quoted, its value is taken as it stands, and a
 * line must never be cut (docs/decisions/0001-ini-reader.md).
 */
#ifndef INI_H
#define INI_H

#include <stddef.h>

#define INI_LINE_MAX  4096
#define INI_ERROR_MAX 512
#define INI_FILE_MAX  (256 * 1024)

struct ini_line {
    int number;
    const char *section;
    const char *name;  /* of `[Section "name"]`; NULL */
    const char *key;   /* NULL: the section begins here */
    const char *value; /* never NULL with a key; may be empty */
};

struct ini_handler {
    /*
     * Called for each section and each setting, in order; the strings live until it returns.
     * 0, or -EINVAL with a sentence in @ret_error, or another -errno.
     */
    int (*on_line)(void *data, const struct ini_line *line, char *ret_error, size_t error_size);
    /* Whether values of this section are taken as they stand, comments and all. */
    int (*is_verbatim)(const char *section);
    void *data;
};

/*
 * Reads a file. On failure @ret_error is "FILE:LINE: what is wrong, and what would be right".
 * 0, -EINVAL (the file's fault) or another -errno (it could not be read).
 */
int ini_read_file(const char *path, const struct ini_handler *handler,
                  char ret_error[INI_ERROR_MAX]);

/* The same for text in memory; @path only names it in errors. */
int ini_read(const char *path, const char *text, size_t len, const struct ini_handler *handler,
             char ret_error[INI_ERROR_MAX]);

#endif
