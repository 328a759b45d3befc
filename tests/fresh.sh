#!/bin/bash
# fresh.sh - the README's two commands on a fresh Debian 12 that has only git, make and a
# C compiler. Builds a chroot with debootstrap, copies this working tree in, and runs
# them as a newcomer would. Needs root, and Debian's packages within reach.
set -eu
cd "$(dirname "$0")/.."

[ "$(id -u)" -eq 0 ] || { echo 'make test-fresh needs root: it makes a chroot' >&2; exit 1; }

root=$(mktemp -d /var/tmp/convscope-fresh.XXXXXX)
server=
passed=0

in_chroot() {
    env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
        chroot "$root" sh -c "cd /convscope && $1"
}

stop_server() {
    [ -n "$server" ] || return 0
    kill -TERM -- "-$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
    server=
}

clean_up() {
    stop_server
    umount "$root/dev/shm" "$root/proc" 2>/dev/null || true
    mountpoint -q "$root/proc" || rm -rf --one-file-system "$root"
}
trap clean_up EXIT

ok() {
    passed=$((passed + 1))
    printf 'ok      %s\n' "$1"
}

# start_server SECONDS - make run in the background; fails if it takes longer.
start_server() {
    local begin=$EPOCHREALTIME
    setsid env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        chroot "$root" sh -c "cd /convscope && exec make run PORT=$port" >"$root/run.log" 2>&1 &
    server=$!
    until curl -fs "http://127.0.0.1:$port/readyz" >/dev/null; do
        kill -0 "$server" 2>/dev/null || { cat "$root/run.log"; return 1; }
        sleep 0.02
    done
    awk -v from="$begin" -v to="$EPOCHREALTIME" -v most="$1" \
        'BEGIN { printf "started after %.2f s\n", to - from; exit to - from > most }'
}

echo "A fresh Debian 12 in $root"
debootstrap --variant=minbase --include=git,make,gcc,libc6-dev,ca-certificates \
    bookworm "$root" >"$root.log" 2>&1 || { tail "$root.log"; exit 1; }
rm -f "$root.log"
cp /etc/resolv.conf "$root/etc/resolv.conf"
mount -t proc proc "$root/proc"
mkdir -p "$root/dev/shm" "$root/convscope"
mount -t tmpfs tmpfs "$root/dev/shm"
git ls-files -z --cached --others --exclude-standard |
    tar --null --files-from=- --create | tar --extract --directory="$root/convscope"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')

start_server 300
cat "$root/run.log"
grep -q "Installing Debian packages:.*libmicrohttpd-dev" "$root/run.log"
ok 'make run installs, builds and serves'
curl -fsS "http://127.0.0.1:$port/v1/extract?input=circle&size=64&r_shrink=3&val=1" |
    grep -q '"Condense"'
ok 'it answers'
stop_server

start_server 1
if grep 'Installing' "$root/run.log"; then exit 1; fi
ok 'a second make run starts within a second'
if in_chroot "make run PORT=$port" >"$root/taken.log" 2>&1; then exit 1; fi
grep -qi "$port" "$root/taken.log"
ok 'a taken port gets a line'
stop_server

in_chroot 'make test'
ok 'make test passes'

printf '\n%d passed, 0 failed\n' $passed
