/* Values of settings: what would be right, and how a mistake is told. */
#ifndef SETTING_H
#define SETTING_H

#include <stddef.h>
#include <stdint.h>

/*
 * Each returns NULL if @value will do, or else what would be right, as a part of a sentence: "a
 * path that begins with /". An empty value means that the setting is not set, and will do.
 */
const char *setting_expects_text(const char *value);
const char *setting_expects_path(const char *value);
const char *setting_expects_url(const char *value);

/*
 * Reads a time span of whole seconds, @min_s to @max_s. Returns 0, or -EINVAL: it is none, or out
 * of bounds.
 */
int setting_seconds(const char *value, uint64_t min_s, uint64_t max_s, uint64_t *ret_s);

/* Writes a sentence in the manner of printf(), and returns -EINVAL. */
__attribute__((format(printf, 3, 4))) int setting_wrong(char *ret_error, size_t size,
                                                        const char *format, ...);

#endif
