/*
 * A program that is hard on the library: with threads, fork() and signals.
 *
 *     library_program threads|fork|share|watch|storm N
 *
 * Each expectation of library_use.h is met N times, or the program fails.
 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/library_use.h"

#define THREADS 16

static struct expectation rows[THREADS];
static unsigned n_rows, n_rounds;

/* A handle for each thread; from time to time a new one. */
static void *run_thread(void *row)
{
    for (unsigned i = 0; i < n_rounds;) {
        struct podlogin *login = start(row);

        authenticate(login);
        for (unsigned j = 0; j < 100 && i < n_rounds; j++, i++)
            get(login, row);
        podlogin_end(login);
    }
    return NULL;
}

static void threads(void)
{
    pthread_t thread[THREADS];

    for (unsigned i = 0; i < THREADS; i++)
        expect(pthread_create(&thread[i], NULL, run_thread, &rows[i % n_rows]) == 0,
               "pthread_create", NULL, PODLOGIN_NO_MEMORY);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
}

static void wait_for_child(pid_t pid)
{
    int code = -1;

    waitpid(pid, &code, 0);
    expect(code == 0, "the child", NULL, PODLOGIN_OK);
}

static void get_often(struct podlogin *login, const struct expectation *row)
{
    for (unsigned i = 0; i < n_rounds; i++)
        get(login, row);
}

/* What the manual forbids: parent and child use one handle, here for two accounts. */
static void share(void)
{
    struct podlogin *login = start(&rows[0]);
    int pipe_fds[2];
    char byte;
    pid_t pid;

    authenticate(login);
    expect(pipe(pipe_fds) == 0, "pipe", NULL, PODLOGIN_OK);
    pid = fork();
    if (pid == 0) {
        podlogin_set_token_file(login, rows[1].token_file);
        authenticate(login);
        expect(write(pipe_fds[1], "", 1) == 1, "write", NULL, PODLOGIN_OK);
        get_often(login, &rows[1]);
        podlogin_end(login);
        _exit(EXIT_SUCCESS);
    }
    close(pipe_fds[1]);
    expect(read(pipe_fds[0], &byte, 1) == 1, "a child that has logged in", NULL, PODLOGIN_OK);
    close(pipe_fds[0]);
    get_often(login, &rows[0]); /* the first is that of podlogin_authenticate() */
    wait_for_child(pid);
    get_often(login, &rows[0]);
    podlogin_end(login);
}

/* What the manual allows: the handle is the parent's, and the child has one of its own. */
static void keep_apart(void)
{
    struct podlogin *login = start(&rows[0]);
    pid_t pid;

    authenticate(login);
    pid = fork();
    if (pid == 0) {
        run_thread(&rows[1]);
        _exit(EXIT_SUCCESS);
    }
    get_often(login, &rows[0]);
    wait_for_child(pid);
    podlogin_end(login);
}

static enum podlogin_status next(struct podlogin_watch *watch)
{
    struct podlogin_token *token = NULL;
    enum podlogin_status status = podlogin_watch_next(watch, &token);

    expect(!token, "a token that was not renewed", NULL, status);
    return status;
}

/* A child cannot use the watch of its parent, nor disturb it. */
static void watch(void)
{
    struct podlogin *login = start(&rows[0]);
    struct podlogin_token *token = NULL;
    struct podlogin_watch *of_token = NULL;
    struct pollfd poll_fd = {.events = POLLIN};
    enum podlogin_status status = PODLOGIN_OK;
    pid_t pid;

    authenticate(login);
    if (podlogin_get_token(login, &token) == PODLOGIN_OK)
        status = podlogin_watch_start(login, token, &of_token);
    expect(of_token != NULL, "podlogin_watch_start", login, status);
    poll_fd.fd = podlogin_watch_fd(of_token);
    expect(poll(&poll_fd, 1, -1) == 1, "a watch that begins", NULL, PODLOGIN_OK);
    status = next(of_token);
    expect(status == PODLOGIN_NOT_RENEWED, "podlogin_watch_next", login, status);
    pid = fork();
    if (pid == 0) {
        status = next(of_token);
        expect(status == PODLOGIN_BAD_ARGUMENT, "podlogin_watch_next in a child", NULL, status);
        podlogin_watch_end(of_token);
        _exit(EXIT_SUCCESS);
    }
    wait_for_child(pid);
    expect(poll(&poll_fd, 1, 0) == 0, "a watch that waits", NULL, PODLOGIN_OK);
    status = next(of_token);
    expect(status == PODLOGIN_NOT_RENEWED, "podlogin_watch_next", login, status);
    podlogin_watch_end(of_token);
    podlogin_token_free(token);
    podlogin_end(login);
}

/*
 * A child that goes on, and has the connection of the watch still open, keeps the parent's watch
 * neither from its pauses nor from the next token.
 */
static void outlive(void)
{
    struct podlogin *login = start(&rows[0]);
    struct podlogin_token *token = NULL;
    struct podlogin_watch *of_token = NULL;
    struct pollfd poll_fd = {.events = POLLIN};
    enum podlogin_status status = PODLOGIN_NOT_RENEWED;
    unsigned n_calls = 0;
    int pipe_fds[2];
    char byte;
    pid_t pid;

    expect(pipe(pipe_fds) == 0, "pipe", NULL, PODLOGIN_OK);
    authenticate(login);
    expect(podlogin_get_token(login, &token) == PODLOGIN_OK &&
               podlogin_watch_start(login, token, &of_token) == PODLOGIN_OK,
           "podlogin_watch_start", login, PODLOGIN_OK);
    podlogin_token_free(token);
    poll_fd.fd = podlogin_watch_fd(of_token);
    expect(next(of_token) == PODLOGIN_NOT_RENEWED, "podlogin_watch_next", login, status);
    pid = fork();
    if (pid == 0) {
        close(pipe_fds[1]);
        _exit(read(pipe_fds[0], &byte, 1) == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
    }
    for (; status == PODLOGIN_NOT_RENEWED; n_calls++) {
        poll(&poll_fd, 1, -1);
        status = podlogin_watch_next(of_token, &token);
    }
    expect(status == PODLOGIN_OK, "the next token", NULL, status);
    expect(n_calls < 20, "a watch that pauses", NULL, status);
    podlogin_token_free(token);
    podlogin_watch_end(of_token);
    podlogin_end(login);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    wait_for_child(pid);
}

static void on_signal(int number)
{
    (void)number;
}

/* Without SA_RESTART, each wait in the kernel ends with EINTR. */
static void storm(void)
{
    const struct sigaction action = {.sa_handler = on_signal};
    const struct itimerval interval = {{0, 1000}, {0, 1000}};

    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &interval, NULL);
    for (unsigned i = 0; i < n_rounds; i++)
        for (unsigned j = 0; j < n_rows; j++) {
            struct podlogin *login = start(&rows[j]);

            authenticate(login);
            get(login, &rows[j]);
            podlogin_end(login);
        }
}

int main(int argc, char **argv)
{
    unsigned n_descriptors = descriptors_count();

    expect(argc == 3, "two arguments", NULL, PODLOGIN_BAD_ARGUMENT);
    n_rounds = (unsigned)atoi(argv[2]);
    n_rows = expectations_read(rows, THREADS);
    if (strcmp(argv[1], "threads") == 0)
        threads();
    else if (strcmp(argv[1], "share") == 0)
        share();
    else if (strcmp(argv[1], "fork") == 0)
        keep_apart();
    else if (strcmp(argv[1], "watch") == 0)
        watch();
    else if (strcmp(argv[1], "outlive") == 0)
        outlive();
    else
        storm();
    expect(descriptors_count() == n_descriptors, "no descriptor left", NULL, PODLOGIN_OK);
    return EXIT_SUCCESS;
}
