/*
 * Load of short-lived processes for the daemon: each connects once, asks once, and ends. At most K
 * of them run at a time. Exits with 1 as soon as one of them does not get a token.
 *
 *     bench-processes SOCKET JWT-FILE PROCESSES K
 */
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/client.h"

static bool is_served(const char *socket, const struct ticket *ticket)
{
    static struct client client;
    struct pollfd pollfd = {.events = POLLIN};
    long len = 0;

    if (client_connect(&client, socket) < 0 || client_ask(&client, ticket, 0) < 0)
        return false;
    pollfd.fd = client.fd;
    while (len == 0)
        len = poll(&pollfd, 1, -1) == 1 ? client_read(&client) : -1;
    return len > 0;
}

static bool start_one(const char *socket, const struct ticket *ticket)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(is_served(socket, ticket) ? 0 : 1);
    return pid > 0;
}

static bool end_one(void)
{
    int status;

    return wait(&status) > 0 && status == 0;
}

int main(int argc, char **argv)
{
    long processes = argc == 5 ? strtol(argv[3], NULL, 10) : 0;
    long k = argc == 5 ? strtol(argv[4], NULL, 10) : 0;
    struct tickets tickets;

    if (processes <= 0 || k <= 0) {
        fprintf(stderr, "bench-processes SOCKET JWT-FILE PROCESSES K\n");
        return 64;
    }
    if (tickets_load(&tickets, argv[2], "pulumi", false) < 0)
        return 1; /* the reason was printed */
    for (long i = 0; i < processes; i++)
        if ((i >= k && !end_one()) || !start_one(argv[1], &tickets.ticket[0]))
            return 1;
    for (long i = 0; i < k && i < processes; i++)
        if (!end_one())
            return 1;
    tickets_done(&tickets);
    printf("{\"all_requests\": %ld}\n", processes);
    return 0;
}
