#include "sandbox/directories.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "protocol/status.h"
#include "store/key.h"

static void closedirp(DIR **directory)
{
    if (*directory)
        closedir(*directory);
}

static bool is_empty(int fd)
{
    CLEANUP(closedirp)
    DIR *directory = fdopendir(dup(fd));
    int n = 0;

    while (directory && readdir(directory))
        n++;
    return directory && n <= 2; /* "." and ".." */
}

/*
 * Gives an empty directory away; one that has something in it may be somebody else's, unless it is
 * the owner's already. The mode is set first: once the directory belongs to another user, that
 * needs CAP_FOWNER. One that is as it should be need not be readable.
 */
static int give(const char *directory, mode_t mode, const struct owner *owner)
{
    CLEANUP(fd_closep)
    int fd = -1;
    struct stat st;

    if (lstat(directory, &st) == 0 && S_ISDIR(st.st_mode) && (st.st_mode & 07777) == mode &&
        st.st_uid == owner->uid && st.st_gid == owner->gid)
        return 0;
    fd = open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (st.st_uid != owner->uid && !is_empty(fd))
        return -ENOTEMPTY;
    if ((st.st_mode & 07777) != mode && fchmod(fd, mode) < 0)
        return -errno;
    return fchown(fd, owner->uid, owner->gid) < 0 ? -errno : 0;
}

static int set_up(const char *file, mode_t mode, const struct owner *owner)
{
    CLEANUP(freep)
    char *copy = strdup(file);
    const char *directory = copy ? dirname(copy) : NULL;
    int r = directory ? file_make_directory_of(file, mode) : -ENOMEM;

    if (r == 0)
        r = give(directory, mode, owner);
    if (r < 0)
        log_error("cannot create the directory of %s: %s", file, strerror(-r));
    return r;
}

/* The runtime key is beside the administrator's socket by default, whose group must reach it. */
static int set_up_key(const struct config *config, const char *admin, const struct owner *owner)
{
    CLEANUP(freep)
    char *key = NULL;
    char error[KEY_ERROR_MAX];
    int r;

    if (strcmp(config->cache_key, "runtime") != 0)
        return 0;
    r = cache_key_path(config->cache_key, &key, error);
    if (r < 0)
        log_error("%s", error);
    else if (!file_is_beside(key, admin))
        r = set_up(key, 0700, owner);
    return r;
}

/* Reads a decimal number; (uint32_t)-1 is no user. Moves *@text behind it. */
static bool parse_id(const char **text, uint32_t *ret_id)
{
    uint64_t id = 0;
    const char *at = *text;

    while (*at >= '0' && *at <= '9' && id <= UINT32_MAX)
        id = id * 10 + (uint64_t)(*at++ - '0');
    if (at == *text || id >= UINT32_MAX)
        return false;
    *text = at;
    *ret_id = (uint32_t)id;
    return true;
}

int owner_parse(const char *text, struct owner *ret_owner)
{
    if (!parse_id(&text, &ret_owner->uid) || *text++ != ':' || !parse_id(&text, &ret_owner->gid))
        return -EINVAL;
    return *text ? -EINVAL : 0;
}

int directories_create(const struct config *config, const struct owner *owner)
{
    const char *admin = config->admin_socket ? config->admin_socket : ADMIN_SOCKET_PATH;

    if (set_up(config->socket, 0755, owner) < 0 || set_up(admin, 0710, owner) < 0 ||
        set_up_key(config, admin, owner) < 0 || set_up(config->cache, 0700, owner) < 0)
        return EXIT_CODE_FAULT;
    return EXIT_CODE_OK;
}
