/*
 * Any bytes of an exchanger that a server has taken over: each job completes at most once, and a
 * token that the broker takes from its result has what the provider may set, and a limited
 * lifetime.
 *
 * The real client of the exchanger reads them; only the program at the other end of its socket is
 * this harness.
 */
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "broker/result.h"
#include "broker/token.h"
#include "exchange/exchanger_client.h"
#include "fuzz/fuzz.h"
#include "jose/jwks.h"
#include "message/frame.h"
#include "protocol/messages.h"

int __wrap_launcher_connect(struct launcher *launcher, enum exchanger_role role, int *ret_fd);

static int exchanger = -1; /* its end of the socket */
static unsigned n_done[3];

/* Each exchanger that is started replaces the one before. */
int __wrap_launcher_connect(struct launcher *launcher, enum exchanger_role role, int *ret_fd)
{
    int pair[2];

    (void)launcher;
    (void)role;
    if (exchanger >= 0)
        close(exchanger);
    PROMISE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
    exchanger = pair[1];
    *ret_fd = pair[0];
    return 0;
}

static void check_result(const struct job_result *result)
{
    PROMISE(result->outcome < OUTCOMES);
    PROMISE(result->detail.len <= 256 && is_line(result->detail.at, result->detail.len));
}

static void check_token(const struct token *token)
{
    struct message_token message;

    PROMISE(token->expires_s > token->created_s &&
            token->expires_s - token->created_s <= TOKEN_LIFETIME_MAX_S);
    PROMISE(token_left_usec(token, clock_now()) <= token_lifetime_usec(token));
    PROMISE(frame_read(token->frame, &message_token, &message) == 0);
    PROMISE(message.token.len && is_ascii(message.token.at, message.token.len, '!'));
    PROMISE(is_ascii(message.token_type.at, message.token_type.len, '!'));
    PROMISE((int64_t)message.expires_at_s == token->expires_s);
    PROMISE(wire_bytes_equal(message.variable, "PULUMI_ACCESS_TOKEN") ||
            wire_bytes_equal(message.variable, "PULUMI_BACKEND_URL") ||
            wire_bytes_equal(message.variable, "PULUMI_DEFAULT_ORGANIZATION"));
    for (size_t i = 0; i < message.attributes.n; i++) {
        PROMISE(message.attributes.item[i].len > 7 &&
                memcmp(message.attributes.item[i].at, "PULUMI_", 7) == 0);
        PROMISE(is_ascii(message.attributes.item[i].at, message.attributes.item[i].len, ' '));
    }
}

static void on_exchange(struct job *job, const struct job_result *result)
{
    static const struct service service = {.provider = &provider_pulumi};
    const struct environment environment = {0};
    struct token token;
    char detail[256] = "";

    PROMISE(job->state == JOB_IDLE && n_done[0]++ == 0);
    check_result(result);
    if (result->outcome != OUTCOME_OK)
        return;
    if (!result_check(result, &service, detail, sizeof(detail))) {
        PROMISE(*detail && is_ascii(detail, strlen(detail), ' '));
        return;
    }
    PROMISE(!*detail);
    if (token_from_result(result, &environment, clock_boot_usec(), &token) < 0)
        return;
    check_token(&token);
    token_done(&token);
}

static void on_keys(struct job *job, const struct job_result *result)
{
    const char *error = NULL;
    struct jwks jwks;

    PROMISE(job->state == JOB_IDLE && n_done[1]++ == 0);
    check_result(result);
    PROMISE(result->keys.len <= UPSTREAM_BODY_MAX);
    if (jwks_parse(result->keys.at, result->keys.len, &jwks, &error) < 0)
        PROMISE(error && jwks.n == 0);
    else
        jwks_done(&jwks);
}

static void on_review(struct job *job, const struct job_result *result)
{
    PROMISE(job->state == JOB_IDLE && n_done[2]++ == 0);
    check_result(result);
}

/* Submits a job of each kind; they get the ids 1 to 3. */
static void submit(struct exchanger_client *client, struct job jobs[3])
{
    const struct job_exchange exchange = {
        .provider = wire_string("pulumi"),
        .settings = {{wire_string("Organization=acme")}, 1},
        .subject_token = wire_string("a.b.c"),
    };
    const struct job_keys keys = {.issuer = wire_string("https://issuer.example")};
    const struct job_review review = {
        .api_server = wire_string("https://api.example"),
        .own_token = wire_string("a.b.c"),
        .subject_token = wire_string("d.e.f"),
        .audience = wire_string("aud"),
        .username = wire_string("system:serviceaccount:ci:p"),
        .uid = wire_string("u-1"),
    };

    PROMISE(!exchanger_client_submit(client, &jobs[0], &job_exchange, &exchange, on_exchange));
    PROMISE(!exchanger_client_submit(client, &jobs[1], &job_keys, &keys, on_keys));
    PROMISE(!exchanger_client_submit(client, &jobs[2], &job_review, &review, on_review));
}

/*
 * Sends one packet: bytes as they are, or a payload after the header of a result. An empty packet
 * is the end for the client, which gives up this exchanger.
 */
static void send_packet(struct input *input)
{
    static uint8_t packet[WIRE_HEADER_SIZE + UINT16_MAX];
    uint8_t kind = (uint8_t)input_number(input, 1);
    struct input part = input_part(input, input_number(input, 2));
    size_t header_len = kind & 4 ? WIRE_HEADER_SIZE : 0;

    if (header_len)
        wire_header_write(packet, (uint32_t)part.len, JOB_RESULT, kind & 3);
    if (part.len)
        memcpy(packet + header_len, part.at, part.len);
    if (exchanger >= 0)
        (void)!send(exchanger, packet, header_len + part.len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static struct launcher launcher = {.fd = -1};
static struct loop loop;
static struct timer at_once;

static void on_time(struct timer *timer)
{
    (void)timer;
    loop_stop(&loop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    struct exchanger_client *client;
    struct job jobs[3] = {0};
    ssize_t n;

    if (!loop.epoll_fd) {
        log_init("fuzz", -1);
        PROMISE(loop_init(&loop) == 0);
    }
    memset(n_done, 0, sizeof(n_done));
    PROMISE(exchanger_client_new(&loop, &launcher, EXCHANGER_UPSTREAMS, &client) == 0);
    submit(client, jobs);
    while (input.len) {
        send_packet(&input);
        loop_timer(&loop, &at_once, 0, on_time);
        loop.is_done = false;
        PROMISE(loop_run(&loop) == 0);
    }
    exchanger_client_free(client);
    while ((n = recv(exchanger, &(char){0}, 1, MSG_DONTWAIT)) > 0)
        ; /* the jobs, which nobody has read */
    PROMISE(n == 0);
    close(exchanger);
    exchanger = -1;
    PROMISE(!loop.timers.first);
    return 0;
}
