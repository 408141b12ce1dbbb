#include "config/ini.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"

struct ini {
    const char *path;
    const struct ini_handler *handler;
    char *error;
    char section[INI_LINE_MAX];
    char name[INI_LINE_MAX];
    bool has_section;
    bool has_name;
    int number;
};

__attribute__((format(printf, 2, 3))) static int fail(struct ini *ini, const char *format, ...)
{
    int n = snprintf(ini->error, INI_ERROR_MAX, "%s:%d: ", ini->path, ini->number);
    va_list args;

    va_start(args, format);
    if (n > 0 && n < INI_ERROR_MAX)
        vsnprintf(ini->error + n, (size_t)(INI_ERROR_MAX - n), format, args);
    va_end(args);
    return -EINVAL;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static char *trim(char *text)
{
    size_t len;

    while (is_blank(*text))
        text++;
    for (len = strlen(text); len > 0 && is_blank(text[len - 1]); len--)
        text[len - 1] = '\0';
    return text;
}

/* Removes a comment: a `#` at the start of the text or after a blank begins one. */
static void cut_comment(char *text)
{
    for (char *at = text; *at; at++) {
        if (*at == '#' && (at == text || is_blank(at[-1]))) {
            *at = '\0';
            return;
        }
    }
}

/* Control characters are mistakes: they are invisible in an editor and unsafe in logs. */
static bool has_control(const char *text)
{
    for (; text && *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return true;
    return false;
}

static int deliver(struct ini *ini, const char *key, const char *value)
{
    const struct ini_line line = {
        .number = ini->number,
        .section = ini->section,
        .name = ini->has_name ? ini->name : NULL,
        .key = key,
        .value = value,
    };
    char reason[INI_ERROR_MAX / 2] = "";
    int r;

    if (has_control(line.section) || has_control(line.name) || has_control(key) ||
        has_control(value))
        return fail(ini, "a control character, such as a tab, is not allowed here");
    r = ini->handler->on_line(ini->handler->data, &line, reason, sizeof(reason));
    return r == -EINVAL ? fail(ini, "%s", reason) : r;
}

/* Reads [Section] or [Section "name"], followed by an optional comment. */
static int read_section(struct ini *ini, char *text)
{
    char *end, *quote;

    ini->has_name = false;
    end = text + strcspn(text, "]\"");
    if (*end == '"') {
        quote = strchr(end + 1, '"');
        if (!quote || quote[1] != ']')
            return fail(ini, "a section with a name must be written [Section \"name\"]");
        *quote = '\0';
        *end = '\0';
        strcpy(ini->name, end + 1);
        ini->has_name = true;
        end = quote + 1;
    }
    if (*end != ']')
        return fail(ini, "a section must be written [Section]");
    *end = '\0';
    cut_comment(end + 1);
    if (*trim(end + 1))
        return fail(ini, "only a comment may follow the ] of a section");
    strcpy(ini->section, trim(text + 1));
    ini->has_section = true;
    return deliver(ini, NULL, NULL);
}

/* Finds the first = outside of quotes, because the name of a claim may contain one. */
static char *find_equals(char *text)
{
    bool is_quoted = false;

    for (; *text; text++) {
        if (*text == '"')
            is_quoted = !is_quoted;
        if (*text == '=' && !is_quoted)
            return text;
    }
    return NULL;
}

static int read_setting(struct ini *ini, char *text)
{
    bool is_verbatim = ini->handler->is_verbatim && ini->handler->is_verbatim(ini->section);
    char *equals = find_equals(text);
    char *value;

    if (!ini->has_section)
        return fail(ini, "the setting is not in a [Section]");
    if (!equals)
        return fail(ini, "the line is neither [Section] nor Key=value");
    *equals = '\0';
    value = equals + 1;
    if (!is_verbatim) {
        cut_comment(value);
        value = trim(value);
    } else if (*value &&
               (is_blank(*value) || is_blank(value[strlen(value) - 1]) || strstr(value, " #"))) {
        /* such a rule would never match, which nobody would notice in a Deny section */
        return fail(ini,
                    "a rule's value is used verbatim: remove blanks around it, and put a comment "
                    "on its own line");
    }
    text = trim(text);
    if (!*text)
        return fail(ini, "the key before = is missing");
    return deliver(ini, text, value);
}

static int read_line(struct ini *ini, const char *start, size_t len)
{
    char buffer[INI_LINE_MAX];
    char *text;

    ini->number++;
    if (len > 0 && start[len - 1] == '\r')
        len--;
    if (len >= sizeof(buffer))
        return fail(ini, "the line is longer than %d bytes", INI_LINE_MAX - 1);
    if (memchr(start, '\0', len))
        return fail(ini, "the line has a NUL byte; this is not a text file");
    memcpy(buffer, start, len);
    buffer[len] = '\0';
    for (text = buffer; is_blank(*text); text++)
        ;
    if (*text == '\0' || *text == '#')
        return 0;
    return *text == '[' ? read_section(ini, text) : read_setting(ini, text);
}

int ini_read(const char *path, const char *text, size_t len, const struct ini_handler *handler,
             char ret_error[INI_ERROR_MAX])
{
    CLEANUP(freep)
    struct ini *ini = calloc(1, sizeof(*ini));
    const char *end = text + len;
    int r = 0;

    if (!ini)
        return -ENOMEM;
    ini->path = path;
    ini->handler = handler;
    ini->error = ret_error;
    while (text < end && r == 0) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const char *line_end = newline ? newline : end;

        r = read_line(ini, text, (size_t)(line_end - text));
        text = line_end + 1;
    }
    return r;
}

static int cannot_read(char ret_error[INI_ERROR_MAX], const char *path, int r)
{
    snprintf(ret_error, INI_ERROR_MAX, "%s: cannot read file: %s", path, file_strerror(r));
    return r;
}

int ini_read_file(const char *path, const struct ini_handler *handler,
                  char ret_error[INI_ERROR_MAX])
{
    CLEANUP(fd_closep)
    int fd = file_open(path, 0);
    CLEANUP(freep)
    char *text = NULL;
    size_t len;
    int r;

    if (fd < 0)
        return cannot_read(ret_error, path, fd);
    text = malloc(INI_FILE_MAX);
    if (!text)
        return -ENOMEM;
    r = file_read(fd, text, INI_FILE_MAX, &len);
    if (r == -EFBIG) {
        snprintf(ret_error, INI_ERROR_MAX, "%s:1: the file is larger than 256 KiB", path);
        return -EINVAL;
    }
    return r < 0 ? cannot_read(ret_error, path, r) : ini_read(path, text, len, handler, ret_error);
}
