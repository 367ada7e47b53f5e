#!/usr/bin/env bash
# Builds in build/NAME, out of the tree.   build.sh NAME server|all|tests...
# "server" is what runs and the dialogue runner that tries it, "all" whatever the tests with a server
# need, "tests" what make check would run, "fuzzers" those of tests/fuzz.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)

# How each build is configured. gcc is what developers run, quickstart what people get; the others
# look for what those cannot see. CFLAGS of the sanitizers keep stacks readable.
options_of() {
    case $1 in
    quickstart) options=() ;;
    gcc) options=(CC=gcc --enable-werror --enable-debug) ;;
    clang) options=(CC=clang --enable-werror) ;;
    asan) options=("${clang[@]}" '--enable-sanitizer=address,undefined') ;;
    tsan) options=("${clang[@]}" --enable-sanitizer=thread) ;;
    fuzz) options=("${clang[@]}" '--enable-sanitizer=address,undefined' --enable-fuzzers) ;;
    *) echo "build.sh: no build is called '$1'" && exit 2 ;;
    esac
}
clang=(CC=clang --enable-debug 'CFLAGS=-O1 -g')

# Makes ./configure if it is older than what it is made from.
bootstrap() {
    cd "$top"
    if [ ! -x configure ] || [ ! -f Makefile.in ] || [ -n "$(find configure.ac Makefile.am src \
        modules etc tests contrib -newer configure \
        \( -name configure.ac -o -name '*.am' -o -name '*.mk' \) -print -quit)" ]; then
        autoreconf -fi
    fi
}

name=${1:?NAME}
shift
options_of "$name"
bootstrap
mkdir -p "$top/build/$name"
cd "$top/build/$name"
if [ ! -f Makefile ] || [ "$(cat .options 2>/dev/null)" != "${options[*]}" ]; then
    "$top/configure" -q "${options[@]}"
    echo "${options[*]}" >.options
fi
for goal in "$@"; do
    case $goal in
    server) make -s -j"$(nproc)" server tests/talk/talk ;;
    all) make -s -j"$(nproc)" all ;;
    fuzzers)
        mapfile -t fuzzers < <(cd "$top" && printf '%s\n' tests/fuzz/fuzz-*.c | sed 's/\.c$//')
        make -s -j"$(nproc)" "${fuzzers[@]}"
        ;;
    tests) make -s -j"$(nproc)" test-programs ;;
    esac
done
