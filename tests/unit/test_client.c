/* The library's connection: what stays of a request in memory, and a daemon whose backlog is full.
 */
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "library/handle.h"
#include "support/scratch.h"

#define JWT_LEN 4000

static char directory[SCRATCH_MAX];
static char socket_path[SCRATCH_MAX + 16];
static char token_path[SCRATCH_MAX + 16];

static int make_directory(void **state)
{
    char jwt[JWT_LEN];

    (void)state;
    scratch_make(directory, "/tmp");
    snprintf(socket_path, sizeof(socket_path), "%s/socket", directory);
    snprintf(token_path, sizeof(token_path), "%s/token", directory);
    memset(jwt, 'j', sizeof(jwt));
    scratch_write(token_path, jwt, sizeof(jwt), 0600);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    scratch_remove(directory);
    return 0;
}

static int listen_here(int backlog)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    strcpy(address.sun_path, socket_path);
    unlink(socket_path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, backlog), 0);
    return fd;
}

static struct podlogin *start(void)
{
    struct podlogin *login;

    assert_int_equal(podlogin_start("pulumi", &login), PODLOGIN_OK);
    assert_int_equal(podlogin_set_socket(login, socket_path), PODLOGIN_OK);
    assert_int_equal(podlogin_set_token_file(login, token_path), PODLOGIN_OK);
    assert_int_equal(podlogin_set_server_uid(login, geteuid()), PODLOGIN_OK);
    return login;
}

static void take(int fd, void *bytes, size_t len)
{
    assert_int_equal(recv(fd, bytes, len, MSG_WAITALL), (ssize_t)len);
}

/* Reads a frame, and returns its header. */
static struct wire_header take_frame(int fd)
{
    uint8_t bytes[PODLOGIN_REQUEST_MAX];
    struct wire_header header;

    take(fd, bytes, WIRE_HEADER_SIZE);
    wire_header_read(bytes, &header);
    take(fd, bytes, header.payload_len);
    return header;
}

static void answer(int fd, const struct wire_message *message, uint16_t id, const void *values)
{
    uint8_t frame[1024];
    size_t len;

    assert_int_equal(wire_encode(message, id, values, frame, sizeof(frame), &len), 0);
    assert_int_equal(write(fd, frame, len), (ssize_t)len);
}

/* A daemon that lets the client wait before it answers. */
static void *serve(void *data)
{
    const struct message_error wait = {.status = PODLOGIN_TOO_MANY, .retry_after_ms = 1};
    const struct message_token token = {
        .token = wire_string("t"), .token_type = wire_string("token"), .expires_at_s = 4102444800};
    int fd = accept(*(int *)data, NULL, NULL);

    assert_int_equal(take_frame(fd).type, MESSAGE_LOGIN);
    answer(fd, &message_error, take_frame(fd).id, &wait);
    answer(fd, &message_token, take_frame(fd).id, &token); /* a shorter request */
    close(fd);
    return NULL;
}

static void assert_is_wiped(const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        assert_int_equal(bytes[i], 0);
}

static void nothing_of_a_request_stays_in_memory(void **state)
{
    int listener = listen_here(1);
    struct podlogin *login = start();
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, serve, &listener), 0);
    assert_int_equal(podlogin_authenticate(login), PODLOGIN_OK);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_is_wiped(login->client.buffer, sizeof(login->client.buffer));
    assert_is_wiped(login->subject_token.bytes, sizeof(login->subject_token.bytes));
    podlogin_end(login);
    close(listener);
}

static void nothing_of_a_token_that_is_too_long_stays_in_memory(void **state)
{
    struct podlogin *login = start();
    char path[SCRATCH_MAX + 16], bytes[PODLOGIN_JWT_MAX + 1];

    (void)state;
    snprintf(path, sizeof(path), "%s/long", directory);
    memset(bytes, 'j', sizeof(bytes));
    scratch_write(path, bytes, sizeof(bytes), 0600);
    assert_int_equal(podlogin_set_token_file(login, path), PODLOGIN_OK);
    assert_int_equal(podlogin_authenticate(login), PODLOGIN_NO_SUBJECT_TOKEN);
    assert_is_wiped(login->subject_token.bytes, sizeof(login->subject_token.bytes));
    podlogin_end(login);
}

static void *authenticate(void *login)
{
    assert_int_equal(podlogin_authenticate(login), PODLOGIN_OK);
    return NULL;
}

static int fill(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    strcpy(address.sun_path, socket_path);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void a_place_in_the_backlog_is_waited_for(void **state)
{
    int listener = listen_here(0), first = fill();
    struct podlogin *login = start();
    pthread_t thread;

    (void)state;
    assert_int_equal(podlogin_set_timeout(login, 20), PODLOGIN_OK);
    assert_int_equal(podlogin_authenticate(login), PODLOGIN_UNREACHABLE);
    assert_int_equal(podlogin_set_timeout(login, PODLOGIN_TIMEOUT_MAX_MS), PODLOGIN_OK);
    assert_int_equal(pthread_create(&thread, NULL, authenticate, login), 0);
    close(accept(listener, NULL, NULL));
    serve(&listener);
    assert_int_equal(pthread_join(thread, NULL), 0);
    podlogin_end(login);
    close(first);
    close(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_of_a_request_stays_in_memory),
        cmocka_unit_test(nothing_of_a_token_that_is_too_long_stays_in_memory),
        cmocka_unit_test(a_place_in_the_backlog_is_waited_for),
    };

    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
