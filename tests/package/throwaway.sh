#!/bin/bash
# The life of the Debian package in a throwaway root: this machine's own, under an overlay that is gone
# at the end. Run by run.py in a mount namespace of its own:
#   throwaway.sh PACKAGE FOLDER SOCKET      an empty folder; the socket of a Docker daemon
# Prints `ok WHAT` or `WRONG WHAT` for each thing that it looks at.
set -u
package=$1 folder=$2 daemon=$3
root=$folder/root

# say STATUS WHAT...: the status stands first, since what follows runs commands of its own.
say() {
    local status=$1
    shift
    if [ "$status" -eq 0 ]; then echo "ok $*"; else echo "WRONG $*"; fi
}
die() {
    echo "WRONG $*"
    exit 1
}
enter=(chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive)
inside() { "${enter[@]}" "$@"; }
healthy() { inside env SOCKWARDEN_HOST=unix:///run/sockwarden/docker.sock sockwarden healthcheck; }

# ---- the root --------------------------------------------------------------------------------
mount -t tmpfs tmpfs "$folder" && mkdir "$folder"/{upper,work,root} &&
    mount -t overlay overlay -o "lowerdir=/,upperdir=$folder/upper,workdir=$folder/work" "$root" &&
    mount -t proc proc "$root/proc" && mount --rbind /dev "$root/dev" &&
    mount -t tmpfs tmpfs "$root/run" && mount -t tmpfs tmpfs "$root/tmp" || die "the throwaway root"
mkdir "$root/tmp/daemon" && mount --bind "$(dirname "$daemon")" "$root/tmp/daemon" || die "the daemon's folder"
cp "$package" "$root/tmp/sockwarden.deb"
# Nothing is started by a package here, as in any chroot.
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d" && chmod +x "$root/usr/sbin/policy-rc.d"

rm -f "$root/var/lib/man-db/auto-update"
# Docker's packages may be configured after this one.
sed -i '/^docker:/d' "$root/etc/group" "$root/etc/gshadow"

# What a package may change and leave: dpkg's own records, caches, backups of the user tables.
remains() {
    (cd "$folder/upper" && find . ! -type d | sort |
        grep -vE '^\./var/lib/(dpkg|systemd/deb-systemd-.*-enabled$)|^\./var/(log|cache)/|^\./etc/(.*-|\.pwd\.lock|passwd|group|g?shadow|sub[ug]id)$|policy-rc\.d$|^\./var/lib/man-db/')
}
tables() { sort "$root/etc/passwd" "$root/etc/group" | grep -c sockwarden; }

# ---- install ---------------------------------------------------------------------------------
inside dpkg -i /tmp/sockwarden.deb >"$folder/log" 2>&1
say $? "dpkg -i: $(tail -n 3 "$folder/log" | tr '\n' ' ')"
[ "$(tables)" -eq 3 ]
say $? "a user, his group, and the group of clients"
inside getent group sockwarden-clients >/dev/null
say $? "the group sockwarden-clients"
[ "$(inside getent passwd sockwarden | cut -d: -f6,7)" = /nonexistent:/usr/sbin/nologin ]
say $? "the user cannot log in: $(inside getent passwd sockwarden)"
inside getent group docker >/dev/null
say $? "the group that the service wants"
inside systemctl enable sockwarden@ci.socket >"$folder/log" 2>&1
say $? "another socket: $(tail -n 1 "$folder/log")"
for wants in sockets.target.wants/sockwarden.socket multi-user.target.wants/sockwarden.service \
    sockwarden.service.wants/sockwarden@ci.socket; do
    [ -L "$root/etc/systemd/system/$wants" ]
    say $? "enabled: $wants"
done
if command -v systemd-analyze >/dev/null; then
    words=$(inside systemd-analyze verify --man=no /lib/systemd/system/sockwarden.service \
        /lib/systemd/system/sockwarden.socket 2>&1 | grep -i sockwarden)
    [ -z "$words" ]
    say $? "systemd understands the units $words"
fi
[ "$(inside stat -c %U:%a /etc/sockwarden/policy.json)" = root:644 ]
say $? "the policy is root's"
inside sockwarden check /etc/sockwarden/policy.json
say $? "sockwarden check"
left=$(dpkg-deb -c "$package" | grep -F -- ' -> /')
[ -z "$left" ]
say $? "no link of the package leads away from it: $left"
for file in man/man8/sockwarden.8.gz man/man5/sockwarden-policy.5.gz bash-completion/completions/sockwarden \
    zsh/vendor-completions/_sockwarden fish/vendor_completions.d/sockwarden.fish \
    doc/sockwarden/examples/compose.yaml doc/sockwarden/examples/policies/ci.json \
    doc/sockwarden/examples/builtin/default.json; do
    [ -s "$root/usr/share/$file" ]
    say $? "/usr/share/$file"
done

# ---- serve, as the unit does: its user, its groups, its command ------------------------------
install -d -o "$(inside id -u sockwarden)" -m 0700 "$root/var/log/sockwarden"
install -d -o "$(inside id -u sockwarden)" -m 0755 "$root/run/sockwarden"
command=$(sed -n '/^ExecStart=/,/[^\\]$/p' "$root/lib/systemd/system/sockwarden.service" | tr -d '\\\n' |
    sed 's/^ExecStart=//; s,fd://,unix:///run/sockwarden/docker.sock,')
# shellcheck disable=SC2086
"${enter[@]}" setpriv --reuid sockwarden --regid sockwarden-clients --groups "$(stat -c %g "$daemon")" \
    --bounding-set=-all --no-new-privs env "SOCKWARDEN_UPSTREAM=unix:///tmp/daemon/$(basename "$daemon")" \
    $command >"$folder/serve" 2>&1 &
serving=$!
for _ in $(seq 200); do
    healthy >/dev/null 2>&1 && break
    kill -0 "$serving" 2>/dev/null || break
    sleep 0.05
done
healthy
say $? "it serves: $(tail -n 2 "$folder/serve" | tr '\n' ' ')"
inside docker -H unix:///run/sockwarden/docker.sock ps >/dev/null
say $? "docker ps"
words=$(inside docker -H unix:///run/sockwarden/docker.sock run --rm --privileged -v /:/host busybox:test true 2>&1)
[ $? -eq 125 ] && [[ $words == *'sockwarden: role "'*'refuses ContainerCreate'* ]]
say $? "no docker run --privileged -v /:/host: $words"
[ -s "$root/var/log/sockwarden/audit.jsonl" ] && inside sockwarden audit verify /var/log/sockwarden/audit.jsonl >/dev/null
say $? "an audit log, whole"
kill "$serving" && wait "$serving"
say $? "it ends with 0"

# ---- again, remove, purge --------------------------------------------------------------------
sed -i 's/"description": ".*"/"description": "edited"/' "$root/etc/sockwarden/policy.json"
inside dpkg -i /tmp/sockwarden.deb >"$folder/log" 2>&1 && grep -q edited "$root/etc/sockwarden/policy.json"
say $? "an edited policy outlives another installation"
mkdir -p "$root/run/systemd/system" "$root/tmp/fake" "$root/var/lib/sockwarden"
# shellcheck disable=SC2016
printf '#!/bin/sh\necho "$*" >>/tmp/said\n' >"$root/tmp/fake/systemctl" && chmod +x "$root/tmp/fake/systemctl"
inside PATH=/tmp/fake:/usr/sbin:/usr/bin:/sbin:/bin /var/lib/dpkg/info/sockwarden.prerm remove >"$folder/log" 2>&1
rm -r "$root/run/systemd"
[ "$(head -n 1 "$root/tmp/said")" = 'stop sockwarden@*.socket' ]
say $? "no other socket starts the service again: $(cat "$root/tmp/said" "$folder/log")"
: >"$root/var/lib/sockwarden/trust.jsonl"
inside dpkg -r sockwarden >"$folder/log" 2>&1
say $? "dpkg -r: $(tail -n 2 "$folder/log" | tr '\n' ' ')"
[ ! -e "$root/usr/bin/sockwarden" ] && grep -q edited "$root/etc/sockwarden/policy.json" && [ -s "$root/var/log/sockwarden/audit.jsonl" ]
say $? "the program is gone, the policy and the audit log are not"
inside dpkg -P sockwarden >"$folder/log" 2>&1
say $? "dpkg -P: $(tail -n 2 "$folder/log" | tr '\n' ' ')"
left=$(remains)
[ -z "$left" ]
say $? "nothing is left: $left"
[ ! -e "$root/etc/sockwarden" ] && [ ! -e "$root/var/log/sockwarden" ] && [ ! -e "$root/var/lib/sockwarden" ] && [ ! -e "$root/run/sockwarden" ]
say $? "no folder is left"
[ "$(tables)" -eq 0 ]
say $? "no user and no group is left"
