/*
 * Any server: whatever it answers, the library ends in time, and a token, an identity or an error
 * that it returns keeps what podlogin.h promises.
 *
 * The input has the bytes of the server, connection after connection. They are in the socket before
 * the client reads, so no thread is needed. The clock of the deadlines is simulated, and stands
 * still while the client does not wait.
 */
#include <poll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <time.h>

#include "fuzz/fuzz.h"
#include "library/podlogin.h"
#include "protocol/messages.h"
#include "protocol/names.h"
#include "support/scratch.h"

#define TIMEOUT_MS 1000

int __real_connect(int fd, const struct sockaddr *address, socklen_t len);
int __real_poll(struct pollfd *fds, nfds_t n, int timeout_ms);
int __real_clock_gettime(clockid_t clock, struct timespec *ret_time);
int __real_timerfd_settime(int fd, int flags, const struct itimerspec *timer,
                           struct itimerspec *ret_old);
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t len);
int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout_ms);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_time);
int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *timer,
                           struct itimerspec *ret_old);

static char directory[SCRATCH_MAX], socket_path[SCRATCH_MAX + 16], token_path[SCRATCH_MAX + 16];
static int listener = -1, server = -1;
static struct input input;
static int64_t now_ms;

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_time)
{
    if (clock != CLOCK_BOOTTIME)
        return __real_clock_gettime(clock, ret_time);
    *ret_time = (struct timespec){now_ms / 1000, now_ms % 1000 * 1000000};
    return 0;
}

/* A timer of the watch expires at once: it is a real one. */
int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *timer,
                           struct itimerspec *ret_old)
{
    const struct itimerspec now = {.it_value = {.tv_nsec = 1}};

    (void)timer;
    return __real_timerfd_settime(fd, flags, &now, ret_old);
}

int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
    int n_ready = n > 0 ? __real_poll(fds, n, 0) : 0;

    if (n_ready == 0)
        now_ms += timeout_ms;
    return n_ready;
}

static void serve(const void *bytes, size_t len)
{
    if (len)
        (void)!send(server, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/*
 * Serves one part of the input: bytes as they are, or a payload after the header that it needs.
 * Returns whether another part follows on this connection.
 */
static bool serve_part(void)
{
    static const uint8_t types[] = {MESSAGE_TOKEN, MESSAGE_IDENTITY, MESSAGE_PONG, MESSAGE_ERROR};
    uint8_t kind = (uint8_t)input_number(&input, 1), header[WIRE_HEADER_SIZE];
    struct input part = input_part(&input, input_number(&input, 2));

    if (kind & 4) {
        wire_header_write(header, (uint32_t)part.len, types[kind & 3], kind >> 3 & 7);
        serve(header, sizeof(header));
    }
    serve(part.at, part.len);
    return !(kind & 0x80) && input.len;
}

/* A daemon that has no bytes left is down. */
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t len)
{
    if (!input.len) {
        errno = ECONNREFUSED;
        return -1;
    }
    if (__real_connect(fd, address, len) < 0)
        return -1;
    if (server >= 0)
        close(server);
    server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    PROMISE(server >= 0);
    while (serve_part())
        ;
    shutdown(server, SHUT_WR);
    return 0;
}

static void clean(void)
{
    scratch_remove(directory);
}

static void set_up(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    scratch_make(directory, "/tmp");
    atexit(clean);
    snprintf(socket_path, sizeof(socket_path), "%s/socket", directory);
    snprintf(token_path, sizeof(token_path), "%s/token", directory);
    scratch_write(token_path, "eyJ.eyJ.sig\n", 12, 0600);
    strcpy(address.sun_path, socket_path);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    PROMISE(bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0);
    PROMISE(listen(listener, 8) == 0);
    unsetenv("PODLOGIN_SERVICE");
}

static struct podlogin *start(void)
{
    struct podlogin *login;

    PROMISE(podlogin_start("pulumi", &login) == PODLOGIN_OK);
    PROMISE(podlogin_set_socket(login, socket_path) == PODLOGIN_OK);
    PROMISE(podlogin_set_token_file(login, token_path) == PODLOGIN_OK);
    PROMISE(podlogin_set_timeout(login, TIMEOUT_MS) == PODLOGIN_OK);
    PROMISE(podlogin_set_server_uid(login, geteuid()) == PODLOGIN_OK);
    return login;
}

/* Returns whether @status is OK. A call ends at its deadline, or one pause of 100 ms later. */
static bool is_ok(const struct podlogin *login, enum podlogin_status status, int64_t begun_ms)
{
    const char *error = podlogin_strerror(login, status);

    PROMISE(now_ms - begun_ms <= TIMEOUT_MS + 100);
    PROMISE(*error && is_line(error, strlen(error)));
    PROMISE(status != PODLOGIN_NO_SUBJECT_TOKEN && status != PODLOGIN_UNTRUSTED_SERVER);
    PROMISE(status != PODLOGIN_OK || !podlogin_retry_after(login));
    return status == PODLOGIN_OK;
}

static bool is_variable(const char *name, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!(name[i] >= 'A' && name[i] <= 'Z') &&
            (i == 0 || !(name[i] == '_' || (name[i] >= '0' && name[i] <= '9'))))
            return false;
    return len > 0 && len <= VARIABLE_NAME_MAX && variable_name_is_safe(name, len);
}

static void check_assignments(const struct podlogin_token *token)
{
    const char *text;

    for (unsigned i = 0; (text = podlogin_token_environment_at(token, i)); i++) {
        const char *equals = strchr(text, '=');
        CLEANUP(freep)
        char *name = equals ? strndup(text, (size_t)(equals - text)) : NULL;

        PROMISE(name && is_variable(name, strlen(name)));
        PROMISE(strlen(text) <= VARIABLE_NAME_MAX + 1 + PODLOGIN_TOKEN_MAX &&
                is_line(text, strlen(text)));
        PROMISE(podlogin_token_attribute(token, name));
    }
}

static void check_unset(const struct podlogin_token *token)
{
    const char *name;

    for (unsigned i = 0; (name = podlogin_token_unset_at(token, i)); i++)
        PROMISE(is_variable(name, strlen(name)));
}

static void check_files(const struct podlogin_token *token)
{
    const char *directory_is = podlogin_token_directory(token), *text;
    const char *equals = strchr(directory_is, '=');

    if (*directory_is) {
        PROMISE(equals && is_variable(directory_is, (size_t)(equals - directory_is)));
        PROMISE(file_name_is_valid(equals + 1, strlen(equals + 1)) && !strchr(equals, '/'));
    }
    for (unsigned i = 0; (text = podlogin_token_file_at(token, i)); i++) {
        equals = strchr(text, '=');
        PROMISE(*directory_is && equals && is_line(text, strlen(text)));
        PROMISE(file_name_is_valid(text, (size_t)(equals - text)) && text[0] != '.');
        PROMISE(!memchr(text, '/', (size_t)(equals - text)));
    }
}

static void check_token(struct podlogin_token *token)
{
    const char *value = podlogin_token_value(token), *type = podlogin_token_type(token);
    const char *variable = podlogin_token_variable(token);
    static const char sources[] = "cache exchange joined unknown";

    PROMISE(*value && strlen(value) <= PODLOGIN_TOKEN_MAX && is_ascii(value, strlen(value), '!'));
    PROMISE(*type && strlen(type) <= PODLOGIN_NAME_MAX && is_line(type, strlen(type)));
    PROMISE(!*variable || is_variable(variable, strlen(variable)));
    PROMISE(podlogin_token_expires_at(token) >= 0 && strstr(sources, podlogin_token_source(token)));
    check_assignments(token);
    check_files(token);
    check_unset(token);
    podlogin_token_free(token);
}

static void get_token(struct podlogin *login)
{
    struct podlogin_token *token = NULL;
    int64_t begun_ms = now_ms;

    if (is_ok(login, podlogin_get_token(login, &token), begun_ms))
        check_token(token);
    else
        PROMISE(!token);
}

static void check_identity(struct podlogin_identity *identity)
{
    const char *const texts[] = {
        podlogin_identity_issuer(identity),
        podlogin_identity_subject(identity),
        podlogin_identity_namespace(identity),
        podlogin_identity_serviceaccount(identity),
        podlogin_identity_serviceaccount_uid(identity),
        podlogin_identity_pod(identity),
        podlogin_identity_pod_uid(identity),
    };
    const char *service;

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        PROMISE(strlen(texts[i]) <= PODLOGIN_NAME_MAX && is_line(texts[i], strlen(texts[i])));
        PROMISE(*texts[i] || i >= 5);
    }
    PROMISE(podlogin_identity_expires_at(identity) >= 0);
    for (unsigned i = 0; (service = podlogin_identity_service_at(identity, i)); i++)
        PROMISE(strlen(service) <= PODLOGIN_SERVICE_MAX && is_line(service, strlen(service)));
    podlogin_identity_free(identity);
}

static void whoami(struct podlogin *login)
{
    struct podlogin_identity *identity = NULL;
    int64_t begun_ms = now_ms;

    if (is_ok(login, podlogin_whoami(login, &identity), begun_ms))
        check_identity(identity);
    else
        PROMISE(!identity);
}

/* Another token than the one that is rejected, or none. */
static void reject(struct podlogin *login, const struct podlogin_token *token)
{
    struct podlogin_token *other = NULL;
    int64_t begun_ms = now_ms;

    if (!is_ok(login, podlogin_reject_token(login, podlogin_token_value(token), &other),
               begun_ms)) {
        PROMISE(!other);
        return;
    }
    PROMISE(strcmp(podlogin_token_value(other), podlogin_token_value(token)) != 0);
    check_token(other);
}

static void watch(const struct podlogin *login, const struct podlogin_token *token)
{
    struct podlogin_watch *of_token;

    PROMISE(podlogin_watch_start(login, token, &of_token) == PODLOGIN_OK);
    for (int i = 0; i < 6; i++) {
        struct podlogin_token *other = NULL;
        int64_t begun_ms = now_ms;
        enum podlogin_status status = podlogin_watch_next(of_token, &other);

        PROMISE(now_ms - begun_ms <= TIMEOUT_MS + 100);
        PROMISE((status == PODLOGIN_OK) == (other != NULL));
        PROMISE(*podlogin_watch_strerror(of_token, status));
        if (other)
            check_token(other);
    }
    podlogin_watch_end(of_token);
}

/* What can be done with a token of this server. */
static void renew(struct podlogin *login)
{
    struct podlogin_token *token = NULL;

    if (podlogin_get_token(login, &token) != PODLOGIN_OK)
        return;
    reject(login, token);
    watch(login, token);
    check_token(token);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct podlogin *login;
    uint8_t calls;
    int64_t begun_ms;

    if (listener < 0)
        set_up();
    input = (struct input){data, size};
    calls = (uint8_t)input_number(&input, 1);
    now_ms = 1000000;
    login = start();
    for (int i = 0; i < 4; i++, calls >>= 2) {
        begun_ms = now_ms;
        if ((calls & 3) == 0)
            is_ok(login, podlogin_authenticate(login), begun_ms);
        else if ((calls & 3) == 1)
            get_token(login);
        else if ((calls & 3) == 2)
            whoami(login);
        else
            is_ok(login, podlogin_wait(login), begun_ms);
    }
    renew(login);
    podlogin_end(login);
    if (server >= 0)
        close(server);
    server = -1;
    return 0;
}
