/* The command line. */
#ifndef STANDIN_OPTIONS_H
#define STANDIN_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "standin/listeners.h"

struct options {
    const char *directory;
    uint16_t ports[LISTENERS]; /* 0: the kernel chooses */
    int rsa_bits;
    bool has_help;
    bool dies_with_parent;
};

extern const char options_usage[];

/* Returns 0, or -EINVAL after a usage error. With has_help the other options are not checked. */
int options_read(int argc, char **argv, struct options *ret_options);

#endif
