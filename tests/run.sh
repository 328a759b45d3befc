#!/bin/bash
# run.sh MODE [OF] - every quick test of a built mode; `make test` calls it.
#
# release  unit tests, random networks, HTTP tests, the hostile checks and the conformance
#          oracle, then the whole of asan and tsan too: that is `make test`
# asan     unit tests, random networks, HTTP tests, and the hostile checks of what reads
#          clients' bytes, under AddressSanitizer and UBSan, leaks included
# tsan     the workers' stress program and the server under load, under ThreadSanitizer
# isas     the lesson's HTTP tests with each instruction set forced
# hostile  the hostile checks in full, and those that need minutes and a quiet machine,
#          on the build OF a mode (release)
# soak     likewise, everything hostile at once, for CONVSCOPE_SOAK_MINUTES (30)
# debug, coverage    likewise; coverage then counts the branches taken
#
# Each suite's own output is shown. A suite passes only if it exits 0 and says that it
# ran something. CONVSCOPE_ORACLE and CONVSCOPE_THIRD_PARTY name the directories of the
# oracle and of public test data, if they are elsewhere.
set -u
cd "$(dirname "$0")/.." || exit 1

mode=$1
python=/usr/bin/python3 # Debian's, which has Debian's numpy
ISAS=${ISAS:-portable avx2 avx512}
oracle=${CONVSCOPE_ORACLE:-../shared/oracle}
third_party=${CONVSCOPE_THIRD_PARTY:-../shared/third-party}
readers=(tests/hostile/test_{http,forms,pictures,json,mutants}.py) # what reads clients' bytes
report=$(mktemp)
log=$(mktemp)
trap 'rm -f "$report" "$log"' EXIT

export ASAN_OPTIONS=abort_on_error=1:detect_leaks=1:strict_string_checks=1
export UBSAN_OPTIONS=print_stacktrace=1
export TSAN_OPTIONS=exitcode=66:suppressions=$PWD/tests/tsan.supp
export PYTHONDONTWRITEBYTECODE=1
CONVSCOPE_THIRD_PARTY=$(realpath -m "$third_party")
export CONVSCOPE_THIRD_PARTY
export CONVSCOPE_JSON_SUITE=$CONVSCOPE_THIRD_PARTY/json-test-suite/test_parsing

# Print "passed failed skipped" of one suite, from its own closing lines.
count() {
    sed 's/\x1b\[[0-9;]*m//g' "$1" | awk '
        /Tested: / { # Criterion
            gsub(/[^0-9 ]/, " "); passed += $2; failed += $1 - $2 }
        /^Ran [0-9]+ tests? in/ { ran = $2 } # unittest
        /^(OK|FAILED)( \(|$)/ {
            bad = skip = 0
            if (match($0, /failures=[0-9]+/)) bad += substr($0, RSTART + 9, RLENGTH - 9)
            if (match($0, /errors=[0-9]+/)) bad += substr($0, RSTART + 7, RLENGTH - 7)
            if (match($0, /skipped=[0-9]+/)) skip = substr($0, RSTART + 8, RLENGTH - 8)
            passed += ran > bad + skip ? ran - bad - skip : 0
            failed += bad; skipped += skip }
        /^total [0-9]+, pass [0-9]+/ { # the oracle
            gsub(/[^0-9 ]/, " "); passed += $2; failed += $1 - $2 }
        /^stress_workers: [1-9][0-9]* jobs/ { passed++ }
        /^property: [0-9]+ networks, [0-9]+ failed/ { passed += $2 - $4; failed += $4 }
        END { print passed + 0, failed + 0, skipped + 0 }'
}

note() { # note NAME PASSED FAILED SKIPPED SECONDS VERDICT
    (IFS=$'\t'; printf '%s\n' "$*") >>"$report"
}

# suite NAME COMMAND... - run it, show it, and note how it ended.
suite() {
    local name=$1 status start=$SECONDS passed failed skipped verdict=ok
    shift
    printf '\n== %s\n' "$name"
    "$@" </dev/null 2>&1 | tee "$log"
    status=${PIPESTATUS[0]}
    read -r passed failed skipped < <(count "$log")
    if [ "$status" -ne 0 ] || [ "$failed" -ne 0 ]; then
        verdict="FAILED ($status)"
        [ "$failed" -ne 0 ] || failed=1
    elif [ $((passed + skipped)) -eq 0 ]; then
        verdict='RAN NO TEST' failed=1
    fi
    note "$name" "$passed" "$failed" "$skipped" $((SECONDS - start)) "$verdict"
}

# Where a mode is built. `make B=DIR test` keeps the modes apart in DIR, DIR-asan, ...
out() { # out MODE
    if [ -z "${B:-}" ]; then
        realpath -m "build/$1"
    elif [ "$1" = "$mode" ]; then
        realpath -m "$B"
    else
        realpath -m "$B-$1"
    fi
}

build() { # build MODE TARGET...
    local in=$1 start=$SECONDS jobs
    shift
    case " ${MAKEFLAGS:-} " in *' -j'*) jobs='' ;; *) jobs=-j$(nproc) ;; esac
    printf '\n== %s: build\n' "$in"
    # without B the names are those of `make MODE=...`, or files would be built twice
    make --no-print-directory -s ${jobs:+"$jobs"} MODE="$in" ${B:+B="$(out "$in")"} "$@" \
        </dev/null && return
    note "$in: build" 0 1 0 $((SECONDS - start)) FAILED
    return 1
}

unit_tests() { # unit_tests MODE
    local program networks
    for program in "$(out "$1")"/tests/unit/test_*; do
        if [ -x "$program" ]; then
            suite "$1: $(basename "$program")" "$program"
        fi
    done
    case $1 in release) networks=2000 ;; *) networks=600 ;; esac
    suite "$1: random networks" "$(out "$1")/tests/property/property" --count $networks
}

http_tests() { # http_tests MODE
    local file
    for file in tests/http/test_*.py; do
        CONVSCOPE_BIN=$(out "$1")/convscope suite "$1: $(basename "$file" .py) (HTTP)" \
            "$python" "$file"
    done
}

hostile_tests() { # hostile_tests MODE FILE...
    local in=$1 file
    shift
    for file; do
        CONVSCOPE_BIN=$(out "$in")/convscope suite "$in: $(basename "$file" .py) (hostile)" \
            "$python" "$file"
    done
}

# Of all branches that gcc made, those that were ever taken, by folder.
coverage() {
    local folder
    printf '\n== branches taken at least once\n'
    for folder in engine api server; do
        (cd "$(out coverage)/$folder" && gcov -b -n ./*.gcda 2>/dev/null) | awk -v of="$folder" '
            /^File / { ours = $2 ~ of "/" && $2 !~ /\.h/ }
            ours && /^Taken at least once/ {
                split($0, field, /[:% ]+/) # Taken at least once:88.16% of 76
                taken += field[5] * field[7] / 100; all += field[7] }
            END { printf "%-8s %5.1f %% of %d\n", of, all ? 100 * taken / all : 0, all }'
    done
}

isa_tests() { # the lesson on each instruction set that this machine has
    local isa name server
    server=$(out "$mode")/convscope
    for isa in $ISAS; do
        name="$mode: test_lesson on $isa (HTTP)"
        if CONVSCOPE_ISA=$isa "$server" --print-config >/dev/null 2>&1; then
            CONVSCOPE_ISA=$isa CONVSCOPE_BIN=$server suite "$name" \
                "$python" tests/http/test_lesson.py
        else
            note "$name" 0 0 1 0 'skipped: not on this machine'
        fi
    done
}

# The ThreadSanitizer of this compiler cannot map its shadow under full address
# randomisation; setarch turns that off where it is allowed to.
without_aslr() {
    if setarch -R true 2>/dev/null; then setarch -R "$@"; else "$@"; fi
}

tsan_tests() {
    suite 'tsan: stress of the workers' \
        without_aslr "$(out tsan)/tests/stress/stress_workers"
    CONVSCOPE_BIN=$(out tsan)/convscope suite 'tsan: the server under load (HTTP)' \
        without_aslr "$python" tests/http/test_load.py
}

if [ "$1" = coverage ]; then
    find "$(out coverage)" -name '*.gcda' -delete
fi
case $mode in
isas)
    mode=release
    isa_tests
    ;;
tsan)
    tsan_tests
    ;;
hostile)
    mode=${2:-release}
    export CONVSCOPE_HOSTILE=long CONVSCOPE_SLACK=${CONVSCOPE_SLACK:-1}
    hostile_tests "$mode" tests/hostile/test_*.py tests/hostile/long_*.py
    CONVSCOPE_BIN=$(out "$mode")/convscope suite "$mode: metrics by promtool (HTTP)" \
        "$python" tests/http/test_methods.py Methods.test_promtool_finds_no_fault
    ;;
soak)
    mode=${2:-release}
    hostile_tests "$mode" tests/hostile/soak.py
    ;;
release)
    unit_tests release
    http_tests release
    hostile_tests release tests/hostile/test_*.py
    ;;
*)
    unit_tests "$mode"
    http_tests "$mode"
    hostile_tests "$mode" "${readers[@]}"
    ;;
esac

if [ "$1" = coverage ]; then
    coverage
fi

if [ "$1" = release ]; then
    isa_tests
    if [ -f "$oracle/check.py" ]; then
        CONVSCOPE_BIN=$(out release)/convscope suite 'release: oracle (HTTP)' \
            "$python" tests/http/oracle_transport.py "$oracle"
    else
        printf '\nThere is no oracle in %s: its checks are skipped.\n' "$oracle"
        note 'release: oracle (HTTP)' 0 0 1 0 skipped
    fi
    if build asan all units; then
        unit_tests asan
        http_tests asan
        hostile_tests asan "${readers[@]}"
    fi
    if build tsan all stress; then
        tsan_tests
    fi
fi

awk -F '\t' '
    BEGIN { printf "\n%-36s %6s %6s %7s %5s\n", "suite", "passed", "failed", "skipped", "time" }
    { printf "%-36s %6d %6d %7d %4ds  %s\n", $1, $2, $3, $4, $5, $6
      passed += $2; failed += $3; skipped += $4 }
    END { printf "\n%d passed, %d failed, %d skipped\n", passed, failed, skipped
          exit failed > 0 || passed == 0 }' "$report"
