#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "text/text.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"
#define TEXT_MAX       2048 /* of a line with fields; the rest is cut off */

static const char *program_name = "podlogind";
static int highest_level = LOG_INFO;
static bool is_journal;

/*
 * systemd sets $JOURNAL_STREAM to device and inode of the stream that it connected to the journal
 * (systemd.exec(5)). A process that was started with another standard error inherits the variable.
 */
static bool is_connected_to_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    uintmax_t device, inode;
    struct stat st;

    return stream && sscanf(stream, "%ju:%ju", &device, &inode) == 2 &&
           fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

void log_init(const char *program, int max_level)
{
    program_name = program;
    highest_level = max_level;
    is_journal = is_connected_to_journal();
}

static bool is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

/* Replaces control characters, so that a peer's text cannot forge a line. */
static void escape(char *line)
{
    for (; *line; line++)
        if (is_control(*line))
            *line = '?';
}

/* A single write, so that lines of the two processes do not mix. A lost line is not an error. */
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

/*
 * Appends @value. Replaces control characters, and blanks, '=' and quotes, so that it cannot look
 * like another field.
 */
static void add_value(struct text *text, const char *value)
{
    char *at = text->at;

    text_add(text, value, NULL);
    for (; *at; at++)
        if (is_control(*at) || *at == ' ' || *at == '=' || *at == '"')
            *at = '?';
}

static void add_journal_field(struct text *text, const struct log_field *field)
{
    char value[520];

    snprintf(value, sizeof(value), "%s", field->value);
    escape(value);
    text_add(text, "\n", field->name, "=", value, NULL);
}

/*
 * Sends an entry in the journal's native protocol: "NAME=value\n" lines in one datagram
 * (systemd.io/JOURNAL_NATIVE_PROTOCOL). Not sd_journal_sendv(), which blocks while the journal does
 * not read.
 */
static bool journal_send(int level, const char *message, const struct log_field *fields, size_t n)
{
    static int fd = -1;
    const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = JOURNAL_SOCKET};
    char buffer[TEXT_MAX], priority[NUMBER_SIZE];
    struct text text = text_in(buffer, sizeof(buffer));

    text_add(&text, "PRIORITY=", number_text((uint64_t)level, priority),
             "\nSYSLOG_IDENTIFIER=", program_name, NULL);
    for (size_t i = 0; i < n; i++)
        if (fields[i].value)
            add_journal_field(&text, &fields[i]);
    text_add(&text, "\nMESSAGE=", message, "\n", NULL);
    if (fd < 0)
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return fd >= 0 && sendto(fd, buffer, (size_t)(text.at - buffer), MSG_NOSIGNAL,
                             (const struct sockaddr *)&address, sizeof(address)) >= 0;
}

bool log_fields(int level, const char *what, const struct log_field *fields, size_t n)
{
    struct pollfd stream = {.fd = STDERR_FILENO, .events = POLLOUT};
    char buffer[TEXT_MAX];
    struct text text = text_in(buffer, sizeof(buffer));
    int saved = errno;
    bool is_put = false;

    if (level > highest_level)
        return false;
    text_add(&text, what, NULL);
    for (size_t i = 0; i < n; i++) {
        if (!fields[i].value)
            continue;
        text_add(&text, " ", fields[i].label, "=", NULL);
        add_value(&text, fields[i].value);
    }
    if (is_journal)
        is_put = journal_send(level, buffer, fields, n);
    if (!is_put && poll(&stream, 1, 0) == 1) {
        put_line(level, buffer);
        is_put = true;
    }
    errno = saved;
    return is_put;
}
