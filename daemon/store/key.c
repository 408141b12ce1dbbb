#include "store/key.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/file.h"
#include "base/log.h"

#define RUNTIME_DIRECTORY "/run/podlogind"
#define KEY_NAME          "cache.key"

/* Detects mistakes: a key in hexadecimal, or a single byte repeated, is not random bytes. */
static bool is_random(const uint8_t *bytes, size_t len)
{
    size_t n_hex = 0, n_same = 0;

    for (size_t i = 0; i < len; i++) {
        n_hex += isxdigit(bytes[i]) != 0;
        n_same += bytes[i] == bytes[0];
    }
    return n_hex < len && n_same < len;
}

static int keys_read(int fd, struct cache_keys *ret_keys)
{
    uint8_t bytes[2 * SEAL_KEY_SIZE];
    size_t n = 0;
    int r = file_read(fd, bytes, sizeof(bytes), &n);

    if (r < 0 || (n != SEAL_KEY_SIZE && n != 2 * SEAL_KEY_SIZE) || !is_random(bytes, n))
        r = -EBADMSG;
    *ret_keys = (struct cache_keys){.has_previous = n == 2 * SEAL_KEY_SIZE};
    if (r == 0)
        memcpy(ret_keys->current, bytes, SEAL_KEY_SIZE);
    if (r == 0 && ret_keys->has_previous)
        memcpy(ret_keys->previous, bytes + SEAL_KEY_SIZE, SEAL_KEY_SIZE);
    explicit_bzero(bytes, sizeof(bytes));
    return r;
}

/* Checks that no other user can read or replace the key. @others: mode bits that must be 0. */
static int file_check(int fd, const char *path, mode_t others, char *ret_error)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode) || st.st_mode & others || (st.st_uid != geteuid() && st.st_uid != 0)) {
        snprintf(
            ret_error, KEY_ERROR_MAX,
            "the key %.200s must be a regular file of root or the daemon's user, with mode 0400 "
            "or 0600",
            path);
        return -EPERM;
    }
    return 0;
}

static int load(const char *path, mode_t others, struct cache_keys *ret_keys, char *ret_error)
{
    CLEANUP(fd_closep)
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
    int r;

    if (fd < 0) {
        r = -errno;
        snprintf(ret_error, KEY_ERROR_MAX, "cannot read the key %.200s: %s", path, strerror(-r));
        return r;
    }
    r = file_check(fd, path, others, ret_error);
    if (r < 0)
        return r;
    r = keys_read(fd, ret_keys);
    if (r < 0)
        snprintf(ret_error, KEY_ERROR_MAX,
                 "the key %.200s must have exactly 32 random bytes (head -c 32 /dev/urandom), or "
                 "64: the new key, then the previous one",
                 path);
    return r;
}

/* Creates a key. It is renamed into place, so that a partly written key is never read. */
static int create(const char *path, struct cache_keys *ret_keys, char *ret_error)
{
    CLEANUP(freep)
    char *temporary = NULL;
    CLEANUP(fd_closep)
    int fd = -1;
    int r = 0;

    *ret_keys = (struct cache_keys){0};
    if (asprintf(&temporary, "%s.new", path) < 0)
        return -ENOMEM;
    if (RAND_priv_bytes(ret_keys->current, SEAL_KEY_SIZE) != 1)
        return -EIO;
    unlink(temporary);
    fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || write(fd, ret_keys->current, SEAL_KEY_SIZE) != SEAL_KEY_SIZE ||
        rename(temporary, path) < 0)
        r = errno ? -errno : -EIO;
    if (r < 0)
        snprintf(ret_error, KEY_ERROR_MAX, "cannot write the key %.200s: %s", path, strerror(-r));
    return r;
}

/* A key on tmpfs is lost at shutdown, so it is never in a snapshot or backup of a disk. */
static int runtime_directory_check(const char *directory, bool creates, char *ret_error)
{
    struct statfs fs = {0};
    int r = 0;

    if ((creates && mkdir(directory, 0700) < 0 && errno != EEXIST) || statfs(directory, &fs) < 0)
        r = -errno;
    if (r == -ENOENT && !creates)
        return 0;
    if (r < 0) {
        snprintf(ret_error, KEY_ERROR_MAX, "cannot use the runtime directory %.200s: %s", directory,
                 strerror(-r));
        return r;
    }
    if (fs.f_type != TMPFS_MAGIC && fs.f_type != RAMFS_MAGIC) {
        snprintf(ret_error, KEY_ERROR_MAX,
                 "%.200s is not on tmpfs, so CacheKey=runtime would put the key on a disk; set "
                 "RUNTIME_DIRECTORY, or use CacheKey=credential:NAME or CacheKey=file:PATH",
                 directory);
        return -EPERM;
    }
    return 0;
}

/*
 * Replaces *@path with the file that it leads to: in a Secret volume each file is a symbolic link.
 * A path that leads nowhere stays; reading it tells why.
 */
static void resolve(char **path)
{
    char *real = realpath(*path, NULL);

    if (!real)
        return;
    free(*path);
    *path = real;
}

/* Pods mount the directory of the socket, and root in a pod may read any file in it. */
static int pods_check(const char *what, const char *path, const char *socket_path, char *ret_error)
{
    if (!socket_path || !file_is_beside(path, socket_path))
        return 0;
    snprintf(
        ret_error, KEY_ERROR_MAX,
        "%s %.200s is in the directory of the socket, which pods mount; keep it elsewhere, and "
        "nothing but the socket in that directory",
        what, path);
    return -EPERM;
}

/* A copy of the cache's directory must not contain the key. */
static int beside_check(const char *key_path, const char *data_path, bool may_be_beside,
                        char *ret_error)
{
    if (!file_is_beside(key_path, data_path))
        return 0;
    if (may_be_beside) {
        log_warning(
            "the key %s is in the directory of the cache: a copy of that directory has both",
            key_path);
        return 0;
    }
    snprintf(ret_error, KEY_ERROR_MAX,
             "the key %.200s is in the directory of the cache: a copy of that directory has both; "
             "keep the key elsewhere, or allow this with CacheKeyBesideCache=yes",
             key_path);
    return -EPERM;
}

static const char *runtime_directory(void)
{
    const char *directory = getenv("RUNTIME_DIRECTORY");

    return directory && *directory == '/' ? directory : RUNTIME_DIRECTORY;
}

char *cache_key_runtime_path(void)
{
    char *path;

    return asprintf(&path, "%s/" KEY_NAME, runtime_directory()) < 0 ? NULL : path;
}

/* Returns 0, and a path that the caller frees; or -errno. */
static int runtime_path(bool creates, char **ret_path, char *ret_error)
{
    int r = runtime_directory_check(runtime_directory(), creates, ret_error);

    if (r < 0)
        return r;
    *ret_path = cache_key_runtime_path();
    return *ret_path ? 0 : -ENOMEM;
}

/*
 * systemd puts credentials into a directory of this service only, and often grants its user access
 * by an ACL (systemd.exec(5)). The group bits of the mode then show the mask of the ACL.
 */
static int credential_path(const char *name, char **ret_path, char *ret_error)
{
    const char *directory = getenv("CREDENTIALS_DIRECTORY");

    if (!directory || *directory != '/') {
        snprintf(
            ret_error, KEY_ERROR_MAX,
            "CacheKey=credential:%.64s requires LoadCredential=%.64s:PATH in the unit: the service "
            "has no credentials (CREDENTIALS_DIRECTORY is not set)",
            name, name);
        return -ENOENT;
    }
    return asprintf(ret_path, "%s/%s", directory, name) < 0 ? -ENOMEM : 0;
}

static int key_path(const char *setting, bool creates, char **ret_path, char *ret_error)
{
    if (strcmp(setting, "runtime") == 0)
        return runtime_path(creates, ret_path, ret_error);
    if (strncmp(setting, "credential:", 11) == 0)
        return credential_path(setting + 11, ret_path, ret_error);
    *ret_path = strdup(setting + 5);
    return *ret_path ? 0 : -ENOMEM;
}

int cache_key_path(const char *setting, char **ret_path, char ret_error[KEY_ERROR_MAX])
{
    return key_path(setting, true, ret_path, ret_error);
}

static int keys_load(const char *setting, const char *data_path, bool may_be_beside,
                     const char *socket_path, bool creates, struct cache_keys *ret_keys,
                     char *ret_error)
{
    bool is_runtime = strcmp(setting, "runtime") == 0;
    bool is_credential = strncmp(setting, "credential:", 11) == 0;
    CLEANUP(freep)
    char *path = NULL;
    int r;

    *ret_keys = (struct cache_keys){0};
    snprintf(ret_error, KEY_ERROR_MAX, "cannot set up the cache key");
    r = key_path(setting, creates, &path, ret_error);
    /* before it is resolved, too: a link in that directory is as bad, if pods can replace it */
    if (r == 0)
        r = pods_check("the key", path, socket_path, ret_error);
    if (r == 0 && !is_runtime)
        resolve(&path);
    if (r == 0)
        r = beside_check(path, data_path, may_be_beside, ret_error);
    if (r == 0)
        r = pods_check("the key", path, socket_path, ret_error);
    if (r == 0)
        r = pods_check("the cache", data_path, socket_path, ret_error);
    if (r < 0)
        return r;
    r = load(path, is_credential ? 0007 : 0077, ret_keys, ret_error);
    if (r == -ENOENT && is_runtime)
        r = creates ? create(path, ret_keys, ret_error) : 0;
    return r;
}

int cache_keys_load(const char *setting, const char *data_path, bool may_be_beside,
                    const char *socket_path, struct cache_keys *ret_keys,
                    char ret_error[KEY_ERROR_MAX])
{
    return keys_load(setting, data_path, may_be_beside, socket_path, true, ret_keys, ret_error);
}

int cache_keys_check(const char *setting, const char *data_path, bool may_be_beside,
                     const char *socket_path, char ret_error[KEY_ERROR_MAX])
{
    struct cache_keys keys;
    int r = keys_load(setting, data_path, may_be_beside, socket_path, false, &keys, ret_error);

    explicit_bzero(&keys, sizeof(keys));
    return r;
}
