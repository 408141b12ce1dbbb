/* Checks values of settings, and formats errors about them. */
#ifndef BASE_SETTING_H
#define BASE_SETTING_H

#include <stddef.h>
#include <stdint.h>

/*
 * Each returns NULL if @value is valid, or else what is expected, as a constant that completes a
 * sentence: "a path that begins with /". An empty value means "not set" and is valid.
 */
const char *setting_expects_text(const char *value);
const char *setting_expects_path(const char *value);
const char *setting_expects_url(const char *value);
const char *setting_expects_name(const char *value); /* becomes the value of a variable, or a part
                                                        of a file */

/*
 * Reads a time span (text/time_span.h) of whole seconds, from @min_s to @max_s.
 *
 * @ret_s: set on success only.
 *
 * Returns 0, or -EINVAL: not a time span, not whole seconds, or out of range.
 */
int setting_seconds(const char *value, uint64_t min_s, uint64_t max_s, uint64_t *ret_s);

/*
 * Returns the next word of *@at, which blanks separate, and moves *@at behind it; NULL: there is
 * none. The word is not terminated; it has *ret_len bytes.
 */
const char *setting_word(const char **at, size_t *ret_len);

/* Writes an error in the manner of printf(3), truncated to @size. Returns -EINVAL. */
__attribute__((format(printf, 3, 4))) int setting_wrong(char *ret_error, size_t size,
                                                        const char *format, ...);

#endif
