#!/usr/bin/env bash
# ./dev demo and ./dev test on bare root file systems, with nothing but what debootstrap puts there, each by an ordinary
# user and by root. bare.sh [SUITE...]: Debian 12 and 13 and Ubuntu 24.04, or those that are named.
# Needs root, debootstrap, curl and the archives; one that cannot be reached is skipped. Takes some 20 minutes for each.
set -euo pipefail
cd "$(dirname "$0")/.."

debian=http://deb.debian.org/debian
ubuntu=http://archive.ubuntu.com/ubuntu
keyrings=/usr/share/keyrings
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

# The mirror that this machine uses itself, if it runs the distribution $1; otherwise $2.
mirror_of() {
    local own=''
    if grep -q "^ID=$1\$" /etc/os-release; then
        own=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.{list,sources} 2>/dev/null |
            sed -nE 's/^(deb +|URIs: *)(\[[^]]*\] *)?(https?:[^ ]+).*/\3/p' | head -n 1) || true
    fi
    echo "${own:-$2}"
}

# Prints the file with the keys of Ubuntu's archive. Debian 12 has no package with it, and Debian 13's will do.
ubuntu_keyring() {
    local cache=$scratch/keyring options
    if [ -f "$keyrings/ubuntu-archive-keyring.gpg" ]; then
        echo "$keyrings/ubuntu-archive-keyring.gpg"
        return
    fi
    mkdir -p "$cache/lists/partial" "$cache/archives/partial"
    echo "deb [signed-by=$keyrings/debian-archive-keyring.gpg] $debian trixie main" >"$cache/sources"
    options=(-qq -o Dir::Etc::SourceList="$cache/sources" -o Dir::Etc::SourceParts=/dev/null
        -o Dir::State::Lists="$cache/lists" -o Dir::Cache="$cache" -o APT::Sandbox::User=root)
    (cd "$cache" && apt-get "${options[@]}" update && apt-get "${options[@]}" download ubuntu-keyring &&
        dpkg-deb -x ubuntu-keyring_*.deb .) >&2
    echo "$cache$keyrings/ubuntu-archive-keyring.gpg"
}

# make_root SUITE MIRROR COMPONENTS KEYRING SCRIPT
make_root() {
    local script=/usr/share/debootstrap/scripts/$1
    [ -e "$script" ] || script=/usr/share/debootstrap/scripts/$5 # for a suite that is younger than debootstrap
    debootstrap --variant=minbase --keyring="$4" "$1" "$root" "$2" "$script" >"$scratch/log" 2>&1 || {
        tail -n 5 "$scratch/log" >&2
        return 1
    }
    # how this machine reaches the archive goes along; packages do not
    cp -a /etc/apt/apt.conf.d "$root/etc/apt/"
    cp /etc/resolv.conf /etc/hosts "$root/etc/"
    if [ -d /usr/local/share/ca-certificates ]; then
        mkdir -p "$root/usr/local/share"
        cp -a /usr/local/share/ca-certificates "$root/usr/local/share/"
    fi
    rm -f "$root"/etc/apt/sources.list.d/*
    printf "deb $2 %s $3\n" "$1" "$1-updates" >"$root/etc/apt/sources.list"
    chmod 755 "$root" # apt fetches as a user of its own
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

# run SUITE MIRROR COMPONENTS KEYRING SCRIPT
run() {
    if make_root "$@"; then
        run_commands "$1"
    else
        failed=$((failed + 1))
        echo "== failed: $1: no root file system"
    fi
    unmount
    rm -rf --one-file-system "$root"
}

[ $# -gt 0 ] || set -- bookworm trixie noble
debian=$(mirror_of debian "$debian")
ubuntu=$(mirror_of ubuntu "$ubuntu")
for suite; do
    case $suite in
    bookworm | trixie) mirror=$debian ;;
    *) mirror=$ubuntu ;;
    esac
    if ! curl -fsS --max-time 30 --output /dev/null "$mirror/dists/$suite/Release"; then
        skipped+=("$suite: its archive $mirror cannot be reached")
    elif [ "$mirror" = "$debian" ]; then
        run "$suite" "$mirror" main "$keyrings/debian-archive-keyring.gpg" sid
    else
        run "$suite" "$mirror" "main universe" "$(ubuntu_keyring)" gutsy
    fi
done
for reason in "${skipped[@]}"; do
    echo "skipped: $reason"
done
echo "$passed passed, $failed failed, ${#skipped[@]} skipped"
[ "$failed" = 0 ]
