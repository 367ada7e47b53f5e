# shellcheck shell=bash
# What the steps of contrib/test share: reporting, the shared builds, counting. The environment has
# TOP (the source tree, also the current folder), LOGS (this step's folder), RESULTS, FULL (0 or 1).
set -uo pipefail
cd "$TOP" || exit 1

JOBS=$(nproc)
export CK_DEFAULT_TIMEOUT=60 # the unit tests' own, for slow machines under a sanitizer
export CK_VERBOSITY=normal

# Sanitizers. Fibers switch stacks, so the fake stack of use-after-return stays off.
export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=0:abort_on_error=0:exitcode=99
export UBSAN_OPTIONS=print_stacktrace=1
export TSAN_OPTIONS=suppressions=$TOP/contrib/ci/tsan.supp:halt_on_error=0:exitcode=66

# ---- reporting ----

result() { # KIND COUNT NAME [WHY]
    printf '%s %s\t%s\t%s\n' "$1" "$2" "$STEP: $3" "${4:-}" >>"$RESULTS"
}

pass() { # NAME [COUNT]
    result pass "${2:-1}" "$1"
    echo "   ok   $1${2:+ ($2)}"
}

fail() { # NAME WHY [COUNT]
    result fail "${3:-1}" "$1" "$2"
    echo "   FAIL $1: $2"
}

skip() { # NAME WHY: only for what cannot be had here; what can be installed must be
    result skip 1 "$1" "$2"
    echo "   skip $1: $2"
}

log_of() { # NAME: where its output goes
    echo "$LOGS/$(echo "$1" | tr -c 'A-Za-z0-9._\n-' '-').log"
}

fail_with_tail() { # NAME WHY
    fail "$1" "$2, see $(log_of "$1")"
    tail -n 25 "$(log_of "$1")" | sed 's/^/        /'
}

# ---- running ----

LIMIT=900 # seconds that one thing may take

quietly() { # NAME COMMAND...: runs it with its output in the log; its status
    local log
    log=$(log_of "$1")
    shift
    # Not in the foreground, so that an interrupt is heard at once and passed on.
    timeout --kill-after=10 "$LIMIT" "$@" >"$log" 2>&1 </dev/null &
    children=("$!")
    wait "${children[0]}"
}

# Starts another function of this file beside what follows; a plain "wait" ends it. For what waits
# more than it works: a server and its clients seldom keep two processors busy.
beside() { # FUNCTION ARGUMENT...
    (
        trap end_children INT TERM
        children=()
        "$@"
    ) &
    children+=("$!")
}

# An interrupt is passed on, so that servers and databases end as well.
end_children() {
    [ "${#children[@]}" = 0 ] || kill -TERM "${children[@]}" 2>/dev/null
    wait
    exit 130
}
children=()
trap end_children INT TERM

why_of() { # STATUS
    if [ "$1" = 124 ]; then echo "took over $LIMIT s"; else echo "status $1"; fi
}

try() { # NAME COMMAND...: one pass or one failure
    local began=$SECONDS status
    quietly "$@"
    status=$?
    if [ "$status" = 0 ]; then
        pass "$1"
    else
        fail_with_tail "$1" "$(why_of "$status") after $((SECONDS - began)) s"
    fi
    return "$status"
}

# Whether what failed is tried once more: it is said aloud, and both logs are kept. Not in --full, and never after a
# sanitizer's report or a broken invariant: these do not go away by not coming back.
second_chance() { # NAME STATUS [LOG...]
    local log
    log=$(log_of "$1")
    [ "$2" != 0 ] && [ "${FULL:-0}" = 0 ] || return 1
    grep -qsE 'Sanitizer|runtime error: |must hold but does not' "$log" "${@:3}" && return 1
    cp "$log" "${log%.log}.first.log"
    echo "   AGAIN $1: it failed once, see ${log%.log}.first.log"
}

# A command with many cases. It prints a line for each that begins with "ok" or with "not ok", "FAIL"
# or "FAILED"; or, without such lines, "N passed, N failed" at its end. A skipped case is a line
# "skip WHY"; for want of something that could be installed, it is a failure.
try_cases() { # NAME COMMAND...
    local log status passed failed reason
    log=$(log_of "$1")
    quietly "$@"
    status=$?
    if second_chance "$1" "$status"; then
        quietly "$@"
        status=$?
    fi
    passed=$(grep -cE '^ok[ :]' "$log")
    failed=$(grep -cE '^(not ok|NOT ok|FAIL|FAILED)[ :]' "$log")
    if [ "$passed" = 0 ] && [ "$failed" = 0 ]; then
        read -r passed failed < <(sed -nE 's/.*\b([0-9]+) passed, ([0-9]+) failed.*/\1 \2/p' "$log" |
            tail -n 1)
    fi
    [ "${passed:=0}" = 0 ] || pass "$1" "$passed"
    if [ "${failed:=0}" != 0 ]; then
        fail "$1" "$failed cases failed, see $log" "$failed"
        grep -E '^(not ok|NOT ok|FAIL|FAILED)[ :]' "$log" | head -n 12 | cut -c1-200 | sed 's/^/        /'
    elif [ "$status" != 0 ] || [ "$passed" = 0 ]; then
        fail_with_tail "$1" "$(why_of "$status"), $passed cases passed"
    fi
    while read -r reason; do
        if [[ $reason =~ (not\ installed|not\ found|missing|no\ such) ]]; then
            fail "$1" "skips what could be installed: $reason"
        else
            skip "$1" "$reason"
        fi
    done < <(sed -nE 's/^skip(ped)?[: ]+//p' "$log")
    [ "$failed" = 0 ] && [ "$status" = 0 ]
}

need() { # FILE WHAT: whether a part of the tests is there; if not, that is a failure
    [ -e "$1" ] || {
        fail "$2" "$1 is not there"
        return 1
    }
}

# ---- the shared builds (contrib/ci/build.sh) ----

built() { # NAME [GOAL...]: builds it if needed and reports it once a run; fails if it cannot
    local mark=build/test/built-$1
    [ $# -gt 1 ] || set -- "$1" all tests
    if [ -f "$mark" ] && [ "$mark" -nt "$TOP/build/test/packages" ]; then
        [ "$(cat "$mark")" = ok ] || fail "build $1" "failed in an earlier step of this run"
        [ "$(cat "$mark")" = ok ]
        return
    fi
    echo bad >"$mark"
    try "build $1" contrib/ci/build.sh "$1" "${@:2}" || return 1
    echo ok >"$mark"
}

# Runs make check in a build and counts the cases: what the check library says, else one a program.
make_check() { # BUILD [MAKE-ARGUMENT...]
    local build=$1 status trs passed=0 failed=0
    shift
    find "build/$build" -name '*.trs' -delete
    quietly "make check in $build" make -C "build/$build" -k -j"$JOBS" check "$@"
    status=$?
    if second_chance "make check in $build" "$status" "build/$build/test-suite.log"; then
        quietly "make check in $build" make -C "build/$build" -k recheck "$@"
        status=$?
    fi
    while read -r trs; do
        count_trs "$trs"
    done < <(find "build/$build" -name '*.trs' | sort)
    [ "$passed" = 0 ] || pass "make check in $build" "$passed"
    if [ "$passed" = 0 ] || { [ "$status" != 0 ] && [ "$failed" = 0 ]; }; then
        fail_with_tail "make check in $build" "$(why_of "$status"), $passed passed"
        grep -B 5 ' to mend$' "$(log_of "make check in $build")"
    fi
}

count_trs() { # FILE: adds to passed and failed of make_check
    local name log checks
    name=${1#build/*/}
    name=${name%.trs} log=${1%.trs}.log
    cp "$log" "$(log_of "$name")"
    case $(sed -n 's/^:global-test-result: //p' "$1") in
    PASS)
        checks=$(sed -n 's/^[0-9]*%: Checks: \([0-9]*\), .*/\1/p' "$log" |
            awk '{ n += $1 } END { print n + 0 }')
        passed=$((passed + (checks ? checks : 1)))
        ;;
    SKIP)
        failed=$((failed + 1))
        fail_with_tail "$name" "was skipped: what it needs must be installed"
        ;;
    *)
        failed=$((failed + 1))
        fail_with_tail "$name" "failed"
        ;;
    esac
}

run_each() { # WHAT FOLDER: every executable FOLDER/test-* is a test of many cases
    local test found=0
    for test in "$2"/test-*; do
        [ -x "$test" ] && [ -f "$test" ] || continue
        found=1
        try_cases "$(basename "$test")" "$test"
    done
    [ "$found" = 1 ] || fail "$1" "no executable $2/test-* is there"
}
