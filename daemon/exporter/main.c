/*
 * podlogin-exporter serves metrics, health and a page to look at over HTTP. It asks podlogind at
 * the administrator's socket, where it may only look, and holds no secret.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <microhttpd.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "admin/ask.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/log.h"
#include "config/config.h"
#include "exporter/page.h"
#include "protocol/status.h"
#include "sandbox/exporter.h"
#include "text/descriptor.h"

#define ASK_TIMEOUT_S      2
#define CONNECTIONS_MAX    32
#define CONNECTION_IDLE_S  10
#define SAMPLE_INTERVAL_S  60
#define LISTED_TOKENS_NAME "cache list"

static const char *admin_socket;
static struct history history;
static pthread_mutex_t history_mutex = PTHREAD_MUTEX_INITIALIZER;

/* Returns the answer in JSON, a new reference; or NULL, and why in @ret_error. */
static json_t *ask(const char *name, char ret_error[ASK_ERROR_MAX])
{
    CLEANUP(freep)
    char *text = NULL;
    json_t *json;

    if (admin_ask(admin_socket, ASK_TIMEOUT_S, name, NULL, &text, ret_error) != EXIT_CODE_OK)
        return NULL;
    json = json_loads(text, 0, NULL);
    if (!json)
        snprintf(ret_error, ASK_ERROR_MAX, "the daemon's answer is not JSON");
    return json;
}

/* Answers with @text, which is freed; NULL: out of memory. */
static enum MHD_Result answer(struct MHD_Connection *connection, unsigned code, const char *type,
                              char *text)
{
    struct MHD_Response *response;
    enum MHD_Result r;

    if (!text)
        return MHD_NO; /* closes the connection */
    response = MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
    if (!response) {
        free(text);
        return MHD_NO;
    }
    MHD_add_response_header(response, "Content-Type", type);
    MHD_add_response_header(response, "Cache-Control", "no-store");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(response, "Content-Security-Policy",
                            "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
                            "form-action 'none'; frame-ancestors 'none'");
    r = MHD_queue_response(connection, code, response);
    MHD_destroy_response(response);
    return r;
}

static enum MHD_Result answer_line(struct MHD_Connection *connection, unsigned code,
                                   const char *line)
{
    char *text = NULL;

    return answer(connection, code, "text/plain; charset=utf-8",
                  asprintf(&text, "%s\n", line) < 0 ? NULL : text);
}

static enum MHD_Result serve_metrics(struct MHD_Connection *connection)
{
    CLEANUP(freep)
    char *error = malloc(ASK_ERROR_MAX);
    char *text = NULL;

    if (!error)
        return MHD_NO;
    if (admin_ask(admin_socket, ASK_TIMEOUT_S, "metrics", NULL, &text, error) != EXIT_CODE_OK)
        return answer_line(connection, MHD_HTTP_SERVICE_UNAVAILABLE, error);
    return answer(connection, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", text);
}

/* The daemon's loop turns, if it answers at all. */
static enum MHD_Result serve_livez(struct MHD_Connection *connection)
{
    CLEANUP(freep)
    char *error = malloc(ASK_ERROR_MAX);
    CLEANUP(json_decrefp)
    json_t *status = error ? ask("status", error) : NULL;

    if (!error)
        return MHD_NO;
    return status ? answer_line(connection, MHD_HTTP_OK, "ok")
                  : answer_line(connection, MHD_HTTP_SERVICE_UNAVAILABLE, error);
}

static char *waits_text(const json_t *waits)
{
    char *text = NULL;
    size_t size, i;
    FILE *file = open_memstream(&text, &size);
    const json_t *each;

    if (!file)
        return NULL;
    json_array_foreach(waits, i, each) fprintf(file, "waits for %s\n", json_string_value(each));
    return fclose(file) == 0 ? text : NULL;
}

static enum MHD_Result serve_readyz(struct MHD_Connection *connection)
{
    CLEANUP(freep)
    char *error = malloc(ASK_ERROR_MAX);
    CLEANUP(json_decrefp)
    json_t *status = error ? ask("status", error) : NULL;
    const json_t *waits = json_object_get(status, "waits_for");

    if (!error)
        return MHD_NO;
    if (!status)
        return answer_line(connection, MHD_HTTP_SERVICE_UNAVAILABLE, error);
    if (json_array_size(waits) == 0)
        return answer_line(connection, MHD_HTTP_OK, "ready");
    return answer(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "text/plain; charset=utf-8",
                  waits_text(waits));
}

static enum MHD_Result serve_page(struct MHD_Connection *connection)
{
    CLEANUP(freep)
    char *error = malloc(ASK_ERROR_MAX);
    CLEANUP(json_decrefp)
    json_t *status = error ? ask("status", error) : NULL;
    CLEANUP(json_decrefp)
    json_t *tokens = status ? ask(LISTED_TOKENS_NAME, error) : NULL;
    char *text;

    if (!error)
        return MHD_NO;
    if (!tokens)
        return answer_line(connection, MHD_HTTP_SERVICE_UNAVAILABLE, error);
    pthread_mutex_lock(&history_mutex);
    text = page_render(status, json_object_get(tokens, "tokens"), &history);
    pthread_mutex_unlock(&history_mutex);
    return answer(connection, MHD_HTTP_OK, "text/html; charset=utf-8", text);
}

static const struct {
    const char *path;
    enum MHD_Result (*serve)(struct MHD_Connection *connection);
} pages[] = {{"/metrics", serve_metrics},
             {"/livez", serve_livez},
             {"/readyz", serve_readyz},
             {"/", serve_page}};

static enum MHD_Result on_request(void *data, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **request)
{
    (void)data;
    (void)version;
    (void)upload;
    (void)upload_size;
    (void)request;
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
        return answer_line(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD");
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
        if (strcmp(url, pages[i].path) == 0)
            return pages[i].serve(connection);
    return answer_line(connection, MHD_HTTP_NOT_FOUND, "there are /metrics, /livez, /readyz and /");
}

/* Notes the counts for the page, once a minute, until a signal arrives. */
static int run(const sigset_t *signals)
{
    const struct timespec interval = {.tv_sec = SAMPLE_INTERVAL_S};
    static char error[ASK_ERROR_MAX];
    int number;

    do {
        CLEANUP(json_decrefp)
        json_t *status = ask("status", error);

        pthread_mutex_lock(&history_mutex);
        if (status)
            history_add(&history, status);
        pthread_mutex_unlock(&history_mutex);
        number = sigtimedwait(signals, NULL, &interval);
    } while (number < 0 && (errno == EAGAIN || errno == EINTR));
    return EXIT_CODE_OK;
}

/* Splits "ADDRESS:PORT", with an IPv6 address in brackets, and looks the address up. */
static struct addrinfo *find_address(const char *listen)
{
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                                   .ai_socktype = SOCK_STREAM};
    CLEANUP(freep)
    char *host = strdup(listen);
    char *colon = host ? strrchr(host, ':') : NULL, *address = host;
    struct addrinfo *found = NULL;

    if (!colon)
        return NULL;
    *colon = '\0';
    if (*address == '[' && colon > address && colon[-1] == ']') {
        address++;
        colon[-1] = '\0';
    }
    return getaddrinfo(address, colon + 1, &hints, &found) == 0 ? found : NULL;
}

/* Returns a socket, or -1 with errno. */
static int listen_at(const struct addrinfo *address)
{
    CLEANUP(fd_closep)
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) < 0 ||
        bind(fd, address->ai_addr, address->ai_addrlen) < 0 || listen(fd, SOMAXCONN) < 0)
        return -1;
    return TAKE_FD(fd);
}

static int serve(const char *listen)
{
    struct addrinfo *address = find_address(listen);
    struct MHD_Daemon *daemon = NULL;
    sigset_t signals;
    int fd, code;

    if (!address) {
        log_error("MetricsListen=%s is not ADDRESS:PORT, such as 127.0.0.1:9464", listen);
        return EXIT_CODE_CONFIG;
    }
    fd = listen_at(address);
    freeaddrinfo(address);
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    if (fd >= 0) {
        sandbox_exporter();
        daemon = MHD_start_daemon(
            MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_EPOLL, 0, NULL, NULL, on_request, NULL,
            MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
            MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)CONNECTION_IDLE_S, MHD_OPTION_END);
    }
    if (!daemon) {
        log_error("cannot listen at %s: %s", listen, strerror(errno));
        return EXIT_CODE_FAULT;
    }
    log_notice("serving at http://%s", listen);
    sd_notify(0, "READY=1");
    code = run(&signals);
    MHD_stop_daemon(daemon);
    return code;
}

static void print_help(void)
{
    printf("podlogin-exporter [OPTIONS]\n\n"
           "Serves the metrics of podlogind, its health and a page to look at over HTTP, at\n"
           "MetricsListen= of podlogind.conf: /metrics, /livez, /readyz and /.\n\n"
           "  --config DIR      directory of podlogind.conf (" CONFIG_DIRECTORY ")\n"
           "  --help, -h        print this help\n"
           "  --version         print the version\n\n"
           "Signals: SIGTERM and SIGINT stop it. See podlogin-exporter(8).\n");
}

/* Returns -1 if it should serve; otherwise the exit code. */
static int parse_options(int argc, char **argv, const char **ret_config)
{
    static const struct option table[] = {{"config", required_argument, NULL, 'c'},
                                          {"help", no_argument, NULL, 'h'},
                                          {"version", no_argument, NULL, 'v'},
                                          {0}};
    int option;

    while ((option = getopt_long(argc, argv, "h", table, NULL)) != -1) {
        switch (option) {
        case 'c':
            *ret_config = optarg;
            break;
        case 'h':
            print_help();
            return EXIT_CODE_OK;
        case 'v':
            printf("podlogin-exporter %s\n", PODLOGIN_VERSION);
            return EXIT_CODE_OK;
        default:
            return EXIT_CODE_USAGE;
        }
    }
    if (optind == argc)
        return -1;
    fprintf(stderr, "podlogin-exporter: unexpected argument %s; see --help\n", argv[optind]);
    return EXIT_CODE_USAGE;
}

int main(int argc, char **argv)
{
    const char *directory = CONFIG_DIRECTORY;
    const struct config *config = NULL;
    struct findings findings;
    int code;

    if (descriptors_hold_standard() < 0)
        return EXIT_CODE_FAULT;
    code = parse_options(argc, argv, &directory);
    if (code != -1)
        return code;
    log_init("podlogin-exporter", LOG_INFO);
    signal(SIGPIPE, SIG_IGN);
    if (config_load(directory, &config, &findings) < 0) {
        for (size_t i = 0; i < findings.n; i++)
            if (findings.list[i].is_error)
                log_error("%s", findings.list[i].text);
        return EXIT_CODE_CONFIG;
    }
    admin_socket = config->admin_socket ? config->admin_socket : ADMIN_SOCKET_PATH;
    if (config->metrics_listen) {
        code = serve(config->metrics_listen);
    } else {
        log_error("MetricsListen= is not set in %s/podlogind.conf", directory);
        code = EXIT_CODE_CONFIG;
    }
    config_unref(config);
    return code;
}
