/* podlogin login: writes the token where the Pulumi CLI looks for it, and keeps it fresh there. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "command/commands.h"
#include "command/credentials.h"
#include "command/login.h"
#include "command/notify.h"
#include "command/print.h"
#include "library/environment.h"
#include "protocol/messages.h"
#include "protocol/status.h"

/* Of the directory: what may have changed the file, and its own end. */
#define CHANGES (IN_CLOSE_WRITE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_MOVE_SELF)

#define WRITE_AGAIN_MS 1000

/* The file, and what keeps it fresh. */
struct keeper {
    const struct options *options;
    struct podlogin *login;
    struct podlogin_token *token;
    struct podlogin_watch *watch;
    enum podlogin_status trouble; /* the latest that was told; PODLOGIN_OK: none */
    bool is_written;              /* the file has the token */
    int signals;
    int changes; /* inotify(7) of the file; -1: cannot see them */
    char path[CREDENTIALS_PATH_SIZE];
};

static struct deadline deadline_of(const struct keeper *keeper)
{
    uint32_t timeout_ms = keeper->options->timeout_ms;

    return (struct deadline){clock_ms() + (timeout_ms ? timeout_ms : PODLOGIN_TIMEOUT_MS),
                             keeper->signals};
}

static int fail(const char *path, int r)
{
    output(STDERR_FILENO, "podlogin: login: ", path, ": ", credentials_strerror(r), "\n", NULL);
    return EXIT_CODE_FAULT;
}

static int write_token(struct keeper *keeper)
{
    const struct deadline deadline = deadline_of(keeper);
    int r = credentials_write(keeper->path, credentials_of(keeper->token), false, &deadline);

    keeper->is_written = r == 0;
    return r;
}

/* Somebody may hold the lock, or the disk be full. Told once; keep() tries again. */
static void write_renewed(struct keeper *keeper)
{
    bool was_written = keeper->is_written;
    int r = write_token(keeper);

    if (r < 0 && r != -ECANCELED && was_written)
        fail(keeper->path, r);
}

/* Without inotify(7), or its directory, nothing but a new token is written. */
static void watch_directory(struct keeper *keeper)
{
    const char *slash = strrchr(keeper->path, '/');
    char directory[CREDENTIALS_PATH_SIZE];
    struct text text = text_in(directory, sizeof(directory));

    text_add_bytes(&text, keeper->path, (size_t)(slash - keeper->path));
    if (keeper->changes >= 0)
        close(keeper->changes);
    keeper->changes = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (keeper->changes >= 0)
        inotify_add_watch(keeper->changes, directory, CHANGES);
}

/* Returns whether the directory is no longer where it was. */
static bool forget_changes(const struct keeper *keeper)
{
    char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    bool is_gone = false;
    ssize_t n;

    while ((n = read(keeper->changes, events, sizeof(events))) > 0)
        for (ssize_t at = 0; at < n;) {
            const struct inotify_event *event = (const void *)(events + at);

            is_gone = is_gone || event->mask & (IN_IGNORED | IN_MOVE_SELF);
            at += (ssize_t)(sizeof(*event) + event->len);
        }
    return is_gone;
}

/*
 * The CLI reads the file, and writes it later, without a lock in between: what another process
 * wrote in the meantime is lost. If that was this account, it is put back. One that has another
 * token is left alone: somebody may have logged in there.
 */
static void put_back(struct keeper *keeper)
{
    const struct deadline deadline = deadline_of(keeper);
    char path[CREDENTIALS_PATH_SIZE];
    int r = 0;

    if (forget_changes(keeper)) {
        r = credentials_path(path); /* makes the directory */
        watch_directory(keeper);
    }
    if (r == 0)
        r = credentials_write(keeper->path, credentials_of(keeper->token), true, &deadline);
    if (r == 0 || r == -EEXIST || r == -ECANCELED || r == -ENOENT)
        return; /* of a directory that is being removed, the end comes as another change */
    fail(keeper->path, r);
    forget_changes(keeper); /* an attempt that failed is not a reason for the next */
}

static void renew(struct keeper *keeper, struct podlogin_token *token)
{
    podlogin_token_free(keeper->token);
    keeper->token = token;
    if (keeper->trouble != PODLOGIN_OK || option_is_given(keeper->options, OPTION_VERBOSE))
        output(STDERR_FILENO, "podlogin: login: the token has been renewed\n", NULL);
    keeper->trouble = PODLOGIN_OK;
    notify("STATUS=The token is fresh");
    write_renewed(keeper);
}

/* Each trouble is told once: the watch goes on until it is over. */
static void on_watch(struct keeper *keeper)
{
    struct podlogin_token *token = NULL;
    enum podlogin_status status = podlogin_watch_next(keeper->watch, &token);

    if (status == PODLOGIN_OK && credentials_of(token))
        renew(keeper, token);
    else if (status == PODLOGIN_OK)
        podlogin_token_free(token);
    else if (status != PODLOGIN_NOT_RENEWED && status != PODLOGIN_CANCELLED &&
             status != keeper->trouble) {
        keeper->trouble = status;
        output(STDERR_FILENO,
               "podlogin: login: cannot renew the token: ", status_info(status)->name, ": ",
               podlogin_watch_strerror(keeper->watch, status), "\n", NULL);
        notify("STATUS=Cannot renew the token");
    }
}

/* Until a signal says that it is enough. */
static void keep(struct keeper *keeper)
{
    struct pollfd fds[] = {{.fd = keeper->signals, .events = POLLIN},
                           {.fd = podlogin_watch_fd(keeper->watch), .events = POLLIN},
                           {.events = POLLIN}};

    for (;;) {
        fds[2].fd = keeper->changes;
        if (poll(fds, 3, keeper->is_written ? -1 : WRITE_AGAIN_MS) < 0)
            continue;
        if (fds[0].revents)
            return;
        if (!keeper->is_written)
            write_renewed(keeper);
        if (fds[1].revents)
            on_watch(keeper);
        if (fds[2].revents)
            put_back(keeper);
    }
}

static int open_signals(void)
{
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    return signalfd(-1, &signals, SFD_CLOEXEC);
}

static int make_ready_file(const char *path)
{
    int fd = path ? open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644) : -1;

    if (path && fd < 0)
        return fail(path, -errno);
    if (path)
        close(fd);
    return EXIT_CODE_OK;
}

static int keep_fresh(struct keeper *keeper)
{
    const char *ready_file = keeper->options->ready_file;
    enum podlogin_status status;
    int code;

    status = podlogin_watch_start(keeper->login, keeper->token, &keeper->watch);
    if (status != PODLOGIN_OK)
        return report(NULL, "login", status);
    watch_directory(keeper);
    code = make_ready_file(ready_file);
    if (code)
        return code;
    notify("READY=1\nSTATUS=The token is fresh");
    keep(keeper);
    notify("STOPPING=1");
    if (ready_file)
        unlink(ready_file);
    return EXIT_CODE_OK;
}

static int log_in(struct keeper *keeper)
{
    int r, code;

    if (!credentials_of(keeper->token))
        return usage("login is for services of Pulumi Cloud; use exec for others",
                     podlogin_service(keeper->login));
    r = credentials_path(keeper->path);
    if (r == -ENOENT)
        return usage("login needs HOME, PULUMI_HOME or PULUMI_CREDENTIALS_PATH", NULL);
    if (r < 0)
        return fail(keeper->path, r);
    r = write_token(keeper);
    code = r < 0 ? fail(keeper->path, r) : EXIT_CODE_OK;
    if (code == EXIT_CODE_OK && environment_value("PULUMI_ACCESS_TOKEN"))
        output(STDERR_FILENO,
               "podlogin: login: the Pulumi CLI uses PULUMI_ACCESS_TOKEN before this "
               "file; unset it\n",
               NULL);
    if (code == EXIT_CODE_OK && option_is_given(keeper->options, OPTION_KEEP_FRESH))
        code = keep_fresh(keeper);
    return code;
}

static int run(const struct options *options, int argc, char **argv)
{
    struct keeper keeper = {.options = options, .signals = -1, .changes = -1};
    int code;

    if (argc > 1)
        return usage("login takes at most one service", argv[1]);
    if (options->ready_file && !option_is_given(options, OPTION_KEEP_FRESH))
        return usage("--ready-file needs --keep-fresh", NULL);
    if (option_is_given(options, OPTION_KEEP_FRESH))
        keeper.signals = open_signals();
    code = login_open(options, argc ? argv[0] : options->service, &keeper.login);
    if (code)
        return code;
    podlogin_set_cancel_fd(keeper.login, keeper.signals);
    code = status_info(login_token(options, keeper.login, &keeper.token))->exit_code;
    if (code == EXIT_CODE_OK)
        code = log_in(&keeper);
    podlogin_watch_end(keeper.watch);
    podlogin_token_free(keeper.token);
    podlogin_end(keeper.login);
    return code;
}

const struct command command_login = {
    .name = "login",
    .arguments = "[SERVICE]",
    .summary = "write the token where the Pulumi CLI looks for it",
    .details =
        "Writes the token into credentials.json of the Pulumi CLI, in PULUMI_CREDENTIALS_PATH, "
        "PULUMI_HOME or\n"
        "~/.pulumi. Other accounts in the file stay. With --keep-fresh, stays and writes each "
        "new token, until\n"
        "SIGTERM, SIGINT or SIGHUP.\n",
    .takes = TAKES_TOKEN | OPTION_BIT(OPTION_KEEP_FRESH) | OPTION_BIT(OPTION_READY_FILE),
    .run = run,
};
