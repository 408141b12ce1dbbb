/* Reading frames, throttling them, and writing answers, without ever blocking. */
#include "session/connection.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/counters.h"
#include "message/frame.h"
#include "protocol/status.h"
#include "session/frames.h"
#include "session/pending.h"

#define CONNECTIONS_RETRY_MS 30
#define OUTPUT_TIMEOUT_USEC  (10 * SECOND_USEC)

static void on_ready(struct loop_source *source, uint32_t events);
static void on_readable(struct connection *connection);
static void on_timeout(struct timer *timer);

static const struct limits *limits_of(const struct connection *connection)
{
    return &connection->sessions->config->limits;
}

static void set_timeout(struct connection *connection, enum timeout what)
{
    const uint64_t usec[] = {
        [TIMEOUT_IDLE] = limits_of(connection)->idle_timeout_s * SECOND_USEC,
        [TIMEOUT_FRAME] = limits_of(connection)->frame_timeout_s * SECOND_USEC,
        [TIMEOUT_OUTPUT] = OUTPUT_TIMEOUT_USEC,
    };

    connection->timeout_for = what;
    connection->was_active = false;
    loop_timer(connection->sessions->loop, &connection->timeout, usec[what], on_timeout);
}

/* Returns what the loop must watch the connection for. */
static uint32_t awaited_events(const struct connection *connection)
{
    if (connection->n_output)
        return EPOLLOUT;
    return timer_is_set(&connection->throttle) ? 0 : EPOLLIN;
}

static void listen_for_more(struct connection *connection)
{
    if (connection->is_watched)
        loop_change(connection->sessions->loop, &connection->source, awaited_events(connection));
}

static void send_rejection(int fd, enum podlogin_status status, enum counter reason,
                           const char *detail)
{
    const struct message_error error = {
        .status = status,
        .retry_after_ms = status_info(status)->is_retryable ? CONNECTIONS_RETRY_MS : 0,
        .detail = wire_string(detail),
    };
    uint8_t frame[WIRE_HEADER_SIZE + 256];
    size_t len;

    if (wire_encode(&message_error, 0, &error, frame, sizeof(frame), &len) == 0)
        (void)!send(fd, frame, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    counter_add(reason);
}

static void reject_for_shortage(int fd)
{
    send_rejection(fd, PODLOGIN_TOO_MANY, COUNTER_REJECTED_SHORTAGE,
                   "the daemon is out of descriptors or memory");
}

static void turn_away(int fd, enum podlogin_status status, enum counter reason, const char *detail)
{
    send_rejection(fd, status, reason, detail);
    close(fd);
}

void connection_turn_away(int fd)
{
    reject_for_shortage(fd);
    close(fd);
}

/*
 * Returns 0; -EUSERS: the pod exceeds its quota; -ESRCH: the process has ended, and enforcement
 * would refuse each of its requests; or the -errno of peer_identify().
 */
static int connection_set_up(struct connection *connection)
{
    struct sessions *sessions = connection->sessions;
    bool is_enforced = sessions->config->attestation == ATTESTATION_ENFORCE;
    /* only enforcement must rule out that the pid was recycled */
    uint64_t after_usec = is_enforced ? listener_since_usec(&sessions->listener) : UINT64_MAX;
    int r = peer_identify(connection->source.fd, sessions_view(sessions), after_usec,
                          &connection->peer);

    if (r < 0)
        return r;
    if (is_enforced && connection->peer.state == PEER_ENDED)
        return -ESRCH;
    connection->quota = quota_join(&sessions->quotas, &connection->peer, !is_enforced);
    if (!connection->quota)
        return -ENOMEM;
    if (!quota_may_connect(connection->quota, &connection->peer, limits_of(connection)))
        return -EUSERS;
    return 0;
}

/* Keyed by pid, which may have been recycled; the worst case is one needless TOO_MANY. */
static bool is_barred(const struct sessions *sessions, int fd)
{
    struct ucred credentials;
    socklen_t len = sizeof(credentials);

    if (!quotas_bar(&sessions->quotas))
        return false;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &len) == 0 &&
           quota_is_barred(&sessions->quotas, credentials.pid);
}

/* Turns a client away for the error of connection_set_up(). */
static void turn_away_for(int fd, int r)
{
    if (r == -EUSERS)
        turn_away(fd, PODLOGIN_TOO_MANY, COUNTER_REJECTED_QUOTA,
                  "the pod has too many connections, or connects too often");
    else if (r == -ESRCH)
        turn_away(fd, PODLOGIN_PEER_GONE, COUNTER_REJECTED_GONE, "");
    else if (r == -EAGAIN)
        turn_away(fd, PODLOGIN_TOO_MANY, COUNTER_REJECTED_YOUNG,
                  "before Linux 6.5, the daemon cannot identify a process this young; connect "
                  "again");
    else
        connection_turn_away(fd);
}

/* Returns whether nothing is left to do for the client, so that it can be closed. */
static bool is_over(const struct connection *connection)
{
    return connection->is_broken ||
           (connection->is_last && !connection->n_pending && !connection->n_output);
}

void connection_end(struct connection *connection)
{
    if (is_over(connection))
        connection_free(connection);
}

/*
 * Serves what has arrived, and then watches the connection: clients write as soon as they have
 * connected, and many need no more.
 */
static void begin(struct connection *connection)
{
    struct loop *loop = connection->sessions->loop;

    on_readable(connection);
    if (!is_over(connection)) {
        connection->is_watched =
            loop_add(loop, &connection->source, awaited_events(connection)) == 0;
        if (!connection->is_watched)
            reject_for_shortage(connection->source.fd);
    }
    if (!connection->is_watched)
        connection_free(connection);
    else if (!timer_is_set(&connection->timeout))
        set_timeout(connection, TIMEOUT_IDLE);
}

bool connection_new(struct sessions *sessions, int fd)
{
    struct connection *connection = NULL;
    int r;

    if (is_barred(sessions, fd)) {
        turn_away(fd, PODLOGIN_TOO_MANY, COUNTER_REJECTED_BARRED, "the pod connects too often");
        return false;
    }
    connection = calloc(1, sizeof(*connection));
    if (!connection) {
        connection_turn_away(fd);
        return true;
    }
    connection->sessions = sessions;
    connection->source = (struct loop_source){.fd = fd, .on_ready = on_ready};
    list_init(&connection->pending);
    r = connection_set_up(connection);
    if (r < 0) {
        peer_done(&connection->peer);
        if (connection->quota)
            quota_leave(connection->quota);
        free(connection);
        turn_away_for(fd, r);
        return r != -EUSERS;
    }
    sessions_add(sessions, &connection->node);
    begin(connection);
    return true;
}

void connection_free(struct connection *connection)
{
    struct sessions *sessions = connection->sessions;

    while (!list_is_empty(&connection->pending))
        pending_free(container_of(connection->pending.next, struct pending, node));
    if (timer_is_set(&connection->throttle))
        quota_refund(connection->quota, limits_of(connection), connection->throttled_for);
    timer_unset(&connection->throttle);
    timer_unset(&connection->timeout);
    loop_close(sessions->loop, &connection->source);
    peer_done(&connection->peer);
    quota_leave(connection->quota);
    sessions_remove(sessions, &connection->node);
    identity_unref(connection->identity);
    free(connection->login_refusal);
    secret_free(connection->partial);
    for (size_t i = 0; i < connection->n_output; i++)
        secret_free(connection->output[i]);
    free(connection->output);
    free(connection);
}

/*
 * Keeps what could not be sent. Nothing more is read from the client until it has read its answers.
 */
static void hold_output(struct connection *connection, const uint8_t *bytes, size_t len)
{
    struct secret *output = NULL;

    if (!connection->output)
        connection->output = calloc(OUTPUT_MAX, sizeof(struct secret *));
    if (connection->output && connection->n_output < OUTPUT_MAX)
        output = secret_new(bytes, len);
    if (!output) {
        connection->is_broken = true;
        return;
    }
    connection->output[connection->n_output++] = output;
    listen_for_more(connection);
    if (connection->timeout_for != TIMEOUT_OUTPUT)
        set_timeout(connection, TIMEOUT_OUTPUT);
}

void connection_send(struct connection *connection, const uint8_t *frame, size_t len)
{
    ssize_t n = 0;

    if (connection->is_broken)
        return;
    if (!connection->n_output) {
        n = send(connection->source.fd, frame, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN) {
            connection->is_broken = true;
            return;
        }
        n = n < 0 ? 0 : n;
    }
    if ((size_t)n < len)
        hold_output(connection, frame + n, len - (size_t)n);
}

void connection_answer(struct connection *connection, const struct wire_message *message,
                       uint16_t id, const void *values)
{
    CLEANUP(secret_freep)
    struct secret *frame = NULL;

    if (frame_new(message, id, values, &frame) < 0)
        connection->is_broken = true;
    else
        connection_send(connection, frame->bytes, frame->len);
}

void connection_answer_refusal(struct connection *connection, uint16_t id,
                               const struct refusal *refusal)
{
    const struct message_error error = {
        .status = refusal->status,
        .retry_after_ms = refusal->retry_after_ms,
        .detail = wire_string(refusal->detail),
    };

    connection_answer(connection, &message_error, id, &error);
}

static void refuse(struct connection *connection, uint16_t id, enum podlogin_status status,
                   const char *detail)
{
    struct refusal refusal;

    refusal_set(&refusal, status, "%s", detail);
    connection_answer_refusal(connection, id, &refusal);
}

void connection_reload(struct connection *connection, const struct config *config)
{
    struct list *node = connection->pending.next;

    while (node != &connection->pending) {
        struct pending *pending = container_of(node, struct pending, node);

        node = node->next;
        pending_reload(pending, config);
    }
    connection_end(connection);
}

static void on_throttle_over(struct timer *timer);

/*
 * Takes tokens from the pod's bucket. If there are none, reserves them, starts the throttle timer
 * and returns false: the frame stays where it is.
 */
static bool take_tokens(struct connection *connection, enum charge charge)
{
    uint64_t delay_usec;

    if (connection->has_waited) {
        connection->has_waited = false;
        return true;
    }
    delay_usec = quota_reserve(connection->quota, limits_of(connection), charge);
    if (!delay_usec)
        return true;
    connection->throttled_for = charge;
    loop_timer(connection->sessions->loop, &connection->throttle, delay_usec, on_throttle_over);
    listen_for_more(connection);
    return false;
}

const struct refusal *connection_login_refusal(const struct connection *connection)
{
    static const struct refusal no_login = {.status = PODLOGIN_BAD_REQUEST,
                                            .detail = "the connection has no LOGIN yet"};
    static const struct refusal no_memory = {.status = PODLOGIN_INTERNAL};

    if (connection->login_refusal)
        return connection->login_refusal;
    return connection->has_login ? &no_memory : &no_login;
}

/* Parses a token that is not known, or keeps the reason why it cannot be. */
static void parse_login(struct connection *connection, const struct wire_bytes *jwt)
{
    struct refusal refusal;

    if (identities_parse(jwt->at, jwt->len, &connection->identity, &refusal) == PODLOGIN_OK)
        return;
    connection->login_refusal = malloc(sizeof(refusal));
    if (connection->login_refusal)
        *connection->login_refusal = refusal;
}

static int on_login(struct connection *connection, const struct wire_header *header,
                    const uint8_t *payload)
{
    struct identities *identities = connection->sessions->identities;
    struct message_login login;
    struct identity *identity;

    if (wire_decode(&message_login, payload, header->payload_len, &login) < 0)
        return -EBADMSG;
    identity = identities_recall(identities, login.subject_token.at, login.subject_token.len);
    /* parsing and verifying a new token is expensive; a known one is charged with its request */
    if ((!identity || connection->has_unused_login) &&
        !take_tokens(connection, identity ? CHARGE_REQUEST : CHARGE_SIGNATURE_CHECK)) {
        identity_unref(identity);
        return -EAGAIN;
    }
    connection->has_unused_login = true;
    identity_unref(connection->identity);
    connection->identity = identity;
    connection->has_login = true;
    free(TAKE_PTR(connection->login_refusal));
    if (!identity)
        parse_login(connection, &login.subject_token);
    return 0;
}

/* Returns 0; -EAGAIN: the frame is throttled; or -EBADMSG: the payload is malformed. */
static int on_frame(struct connection *connection, const struct wire_header *header,
                    const uint8_t *payload)
{
    const struct message_pong pong = {.server = wire_string("podlogind " PODLOGIN_VERSION)};
    struct message_ping ping;
    int r;

    if (header->type == MESSAGE_LOGIN)
        return on_login(connection, header, payload);
    if (!take_tokens(connection, CHARGE_REQUEST))
        return -EAGAIN;
    connection->has_unused_login = false;
    switch (header->type) {
    case MESSAGE_GET:
        return request_get(connection, header, payload);
    case MESSAGE_WHOAMI:
        return request_whoami(connection, header, payload);
    case MESSAGE_PING:
        r = wire_decode(&message_ping, payload, header->payload_len, &ping);
        if (r == 0)
            connection_answer(connection, &message_pong, header->id, &pong);
        return r;
    default:
        refuse(connection, header->id, PODLOGIN_BAD_REQUEST, "unknown request type");
        return 0;
    }
}

static void refuse_frame(struct connection *connection, uint16_t id, const char *detail)
{
    refuse(connection, id, PODLOGIN_BAD_FRAME, detail);
    connection->is_broken = true;
}

/* Serves complete frames until an answer could not be sent. Returns how many bytes were used. */
static size_t serve_frames(struct connection *connection, const uint8_t *input, size_t len)
{
    size_t at = 0;

    while (!is_over(connection) && !connection->n_output) {
        struct wire_header header;
        const char *reason;
        enum frame_verdict verdict = frame_look(input + at, len - at, &header, &reason);
        int r;

        if (verdict == FRAME_WRONG)
            refuse_frame(connection, 0, reason);
        if (verdict != FRAME_WHOLE)
            break;
        if (connection->is_last) {
            refuse_frame(connection, header.id, "a frame follows the last request");
            break;
        }
        r = on_frame(connection, &header, input + at + WIRE_HEADER_SIZE);
        if (r == -EAGAIN)
            break;
        if (r < 0) {
            refuse_frame(connection, header.id, "the payload is malformed");
            break;
        }
        at += WIRE_HEADER_SIZE + header.payload_len;
    }
    return at;
}

/*
 * Reads once, after the input that was kept. Returns the length of all input; 0: the client closed
 * the connection; or -errno.
 */
static ssize_t take_input(struct connection *connection)
{
    uint8_t *input = connection->sessions->input->bytes;
    size_t held = connection->partial ? connection->partial->len : 0;
    ssize_t n;

    if (held)
        memcpy(input, connection->partial->bytes, held);
    connection->partial = secret_free(connection->partial);
    n = held < SESSION_INPUT_MAX
            ? recv(connection->source.fd, input + held, SESSION_INPUT_MAX - held, MSG_DONTWAIT)
            : 0;
    if (n < 0 && errno == EAGAIN && held)
        return (ssize_t)held;
    if (n < 0 || (n == 0 && held < SESSION_INPUT_MAX)) {
        n = n < 0 ? -errno : 0;
        explicit_bzero(input, held);
        return n;
    }
    return (ssize_t)held + n;
}

/* Sets the timeout after input: for the rest of a frame, or for the next request. */
static void update_timeout(struct connection *connection, bool has_served)
{
    if (connection->is_broken || connection->n_output)
        return; /* output has its own timeout */
    if (connection->partial && !timer_is_set(&connection->throttle)) {
        if (connection->timeout_for != TIMEOUT_FRAME || has_served)
            set_timeout(connection, TIMEOUT_FRAME);
    } else if (connection->timeout_for != TIMEOUT_IDLE) {
        set_timeout(connection, TIMEOUT_IDLE);
    }
    connection->was_active = true;
}

static void on_readable(struct connection *connection)
{
    uint8_t *input = connection->sessions->input->bytes;
    ssize_t n = take_input(connection);
    size_t served;

    if (n == -EAGAIN)
        return;
    if (n <= 0) {
        connection->is_broken = true; /* the client is gone, so nobody can use the answers */
        return;
    }
    served = serve_frames(connection, input, (size_t)n);
    if (served < (size_t)n && !connection->is_broken) {
        connection->partial = secret_new(input + served, (size_t)n - served);
        if (!connection->partial)
            connection->is_broken = true;
    }
    explicit_bzero(input, (size_t)n);
    update_timeout(connection, served > 0);
}

static void on_writable(struct connection *connection)
{
    struct secret *output = connection->output[0];
    ssize_t n = send(connection->source.fd, output->bytes + connection->output_at,
                     output->len - connection->output_at, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (n < 0) {
        connection->is_broken = errno != EAGAIN;
        return;
    }
    connection->output_at += (size_t)n;
    if (connection->output_at < output->len)
        return;
    secret_free(output);
    connection->output_at = 0;
    connection->n_output--;
    memmove(connection->output, connection->output + 1,
            connection->n_output * sizeof(struct secret *));
    if (connection->n_output)
        return; /* the socket is writable, so the loop calls again */
    listen_for_more(connection);
    set_timeout(connection, TIMEOUT_IDLE);
    if (!timer_is_set(&connection->throttle))
        on_readable(connection); /* the input that was kept */
}

/* The throttled frame is the first of the input that was kept. */
static void on_throttle_over(struct timer *timer)
{
    struct connection *connection = container_of(timer, struct connection, throttle);

    connection->has_waited = true;
    listen_for_more(connection);
    if (!connection->n_output)
        on_readable(connection);
    connection_end(connection);
}

static void on_timeout(struct timer *timer)
{
    struct connection *connection = container_of(timer, struct connection, timeout);

    if (connection->timeout_for == TIMEOUT_IDLE &&
        (connection->was_active || connection->n_pending || timer_is_set(&connection->throttle))) {
        set_timeout(connection, TIMEOUT_IDLE);
        return;
    }
    if (connection->timeout_for == TIMEOUT_FRAME)
        refuse_frame(connection, 0, "the frame was not complete in time");
    connection_free(connection);
}

static void on_ready(struct loop_source *source, uint32_t events)
{
    struct connection *connection = container_of(source, struct connection, source);

    if (connection->n_output && events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
        on_writable(connection);
    else if (timer_is_set(&connection->throttle))
        connection->is_broken = events & (EPOLLHUP | EPOLLERR); /* it is not read while throttled */
    else if (!connection->n_output)
        on_readable(connection);
    connection_end(connection);
}
