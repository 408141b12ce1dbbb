#!/usr/bin/env bash
# Runs a program in namespaces of its own, where it can start a cluster without touching the machine: its own network,
# processes and mounts; /run, /var/lib and /opt are its own, too. Exits with the program's status. Needs root.
#
#   tests/e2e/cluster.sh COMMAND [ARGUMENT...]
set -euo pipefail
if [ "${1:-}" != --inside ]; then
    exec unshare --mount --net --pid --fork --mount-proc --propagation private "$0" --inside "$@"
fi
shift
scratch=$(mktemp -d)
mount -t tmpfs tmpfs "$scratch"
mkdir "$scratch"/{upper,work}
mount -t overlay overlay -o "lowerdir=/var/lib,upperdir=$scratch/upper,workdir=$scratch/work" /var/lib
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /var/lib/kubelet
mount -t tmpfs tmpfs /var/lib/kubelet
mount --make-rshared /var/lib/kubelet
status=0
CLUSTER_SCRATCH=$scratch "$@" || status=$?
# the cgroups of pods outlive the namespaces
for hierarchy in /sys/fs/cgroup /sys/fs/cgroup/*; do
    [ -d "$hierarchy/kubepods" ] || continue
    find "$hierarchy/kubepods" -depth -type d -exec rmdir {} + 2>/dev/null || true
done
exit "$status"
