#include "seal.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/magic.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define RUNTIME_DIRECTORY "/run/podlogind"
#define KEY_NAME          "cache.key"

static int key_derive(const struct secret *master, const char *purpose, struct secret **ret_key)
{
    CLEANUP(secret_freep)
    struct secret *key = secret_alloc(SEAL_KEY_SIZE);

    if (!key || !HMAC(EVP_sha256(), master->bytes, (int)master->len, (const unsigned char *)purpose,
                      strlen(purpose), key->bytes, NULL))
        return -ENOMEM;
    *ret_key = TAKE_PTR(key);
    return 0;
}

int seal_init_key(struct seal *seal, const void *bytes)
{
    CLEANUP(secret_freep)
    struct secret *master = secret_new(bytes, SEAL_KEY_SIZE);
    CLEANUP(secret_freep)
    struct secret *id = NULL;

    *seal = (struct seal){0};
    if (!master || key_derive(master, "podlogin 1 seal", &seal->key) < 0 ||
        key_derive(master, "podlogin 1 name", &seal->index_key) < 0 ||
        key_derive(master, "podlogin 1 key id", &id) < 0)
        return -ENOMEM;
    memcpy(seal->id, id->bytes, sizeof(seal->id));
    seal->cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    seal->ctx = EVP_CIPHER_CTX_new();
    return seal->cipher && seal->ctx ? 0 : -ENOMEM;
}

void seal_done(struct seal *seal)
{
    secret_free(seal->key);
    secret_free(seal->index_key);
    EVP_CIPHER_CTX_free(seal->ctx);
    EVP_CIPHER_free(seal->cipher);
    *seal = (struct seal){0};
}

static int key_read(int fd, uint8_t bytes[SEAL_KEY_SIZE])
{
    uint8_t more;

    if (read(fd, bytes, SEAL_KEY_SIZE) != SEAL_KEY_SIZE || read(fd, &more, 1) != 0)
        return -EBADMSG;
    return 0;
}

/* Who else could read the key, or put another in its place? */
static int key_file_check(int fd, const char *path, char *ret_error)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode) || st.st_mode & 077 || (st.st_uid != geteuid() && st.st_uid != 0)) {
        snprintf(ret_error, SEAL_ERROR_MAX,
                 "the key %s must be a regular file of root or of the daemon's user, mode 0400 or "
                 "0600",
                 path);
        return -EPERM;
    }
    return 0;
}

static int key_load(const char *path, uint8_t bytes[SEAL_KEY_SIZE], char *ret_error)
{
    CLEANUP(fd_closep)
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);
    int r;

    if (fd < 0) {
        r = -errno;
        snprintf(ret_error, SEAL_ERROR_MAX, "the key %s cannot be read: %s", path, strerror(-r));
        return r;
    }
    r = key_file_check(fd, path, ret_error);
    if (r < 0)
        return r;
    r = key_read(fd, bytes);
    if (r < 0)
        snprintf(ret_error, SEAL_ERROR_MAX,
                 "the key %s must hold exactly 32 random bytes: head -c 32 /dev/urandom", path);
    return r;
}

/* Renamed into place, so that no half-written key is ever found. */
static int key_create(const char *path, uint8_t bytes[SEAL_KEY_SIZE], char *ret_error)
{
    CLEANUP(freep)
    char *temporary = NULL;
    CLEANUP(fd_closep)
    int fd = -1;
    int r = 0;

    if (asprintf(&temporary, "%s.new", path) < 0)
        return -ENOMEM;
    if (RAND_priv_bytes(bytes, SEAL_KEY_SIZE) != 1)
        return -EIO;
    unlink(temporary);
    fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || write(fd, bytes, SEAL_KEY_SIZE) != SEAL_KEY_SIZE || rename(temporary, path) < 0)
        r = errno ? -errno : -EIO;
    if (r < 0)
        snprintf(ret_error, SEAL_ERROR_MAX, "the key %s cannot be written: %s", path, strerror(-r));
    return r;
}

/* A key in tmpfs dies with the boot, and so never is in a disk's snapshot or backup. */
static int runtime_directory_check(const char *directory, char *ret_error)
{
    struct statfs fs = {0};
    int r = 0;

    if ((mkdir(directory, 0700) < 0 && errno != EEXIST) || statfs(directory, &fs) < 0)
        r = -errno;
    if (r < 0) {
        snprintf(ret_error, SEAL_ERROR_MAX, "the runtime directory %s cannot be used: %s",
                 directory, strerror(-r));
        return r;
    }
    if (fs.f_type != TMPFS_MAGIC && fs.f_type != RAMFS_MAGIC) {
        snprintf(ret_error, SEAL_ERROR_MAX,
                 "%s is not on tmpfs, so CacheKey=runtime would put the key on a disk; set "
                 "RUNTIME_DIRECTORY, or use CacheKey=file:PATH",
                 directory);
        return -EPERM;
    }
    return 0;
}

static int same_directory(const char *key_path, const char *data_path)
{
    CLEANUP(freep)
    char *key_copy = strdup(key_path), *data_copy = strdup(data_path);
    struct stat key_st, data_st;

    if (!key_copy || !data_copy || stat(dirname(key_copy), &key_st) < 0 ||
        stat(dirname(data_copy), &data_st) < 0)
        return 0; /* what is not there says its own error later */
    return key_st.st_dev == data_st.st_dev && key_st.st_ino == data_st.st_ino;
}

static int is_beside(const char *key_path, const char *data_path, char *ret_error)
{
    if (!same_directory(key_path, data_path))
        return 0;
    snprintf(ret_error, SEAL_ERROR_MAX,
             "the key %s is in the directory of the cache: whoever copies that directory has both; "
             "keep it elsewhere",
             key_path);
    return 1;
}

static int key_runtime(uint8_t bytes[SEAL_KEY_SIZE], const char *data_path, char *ret_error)
{
    const char *directory = getenv("RUNTIME_DIRECTORY");
    CLEANUP(freep)
    char *path = NULL;
    int r;

    if (!directory || *directory != '/')
        directory = RUNTIME_DIRECTORY;
    r = runtime_directory_check(directory, ret_error);
    if (r < 0)
        return r;
    if (asprintf(&path, "%s/" KEY_NAME, directory) < 0)
        return -ENOMEM;
    if (is_beside(path, data_path, ret_error))
        return -EPERM;
    r = key_load(path, bytes, ret_error);
    if (r == -ENOENT)
        r = key_create(path, bytes, ret_error);
    return r;
}

int seal_init(struct seal *seal, const char *setting, const char *data_path,
              char ret_error[SEAL_ERROR_MAX])
{
    uint8_t bytes[SEAL_KEY_SIZE];
    int r;

    snprintf(ret_error, SEAL_ERROR_MAX, "the cache's key cannot be set up");
    *seal = (struct seal){0};
    if (strncmp(setting, "file:", 5) != 0)
        r = key_runtime(bytes, data_path, ret_error);
    else if (is_beside(setting + 5, data_path, ret_error))
        r = -EPERM;
    else
        r = key_load(setting + 5, bytes, ret_error);
    if (r == 0)
        r = seal_init_key(seal, bytes);
    explicit_bzero(bytes, sizeof(bytes));
    return r;
}

int seal_close(struct seal *seal, const void *bytes, size_t len, const void *associated,
               size_t associated_len, uint8_t *ret_sealed)
{
    uint8_t *nonce = ret_sealed, *at = ret_sealed + SEAL_NONCE;
    int n;

    if (RAND_bytes(nonce, SEAL_NONCE) != 1 ||
        EVP_EncryptInit_ex2(seal->ctx, seal->cipher, seal->key->bytes, nonce, NULL) != 1 ||
        EVP_EncryptUpdate(seal->ctx, NULL, &n, associated, (int)associated_len) != 1 ||
        EVP_EncryptUpdate(seal->ctx, at, &n, bytes, (int)len) != 1 ||
        EVP_EncryptFinal_ex(seal->ctx, at + n, &n) != 1 ||
        EVP_CIPHER_CTX_ctrl(seal->ctx, EVP_CTRL_AEAD_GET_TAG, SEAL_TAG, at + len) != 1)
        return -EIO;
    return 0;
}

int seal_open(struct seal *seal, const uint8_t *sealed, size_t len, const void *associated,
              size_t associated_len, uint8_t *ret_bytes)
{
    uint8_t tag[SEAL_TAG];
    int n;

    if (len < SEAL_OVERHEAD)
        return -EBADMSG;
    memcpy(tag, sealed + len - SEAL_TAG, SEAL_TAG);
    if (EVP_DecryptInit_ex2(seal->ctx, seal->cipher, seal->key->bytes, sealed, NULL) != 1 ||
        EVP_DecryptUpdate(seal->ctx, NULL, &n, associated, (int)associated_len) != 1 ||
        EVP_DecryptUpdate(seal->ctx, ret_bytes, &n, sealed + SEAL_NONCE,
                          (int)(len - SEAL_OVERHEAD)) != 1 ||
        EVP_CIPHER_CTX_ctrl(seal->ctx, EVP_CTRL_AEAD_SET_TAG, SEAL_TAG, tag) != 1 ||
        EVP_DecryptFinal_ex(seal->ctx, ret_bytes + n, &n) != 1)
        return -EBADMSG;
    return 0;
}

int seal_name(const struct seal *seal, const struct digest *key, struct digest *ret_name)
{
    return HMAC(EVP_sha256(), seal->index_key->bytes, (int)seal->index_key->len, key->bytes,
                sizeof(key->bytes), ret_name->bytes, NULL)
               ? 0
               : -ENOMEM;
}
