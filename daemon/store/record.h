/*
 * What the store keeps under a key: bytes that are opaque to the store, and their lifetime.
 */
#ifndef STORE_RECORD_H
#define STORE_RECORD_H

#include <stdint.h>

#include "base/secret.h"

#define RECORD_BYTES_MAX      (64 * 1024 + 64)
#define RECORD_LIFETIME_MAX_S (7 * 24 * 3600)

struct record {
    struct secret *bytes;       /* owned */
    int64_t created_s;          /* by the wall clock, Unix time */
    int64_t expires_s;          /* by the wall clock, Unix time */
    uint64_t expires_boot_usec; /* the same time by the boot clock */
};

#endif
