#!/bin/bash
# arm64.sh LIBRARY... - the unit tests and random networks for 64-bit ARM, on another
# machine: cross-compiled, and emulated by qemu. `make test-arm64` calls it.
#
# The LIBRARYs, Debian packages, and what they need are unpacked into build/arm64-root;
# nothing is installed. Emulation says what is computed, not how fast.
set -eu
cd "$(dirname "$0")/.."

root=$PWD/build/arm64-root
apt=$root.apt
out=build/arm64
cc="aarch64-linux-gnu-gcc --sysroot=$root"
failed=0

# The packages for the other machine, from where this machine's come, in an apt of their own.
fetch() { # fetch LIBRARY...
    mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial"
    cat >"$apt/apt.conf" <<END
APT::Architecture "arm64";
APT::Architectures { "arm64"; };
APT::Sandbox::User "root";
Dir::State "$apt/state";
Dir::State::status "/dev/null";
Dir::Cache "$apt/cache";
END
    export APT_CONFIG=$apt/apt.conf
    apt-get -qq update
    apt-get -qq -y --no-install-recommends --download-only install "$@" >/dev/null
}

make_root() {
    local package
    fetch "$@"
    rm -rf "$root.new"
    mkdir -p "$root.new/usr/lib"
    ln -s usr/lib "$root.new/lib"
    for package in "$apt"/cache/archives/*.deb; do
        dpkg-deb --fsys-tarfile "$package" |
            tar --extract --keep-directory-symlink --directory="$root.new"
    done
    rm -r "$apt"
    mv "$root.new" "$root"
}

emulated() {
    QEMU_LD_PREFIX=$root qemu-aarch64-static -E LD_PRELOAD="$PWD/$out/execve.so" "$@"
}

[ -d "$root" ] || make_root "$@"
export PKG_CONFIG_SYSROOT_DIR=$root
export PKG_CONFIG_LIBDIR=$root/usr/lib/aarch64-linux-gnu/pkgconfig:$root/usr/share/pkgconfig
make --no-print-directory -s -j"$(nproc)" CC="$cc" B=$out all units
$cc -Wall -Wextra -Werror -shared -fPIC -o $out/execve.so tests/arm64/execve.c

for program in "$out"/tests/unit/test_*; do
    if [ -x "$program" ]; then
        printf '\n== %s\n' "$(basename "$program")"
        emulated "$program" || failed=$((failed + 1))
    fi
done
printf '\n== random networks\n'
emulated $out/tests/property/property --count 600 || failed=$((failed + 1))

printf '\n%d failed\n' $failed
[ $failed -eq 0 ]
