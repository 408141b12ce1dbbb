/*
 * A program with an event loop, here of poll(2), that always has a valid token of a service:
 *
 *     watch SERVICE
 *
 *     cc watch.c $(pkg-config --cflags --libs libpodlogin)
 *
 * SIGINT and SIGTERM end it at once, also while it logs in.
 */
#include <podlogin.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* Here, a program gives the token to what uses it. */
static void use(const struct podlogin_token *token)
{
    printf("a token from %s, valid until %lld\n", podlogin_token_source(token),
           (long long)podlogin_token_expires_at(token));
    fflush(stdout);
}

/* Returns a descriptor that is readable once the program shall end. */
static int open_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC);
}

static enum podlogin_status get_token(struct podlogin *login, struct podlogin_token **ret_token)
{
    enum podlogin_status status = podlogin_authenticate(login);

    return status == PODLOGIN_OK ? podlogin_get_token(login, ret_token) : status;
}

/* The token that the program has is valid until it expires, whatever an error says. */
static void next(struct podlogin_watch *watch, struct podlogin_token **token)
{
    struct podlogin_token *other;
    enum podlogin_status status = podlogin_watch_next(watch, &other);

    if (status == PODLOGIN_OK) {
        podlogin_token_free(*token);
        *token = other;
        use(other);
    } else if (status != PODLOGIN_NOT_RENEWED) {
        fprintf(stderr, "watch: %s\n", podlogin_watch_strerror(watch, status));
    }
}

static void loop(struct podlogin_watch *watch, int signals, struct podlogin_token **token)
{
    struct pollfd fds[2] = {{0}};

    fds[0].fd = signals;
    fds[1].fd = podlogin_watch_fd(watch);
    fds[0].events = fds[1].events = POLLIN;
    while (poll(fds, 2, -1) >= 0 && !fds[0].revents)
        if (fds[1].revents)
            next(watch, token);
}

int main(int argc, char **argv)
{
    struct podlogin *login;
    struct podlogin_token *token = NULL;
    struct podlogin_watch *watch = NULL;
    enum podlogin_status status;
    int signals = open_signals();

    if (argc != 2 || signals < 0 || podlogin_start(argv[1], &login) != PODLOGIN_OK)
        return 64;
    podlogin_set_cancel_fd(login, signals);
    status = get_token(login, &token);
    if (status == PODLOGIN_OK)
        status = podlogin_watch_start(login, token, &watch);
    if (status == PODLOGIN_OK) {
        use(token);
        loop(watch, signals, &token);
    } else {
        fprintf(stderr, "watch: %s\n", podlogin_strerror(login, status));
    }
    podlogin_watch_end(watch);
    podlogin_token_free(token);
    podlogin_end(login);
    close(signals);
    return status == PODLOGIN_OK || status == PODLOGIN_CANCELLED ? 0 : 1;
}
