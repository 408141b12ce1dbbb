#include "command/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command/json_scan.h"
#include "library/environment.h"
#include "text/text.h"

#define FILE_NAME   "credentials.json"
#define FILE_MAX    (1024 * 1024)
#define LOOK_MS     5   /* between two attempts to lock */
#define SPACES      256 /* that are added to the members of a file, at most */
#define INDENTATION "    "

int credentials_path(char ret_path[CREDENTIALS_PATH_SIZE])
{
    const char *directory = environment_value("PULUMI_CREDENTIALS_PATH");
    const char *home = environment_value("HOME");
    struct text path = text_in(ret_path, CREDENTIALS_PATH_SIZE);
    size_t len;

    if (!directory)
        directory = environment_value("PULUMI_HOME");
    if (!directory && !home)
        return -ENOENT;
    text_add(&path, directory ? directory : home, directory ? "" : "/.pulumi", NULL);
    len = strlen(ret_path);
    if (len + sizeof("/" FILE_NAME) > CREDENTIALS_PATH_SIZE)
        return -ENAMETOOLONG;
    for (size_t i = 1; i <= len; i++) { /* each directory that leads to it, as mkdir -p does */
        char byte = ret_path[i];

        if (byte != '/' && byte != '\0')
            continue;
        ret_path[i] = '\0';
        if (mkdir(ret_path, 0700) < 0 && errno != EEXIST && (i == len || errno != EACCES))
            return -errno;
        ret_path[i] = byte;
    }
    text_add(&path, "/" FILE_NAME, NULL);
    return 0;
}

const char *credentials_of(const struct podlogin_token *token)
{
    const char *file;

    for (unsigned i = 0; (file = podlogin_token_file_at(token, i)); i++)
        if (strncmp(file, FILE_NAME "=", sizeof(FILE_NAME)) == 0)
            return file + sizeof(FILE_NAME);
    return NULL;
}

static struct json_span span_of(const char *text)
{
    return (struct json_span){text, strlen(text)};
}

static bool has_name(struct json_span object, struct json_span name)
{
    struct json_scan scan = json_scan(object);
    struct json_member member;

    while (json_scan_next(&scan, &member))
        if (json_span_equal(member.name, name))
            return true;
    return false;
}

static void add_span(struct text *text, struct json_span span)
{
    text_add_bytes(text, span.at, span.len);
}

/* Adds the members of @object but those of @except. Returns whether @object is an object. */
static bool add_members(struct text *text, struct json_span object, struct json_span except,
                        bool *is_first)
{
    struct json_scan scan = json_scan(object);
    struct json_member member;

    while (json_scan_next(&scan, &member)) {
        if (except.len && has_name(except, member.name))
            continue;
        text_add(text, *is_first ? "\n" : ",\n", INDENTATION INDENTATION, NULL);
        add_span(text, member.name);
        text_add(text, ": ", NULL);
        add_span(text, member.value);
        *is_first = false;
    }
    return !scan.is_wrong;
}

/* Adds an object with the members of both; those of @new replace those of @old. */
static bool add_merged(struct text *text, struct json_span old, struct json_span new)
{
    const struct json_span nothing = {NULL, 0};
    bool is_first = true;

    text_add(text, "{", NULL);
    if (old.len && !json_span_equal(old, (struct json_span){"null", 4}) &&
        !add_members(text, old, new, &is_first))
        return false;
    if (!add_members(text, new, nothing, &is_first))
        return false;
    text_add(text, "\n" INDENTATION "}", NULL);
    return true;
}

/* A member of the file: objects are merged, and other values replaced. */
static bool add_member(struct text *text, const struct json_member *new, struct json_span old)
{
    struct json_span value = {NULL, 0};
    struct json_scan scan = json_scan(old);
    struct json_member member;

    while (json_scan_next(&scan, &member))
        if (json_span_equal(member.name, new->name))
            value = member.value;
    add_span(text, new->name);
    text_add(text, ": ", NULL);
    if (*new->value.at == '{')
        return add_merged(text, value, new->value);
    add_span(text, new->value);
    return true;
}

/* Writes the file with the content @new, where @old was. Returns 0 or -EBADMSG. */
static int merge(struct text *text, struct json_span old, struct json_span new)
{
    struct json_scan scan = json_scan(new);
    struct json_member member;
    const char *before = "{\n" INDENTATION;

    for (; json_scan_next(&scan, &member); before = ",\n" INDENTATION) {
        text_add(text, before, NULL);
        if (!add_member(text, &member, old))
            return -EBADMSG;
    }
    for (scan = json_scan(old); json_scan_next(&scan, &member);) {
        if (has_name(new, member.name))
            continue;
        text_add(text, before, NULL);
        add_span(text, member.name);
        text_add(text, ": ", NULL);
        add_span(text, member.value);
    }
    text_add(text, "\n}\n", NULL);
    return scan.is_wrong ? -EBADMSG : 0;
}

/* Returns whether each account of @new has one in @old, whatever its token. */
static bool has_accounts(struct json_span old, struct json_span new)
{
    struct json_span have, want;
    struct json_scan scan;
    struct json_member member;

    if (!json_scan_find(new, "accounts", &want) || !json_scan_find(old, "accounts", &have))
        return false;
    for (scan = json_scan(want); json_scan_next(&scan, &member);)
        if (!has_name(have, member.name))
            return false;
    return true;
}

static int lock(int fd, const struct deadline *deadline)
{
    int r;

    while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return -errno;
        r = deadline_sleep(deadline, LOOK_MS);
        if (r < 0)
            return r;
        if (deadline_left_ms(deadline) == 0)
            return -ETIME;
    }
    return 0;
}

static int read_file(int fd, char *text, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = pread(fd, text + done, len - done, (off_t)done);

        if (n == 0)
            return -EIO; /* it is locked, so it does not shrink */
        if (n < 0 && errno != EINTR)
            return -errno;
        done += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

/*
 * Writes @text over the old content, with blanks up to its end, and then cuts those off: if this
 * process is killed in between, the file is still what it should be. Only SIGKILL during the write
 * of more than a page can tear it; a file of another inode would be none that the CLI has locked.
 * The disk space is there before anything is changed, if the file system can say so. @text has
 * space for @old_len bytes.
 */
static int write_file(int fd, char *text, size_t old_len)
{
    size_t len = strlen(text), padded = len < old_len ? old_len : len;

    if (fchmod(fd, 0600) < 0)
        return -errno;
    if (len > old_len && fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)len) < 0 &&
        errno != EOPNOTSUPP)
        return -errno;
    memset(text + len, ' ', padded - len);
    for (size_t done = 0; done < padded;) {
        ssize_t n = pwrite(fd, text + done, padded - done, (off_t)done);

        if (n < 0 && errno != EINTR)
            return -errno;
        done += n > 0 ? (size_t)n : 0;
    }
    return ftruncate(fd, (off_t)len) < 0 ? -errno : 0;
}

/* Rewrites the locked file of @len bytes. @old has space for it, and @new for the result. */
static int rewrite(int fd, char *old, size_t len, struct json_span content, bool only_missing,
                   char *new, size_t size)
{
    struct text text = text_in(new, size);
    struct json_span before = {old, len}, value;
    int r = read_file(fd, old, len);

    if (r < 0)
        return r;
    while (before.len && strchr(" \t\r\n", before.at[before.len - 1]))
        before.len--;
    if (before.len == 0)
        before = span_of("{}"); /* an empty file counts as none */
    if (json_scan_find(before, "$pulumiSecureStore", &value))
        return -ENOTSUP;
    if (only_missing && has_accounts(before, content))
        return -EEXIST;
    r = merge(&text, before, content);
    if (r == 0 && text.left < len + 2)
        r = -EFBIG; /* something may have been cut off; it cannot be, see rewrite_locked() */
    return r < 0 ? r : write_file(fd, new, len);
}

static int rewrite_locked(int fd, const char *content, bool only_missing)
{
    const size_t content_len = strlen(content);
    struct stat status;
    size_t len, size;
    char *old, *new;
    int r = -ENOMEM;

    if (fstat(fd, &status) < 0)
        return -errno;
    if (!S_ISREG(status.st_mode))
        return -EBADMSG;
    if (status.st_size > FILE_MAX)
        return -EFBIG;
    len = (size_t)status.st_size;
    /* a member takes at least six bytes, and gets at most ten of white space */
    size = 4 * (len + content_len) + SPACES;
    old = malloc(len + 1);
    new = malloc(size);
    if (old && new)
        r = rewrite(fd, old, len, span_of(content), only_missing, new, size);
    if (old)
        explicit_bzero(old, len + 1);
    if (new)
        explicit_bzero(new, size);
    free(old);
    free(new);
    return r;
}

static bool was_replaced(int fd, const char *path)
{
    struct stat open, there;

    return fstat(fd, &open) == 0 && stat(path, &there) == 0 &&
           (open.st_ino != there.st_ino || open.st_dev != there.st_dev);
}

/* Opens the file and locks it; again if another one took its place in the meantime. */
static int open_locked(const char *path, int flags, const struct deadline *deadline)
{
    for (;;) {
        int fd = open(path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
        int r = fd < 0 ? -errno : lock(fd, deadline);

        if (fd >= 0 && r == 0 && !was_replaced(fd, path))
            return fd;
        if (fd >= 0)
            close(fd);
        if (r < 0)
            return r;
    }
}

static int attempt(const char *path, int flags, const char *content, bool only_missing,
                   const struct deadline *deadline)
{
    int fd = open_locked(path, flags, deadline);
    int r;

    if (fd < 0)
        return fd;
    r = rewrite_locked(fd, content, only_missing);
    close(fd);
    return r;
}

int credentials_write(const char *path, const char *content, bool only_missing,
                      const struct deadline *deadline)
{
    int r = -EBADF;

    /* closing a descriptor for writing is an event for inotify(7), and would wake the caller again
     */
    if (only_missing)
        r = attempt(path, O_RDONLY, content, true, deadline);
    return r == -EBADF || r == -ENOENT
               ? attempt(path, O_RDWR | O_CREAT, content, only_missing, deadline)
               : r;
}

const char *credentials_strerror(int r)
{
    switch (r) {
    case -EBADMSG:
        return "this is not a file of the Pulumi CLI; move it away";
    case -ENOTSUP:
        return "the Pulumi CLI has encrypted this file; use podlogin exec, or move it away and set "
               "PULUMI_CREDENTIAL_STORE=plaintext";
    case -ETIME:
        return "another process holds the lock of the file until the timeout";
    default:
        return strerror(-r);
    }
}
