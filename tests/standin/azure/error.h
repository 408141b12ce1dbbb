/* The errors of Entra, by their numbers: AADSTS700024. */
#ifndef STANDIN_AZURE_ERROR_H
#define STANDIN_AZURE_ERROR_H

#include <stdbool.h>

struct reply;

/*
 * Answers with the error @name, "AADSTS" and its number. @detail becomes part of its description.
 * Returns false when there is no such error.
 */
bool azure_refuse(struct reply *reply, const char *name, const char *detail);

#endif
