#include "standin/announce.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "standin/memory.h"
#include "standin/standin.h"

/* Writes @directory/@name so that a reader sees the whole text or no file. */
static int file_write(const char *directory, const char *name, const char *text)
{
    CLEANUP(freep) char *path = must_print("%s/%s", directory, name);
    CLEANUP(freep) char *temporary = must_print("%s/.%s.%d", directory, name, (int)getpid());
    FILE *file = fopen(temporary, "we");
    bool is_written;

    if (!file)
        return -errno;
    is_written = fputs(text, file) >= 0;
    if (fclose(file) != 0 || !is_written)
        return -EIO;
    return rename(temporary, path) < 0 ? -errno : 0;
}

static int line_new(const struct standin *standin, const char *directory, char **ret_line)
{
    CLEANUP(freep) char *ca_path = must_print("%s/ca.pem", directory);
    CLEANUP(json_decrefp) json_t *json = must(json_object());
    CLEANUP(freep) char *text = NULL;

    for (size_t i = 0; i < LISTENERS; i++)
        must_json(json_object_set_new(json, listener_kinds[i].name,
                                      json_string(standin->listeners[i].url)));
    if (json_object_set_new(json, "ca", json_string(ca_path)) != 0)
        return -EILSEQ;
    must_json(json_object_set_new(json, "pid", json_integer(getpid())));
    text = must(json_dumps(json, JSON_COMPACT));
    *ret_line = must_print("%s\n", text);
    return 0;
}

/* The trusted certificate and its key, for other servers of a test. */
static int server_write(const char *directory, const struct ca *ca)
{
    const struct certificate *certificate = &ca->certificates[CERTIFICATE_TRUSTED];
    CLEANUP(freep)
    char *text = must_print("%s%s", certificate->certificate_pem, certificate->key_pem);

    return file_write(directory, "server.pem", text);
}

int announce(const struct standin *standin, const char *directory, const struct ca *ca)
{
    CLEANUP(freep) char *resolved = realpath(directory, NULL);
    CLEANUP(freep) char *line = NULL;
    int r;

    if (!resolved)
        return -errno;
    r = file_write(directory, "ca.pem", ca->ca_pem);
    if (r == 0)
        r = server_write(directory, ca);
    if (r == 0)
        r = line_new(standin, resolved, &line);
    if (r == 0)
        r = file_write(directory, "standin.json", line);
    if (r < 0)
        return r;
    fputs(line, stdout);
    return fflush(stdout) == 0 ? 0 : -EIO;
}
