/*
 * podlogin-exchanger ROLE makes HTTPS requests for the broker. It receives jobs of its role on a
 * socket that is connected to the broker (with --listen, each process on a connection of its own),
 * answers each with one result, and ends when the broker closes the other end. It writes no files.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "exchange/job.h"
#include "exchange/launcher.h"
#include "exchanger/http.h"
#include "exchanger/listen.h"
#include "exchanger/programs.h"
#include "exchanger/proxy.h"
#include "exchanger/work.h"
#include "protocol/status.h"
#include "sandbox/exchanger.h"
#include "text/descriptor.h"

struct exchanger {
    struct worker worker;
    struct secret *buffer; /* JOB_FRAME_MAX bytes for one job; wiped after each */
    bool is_over;
    bool is_outdated;
    time_t checked_at;
};

/* Receives all pending jobs. The broker limits how many are in flight. */
static void take_jobs(struct exchanger *exchanger)
{
    struct secret *buffer = exchanger->buffer;
    struct job_files files;
    ssize_t n;

    while ((n = job_packet_receive(JOB_SOCKET_FD, buffer->bytes, buffer->len, &files)) > 0) {
        worker_take(&exchanger->worker, buffer->bytes, (size_t)n, &files);
        job_files_done(&files);
        explicit_bzero(buffer->bytes, (size_t)n);
    }
    if (n != -EAGAIN)
        exchanger->is_over = true;
}

/*
 * Returns whether the exchanger must end so that a new one reads what was replaced, such as
 * /etc/resolv.conf. It completes its jobs first; those that it has not received go to the next.
 */
static bool is_outdated(struct exchanger *exchanger)
{
    time_t now = time(NULL);

    if (exchanger->is_outdated || now == exchanger->checked_at)
        return exchanger->is_outdated;
    exchanger->checked_at = now;
    exchanger->is_outdated = sandbox_exchanger_is_outdated();
    if (exchanger->is_outdated)
        log_notice("a file of the resolver or a certificate was replaced; restarting to read it");
    return exchanger->is_outdated;
}

/*
 * The loop must turn within EXCHANGER_HANG_S; otherwise SIGALRM ends the process, and its jobs go
 * to the next one. The broker cannot kill an exchanger that runs as another user.
 */
static int run(struct exchanger *exchanger)
{
    struct http *http = &exchanger->worker.http;

    while (!exchanger->is_over) {
        int r;

        alarm(0);
        r = http_wait(http, exchanger->is_outdated ? -1 : JOB_SOCKET_FD);
        if (r < 0)
            return EXIT_FAILURE;
        alarm(EXCHANGER_HANG_S);
        if (r > 0 && !is_outdated(exchanger))
            take_jobs(exchanger);
        http_turn(http);
        if (exchanger->is_outdated && list_is_empty(&http->transfers))
            exchanger->is_over = true;
    }
    return EXIT_SUCCESS;
}

static void warn_of_proxy(void)
{
    const char *variable = proxy_check();

    if (variable)
        log_error("%s is not the URL of a proxy; in its user name and password, write / ? # @ "
                  "and blanks as %%2F %%3F %%23 %%40 %%20",
                  variable);
}

/* Returns EXCHANGERS if there is no role of this name. */
static enum exchanger_role role_of(const char *name)
{
    int role = 0;

    while (role < EXCHANGERS && !(name && strcmp(exchanger_names[role], name) == 0))
        role++;
    return (enum exchanger_role)role;
}

static bool is_started_by_broker(void)
{
    socklen_t size = sizeof(int);
    int type = 0;

    return getsockopt(JOB_SOCKET_FD, SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
           type == SOCK_SEQPACKET;
}

static bool listens(int argc, char **argv)
{
    return argc == 4 && strcmp(argv[2], "--listen") == 0;
}

static int print_usage(void)
{
    fprintf(stderr, "podlogin-exchanger issuers|upstreams|programs --listen SOCKET\n"
                    "Without --listen, it is started by podlogind or a socket unit. See "
                    "podlogind(8).\n");
    return EXIT_CODE_USAGE;
}

int main(int argc, char **argv)
{
    static struct exchanger exchanger;
    int r;

    if (descriptors_hold_standard() < 0)
        return EXIT_FAILURE;
    log_init("podlogin-exchanger", LOG_INFO);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_IGN);
    exchanger.worker.role = role_of(argc > 1 ? argv[1] : NULL);
    if (exchanger.worker.role == EXCHANGERS || (argc != 2 && !listens(argc, argv)))
        return print_usage();
    if (listens(argc, argv)) {
        r = exchanger_listen(argv[3]);
        if (r < 0) {
            log_error("cannot listen at %s: %s", argv[3], strerror(-r));
            return EXIT_CODE_FAULT;
        }
    } else if (!is_started_by_broker()) {
        return print_usage();
    }
    process_harden();
    if (exchanger.worker.role == EXCHANGER_PROGRAMS)
        return programs_run();
    exchanger.buffer = secret_alloc(JOB_FRAME_MAX);
    r = exchanger.buffer ? http_init(&exchanger.worker.http) : -ENOMEM;
    if (r < 0) {
        log_error("cannot initialize libcurl: %s", strerror(-r));
        return EXIT_FAILURE;
    }
    warn_of_proxy();
    sandbox_exchanger();
    r = run(&exchanger);
    http_done(&exchanger.worker.http);
    return r;
}
