/* Waiters are woken once, in order, whatever their callbacks do. */
#include "base/waiters.h"

#include "support/check.h"

static struct list waiters;
static char order[32];

struct one {
    struct waiter waiter;
    char name;
    bool waits_again;
    struct one *makes_leave;
};

static void on_wake(struct waiter *waiter, const void *news)
{
    struct one *one = container_of(waiter, struct one, waiter);

    assert_string_equal(news, "news");
    assert_false(waiter_is_waiting(waiter));
    strncat(order, &one->name, 1);
    if (one->waits_again)
        waiter_wait(waiter, &waiters);
    if (one->makes_leave)
        waiter_leave(&one->makes_leave->waiter);
}

static void one_init(struct one *one, char name)
{
    *one = (struct one){.name = name};
    waiter_init(&one->waiter, on_wake);
    assert_false(waiter_is_waiting(&one->waiter));
    waiter_wait(&one->waiter, &waiters);
    assert_true(waiter_is_waiting(&one->waiter));
}

static void each_waiter_is_woken_once_and_in_order(void **state)
{
    struct one a, b, c, d;

    (void)state;
    list_init(&waiters);
    order[0] = '\0';
    one_init(&a, 'a');
    one_init(&b, 'b');
    one_init(&c, 'c');
    one_init(&d, 'd');
    waiter_leave(&b.waiter);
    waiter_leave(&b.waiter); /* harmless */
    a.waits_again = true;
    a.makes_leave = &c;
    waiters_wake(&waiters, "news");
    assert_string_equal(order, "ad");
    a.waits_again = false;
    waiters_wake(&waiters, "news");
    assert_string_equal(order, "ada");
    assert_true(list_is_empty(&waiters));
    waiters_wake(&waiters, "news");
    assert_string_equal(order, "ada");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_waiter_is_woken_once_and_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
