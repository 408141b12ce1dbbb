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

/* A small file comes by its contents, a large one by a descriptor. */
static void assert_holds(const struct job_file *file, const char *text)
{
    char buffer[16] = "";

    if (file->content) {
        assert_true(file->fd < 0);
        assert_int_equal(file->len, strlen(text));
        assert_memory_equal(file->content, text, file->len);
        return;
    }
    assert_true(file->fd >= 0 && read(file->fd, buffer, strlen(text)) >= 0);
    assert_string_equal(buffer, text);
    assert_true(fcntl(file->fd, F_GETFD) & FD_CLOEXEC);
}

static void make_large(const char *path)
{
    assert_int_equal(truncate(path, JOB_FILE_COPY + 1), 0);
}

static void files_come_in_the_order_of_the_fields(void **state)
{
    struct job_files files;

    (void)state;
    assert_passed(one, two, &files);
    assert_int_equal(files.n, 2);
    assert_holds(&files.files[0], "one");
    assert_holds(&files.files[1], "two");
    job_files_done(&files);
    make_large(two);
    assert_passed(one, two, &files);
    assert_holds(&files.files[0], "one");
    assert_null(files.files[1].content);
    assert_holds(&files.files[1], "two");
    job_files_done(&files);
    assert_passed(NULL, two, &files);
    assert_int_equal(files.n, 1);
    assert_holds(&files.files[0], "two");
    job_files_done(&files);
    assert_passed(NULL, NULL, &files);
    assert_int_equal(files.n, 0);
}

static void a_file_that_cannot_be_opened_has_its_reason(void **state)
{
    struct job_files files;

    (void)state;
    assert_passed("/nonexistent/ca.pem", two, &files);
    assert_int_equal(files.n, 2);
    assert_int_equal(files.files[0].fd, -ENOENT);
    assert_holds(&files.files[1], "two");
    job_files_done(&files);
    assert_passed("/", NULL, &files);
    assert_int_equal(files.files[0].fd, -EISDIR);
}

static void without_room_for_descriptors_there_is_a_reason(void **state)
{
    struct job_files files;
    struct secret *frame = job_with(one, two);
    struct rlimit limit;

    (void)state;
    secret_free(frame);
    make_large(one);
    frame = job_with(one, two);
    assert_int_equal(job_packet_send(ends[0], frame), 0);
    getrlimit(RLIMIT_NOFILE, &limit);
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){0, limit.rlim_max});
    assert_int_equal(job_packet_receive(ends[1], received, sizeof(received), &files), frame->len);
    setrlimit(RLIMIT_NOFILE, &limit);
    assert_int_equal(files.n, 2);
    assert_int_equal(files.files[0].fd, -EMFILE);
    assert_holds(&files.files[1], "two");
    job_files_done(&files);
    secret_free(frame);
}

/* The kernel counts them for all processes of a user: somebody else's may use them up. */
static void with_too_many_descriptors_under_way_small_files_arrive(void **state)
{
    enum {
        LIMIT = 16
    };
    int pair[2], fds[2] = {ends[0], ends[0]};
    struct iovec byte = {"x", 1};
    struct job_files files;
    struct secret *frame;
    struct rlimit limit;
    int r = 0;

    (void)state;
    if (getuid() == 0) /* without CAP_SYS_RESOURCE and CAP_SYS_ADMIN, which lift the limit */
        skip_because("needs a user that is not root");
    make_large(two);
    frame = job_with(one, two);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    getrlimit(RLIMIT_NOFILE, &limit);
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){LIMIT, limit.rlim_max});
    for (int i = 0; i < LIMIT && r == 0; i++)
        r = descriptors_send(pair[0], &byte, 1, fds, 2);
    assert_int_equal(r, -ETOOMANYREFS);
    assert_int_equal(job_packet_send(ends[0], frame), 0);
    setrlimit(RLIMIT_NOFILE, &limit);
    assert_int_equal(job_packet_receive(ends[1], received, sizeof(received), &files), frame->len);
    assert_holds(&files.files[0], "one");
    assert_int_equal(files.files[1].fd, -ETOOMANYREFS);
    job_files_done(&files);
    secret_free(frame);
    close(pair[0]);
    close(pair[1]);
}

static void every_truncation_is_refused(void **state)
{
    static const struct {
        uint32_t n;
        int32_t errors[JOB_FILES_MAX];
        uint32_t lengths[JOB_FILES_MAX];
    } wrong[] = {
        {.n = JOB_FILES_MAX + 1},
        {.n = 1, .lengths = {JOB_FILE_COPY + 1}},
        {.n = 1, .lengths = {UINT32_MAX}},
        {.n = 2, .lengths = {3, 30}}, /* more than there is */
        {.n = 0},                     /* no frame */
    };
    struct job_files files;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        for (size_t len = 1; len <= sizeof(wrong[i]); len++) {
            assert_int_equal(send(ends[0], &wrong[i], len, 0), len);
            assert_int_equal(job_packet_receive(ends[1], received, sizeof(received), &files),
                             -EBADMSG);
            job_files_done(&files);
            while (recv(ends[1], received, sizeof(received), MSG_DONTWAIT) > 0)
                ;
        }
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
        cmocka_unit_test_setup_teardown(with_too_many_descriptors_under_way_small_files_arrive,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_truncation_is_refused, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
