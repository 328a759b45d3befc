#!/bin/bash
# lint.sh BUILD - what a machine can check of the house style; `make lint` calls it.
# BUILD is where the release build lies: the checks of symbols read its objects. The
# Makefile hands its warnings down in WARNINGS.
set -u
cd "$(dirname "$0")/.." || exit 1

build=$1
passed=0 failed=0
read -ra flags <<<"-std=gnu17 $WARNINGS -I."
shopt -s nullglob
sources=(engine/*.[ch] api/*.[ch] server/*.[ch] tests/*/*.[ch] tests/bench/*.cc)
product=(engine/*.[ch] api/*.[ch] server/*.[ch])
headers=(engine/*.h api/*.h server/*.h)

# check NAME COMMAND... - passes if the command exits 0 and prints nothing.
check() {
    local name=$1 output status
    shift
    output=$("$@" 2>&1)
    status=$?
    if [ $status -eq 0 ] && [ -z "$output" ]; then
        passed=$((passed + 1))
        printf 'ok      %s\n' "$name"
    else
        failed=$((failed + 1))
        printf 'FAILED  %s\n%s\n' "$name" "${output:-(status $status)}"
    fi
}

absent() { # absent REGEX FILE...: prints where it stands
    ! grep -nE "$@"
}

server_includes_of_api() {
    ! grep -n '#include "api/' server/*.[ch] | grep -v '"api/api.h"'
}

headers_compile_alone() {
    local header compiler
    for header in "${headers[@]}"; do
        case $header in engine/kernels_*) continue ;; esac # templates, not headers
        for compiler in gcc clang; do
            printf '#include "%s"\nextern int a_unit_may_not_be_empty;\n' "$header" |
                "$compiler" "${flags[@]}" -fsyntax-only -x c - || echo "  in $header"
        done
    done
}

file_lengths() {
    wc -l "${product[@]}" | awk '$2 != "total" && $1 > 600 { print $2 " has " $1 " lines" }'
}

# A function begins at a line that is "{" alone and ends at "}" alone.
function_lengths() {
    awk 'FNR == 1 { start = 0 }
        /^\{$/ { start = FNR }
        /^\}$/ && start { if (FNR - start - 1 > 60)
            print FILENAME ":" start ": function of " FNR - start - 1 " lines"; start = 0 }' \
        "${product[@]}"
}

# Names that a file shows to the linker.
exported() {
    nm --extern-only --defined-only --format=posix "$1" | cut -d' ' -f1
}

kernels_define_one_symbol() {
    local object name
    [ -f "$build/engine/kernels_portable.o" ] || echo "there is no build in $build"
    for object in "$build"/engine/kernels_*.o; do
        name=$(basename "$object" .o)
        [ "$(exported "$object")" = "$name" ] ||
            echo "$object exports: $(exported "$object" | tr '\n' ' ')"
    done
}

# The nouns of a file: its name, in the singular too, the first word of it, and the
# structs that its header defines.
nouns() { # nouns engine/layer
    local stem=${1##*/}
    echo "$stem" "${stem%s}" "${stem%%_*}"
    [ -f "$1.h" ] && sed -n 's/^struct \([a-z0-9_]*\) {.*/\1/p' "$1.h"
}

# An external name begins with a noun of its file, or stands in this short list: the entry
# point, what api.h declares for all of api, .npz in archive.c, the routes (call.h), and
# the kinds of layers.
names_carry_their_file() {
    local object file name noun
    for object in "$build"/{engine,api,server}/*.o; do
        file=${object#"$build"/} file=${file%.o}
        for name in $(exported "$object"); do
            case $name in main | api_* | npz_* | *_call | *_infer | *_pack | *_prepare | *_run) continue ;; esac
            for noun in $(nouns "$file"); do
                case $name in "$noun"*) continue 2 ;; esac
            done
            echo "$file.c: $name"
        done
    done
}

# The server, and the bench as it is where no other library is installed.
clang_build() {
    make --no-print-directory -s -j"$(nproc)" CC=clang PEERS= B="$build-clang" all \
        "$build-clang/tests/bench/bench"
}

# One row of each family, by both benches; every row has the fields that others read.
bench_runs() {
    local bench number='-?[0-9.]+(e[-+]?[0-9]+)?' rows=3 json
    local line="\"layer\":\"[a-z0-9_]+\",\"threads\":1,\"ms\":$number,\"best_peer\":(\"[a-z-]+\"|null),"
    line+="\"peer_ms\":($number|null),\"ratio\":($number|null),\"limit_share\":$number,.*\}\]?,?"
    json=$(mktemp)
    for bench in "$build" "$build-clang"; do
        "$bench/tests/bench/bench" --quick --threads 1 --json "$json" \
            --rows '^(seed_64_3x3_chain|png_decode_512_gray|request_64_json)$' >/dev/null
        [ "$(grep -cxE "[[ ]\{$line" "$json")" -eq $rows ] || cat "$json"
    done
    rm -f "$json"
}

shell_scripts() {
    shellcheck deploy/*.sh tests/*.sh .ci/run
}

check 'clang-format' clang-format --dry-run -Werror "${sources[@]}"
check 'engine includes only engine' absent '#include "(api|server|tests)/' engine/*.[ch]
check 'api includes only engine and api' absent '#include "(server|tests)/' api/*.[ch]
check 'server includes only api and server' absent '#include "(engine|tests)/' server/*.[ch]
check 'server includes only api.h of api' server_includes_of_api
check 'every header compiles alone (gcc, clang)' headers_compile_alone
check 'no strcpy, strcat, sprintf, atoi, gets' \
    absent '\b(strcpy|strcat|sprintf|vsprintf|atoi|atol|atof|gets|alloca)\(' "${product[@]}"
check 'no // comments' absent '(^|[^:"])//' "${product[@]}"
check 'no typedef of a struct' absent '^typedef struct' "${sources[@]}"
check 'no marks of unfinished work' absent 'TODO|FIXME|XXX' "${sources[@]}"
check 'files of at most 600 lines' file_lengths
check 'functions of at most 60 lines' function_lengths
check 'kernels export one symbol each' kernels_define_one_symbol
check 'external names carry their file' names_carry_their_file
check 'clang builds without a warning' clang_build
check 'the bench runs, with and without peers' bench_runs
check 'shellcheck' shell_scripts

printf '\n%d passed, %d failed\n' $passed $failed
[ $failed -eq 0 ]
