#include "sandbox/directories.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "protocol/status.h"
#include "store/key.h"

/*
 * The mode is set first: once the directory belongs to another user, that needs CAP_FOWNER. One
 * that is as it should be need not be readable.
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

int owner_parse(const char *text, struct owner *ret_owner)
{
    char end;

    return sscanf(text, "%u:%u%c", &ret_owner->uid, &ret_owner->gid, &end) == 2 ? 0 : -EINVAL;
}

int directories_create(const struct config *config, const struct owner *owner)
{
    const char *admin = config->admin_socket ? config->admin_socket : ADMIN_SOCKET_PATH;

    if (set_up(config->socket, 0755, owner) < 0 || set_up(admin, 0710, owner) < 0 ||
        set_up_key(config, admin, owner) < 0 || set_up(config->cache, 0700, owner) < 0)
        return EXIT_CODE_FAULT;
    return EXIT_CODE_OK;
}
