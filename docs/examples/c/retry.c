/*
 * Runs a command with the variables of a service. Tries again to get a token while the upstream or
 * the daemon is not available, and gets another one if the command says that this one was refused:
 *
 *     retry SERVICE COMMAND...
 *
 *     cc retry.c $(pkg-config --cflags --libs libpodlogin)
 */
#include <podlogin.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TRIES   10
#define REFUSED 77 /* the exit status of a command whose token was refused */

/* Whether the same call may succeed later; protocol.md lists this for each status. */
static int is_temporary(enum podlogin_status status)
{
    switch (status) {
    case PODLOGIN_UPSTREAM_UNAVAILABLE:
    case PODLOGIN_UPSTREAM_PROTOCOL:
    case PODLOGIN_ISSUER_UNAVAILABLE:
    case PODLOGIN_REVIEW_UNAVAILABLE:
    case PODLOGIN_BUSY:
    case PODLOGIN_TOO_MANY:
    case PODLOGIN_INTERNAL:
    case PODLOGIN_UNREACHABLE:
    case PODLOGIN_TIMEOUT:
        return 1;
    default:
        return 0;
    }
}

/* Waits for as long as the daemon advises, or else twice as long each time; and up to half as long
 * again, so that many programs that wait for the same upstream do not return at the same time. */
static void pause_before(int try, uint32_t advice_ms)
{
    long ms = advice_ms ? (long)advice_ms : 100L << try;
    struct timespec delay;

    ms += rand() % (ms / 2 + 1);
    delay.tv_sec = ms / 1000;
    delay.tv_nsec = ms % 1000 * 1000000;
    nanosleep(&delay, NULL);
}

static enum podlogin_status get_token(struct podlogin *login, struct podlogin_token **ret_token)
{
    enum podlogin_status status = PODLOGIN_OK;
    int try;

    for (try = 0; try < TRIES; try++) {
        status = podlogin_authenticate(login);
        if (status == PODLOGIN_OK)
            return podlogin_get_token(login, ret_token);
        fprintf(stderr, "retry: %s\n", podlogin_strerror(login, status));
        if (!is_temporary(status))
            break;
        pause_before(try, podlogin_retry_after(login));
    }
    return status;
}

/* The strings live as long as the token. */
static void execute(const struct podlogin_token *token, char **command)
{
    const char *text;
    unsigned i;

    for (i = 0; (text = podlogin_token_unset_at(token, i)); i++)
        unsetenv(text);
    for (i = 0; (text = podlogin_token_environment_at(token, i)); i++)
        putenv((char *)text);
    execvp(command[0], command);
    perror(command[0]);
    _exit(127);
}

/* Returns the exit status of the command, or -1. */
static int run(const struct podlogin_token *token, char **command)
{
    int status;
    pid_t pid = fork();

    if (pid == 0)
        execute(token, command);
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* A token that the upstream refuses is replaced, once: if the next is refused as well, the token is
 * not the reason. */
static int run_with_token(struct podlogin *login, struct podlogin_token *token, char **command)
{
    struct podlogin_token *other;
    int code = run(token, command);

    if (code == REFUSED &&
        podlogin_reject_token(login, podlogin_token_value(token), &other) == PODLOGIN_OK) {
        code = run(other, command);
        podlogin_token_free(other);
    }
    return code;
}

int main(int argc, char **argv)
{
    struct podlogin *login;
    struct podlogin_token *token;
    int code = 1;

    if (argc < 3 || podlogin_start(argv[1], &login) != PODLOGIN_OK)
        return 64;
    srand((unsigned)getpid());
    if (get_token(login, &token) == PODLOGIN_OK) {
        code = run_with_token(login, token, argv + 2);
        podlogin_token_free(token);
    }
    podlogin_end(login);
    return code < 0 ? 1 : code;
}
