#!/bin/bash
# Builds the container image: `make image`. Where the base image cannot be had from a registry, it is
# made from the Debian packages of this machine (base-image.sh).
#   IMAGE   its name                     (sockwarden)
#   BASE    what it is built on          (debian:12-slim)
#   DOCKER  the docker command           (docker)
#   REGISTRY=1 has what asks registries for signatures, too: some 17 MB more
set -euo pipefail
cd "$(dirname "$0")/.."

IMAGE=${IMAGE:-sockwarden} BASE=${BASE:-debian:12-slim}
# A command may hold words, as in "sudo docker".
read -ra docker <<<"${DOCKER:-docker}"
LIMIT=8000000 # bytes
OWN_BASE=sockwarden-base

say() { printf '%s\n' "image: $*"; }
die() {
    printf '%s\n' "image: $*" >&2
    exit 1
}

command -v "${docker[0]}" >/dev/null || die "there is no command ${docker[0]}; apt-get install docker.io"
"${docker[@]}" version >/dev/null ||
    die "no Docker daemon answers; start one, or name it by DOCKER_HOST, and run this again"

if ! "${docker[@]}" image inspect "$BASE" >/dev/null 2>&1 && ! "${docker[@]}" pull -q "$BASE"; then
    say "$BASE cannot be pulled: making a base of this machine's packages"
    read -ra packages <<<"$(make -s --no-print-directory print-deps)"
    docker/base-image.sh "${packages[@]}" | "${docker[@]}" import -c 'CMD ["/bin/bash"]' - "$OWN_BASE" >/dev/null ||
        die "no base image: without a registry, \`make deps\` (root) installs what it is made of"
    BASE=$OWN_BASE
fi

"${docker[@]}" build -q --build-arg "BASE=$BASE" ${STATIC:+--build-arg "STATIC=$STATIC"} \
    ${REGISTRY:+--build-arg "REGISTRY=$REGISTRY"} \
    -f docker/Dockerfile -t "$IMAGE" . >/dev/null
size=$("${docker[@]}" image inspect -f '{{.Size}}' "$IMAGE")
say "$IMAGE is $size bytes"
[ "${STATIC:-1}" != 1 ] || [ "${REGISTRY:-0}" = 1 ] || [ "$size" -le "$LIMIT" ] || die "that is more than $LIMIT"
