#!/usr/bin/env bash
# Runs a program of this tree under Debian's kernel 6.1, which has no SO_PEERPIDFD, in a virtual machine that
# uses this machine's files through an overlay. Exits with the program's status. Needs root,
# qemu-system-x86_64 and busybox-static.
#
#   tests/e2e/vm.sh COMMAND [ARGUMENT...]
set -euo pipefail
source=$(cd "$(dirname "$0")/../.." && pwd)
build=$(realpath "${PODLOGIN_BUILD:-build}")
cache=$build/e2e
modules=(virtio_pci 9pnet_virtio 9p overlay)
export PATH=$PATH:/usr/sbin:/sbin

# Downloads the kernel once, and unpacks it without installing it.
fetch_kernel() {
    local package
    [ -e "$cache/kernel" ] && return
    mkdir -p "$cache/download" "$cache/unpacked"
    package=$(apt-cache depends linux-image-amd64 | awk '/Depends: linux-image/ { print $2; exit }')
    (cd "$cache/download" && apt-get -qq download "$package" 2>/dev/null)
    dpkg-deb -x "$cache/download/$package"_*.deb "$cache/unpacked"
    depmod -b "$cache/unpacked" "${package#linux-image-}"
    cp "$cache/unpacked/boot/vmlinuz-${package#linux-image-}" "$cache/kernel"
    printf '%s' "${package#linux-image-}" >"$cache/release"
}

# The modules in loading order, the script to run, and init.
make_initramfs() {
    local root=$work/initramfs module at=10
    mkdir -p "$root"/{bin,modules,ro,rw,new}
    cp /bin/busybox "$root/bin/"
    for module in $(list_modules); do
        cp "$module" "$root/modules/$((at++)).ko"
    done
    {
        printf 'export PODLOGIN_BUILD=%q PODLOGIN_SOURCE=%q PODLOGIN_SCALE=%q PATH=%q\n' \
            "$build" "$source" "${PODLOGIN_SCALE:-}" "$PATH"
        printf 'export PYTHONPATH=%q HOME=/root\n' "$source/tests/support"
        printf 'cd %q && exec' "$source"
        printf ' %q' "$@"
        printf '\n'
    } >"$root/e2e.sh"
    cat >"$root/init" <<'INIT'
#!/bin/busybox sh
b=/bin/busybox
for module in /modules/*; do $b insmod $module; done
$b mount -t 9p -o trans=virtio,version=9p2000.L,cache=loose,msize=524288,ro root /ro
$b mount -t tmpfs tmpfs /rw
$b mkdir /rw/upper /rw/work
$b mount -t overlay -o lowerdir=/ro,upperdir=/rw/upper,workdir=/rw/work overlay /new
$b cp /e2e.sh /new/e2e.sh
cd /new
$b mount -t proc proc proc
$b mount -t sysfs sysfs sys
$b mount -t devtmpfs devtmpfs dev
$b mkdir -p dev/shm
$b mount -t tmpfs tmpfs dev/shm
$b mount -t tmpfs tmpfs run
$b mount -t cgroup2 cgroup2 sys/fs/cgroup
$b chroot . /bin/sh -c 'ip link set lo up; exec /bin/bash /e2e.sh' <dev/null >dev/ttyS1 2>&1
echo "status $?" >dev/ttyS1
$b poweroff -f
INIT
    chmod +x "$root/init"
    (cd "$root" && find . | busybox cpio -o -H newc 2>/dev/null) | gzip -1 >"$work/initrd"
}

list_modules() {
    local module
    for module in "${modules[@]}"; do
        modprobe --dirname "$cache/unpacked" --set-version "$(cat "$cache/release")" \
            --show-depends "$module"
    done | awk '/^insmod/ && !seen[$2]++ { print $2 }'
}

run() {
    local status
    fetch_kernel
    make_initramfs "$@"
    timeout "${PODLOGIN_VM_TIMEOUT:-3600}" qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 \
        -m 2048 -nodefaults -display none -no-reboot \
        -kernel "$cache/kernel" -initrd "$work/initrd" -append "console=ttyS0 quiet panic=-1" \
        -fsdev local,id=root,path=/,security_model=none,readonly=on,multidevs=remap \
        -device virtio-9p-pci,fsdev=root,mount_tag=root \
        -serial "file:$work/console" -serial "file:$work/output"
    tr -d '\r' <"$work/output" | grep -v '^status ' || true
    status=$(tr -d '\r' <"$work/output" | sed -n 's/^status //p')
    [ -n "$status" ] || tail -20 "$work/console" >&2
    return "${status:-70}"
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
run "$@"
