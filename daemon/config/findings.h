/*
 * What is wrong with a configuration: errors, because of which it is refused, and warnings. All of
 * them are collected before any is told, in the order of the files and lines.
 */
#ifndef CONFIG_FINDINGS_H
#define CONFIG_FINDINGS_H

#include <stdbool.h>
#include <stddef.h>

#define FINDINGS_MAX 32  /* further ones are counted */
#define FINDING_MAX  512 /* bytes, with the NUL */

struct finding {
    int line;
    bool is_error;
    char text[FINDING_MAX]; /* "FILE:LINE: what is wrong, and what is expected" */
};

/* Initially zeroed. */
struct findings {
    const char *path; /* of the file that is read */
    size_t begin;     /* the first finding of this file */
    size_t n;
    size_t n_errors;
    size_t n_omitted; /* not in the list, because it was full */
    struct finding list[FINDINGS_MAX];
};

/* What is found from now on is about the file at @path, which must be valid until then. */
void findings_begin(struct findings *findings, const char *path);

/*
 * Add a finding about a line, in the manner of printf(3). @line: 1 also stands for the file as a
 * whole; 0: for a file or directory without lines.
 */
__attribute__((format(printf, 3, 4))) void findings_error(struct findings *findings, int line,
                                                          const char *format, ...);
__attribute__((format(printf, 3, 4))) void findings_warning(struct findings *findings, int line,
                                                            const char *format, ...);

/* The same, as an error only if @is_error. */
__attribute__((format(printf, 4, 5))) void findings_add(struct findings *findings, bool is_error,
                                                        int line, const char *format, ...);

#endif
