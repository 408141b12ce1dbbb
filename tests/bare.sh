#!/usr/bin/env bash
# ./dev demo and ./dev test on bare root file systems, with nothing but what debootstrap puts there, each by an ordinary
# user and by root. bare.sh [SUITE...]: Debian 12 and 13 and Ubuntu 24.04, or those that are named.
# Needs root, debootstrap, curl and the archives; one that cannot be reached is skipped. Takes some 20 minutes for each.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/root.sh

scratch=$(mktemp -d "${TMPDIR:-/var/tmp}/podlogin-bare.XXXXXX")
root=$scratch/root
passed=0
failed=0
skipped=()

unmount() {
    umount -l "$root/proc" "$root/sys" "$root/dev/shm" "$root/dev" "$root" 2>/dev/null || true
}

end() {
    unmount
    rm -rf --one-file-system "$scratch"
}
trap end EXIT

mount_all() {
    mount --bind "$root" "$root" # unshare(1) needs a root that is a mount point
    mount -t proc proc "$root/proc"
    mount --rbind /sys "$root/sys"
    mount --make-rslave "$root/sys"
    mount --bind /dev "$root/dev"
    mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
}

# in_root USER COMMAND...
in_root() {
    local user=$1
    shift
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM="${TERM:-dumb}" CI=1 LANG=C.UTF-8 \
        http_proxy="${http_proxy:-}" https_proxy="${https_proxy:-}" \
        chroot "$root" runuser -l "$user" -w http_proxy,https_proxy,CI,TERM -c "$*"
}

# An ordinary user cannot install packages: ./dev prints the line for root, which is run as it is printed.
install_as_told() {
    local line
    line=$(in_root user 'podlogin/dev setup' 2>&1 | sed -n 's/^.*run as root: //p')
    [ -n "$line" ] || return 1
    in_root root "apt-get -qq update && DEBIAN_FRONTEND=noninteractive $line" >"$scratch/log" 2>&1 || {
        tail -n 5 "$scratch/log" >&2
        return 1
    }
}

count() {
    if "${@:2}"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "== failed: $1"
    fi
}

run_commands() {
    local suite=$1 user home
    chroot "$root" useradd -m user
    for home in home/user root; do
        mkdir "$root/$home/podlogin"
        git archive HEAD | tar -x -C "$root/$home/podlogin"
    done
    chroot "$root" chown -R user: /home/user
    chmod 700 "$root/root" "$root/home/user"
    count "$suite: the packages that ./dev names" install_as_told
    for user in user root; do
        for command in demo test; do
            echo "== ./dev $command on a bare $suite, as $user"
            count "$suite: ./dev $command as $user" in_root "$user" "podlogin/dev $command"
        done
    done
}

# run SUITE
run() {
    if make_root "$1"; then
        mount_all
        run_commands "$1"
    else
        failed=$((failed + 1))
        echo "== failed: $1: no root file system"
    fi
    unmount
    rm -rf --one-file-system "$root"
}

[ $# -gt 0 ] || set -- bookworm trixie noble
for suite; do
    if has_archive "$suite"; then
        run "$suite"
    else
        skipped+=("$suite: its archive $(mirror_of "$suite") cannot be reached")
    fi
done
for reason in "${skipped[@]}"; do
    echo "skipped: $reason"
done
echo "$passed passed, $failed failed, ${#skipped[@]} skipped"
[ "$failed" = 0 ]
