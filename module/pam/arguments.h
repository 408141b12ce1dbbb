/* The arguments of a line in pam.d: "service=pulumi timeout=10s". */
#ifndef PAM_ARGUMENTS_H
#define PAM_ARGUMENTS_H

#include <stdbool.h>

#include "library/environment.h"

/* The strings are those of the line. */
struct arguments {
    struct environment settings; /* of the library; never those of the program's environment */
    const char *token_file;      /* with specifiers; see token_path.h */
    const char *variable;        /* that gets the token; NULL: that of the service */
};

struct arguments_fault {
    const char *name; /* what was given before "="; it ends there, and not with a NUL */
    int name_len;
    const char *problem; /* "not an option" */
};

/*
 * Reads the arguments @argv of a line; the defaults stand for those that are missing.
 *
 * @ret_fault: the first argument that is unknown, not valid, or there twice; set on failure only.
 *             A value is not repeated in it: it may be a secret that was written to a wrong place.
 *
 * Returns whether all are valid.
 */
bool arguments_parse(int argc, const char *const *argv, struct arguments *ret_arguments,
                     struct arguments_fault *ret_fault);

#endif
