#include "config/check.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/file.h"
#include "base/setting.h"
#include "jose/jwks.h"
#include "protocol/messages.h"

/* A ConfigMap is mounted read-only, with mode 0777. */
static bool is_read_only(const char *path)
{
    struct statvfs fs;

    return statvfs(path, &fs) == 0 && fs.f_flag & ST_RDONLY;
}

static uid_t daemon_uid = (uid_t)-1; /* -1: that of this process */

void config_set_user(uid_t uid)
{
    daemon_uid = uid;
}

static bool is_daemons(uid_t uid)
{
    return uid == (daemon_uid == (uid_t)-1 ? geteuid() : daemon_uid);
}

static void check_writers(const struct config *config, struct findings *findings, int line,
                          const char *what, const char *path)
{
    bool is_error = config->attestation == ATTESTATION_ENFORCE;
    struct stat st;

    if (stat(path, &st) < 0)
        return;
    if (st.st_uid != 0 && !is_daemons(st.st_uid))
        findings_add(findings, is_error, line,
                     "%s belongs to uid %u, who can change it; it must belong to root or the "
                     "daemon's user",
                     what, st.st_uid);
    else if (st.st_mode & (S_IWGRP | S_IWOTH) && !is_read_only(path))
        findings_add(findings, is_error, line,
                     "%s can be written by others (mode %04o); remove this with chmod go-w", what,
                     (unsigned)st.st_mode & 07777);
}

void check_owner(const struct config *config, struct findings *findings, int line, const char *path)
{
    check_writers(config, findings, line, "it", path);
}

/* The daemon does not start without the keys, so a set that it cannot use is a mistake as well. */
static void check_keys(struct findings *findings, int line, const char *what, const char *path)
{
    CLEANUP(secret_freep)
    struct secret *text = NULL;
    const char *reason;
    struct jwks jwks;
    int r = file_read_secret(path, JWKS_BYTES_MAX, &text);

    if (r < 0) {
        findings_error(findings, line, "%s cannot be read: %s", what, file_strerror(r));
        return;
    }
    if (jwks_parse(text->bytes, text->len, &jwks, &reason) < 0)
        findings_error(findings, line, "%s cannot be used: %s", what, reason);
    jwks_done(&jwks);
}

static void check_readers(struct findings *findings, int line, const char *what, const char *path)
{
    struct stat st;

    if (stat(path, &st) == 0 && st.st_mode & S_IROTH && !is_read_only(path))
        findings_warning(findings, line,
                         "%s can be read by others (mode %04o); remove this with chmod o-r", what,
                         (unsigned)st.st_mode & 07777);
}

void check_file(const struct config *config, struct findings *findings, int line, const char *key,
                const char *path, enum file_kind kind)
{
    CLEANUP(fd_closep)
    int fd = path ? file_open(path, 0) : -1;
    char what[FINDING_MAX / 2];

    if (!path)
        return;
    snprintf(what, sizeof(what), "%s=%.200s", key, path);
    if (kind == FILE_KEYS)
        check_keys(findings, line, what, path);
    else if (fd < 0)
        findings_warning(findings, line, "%s cannot be read: %s", what, file_strerror(fd));
    if (fd >= 0 && kind != FILE_TOKEN)
        check_writers(config, findings, line, what, path);
    if (fd >= 0 && kind == FILE_SECRET)
        check_readers(findings, line, what, path);
}

/*
 * Who can write to the directory of a program can replace it. Only warns: the group of root's own
 * directories may be that of administrators.
 */
static void check_directory_of(struct findings *findings, int line, const char *program)
{
    CLEANUP(freep)
    char *path = strdup(program);
    const char *directory = path ? dirname(path) : NULL;
    struct stat st;

    if (!directory || stat(directory, &st) < 0 || is_read_only(directory))
        return;
    if ((st.st_uid != 0 && !is_daemons(st.st_uid)) ||
        (st.st_mode & (S_IWGRP | S_IWOTH) && !(st.st_mode & S_ISVTX)))
        findings_warning(findings, line,
                         "the directory %.200s of the program can be written by others (uid %u, "
                         "mode %04o), who can replace it",
                         directory, st.st_uid, (unsigned)st.st_mode & 07777);
}

void check_program(const struct config *config, struct findings *findings, int line,
                   const char *command)
{
    size_t len;
    const char *word = command ? setting_word(&command, &len) : NULL;
    CLEANUP(freep)
    char *path = word ? strndup(word, len) : NULL;
    CLEANUP(freep)
    char *real = NULL;
    char what[FINDING_MAX / 2];
    struct stat st;

    if (!path)
        return;
    snprintf(what, sizeof(what), "Command=%.200s", path);
    if (stat(path, &st) < 0)
        findings_warning(findings, line, "%s cannot be found: %s", what, strerror(errno));
    else if (!S_ISREG(st.st_mode) || !(st.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)))
        findings_error(findings, line, "%s is not a program; if it is one, chmod +x it", what);
    else
        check_writers(config, findings, line, what, path);
    check_directory_of(findings, line, path);
    real = realpath(path, NULL);
    if (real && strcmp(real, path) != 0)
        check_directory_of(findings, line, real);
}

void check_socket(const struct config *config, struct findings *findings, int line)
{
    CLEANUP(freep)
    char *path = strdup(config->socket ? config->socket : PODLOGIN_SOCKET_PATH);
    char what[FINDING_MAX / 2];
    const char *directory = path ? dirname(path) : NULL;

    if (!directory)
        return;
    snprintf(what, sizeof(what), "the directory %.200s of the socket", directory);
    check_writers(config, findings, line, what, directory);
}

void check_admin_socket(const struct config *config, struct findings *findings, int line)
{
    const char *admin = config->admin_socket ? config->admin_socket : ADMIN_SOCKET_PATH;

    if (file_is_beside(admin, config->socket ? config->socket : PODLOGIN_SOCKET_PATH))
        findings_error(findings, line,
                       "AdminSocket=%.108s is in the directory of Socket=, which pods mount; use "
                       "another directory, such as that of " ADMIN_SOCKET_PATH,
                       admin);
}

void check_audience(const struct service *service, struct findings *findings, int line)
{
    const struct provider *provider = service->provider;
    struct provider_values values;
    char reason[FINDING_MAX / 2];

    if (!service->audience || !provider)
        return;
    values = service_values(service);
    if (provider->check_audience &&
        provider->check_audience(&values, service->audience, reason, sizeof(reason)) < 0)
        findings_error(findings, line, "%s", reason);
    if (strchr(service->audience, ','))
        findings_warning(findings, line,
                         "Audience=%.128s is one audience with a comma in it, not two",
                         service->audience);
}
