/*
 * Strings of a message, copied one after another behind a struct: one allocation holds them all, so
 * that one free, or one wipe, gets them all.
 */
#ifndef LIBRARY_PACKED_H
#define LIBRARY_PACKED_H

#include "protocol/wire.h"

/* Copies @bytes and a NUL to *@at and moves *@at past them. Returns the copy. */
const char *packed_add(char **at, struct wire_bytes bytes);

/* Returns the size of all strings of @list, with a NUL each. */
size_t packed_size(const struct wire_list *list);

#endif
