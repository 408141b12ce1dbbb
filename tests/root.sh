# To be sourced: bare root file systems of Debian and Ubuntu, with nothing but what debootstrap puts there. The caller
# sets root, the directory that becomes the root file system, and scratch, a directory for other files.
# shellcheck shell=bash disable=SC2154

keyrings=/usr/share/keyrings

is_debian() {
    [ "$1" = bookworm ] || [ "$1" = trixie ]
}

# Prints the mirror for the suite $1: the one that this machine uses itself, if it runs the suite's distribution.
mirror_of() {
    local id=ubuntu mirror=http://archive.ubuntu.com/ubuntu own=''
    ! is_debian "$1" || id=debian mirror=http://deb.debian.org/debian
    if grep -q "^ID=$id\$" /etc/os-release; then
        own=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.{list,sources} 2>/dev/null |
            sed -nE 's/^(deb +|URIs: *)(\[[^]]*\] *)?(https?:[^ ]+).*/\3/p' | head -n 1) || true
    fi
    echo "${own:-$mirror}"
}

has_archive() {
    curl -fsS --max-time 30 --output /dev/null "$(mirror_of "$1")/dists/$1/Release"
}

# Prints the file with the keys of Ubuntu's archive. Debian 12 has no package with it, and Debian 13's will do.
ubuntu_keyring() {
    local cache=$scratch/keyring options
    if [ -f "$keyrings/ubuntu-archive-keyring.gpg" ]; then
        echo "$keyrings/ubuntu-archive-keyring.gpg"
        return
    fi
    mkdir -p "$cache/lists/partial" "$cache/archives/partial"
    echo "deb [signed-by=$keyrings/debian-archive-keyring.gpg] $(mirror_of trixie) trixie main" >"$cache/sources"
    options=(-qq -o Dir::Etc::SourceList="$cache/sources" -o Dir::Etc::SourceParts=/dev/null
        -o Dir::State::Lists="$cache/lists" -o Dir::Cache="$cache" -o APT::Sandbox::User=root)
    (cd "$cache" && apt-get "${options[@]}" update && apt-get "${options[@]}" download ubuntu-keyring &&
        dpkg-deb -x ubuntu-keyring_*.deb .) >&2
    echo "$cache$keyrings/ubuntu-archive-keyring.gpg"
}

# make_root SUITE [PACKAGES]: makes $root, with these packages, too, separated by commas.
make_root() {
    local suite=$1 script=/usr/share/debootstrap/scripts/$1 mirror components keyring like
    mirror=$(mirror_of "$suite")
    if is_debian "$suite"; then
        components=main keyring=$keyrings/debian-archive-keyring.gpg like=sid
    else
        components='main universe' keyring=$(ubuntu_keyring) like=gutsy
    fi
    [ -e "$script" ] || script=/usr/share/debootstrap/scripts/$like # for a suite that is younger than debootstrap
    debootstrap --variant=minbase ${2:+"--include=$2"} --keyring="$keyring" "$suite" "$root" "$mirror" \
        "$script" >"$scratch/log" 2>&1 || {
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
    printf "deb $mirror %s $components\n" "$suite" "$suite-updates" >"$root/etc/apt/sources.list"
    chmod 755 "$root" # apt fetches as a user of its own
}
