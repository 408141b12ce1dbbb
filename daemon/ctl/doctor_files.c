/* podloginctl doctor: the files that the daemon reads and writes. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/stat.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "base/cleanup.h"
#include "ctl/doctor.h"
#include "ctl/doctor_decide.h"
#include "store/key.h"
#include "store/store.h"

void doctor_check_configuration(struct doctor *doctor)
{
    const struct findings *findings = &doctor->findings;

    for (size_t i = 0; i < findings->n; i++)
        doctor_add(&doctor->report, "configuration",
                   findings->list[i].is_error
                       ? DOCTOR_FAILS(EXIT_CODE_CONFIG, "correct it; see podlogind.conf(5)")
                       : DOCTOR_WARNS(NULL),
                   "%s", findings->list[i].text);
    if (doctor->config && !findings->n)
        doctor_add(&doctor->report, "configuration", DOCTOR_PASSES,
                   "%s: %zu issuer%s, %zu service%s", doctor->options->config,
                   doctor->config->n_issuers, doctor->config->n_issuers == 1 ? "" : "s",
                   doctor->config->n_services, doctor->config->n_services == 1 ? "" : "s");
}

/* Whether @path is a mount of its own: it is on another one than @directory. */
static bool is_mounted_alone(const char *path, const char *directory)
{
    struct statx file, around;

    return statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_MNT_ID, &file) == 0 &&
           statx(AT_FDCWD, directory, 0, STATX_MNT_ID, &around) == 0 &&
           file.stx_mask & around.stx_mask & STATX_MNT_ID && file.stx_mnt_id != around.stx_mnt_id;
}

/* Returns what is wrong with the socket's place; NULL: nothing. */
static const char *socket_fault(const char *path, const char *directory)
{
    struct stat st;

    if (stat(directory, &st) == 0 && !S_ISDIR(st.st_mode))
        return "its directory is not a directory";
    if (lstat(path, &st) < 0)
        return NULL;
    if (is_mounted_alone(path, directory))
        return "the socket itself is mounted, and a new one would not be seen when the daemon "
               "restarts";
    if (S_ISDIR(st.st_mode))
        return "it is a directory, which a pod made that mounts this path";
    return S_ISSOCK(st.st_mode) ? NULL : "it is not a socket";
}

void doctor_check_socket(struct doctor *doctor)
{
    const char *path = doctor->config->socket;
    CLEANUP(freep)
    char *copy = strdup(path);
    const char *directory = copy ? dirname(copy) : "";
    const char *fault = socket_fault(path, directory);

    if (fault)
        doctor_add(&doctor->report, "socket",
                   DOCTOR_FAILS(EXIT_CODE_CONFIG,
                                "remove it, mount its directory instead of the socket, and restart "
                                "the pods that have mounted it"),
                   "%s: %s", path, fault);
    else
        doctor_add(&doctor->report, "socket", DOCTOR_PASSES, "%s", path);
}

/*
 * Returns why files cannot be made in @directory: 0 or -errno; -ENOENT if it is not there and the
 * daemon cannot make it. It makes the last part only.
 */
static int directory_writable(const char *directory)
{
    CLEANUP(freep)
    char *copy = strdup(directory);

    if (faccessat(AT_FDCWD, directory, W_OK | X_OK, AT_EACCESS) == 0)
        return 0;
    if (errno != ENOENT || !copy)
        return -errno;
    return faccessat(AT_FDCWD, dirname(copy), W_OK | X_OK, AT_EACCESS) < 0 ? -ENOENT : 0;
}

void doctor_check_state(struct doctor *doctor)
{
    const char *path = doctor->config->cache;
    CLEANUP(freep)
    char *copy = strdup(path);
    const char *directory = copy ? dirname(copy) : "";
    char error[STORE_ERROR_MAX];
    int r = directory_writable(directory);

    if (r == -ENOENT)
        doctor_add(&doctor->report, "state",
                   DOCTOR_WARNS("none if the unit makes it (StateDirectory=); or else make it for "
                                "the daemon's user, with mode 0700"),
                   "%s does not exist", directory);
    else if (r < 0)
        doctor_add(&doctor->report, "state",
                   DOCTOR_FAILS(EXIT_CODE_CONFIG,
                                "give it to the daemon's user with mode 0700 (StateDirectory=), on "
                                "a file system that is not read-only"),
                   "%s: %s", directory, strerror(-r));
    else if (store_check_directory(directory, error) < 0)
        doctor_add(&doctor->report, "state",
                   DOCTOR_FAILS(EXIT_CODE_CONFIG,
                                "give it to that user, and remove the "
                                "permissions of others (StateDirectoryMode=0700)"),
                   "%s", error);
    else if (faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS) < 0 && errno != ENOENT)
        doctor_add(&doctor->report, "state",
                   DOCTOR_FAILS(EXIT_CODE_CONFIG, "give it to the daemon's user with mode 0600"),
                   "%s: %s", path, strerror(errno));
    else
        doctor_add(&doctor->report, "state", DOCTOR_PASSES, "%s", path);
}

/* Whether the runtime key is younger than a database of this boot. */
static bool runtime_key_was_lost(const struct config *config)
{
    CLEANUP(freep)
    char *path = cache_key_runtime_path();
    struct statx database;
    struct timespec boot, now;
    struct stat key;

    if (statx(AT_FDCWD, config->cache, 0, STATX_BTIME, &database) < 0 ||
        !(database.stx_mask & STATX_BTIME) || !path || stat(path, &key) < 0)
        return false;
    clock_gettime(CLOCK_REALTIME, &now);
    clock_gettime(CLOCK_BOOTTIME, &boot);
    return key_was_lost(now.tv_sec - boot.tv_sec, database.stx_btime.tv_sec, key.st_mtim.tv_sec);
}

void doctor_check_key(struct doctor *doctor)
{
    const struct config *config = doctor->config;
    char error[KEY_ERROR_MAX], beside[KEY_ERROR_MAX];

    if (strncmp(config->cache_key, "credential:", 11) == 0 && !getenv("CREDENTIALS_DIRECTORY"))
        doctor_add(&doctor->report, "key", DOCTOR_SKIPS(NULL),
                   "CacheKey=%s: only the service can read its credentials", config->cache_key);
    else if (cache_keys_check(config->cache_key, config->cache, config->is_key_beside_allowed,
                              config->socket, error) < 0)
        doctor_add(&doctor->report, "key",
                   DOCTOR_FAILS(EXIT_CODE_CONFIG, "correct CacheKey= or the file; see "
                                                  "podlogind.conf(5)"),
                   "%s", error);
    else if (cache_keys_check(config->cache_key, config->cache, false, config->socket, beside) < 0)
        doctor_add(&doctor->report, "key", DOCTOR_WARNS("remove CacheKeyBesideCache=yes"), "%s",
                   beside);
    else if (strcmp(config->cache_key, "runtime") == 0 && runtime_key_was_lost(config))
        doctor_add(&doctor->report, "key",
                   DOCTOR_WARNS("set RuntimeDirectoryPreserve=yes in the unit, or use another "
                                "CacheKey="),
                   "the key was lost since the boot, and all cached tokens with it");
    else
        doctor_add(&doctor->report, "key", DOCTOR_PASSES, "CacheKey=%s", config->cache_key);
}
