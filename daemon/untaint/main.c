/*
 * podlogin-untaint: removes the taint with which a node starts, so that no job is scheduled to it
 * before podlogind can serve. It waits until the daemon is ready, removes the taint, and sleeps.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin/ask.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/url.h"
#include "config/check.h"
#include "config/config.h"
#include "exchanger/http.h"
#include "identity/token_file.h"
#include "sandbox/exchanger.h"
#include "text/descriptor.h"
#include "untaint/node.h"

#define TAINT       "podlogin.io/starting"
#define ASK_S       10
#define LOOK_S      1
#define PAUSE_MAX_S 30

struct options {
    const char *node, *taint, *api_server, *token_file, *ca_file, *socket;
};

struct untaint {
    struct options options;
    struct http http;
    struct ca ca;
    struct secret *token;
    char url[1024];
    char said[HTTP_ERROR_SIZE]; /* the failure that was logged last */
};

static void print_help(void)
{
    printf("podlogin-untaint [OPTIONS]\n\n"
           "Waits until podlogind is ready, and removes a taint from this node of Kubernetes.\n\n"
           "  --node NAME        the node ($NODE_NAME)\n"
           "  --taint KEY        the taint (" TAINT ")\n"
           "  --api-server URL   (of $KUBERNETES_SERVICE_HOST and $KUBERNETES_SERVICE_PORT)\n"
           "  --token-file PATH  authenticates to it (" API_SERVER_TOKEN_FILE ")\n"
           "  --ca-file PATH     verifies it (" API_SERVER_CA_FILE ")\n"
           "  --socket PATH      the administrator's socket of podlogind (" ADMIN_SOCKET_PATH ")\n"
           "  --help, -h         print this help\n"
           "  --version          print the version\n\n"
           "See podlogin-untaint(8).\n");
}

/* The API server of the cluster, as kubelet tells each container. */
static const char *cluster_url(void)
{
    static char url[600];
    const char *host = getenv("KUBERNETES_SERVICE_HOST");
    const char *port = getenv("KUBERNETES_SERVICE_PORT");
    bool is_ipv6 = host && strchr(host, ':');

    if (!host)
        return NULL;
    snprintf(url, sizeof(url), "https://%s%s%s:%s", is_ipv6 ? "[" : "", host, is_ipv6 ? "]" : "",
             port ? port : "443");
    return url;
}

/* Names of nodes are names of DNS; others could lead to another object of the API server. */
static bool is_name(const char *name)
{
    return name && *name && !name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789.-")] &&
           !strstr(name, "..");
}

/* Returns -1 to go on; otherwise the exit code. */
static int parse_options(int argc, char **argv, struct options *options)
{
    static const struct option table[] = {{"node", required_argument, NULL, 'n'},
                                          {"taint", required_argument, NULL, 't'},
                                          {"api-server", required_argument, NULL, 'a'},
                                          {"token-file", required_argument, NULL, 'f'},
                                          {"ca-file", required_argument, NULL, 'c'},
                                          {"socket", required_argument, NULL, 's'},
                                          {"help", no_argument, NULL, 'h'},
                                          {"version", no_argument, NULL, 'v'},
                                          {0}};
    const char *wrong = NULL;
    int option;

    while ((option = getopt_long(argc, argv, "h", table, NULL)) != -1) {
        switch (option) {
        case 'n':
            options->node = optarg;
            break;
        case 't':
            options->taint = optarg;
            break;
        case 'a':
            options->api_server = optarg;
            break;
        case 'f':
            options->token_file = optarg;
            break;
        case 'c':
            options->ca_file = optarg;
            break;
        case 's':
            options->socket = optarg;
            break;
        case 'h':
            print_help();
            return EXIT_CODE_OK;
        case 'v':
            printf("podlogin-untaint %s\n", PODLOGIN_VERSION);
            return EXIT_CODE_OK;
        default:
            return EXIT_CODE_USAGE;
        }
    }
    if (optind < argc)
        wrong = "unexpected argument";
    else if (!is_name(options->node))
        wrong = "the name of the node is missing";
    else if (!*options->taint)
        wrong = "the key of the taint is empty";
    else if (!options->api_server || !url_is_https(options->api_server))
        wrong = "the https URL of the API server is missing";
    if (wrong) {
        fprintf(stderr, "podlogin-untaint: %s; see --help\n", wrong);
        return EXIT_CODE_USAGE;
    }
    return -1;
}

/* Logs @what once, and again if it changes. */
static void say(struct untaint *untaint, const char *what)
{
    if (strcmp(untaint->said, what) == 0)
        return;
    snprintf(untaint->said, sizeof(untaint->said), "%s", what);
    log_warning("cannot remove the taint %s yet: %s", untaint->options.taint, what);
}

/* Returns whether the daemon can serve; otherwise says what it waits for. */
static bool is_ready(struct untaint *untaint)
{
    static char error[ASK_ERROR_MAX];
    char what[HTTP_ERROR_SIZE] = "podlogind does not answer";
    CLEANUP(freep)
    char *text = NULL;
    CLEANUP(json_decrefp)
    json_t *status = NULL;
    const json_t *waits;

    if (admin_ask(untaint->options.socket, ASK_S, "status", NULL, &text, error) == EXIT_CODE_OK)
        status = json_loads(text, 0, NULL);
    waits = json_object_get(status, "waits_for");
    if (json_is_array(waits) && json_array_size(waits) == 0)
        return true;
    if (json_is_array(waits))
        snprintf(what, sizeof(what), "podlogind waits for %s",
                 json_string_value(json_array_get(waits, 0)));
    else if (error[0])
        snprintf(what, sizeof(what), "%.200s", error);
    say(untaint, what);
    return false;
}

static int read_files(struct untaint *untaint)
{
    const char *ca_file = untaint->options.ca_file, *token_file = untaint->options.token_file;
    struct job_files files = {1, {{.fd = file_open(ca_file, 0)}}};
    char error[HTTP_ERROR_SIZE];
    int r = ca_read(&files, wire_string(ca_file), &untaint->ca, error, sizeof(error));

    if (r == 0) {
        r = token_file_read(token_file, &untaint->token);
        snprintf(error, sizeof(error), "cannot read %.200s: %s", token_file, file_strerror(r));
    }
    if (r < 0)
        log_error("%s", error);
    return r;
}

/* What a transfer ended with. */
struct answer {
    bool is_there;
    long status;
    struct secret *body;
    char detail[HTTP_ERROR_SIZE];
};

static void on_done(struct http_transfer *transfer)
{
    struct answer *answer = transfer->data;

    answer->is_there = true;
    answer->status = transfer->status;
    snprintf(answer->detail, sizeof(answer->detail), "%s", transfer->detail);
    answer->body = secret_new(transfer->body, transfer->body_len);
}

/* Sends a request and waits for its end. @patch: NULL to get the node. */
static struct answer request(struct untaint *untaint, struct secret *patch)
{
    struct answer answer = {0};
    struct http_request http = {
        .method = patch ? "PATCH" : "GET",
        .url = untaint->url,
        .accept = "application/json",
        .ca = &untaint->ca,
        .body = patch,
        .content_type = "application/json-patch+json",
        .authorization = untaint->token,
    };

    if (http_start(&untaint->http, &http, on_done, &answer) < 0) {
        snprintf(answer.detail, sizeof(answer.detail), "%s", untaint->http.error);
        return answer;
    }
    while (!answer.is_there) {
        (void)http_wait(&untaint->http, -1);
        http_turn(&untaint->http);
    }
    return answer;
}

/* Returns whether the answer is there and good; otherwise says what is wrong. */
static bool is_good(struct untaint *untaint, const struct answer *answer, const char *what)
{
    char text[HTTP_ERROR_SIZE];

    if (answer->status == 200 && answer->body)
        return true;
    if (answer->status)
        snprintf(text, sizeof(text), "cannot %s the node: HTTP %ld", what, answer->status);
    else
        snprintf(text, sizeof(text), "cannot %s the node: %.200s", what, answer->detail);
    say(untaint, text);
    return false;
}

/*
 * Returns EXIT_CODE_OK if the node has no such taint any more; -1 to try again; or an exit code: a
 * new process reads a new token.
 */
static int remove_taint(struct untaint *untaint)
{
    struct secret *patch = NULL;
    struct answer answer = request(untaint, NULL);
    int r = -1, code = -1;

    if (is_good(untaint, &answer, "read"))
        r = node_patch(answer.body->bytes, answer.body->len, untaint->options.taint, &patch);
    secret_free(answer.body);
    if (answer.status == 401)
        return EXIT_CODE_FAULT;
    if (r == 0) {
        log_notice("node %s has no taint %s", untaint->options.node, untaint->options.taint);
        return EXIT_CODE_OK;
    }
    if (r != 1) {
        if (answer.status == 200)
            say(untaint, "the API server's answer is not a node");
        return -1;
    }
    answer = request(untaint, patch);
    if (is_good(untaint, &answer, "change")) {
        log_notice("removed the taint %s from node %s", untaint->options.taint,
                   untaint->options.node);
        code = EXIT_CODE_OK;
    }
    secret_free(answer.body);
    return code;
}

static int work(struct untaint *untaint)
{
    unsigned pause_s = LOOK_S;
    int code;

    while (!is_ready(untaint))
        sleep(LOOK_S);
    if (read_files(untaint) < 0)
        return EXIT_CODE_CONFIG;
    if (http_init(&untaint->http) < 0)
        return EXIT_CODE_FAULT;
    snprintf(untaint->url, sizeof(untaint->url), "%.*s/api/v1/nodes/%s",
             url_length(untaint->options.api_server), untaint->options.api_server,
             untaint->options.node);
    sandbox_exchanger();
    while ((code = remove_taint(untaint)) == -1) {
        sleep(pause_s);
        pause_s = pause_s * 2 > PAUSE_MAX_S ? PAUSE_MAX_S : pause_s * 2;
    }
    http_done(&untaint->http);
    ca_done(&untaint->ca);
    untaint->token = secret_free(untaint->token);
    return code;
}

int main(int argc, char **argv)
{
    static struct untaint untaint = {
        .options = {.taint = TAINT,
                    .token_file = API_SERVER_TOKEN_FILE,
                    .ca_file = API_SERVER_CA_FILE,
                    .socket = ADMIN_SOCKET_PATH},
    };
    int code;

    if (descriptors_hold_standard() < 0)
        return EXIT_CODE_FAULT;
    untaint.options.node = getenv("NODE_NAME");
    untaint.options.api_server = cluster_url();
    code = parse_options(argc, argv, &untaint.options);
    if (code != -1)
        return code;
    log_init("podlogin-untaint", LOG_INFO);
    process_harden();
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, _exit); /* PID 1 of a container ignores what it does not handle */
    signal(SIGINT, _exit);
    code = work(&untaint);
    if (code != EXIT_CODE_OK)
        return code;
    for (;;) /* kubelet would start the container again */
        pause();
}
