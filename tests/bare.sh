#!/usr/bin/env bash
# ./dev demo and ./dev test on a bare Debian root file system: nothing but what debootstrap puts there.
# Needs root, debootstrap and a Debian mirror (the one of this machine). Takes some ten minutes.
set -euo pipefail
cd "$(dirname "$0")/.."

suite=${1:-bookworm}
root=$(mktemp -d "${TMPDIR:-/var/tmp}/podlogin-bare.XXXXXX")

end() {
    umount -l "$root/proc" "$root/dev/shm" "$root/dev" 2>/dev/null || true
    rm -rf --one-file-system "$root"
}
trap end EXIT

chmod 755 "$root" # apt fetches as a user of its own
mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
    sed -nE 's/^(deb +|URIs: *)(\[[^]]*\] *)?(https?:[^ ]+).*/\3/p' | head -n 1) || true
debootstrap --variant=minbase "$suite" "$root" "${mirror:-http://deb.debian.org/debian}" >"$root.log"

# how this machine reaches its mirror goes along; packages do not
rm -f "$root/etc/apt/sources.list"
cp -a /etc/apt/. "$root/etc/apt/"
cp /etc/resolv.conf /etc/hosts "$root/etc/"
if [ -d /usr/local/share/ca-certificates ]; then
    mkdir -p "$root/usr/local/share"
    cp -a /usr/local/share/ca-certificates "$root/usr/local/share/"
fi
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/dev/shm"

mkdir "$root/podlogin"
git archive HEAD | tar -x -C "$root/podlogin"
for command in "demo" "test"; do
    echo "== ./dev $command on a bare $suite"
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM="${TERM:-dumb}" CI=1 \
        http_proxy="${http_proxy:-}" https_proxy="${https_proxy:-}" \
        chroot "$root" /podlogin/dev "$command"
done
rm -f "$root.log"
