/* A listening socket's file: what may be in its place, and what becomes of it. */
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
static uint64_t since_usec; /* what is known of the age of the connection accepted last */
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

/* A socket of another daemon's at the path, where it stays when it is closed. */
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

    if (listener_open(&listener, &loop, path, &events, error) < 0)
        fail_msg("%s", error);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0666);
    close(client());
}

static void assert_refuses(int expected, const char *reason)
{
    char error[LISTENER_ERROR_MAX];

    assert_int_equal(listener_open(&listener, &loop, path, &events, error), expected);
    if (!strstr(error, reason))
        fail_msg("\"%s\" does not say \"%s\"", error, reason);
}

static void it_listens_with_mode_0666_whatever_the_umask_and_removes_its_file(void **state)
{
    mode_t before = umask(077);

    (void)state;
    assert_listens();
    umask(before);
    listener_close(&listener);
    assert_int_equal(access(path, F_OK), -1);
}

static void the_directory_is_made_for_all_to_traverse(void **state)
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

static void one_directory_is_made_and_not_those_above(void **state)
{
    (void)state;
    snprintf(path, sizeof(path), "%s/a/b/socket", directory);
    assert_refuses(-ENOENT, "No such file or directory");
}

static void a_socket_that_nobody_listens_at_is_replaced(void **state)
{
    (void)state;
    close(other_socket());
    assert_int_equal(access(path, F_OK), 0);
    assert_listens();
}

static void a_daemon_that_listens_is_left_alone(void **state)
{
    int fd = other_socket();

    (void)state;
    assert_refuses(-EADDRINUSE, "already");
    listener_close(&listener);
    assert_int_equal(access(path, F_OK), 0); /* it is that one's */
    close(client());
    close(fd);
}

static void a_file_that_is_no_socket_is_left_alone(void **state)
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

static void a_path_is_as_long_as_a_socket_can_have(void **state)
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
    assert_int_equal(listener_open(&listener, &loop, longest, &events, error), -ENAMETOOLONG);
    assert_non_null(strstr(error, "longer than 107 bytes"));
    listener_close(&listener);
    longest[most] = '\0';
    assert_int_equal(listener_open(&listener, &loop, longest, &events, error), 0);
    free(longest);
}

/* As the loop does when there is somebody. */
static void round_of_accepting(void)
{
    listener.source.on_ready(&listener.source, EPOLLIN);
}

static void a_round_takes_a_few_or_as_many_as_it_is_let(void **state)
{
    int fds[CLIENTS];

    (void)state;
    assert_listens();
    round_of_accepting();
    assert_int_equal(n_accepted, 1);
    for (size_t i = 0; i < CLIENTS; i++)
        fds[i] = client();
    round_of_accepting();
    assert_int_equal(n_accepted,
                     5); /* four at once, so that those who are connected come between */
    goes_on = false;
    round_of_accepting();
    assert_int_equal(n_accepted, 6);
    listener_pause(&listener);
    round_of_accepting(); /* it was ready before it was paused */
    assert_int_equal(n_accepted, 6);
    listener_resume(&listener);
    round_of_accepting();
    assert_int_equal(n_accepted, 7);
    round_of_accepting(); /* nobody is left */
    assert_int_equal(n_accepted, 7);
    for (size_t i = 0; i < CLIENTS; i++)
        close(fds[i]);
}

static void what_is_known_of_a_connections_age_is_true(void **state)
{
    uint64_t emptied_usec, connected_usec;
    int fd;

    (void)state;
    assert_listens();
    round_of_accepting();
    assert_int_equal(since_usec, 0); /* nothing: it may have waited since the socket was made */
    emptied_usec = clock_boot_usec();
    round_of_accepting();
    fd = client();
    connected_usec = clock_boot_usec();
    round_of_accepting();
    assert_int_equal(n_accepted, 2);
    assert_in_range(since_usec, emptied_usec, connected_usec);
    close(fd);
}

/* The queue is never empty, so only their number tells that those who waited are gone. */
static void of_a_queue_that_is_never_empty_something_is_known_too(void **state)
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
        TEST(it_listens_with_mode_0666_whatever_the_umask_and_removes_its_file),
        TEST(the_directory_is_made_for_all_to_traverse),
        TEST(one_directory_is_made_and_not_those_above),
        TEST(a_socket_that_nobody_listens_at_is_replaced),
        TEST(a_daemon_that_listens_is_left_alone),
        TEST(a_file_that_is_no_socket_is_left_alone),
        TEST(a_path_is_as_long_as_a_socket_can_have),
        TEST(a_round_takes_a_few_or_as_many_as_it_is_let),
        TEST(what_is_known_of_a_connections_age_is_true),
        TEST(of_a_queue_that_is_never_empty_something_is_known_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
