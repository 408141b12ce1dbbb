/*
 * Text without stdio: strings appended to a buffer of a fixed size, or written to a descriptor.
 * With stdio, a third of the static command would be the formatting of floating-point numbers. The
 * buffer is the caller's, who can wipe it if it holds a secret.
 */
#ifndef TEXT_TEXT_H
#define TEXT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A text in a buffer, which is a C string at any time. Text that does not fit is cut off. */
struct text {
    char *at;
    size_t left; /* including the NUL at the end */
};

/* Returns an empty text in @buffer of @size bytes, at least 1. The buffer must outlive it. */
struct text text_in(char *buffer, size_t size);

/* Appends strings; the last argument is NULL. */
void text_add(struct text *text, ...) __attribute__((sentinel));

/* Appends @len bytes, which hold no NUL. */
void text_add_bytes(struct text *text, const void *bytes, size_t len);

/* Returns whether all @len bytes are visible ASCII: letters, digits and punctuation. */
bool text_is_visible(const void *bytes, size_t len);

#define NUMBER_SIZE 21

/* Writes @number in decimal into @buffer. Returns @buffer. */
const char *number_text(uint64_t number, char buffer[NUMBER_SIZE]);

#define TIME_SIZE 32

/*
 * Writes the Unix time @time_s into @buffer as RFC 3339 has it, in UTC: "2026-08-21T11:00:00Z"; or
 * nothing, if its year is before 1900 or is too large for struct tm. Returns @buffer.
 */
const char *time_text(int64_t time_s, char buffer[TIME_SIZE]);

/* Writes strings to the descriptor @fd; the last argument is NULL. Returns 0 or -errno. */
int output(int fd, ...) __attribute__((sentinel));

#endif
