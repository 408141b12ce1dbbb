/* A listening socket's file: what may exist at its path, and what happens to it. */
#include "session/listener.h"

#include <errno.h>
#include <libgen.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "support/scratch.h"

#define CLIENTS 6

static char directory[SCRATCH_MAX], path[SCRATCH_MAX + 32];
static struct loop loop;
static struct listener listener;
static unsigned n_accepted;
/* the latest accepted connection has not connected before this; 0: unknown */
static uint64_t since_usec;
static bool goes_on;

static bool on_accept(struct listener *from, int fd)
{
    assert_ptr_equal(from, &listener);
    close(fd);
    n_accepted++;
    since_usec = listener_since_usec(from);
    return goes_on;
}

static const struct listener_events events = {.on_accept = on_accept};

static int begin(void **state)
{
    (void)state;
    scratch_make(directory, "/tmp");
    snprintf(path, sizeof(path), "%s/socket", directory);
    listener = (struct listener){0};
    n_accepted = 0;
    goes_on = true;
    return loop_init(&loop);
}

static int end(void **state)
{
    (void)state;
    listener_close(&listener);
    listener_close(&listener); /* harmless */
    loop_done(&loop);
    scratch_remove(directory);
    return 0;
}

static struct sockaddr_un address(void)
{
    struct sockaddr_un there = {.sun_family = AF_UNIX};

    snprintf(there.sun_path, sizeof(there.sun_path), "%.90s", path);
    return there;
}

/* Creates another daemon's socket at the path. Its file remains when it is closed. */
static int other_socket(void)
{
    struct sockaddr_un there = address();
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&there, sizeof(there)), 0);
    assert_int_equal(listen(fd, 1), 0);
    return fd;
}

static int client(void)
{
    struct sockaddr_un there = address();
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    if (connect(fd, (struct sockaddr *)&there, sizeof(there)) < 0)
        fail_msg("%s", strerror(errno));
    return fd;
}

static void assert_listens(void)
{
    char error[LISTENER_ERROR_MAX];
    struct stat st;

    if (listener_open(&listener, &loop, &(struct listener_place){path, 0666, -1, false}, &events,
                      error) < 0)
        fail_msg("%s", error);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0666);
    close(client());
}

static void assert_refuses(int expected, const char *reason)
{
    char error[LISTENER_ERROR_MAX];

    assert_int_equal(listener_open(&listener, &loop,
                                   &(struct listener_place){path, 0666, -1, false}, &events, error),
                     expected);
    if (!strstr(error, reason))
        fail_msg("\"%s\" does not say \"%s\"", error, reason);
}

static void the_socket_has_mode_0666_whatever_the_umask_and_is_removed_at_the_end(void **state)
{
    mode_t before = umask(077);

    (void)state;
    assert_listens();
    umask(before);
    listener_close(&listener);
    assert_int_equal(access(path, F_OK), -1);
}

static void the_directory_is_created_and_all_users_can_traverse_it(void **state)
{
    mode_t before = umask(077);
    struct stat st;

    (void)state;
    snprintf(path, sizeof(path), "%s/run/socket", directory);
    assert_listens();
    umask(before);
    assert_int_equal(stat(dirname(path), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0755);
}

static void missing_parents_of_the_directory_are_not_created(void **state)
{
    (void)state;
    snprintf(path, sizeof(path), "%s/a/b/socket", directory);
    assert_refuses(-ENOENT, "No such file or directory");
}

static void a_socket_without_a_listener_is_replaced(void **state)
{
    (void)state;
    close(other_socket());
    assert_int_equal(access(path, F_OK), 0);
    assert_listens();
}

static void a_socket_with_a_listener_is_not_replaced(void **state)
{
    int fd = other_socket();

    (void)state;
    assert_refuses(-EADDRINUSE, "already");
    listener_close(&listener);
    assert_int_equal(access(path, F_OK), 0); /* it belongs to the other daemon */
    close(client());
    close(fd);
}

static void a_file_that_is_not_a_socket_is_not_replaced(void **state)
{
    size_t len;
    CLEANUP(freep)
    char *text = NULL;

    (void)state;
    scratch_write(path, "kept", 4, 0600);
    assert_refuses(-EEXIST, "is not a socket");
    text = scratch_read(path, &len);
    assert_string_equal(text, "kept");
}

static void the_path_is_limited_to_what_a_socket_address_holds(void **state)
{
    struct sockaddr_un there;
    size_t most = sizeof(there.sun_path) - 1;
    char *longest = malloc(most + 2), error[LISTENER_ERROR_MAX];

    (void)state;
    assert_non_null(longest);
    memset(longest, 'x', most + 1);
    memcpy(longest, directory, strlen(directory));
    longest[strlen(directory)] = '/';
    longest[most + 1] = '\0';
    assert_int_equal(listener_open(&listener, &loop,
                                   &(struct listener_place){longest, 0666, -1, false}, &events,
                                   error),
                     -ENAMETOOLONG);
    assert_non_null(strstr(error, "longer than 107 bytes"));
    listener_close(&listener);
    longest[most] = '\0';
    assert_int_equal(listener_open(&listener, &loop,
                                   &(struct listener_place){longest, 0666, -1, false}, &events,
                                   error),
                     0);
    free(longest);
}

/* Accepts as the loop does when a client is waiting. */
static void round_of_accepting(void)
{
    listener.source.on_ready(&listener.source, EPOLLIN);
}

static void a_round_accepts_up_to_four_connections_or_as_many_as_the_callback_allows(void **state)
{
    int fds[CLIENTS];

    (void)state;
    assert_listens();
    round_of_accepting();
    assert_int_equal(n_accepted, 1);
    for (size_t i = 0; i < CLIENTS; i++)
        fds[i] = client();
    round_of_accepting();
    /* at most four per round, so that connected clients get their turn */
    assert_int_equal(n_accepted, 5);
    goes_on = false;
    round_of_accepting();
    assert_int_equal(n_accepted, 6);
    listener_pause(&listener);
    round_of_accepting(); /* it may have been ready before the pause */
    assert_int_equal(n_accepted, 6);
    listener_resume(&listener);
    round_of_accepting();
    assert_int_equal(n_accepted, 7);
    round_of_accepting(); /* no client is left */
    assert_int_equal(n_accepted, 7);
    for (size_t i = 0; i < CLIENTS; i++)
        close(fds[i]);
}

static void a_reported_age_is_true(void **state)
{
    uint64_t emptied_usec, connected_usec;
    int fd;

    (void)state;
    assert_listens();
    round_of_accepting();
    assert_int_equal(since_usec, 0); /* unknown: it may have waited since the socket was created */
    emptied_usec = clock_boot_usec();
    round_of_accepting();
    fd = client();
    connected_usec = clock_boot_usec();
    round_of_accepting();
    assert_int_equal(n_accepted, 2);
    assert_in_range(since_usec, emptied_usec, connected_usec);
    close(fd);
}

/*
 * The queue is never empty, so only the number of accepted clients shows that earlier ones are
 * gone.
 */
static void the_age_is_bounded_even_if_the_queue_is_never_empty(void **state)
{
    uint64_t begun_usec;

    (void)state;
    assert_listens();
    goes_on = false;
    begun_usec = clock_boot_usec();
    for (int i = 0; i < 3 * (BACKLOG_MAX + 1); i++) {
        close(client());
        round_of_accepting();
    }
    assert_in_range(since_usec, begun_usec, clock_boot_usec());
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_socket_has_mode_0666_whatever_the_umask_and_is_removed_at_the_end),
        TEST(the_directory_is_created_and_all_users_can_traverse_it),
        TEST(missing_parents_of_the_directory_are_not_created),
        TEST(a_socket_without_a_listener_is_replaced),
        TEST(a_socket_with_a_listener_is_not_replaced),
        TEST(a_file_that_is_not_a_socket_is_not_replaced),
        TEST(the_path_is_limited_to_what_a_socket_address_holds),
        TEST(a_round_accepts_up_to_four_connections_or_as_many_as_the_callback_allows),
        TEST(a_reported_age_is_true),
        TEST(the_age_is_bounded_even_if_the_queue_is_never_empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
