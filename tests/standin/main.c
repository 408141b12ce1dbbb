/*
 * podlogin-standin: a test server that replaces a cluster's OIDC issuer, and Pulumi Cloud and
 * other upstreams.
 *
 * Tests and demonstrations use it instead of the real services. Its control interface, which
 * README.md describes, sets its answers, latencies and faults.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#include "standin/admissions.h"
#include "standin/announce.h"
#include "standin/ca.h"
#include "standin/memory.h"
#include "standin/options.h"
#include "standin/standin.h"

/* Load tests open thousands of connections. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* Returns false when the parent has already ended, in which case no signal would arrive. */
static bool bind_to_parent(pid_t parent)
{
    return prctl(PR_SET_PDEATHSIG, SIGTERM) == 0 && getppid() == parent;
}

static int standin_init(struct standin *standin, const struct options *options)
{
    int r;

    pthread_mutex_init(&standin->lock, NULL);
    issuer_init(&standin->issuer);
    pulumi_init(&standin->pulumi);
    tokens_init(&standin->tokens);
    standin->admissions = admissions_default();
    standin->calls = must(json_array());
    trust_init(&standin->trust, &standin->lock);
    counts_init(&standin->counts);
    standin->last_exchange = json_null();
    r = keyring_init(&standin->keyring, &standin->lock, options->rsa_bits);
    return r < 0 ? r : wait_queue_start(&standin->wait_queue, &standin->lock);
}

static void standin_done(struct standin *standin)
{
    keyring_done(&standin->keyring);
    issuer_done(&standin->issuer);
    pulumi_done(&standin->pulumi);
    tokens_done(&standin->tokens);
    json_decref(standin->admissions);
    json_decref(standin->calls);
    trust_done(&standin->trust);
    counts_done(&standin->counts);
    json_decref(standin->last_exchange);
    for (size_t i = 0; i < LISTENERS; i++)
        fault_done(&standin->faults[i]);
    pthread_mutex_destroy(&standin->lock);
}

/* Says that @what failed if @r < 0. Returns @r. */
static int said(const char *what, int r)
{
    if (r < 0)
        fprintf(stderr, "podlogin-standin: %s: %s\n", what, strerror(-r));
    return r;
}

/* Serves until one of the signals in @ends arrives. */
static int standin_serve(struct standin *standin, const struct options *options,
                         const struct ca *ca, const sigset_t *ends)
{
    int signal_received, r;

    standin->pulumi.issuer_thumbprint = ca->certificates[CERTIFICATE_TRUSTED].sha256;
    r = listeners_start(standin, options->ports, ca);
    if (r == 0)
        r = said(options->directory, announce(standin, options->directory, ca));
    if (r == 0)
        sigwait(ends, &signal_received);
    atomic_store(&standin->is_stopping, true);
    wait_queue_stop(&standin->wait_queue);
    listeners_stop(standin);
    return r;
}

static int run(const struct options *options, const sigset_t *ends)
{
    struct standin standin = {0};
    struct ca ca = {0};
    int r;

    r = said("cannot create certificates", ca_init(&ca));
    if (r == 0)
        r = said("cannot start", standin_init(&standin, options));
    if (r == 0) {
        r = standin_serve(&standin, options, &ca, ends);
        standin_done(&standin);
    }
    ca_done(&ca);
    return r;
}

int main(int argc, char **argv)
{
    pid_t parent = getppid();
    struct options options;
    sigset_t ends;
    int r;

    r = options_read(argc, argv, &options);
    if (r < 0 || options.has_help) {
        fputs(options_usage, r < 0 ? stderr : stdout);
        return r < 0 ? EX_USAGE : EXIT_SUCCESS;
    }
    /* Before the first thread starts: all threads inherit the mask, and sigwait() gets these. */
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);
    signal(SIGPIPE, SIG_IGN);
    if (options.dies_with_parent && !bind_to_parent(parent))
        return EXIT_SUCCESS;
    raise_descriptor_limit();
    json_object_seed(0); /* before a second thread exists: seeding on first use is a race */
    r = run(&options, &ends);
    return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
