/* podlogin install: puts the command and links to it into a directory, without a shell or cp. */
#include "command/commands.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command/print.h"
#include "command/shim.h"
#include "protocol/status.h"
#include "text/text.h"

#define OWN_NAME "podlogin"

static int fail(const char *path, const char *reason)
{
    output(STDERR_FILENO, "podlogin: install: ", path, ": ", reason, "\n", NULL);
    return EXIT_CODE_FAULT;
}

/* Returns false if the path is too long. */
static bool join(char path[PATH_MAX], const char *directory, const char *name, const char *suffix)
{
    struct text text = text_in(path, PATH_MAX);

    text_add(&text, directory, "/", name, suffix, NULL);
    return strlen(directory) + strlen(name) + strlen(suffix) + 2 <= PATH_MAX;
}

static int copy(int from, int to)
{
    char buffer[16384];
    ssize_t n;

    while ((n = read(from, buffer, sizeof(buffer))) > 0)
        for (ssize_t done = 0, m; done < n; done += m) {
            m = write(to, buffer + done, (size_t)(n - done));
            if (m < 0)
                return -errno;
        }
    return n < 0 ? -errno : 0;
}

/* Writes the program to a temporary name, and renames it: one that runs is not changed. */
static int put_program(const char *directory)
{
    char temporary[PATH_MAX], path[PATH_MAX];
    int from, to, r;

    if (!join(temporary, directory, OWN_NAME, ".new") || !join(path, directory, OWN_NAME, ""))
        return fail(directory, strerror(ENAMETOOLONG));
    from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (from < 0)
        return fail("/proc/self/exe", strerror(errno));
    unlink(temporary);
    to = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0755);
    r = to < 0 ? -errno : copy(from, to);
    if (r == 0 && (fchmod(to, 0755) < 0 || rename(temporary, path) < 0))
        r = -errno;
    close(from);
    if (to >= 0)
        close(to);
    if (r < 0)
        unlink(temporary);
    return r < 0 ? fail(path, strerror(-r)) : EXIT_CODE_OK;
}

/* Replaces a link, but no file: that may be the real program. */
static int put_link(const char *directory, const char *name)
{
    char temporary[PATH_MAX], path[PATH_MAX];
    struct stat st;

    if (!shim_is(name) || strchr(name, '/'))
        return usage("install needs names of programs, such as pulumi", name);
    if (!join(temporary, directory, name, ".new") || !join(path, directory, name, ""))
        return fail(directory, strerror(ENAMETOOLONG));
    if (lstat(path, &st) == 0 && !S_ISLNK(st.st_mode))
        return fail(path, "this is not a link, and may be the real program; remove it, or use "
                          "another directory");
    if (lstat(temporary, &st) == 0 && !S_ISLNK(st.st_mode))
        return fail(temporary, "this is in the way; remove it");
    unlink(temporary);
    if (symlink(OWN_NAME, temporary) < 0 || rename(temporary, path) < 0)
        return fail(path, strerror(errno));
    return EXIT_CODE_OK;
}

static int run(const struct options *options, int argc, char **argv)
{
    int code;

    (void)options;
    if (argc == 0)
        return usage("install needs a directory", NULL);
    if (mkdir(argv[0], 0755) == 0)
        chmod(argv[0], 0755); /* whatever the umask is: other users run what is in it */
    else if (errno != EEXIST)
        return fail(argv[0], strerror(errno));
    code = put_program(argv[0]);
    for (int i = 1; i < argc && code == EXIT_CODE_OK; i++)
        code = put_link(argv[0], argv[i]);
    return code;
}

const struct command command_install = {
    .name = "install",
    .arguments = "DIR [NAME]...",
    .summary = "copy itself into DIR, with a link for each NAME",
    .details = "Copies itself into DIR, and makes a link to the copy for each NAME, such as "
               "pulumi. Needs no shell\n"
               "and no other program.\n",
    .takes = 0,
    .run = run,
};
