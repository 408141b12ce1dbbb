/*
 * Loads the key that seals the cache (CacheKey=), and checks that others cannot know it.
 *
 *   runtime          created in the runtime directory, which must be on tmpfs: lost at shutdown
 *   credential:NAME  a credential of systemd (LoadCredential=, LoadCredentialEncrypted=)
 *   file:PATH        a file that only its owner can read
 *
 * Both may be symbolic links; what counts is the file that they lead to, and where it is. Neither
 * the link nor the file may be in the directory of the socket.
 *
 * A credential or file holds 32 random bytes, or 64 during a change of the key: the new key, which
 * seals and opens rows, followed by the previous one, which only opens them.
 */
#ifndef STORE_KEY_H
#define STORE_KEY_H

#include <stdbool.h>

#include "store/seal.h"

#define KEY_ERROR_MAX 512

struct cache_keys {
    uint8_t current[SEAL_KEY_SIZE];
    uint8_t previous[SEAL_KEY_SIZE];
    bool has_previous;
};

/*
 * Returns where the key is; creates the runtime directory.
 *
 * @ret_path:  set on success only; the caller frees it.
 * @ret_error: on some failures, one line.
 *
 * Returns 0 or -errno.
 */
int cache_key_path(const char *setting, char **ret_path, char ret_error[KEY_ERROR_MAX]);

/*
 * Loads the keys; creates the runtime key if it does not exist.
 *
 * @setting:       as above.
 * @data_path:     the database. A key in its directory or below is refused,
 * @may_be_beside: unless this is true; then a warning is logged.
 * @socket_path:   the clients' socket. Pods mount its directory, so a key or a database there or
 *                 below is refused. NULL: there is none.
 * @ret_keys:      the caller wipes it, also on failure.
 * @ret_error:     on failure, one line.
 *
 * Returns 0 or -errno.
 */
int cache_keys_load(const char *setting, const char *data_path, bool may_be_beside,
                    const char *socket_path, struct cache_keys *ret_keys,
                    char ret_error[KEY_ERROR_MAX]);

/*
 * Makes the checks of cache_keys_load(), and creates nothing: a runtime directory or key that does
 * not exist yet passes. Returns as cache_keys_load() does.
 */
int cache_keys_check(const char *setting, const char *data_path, bool may_be_beside,
                     const char *socket_path, char ret_error[KEY_ERROR_MAX]);

/* Returns the path of the runtime key, which the caller frees; NULL: out of memory. */
char *cache_key_runtime_path(void);

#endif
