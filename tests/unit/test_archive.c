/*
 * A program whose functions have the same names as internal functions of libpodlogin. It links with
 * libpodlogin.a, and the library calls its own functions. The server check matters most: if the
 * program's function replaced it, the library would send the service-account token to any server.
 */
#include <sys/socket.h>
#include <sys/un.h>

#include "library/podlogin.h"
#include "support/scratch.h"

#define MINE(name)                                                                                 \
    void name(void);                                                                               \
    void name(void)                                                                                \
    {                                                                                              \
        fail_msg("the library calls the program's " #name "()");                                   \
    }

MINE(client_ask)
MINE(client_close)
MINE(client_nap)
MINE(clock_ms)
MINE(deadline_wait)
MINE(fingerprint)
MINE(handle_ask)
MINE(identity_new)
MINE(message_get)
MINE(message_ping)
MINE(number_text)
MINE(output)
MINE(packed_add)
MINE(server_judge)
MINE(service_name_is_valid)
MINE(status_info)
MINE(subject_token_read)
MINE(text_add)
MINE(text_in)
MINE(time_span_parse)
MINE(token_check)
MINE(token_new)
MINE(variable_name_is_safe)
MINE(wire_decode)
MINE(wire_encode)

static char directory[SCRATCH_MAX], path[SCRATCH_MAX + 16], token_file[SCRATCH_MAX + 16];

static int make(void **state)
{
    (void)state;
    scratch_make(directory, "/tmp");
    snprintf(path, sizeof(path), "%s/podlogin.sock", directory);
    snprintf(token_file, sizeof(token_file), "%s/token", directory);
    scratch_write(token_file, "a.b.c", 5, 0600);
    return 0;
}

static int clean(void **state)
{
    (void)state;
    scratch_remove(directory);
    return 0;
}

static int listen_here(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 8), 0);
    return fd;
}

static void a_server_of_another_user_is_sent_nothing(void **state)
{
    CLEANUP(fd_closep)
    int listener = listen_here(), fd = -1;
    struct podlogin *login;
    char bytes[16];

    (void)state;
    assert_int_equal(podlogin_start("pulumi", &login), PODLOGIN_OK);
    assert_int_equal(podlogin_set_socket(login, path), PODLOGIN_OK);
    assert_int_equal(podlogin_set_token_file(login, token_file), PODLOGIN_OK);
    assert_int_equal(podlogin_set_server_uid(login, geteuid() + 1), PODLOGIN_OK);
    assert_int_equal(podlogin_authenticate(login), PODLOGIN_UNTRUSTED_SERVER);
    assert_non_null(strstr(podlogin_strerror(login, PODLOGIN_UNTRUSTED_SERVER), path));
    fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(read(fd, bytes, sizeof(bytes)), 0);
    podlogin_end(login);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_of_another_user_is_sent_nothing),
    };

    return cmocka_run_group_tests(tests, make, clean);
}
