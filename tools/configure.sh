#!/usr/bin/env bash
#
# configure.sh BUILD CC SANITIZE PREFIX [MESON_OPTION…]: prepares a build directory for ninja.
#
# What it was prepared for is noted in BUILD/edda-options: nothing is done when it still holds,
# another prefix is set in place, anything else prepares the directory anew. A directory that was
# set up by hand has no such note and is left as it is.

set -euo pipefail

build=$1 compiler=$2 sanitize=$3 prefix=$4
shift 4

say() { printf 'configure: %s\n' "$*"; }
die() { printf 'configure: %s\n' "$*" >&2; exit 1; }

for tool in meson ninja "${compiler%% *}"; do
    command -v "$tool" >/dev/null || die "$tool is not installed; tools/setup.sh installs what is needed"
done

options=("-Db_sanitize=${sanitize:-none}" "$@")
# clang leaves the symbols of its sanitizers to the executable, so a shared library has undefined ones.
[ -z "$sanitize" ] || options+=("-Db_lundef=false")
note="$build/edda-options"
wanted="CC=$compiler ${options[*]}"

run_meson() {
    local log
    log=$(mktemp)
    if ! CC=$compiler meson "$@" >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        die "meson could not prepare $build"
    fi
    rm -f "$log"
}

if [ -f "$build/build.ninja" ]; then
    [ -f "$note" ] || exit 0
    { read -r noted && read -r noted_prefix; } <"$note" || true
    if [ "$noted" = "$wanted" ]; then
        [ "$noted_prefix" != "$prefix" ] || exit 0
        say "$build: the prefix is now $prefix"
        run_meson configure "$build" "-Dprefix=$prefix"
    else
        say "$build: preparing anew ($wanted)"
        rm -rf "$build"
        run_meson setup "$build" "--prefix=$prefix" "${options[@]}"
    fi
else
    say "$build: preparing ($wanted)"
    rm -rf "$build/meson-private" "$build/meson-info" # what a failed attempt left
    run_meson setup "$build" "--prefix=$prefix" "${options[@]}"
fi
printf '%s\n%s\n' "$wanted" "$prefix" >"$note"
