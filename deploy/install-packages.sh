#!/bin/sh
# install-packages.sh PACKAGE... - install the Debian packages that are missing.
# Silent and quick when none is.
set -eu

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "This is not a Debian system: install what corresponds to: $*, then run 'make'." >&2
    exit 1
fi

present=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "$@" 2>/dev/null |
    sed -n 's/^installed //p')
missing=
for package; do
    printf '%s\n' "$present" | grep -Fqx -- "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -eq 0 ]; then
    root=
elif command -v sudo >/dev/null; then
    root=sudo
else
    echo "Missing Debian packages, and no root or sudo to install them: run as root: apt-get install$missing" >&2
    exit 1
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() {
    $root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=300 \
        "$@" >"$log" 2>&1 </dev/null
}

echo "Installing Debian packages:$missing"
# The lists of packages may be absent or old: only then are they fetched.
# shellcheck disable=SC2086 # a list of names
if ! apt install --no-install-recommends $missing &&
    ! { apt update && apt install --no-install-recommends $missing; }; then
    tail -n 20 "$log" >&2
    echo "That failed. Install them by hand, as root: apt-get install$missing" >&2
    exit 1
fi
