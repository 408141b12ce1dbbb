/* A job arrives with descriptors of its CA files, or with the reason why one could not be opened.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "exchange/job.h"
#include "exchange/job_packet.h"
#include "message/frame.h"
#include "support/scratch.h"

static int ends[2];
static uint8_t received[JOB_FRAME_MAX];
static char directory[SCRATCH_MAX], one[SCRATCH_MAX + 8], two[SCRATCH_MAX + 8];

static int set_up(void **state)
{
    (void)state;
    scratch_make(directory, "/tmp");
    snprintf(one, sizeof(one), "%s/one.pem", directory);
    snprintf(two, sizeof(two), "%s/two.pem", directory);
    scratch_write(one, "one", 3, 0600);
    scratch_write(two, "two", 3, 0600);
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends);
}

static int tear_down(void **state)
{
    (void)state;
    scratch_remove(directory);
    close(ends[0]);
    return close(ends[1]);
}

static struct secret *job_with(const char *ca_file, const char *api_ca_file)
{
    struct job_keys keys = {.issuer = wire_string("https://issuer"),
                            .ca_file = wire_string(ca_file),
                            .api_ca_file = wire_string(api_ca_file)};
    struct secret *frame;

    assert_int_equal(frame_new(&job_keys, 7, &keys, &frame), 0);
    return frame;
}

static void assert_passed(const char *ca_file, const char *api_ca_file, struct job_files *ret_files)
{
    struct secret *frame = job_with(ca_file, api_ca_file);

    assert_int_equal(job_packet_send(ends[0], frame), 0);
    assert_int_equal(job_packet_receive(ends[1], received, sizeof(received), ret_files),
                     frame->len);
    assert_memory_equal(received, frame->bytes, frame->len);
    secret_free(frame);
}

static void assert_holds(int fd, const char *text)
{
    char buffer[16] = "";

    assert_true(fd >= 0 && read(fd, buffer, sizeof(buffer) - 1) >= 0);
    assert_string_equal(buffer, text);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static void files_come_in_the_order_of_the_fields(void **state)
{
    struct job_files files;

    (void)state;
    assert_passed(one, two, &files);
    assert_int_equal(files.n, 2);
    assert_holds(files.fds[0], "one");
    assert_holds(files.fds[1], "two");
    job_files_close(&files);
    assert_passed(NULL, two, &files);
    assert_int_equal(files.n, 1);
    assert_holds(files.fds[0], "two");
    job_files_close(&files);
    assert_passed(NULL, NULL, &files);
    assert_int_equal(files.n, 0);
}

static void a_file_that_cannot_be_opened_has_its_reason(void **state)
{
    struct job_files files;

    (void)state;
    assert_passed("/nonexistent/ca.pem", two, &files);
    assert_int_equal(files.n, 2);
    assert_int_equal(files.fds[0], -ENOENT);
    assert_holds(files.fds[1], "two");
    job_files_close(&files);
    assert_passed("/", NULL, &files);
    assert_int_equal(files.fds[0], -EISDIR);
}

static void without_room_for_descriptors_there_is_a_reason(void **state)
{
    struct job_files files;
    struct secret *frame;
    struct rlimit limit;

    (void)state;
    frame = job_with(one, NULL);
    assert_int_equal(job_packet_send(ends[0], frame), 0);
    getrlimit(RLIMIT_NOFILE, &limit);
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){0, limit.rlim_max});
    assert_int_equal(job_packet_receive(ends[1], received, sizeof(received), &files), frame->len);
    setrlimit(RLIMIT_NOFILE, &limit);
    assert_int_equal(files.n, 1);
    assert_int_equal(files.fds[0], -EMFILE);
    secret_free(frame);
}

static void every_truncation_is_bounded(void **state)
{
    uint8_t packet[64] = {9, 0, 0, 0}; /* more files than there can be */
    struct job_files files;

    (void)state;
    for (size_t len = 1; len <= sizeof(packet); len++) {
        assert_int_equal(send(ends[0], packet, len, 0), len);
        assert_int_equal(job_packet_receive(ends[1], received, sizeof(received), &files),
                         len > 12 ? len - 12 : 0);
        assert_true(files.n <= DESCRIPTORS_MAX);
        for (size_t i = 0; i < files.n; i++)
            assert_int_equal(files.fds[i], -EMFILE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(files_come_in_the_order_of_the_fields, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_that_cannot_be_opened_has_its_reason, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(without_room_for_descriptors_there_is_a_reason, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(every_truncation_is_bounded, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
