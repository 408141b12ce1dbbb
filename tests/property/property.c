/*
 * Checks which pod gets which token: random pods, rules, reloads, restarts and outages, against an
 * upstream that has its own rules and records each token that it issues and for whom.
 *
 * For each answer, the test checks: the upstream would have given the token to this pod, too; the
 * token was issued for the same account, issuer, audience and service (and pod, with Share=pod),
 * and has not expired; the JWT that was presented is signed by its issuer and has not expired; and,
 * if the configuration requires it, the JWT is of this node and of the pod that the caller runs in.
 * While the upstream works, a pod that the rules of both sides admit must be served.
 *
 *   test_property [STEPS [SEED]]    150,000 steps, or with PODLOGIN_SCALE=full 1,000,000
 */
#include "property.h"

#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"

struct world world;
struct counts counts;
int own_pidfd = -1, ended_pidfd = -1;

const char *const issuers[] = {"https://one.example", "https://two.example"};
const char *const audiences[] = {"urn:a", "urn:b", "urn:ab"};
const char *const organizations[ORGANIZATIONS] = {"acme", "umbrella", "initech"};
const char *const users[] = {NULL, "ann", "bob"};
const char own_node[] = "00000000-0000-4000-8000-0000000000aa";

static void pass_time(void)
{
    switch (random_below(40)) {
    case 0:
        sim_run_for(random_below(20 * MINUTE));
        break;
    case 1:
    case 2:
    case 3:
    case 4:
        sim_run_for(random_below(20 * SECOND_USEC));
        break;
    default:
        sim_run_for(random_below(200 * MSEC));
    }
}

static void go_on_one(void)
{
    pod_go_on(&world.pods[random_below(PODS)]);
}

/* The weights add up to 1000. */
static const struct {
    unsigned weight;
    void (*take)(void);
} steps[] = {
    {780, request_ask},    {130, pass_time},        {50, request_leave}, {20, go_on_one},
    {5, account_recreate}, {4, upstream_turn_over}, {4, disk_turn_over}, {3, upstream_change_alone},
    {3, daemon_reload},    {1, daemon_restart},
};

static void take_step(void)
{
    uint64_t which = random_below(1000);
    size_t i = 0;

    while (which >= steps[i].weight)
        which -= steps[i++].weight;
    steps[i].take();
    counts.steps++;
}

/* --- runs --- */

static void run_begin(uint64_t from, enum fault fault)
{
    memset(&world, 0, sizeof(world));
    counts = (struct counts){0};
    world.fault = fault;
    sim_init(from);
    sim_upstream = upstream_answer;
    sim_disk_init(&world.disk);
    directory_make();
    config_make(true);
    world.config = config_read();
    identities_begin();
    for (size_t i = 0; i < ACCOUNTS; i++)
        world.generations[i] = 1; /* the same for all: accounts must not be told apart by uid */
    for (size_t i = 0; i < PODS; i++)
        pod_begin(&world.pods[i]);
    sim_broker_init(&world.broker, &world.identities, world.config, &world.disk);
}

static void run_end(void)
{
    broker_end();
    sim_run_for(MINUTE); /* cancelled exchanges end */
    for (size_t i = 0; i < PODS; i++)
        identity_unref(world.pods[i].identity);
    identities_done(&world.identities);
    assert_int_equal(world.key.n_refs, 1);
    config_unref(world.config);
    sim_disk_done(&world.disk);
    scratch_remove(world.directory);
    for (size_t i = 0; i < ORGANIZATIONS; i++) {
        while (world.versions[i]) {
            struct version *before = world.versions[i]->before;

            free(world.versions[i]);
            world.versions[i] = before;
        }
    }
    free(world.issued);
}

static enum violation run_until(uint64_t from, enum fault fault, uint64_t steps_max)
{
    run_begin(from, fault);
    while (counts.steps < steps_max && !world.violation)
        take_step();
    run_end();
    return world.violation;
}

static uint64_t n_steps = 150000, seed = 1;

static void no_pod_gets_a_token_that_the_upstream_would_have_denied(void **state)
{
    const struct {
        const char *name;
        uint64_t *count;
        uint64_t one_in; /* at least one in so many steps */
    } least[] = {
        {"asked", &counts.asked, 2},
        {"served from cache", &counts.cached, 10},
        {"joined", &counts.joined, 200},
        {"exchanged", &counts.exchanged, 100},
        {"denied by rules", &counts.by_rules, 20},
        {"denied by identity", &counts.by_identity, 100},
        {"denied by node", &counts.by_node, 200},
        {"denied by caller", &counts.by_caller, 200},
        {"denied by signature", &counts.by_signature, 200},
        {"denied upstream", &counts.by_upstream, 200},
        {"required to be served", &counts.obliged, 15},
        {"other failures", &counts.failed, 1000},
        {"left", &counts.left, 1000},
        {"deadlines", &counts.deadlines, 500000},
        {"tokens issued", &counts.issued, 100},
        {"refusals upstream", &counts.refusals, 500},
        {"accounts recreated", &counts.recreated, 1000},
        {"tokens rejected", &counts.rejected, 200},
        {"tokens watched", &counts.watched, 200},
        {"watches woken with a token", &counts.renewed, 1000},
        {"reloads", &counts.reloads, 1000},
        {"restarts", &counts.restarts, 5000},
    };

    (void)state;
    assert_int_equal(run_until(seed, FAULT_NONE, n_steps), VIOLATION_NONE);
    printf("%llu steps", (unsigned long long)counts.steps);
    for (size_t i = 0; i < ARRAY_SIZE(least); i++)
        printf(", %s %llu", least[i].name, (unsigned long long)*least[i].count);
    printf("\n");
    for (size_t i = 0; i < ARRAY_SIZE(least); i++)
        assert_true(*least[i].count >= n_steps / least[i].one_in);
}

static void without_the_check_of_rules_a_violation_is_found(void **state)
{
    (void)state;
    assert_int_equal(run_until(2, FAULT_RULES_NOT_JUDGED, 100000), VIOLATION_RULES);
}

static void without_repeated_rules_on_pods_a_violation_is_found(void **state)
{
    (void)state;
    assert_int_equal(run_until(3, FAULT_RULES_NOT_REPEATED, 100000), VIOLATION_RULES);
}

static void without_any_one_check_of_the_jwt_a_violation_is_found(void **state)
{
    static const enum fault faults[] = {FAULT_AUDIENCE_NOT_JUDGED, FAULT_NODE_NOT_JUDGED,
                                        FAULT_SIGNATURE_NOT_VERIFIED, FAULT_TIME_NOT_JUDGED,
                                        FAULT_CALLER_NOT_ALIVE};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
        assert_int_equal(run_until(4 + i, faults[i], 100000), VIOLATION_STRANGER);
}

static int processes_begin(void **state)
{
    pid_t child = fork();

    (void)state;
    if (child == 0)
        _exit(0);
    own_pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
    ended_pidfd = (int)syscall(SYS_pidfd_open, child, 0);
    return own_pidfd >= 0 && ended_pidfd >= 0 && waitpid(child, NULL, 0) == child ? 0 : -1;
}

static int processes_end(void **state)
{
    (void)state;
    close(own_pidfd);
    close(ended_pidfd);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_pod_gets_a_token_that_the_upstream_would_have_denied),
        cmocka_unit_test(without_the_check_of_rules_a_violation_is_found),
        cmocka_unit_test(without_repeated_rules_on_pods_a_violation_is_found),
        cmocka_unit_test(without_any_one_check_of_the_jwt_a_violation_is_found),
    };
    const char *scale = getenv("PODLOGIN_SCALE");

    if (scale && strcmp(scale, "full") == 0)
        n_steps = 1000000;
    if (argc > 1)
        n_steps = strtoull(argv[1], NULL, 10);
    if (argc > 2)
        seed = strtoull(argv[2], NULL, 10);
    log_init("test-property", -1);
    return cmocka_run_group_tests(tests, processes_begin, processes_end);
}
