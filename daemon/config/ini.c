#include "config/ini.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"

struct ini {
    const struct ini_handler *handler;
    struct findings *findings;
    char section[INI_LINE_MAX];
    char name[INI_LINE_MAX];
    bool has_section;
    bool has_name;
    bool is_skipping; /* the section is not valid: its settings would only repeat the error */
    int number;
};

#define fail(ini, ...) (findings_error((ini)->findings, (ini)->number, __VA_ARGS__), -EINVAL)

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

    if (has_control(line.section) || has_control(line.name) || has_control(key) ||
        has_control(value))
        return fail(ini, "a control character, such as a tab, is not allowed here");
    return ini->handler->on_line(ini->handler->data, &line);
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

    if (!ini->has_section) {
        ini->is_skipping = true;
        return fail(ini, "the setting is not in a [Section]");
    }
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

static int read_text(struct ini *ini, char *text)
{
    int r;

    if (*text != '[')
        return ini->is_skipping ? 0 : read_setting(ini, text);
    r = read_section(ini, text);
    ini->is_skipping = r < 0;
    return r;
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
    return *text == '\0' || *text == '#' ? 0 : read_text(ini, text);
}

/* Editors of other systems begin a file with the invisible U+FEFF. Returns what follows it. */
static const char *after_mark(const char *text, size_t len, struct findings *findings)
{
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        findings_error(
            findings, 1,
            "the file begins with a byte order mark (BOM); save it as UTF-8 without one");
        return text + 3;
    }
    if (len >= 2 && (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0)) {
        findings_error(
            findings, 1,
            "the file begins with the byte order mark (BOM) of UTF-16; save it as UTF-8");
        return text + len; /* each line would be wrong */
    }
    return text;
}

int ini_read(const char *text, size_t len, const struct ini_handler *handler,
             struct findings *findings)
{
    CLEANUP(freep)
    struct ini *ini = calloc(1, sizeof(*ini));
    const char *end = text + len;
    int r = 0;

    if (!ini)
        return -ENOMEM;
    ini->handler = handler;
    ini->findings = findings;
    text = after_mark(text, len, findings);
    while (text < end && (r == 0 || r == -EINVAL)) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const char *line_end = newline ? newline : end;

        r = read_line(ini, text, (size_t)(line_end - text));
        text = line_end + 1;
    }
    return r == -EINVAL ? 0 : r;
}

static int cannot_read(struct findings *findings, int r)
{
    findings_error(findings, 0, "cannot read file: %s", file_strerror(r));
    return 0;
}

int ini_read_file(const char *path, const struct ini_handler *handler, struct findings *findings)
{
    CLEANUP(fd_closep)
    int fd = file_open(path, 0);
    CLEANUP(freep)
    char *text = NULL;
    size_t len;
    int r;

    if (fd < 0)
        return cannot_read(findings, fd);
    text = malloc(INI_FILE_MAX);
    if (!text)
        return -ENOMEM;
    r = file_read(fd, text, INI_FILE_MAX, &len);
    if (r == -EFBIG) {
        findings_error(findings, 1, "the file is larger than 256 KiB");
        return 0;
    }
    return r < 0 ? cannot_read(findings, r) : ini_read(text, len, handler, findings);
}
