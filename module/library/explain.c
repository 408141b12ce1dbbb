/* Explains why no daemon answers, or why the server is not trusted. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "library/client.h"
#include "protocol/status.h"

static void explain_unreachable(const struct client *client, const char *directory,
                                struct text *why)
{
    char uid[NUMBER_SIZE];

    if (client->error == ENOENT && access(directory, F_OK) < 0)
        text_add(why, "there is no directory ", directory, "; mount it into the pod", NULL);
    else if (client->error == ENOENT)
        text_add(why, "the directory has no such file; podlogind makes it at its start", NULL);
    else if (client->error == ECONNREFUSED)
        text_add(why, "no process listens at it; start podlogind", NULL);
    else if (client->error == EACCES)
        text_add(why, "uid ", number_text(geteuid(), uid), " needs permission to search ",
                 directory, " and to write to the socket", NULL);
    else
        text_add(why, strerror(client->error), NULL);
}

static void explain_distrust(const struct client *client, const struct client_target *target,
                             const char *directory, struct text *why)
{
    char uid[NUMBER_SIZE], other[NUMBER_SIZE];

    if (client->trust == SERVER_OF_ANOTHER_USER)
        text_add(why, "it runs as uid ", number_text(client->server_uid, uid), ", not ",
                 number_text(target->server_uid, other),
                 "; if that is expected, set PODLOGIN_SERVER_UID", NULL);
    else if (client->trust == SERVER_IN_WRITABLE_DIRECTORY)
        text_add(why, "the caller can write to ", directory,
                 ", the socket's directory; mount it read-only", NULL);
    else
        text_add(why, "cannot check whether the caller can write to ", directory,
                 ", the socket's directory; allow faccessat2(2) in the seccomp profile", NULL);
}

void client_explain(const struct client *client, const struct client_target *target,
                    enum podlogin_status status, struct text *why)
{
    char directory[SOCKET_PATH_MAX + 1];

    if (status != PODLOGIN_UNREACHABLE && status != PODLOGIN_UNTRUSTED_SERVER)
        return;
    socket_directory(target->socket, directory);
    text_add(why, target->socket, ": ", status_info(status)->sentence, " (", NULL);
    if (status == PODLOGIN_UNREACHABLE)
        explain_unreachable(client, directory, why);
    else
        explain_distrust(client, target, directory, why);
    text_add(why, ")", NULL);
}
