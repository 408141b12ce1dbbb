/*
 * What the store keeps under a key: bytes that mean something to its users only, and how long they
 * count.
 */
#ifndef RECORD_H
#define RECORD_H

#include <stdint.h>

#include "base/secret.h"

#define RECORD_BYTES_MAX      (64 * 1024 + 64)
#define RECORD_LIFETIME_MAX_S (7 * 24 * 3600)

struct record {
    struct secret *bytes;
    int64_t created_s; /* by the wall clock */
    int64_t expires_s;
    uint64_t expires_boot_usec; /* the same moment by the boot clock */
};

#endif
