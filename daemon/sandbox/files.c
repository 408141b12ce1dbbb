#include "sandbox/files.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/landlock.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

/* What Debian 12's headers lack. */
#define RIGHT_TRUNCATE      (1ULL << 14) /* since version 3 of the interface */
#define RIGHT_IOCTL         (1ULL << 15) /* 5 */
#define RIGHT_NET_BIND      (1ULL << 0)  /* 4 */
#define RIGHT_NET_CONNECT   (1ULL << 1)
#define SCOPE_ABSTRACT_UNIX (1ULL << 0) /* 6 */
#define SCOPE_SIGNAL        (1ULL << 1)

#define RIGHTS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define RIGHTS_CHANGE                                                                              \
    (RIGHTS_READ | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG |                   \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | RIGHT_TRUNCATE)
#define RIGHTS_CHANGE_ALL                                                                          \
    (RIGHTS_CHANGE | LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                  \
     LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_MAKE_FIFO |    \
     LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_REFER)
#define RIGHTS_SOCKETS     (LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_REMOVE_FILE)
#define RIGHTS_NEW_SOCKETS (LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_DIR)
#define RIGHTS_OF_FILES                                                                            \
    (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_EXECUTE |   \
     RIGHT_TRUNCATE)

static const uint64_t rights[] = {
    [FILES_READ] = RIGHTS_READ,       [FILES_RUN] = RIGHTS_READ | LANDLOCK_ACCESS_FS_EXECUTE,
    [FILES_CHANGE] = RIGHTS_CHANGE,   [FILES_CHANGE_ALL] = RIGHTS_CHANGE_ALL,
    [FILES_SOCKETS] = RIGHTS_SOCKETS, [FILES_NEW_SOCKETS] = RIGHTS_NEW_SOCKETS,
};

/* struct landlock_ruleset_attr of version 6 */
struct ruleset {
    uint64_t files, net, scoped;
};

/* Handles all that the kernel's version knows; what no rule allows is refused. */
static struct ruleset ruleset_of(int version, bool connects)
{
    struct ruleset ruleset = {.files = (1ULL << 13) - 1};

    if (version >= 2)
        ruleset.files |= LANDLOCK_ACCESS_FS_REFER;
    if (version >= 3)
        ruleset.files |= RIGHT_TRUNCATE;
    if (version >= 4)
        ruleset.net = RIGHT_NET_BIND | (connects ? 0 : RIGHT_NET_CONNECT);
    if (version >= 5)
        ruleset.files |= RIGHT_IOCTL;
    if (version >= FILES_VERSION_OF_SIGNALS)
        ruleset.scoped = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL;
    return ruleset;
}

static size_t size_of(int version)
{
    return version >= 6   ? sizeof(struct ruleset)
           : version >= 4 ? offsetof(struct ruleset, scoped)
                          : offsetof(struct ruleset, net);
}

void file_rules_init(struct file_rules *rules, bool connects)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    struct ruleset ruleset = ruleset_of((int)version, connects);

    *rules = (struct file_rules){.fd = -1, .error = -EOPNOTSUPP, .version = (int)version};
    if (version <= 0)
        return;
    rules->fd = (int)syscall(SYS_landlock_create_ruleset, &ruleset, size_of((int)version), 0);
    rules->error = rules->fd < 0 ? -errno : 0;
}

void file_rules_add(struct file_rules *rules, const char *path, enum file_access access)
{
    CLEANUP(fd_closep)
    int fd = path && rules->fd >= 0 ? open(path, O_PATH | O_CLOEXEC) : -1;
    struct landlock_path_beneath_attr beneath = {
        .allowed_access = rights[access] & ruleset_of(rules->version, false).files,
        .parent_fd = fd};
    struct stat st;

    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode))
        beneath.allowed_access &= RIGHTS_OF_FILES;
    /* pipes, sockets and namespaces (EBADFD) belong to no file system; rules do not concern them */
    if (syscall(SYS_landlock_add_rule, rules->fd, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) < 0 &&
        errno != EBADFD)
        rules->error = -errno;
}

void file_rules_add_directory_of(struct file_rules *rules, const char *path,
                                 enum file_access access)
{
    CLEANUP(freep)
    char *copy = path ? strdup(path) : NULL;
    const char *directory = copy ? dirname(copy) : NULL;

    if (directory && strcmp(directory, "/") == 0) /* all files are below it */
        directory = path;
    file_rules_add(rules, directory, access);
}

int file_rules_apply(struct file_rules *rules)
{
    if (rules->fd < 0)
        return rules->error;
    if (rules->error == 0 && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
                              syscall(SYS_landlock_restrict_self, rules->fd, 0) < 0))
        rules->error = -errno;
    close(rules->fd);
    rules->fd = -1;
    return rules->error;
}
