#include "peer/cgroup.h"

#include <string.h>

#define UUID_LEN   36
#define STATIC_LEN 32 /* the uid of a static pod is a hash of its manifest */

struct part {
    const char *at;
    size_t len;
};

static bool part_is(struct part part, const char *text)
{
    return part.len == strlen(text) && memcmp(part.at, text, part.len) == 0;
}

static bool part_equals(struct part part, struct part other)
{
    return other.at && part.len == other.len && memcmp(part.at, other.at, part.len) == 0;
}

static bool part_begins(struct part part, const char *text)
{
    return part.len >= strlen(text) && memcmp(part.at, text, strlen(text)) == 0;
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/* @separator: '-', or '_' in unit names of systemd, where '-' separates the levels of a slice. */
static bool uid_read(struct part part, char separator, char ret_uid[POD_UID_SIZE])
{
    if (part.len != UUID_LEN && part.len != STATIC_LEN)
        return false;
    for (size_t i = 0; i < part.len; i++) {
        bool is_dash = part.len == UUID_LEN && (i == 8 || i == 13 || i == 18 || i == 23);

        if (is_dash ? part.at[i] != separator : !is_hex(part.at[i]))
            return false;
        ret_uid[i] = is_dash ? '-' : part.at[i];
    }
    ret_uid[part.len] = '\0';
    return true;
}

/* Reads a name of kubelet's cgroup driver cgroupfs: "pod<uid>". */
static bool plain_pod_read(struct part part, char ret_uid[POD_UID_SIZE])
{
    if (!part_begins(part, "pod"))
        return false;
    return uid_read((struct part){part.at + 3, part.len - 3}, '-', ret_uid);
}

/*
 * Reads a name of kubelet's cgroup driver systemd: "kubepods-burstable-pod<uid>.slice"; with
 * --cgroup-root, "kubelet-kubepods-pod<uid>.slice". If containerd uses the driver cgroupfs and
 * kubelet uses systemd, the name is a single component,
 * "kubepods-pod<uid>.slice:cri-containerd:<id>".
 */
static bool slice_pod_read(struct part part, char ret_uid[POD_UID_SIZE])
{
    static const char *const classes[] = {"kubepods-burstable-pod", "kubepods-besteffort-pod",
                                          "kubepods-pod"};
    const char *end = memmem(part.at, part.len, ".slice", strlen(".slice"));
    size_t rest;

    if (!end)
        return false;
    rest = part.len - (size_t)(end - part.at) - strlen(".slice");
    if (rest && end[strlen(".slice")] != ':')
        return false;
    for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
        const char *at = memmem(part.at, (size_t)(end - part.at), classes[i], strlen(classes[i]));
        const char *uid = at ? at + strlen(classes[i]) : NULL;

        if (at && (at == part.at || at[-1] == '-') &&
            uid_read((struct part){uid, (size_t)(end - uid)}, '_', ret_uid))
            return true;
    }
    return false;
}

static bool is_service_class(struct part part)
{
    return part_is(part, "burstable") || part_is(part, "besteffort") || part_is(part, "guaranteed");
}

/* In these subtrees, users without privileges can create cgroups of any name. */
static bool is_of_a_user(struct part part)
{
    return part_is(part, "user.slice") || part_begins(part, "user-") || part_begins(part, "user@");
}

/* Where in the tree a path component is: decides whether a "pod<uid>" below it is a pod. */
enum place {
    PLACE_TOP,      /* the root of our cgroup namespace, which may itself be inside of kubepods */
    PLACE_KUBEPODS, /* kubelet's directory, or a QoS class directory in it */
    PLACE_ELSEWHERE,
};

static enum place place_after(enum place place, struct part part)
{
    if (part_is(part, "kubepods"))
        return PLACE_KUBEPODS;
    if (place == PLACE_TOP && part_is(part, ".."))
        return PLACE_TOP;
    return place != PLACE_ELSEWHERE && is_service_class(part) ? PLACE_KUBEPODS : PLACE_ELSEWHERE;
}

static bool part_take(struct part *path, struct part *ret_part)
{
    const char *slash;

    while (path->len && *path->at == '/') {
        path->at++;
        path->len--;
    }
    slash = memchr(path->at, '/', path->len);
    *ret_part = (struct part){path->at, slash ? (size_t)(slash - path->at) : path->len};
    path->at += ret_part->len;
    path->len -= ret_part->len;
    return ret_part->len;
}

/* Reads one path. Sets @ret_uid only if it returns CGROUP_POD. */
static enum cgroup_verdict path_read(struct part path, char ret_uid[POD_UID_SIZE])
{
    enum place place = PLACE_TOP;
    struct part part;
    bool has_pod = false;
    char uid[POD_UID_SIZE];

    while (part_take(&path, &part)) {
        bool is_plain = plain_pod_read(part, uid), is_slice = slice_pod_read(part, uid);

        if (has_pod && (is_plain || is_slice))
            return CGROUP_CONTRADICTION;
        if (!has_pod && is_of_a_user(part))
            return CGROUP_NO_POD;
        if (is_slice || (is_plain && place != PLACE_ELSEWHERE)) {
            strcpy(ret_uid, uid);
            has_pod = true;
        }
        place = place_after(place, part);
    }
    return has_pod ? CGROUP_POD : CGROUP_NO_POD;
}

/*
 * Splits "HIERARCHY:CONTROLLERS:PATH". CONTROLLERS of a named hierarchy may hold any character but
 * a colon.
 */
static bool line_split(struct part line, struct part *ret_path, bool *ret_is_v2)
{
    const char *end = line.at + line.len;
    const char *first = memchr(line.at, ':', line.len);
    const char *second = first ? memchr(first + 1, ':', (size_t)(end - first - 1)) : NULL;

    if (!second)
        return false;
    *ret_path = (struct part){second + 1, (size_t)(end - second - 1)};
    *ret_is_v2 = second - line.at == 2 && line.at[0] == '0';
    return true;
}

enum cgroup_verdict cgroup_read(const char *text, size_t len, char ret_uid[POD_UID_SIZE],
                                bool *ret_is_unified)
{
    enum cgroup_verdict verdict = CGROUP_NO_POD;
    struct part path, of_pod = {0};
    char uid[POD_UID_SIZE];
    size_t n_lines = 0;

    *ret_is_unified = false;
    while (len) {
        const char *newline = memchr(text, '\n', len);
        struct part line = {text, newline ? (size_t)(newline - text) : len};
        enum cgroup_verdict of_line;

        text += line.len + (newline ? 1 : 0);
        len -= line.len + (newline ? 1 : 0);
        if (!line_split(line, &path, ret_is_unified))
            continue;
        n_lines++;
        if (part_equals(path, of_pod)) /* with v1, most hierarchies have the same path */
            continue;
        of_line = path_read(path, uid);
        if (of_line == CGROUP_NO_POD)
            continue;
        if (of_line == CGROUP_CONTRADICTION || (verdict == CGROUP_POD && strcmp(uid, ret_uid) != 0))
            return CGROUP_CONTRADICTION;
        strcpy(ret_uid, uid);
        verdict = CGROUP_POD;
        of_pod = path;
    }
    *ret_is_unified = *ret_is_unified && n_lines == 1;
    return verdict;
}
