#!/bin/bash
# container.sh - build the image, run it as deploy/compose.yaml does, and check what that
# promises. Uses the Docker Engine that runs; where none does it starts one of its own,
# with a base image made by debootstrap, and where that is impossible it says so and
# skips itself.
set -eu
cd "$(dirname "$0")/.."

work=$(mktemp -d /var/tmp/convscope-container.XXXXXX)
project=convscope-test-$$
engine=
passed=0

clean_up() {
    docker-compose -f deploy/compose.yaml -p "$project" down -t 5 >/dev/null 2>&1 || true
    docker rm -f "$project" >/dev/null 2>&1 || true
    if [ -n "$engine" ]; then
        kill "$engine" 2>/dev/null || true
        wait "$engine" 2>/dev/null || true
        umount "$work"/exec/netns/* 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap clean_up EXIT

docker() { # the system's own client, which has BuildKit built in
    DOCKER_BUILDKIT=1 /usr/bin/docker "$@"
}

skip() {
    echo "test-container skipped: $1"
    exit 0
}

ok() {
    passed=$((passed + 1))
    printf 'ok      %s\n' "$1"
}

fail() {
    printf 'FAILED  %s\n' "$1"
    exit 1
}

is() { # is NAME EXPECTED ACTUAL
    [ "$2" = "$3" ] || fail "$1: expected $2, got $3"
    ok "$1"
}

own_engine() {
    [ "$(id -u)" -eq 0 ] || skip 'no Docker Engine runs, and only root can start one'
    export DOCKER_HOST=unix://$work/docker.sock
    dockerd --data-root "$work/data" --exec-root "$work/exec" --pidfile "$work/pid" \
        -H "$DOCKER_HOST" >"$work/log" 2>&1 &
    engine=$!
    for _ in $(seq 100); do
        docker version >/dev/null 2>&1 && return
        sleep 0.2
    done
    tail -n 5 "$work/log"
    skip 'dockerd does not start here'
}

# Debian's image without a registry: what debootstrap makes, less caches and manuals.
own_base() {
    local root=$work/base
    debootstrap --variant=minbase bookworm "$root" >"$work/debootstrap.log" 2>&1 ||
        { tail "$work/debootstrap.log"; fail 'debootstrap'; }
    echo 'DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/*.bin || true"; };' \
        >"$root/etc/apt/apt.conf.d/docker-clean"
    rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/cache/apt/*.bin \
        "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,man,locale,info}/*
    tar -C "$root" -c . | docker import --change 'CMD ["bash"]' - debian:bookworm-slim >/dev/null
    rm -rf "$root"
}

wait_healthy() { # wait_healthy CONTAINER
    for _ in $(seq 150); do
        [ "$(docker inspect "$1" -f '{{.State.Health.Status}}')" = healthy ] && return
        sleep 0.2
    done
    docker logs "$1"
    fail "$1 does not become healthy"
}

extracts() { # extracts PORT
    curl -fsS "http://127.0.0.1:$1/v1/extract?input=circle&size=64&r_shrink=3&val=1" |
        grep -q '"Condense"' || fail "no extraction on port $1"
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

docker version >/dev/null 2>&1 || own_engine
docker image inspect debian:bookworm-slim >/dev/null 2>&1 || [ -z "$engine" ] || own_base

docker build --build-arg COMMIT="$(git rev-parse --short HEAD 2>/dev/null || echo unknown)" \
    -t convscope:latest . >"$work/build.log" 2>&1 || { tail -n 30 "$work/build.log"; fail build; }
ok "image built, $(docker image inspect convscope:latest -f '{{.Size}}' |
    awk '{ printf "%.1f MB", $1 / 1e6 }') with its base"

port=$(free_port)
docker run -d --name "$project" -p "127.0.0.1:$port:8080" --read-only --cap-drop ALL \
    --security-opt no-new-privileges --memory 256m --pids-limit 64 convscope:latest >/dev/null
wait_healthy "$project"
ok 'docker run: healthy'
extracts "$port"
ok 'docker run: extracts'
pid=$(docker inspect "$project" -f '{{.State.Pid}}')
is 'runs as 10001' 10001 "$(awk '/^Uid:/ { print $2 }' "/proc/$pid/status")"
is 'has no capability' 0000000000000000 "$(awk '/^CapEff:/ { print $2 }' "/proc/$pid/status")"
is 'gains no privilege' 1 "$(awk '/^NoNewPrivs:/ { print $2 }' "/proc/$pid/status")"
docker exec "$project" touch /file 2>/dev/null && fail 'the root file system is writable'
ok 'the root file system is read-only'
docker stop -t 20 "$project" >/dev/null
is 'SIGTERM ends it with 0' 0 "$(docker inspect "$project" -f '{{.State.ExitCode}}')"

port=$(free_port)
PORT=$port docker-compose -f deploy/compose.yaml -p "$project" up -d --no-build >"$work/up.log" 2>&1 ||
    { cat "$work/up.log"; fail 'docker-compose up'; }
container=$(docker-compose -f deploy/compose.yaml -p "$project" ps -q convscope)
wait_healthy "$container"
ok 'compose: healthy'
extracts "$port"
ok 'compose: extracts'
is 'compose: read-only' true "$(docker inspect "$container" -f '{{.HostConfig.ReadonlyRootfs}}')"
is 'compose: memory limit' 1073741824 "$(docker inspect "$container" -f '{{.HostConfig.Memory}}')"
docker-compose -f deploy/compose.yaml -p "$project" stop -t 20 >/dev/null 2>&1
is 'compose: stops with 0' 0 "$(docker inspect "$container" -f '{{.State.ExitCode}}')"

printf '\n%d passed, 0 failed\n' $passed
