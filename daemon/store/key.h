/*
 * Where the key that seals the cache comes from (CacheKey=), and whether others could know it.
 *
 *   runtime          made in the runtime directory, which has to be on tmpfs: it dies with the boot
 *   credential:NAME  a credential of systemd (LoadCredential=, LoadCredentialEncrypted=)
 *   file:PATH        a file that only its owner can read
 *
 * A credential or file holds 32 random bytes, or 64 while keys are changed: the new key, which
 * seals, and behind it the one before, which still opens.
 */
#ifndef KEY_H
#define KEY_H

#include <stdbool.h>

#include "store/seal.h"

#define KEY_ERROR_MAX 512

struct cache_keys {
    uint8_t current[SEAL_KEY_SIZE];
    uint8_t previous[SEAL_KEY_SIZE];
    bool has_previous;
};

/*
 * @setting: as above. @data_path: the database; a key in its directory or below is refused unless
 * @may_be_beside. The caller wipes *ret_keys. 0, or -errno with a sentence in @ret_error.
 */
int cache_keys_load(const char *setting, const char *data_path, bool may_be_beside,
                    struct cache_keys *ret_keys, char ret_error[KEY_ERROR_MAX]);

#endif
