/* The verified JWTs that are remembered. */
#include "identity/identity.h"
#include "support/check.h"

static struct identities identities;

static int begin(void **state)
{
    (void)state;
    identities = (struct identities){0};
    list_init(&identities.by_age);
    return 0;
}

static int end(void **state)
{
    (void)state;
    identities_done(&identities);
    return 0;
}

static struct identity *remember(uint64_t n)
{
    struct identity *identity = calloc(1, sizeof(*identity));

    assert_non_null(identity);
    identity->n_refs = 1;
    identity->jwt = secret_new(&n, sizeof(n));
    assert_non_null(identity->jwt);
    list_init(&identity->age);
    identities_remember(&identities, identity);
    return identity;
}

static bool is_remembered(uint64_t n)
{
    struct identity *identity = identities_recall(&identities, &n, sizeof(n));

    identity_unref(identity);
    return identity;
}

/* A token is its bytes, not their hash: nobody may find out what happens if two hashes are equal.
 */
static void a_token_with_the_hash_of_another_is_another(void **state)
{
    struct identity *one = remember(1), *other;
    const uint64_t two = 2;

    (void)state;
    /* as if both had this hash */
    digest_map_remove(&identities.verified, &one->node);
    *(uint64_t *)one->node.key.bytes = keyed_hash(&identities.hash_key, &two, sizeof(two));
    assert_int_equal(digest_map_add(&identities.verified, &one->node), 0);
    assert_false(is_remembered(2));
    assert_null(identities_recall(&identities, one->jwt->bytes, 7));
    other = remember(2);
    assert_false(other->is_remembered);
    assert_false(is_remembered(2));
    identity_unref(other);
    identity_unref(one);
}

static void the_latest_10000_are_remembered(void **state)
{
    (void)state;
    for (uint64_t n = 0; n < 10100; n++)
        identity_unref(remember(n));
    assert_int_equal(identities.verified.n, 10000);
    for (uint64_t n = 0; n < 10100; n++)
        assert_int_equal(is_remembered(n), n >= 100);
}

/* A connection may hold an identity that is no longer remembered. */
static void one_that_is_in_use_is_forgotten_and_not_freed(void **state)
{
    struct identity *held = remember(0);

    (void)state;
    for (uint64_t n = 1; n <= 10000; n++)
        identity_unref(remember(n));
    assert_false(is_remembered(0));
    assert_int_equal(held->n_refs, 1);
    /* it comes back when it is used again */
    identities_remember(&identities, held);
    assert_true(is_remembered(0));
    assert_false(is_remembered(1));
    identity_unref(held);
}

static void a_jwt_that_came_twice_is_remembered_once(void **state)
{
    struct identity *first = remember(0), *second = remember(0);

    (void)state;
    assert_int_equal(identities.verified.n, 1);
    assert_int_equal(first->n_refs, 2);
    assert_int_equal(second->n_refs, 1);
    identity_unref(first);
    identity_unref(second);
    assert_true(is_remembered(0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_token_with_the_hash_of_another_is_another, begin, end),
        cmocka_unit_test_setup_teardown(the_latest_10000_are_remembered, begin, end),
        cmocka_unit_test_setup_teardown(one_that_is_in_use_is_forgotten_and_not_freed, begin, end),
        cmocka_unit_test_setup_teardown(a_jwt_that_came_twice_is_remembered_once, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
