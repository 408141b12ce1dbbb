/*
 * Compares the reported age of connections with simulated queues, in which each connection's age is
 * known, and the limit with the kernel's queue.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "session/backlog.h"
#include "support/check.h"

#define HELD_MAX (BACKLOG_MAX + 1)

/* The times at which the waiting clients connected. */
struct queue {
    uint64_t connected_usec[HELD_MAX];
    size_t first, n;
};

static uint64_t now_usec;

static void queue_fill(struct queue *queue, size_t n)
{
    for (; n && queue->n < HELD_MAX; n--)
        queue->connected_usec[(queue->first + queue->n++) % HELD_MAX] = ++now_usec;
}

/*
 * Accepts as the daemon does. Returns when the accepted client had connected; 0: none was waiting.
 */
static uint64_t queue_accept(struct queue *queue, struct backlog *backlog)
{
    uint64_t before_usec = ++now_usec, connected_usec;

    if (!queue->n) {
        backlog_empty(backlog, before_usec);
        return 0;
    }
    connected_usec = queue->connected_usec[queue->first];
    queue->first = (queue->first + 1) % HELD_MAX;
    queue->n--;
    backlog_accepted(backlog, before_usec);
    return connected_usec;
}

static void no_client_connected_earlier_than_reported(void **state)
{
    (void)state;
    for (size_t room = 0; room < 8; room++) {
        struct queue queue = {0};
        struct backlog backlog = {0};

        srandom((unsigned)room);
        now_usec = 0;
        for (size_t i = 0; i < 100000; i++) {
            uint64_t connected_usec;

            /* always full; or filled now and then, and sometimes empty */
            if (!room || (size_t)random() % (1 << room) == 0)
                queue_fill(&queue, room ? (size_t)random() % ((size_t)3 << room) : HELD_MAX);
            connected_usec = queue_accept(&queue, &backlog);
            if (connected_usec)
                assert_true(backlog.since_usec <= connected_usec);
        }
    }
}

static void the_reported_time_advances_during_a_flood(void **state)
{
    struct queue queue = {0};
    struct backlog backlog = {0};
    uint64_t moved_at = 0, since_usec = 0;
    size_t n_moves = 0;

    (void)state;
    now_usec = 0;
    queue_accept(&queue, &backlog); /* the queue is empty */
    since_usec = backlog.since_usec;
    for (size_t i = 0; i < 20 * HELD_MAX; i++) {
        queue_fill(&queue, HELD_MAX);
        queue_accept(&queue, &backlog);
        if (backlog.since_usec == since_usec)
            continue;
        assert_true(i - moved_at <= HELD_MAX);
        since_usec = backlog.since_usec;
        moved_at = i;
        n_moves++;
    }
    assert_true(n_moves >= 18);
}

static void the_kernel_queues_no_more_than_assumed(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    size_t n = 0;
    int r = 0;

    (void)state;
    assert_true(listener >= 0);
    snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "podlogin-backlog-%d",
             (int)getpid());
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, BACKLOG_MAX), 0);
    while (r == 0) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        assert_true(fd >= 0);
        r = connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
        close(fd); /* it stays in the queue */
        n += r == 0;
        assert_true(n <= HELD_MAX);
    }
    assert_int_equal(r, -EAGAIN);
    close(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_client_connected_earlier_than_reported),
        cmocka_unit_test(the_reported_time_advances_during_a_flood),
        cmocka_unit_test(the_kernel_queues_no_more_than_assumed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
