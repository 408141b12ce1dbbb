/*
 * Any answer of an HTTP server, to a job of any kind: the job has exactly one result, which keeps
 * the limits of the message, quotes no token, and has what Retry-After and Cache-Control say,
 * within bounds.
 *
 * The exchanger and libcurl are the real ones, but libcurl connects to a Unix socket, without TLS.
 * A NUL ends an answer; the next one is for the keys after a discovery document.
 */
#include <curl/curl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "exchange/job.h"
#include "exchanger/work.h"
#include "fuzz/fuzz.h"
#include "protocol/messages.h"

#define JWT       "eyJqd3QiOjF9.cG9kbG9naW4tand0.c2lnbmF0dXJlLTE"
#define OWN_TOKEN "eyJvd24iOjF9.cG9kbG9naW4tb3du.c2lnbmF0dXJlLTI"
#define URL       "https://127.0.0.1"

#undef curl_easy_setopt
CURLcode __real_curl_easy_setopt(CURL *easy, CURLoption option, ...);
CURLcode __wrap_curl_easy_setopt(CURL *easy, CURLoption option, ...);
ssize_t __real_send(int fd, const void *bytes, size_t len, int flags);
ssize_t __wrap_send(int fd, const void *bytes, size_t len, int flags);

static struct worker worker;
static struct input input;
static char name[16];
static int listener = -1, servers[4];
static unsigned n_servers, n_results;
static uint8_t kind;
static bool has_jwt, has_own_token; /* of the job */
static bool has_object;             /* the answer may have a JSON object */

/* Listens at a name that the kernel chooses; it is not in the file system. */
static void set_up(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t len = sizeof(address);

    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    PROMISE(bind(listener, (struct sockaddr *)&address, sizeof(sa_family_t)) == 0);
    PROMISE(getsockname(listener, (struct sockaddr *)&address, &len) == 0);
    PROMISE(len - offsetof(struct sockaddr_un, sun_path) <= sizeof(name));
    memcpy(name, address.sun_path + 1, len - offsetof(struct sockaddr_un, sun_path) - 1);
    PROMISE(listen(listener, 8) == 0 && http_init(&worker.http) == 0);
}

/* Answers a connection, if one was made. */
static void serve(void)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    const uint8_t *end = input.len ? memchr(input.at, '\0', input.len) : NULL;
    struct input part;

    if (fd < 0)
        return;
    part = input_part(&input, end ? (size_t)(end - input.at) : input.len);
    input_part(&input, 1);
    if (part.len)
        (void)!write(fd, part.at, part.len);
    shutdown(fd, SHUT_WR);
    PROMISE(n_servers < 4);
    servers[n_servers++] = fd;
}

static CURLcode set_url(CURL *easy, const char *url)
{
    char plain[1024];

    PROMISE(strncmp(url, "https://", 8) == 0);
    snprintf(plain, sizeof(plain), "http://127.0.0.1/%s", url + 8);
    __real_curl_easy_setopt(easy, CURLOPT_ABSTRACT_UNIX_SOCKET, name);
    __real_curl_easy_setopt(easy, CURLOPT_PROXY, "");
    return __real_curl_easy_setopt(easy, CURLOPT_URL, plain);
}

CURLcode __wrap_curl_easy_setopt(CURL *easy, CURLoption option, ...)
{
    CURLcode code;
    va_list args;

    va_start(args, option);
    if (option == CURLOPT_URL)
        code = set_url(easy, va_arg(args, const char *));
    else if (option == CURLOPT_PROTOCOLS_STR)
        code = __real_curl_easy_setopt(easy, option, "http");
    else if (option < CURLOPTTYPE_OBJECTPOINT)
        code = __real_curl_easy_setopt(easy, option, va_arg(args, long));
    else
        code = __real_curl_easy_setopt(easy, option, va_arg(args, void *));
    va_end(args);
    return code;
}

/* Whether the text has 8 successive characters of a token. */
static bool quotes(struct wire_bytes text, const char *token)
{
    for (size_t i = 0; text.len && i + 8 <= strlen(token); i++)
        if (memmem(text.at, text.len, token + i, 8))
            return true;
    return false;
}

static void check_result(const struct job_result *result)
{
    bool is_ok = result->outcome == OUTCOME_OK;

    PROMISE(is_ascii(result->detail.at, result->detail.len, ' '));
    PROMISE(is_ok ? kind == JOB_KEYS || kind == JOB_PROBE || has_object : result->detail.len > 0);
    PROMISE(!has_jwt || !quotes(result->detail, JWT));
    PROMISE(!has_own_token || !quotes(result->detail, OWN_TOKEN));
    PROMISE(result->retry_after_ms <= 300000 && result->retry_after_ms % 1000 == 0);
    PROMISE(result->max_age_s <= INT32_MAX);
    PROMISE((is_ok && kind == JOB_EXCHANGE) == (result->token.len > 0));
    PROMISE((is_ok && kind == JOB_KEYS) == (result->keys.len > 0));
    PROMISE((is_ok && kind == JOB_PROBE) == (result->http_status > 0));
    PROMISE(kind == JOB_PROBE || (!result->date_s && !result->body.len));
    PROMISE(is_ascii(result->token.at, result->token.len, '!'));
    PROMISE((result->expires_in_s || result->expires_at_s) == (is_ok && kind == JOB_EXCHANGE));
}

ssize_t __wrap_send(int fd, const void *bytes, size_t len, int flags)
{
    struct wire_header header;
    struct job_result result;

    if (fd != JOB_SOCKET_FD)
        return __real_send(fd, bytes, len, flags);
    PROMISE(len >= WIRE_HEADER_SIZE && len <= JOB_FRAME_MAX && n_results++ == 0);
    wire_header_read(bytes, &header);
    PROMISE(header.type == JOB_RESULT && header.id == 7);
    PROMISE(wire_decode(&job_result, (const uint8_t *)bytes + WIRE_HEADER_SIZE,
                        len - WIRE_HEADER_SIZE, &result) == 0);
    check_result(&result);
    return (ssize_t)len;
}

static void take(const struct wire_message *message, const void *values)
{
    static uint8_t frame[JOB_FRAME_MAX];
    struct job_files files = {1,
                              {{.fd = memfd_create("ca", MFD_CLOEXEC)}}}; /* nobody looks into it */
    size_t len;

    kind = message->type;
    worker.role = kind == JOB_EXCHANGE ? EXCHANGER_UPSTREAMS : EXCHANGER_ISSUERS;
    PROMISE(wire_encode(message, 7, values, frame, sizeof(frame), &len) == 0);
    worker_take(&worker, frame, len, &files);
    job_files_done(&files);
}

static void begin(uint8_t choice)
{
    const struct job_exchange exchange = {
        .provider = wire_string("pulumi"),
        .settings = {{wire_string("Organization=acme"), wire_string("APIURL=" URL)}, 2},
        .subject_token = wire_string(JWT),
    };
    const struct job_review review = {
        .api_server = wire_string(URL),
        .own_token = wire_string(OWN_TOKEN),
        .subject_token = wire_string(JWT),
        .audience = wire_string("aud"),
        .username = wire_string("system:serviceaccount:ci:p"),
        .uid = wire_string("u-1"),
    };
    struct job_probe probe = {.url = wire_string(URL)};
    struct job_keys keys = {.issuer = wire_string(URL)};

    has_jwt = (choice & 3) < 2;
    has_own_token = (choice & 3) == 1 || ((choice & 3) > 1 && choice & 4);
    if (choice & 4) { /* the issuer is the API server, which gets the daemon's own token */
        keys.api_server = wire_string(URL);
        keys.api_ca_file = wire_string("/ca");
        keys.own_token = wire_string(OWN_TOKEN);
        probe.own_token = keys.own_token;
    }
    if (choice & 8)
        keys.keys_url = wire_string(URL "/keys");
    if ((choice & 3) == 3)
        take(&job_probe, &probe);
    else if ((choice & 3) == 0)
        take(&job_exchange, &exchange);
    else if ((choice & 3) == 1)
        take(&job_review, &review);
    else
        take(&job_keys, &keys);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input = (struct input){data, size};
    if (listener < 0)
        set_up();
    n_results = 0;
    has_object = size && memchr(data, '{', size);
    begin((uint8_t)input_number(&input, 1));
    for (int i = 0; i < 10000 && n_results == 0; i++) {
        PROMISE(http_wait(&worker.http, -1) == 0);
        http_turn(&worker.http);
        serve();
    }
    PROMISE(n_results == 1 && list_is_empty(&worker.http.transfers));
    while (n_servers > 0)
        close(servers[--n_servers]);
    return 0;
}
