/*
 * Which pod a process runs in, as /proc/PID/cgroup tells it (cgroups(7)): cgroup v1, hybrid and v2,
 * both of kubelet's drivers, seen from the host or from a cgroup namespace below it.
 *
 * Who may write cgroups can nest a foreign name below its own, so the outermost pod counts and a
 * second one makes the whole worthless. A user's own subtree names no pods. Pure: no I/O.
 */
#ifndef CGROUP_H
#define CGROUP_H

#include <stdbool.h>
#include <stddef.h>

#define POD_UID_SIZE 37 /* a UUID, or the 32 digits of a static pod, and a NUL */

enum cgroup_verdict {
    CGROUP_POD,
    CGROUP_NO_POD,
    CGROUP_CONTRADICTION, /* two pods: in one path, or in two hierarchies */
};

/*
 * Reads the whole text of @len bytes. @ret_uid is set with CGROUP_POD: as in the claim
 * "kubernetes.io".pod.uid, with dashes. @ret_is_unified: there is no hierarchy but that of cgroup
 * v2, so that its id alone identifies the pod.
 */
enum cgroup_verdict cgroup_read(const char *text, size_t len, char ret_uid[POD_UID_SIZE],
                                bool *ret_is_unified);

#endif
