#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

static const char *program_name = "podlogind";
static int highest_level = LOG_INFO;
static bool is_journal;

void log_init(const char *program, int max_level)
{
    program_name = program;
    highest_level = max_level;
    is_journal = getenv("JOURNAL_STREAM") != NULL;
}

/* A peer's text must not be able to forge a line. */
static void escape(char *line)
{
    for (; *line; line++)
        if ((unsigned char)*line < 0x20 || *line == 0x7f)
            *line = '?';
}

/* One write, so that lines of the two processes do not mix; a lost line changes nothing. */
static void put_line(int level, const char *text)
{
    char line[2176];
    int len;

    if (is_journal)
        len = snprintf(line, sizeof(line), "<%d>%s\n", level, text);
    else
        len = snprintf(line, sizeof(line), "%s[%d]: %s\n", program_name, (int)getpid(), text);
    (void)!write(STDERR_FILENO, line, (size_t)len);
}

void log_line(int level, const char *format, ...)
{
    char text[1024];
    int saved = errno;
    va_list args;

    if (level > highest_level)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    escape(text);
    put_line(level, text);
    errno = saved;
}

/* Text that is built piece by piece; what does not fit is left out. */
struct builder {
    char text[2048];
    size_t len;
};

static void add(struct builder *builder, const char *text)
{
    size_t room = sizeof(builder->text) - 1 - builder->len, len = strlen(text);

    memcpy(builder->text + builder->len, text, len < room ? len : room);
    builder->len += len < room ? len : room;
    builder->text[builder->len] = '\0';
}

/* A value must not look like another field. */
static void add_value(struct builder *builder, const char *value)
{
    size_t at = builder->len;

    add(builder, value);
    for (; at < builder->len; at++)
        if (strchr(" =\"", builder->text[at]))
            builder->text[at] = '?';
}

/*
 * The journal's native protocol, "NAME=value\n" in one datagram
 * (systemd.io/JOURNAL_NATIVE_PROTOCOL), and not sd_journal_sendv(), which waits for a journal that
 * does not read.
 */
static bool journal_send(int level, const char *message, const struct log_field *fields, size_t n)
{
    static int fd = -1;
    const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = JOURNAL_SOCKET};
    struct builder builder = {.len = 0};
    char priority[16];

    snprintf(priority, sizeof(priority), "%d", level);
    add(&builder, "PRIORITY=");
    add(&builder, priority);
    add(&builder, "\nSYSLOG_IDENTIFIER=");
    add(&builder, program_name);
    for (size_t i = 0; i < n; i++) {
        char value[520];

        if (!fields[i].value)
            continue;
        snprintf(value, sizeof(value), "%s", fields[i].value);
        escape(value);
        add(&builder, "\n");
        add(&builder, fields[i].name);
        add(&builder, "=");
        add(&builder, value);
    }
    add(&builder, "\nMESSAGE=");
    add(&builder, message);
    add(&builder, "\n");
    if (fd < 0)
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return fd >= 0 && sendto(fd, builder.text, builder.len, MSG_NOSIGNAL,
                             (const struct sockaddr *)&address, sizeof(address)) >= 0;
}

bool log_fields(int level, const char *what, const struct log_field *fields, size_t n)
{
    struct builder builder = {.len = 0};
    struct pollfd stream = {.fd = STDERR_FILENO, .events = POLLOUT};
    int saved = errno;
    bool is_put = false;

    if (level > highest_level)
        return false;
    add(&builder, what);
    for (size_t i = 0; i < n; i++) {
        if (!fields[i].value)
            continue;
        add(&builder, " ");
        add(&builder, fields[i].label);
        add(&builder, "=");
        add_value(&builder, fields[i].value);
    }
    escape(builder.text);
    if (is_journal)
        is_put = journal_send(level, builder.text, fields, n);
    if (!is_put && poll(&stream, 1, 0) == 1) {
        put_line(level, builder.text);
        is_put = true;
    }
    errno = saved;
    return is_put;
}
