#include "command/shim.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command/exec.h"
#include "protocol/status.h"
#include "text/text.h"

#define PATH_DEFAULT "/usr/local/bin:/usr/bin:/bin"
#define NESTED       "PODLOGIN_NESTED"
#define NESTED_MAX   16

const char *shim_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

bool shim_is(const char *name)
{
    static const char own[] = "podlogin";

    return *name && strncmp(name, own, strlen(own)) != 0;
}

/* Returns whether the entry of PATH, of @len bytes, leads to this program under @name. */
static bool is_own(const char *entry, size_t len, const char *name, const struct stat *own)
{
    char path[PATH_MAX];
    struct text text = text_in(path, sizeof(path));
    struct stat st;

    text_add_bytes(&text, len ? entry : ".", len ? len : 1);
    text_add(&text, "/", name, NULL);
    return stat(path, &st) == 0 && st.st_dev == own->st_dev && st.st_ino == own->st_ino;
}

/* Sets PATH to what is left of it. Returns false if memory runs out. */
static bool cut_path(const char *name, const struct stat *own)
{
    const char *path = getenv("PATH"), *entry = path ? path : PATH_DEFAULT;
    char *left = malloc(strlen(entry) + 2), *at = left;
    bool is_set;

    if (!left)
        return false;
    for (;;) {
        size_t len = strcspn(entry, ":");

        if (!is_own(entry, len, name, own)) {
            memcpy(at, entry, len);
            at += len;
            *at++ = ':';
        }
        if (!entry[len])
            break;
        entry += len + 1;
    }
    if (at > left)
        at--;
    *at = '\0';
    /* an empty PATH stands for the working directory, where anybody may have put a program */
    is_set = setenv("PATH", *left || (path && !*path) ? left : "/nonexistent", 1) == 0;
    free(left);
    return is_set;
}

/*
 * The Pulumi CLI 3.260 exits with 3 if its backend answers 401, or if it takes its token for
 * expired. Its `env` and `whoami` exit with 1, which says nothing.
 */
static struct exec_statuses statuses_of(const char *name)
{
    if (strcmp(name, "pulumi") == 0)
        return (struct exec_statuses){.status = {3}, .n = 1};
    return (struct exec_statuses){.n = 0};
}

/*
 * Counts shims that are within each other, with a sign for each in the environment. Returns false
 * if these are too many: a program on PATH calls this one by its path, and is called by it.
 */
static bool count_nested(void)
{
    const char *nested = getenv(NESTED);
    char buffer[NESTED_MAX + 1];
    struct text text = text_in(buffer, sizeof(buffer));

    text_add(&text, nested ? nested : "", "+", NULL);
    return (!nested || strlen(nested) < NESTED_MAX) && setenv(NESTED, buffer, 1) == 0;
}

int shim_run(const char *name, int argc, char **argv)
{
    const struct options options = {0};
    const struct exec_statuses statuses = statuses_of(name);
    struct stat own;
    char **command;
    int code;

    if (stat("/proc/self/exe", &own) < 0) {
        output(STDERR_FILENO, "podlogin: ", name,
               ": cannot tell itself from other programs: ", strerror(errno), "; mount /proc\n",
               NULL);
        return EXIT_CODE_FAULT;
    }
    if (!count_nested()) {
        output(STDERR_FILENO, "podlogin: ", name,
               ": the next program of this name on PATH calls podlogin again; let it call the real "
               "one by its path\n",
               NULL);
        return EXIT_CODE_FAULT;
    }
    command = calloc((size_t)argc + 2, sizeof(*command));
    if (!command || !cut_path(name, &own)) {
        output(STDERR_FILENO, "podlogin: ", name, ": out of memory\n", NULL);
        return EXIT_CODE_FAULT;
    }
    command[0] = "--";
    command[1] = (char *)name;
    for (int i = 1; i < argc; i++)
        command[i + 1] = argv[i];
    code = exec_run(&options, &statuses, argc + 1, command);
    free(command);
    return code;
}
