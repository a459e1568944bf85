#!/bin/bash
# Writes a root file system as tar, to be the base of an image where no registry can be reached: what
# the given Debian packages, all that they depend on, and the essential packages have installed on
# this machine.
#   docker/base-image.sh make gcc ... | docker import - NAME        (/path: this file too)
# It downloads nothing, and leaves out documents, translations and what no build in C needs.
set -euo pipefail

die() {
    printf '%s\n' "base-image.sh: $*" >&2
    exit 1
}

[ $# -gt 0 ] || die "which packages? usage: base-image.sh PACKAGE|/FILE..."
command -v dpkg-query >/dev/null && command -v apt-cache >/dev/null ||
    die "this takes the files of Debian packages; there are none on this system"

files=() packages=()
for word in "$@"; do
    case $word in
    /*) files+=("$word") ;;
    *) packages+=("$word") ;;
    esac
done

installed=$(dpkg-query -W -f '${db:Status-Status} ${binary:Package} ${Essential}\n' | awk '$1 == "installed"')
is_installed() { dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed; }
for package in "${packages[@]}"; do
    is_installed "$package" || die "the package $package is not installed; apt-get install $package"
done

closure() {
    local essential
    mapfile -t essential < <(awk '$3 == "yes" { print $2 }' <<<"$installed")
    apt-cache depends --recurse --installed --no-recommends --no-suggests --no-conflicts --no-breaks \
        --no-replaces --no-enhances "${essential[@]}" "${packages[@]}" | grep -E '^[a-z0-9]' | sort -u |
        comm -12 - <(awk '{ print $2; sub(":.*", "", $2); print $2 }' <<<"$installed" | sort -u)
}

# What no build in C and no Python program needs. Copyright files stay.
UNWANTED='^/usr/share/(man|info|locale|i18n|perl|icons|lintian|bug|gdb|zoneinfo|gcc|bash-completion)/'
UNWANTED+='|^/usr/share/doc/[^/]*/(.*/|.*\.gz$|[^c])|^/(usr/)?lib/(udev|systemd)/|^/usr/include/c\+\+/'
UNWANTED+='|/(lto1|cc1plus|.*-lto-dump-.*|.*-dwp|gprofng|gconv/.*|.*\.pyc|node)$|/lib[alut]*san\.|diverted'
# Busy folders, which tar would see changing.
UNWANTED+='|^/(tmp|run|root|home|var/(tmp|log|cache|lib))$'

# Their files, and what no list has: links of the merged /usr, alternatives, dpkg's state.
list() {
    closure | xargs dpkg-query -L | grep -vE "$UNWANTED"
    printf '%s\n' /bin /lib /lib64 /sbin /etc/alternatives/* /etc/ld.so.cache /etc/passwd /etc/group \
        /var/lib/dpkg/status /usr/bin/awk /usr/bin/cc
    [ ${#files[@]} -eq 0 ] || printf '%s\n' "${files[@]}"
}

# An empty /tmp, since nobody else's files belong into an image.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
install -d -m 1777 "$scratch/tmp"

# A file is written where it lies, not through the link /bin, which would have to come before its target.
merged='s,^,,'
[ ! -L /bin ] || merged='s,^/(s?bin|lib[0-9x]*)/,/usr/\1/,'
list | sed -E "$merged" | sort -u | while IFS= read -r path; do
    if [ -e "$path" ] || [ -L "$path" ]; then printf '%s\0' "${path#/}"; fi
done | tar -C / --null --no-recursion --create --file=- --files-from=- -C "$scratch" tmp
