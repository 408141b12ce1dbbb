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

#include "broker.h"
#include "config.h"
#include "identity.h"
#include "link.h"
#include "log.h"
#include "loop.h"
#include "session.h"
#include "status.h"

struct options {
    const char *config;
    const char *exchanger;
    bool only_checks;
};

/* In the order of their making; taken down in the reverse. */
struct daemon {
    struct config *config;
    struct loop loop;
    struct loop_source signals;
    struct link *link;
    struct identities identities;
    struct broker broker;
    struct sessions sessions;
};

static void print_help(void)
{
    printf("podlogind [OPTIONS]\n\n"
           "Logs the pods of a node in: answers requests for access tokens at a Unix socket.\n\n"
           "  --config DIR      podlogind.conf, issuers.d, services.d (" CONFIG_DIRECTORY ")\n"
           "  --check-config    read the configuration, say what is wrong with it, and end\n"
           "  --exchanger PATH  the program that speaks HTTPS (" PODLOGIN_EXCHANGER ")\n"
           "  --help            this text\n"
           "  --version         the version\n\n"
           "Signals: SIGTERM and SIGINT end it. See podlogind(8), podlogind.conf(5).\n");
}

/* 1: go on; else the exit code, negated, for there is nothing more to do */
static int parse_options(int argc, char **argv, struct options *options)
{
    enum {
        CONFIG = 1,
        CHECK_CONFIG,
        EXCHANGER,
        HELP,
        VERSION
    };
    static const struct option table[] = {
        {"config", required_argument, NULL, CONFIG},
        {"check-config", no_argument, NULL, CHECK_CONFIG},
        {"exchanger", required_argument, NULL, EXCHANGER},
        {"help", no_argument, NULL, HELP},
        {"version", no_argument, NULL, VERSION},
        {0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "", table, NULL)) != -1) {
        switch (option) {
        case CONFIG:
            options->config = optarg;
            break;
        case CHECK_CONFIG:
            options->only_checks = true;
            break;
        case EXCHANGER:
            options->exchanger = optarg;
            break;
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
        fprintf(stderr, "podlogind: %s: no argument is taken; see --help\n", argv[optind]);
        return -EXIT_CODE_USAGE;
    }
    return 1;
}

static void on_signal(struct loop_source *source, uint32_t events)
{
    struct daemon *daemon = container_of(source, struct daemon, signals);
    struct signalfd_siginfo info;

    (void)events;
    if (read(source->fd, &info, sizeof(info)) != sizeof(info))
        return;
    if (info.ssi_signo == SIGHUP) {
        log_notice("SIGHUP does nothing in this version; restart to read the configuration again");
        return;
    }
    log_notice("ending on signal %u", info.ssi_signo);
    loop_stop(&daemon->loop);
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

static int daemon_run(struct daemon *daemon, const struct options *options)
{
    char error[STORE_ERROR_MAX];
    int r;

    r = loop_init(&daemon->loop);
    if (r >= 0)
        r = watch_signals(daemon);
    if (r < 0)
        return fail("the event loop cannot be set up", r);
    r = link_new(&daemon->loop, options->exchanger, &daemon->link);
    if (r < 0) {
        snprintf(error, sizeof(error), "the exchanger %.400s cannot be started",
                 options->exchanger);
        return fail(error, r);
    }
    r = identities_init(&daemon->identities, daemon->config, &daemon->loop, daemon->link);
    if (r < 0)
        return fail("an issuer's keys cannot be set up", r);
    r = broker_init(&daemon->broker, &daemon->loop, daemon->link, &daemon->identities,
                    daemon->config, error);
    if (r < 0)
        return fail(error, 0);
    r = sessions_init(&daemon->sessions, &daemon->loop, daemon->config, &daemon->identities,
                      &daemon->broker, error);
    if (r < 0)
        return fail(error, 0);
    if (daemon->config->n_services == 0)
        log_warning("no service is configured: nobody can be served");
    log_notice("serving at %s; whoever reaches it with a valid token of a pod is taken for it "
               "(PeerAttestation=off)",
               daemon->config->socket);
    sd_notify(0, "READY=1");
    r = loop_run(&daemon->loop);
    sd_notify(0, "STOPPING=1");
    return r < 0 ? fail("the event loop failed", r) : EXIT_CODE_OK;
}

static void daemon_done(struct daemon *daemon)
{
    sessions_done(&daemon->sessions);
    broker_done(&daemon->broker);
    identities_done(&daemon->identities);
    link_free(daemon->link);
    if (daemon->signals.fd >= 0)
        close(daemon->signals.fd);
    loop_done(&daemon->loop);
    config_free(daemon->config);
}

int main(int argc, char **argv)
{
    struct options options = {.config = CONFIG_DIRECTORY, .exchanger = PODLOGIN_EXCHANGER};
    static struct daemon daemon = {.loop = {.epoll_fd = -1, .timer_source.fd = -1},
                                   .signals.fd = -1,
                                   .sessions.listener.fd = -1};
    char error[INI_ERROR_MAX];
    int r = parse_options(argc, argv, &options);

    if (r <= 0)
        return -r;
    umask(077);
    signal(SIGPIPE, SIG_IGN); /* a log that nobody reads any more is no reason to end */
    log_init("podlogind", LOG_INFO);
    r = secret_guard_libraries();
    if (r == 0)
        r = process_harden();
    if (r < 0)
        return fail("the process cannot be hardened", r);
    raise_descriptors();
    if (config_load(options.config, &daemon.config, error) < 0 || !daemon.config) {
        log_error("%s", error);
        return EXIT_CODE_CONFIG;
    }
    if (options.only_checks) {
        printf("%s: %zu issuers and %zu services, nothing wrong\n", options.config,
               daemon.config->n_issuers, daemon.config->n_services);
        config_free(daemon.config);
        return EXIT_CODE_OK;
    }
    log_init("podlogind", daemon.config->log_level);
    r = daemon_run(&daemon, &options);
    daemon_done(&daemon);
    return r;
}
