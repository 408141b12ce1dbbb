#include "command/request.h"

#include <string.h>
#include <strings.h>

#define TOKEN_CHARS "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

/* Cuts the next line off @rest. Returns NULL if it does not end with CR and LF. */
static char *next_line(char **rest)
{
    char *line = *rest, *end = memmem(line, strlen(line), "\r\n", 2);

    if (!end)
        return NULL;
    *end = '\0';
    *rest = end + 2;
    return line;
}

/* "GET /path HTTP/1.1" */
static bool read_request_line(char *line, struct request *request)
{
    const char *version;

    request->method = strsep(&line, " ");
    request->target = strsep(&line, " ");
    version = line;
    return request->target && version &&
           (strcmp(version, "HTTP/1.1") == 0 || strcmp(version, "HTTP/1.0") == 0);
}

/* A field that may be there once. */
static bool set_once(const char **field, const char *value)
{
    bool is_first = !*field;

    *field = value;
    return is_first;
}

/* Also refuses a field that is continued in the next line, which begins with a blank. */
static bool read_field(char *line, struct request *request)
{
    size_t len = strspn(line, TOKEN_CHARS);
    char *value = line + len + 1, *end;

    if (len == 0 || line[len] != ':')
        return false;
    line[len] = '\0';
    value += strspn(value, " \t");
    for (end = value + strlen(value); end > value && (end[-1] == ' ' || end[-1] == '\t');)
        *--end = '\0';
    if (strcasecmp(line, "Host") == 0)
        return set_once(&request->host, value);
    if (strcasecmp(line, "Authorization") == 0)
        return set_once(&request->authorization, value);
    if (strcasecmp(line, "Content-Length") == 0)
        return strcmp(value, "0") == 0;
    return strcasecmp(line, "Transfer-Encoding") != 0;
}

/* Returns whether there are no control characters but tabs and ends of lines. */
static bool is_text(const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)bytes[i];
        bool ends = c == '\r' ? i + 1 < len && bytes[i + 1] == '\n'
                              : c == '\n' && i > 0 && bytes[i - 1] == '\r';

        if ((c < ' ' && c != '\t' && !ends) || c == 0x7f)
            return false;
    }
    return true;
}

bool request_parse(char *bytes, size_t len, struct request *ret_request)
{
    char *line;

    *ret_request = (struct request){0};
    if (!is_text(bytes, len))
        return false;
    line = next_line(&bytes);
    if (!line || !read_request_line(line, ret_request))
        return false;
    while ((line = next_line(&bytes)) && *line)
        if (!read_field(line, ret_request))
            return false;
    return line && !*bytes;
}
