/*
 * Runs two commands alternately and prints, as JSON, the time that each takes from posix_spawn() to
 * its end. Their output is discarded; both must succeed.
 *
 *     bench-spawn RUNS COMMAND [ARGUMENT...] --- COMMAND [ARGUMENT...]
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "bench/client.h"
#include "bench/histogram.h"

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

int main(int argc, char **argv)
{
    static struct histogram first, second;
    long runs = argc > 1 ? strtol(argv[1], NULL, 10) : 0;
    char **other = argv + 2;

    while (argc > 2 && *other && strcmp(*other, "---") != 0)
        other++;
    if (runs <= 0 || argc < 5 || !*other || other == argv + 2 || !other[1]) {
        fprintf(stderr, "bench-spawn RUNS COMMAND [ARGUMENT...] --- COMMAND [ARGUMENT...]\n");
        return 64;
    }
    *other++ = NULL;
    for (long i = 0; i < runs; i++)
        if (run(argv + 2, &first) < 0 || run(other, &second) < 0)
            return 1;
    printf("{\"first\": {");
    histogram_print(&first);
    printf("}, \"second\": {");
    histogram_print(&second);
    printf("}}\n");
    return 0;
}
