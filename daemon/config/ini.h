/*
 * Configuration files: lines of `[Section]` or `[Section "name"]`, `Key=value`, and `#` comments.
 *
 * This reader is our own because keys of rules may be quoted, their values are used verbatim, and a
 * line must never be truncated (docs/decisions/0001-ini-reader.md).
 */
#ifndef CONFIG_INI_H
#define CONFIG_INI_H

#include <stddef.h>

#define INI_LINE_MAX  4096 /* bytes, with a NUL */
#define INI_ERROR_MAX 512  /* bytes, with a NUL */
#define INI_FILE_MAX  (256 * 1024)

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
     * Returns 0; -EINVAL with an error in @ret_error; or another -errno. A failure ends the
     * reading.
     */
    int (*on_line)(void *data, const struct ini_line *line, char *ret_error, size_t error_size);
    /* Returns whether values in this section are used verbatim. NULL: none are. */
    int (*is_verbatim)(const char *section);
    void *data;
};

/*
 * Reads a file of at most INI_FILE_MAX bytes.
 *
 * @ret_error: if the file is invalid, "FILE:LINE: the error, and what is expected"; if it cannot be
 *             read, "FILE: cannot read file: the reason". Not changed if memory runs out.
 *
 * Returns 0; -EINVAL if the file is invalid; or another -errno.
 */
int ini_read_file(const char *path, const struct ini_handler *handler,
                  char ret_error[INI_ERROR_MAX]);

/* Reads @len bytes of @text in the same way. @path is used in errors only. */
int ini_read(const char *path, const char *text, size_t len, const struct ini_handler *handler,
             char ret_error[INI_ERROR_MAX]);

#endif
