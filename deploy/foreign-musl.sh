#!/usr/bin/env bash
# Unpacks the package musl-dev of another architecture into a directory, in the version that is installed here. It asks
# the distribution's archive and needs no root: nothing is installed, and apt's own lists stay as they are.
#   foreign-musl.sh ARCHITECTURE DIRECTORY
set -euo pipefail
# shellcheck source=tests/root.sh
. "$(dirname "$0")/../tests/root.sh"

architecture=$1
directory=$2
scratch=$(mktemp -d "${TMPDIR:-/tmp}/podlogin-musl.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
. /etc/os-release

# Prints the lines of apt for the archive. Ubuntu has architectures that are not Intel's on another server.
sources() {
    local mirror about="[arch=$architecture signed-by=/usr/share/keyrings/$ID-archive-keyring.gpg]"
    case $ID-$architecture in
    debian-*) mirror=$(mirror_of "$VERSION_CODENAME") ;;
    ubuntu-amd64) mirror=http://archive.ubuntu.com/ubuntu ;;
    ubuntu-*) mirror=http://ports.ubuntu.com/ubuntu-ports ;;
    esac
    if [ "$ID" = debian ]; then
        printf "deb $about %s main\n" "$mirror $VERSION_CODENAME" "$mirror $VERSION_CODENAME-updates" \
            "${mirror%/debian}/debian-security $VERSION_CODENAME-security"
    else
        printf "deb $about $mirror $VERSION_CODENAME%s universe\n" '' -updates -security
    fi
}

mkdir -p "$scratch/lists/partial" "$scratch/archives/partial"
sources >"$scratch/sources"
options=(-qq -o APT::Architecture="$architecture" -o APT::Architectures="$architecture" -o APT::Sandbox::User=root
    -o Dir::Etc::SourceList="$scratch/sources" -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists="$scratch/lists"
    -o Dir::Cache="$scratch" -o Acquire::Languages=none)
(
    cd "$scratch"
    apt-get "${options[@]}" update
    # shellcheck disable=SC2016 # dpkg's variable
    apt-get "${options[@]}" download "musl-dev=$(dpkg-query -W -f '${Version}' musl-dev)"
    dpkg-deb -x musl-dev_*.deb root
)
rm -rf "$directory"
mv "$scratch/root" "$directory"
