#!/usr/bin/env bash
# Runs a program in namespaces of its own, where it can start a cluster without touching the machine: its own network,
# processes and mounts; /run and /var/lib are its own, too. Exits with the program's status. Needs root.
#
#   tests/e2e/cluster.sh COMMAND [ARGUMENT...]
set -euo pipefail
shopt -s nullglob
status=0
if [ "${1:-}" != --inside ]; then
    before=(/sys/fs/cgroup/kubepod[s] /sys/fs/cgroup/*/kubepods)
    CLUSTER_SCRATCH=$(mktemp -d)
    export CLUSTER_SCRATCH
    unshare --mount --net --pid --fork --mount-proc --propagation private "$0" --inside "$@" || status=$?
    # the cgroups of pods outlive the namespaces; those of another test are left alone
    for pods in /sys/fs/cgroup/kubepod[s] /sys/fs/cgroup/*/kubepods; do
        [[ " ${before[*]} " != *" $pods "* ]] || continue
        find "$pods" -depth -type d -exec rmdir {} + 2>/dev/null || true
    done
    rmdir "$CLUSTER_SCRATCH"
    exit "$status"
fi
shift
scratch=$CLUSTER_SCRATCH
mount -t tmpfs tmpfs "$scratch"
mkdir "$scratch"/{upper,work}
mount -t overlay overlay -o "lowerdir=/var/lib,upperdir=$scratch/upper,workdir=$scratch/work" /var/lib
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /var/lib/kubelet
mount -t tmpfs tmpfs /var/lib/kubelet
mount --make-rshared /var/lib/kubelet
"$@"
