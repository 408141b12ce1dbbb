/* JSON objects of strings: written into a text, and a look into one that somebody else wrote. */
#ifndef COMMAND_JSON_H
#define COMMAND_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include "text/text.h"

/* Appends @before, such as "{" or ",", and a member of an object: @name, a colon and @value. */
void json_add(struct text *text, const char *before, const char *name, const char *value);

/* Appends @before and the string @value. */
void json_add_string(struct text *text, const char *before, const char *value);

/*
 * Finds the member @name of the object @json, not of the objects in it, and copies its value into
 * @value of @size bytes. Returns false if there is none, or its value is not a string, has escapes
 * or is too long.
 */
bool json_find(const char *json, const char *name, char *value, size_t size);

#endif
