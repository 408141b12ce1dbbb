/* Which quota a connection belongs to, and what the quota keeps when the connection ends. */
#include "base/clock.h"
#include "session/quota.h"
#include "support/check.h"

#define ONE   "3227b947-1111-4222-8333-444455556666"
#define OTHER "3227b947-1111-4222-8333-444455556667"

static const struct {
    const char *name;
    struct peer peer;
    /* peers with the same number are counted together, others are not */
    unsigned with_users, without_users;
} rows[] = {
    {"a pod", {PEER_IN_POD, -1, 10, 0, ONE}, 1, 1},
    {"the same pod: another process, of another user", {PEER_IN_POD, -1, 11, 1000, ONE}, 1, 1},
    {"the same uid without dashes, as of a static pod",
     {PEER_IN_POD, -1, 12, 0, "3227b947111142228333444455556666"},
     1,
     1},
    {"a pod whose uid differs in its last digit", {PEER_IN_POD, -1, 10, 0, OTHER}, 2, 2},
    {"a pod whose uid differs in its first digit",
     {PEER_IN_POD, -1, 10, 0, "4227b947-1111-4222-8333-444455556666"},
     3,
     3},
    {"a pod whose uid is zero",
     {PEER_IN_POD, -1, 10, 0, "00000000-0000-0000-0000-000000000000"},
     4,
     4},
    {"root in no pod", {PEER_IN_NO_POD, -1, 10, 0, ""}, 5, 5},
    {"a user in no pod", {PEER_IN_NO_POD, -1, 10, 1, ""}, 6, 5},
    {"the next user", {PEER_IN_NO_POD, -1, 10, 2, ""}, 7, 5},
    {"nobody", {PEER_IN_NO_POD, -1, 10, 65534, ""}, 8, 5},
    {"a user whose number is a pod's digits", {PEER_IN_NO_POD, -1, 10, 0x33323237, ""}, 9, 5},
    {"the last user", {PEER_IN_NO_POD, -1, 10, (uid_t)-2, ""}, 10, 5},
    {"root, not visible", {PEER_UNSEEN, -1, 11, 0, ""}, 5, 6},
    {"a user, not visible", {PEER_UNSEEN, -1, 11, 1, ""}, 6, 6},
    {"an unknown user", {PEER_UNSEEN, -1, 0, (uid_t)-1, ""}, 11, 6},
    {"root that has ended", {PEER_ENDED, -1, 12, 0, ""}, 12, 7},
    {"a user that has ended", {PEER_ENDED, -1, 12, 1, ""}, 12, 7},
    {"root whose cgroups name two pods, and the text of one",
     {PEER_CONTRADICTORY, -1, 13, 0, ONE},
     13,
     8},
    {"a user whose cgroups name two pods", {PEER_CONTRADICTORY, -1, 13, 1, ""}, 13, 8},
    {"root with long cgroups", {PEER_UNREADABLE, -1, 13, 0, ""}, 14, 9},
    {"a user with long cgroups", {PEER_UNREADABLE, -1, 13, 1, ""}, 14, 9},
};

static bool is_same(const struct digest *a, const struct digest *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

static unsigned whose(size_t i, bool counts_users)
{
    return counts_users ? rows[i].with_users : rows[i].without_users;
}

static void check_keys(bool counts_users)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct digest one = quota_key(&rows[i].peer, counts_users);

        for (size_t j = 0; j < ARRAY_SIZE(rows); j++) {
            struct digest other = quota_key(&rows[j].peer, counts_users);

            if (is_same(&one, &other) != (whose(i, counts_users) == whose(j, counts_users)))
                fail_msg("%s, and %s", rows[i].name, rows[j].name);
        }
    }
}

static void pods_are_counted_by_uid_and_other_processes_by_user(void **state)
{
    (void)state;
    check_keys(true);
}

static void without_users_other_processes_are_counted_by_state(void **state)
{
    (void)state;
    check_keys(false);
}

/*
 * No user outside pods is counted as a pod, whatever the number of the user: a pod's uid has no
 * byte 0xff.
 */
static void no_user_has_the_key_of_a_pod(void **state)
{
    (void)state;
    for (uint64_t uid = 0; uid <= UINT32_MAX; uid += 65521) {
        const struct peer peer = {.state = PEER_IN_NO_POD, .uid = (uid_t)uid};
        struct digest key = quota_key(&peer, true);

        assert_int_equal(key.bytes[DIGEST_SIZE - 1], 0xff);
    }
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct digest key = quota_key(&rows[i].peer, true);

        if (rows[i].peer.state == PEER_IN_POD)
            for (size_t at = 0; at < DIGEST_SIZE; at++)
                assert_true(key.bytes[at] < 0x80);
    }
}

/* The map uses the first word as the hash. */
static void most_consecutive_users_have_different_hashes(void **state)
{
    bool is_taken[256] = {false};
    size_t n = 0;

    (void)state;
    for (uid_t uid = 100000; uid < 100256; uid++) {
        const struct peer peer = {.state = PEER_IN_NO_POD, .uid = uid};
        struct digest key = quota_key(&peer, true);

        n += !is_taken[key.bytes[0]];
        is_taken[key.bytes[0]] = true;
    }
    assert_true(n > 128);
}

static void a_uid_is_not_read_past_its_end(void **state)
{
    struct peer peer = {.state = PEER_IN_POD};

    (void)state;
    for (size_t len = 0; len < POD_UID_SIZE; len++) {
        struct digest key;

        memset(peer.pod_uid, 'a', len);
        peer.pod_uid[len] = '\0';
        key = quota_key(&peer, true);
        for (size_t at = 0; at < DIGEST_SIZE; at++)
            assert_int_equal(key.bytes[at], at < len ? 'a' : 0);
    }
}

/* --- quotas --- */

static struct quotas quotas;
static const struct limits limits = {
    .connections_per_pod = 2,
    .requests = {.per_s = 1, .burst = 5},
    .signature_checks = {.per_s = 1, .burst = 1},
};

static int begin(void **state)
{
    (void)state;
    quotas_init(&quotas);
    return 0;
}

static int end(void **state)
{
    (void)state;
    quotas_done(&quotas);
    return 0;
}

static void processes_of_a_pod_share_its_quota_and_others_do_not(void **state)
{
    struct quota *one = quota_join(&quotas, &rows[0].peer, true);
    struct quota *same = quota_join(&quotas, &rows[1].peer, true);
    struct quota *other = quota_join(&quotas, &rows[3].peer, true);

    (void)state;
    assert_ptr_equal(one, same);
    assert_ptr_not_equal(one, other);
    assert_int_equal(one->n_connections, 2);
    assert_true(quota_may_connect(one, &rows[1].peer, &limits));
    assert_ptr_equal(quota_join(&quotas, &rows[2].peer, true), one);
    assert_false(quota_may_connect(one, &rows[2].peer, &limits)); /* the third */
    assert_true(quota_may_connect(other, &rows[3].peer, &limits));
    for (int i = 0; i < 3; i++)
        quota_leave(one);
    quota_leave(other);
}

static void reconnecting_does_not_reset_a_quota(void **state)
{
    struct quota *quota = quota_join(&quotas, &rows[0].peer, true);
    uint64_t delay_usec;

    (void)state;
    assert_int_equal(quota_reserve(quota, &limits, CHARGE_SIGNATURE_CHECK), 0);
    for (int i = 1; i < 10; i++)
        delay_usec = quota_reserve(quota, &limits, CHARGE_SIGNATURE_CHECK);
    assert_in_range(delay_usec, 7 * SECOND_USEC, 9 * SECOND_USEC);
    quota_leave(quota);
    quota = quota_join(&quotas, &rows[1].peer, true);
    assert_in_range(quota_reserve(quota, &limits, CHARGE_SIGNATURE_CHECK), 8 * SECOND_USEC,
                    10 * SECOND_USEC);
    assert_int_equal(quota_reserve(quota, &limits, CHARGE_REQUEST), 0); /* charged separately */
    quota_refund(quota, &limits, CHARGE_SIGNATURE_CHECK);
    assert_in_range(quota_reserve(quota, &limits, CHARGE_SIGNATURE_CHECK), 8 * SECOND_USEC,
                    10 * SECOND_USEC);
    quota_leave(quota);
}

static void only_the_process_that_connects_too_often_is_barred(void **state)
{
    struct quota *quota = quota_join(&quotas, &rows[0].peer, true);
    const struct peer unknown = {.state = PEER_IN_NO_POD};

    (void)state;
    for (int i = 0; i < 10; i++) {
        assert_true(quota_may_connect(quota, &rows[0].peer, &limits));
        assert_false(quota_is_barred(&quotas, rows[0].peer.pid));
        assert_false(quotas_bar(&quotas));
    }
    assert_false(quota_may_connect(quota, &rows[0].peer, &limits));
    assert_true(quotas_bar(&quotas));
    assert_true(quota_is_barred(&quotas, rows[0].peer.pid));
    assert_false(quota_is_barred(&quotas, rows[0].peer.pid + 1));
    assert_false(quota_is_barred(&quotas, rows[0].peer.pid + 256)); /* the same slot */
    assert_false(quota_may_connect(quota, &unknown, &limits));      /* an unknown pid */
    assert_false(quota_is_barred(&quotas, 0));
    quota_leave(quota);
}

static void come_and_go(const struct peer *peer)
{
    quota_leave(quota_join(&quotas, peer, true));
}

/* As long as an issuer remembers who made up a key id: a pod that reconnects is no other one. */
static void a_quota_is_kept_for_ten_minutes_without_a_connection(void **state)
{
    struct quota *quota = quota_join(&quotas, &rows[0].peer, true);

    (void)state;
    quota->unknown_kid_usec = 1;
    quota_leave(quota);
    quota->left_usec -= 599 * SECOND_USEC;
    come_and_go(&rows[3].peer);
    quota = quota_join(&quotas, &rows[0].peer, true);
    assert_int_equal(quota->unknown_kid_usec, 1);
    quota_leave(quota);
    quota->left_usec -= 601 * SECOND_USEC;
    come_and_go(&rows[3].peer);
    quota = quota_join(&quotas, &rows[0].peer, true);
    assert_int_equal(quota->unknown_kid_usec, 0);
    quota_leave(quota);
}

static void at_most_4096_quotas_are_kept_without_a_connection(void **state)
{
    struct quota *held = quota_join(&quotas, &rows[0].peer, true);
    struct peer pod = {.state = PEER_IN_POD, .pidfd = -1};

    (void)state;
    for (unsigned i = 0; i < 5000; i++) {
        snprintf(pod.pod_uid, sizeof(pod.pod_uid), "%032x", i);
        come_and_go(&pod);
    }
    assert_int_equal(quotas.n_idle, 4096);
    assert_int_equal(quotas.map.n, 4097);
    assert_ptr_equal(quota_join(&quotas, &rows[0].peer, true), held); /* it is in use */
    quota_leave(held);
    quota_leave(held);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pods_are_counted_by_uid_and_other_processes_by_user),
        cmocka_unit_test(without_users_other_processes_are_counted_by_state),
        cmocka_unit_test(no_user_has_the_key_of_a_pod),
        cmocka_unit_test(most_consecutive_users_have_different_hashes),
        cmocka_unit_test(a_uid_is_not_read_past_its_end),
        TEST(processes_of_a_pod_share_its_quota_and_others_do_not),
        TEST(reconnecting_does_not_reset_a_quota),
        TEST(only_the_process_that_connects_too_often_is_barred),
        TEST(a_quota_is_kept_for_ten_minutes_without_a_connection),
        TEST(at_most_4096_quotas_are_kept_without_a_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
