/*
 * Text without stdio: strings put together in a buffer of a fixed size, or written out whole. A
 * third of the static command would otherwise be the formatting of floating point.
 */
#ifndef TEXT_H
#define TEXT_H

#include <stddef.h>
#include <stdint.h>

/* Appends to a buffer that always stays a C string; what does not fit is cut. */
struct text {
    char *at;
    size_t left; /* the final NUL included */
};

struct text text_in(char *buffer, size_t size);

/* Strings, up to a NULL. */
void text_add(struct text *text, ...) __attribute__((sentinel));
void text_add_bytes(struct text *text, const void *bytes, size_t len);

#define NUMBER_SIZE 21

/* Decimal digits of @number in @buffer, which it returns. */
const char *number_text(uint64_t number, char buffer[NUMBER_SIZE]);

/* RFC 3339, in UTC: "2026-08-21T11:00:00Z". */
#define TIME_SIZE 32
const char *time_text(int64_t time_s, char buffer[TIME_SIZE]);

/* Writes strings, up to a NULL, to a descriptor. 0 or -errno. */
int output(int fd, ...) __attribute__((sentinel));

#endif
