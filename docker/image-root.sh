#!/bin/bash
# Fills the root file system of the container image: the program, the shared libraries that it names
# with their loader, the example policies, the folders it writes in, and the licences of what is in it.
#   docker/image-root.sh PROGRAM FOLDER          (run by the Dockerfile, on a Debian system)
set -euo pipefail

[ $# -eq 2 ] || {
    printf '%s\n' "usage: image-root.sh PROGRAM FOLDER" >&2
    exit 1
}
program=$1 root=$2

# Whose code is in the image, linked in or beside the program.
PACKAGES=(libc6 libcjson1 libssl3 libevent-core-2.1-7 libseccomp2 node-llhttp)

install -D -s -m 0755 "$program" "$root/usr/bin/sockwarden"
libraries=$(ldd "$program" | grep -o '/[^ ]*')
helper=$(dirname "$program")/sockwarden-registry
if [ -x "$helper" ]; then
    install -D -s -m 0755 "$helper" "$root/usr/libexec/sockwarden-registry"
    libraries="$libraries $(ldd "$helper" | grep -o '/[^ ]*')"
    install -D -m 0644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
    while IFS=: read -r package _; do
        PACKAGES+=("$package")
    done < <(for library in $libraries; do dpkg -S "$(realpath "$library")"; done 2>/dev/null | sort -u)
fi
for library in $libraries; do
    install -D -m 0755 "$(realpath "$library")" "$root$library"
done

install -d -m 0755 "$root/etc/sockwarden" "$root/usr/share/sockwarden/policies"
install -m 0644 docker/policies/*.json "$root/usr/share/sockwarden/policies/"
# The group of docker.sock is given by number; names are for messages.
printf '%s\n' 'root:x:0:0:root:/:/sbin/nologin' 'nobody:x:65534:65534:nobody:/:/sbin/nologin' >"$root/etc/passwd"
printf '%s\n' 'root:x:0:' 'nogroup:x:65534:' >"$root/etc/group"
install -d -m 1777 "$root/tmp"
install -d -o 65534 -g 65534 -m 0755 "$root/run/sockwarden"
mkdir -p "$root/var" && ln -s /run "$root/var/run"

for package in "${PACKAGES[@]}"; do
    [ ! -e "/usr/share/doc/$package/copyright" ] ||
        install -D -m 0644 "/usr/share/doc/$package/copyright" "$root/usr/share/doc/$package/copyright"
done
install -D -m 0644 LICENSE "$root/usr/share/doc/sockwarden/copyright"
