/*
 * A watch: a GET that the daemon answers when it has another token than the caller. Its descriptor
 * is that of an epoll instance with the connection, and a timer for the time without one.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "library/fingerprint.h"
#include "library/handle.h"
#include "text/descriptor.h"

#define PAUSE_MIN_MS 100
#define PAUSE_MAX_MS 60000
#define SOON_MS      1000  /* a daemon that can wait does not answer as soon as this */
#define OVERTIME_MS  60000 /* when a daemon that does not answer is given up */

struct podlogin_watch {
    struct podlogin *login; /* a handle of its own */
    pid_t pid;              /* of the process that started it */
    int epoll_fd;
    int timer_fd;
    uint64_t known;  /* the fingerprint of the caller's token */
    bool is_waiting; /* the daemon has the request */
    int64_t sent_ms;
    int64_t failing_since_ms; /* 0: the latest attempt succeeded */
    int64_t pause_ms;
};

static void set_timer(struct podlogin_watch *watch, int64_t ms)
{
    const struct itimerspec timer = {
        .it_value = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 + 1}};

    timerfd_settime(watch->timer_fd, 0, &timer, NULL);
}

/* The next pause is as short as the first one, and a restart is waited for as long. */
static void trouble_is_over(struct podlogin_watch *watch)
{
    watch->failing_since_ms = 0;
    watch->pause_ms = PAUSE_MIN_MS;
}

/* Asks again after @least_ms, but in a minute, and not sooner than it should after failures. */
static void ask_later(struct podlogin_watch *watch, int64_t least_ms)
{
    if (least_ms > PAUSE_MAX_MS)
        least_ms = PAUSE_MAX_MS;
    client_close(&watch->login->client);
    if (!watch->failing_since_ms)
        watch->failing_since_ms = clock_ms();
    set_timer(watch, least_ms > watch->pause_ms ? least_ms : watch->pause_ms);
    watch->pause_ms = watch->pause_ms * 2 > PAUSE_MAX_MS ? PAUSE_MAX_MS : watch->pause_ms * 2;
}

static int add_connection(struct podlogin_watch *watch)
{
    struct epoll_event event = {.events = EPOLLIN};
    int r = epoll_ctl(watch->epoll_fd, EPOLL_CTL_ADD, watch->login->client.fd, &event);

    return r < 0 ? -errno : 0;
}

/*
 * Its end is not enough: a child that has been forked since may have it open, too, and the epoll
 * instance would go on to tell of it.
 */
static void remove_connection(struct podlogin_watch *watch)
{
    if (watch->is_waiting)
        epoll_ctl(watch->epoll_fd, EPOLL_CTL_DEL, watch->login->client.fd, NULL);
    watch->is_waiting = false;
}

static int send_request(struct podlogin_watch *watch, const struct client_target *target)
{
    struct podlogin *login = watch->login;
    struct message_get get = handle_get(login);
    int r;

    get.known = watch->known;
    get.wait_ms = PODLOGIN_WAIT_MAX_MS;
    get.is_last = 0;
    login->client.is_logged_in = false; /* the file may hold a newer token */
    r = client_send(&login->client, target, &message_get, &get);
    handle_wipe(login);
    if (r == 0)
        r = add_connection(watch);
    login->client.error = -r;
    return r;
}

/* A daemon that restarts is waited for. */
static enum podlogin_status connection_failed(struct podlogin_watch *watch,
                                              const struct client_target *target, int r)
{
    enum podlogin_status status = client_status(r, watch->login->client.fd >= 0);

    ask_later(watch, 0);
    if (client_may_retry(r) && clock_ms() - watch->failing_since_ms < watch->login->timeout_ms)
        return PODLOGIN_NOT_RENEWED;
    handle_explain(watch->login, target, status);
    return status;
}

static enum podlogin_status ask(struct podlogin_watch *watch)
{
    struct client_target target = handle_target(watch->login);
    enum podlogin_status status = handle_read_token(watch->login, &target);
    int r = 0;

    if (status == PODLOGIN_OK)
        r = send_request(watch, &target);
    subject_token_wipe(&watch->login->subject_token);
    if (status != PODLOGIN_OK) {
        ask_later(watch, 0);
        return status;
    }
    if (r < 0)
        return connection_failed(watch, &target, r);
    watch->is_waiting = true;
    watch->sent_ms = clock_ms();
    set_timer(watch, PODLOGIN_WAIT_MAX_MS + OVERTIME_MS);
    return PODLOGIN_NOT_RENEWED;
}

/* Takes a token that the caller does not have. */
static enum podlogin_status take(struct podlogin_watch *watch, const struct message_token *message,
                                 struct podlogin_token **ret_token)
{
    uint64_t print = fingerprint(message->token.at, message->token.len);
    enum podlogin_status status;

    if (print == watch->known)
        return PODLOGIN_NOT_RENEWED;
    status = handle_take(watch->login, message, ret_token);
    if (status == PODLOGIN_OK)
        watch->known = print;
    return status;
}

static enum podlogin_status receive(struct podlogin_watch *watch, struct podlogin_token **ret_token)
{
    struct podlogin *login = watch->login;
    struct client_target target = handle_target(login);
    struct message_token message = {0};
    const struct question question = {&message_get, NULL, true, &message_token, &message};
    struct wire_header header;
    bool is_soon = clock_ms() - watch->sent_ms < SOON_MS;
    enum podlogin_status status;
    int r = client_receive(&login->client, &target.deadline, &header);

    if (!is_soon)
        trouble_is_over(watch); /* the daemon has let it wait */
    if (r < 0)
        return connection_failed(watch, &target, r);
    status = handle_read(login, &question, &header);
    if (status == PODLOGIN_OK)
        status = take(watch, &message, ret_token);
    handle_wipe(login);
    if (status == PODLOGIN_OK ||
        (!is_soon && (status == PODLOGIN_NOT_RENEWED || status == PODLOGIN_TOKEN_EXPIRED))) {
        trouble_is_over(watch);
        ask(watch); /* what it reports now, it reports the next time */
        return status == PODLOGIN_TOKEN_EXPIRED ? PODLOGIN_NOT_RENEWED : status;
    }
    /* the daemon is of a version that does not wait, or refuses */
    ask_later(watch, status == PODLOGIN_NOT_RENEWED ? SOON_MS : login->retry_after_ms);
    return status;
}

static bool is_readable(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

    return poll(&poll_fd, 1, 0) > 0;
}

enum podlogin_status podlogin_watch_next(struct podlogin_watch *watch,
                                         struct podlogin_token **ret_token)
{
    uint64_t n;
    bool is_time;

    handle_begin(watch->login);
    if (watch->pid != getpid()) /* timer and connection are the parent's */
        return PODLOGIN_BAD_ARGUMENT;
    is_time = read(watch->timer_fd, &n, sizeof(n)) == sizeof(n);
    if (watch->is_waiting && is_readable(watch->login->client.fd)) {
        remove_connection(watch);
        return receive(watch, ret_token);
    }
    if (!is_time)
        return PODLOGIN_NOT_RENEWED;
    remove_connection(watch);
    client_close(&watch->login->client);
    return ask(watch);
}

static enum podlogin_status copy_settings(struct podlogin *to, const struct podlogin *from)
{
    enum podlogin_status status = podlogin_set_socket(to, from->socket);

    if (status == PODLOGIN_OK && from->token_file)
        status = podlogin_set_token_file(to, from->token_file);
    to->min_ttl_s = from->min_ttl_s;
    to->timeout_ms = from->timeout_ms;
    to->server_uid = from->server_uid;
    to->cancel_fd = from->cancel_fd;
    return status;
}

static bool open_descriptors(struct podlogin_watch *watch)
{
    struct epoll_event event = {.events = EPOLLIN};

    watch->epoll_fd = descriptor_raise(epoll_create1(EPOLL_CLOEXEC));
    watch->timer_fd = descriptor_raise(timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK));
    return watch->epoll_fd >= 0 && watch->timer_fd >= 0 &&
           epoll_ctl(watch->epoll_fd, EPOLL_CTL_ADD, watch->timer_fd, &event) == 0;
}

enum podlogin_status podlogin_watch_start(const struct podlogin *login,
                                          const struct podlogin_token *token,
                                          struct podlogin_watch **ret_watch)
{
    const char *value = podlogin_token_value(token);
    struct podlogin_watch *watch = calloc(1, sizeof(*watch));
    enum podlogin_status status;

    if (!watch)
        return PODLOGIN_NO_MEMORY;
    watch->epoll_fd = watch->timer_fd = -1;
    watch->pid = getpid();
    watch->known = fingerprint(value, strlen(value));
    watch->pause_ms = PAUSE_MIN_MS;
    status = podlogin_start(login->service, &watch->login);
    if (status == PODLOGIN_OK)
        status = copy_settings(watch->login, login);
    if (status == PODLOGIN_OK && !open_descriptors(watch))
        status = PODLOGIN_BAD_ARGUMENT;
    if (status != PODLOGIN_OK) {
        podlogin_watch_end(watch);
        return status;
    }
    set_timer(watch, 0); /* the first podlogin_watch_next() asks */
    *ret_watch = watch;
    return PODLOGIN_OK;
}

int podlogin_watch_fd(const struct podlogin_watch *watch)
{
    return watch->epoll_fd;
}

const char *podlogin_watch_strerror(const struct podlogin_watch *watch, enum podlogin_status status)
{
    return podlogin_strerror(watch->login, status);
}

void podlogin_watch_end(struct podlogin_watch *watch)
{
    if (!watch)
        return;
    podlogin_end(watch->login);
    if (watch->timer_fd >= 0)
        close(watch->timer_fd);
    if (watch->epoll_fd >= 0)
        close(watch->epoll_fd);
    free(watch);
}
