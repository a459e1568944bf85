#!/bin/bash
# What `make run` does once the program is built: sees to it that a Docker daemon answers, installing
# and starting Debian's own when there is none, and serves in front of it. Never stops or changes a
# daemon that is there.
set -u

DEADLINE=60 # seconds that a daemon may take to answer
DOCKERD_LOG=/var/log/dockerd-quickstart.log
log_of_daemon=
dockerd_pid= # of the one started here, if any

say() { printf '%s\n' "quickstart: $*"; }
die() {
    printf '%s\n' "quickstart: $*" >&2
    exit 1
}

# Does a daemon answer on the socket $1? Without the docker command line: is there a socket at all?
answers() {
    [ -S "$1" ] || return 1
    command -v docker >/dev/null || return 0
    env -u DOCKER_TLS -u DOCKER_TLS_VERIFY timeout 10 \
        docker -H "unix://$1" version >/dev/null 2>&1
}

# wait_for SOCKET SECONDS
wait_for() {
    local end=$((SECONDS + $2))
    until answers "$1"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        [ -z "$dockerd_pid" ] || kill -0 "$dockerd_pid" 2>/dev/null || return 1
        sleep 0.2
    done
}

install_docker() {
    command -v dockerd >/dev/null && return
    command -v apt-get >/dev/null ||
        die "there is no Docker daemon, and no apt-get to install one; install Docker Engine" \
            "as https://docs.docker.com/engine/install/ says, and run this again"
    say "no Docker daemon here: installing Debian's package docker.io (daemon and command line)"
    local packages=(docker.io ca-certificates)
    # Where the kernel has AppArmor, dockerd wants its tools.
    [ -e /sys/module/apparmor ] && packages+=(apparmor)
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update -q && apt-get install -y -q --no-install-recommends "${packages[@]}"; } ||
        die "apt-get could not install docker.io; its message is above. Put right what it names" \
            "(network, /etc/apt/sources.list), and run this again"
}

start_service() {
    if [ -d /run/systemd/system ]; then
        say "starting the Docker daemon: systemctl start docker"
        log_of_daemon="journalctl -u docker"
        systemctl start docker || return 1
    elif [ -x /etc/init.d/docker ]; then
        say "starting the Docker daemon: service docker start"
        log_of_daemon=/var/log/docker.log
        service docker start || return 1
    else
        return 1
    fi
}

start_plain() {
    say "starting the Docker daemon in the background: dockerd, its log is $DOCKERD_LOG"
    log_of_daemon=$DOCKERD_LOG
    setsid dockerd -H "unix://$1" >>"$DOCKERD_LOG" 2>&1 </dev/null &
    dockerd_pid=$!
}

# What of the daemon's log most likely says why it did not start.
show_log() {
    [ -f "$log_of_daemon" ] || return
    local lines
    lines=$(grep -E 'level=(error|fatal)|^panic|failed to start' "$log_of_daemon" | tail -n 3)
    printf '%s\n' "${lines:-$(tail -n 3 "$log_of_daemon")}" >&2
}

start_docker() {
    if start_service && wait_for "$1" "$DEADLINE"; then
        return
    fi
    # systemd has only one way to run a service, and a second daemon beside it helps nobody.
    if [ ! -d /run/systemd/system ] && ! pidof dockerd >/dev/null; then
        start_plain "$1"
        wait_for "$1" "$DEADLINE" && return
    fi
    show_log
    die "the Docker daemon does not answer on $1; its log (${log_of_daemon:-none was started})" \
        "says why. When \`docker -H unix://$1 version\` answers, run this again"
}

need_daemon() {
    local address=$1 socket=${1#unix://}
    answers "$socket" && return
    [ "$address" = unix:///var/run/docker.sock ] ||
        die "no Docker daemon answers on SOCKWARDEN_UPSTREAM=$address; start that daemon, or unset" \
            "the variable for the one on /var/run/docker.sock"
    install_docker
    wait_for "$socket" 1 || start_docker "$socket"
}

main() {
    [ $# -ge 1 ] || die "which program? usage: docker/quickstart.sh build/sockwarden [option of serve...]"
    local program=$1
    shift
    [ -x "$program" ] || die "$program is not there or not executable; \`make\` builds it"
    [ "$(id -u)" = 0 ] ||
        die "serving in /run and installing Docker takes root: \`sudo make run\`; or, as a member of" \
            "the group docker: $program serve -H unix://${XDG_RUNTIME_DIR:-${HOME:-/home/$(id -un)}}/sockwarden.sock"
    need_daemon "${SOCKWARDEN_UPSTREAM:-unix:///var/run/docker.sock}"
    if [ -z "${SOCKWARDEN_SOCKET_GROUP:-}" ] && getent group docker >/dev/null; then
        set -- --socket-group docker "$@"
    fi
    local host=${SOCKWARDEN_HOST:-unix:///run/sockwarden/docker.sock}
    say "audit lines appear below, one for each request; Ctrl-C ends. In another shell, paste:"
    printf '%s\n' "export DOCKER_HOST=${host%%,*}"
    exec "$program" serve "$@"
}

main "$@"
