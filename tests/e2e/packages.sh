#!/usr/bin/env bash
# The packages in build-packages/: lintian, and test_packages.py in a container that boots a new minimal root file
# system of this machine's own release. Needs root, systemd-nspawn, debootstrap, lintian and the release's archive.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/root.sh
. /etc/os-release

suite=${VERSION_CODENAME:-none}
scratch=$(mktemp -d "${TMPDIR:-/var/tmp}/podlogin-packages.XXXXXX")
root=$scratch/root

unmount() {
    umount "$root/proc" 2>/dev/null || true
}

end() {
    unmount
    rm -rf --one-file-system "$scratch"
}
trap end EXIT

# The package $1 with a higher version, in the directory $2.
raise_version() {
    local tree=$scratch/tree
    dpkg-deb -R "$1" "$tree"
    sed -i -E 's/^(Version: .*)/\1+upgrade/; s/^(Depends: .*\(= [^)]*)\)/\1+upgrade)/' "$tree/DEBIAN/control"
    dpkg-deb --root-owner-group -b "$tree" "$2" >/dev/null
    rm -rf "$tree"
}

in_root() {
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
        http_proxy="${http_proxy:-}" https_proxy="${https_proxy:-}" chroot "$root" "$@"
}

# Puts the packages into $root, and for apt what they depend on: the container has no network.
add_packages() {
    local packages=() package
    mkdir -p "$root/packages/upgrade"
    for package in podlogind podlogin libpam-podlogin libpodlogin1 libpodlogin-dev; do
        packages+=("/packages/$package.deb")
        cp build-packages/${package}_*.deb "$root/packages/$package.deb"
        raise_version "$root/packages/$package.deb" "$root/packages/upgrade/$package.deb"
    done
    # apart from apt's own cache, which the machine's settings may empty after each run
    mkdir -p "$root/packages/archives/partial"
    echo 'Dir::Cache::Archives "/packages/archives";' >"$root/etc/apt/apt.conf.d/packages"
    mount -t proc proc "$root/proc"
    in_root apt-get -qq update
    in_root apt-get -qq install --download-only -y "${packages[@]}" >&2
    unmount
}

if ! has_archive "$suite"; then
    echo "skipped: the archive of $suite, $(mirror_of "$suite"), cannot be reached" >&2
    exit 77
fi
lintian --allow-root --info --fail-on error,warning build-packages/podlogin_*.changes
echo "lintian: no errors, no warnings"
make_root "$suite" ca-certificates,python3,systemd-sysv
add_packages
PODLOGIN_ROOT=$root tests/e2e/nspawn.sh python3 -B tests/e2e/test_packages.py Packages
