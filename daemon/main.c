/* podlogind: options, wiring, event loop, in the order in which things happen. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "admin/admin.h"
#include "base/activation.h"
#include "base/clock_watch.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/watchdog.h"
#include "broker/broker.h"
#include "config/config.h"
#include "exchange/exchanger_client.h"
#include "identity/identity.h"
#include "jose/self_test.h"
#include "peer/peer.h"
#include "protocol/status.h"
#include "sandbox/broker.h"
#include "sandbox/check.h"
#include "sandbox/directories.h"
#include "session/session.h"
#include "text/descriptor.h"

/* Pending requests have this long to complete when the daemon stops; new ones wait for the next. */
#define DRAIN_USEC      (SECOND_USEC / 2)
#define DRAIN_LOOK_USEC (SECOND_USEC / 100)

#define ACTIVATED_DELAY_S 1

struct options {
    const char *config;
    const char *exchanger;
    const char *exchanger_sockets;
    bool creates_directories;
    struct owner owner; /* of the directories */
    bool only_checks;
    bool only_checks_sandbox;
    bool replaces;
};

/* In the order of their dependencies; released in the reverse order. */
struct daemon {
    const char *directory;      /* of the configuration */
    const struct config *first; /* the configuration at start */
    struct loop loop;
    struct loop_source signals;
    struct clock_watch clock_watch;
    struct watchdog watchdog;
    struct timer drain;        /* set while the daemon stops */
    uint64_t drain_until_usec; /* 0: it does not stop */
    struct launcher launcher;
    struct exchanger_client *exchangers[EXCHANGERS];
    struct identities identities;
    struct broker broker;
    struct sessions sessions;
    struct admin_view view;
    struct admin admin;
};

static void print_help(void)
{
    printf("podlogind [OPTIONS]\n\n"
           "Gives Kubernetes pods short-lived access tokens in exchange for their service-account\n"
           "tokens, at a Unix socket.\n\n"
           "  --config DIR             directory of podlogind.conf, issuers.d, services.d\n"
           "                           (" CONFIG_DIRECTORY ")\n"
           "  --check-config           check the configuration and exit\n"
           "  --check-sandbox          try what the sandboxes must refuse and exit\n"
           "  --create-directories UID:GID\n"
           "                           create the directories of the sockets, the cache and the "
           "runtime key,\n"
           "                           give them to this user, and exit\n"
           "  --exchanger PATH         the program that makes HTTPS requests\n"
           "                           (" PODLOGIN_EXCHANGER ")\n"
           "  --exchanger-sockets DIR  use the exchangers that listen at issuers.sock, "
           "upstreams.sock\n"
           "                           and programs.sock in DIR, instead of starting them\n"
           "  --replace                take over the sockets of a daemon that is still running\n"
           "  --help, -h               print this help\n"
           "  --version                print the version\n\n"
           "Signals: SIGHUP reloads the configuration; SIGTERM and SIGINT stop the daemon.\n"
           "See podlogind(8), podlogind.conf(5).\n");
}

/* Returns 1 if the daemon should start; otherwise the negated exit code. */
static int parse_options(int argc, char **argv, struct options *options)
{
    enum {
        CONFIG = 1,
        CHECK_CONFIG,
        CHECK_SANDBOX,
        CREATE_DIRECTORIES,
        EXCHANGER,
        EXCHANGER_SOCKETS,
        REPLACE,
        HELP,
        VERSION
    };
    static const struct option table[] = {
        {"config", required_argument, NULL, CONFIG},
        {"check-config", no_argument, NULL, CHECK_CONFIG},
        {"check-sandbox", no_argument, NULL, CHECK_SANDBOX},
        {"create-directories", required_argument, NULL, CREATE_DIRECTORIES},
        {"exchanger", required_argument, NULL, EXCHANGER},
        {"exchanger-sockets", required_argument, NULL, EXCHANGER_SOCKETS},
        {"replace", no_argument, NULL, REPLACE},
        {"help", no_argument, NULL, HELP},
        {"version", no_argument, NULL, VERSION},
        {0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "h", table, NULL)) != -1) {
        switch (option) {
        case CONFIG:
            options->config = optarg;
            break;
        case CHECK_CONFIG:
            options->only_checks = true;
            break;
        case CHECK_SANDBOX:
            options->only_checks_sandbox = true;
            break;
        case CREATE_DIRECTORIES:
            options->creates_directories = true;
            if (owner_parse(optarg, &options->owner) < 0) {
                fprintf(stderr, "podlogind: --create-directories needs UID:GID, such as "
                                "65532:65532\n");
                return -EXIT_CODE_USAGE;
            }
            config_set_user(options->owner.uid);
            break;
        case EXCHANGER:
            options->exchanger = optarg;
            break;
        case EXCHANGER_SOCKETS:
            options->exchanger_sockets = optarg;
            break;
        case REPLACE:
            options->replaces = true;
            break;
        case 'h':
        case HELP:
            print_help();
            return -EXIT_CODE_OK;
        case VERSION:
            printf("podlogind %s\n", PODLOGIN_VERSION);
            return -EXIT_CODE_OK;
        default:
            return -EXIT_CODE_USAGE;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "podlogind: unexpected argument %s; see --help\n", argv[optind]);
        return -EXIT_CODE_USAGE;
    }
    return 1;
}

static unsigned long long monotonic_usec(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (unsigned long long)now.tv_sec * SECOND_USEC + (unsigned long long)now.tv_nsec / 1000;
}

/* Logs the settings of @fresh that apply at start only, because what they name is opened once. */
static void warn_of_fixed_settings(const struct daemon *daemon, const struct config *fresh)
{
    const struct config *first = daemon->first;

    if (strcmp(fresh->socket, first->socket) != 0)
        log_warning("Socket=%s takes effect at the next restart", fresh->socket);
    if (strcmp(fresh->admin_socket ? fresh->admin_socket : "",
               first->admin_socket ? first->admin_socket : "") != 0)
        log_warning("AdminSocket=%s takes effect at the next restart",
                    fresh->admin_socket ? fresh->admin_socket : "");
    if (strcmp(fresh->cache, first->cache) != 0)
        log_warning("Cache=%s takes effect at the next restart", fresh->cache);
    if (strcmp(fresh->cache_key, first->cache_key) != 0)
        log_warning("CacheKey=%s takes effect at the next restart", fresh->cache_key);
    if (fresh->is_key_beside_allowed != first->is_key_beside_allowed)
        log_warning("CacheKeyBesideCache=%s takes effect at the next restart",
                    fresh->is_key_beside_allowed ? "yes" : "no");
    if (fresh->cache_rows != first->cache_rows)
        log_warning("CacheRows=%u takes effect at the next restart", fresh->cache_rows);
}

/* Checks that the system allows what the configuration asks for. */
static int check_surroundings(const struct config *config)
{
    char error[PEER_ERROR_MAX];

    if (config->attestation != ATTESTATION_ENFORCE || peer_check_surroundings(error) == 0)
        return 0;
    log_error("%s", error);
    return -EOPNOTSUPP;
}

/* Logs all that is wrong with the configuration. */
static void log_findings(const struct findings *findings)
{
    for (size_t i = 0; i < findings->n; i++)
        log_line(findings->list[i].is_error ? LOG_ERR : LOG_WARNING, "%s", findings->list[i].text);
    if (findings->n_omitted)
        log_warning("%zu more errors and warnings are not shown", findings->n_omitted);
}

/* The kernel's rules were made at the start, and can only become stricter. */
static void warn_of_new_directories(const struct findings *findings)
{
    for (size_t i = 0; i < findings->n; i++) {
        if (!strstr(findings->list[i].text, strerror(EACCES)))
            continue;
        log_warning("a file in a directory that no setting named at the start, or that was "
                    "replaced since, can be read after a restart");
        return;
    }
}

/* Starts those that @config needs. Most nodes need none for programs. */
static int start_exchangers(struct daemon *daemon, const struct config *config)
{
    int r = 0;

    for (int role = 0; role < EXCHANGERS && r == 0; role++)
        if (!daemon->exchangers[role] && (role != EXCHANGER_PROGRAMS || config_has_program(config)))
            r = exchanger_client_new(&daemon->loop, &daemon->launcher, (enum exchanger_role)role,
                                     &daemon->exchangers[role]);
    return r;
}

/*
 * The new configuration is checked as a whole before any of it applies. Each part holds a reference
 * to the configuration that it uses, so the order of the parts does not matter.
 */
static int reload(struct daemon *daemon, struct findings *ret_findings)
{
    CLEANUP(config_unrefp)
    const struct config *fresh = NULL;
    struct issuer **issuers;
    int r = config_load(daemon->directory, &fresh, ret_findings);

    log_findings(ret_findings);
    warn_of_new_directories(ret_findings);
    if (r < 0 || check_surroundings(fresh) < 0 || start_exchangers(daemon, fresh) < 0 ||
        identities_prepare(&daemon->identities, fresh, &issuers) < 0) {
        log_error("keeping the current configuration");
        return -EINVAL;
    }
    warn_of_fixed_settings(daemon, fresh);
    log_init("podlogind", fresh->log_level);
    sessions_reload(&daemon->sessions, fresh);
    broker_reload(&daemon->broker, fresh);
    identities_reload(&daemon->identities, fresh, issuers);
    log_notice("configuration reloaded (" CONFIG_SIZE_FORMAT ")", CONFIG_SIZE(fresh));
    return 0;
}

static int on_reload(struct admin_view *view, struct findings *ret_findings)
{
    struct daemon *daemon = container_of(view, struct daemon, view);
    int r;

    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", monotonic_usec());
    r = reload(daemon, ret_findings);
    sd_notify(0, "READY=1");
    return r;
}

static void on_clock_set(struct clock_watch *watch, int64_t by_usec)
{
    struct daemon *daemon = container_of(watch, struct daemon, clock_watch);

    log_notice("wall clock stepped by %+.3f s; expiries re-evaluated",
               (double)by_usec / (double)SECOND_USEC);
    broker_clock_was_set(&daemon->broker);
}

static void on_drain(struct timer *timer)
{
    struct daemon *daemon = container_of(timer, struct daemon, drain);

    if (sessions_are_busy(&daemon->sessions) && clock_boot_usec() < daemon->drain_until_usec)
        loop_timer(&daemon->loop, timer, DRAIN_LOOK_USEC, on_drain);
    else
        loop_stop(&daemon->loop);
}

/* Lets pending requests complete. A second signal ends this at once. */
static void drain(struct daemon *daemon)
{
    if (daemon->drain_until_usec) {
        loop_stop(&daemon->loop);
        return;
    }
    sd_notify(0, "STOPPING=1");
    sessions_stop(&daemon->sessions);
    daemon->drain_until_usec = clock_boot_usec() + DRAIN_USEC;
    on_drain(&daemon->drain);
}

static void on_signal(struct loop_source *source, uint32_t events)
{
    struct daemon *daemon = container_of(source, struct daemon, signals);
    struct signalfd_siginfo info;
    struct findings findings;

    (void)events;
    if (read(source->fd, &info, sizeof(info)) != sizeof(info))
        return;
    if (info.ssi_signo == SIGHUP && daemon->drain_until_usec)
        return; /* it stops, and must not announce that it is ready */
    if (info.ssi_signo == SIGHUP) {
        on_reload(&daemon->view, &findings);
        return;
    }
    log_notice("received signal %u; stopping", info.ssi_signo);
    drain(daemon);
}

static int watch_signals(struct daemon *daemon)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return -errno;
    daemon->signals = (struct loop_source){.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK),
                                           .on_ready = on_signal};
    return daemon->signals.fd < 0 ? -errno : loop_add(&daemon->loop, &daemon->signals, EPOLLIN);
}

static void raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int fail(const char *what, int r)
{
    log_error("%s%s%s", what, r < 0 ? ": " : "", r < 0 ? strerror(-r) : "");
    return EXIT_CODE_FAULT;
}

static void say_ready(const struct config *config)
{
    if (config->attestation == ATTESTATION_ENFORCE)
        log_notice("serving at %s", config->socket);
    else
        log_warning(
            "serving at %s; every process with a valid token of a pod is served as that pod "
            "(PeerAttestation=%s)",
            config->socket, config->attestation == ATTESTATION_AUDIT ? "audit" : "off");
    sd_notify(0, "READY=1");
}

static int daemon_begin(struct daemon *daemon, const struct options *options,
                        const struct config *config)
{
    char error[STORE_ERROR_MAX];
    int r;

    if (check_surroundings(config) < 0)
        return EXIT_CODE_CONFIG;
    daemon->first = config_ref(config);
    r = loop_init(&daemon->loop);
    if (r >= 0)
        r = watch_signals(daemon);
    if (r < 0)
        return fail("cannot set up the event loop", r);
    r = start_exchangers(daemon, config);
    if (r < 0) {
        snprintf(error, sizeof(error), "cannot start the exchanger %.400s", options->exchanger);
        return fail(error, r);
    }
    r = identities_init(&daemon->identities, config, &daemon->loop,
                        daemon->exchangers[EXCHANGER_ISSUERS]);
    if (r < 0)
        return fail("cannot set up an issuer's keys", r);
    r = broker_init(&daemon->broker, &daemon->loop, daemon->exchangers, &daemon->identities, config,
                    error);
    if (r < 0)
        return fail(error, 0);
    r = sessions_init(&daemon->sessions, &daemon->loop, config, &daemon->identities,
                      &daemon->broker, options->replaces, error);
    if (r < 0)
        return fail(error, 0);
    r = clock_watch_init(&daemon->clock_watch, &daemon->loop, on_clock_set);
    if (r < 0)
        return fail("cannot watch the wall clock", r);
    daemon->view = (struct admin_view){
        .loop = &daemon->loop,
        .broker = &daemon->broker,
        .identities = &daemon->identities,
        .sessions = &daemon->sessions,
        .exchangers = daemon->exchangers,
        .replaces = options->replaces,
        .reload = on_reload,
    };
    r = admin_init(&daemon->admin, &daemon->view, config, error);
    if (r < 0)
        return fail(error, 0);
    activation_done();
    watchdog_init(&daemon->watchdog, &daemon->loop);
    say_ready(config);
    return EXIT_CODE_OK;
}

static int daemon_run(struct daemon *daemon)
{
    int r = loop_run(&daemon->loop);

    return r < 0 ? fail("the event loop failed", r) : EXIT_CODE_OK;
}

static void daemon_done(struct daemon *daemon)
{
    admin_done(&daemon->admin);
    timer_unset(&daemon->drain);
    sessions_done(&daemon->sessions);
    broker_done(&daemon->broker);
    identities_done(&daemon->identities);
    for (int role = 0; role < EXCHANGERS; role++)
        exchanger_client_free(daemon->exchangers[role]);
    launcher_done(&daemon->launcher);
    watchdog_done(&daemon->watchdog);
    clock_watch_done(&daemon->clock_watch);
    if (daemon->signals.fd >= 0)
        close(daemon->signals.fd);
    loop_done(&daemon->loop);
    config_unref(daemon->first);
}

static int check_config(const char *directory, const struct config *config)
{
    printf("%s: configuration is valid (" CONFIG_SIZE_FORMAT ")\n", directory, CONFIG_SIZE(config));
    return EXIT_CODE_OK;
}

/* Returns -1 if the daemon should start; otherwise the exit code. */
static int run_once(const struct options *options, const struct config *config)
{
    if (options->only_checks)
        return check_config(options->config, config);
    if (options->only_checks_sandbox)
        return sandbox_check(options->config, config);
    if (options->creates_directories)
        return directories_create(config, &options->owner);
    return -1;
}

/*
 * With a socket unit, each job that connects starts the daemon. If that fails too often in a short
 * time, systemd gives up the socket; so a failure that it does not delay itself takes a while.
 */
static int exit_slowly(int code)
{
    if ((code == EXIT_CODE_CONFIG || code == EXIT_CODE_USAGE) && activation_is_any())
        sleep(ACTIVATED_DELAY_S);
    return code;
}

int main(int argc, char **argv)
{
    struct options options = {.config = CONFIG_DIRECTORY, .exchanger = PODLOGIN_EXCHANGER};
    static struct daemon daemon = {
        .loop = {.epoll_fd = -1, .timer_source.fd = -1}, .signals.fd = -1, .launcher.fd = -1};
    const struct config *config = NULL;
    struct findings findings;
    int code, r;

    activation_init();
    if (descriptors_hold_standard() < 0)
        return EXIT_CODE_FAULT;
    r = parse_options(argc, argv, &options);
    if (r <= 0)
        return exit_slowly(-r);
    umask(077);
    signal(SIGPIPE, SIG_IGN); /* a log pipe without a reader must not end the daemon */
    log_init("podlogind", LOG_INFO);
    process_harden();
    raise_descriptors();
    if (!openssl_is_usable())
        return fail("cannot set up OpenSSL", -ENOMEM);
    r = config_load(options.config, &config, &findings);
    log_findings(&findings);
    if (r < 0)
        return exit_slowly(EXIT_CODE_CONFIG);
    code = run_once(&options, config);
    if (code >= 0) {
        config_unref(config);
        return code;
    }
    if (!jose_self_test()) {
        log_error("cannot verify signatures: out of memory, or OpenSSL lacks an algorithm");
        config_unref(config);
        return EXIT_CODE_FAULT;
    }
    daemon.directory = options.config;
    if (options.exchanger_sockets)
        launcher_init_sockets(&daemon.launcher, options.exchanger_sockets);
    else
        r = launcher_init(&daemon.launcher, options.exchanger);
    if (r < 0) {
        log_error("cannot start the exchanger %s: %s", options.exchanger, strerror(-r));
        config_unref(config);
        return EXIT_CODE_FAULT;
    }
    log_init("podlogind", config->log_level);
    sandbox_broker_prepare(config);
    sandbox_broker(options.config, config);
    r = daemon_begin(&daemon, &options, config);
    config_unref(config); /* the parts hold their own references */
    if (r == EXIT_CODE_OK)
        r = daemon_run(&daemon);
    daemon_done(&daemon);
    return exit_slowly(r);
}
