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

#endif
