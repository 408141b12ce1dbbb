/* Makes private directories, safe from other users who can write to the same place. */
#include "command/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "library/environment.h"
#include "protocol/messages.h"

#define TMPFS_TYPE 0x01021994 /* f_type of statfs(2) */
#define RAMFS_TYPE 0x858458f6
#define PLACE_MAX  (DIRECTORY_PATH_SIZE - 128) /* bytes; the rest is for the directory's name */

static bool is_in_memory(const char *place)
{
    struct statfs status;

    if (statfs(place, &status) < 0)
        return false;
    return (uint32_t)status.f_type == TMPFS_TYPE || (uint32_t)status.f_type == RAMFS_TYPE;
}

/*
 * Opens the directory at @path, which is made if it does not exist. Who can write to the place may
 * have made it before, or a link of its name, so owner and mode are those of what was opened.
 */
static int directory_open(const char *path)
{
    struct stat status;
    int fd;

    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return -errno;
    fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (fstat(fd, &status) == 0 && status.st_uid == geteuid() && (status.st_mode & 077) == 0)
        return fd;
    close(fd);
    return -EPERM;
}

/* A name that no other process uses, also of another PID namespace with the same directory. */
static int temporary_name(char name[NUMBER_SIZE + 1])
{
    uint64_t random;

    if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
        return -EIO;
    name[0] = '.';
    number_text(random, name + 1);
    return 0;
}

/*
 * A file is replaced as a whole: programs of other processes may be reading it. What they write to
 * the old one is lost, as is right: the new one is newer.
 */
static int file_write(int directory, const char *name, const char *content)
{
    char temporary[NUMBER_SIZE + 1];
    int r = temporary_name(temporary), fd;

    if (r < 0)
        return r;
    fd = openat(directory, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    r = output(fd, content, NULL);
    close(fd);
    if (r == 0 && renameat(directory, temporary, directory, name) < 0)
        r = -errno;
    if (r < 0)
        unlinkat(directory, temporary, 0);
    return r;
}

static int files_write(const struct podlogin_token *token, const char *path)
{
    int directory = directory_open(path), r = 0;
    const char *file;

    if (directory < 0)
        return directory;
    for (unsigned i = 0; r == 0 && (file = podlogin_token_file_at(token, i)); i++) {
        char buffer[PODLOGIN_SERVICE_MAX + 1];
        struct text name = text_in(buffer, sizeof(buffer));
        const char *equals = strchr(file, '=');

        text_add_bytes(&name, file, (size_t)(equals - file));
        r = file_write(directory, buffer, equals + 1);
    }
    close(directory);
    return r;
}

/* Returns whether @place may hold directories, and then the path of the token's. */
static bool path_of(const struct podlogin_token *token, const char *place,
                    char ret_path[DIRECTORY_PATH_SIZE])
{
    struct text path = text_in(ret_path, DIRECTORY_PATH_SIZE);
    char uid[NUMBER_SIZE];

    if (!place || *place != '/' || strlen(place) > PLACE_MAX)
        return false;
    text_add(&path, place, "/podlogin-", number_text(geteuid(), uid), "-",
             strchr(podlogin_token_directory(token), '=') + 1, NULL);
    return true;
}

int directory_write(const struct podlogin_token *token, char ret_path[DIRECTORY_PATH_SIZE])
{
    const char *const places[] = {environment_value("XDG_RUNTIME_DIR"), "/dev/shm",
                                  environment_value("TMPDIR"), "/tmp"};
    const size_t n = sizeof(places) / sizeof(places[0]);
    mode_t mask = umask(077);
    int r = -ENOENT;

    for (size_t i = 0; r < 0 && i < 2 * n; i++) {
        bool must_be_in_memory = i < n;

        if (path_of(token, places[i % n], ret_path) &&
            is_in_memory(places[i % n]) == must_be_in_memory)
            r = files_write(token, ret_path);
    }
    umask(mask);
    return r;
}
