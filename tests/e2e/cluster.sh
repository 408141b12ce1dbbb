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
shopt -s nullglob
scratch=$(mktemp -d)
mount -t tmpfs tmpfs "$scratch"
mkdir "$scratch"/{upper,work}
mount -t overlay overlay -o "lowerdir=/var/lib,upperdir=$scratch/upper,workdir=$scratch/work" /var/lib
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /var/lib/kubelet
mount -t tmpfs tmpfs /var/lib/kubelet
mount --make-rshared /var/lib/kubelet
before=(/sys/fs/cgroup/kubepod[s] /sys/fs/cgroup/*/kubepods)
status=0
CLUSTER_SCRATCH=$scratch "$@" || status=$?
# the cgroups of pods outlive the namespaces; those of another test are left alone
for pods in /sys/fs/cgroup/kubepods /sys/fs/cgroup/*/kubepods; do
    [[ " ${before[*]} " != *" $pods "* ]] || continue
    find "$pods" -depth -type d -exec rmdir {} + 2>/dev/null || true
done
exit "$status"
