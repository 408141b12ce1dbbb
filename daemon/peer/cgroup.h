/*
 * Finds the pod of a process in the text of /proc/PID/cgroup (cgroups(7)). Supports cgroup v1,
 * hybrid and v2, both cgroup drivers of kubelet, and a reader in the host's or a nested cgroup
 * namespace.
 *
 * A process that may write cgroups can create another pod's name below its own cgroup. Therefore a
 * path that names a second pod is a contradiction. Names in the subtree of a user do not count.
 * Does no I/O.
 */
#ifndef PEER_CGROUP_H
#define PEER_CGROUP_H

#include <stdbool.h>
#include <stddef.h>

#define POD_UID_SIZE 37 /* a UUID, or the 32 digits of a static pod; with a NUL */

enum cgroup_verdict {
    CGROUP_POD,
    CGROUP_NO_POD,
    CGROUP_CONTRADICTION, /* a path has two pods, or two hierarchies have different ones */
};

/*
 * Reads the complete text of @len bytes.
 *
 * @ret_uid:        means something with CGROUP_POD only: the pod's uid as in the claim
 *                  "kubernetes.io".pod.uid, with dashes.
 * @ret_is_unified: whether cgroup v2 is the only hierarchy, so that the cgroup's id identifies the
 *                  pod.
 */
enum cgroup_verdict cgroup_read(const char *text, size_t len, char ret_uid[POD_UID_SIZE],
                                bool *ret_is_unified);

#endif
