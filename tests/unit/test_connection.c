/* How long a connection lasts, under a simulated clock, and what is left of one that ends. */
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "support/check.h"
#include "support/scratch.h"
#include "support/sim_daemon.h"

static char directory[SCRATCH_MAX];
static uint8_t ping[WIRE_HEADER_SIZE];
static int client;

static int begin(void **state)
{
    const struct message_ping nothing = {0};
    struct config *config = sim_config(1);
    int ends[2];
    size_t len;

    (void)state;
    sim_init(1);
    scratch_make(directory, "/tmp");
    assert_true(asprintf(&config->socket, "%s/socket", directory) > 0);
    config->attestation = ATTESTATION_OFF;
    config->limits = (struct limits){
        .connections = 8192,
        .requests = {.per_s = 50, .burst = 1000},
        .frame_timeout_s = 2,
        .idle_timeout_s = 30,
    };
    sim_daemon_begin(config);
    config_unref(config);
    assert_int_equal(wire_encode(&message_ping, 1, &nothing, ping, sizeof(ping), &len), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    client = ends[0];
    assert_true(connection_new(&sessions, ends[1]));
    return 0;
}

static int end(void **state)
{
    (void)state;
    close(client);
    sim_daemon_end();
    scratch_remove(directory);
    return 0;
}

/* Does what the event loop does while the clock stands still. */
static void serve(void)
{
    struct epoll_event event;

    while (epoll_wait(sim_loop.epoll_fd, &event, 1, 0) == 1) {
        struct loop_source *source = event.data.ptr;

        source->on_ready(source, event.events);
    }
}

static void send_part(size_t from, size_t n)
{
    assert_int_equal(write(client, ping + from, n), n);
    serve();
}

static void send_ping(void)
{
    send_part(0, sizeof(ping));
}

/* Reads what is there. Returns the number of bytes. */
static size_t take_answers(void)
{
    char buffer[65536];
    size_t all = 0;
    ssize_t n;

    while ((n = read(client, buffer, sizeof(buffer))) > 0) {
        all += (size_t)n;
        serve();
    }
    return all;
}

static struct connection *the_connection(void)
{
    assert_int_equal(sessions.n_connections, 1);
    return container_of(sessions.connections.next, struct connection, node);
}

/* Sends requests until answers do not fit into the socket. */
static void fall_behind(void)
{
    while (!the_connection()->n_output)
        send_ping();
}

static void an_idle_connection_ends_after_30_to_60_s(void **state)
{
    (void)state;
    for (int second = 0; second < 100; second += 29) {
        send_ping();
        sim_run_for(29 * SECOND_USEC);
    }
    assert_int_equal(sessions.n_connections, 1);
    send_ping();
    sim_run_for(29 * SECOND_USEC);
    assert_int_equal(sessions.n_connections, 1);
    sim_run_for(31 * SECOND_USEC);
    assert_int_equal(sessions.n_connections, 0);
}

static void a_frame_has_2_s_and_the_next_one_as_well(void **state)
{
    (void)state;
    send_part(0, 1);
    sim_run_for(2 * SECOND_USEC - 1);
    send_part(1, sizeof(ping) - 1);
    assert_int_equal(sessions.n_connections, 1);
    sim_run_for(29 * SECOND_USEC);
    assert_int_equal(sessions.n_connections, 1);
    send_part(0, 1);
    sim_run_for(SECOND_USEC);
    send_part(1, 1); /* a byte prolongs nothing */
    sim_run_for(SECOND_USEC - 1);
    assert_int_equal(sessions.n_connections, 1);
    sim_run_for(1);
    assert_int_equal(sessions.n_connections, 0);
}

static void a_client_that_does_not_read_has_10_s(void **state)
{
    (void)state;
    fall_behind();
    sim_run_for(10 * SECOND_USEC - 1);
    assert_int_equal(sessions.n_connections, 1);
    sim_run_for(1);
    assert_int_equal(sessions.n_connections, 0);
}

/* The time for the answers ends with the last of them. */
static void a_client_that_has_caught_up_is_an_idle_one(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        fall_behind();
        sim_run_for(9 * SECOND_USEC);
        assert_true(take_answers() > 0);
        assert_int_equal(the_connection()->n_output, 0);
        sim_run_for(29 * SECOND_USEC);
        assert_int_equal(sessions.n_connections, 1);
    }
    sim_run_for(31 * SECOND_USEC);
    assert_int_equal(sessions.n_connections, 0);
}

/* Asks until the pod's bucket is empty. Returns the size of an answer. */
static size_t use_up_tokens(void)
{
    size_t size = 0;

    while (!timer_is_set(&the_connection()->throttle)) {
        size_t n;

        send_ping();
        n = take_answers();
        size = n ? n : size;
    }
    return size;
}

/* What a connection has reserved but not used is given back to the pod. */
static void a_throttled_connection_that_ends_leaves_nothing_reserved(void **state)
{
    struct quota *quota = quota_join(&sessions.quotas, &the_connection()->peer, true);
    uint64_t reserved_until_usec;

    (void)state;
    use_up_tokens();
    reserved_until_usec = quota->rates[CHARGE_REQUEST].reserved_until_usec;
    shutdown(client, SHUT_RDWR);
    serve();
    assert_int_equal(sessions.n_connections, 0);
    assert_int_equal(reserved_until_usec - quota->rates[CHARGE_REQUEST].reserved_until_usec,
                     SECOND_USEC / 50);
    quota_leave(quota);
}

static void a_connection_is_throttled_again_and_again(void **state)
{
    size_t size = use_up_tokens(), n_answers = 0;

    (void)state;
    for (int i = 0; i < 200; i++)
        send_ping();
    for (int i = 0; i < 100; i++) {
        sim_run_for(SECOND_USEC / 50); /* one request */
        serve();
        n_answers += take_answers() / size;
        assert_in_range(n_answers, i, i + 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_idle_connection_ends_after_30_to_60_s, begin, end),
        cmocka_unit_test_setup_teardown(a_frame_has_2_s_and_the_next_one_as_well, begin, end),
        cmocka_unit_test_setup_teardown(a_client_that_does_not_read_has_10_s, begin, end),
        cmocka_unit_test_setup_teardown(a_client_that_has_caught_up_is_an_idle_one, begin, end),
        cmocka_unit_test_setup_teardown(a_throttled_connection_that_ends_leaves_nothing_reserved,
                                        begin, end),
        cmocka_unit_test_setup_teardown(a_connection_is_throttled_again_and_again, begin, end),
    };

    log_init("test_connection", -1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
