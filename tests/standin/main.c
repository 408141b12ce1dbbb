/*
 * podlogin-standin: stands in, on loopback, for a cluster's OIDC issuer and for Pulumi Cloud.
 *
 * Tests and demonstrations talk to it instead of to the real ones, and tell it by its control
 * interface what to answer, how late, and what to get wrong. README.md describes that interface.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#include "standin/ca.h"
#include "standin/control.h"
#include "standin/memory.h"
#include "standin/standin.h"

struct options {
    const char *directory;
    uint16_t issuer_port;
    uint16_t upstream_port;
    uint16_t control_port;
    int rsa_bits;
    bool dies_with_parent;
};

static const char usage[] =
    "Usage: podlogin-standin --directory DIR [OPTION]...\n"
    "Stands in for a cluster's OIDC issuer and for Pulumi Cloud, on loopback.\n"
    "\n"
    "  --directory DIR     where ca.pem and standin.json are written\n"
    "  --issuer-port N     ports; without them the kernel chooses\n"
    "  --upstream-port N\n"
    "  --control-port N\n"
    "  --rsa-bits N        size of RSA keys (default 2048)\n"
    "  --die-with-parent   end when the thread that started this program ends\n"
    "  --help              print this and exit\n";

/* Returns -1 unless @text is a decimal number in @min..@max. */
static int number(const char *text, long min, long max)
{
    char *end = NULL;
    long value = strtol(text, &end, 10);

    return *text == '\0' || *end != '\0' || value < min || value > max ? -1 : (int)value;
}

static int read_port(const char *text, uint16_t *ret_port)
{
    int port = number(text, 0, UINT16_MAX);

    if (port < 0)
        return -EINVAL;
    *ret_port = (uint16_t)port;
    return 0;
}

/* Returns 0, 1 when the help is asked for, or -EINVAL. */
static int options_read(int argc, char **argv, struct options *ret_options)
{
    static const struct option table[] = {
        {"directory", required_argument, NULL, 'd'},
        {"issuer-port", required_argument, NULL, 'i'},
        {"upstream-port", required_argument, NULL, 'u'},
        {"control-port", required_argument, NULL, 'c'},
        {"rsa-bits", required_argument, NULL, 'r'},
        {"die-with-parent", no_argument, NULL, 'p'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct options options = {.rsa_bits = 2048};
    int option;
    int r = 0;

    while (r == 0 && (option = getopt_long(argc, argv, "", table, NULL)) != -1) {
        if (option == 'd')
            options.directory = optarg;
        else if (option == 'i')
            r = read_port(optarg, &options.issuer_port);
        else if (option == 'u')
            r = read_port(optarg, &options.upstream_port);
        else if (option == 'c')
            r = read_port(optarg, &options.control_port);
        else if (option == 'r')
            r = (options.rsa_bits = number(optarg, 1024, 8192)) < 0 ? -EINVAL : 0;
        else if (option == 'p')
            options.dies_with_parent = true;
        else
            r = option == 'h' ? 1 : -EINVAL;
    }
    if (r == 0 && (optind != argc || !options.directory))
        r = -EINVAL;
    *ret_options = options;
    return r;
}

/* Writes DIR/name so that a reader sees all of it or nothing. */
static int file_write(const char *directory, const char *name, const char *text)
{
    CLEANUP(freep) char *path = must_print("%s/%s", directory, name);
    CLEANUP(freep) char *temporary = must_print("%s/.%s.%d", directory, name, (int)getpid());
    FILE *file = fopen(temporary, "we");
    bool is_written;

    if (!file)
        return -errno;
    is_written = fputs(text, file) >= 0;
    if (fclose(file) != 0 || !is_written)
        return -EIO;
    return rename(temporary, path) < 0 ? -errno : 0;
}

/* As many connections as the system lets us have. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* Returns false when the parent is gone already, of which no signal would tell. */
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
    counts_init(&standin->counts);
    standin->last_exchange = json_null();
    r = keyring_init(&standin->keyring, &standin->lock, options->rsa_bits);
    return r < 0 ? r : waiting_start(&standin->waiting, &standin->lock);
}

static void standin_done(struct standin *standin)
{
    keyring_done(&standin->keyring);
    issuer_done(&standin->issuer);
    pulumi_done(&standin->pulumi);
    counts_done(&standin->counts);
    json_decref(standin->last_exchange);
    fault_done(&standin->issuer_fault);
    fault_done(&standin->upstream_fault);
    free(standin->issuer_url);
    pthread_mutex_destroy(&standin->lock);
}

/* The control interface comes last: who can reach it can rely on all the others. */
static int listeners_start(struct standin *standin, const struct options *options,
                           const struct ca *ca)
{
    struct {
        struct listener *listener;
        uint16_t port;
        const struct certificate *certificate;
    } plan[] = {
        {&standin->issuer_listener, options->issuer_port, &ca->trusted},
        {&standin->upstream_listener, options->upstream_port, &ca->trusted},
        {&standin->untrusted_listener, 0, &ca->untrusted},
        {&standin->control_listener, options->control_port, NULL},
    };

    issuer_service(standin, &standin->issuer_listener.service);
    pulumi_service(standin, &standin->upstream_listener.service);
    pulumi_service(standin, &standin->untrusted_listener.service);
    control_service(&standin->control_listener.service);
    for (size_t i = 0; i < sizeof(plan) / sizeof(plan[0]); i++) {
        int r;

        plan[i].listener->standin = standin;
        r = listener_start(plan[i].listener, plan[i].port, plan[i].certificate);
        if (r < 0)
            return r;
        if (i == 0)
            standin->issuer_url =
                must_print("https://localhost:%u" ISSUER_PATH, standin->issuer_listener.port);
    }
    return 0;
}

static void listeners_stop(struct standin *standin)
{
    atomic_store(&standin->is_stopping, true);
    waiting_stop(&standin->waiting);
    listener_stop(&standin->issuer_listener);
    listener_stop(&standin->upstream_listener);
    listener_stop(&standin->untrusted_listener);
    listener_stop(&standin->control_listener);
}

/* Writes ca.pem and standin.json, and prints the latter. */
static int announce(const struct standin *standin, const char *directory, const struct ca *ca)
{
    CLEANUP(freep) char *resolved = realpath(directory, NULL);
    CLEANUP(freep) char *ca_path = NULL;
    CLEANUP(freep)
    char *upstream = must_print("https://localhost:%u", standin->upstream_listener.port);
    CLEANUP(freep)
    char *untrusted = must_print("https://localhost:%u", standin->untrusted_listener.port);
    CLEANUP(freep)
    char *control = must_print("http://127.0.0.1:%u", standin->control_listener.port);
    CLEANUP(json_decrefp) json_t *json = NULL;
    CLEANUP(freep) char *text = NULL;
    CLEANUP(freep) char *line = NULL;
    int r;

    if (!resolved)
        return -errno;
    ca_path = must_print("%s/ca.pem", resolved);
    r = file_write(directory, "ca.pem", ca->ca_pem);
    if (r < 0)
        return r;
    json = json_pack("{s:s, s:s, s:s, s:s, s:s, s:i}", "issuer", standin->issuer_url, "upstream",
                     upstream, "untrusted", untrusted, "control", control, "ca", ca_path, "pid",
                     (int)getpid());
    if (!json) /* the name of the directory is not UTF-8 */
        return -EILSEQ;
    text = must(json_dumps(json, JSON_COMPACT));
    line = must_print("%s\n", text);
    r = file_write(directory, "standin.json", line);
    if (r < 0)
        return r;
    fputs(line, stdout);
    return fflush(stdout) == 0 ? 0 : -EIO;
}

static int run(const struct options *options, const sigset_t *ends)
{
    struct standin standin = {0};
    struct ca ca = {0};
    int r;

    r = ca_init(&ca);
    if (r == 0)
        r = standin_init(&standin, options);
    if (r == 0) {
        r = listeners_start(&standin, options, &ca);
        if (r == 0)
            r = announce(&standin, options->directory, &ca);
        if (r == 0) {
            int which;

            sigwait(ends, &which);
        }
        listeners_stop(&standin);
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
    if (r != 0) {
        fputs(usage, r < 0 ? stderr : stdout);
        return r < 0 ? EX_USAGE : EXIT_SUCCESS;
    }
    /* Blocked before the first thread starts, so that all inherit it and sigwait() gets them. */
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);
    signal(SIGPIPE, SIG_IGN);
    if (options.dies_with_parent && !bind_to_parent(parent))
        return EXIT_SUCCESS;
    raise_descriptor_limit();
    json_object_seed(0); /* not in the first of two threads that make an object */
    r = run(&options, &ends);
    if (r < 0)
        fprintf(stderr, "podlogin-standin: %s\n", strerror(-r));
    return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
