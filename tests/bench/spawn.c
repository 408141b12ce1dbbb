/*
 * Runs commands by turns and prints, as JSON, the time that each takes from posix_spawn() to its
 * end. Their output is discarded; all must succeed.
 *
 *     bench-spawn RUNS COMMAND [ARGUMENT...] [--- COMMAND [ARGUMENT...]]...
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "bench/client.h"
#include "bench/histogram.h"

#define COMMANDS_MAX 16

extern char **environ;

static int run(char **arguments, struct histogram *histogram)
{
    posix_spawn_file_actions_t actions;
    uint64_t from_ns, until_ns;
    pid_t pid;
    int status = 0;
    int r;

    r = -posix_spawn_file_actions_init(&actions);
    if (r < 0)
        return r;
    r = -posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    from_ns = now_ns();
    if (r == 0)
        r = -posix_spawn(&pid, arguments[0], &actions, NULL, arguments, environ);
    if (r == 0 && waitpid(pid, &status, 0) < 0)
        r = -errno;
    until_ns = now_ns();
    posix_spawn_file_actions_destroy(&actions);
    if (r < 0 || status != 0) {
        fprintf(stderr, "%s: %s\n", arguments[0], r < 0 ? strerror(-r) : "it failed");
        return r < 0 ? r : -ECHILD;
    }
    histogram_add(histogram, until_ns - from_ns);
    return 0;
}

/* Splits @argv at "---" into at most @max commands, each ended by NULL. Returns how many; 0: one is
 * empty, or they are too many. */
static size_t split(char **argv, char **commands[], size_t max)
{
    size_t n = 0;

    for (char **arguments = argv; n < max; argv++) {
        bool is_last = !*argv;

        if (!is_last && strcmp(*argv, "---") != 0)
            continue;
        *argv = NULL;
        if (argv == arguments)
            return 0;
        commands[n++] = arguments;
        if (is_last)
            return n;
        arguments = argv + 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    static struct histogram times[COMMANDS_MAX];
    char **commands[COMMANDS_MAX];
    long runs = argc > 1 ? strtol(argv[1], NULL, 10) : 0;
    size_t n = argc > 2 ? split(argv + 2, commands, COMMANDS_MAX) : 0;

    if (runs <= 0 || n == 0) {
        fprintf(stderr, "bench-spawn RUNS COMMAND [ARGUMENT...] [--- COMMAND [ARGUMENT...]]...\n");
        return 64;
    }
    for (long i = 0; i < runs; i++)
        for (size_t k = 0; k < n; k++)
            if (run(commands[k], &times[k]) < 0)
                return 1;
    printf("{\"commands\": [");
    for (size_t k = 0; k < n; k++) {
        printf("%s{", k > 0 ? ", " : "");
        histogram_print(&times[k]);
        printf("}");
    }
    printf("]}\n");
    return 0;
}
