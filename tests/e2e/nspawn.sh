#!/usr/bin/env bash
# Runs a program of this tree in a container that boots systemd from the machine's own files, with cgroup v2
# only, as most nodes have. Exits with the program's status. Needs root and systemd-nspawn.
#
#   tests/e2e/nspawn.sh COMMAND [ARGUMENT...]
#
# PODLOGIN_ROOT= names another root file system than the machine's; the tree can be read in it, too.
set -euo pipefail
source=$(cd "$(dirname "$0")/../.." && pwd)
name=podlogin-e2e-$$
cgroup=/sys/fs/cgroup
root=${PODLOGIN_ROOT:-/}

# The tree and the files that the tests write must have the same paths inside.
run() {
    mkdir "$work"/{merged,out}
    mount -t tmpfs tmpfs "$work/out"
    mkdir "$work"/out/{upper,work}
    mount -t overlay overlay \
        -o "lowerdir=$root,upperdir=$work/out/upper,workdir=$work/out/work" "$work/merged"
    : >"$work/merged/etc/machine-id"
    rm -rf "$work/merged/etc/systemd/system/"*.wants
    {
        printf '#!/bin/bash\ncd %q\n' "$source"
        printf 'export PODLOGIN_BUILD=%q PODLOGIN_SOURCE=%q PODLOGIN_SCALE=%q PATH=%q PYTHONPATH=%q\n' \
            "$(realpath "${PODLOGIN_BUILD:-build}")" "$source" "${PODLOGIN_SCALE:-}" "$PATH" \
            "$source/tests/support"
        printf 'exec'
        printf ' %q' "$@"
        printf '\n'
    } >"$work/merged/e2e.sh"
    chmod +x "$work/merged/e2e.sh"
    cat >"$work/merged/etc/systemd/system/ci.service" <<'UNIT'
[Unit]
SuccessAction=exit
FailureAction=exit
[Service]
Type=oneshot
Delegate=yes
ExecStart=/e2e.sh
StandardOutput=append:/out.log
StandardError=append:/out.log
UNIT
    cat >"$work/merged/etc/systemd/system/ci.target" <<'UNIT'
[Unit]
Requires=ci.service
UNIT
    # nspawn needs a cgroup of its own, in the hierarchies that systemd uses
    for hierarchy in "$cgroup/systemd" "$cgroup/unified"; do
        [ -d "$hierarchy" ] && mkdir -p "$hierarchy/$name" && echo $$ >"$hierarchy/$name/cgroup.procs"
    done
    for unit in tmp.mount systemd-tmpfiles-setup.service; do # the tree may be in /tmp
        ln -sf /dev/null "$work/merged/etc/systemd/system/$unit"
    done
    binds=()
    [ "$root" = / ] || binds=("--bind-ro=$source")
    status=0
    SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 SYSTEMD_NSPAWN_TMPFS_TMP=0 systemd-nspawn -q -D "$work/merged" -M "$name" -b \
        --register=no --keep-unit --private-network --console=pipe "${binds[@]}" \
        --system-call-filter='landlock_create_ruleset landlock_add_rule landlock_restrict_self' \
        systemd.unit=ci.target systemd.show_status=0 </dev/null >"$work/console" 2>&1 || status=$?
    cat "$work/merged/out.log" || true
    [ "$status" = 0 ] || tail -20 "$work/console" >&2
    return "$status"
}

clean_up() {
    for hierarchy in "$cgroup/systemd" "$cgroup/unified"; do
        [ -d "$hierarchy/$name" ] || continue
        echo $$ >"$hierarchy/cgroup.procs"
        find "$hierarchy/$name" -depth -type d -exec rmdir {} + 2>/dev/null || true
    done
    umount "$work/merged" "$work/out" 2>/dev/null || true
    rm -rf "$work"
}

if [ "${1:-}" != --inside ]; then
    exec unshare --mount --propagation private "$0" --inside "$@"
fi
shift
work=$(mktemp -d)
trap clean_up EXIT
run "$@"
