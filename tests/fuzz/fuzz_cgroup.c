/*
 * Any text of /proc/PID/cgroup: a pod that is found has a uid that is in the text, and another pod,
 * in a further hierarchy or below the cgroup, is a contradiction.
 */
#include <stdio.h>

#include "fuzz/fuzz.h"
#include "peer/cgroup.h"

#define OTHER     "11111111-2222-3333-4444-555555555555"
#define BELOW     "/kubepods/pod" OTHER
#define HIERARCHY "\n1:cpu:"

static bool is_hex(char c)
{
    return c && strchr("0123456789abcdef", c);
}

static bool is_uid(const char *uid)
{
    size_t len = strlen(uid);

    for (size_t i = 0; i < len; i++)
        if (!is_hex(uid[i]) &&
            (uid[i] != '-' || len != 36 || (i != 8 && i != 13 && i != 18 && i != 23)))
            return false;
    return len == 36 || len == 32;
}

/* A name of a systemd unit has "_" instead of "-". */
static bool is_in(const char *uid, const char *text, size_t len)
{
    char name[POD_UID_SIZE];

    for (size_t i = 0; i < sizeof(name); i++)
        name[i] = uid[i] == '-' ? '_' : uid[i];
    return memmem(text, len, uid, strlen(uid)) || memmem(text, len, name, strlen(name));
}

static enum cgroup_verdict read_with(const char *text, size_t len, const char *more,
                                     char ret_uid[POD_UID_SIZE])
{
    CLEANUP(freep)
    char *longer = malloc(len + strlen(more));
    bool is_unified;

    PROMISE(longer);
    memcpy(longer, text, len);
    memcpy(longer + len, more, strlen(more));
    return cgroup_read(longer, len + strlen(more), ret_uid, &is_unified);
}

/* A process that may write cgroups can make another pod's name below its own. */
static void look_below(const char *line, size_t len)
{
    char uid[POD_UID_SIZE];
    bool is_unified;

    if (cgroup_read(line, len, uid, &is_unified) == CGROUP_POD)
        PROMISE(read_with(line, len, BELOW, uid) == CGROUP_CONTRADICTION);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data, *newline = size ? memrchr(text, '\n', size) : NULL;
    const char *last = newline ? newline + 1 : text;
    char uid[POD_UID_SIZE], again[POD_UID_SIZE], same[64 + POD_UID_SIZE];
    bool is_unified;

    look_below(last, size - (size_t)(last - text));
    if (cgroup_read(text, size, uid, &is_unified) != CGROUP_POD)
        return 0;
    PROMISE(is_uid(uid) && is_in(uid, text, size));
    if (is_unified)
        PROMISE(strncmp(text, "0::", 3) == 0 || memmem(text, size, "\n0::", 4));
    snprintf(same, sizeof(same), HIERARCHY "/kubepods/pod%s", uid);
    PROMISE(read_with(text, size, same, again) == CGROUP_POD && strcmp(uid, again) == 0);
    if (strcmp(uid, OTHER) != 0)
        PROMISE(read_with(text, size, HIERARCHY BELOW, again) == CGROUP_CONTRADICTION);
    return 0;
}
