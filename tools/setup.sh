#!/usr/bin/env bash
#
# setup.sh: installs what building and testing Edda needs, and nothing when all of it is there.
#
#     setup.sh            what building, running and most tests need
#     setup.sh clients    besides, what the tests with other people's Kafka clients need, and those clients, and what the test of the Debian package needs
#
# Safe to run any number of times; with everything in place it asks dpkg once and ends. Uses sudo
# when it is not run as root. On a system without dpkg it installs nothing and says what is missing.

set -euo pipefail

# Package, how to probe for it where there is no dpkg (a command, a pkg-config module after
# "pc:", or a header after "h:"), and why it is needed. "N" in a name is the version of the default clang.
packages() {
    cat <<'TABLE'
build-essential     gcc              compiles the library (gcc), checks the public headers as C++ (g++), runs the Makefile (make)
clang               clang            the second compiler; the fuzzers are built with it
clang-format        clang-format     make format
libclang-rt-N-dev   clang            libFuzzer and the sanitizers of clang
meson               meson            describes the build
ninja-build         ninja            runs the build
pkg-config          pkg-config       tells the build where libraries are
libcmocka-dev       pc:cmocka        unit tests
libjansson-dev      pc:jansson       JSON of undeclared shape
libevent-dev        pc:libevent      the server's event loop
libhiredis-dev      pc:hiredis       channels of a Redis server
redis-server        redis-server     the Redis server that the channels are tested with
libsqlite3-dev      pc:sqlite3       read models in SQLite
libpq-dev           pc:libpq         read models in PostgreSQL
postgresql          psql             the server that read models are tested with
libcurl4-openssl-dev pc:libcurl      effects: calls over HTTP, e-mail by SMTP
libssl-dev          pc:libcrypto     signatures of calls to remote services
zlib1g-dev          pc:zlib          Kafka records compressed with gzip
libsnappy-dev       h:snappy-c.h     Kafka records compressed with Snappy
liblz4-dev          pc:liblz4        Kafka records compressed with LZ4
libzstd-dev         pc:libzstd       Kafka records compressed with Zstandard
librdkafka-dev      pc:rdkafka       the client of the bench of consuming
nodejs              node             the example of a remote service in JavaScript
valgrind            valgrind         finds what the sanitizers cannot, and counts instructions
python3             python3          the rules in tests/rules and the test runner
groff-base          groff            checks the manual pages
curl                curl             HTTP scenarios, and the first steps in the README
httpie              http             the same, as the documents of the choreography example write them
TABLE
}

# The same for the clients. A tool that is there counts, whatever package it is from: languages are often installed from elsewhere.
client_packages() {
    cat <<'TABLE'
kcat                      kcat   the command line client of librdkafka
default-jdk-headless      javac  the programs with the Java client
maven                     mvn    fetches the Java clients, the console tools and Kafka itself
golang-go                 go     the program with franz-go
npm                       npm    fetches kafkajs
python3-venv              pc:-   an environment for the Python clients
debootstrap               debootstrap  a system in which the Debian package is installed; that test needs root
TABLE
}

say() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# Without dpkg: looks for the tools themselves.
probe_all() {
    local name probe reason missing=0
    while read -r name probe reason; do
        case $probe in
        pc:*) pkg-config --exists "${probe#pc:}" 2>/dev/null && continue ;;
        h:*) printf '#include <%s>\n' "${probe#h:}" | cc -E - >/dev/null 2>&1 && continue ;;
        *) command -v "$probe" >/dev/null && continue ;;
        esac
        printf 'setup: missing: %-18s %s\n' "${probe#*:}" "$reason" >&2
        missing=$((missing + 1))
    done < <(packages)
    [ "$missing" -eq 0 ] || die "this is no Debian system: please install the $missing above with your package manager"
    say "everything needed is there"
}

# The major version of the default clang, from what is installed or else from what apt would install.
clang_version() {
    local depends=$1
    [ -n "$depends" ] || depends=$(apt-cache depends clang 2>/dev/null || true)
    [[ $depends =~ clang-([0-9]+) ]] && printf '%s' "${BASH_REMATCH[1]}"
}

# Sets `missing` and prints each with its reason.
find_missing() {
    local installed clang_depends='' version name probe reason status depends wanted
    installed=' '
    while IFS='|' read -r name status depends; do
        [ "$status" = installed ] || continue
        installed+="$name "
        [ "$name" != clang ] || clang_depends=$depends
    done < <(dpkg-query -W -f='${Package}|${db:Status-Status}|${Depends}\n' \
        $(packages | awk '{ sub(/-N-/, "-*-", $1); print $1 }') 2>/dev/null)
    missing=()
    while read -r name probe reason; do
        wanted=$name
        if [[ $name == *-N-* ]]; then
            version=$(clang_version "$clang_depends") || version=
            # Without package lists nothing says which version: any that is there will do, or the default.
            wanted=${name/-N-/${version:+-$version}-}
        fi
        [[ $installed == *" $wanted "* ]] && continue
        say "missing: $(printf '%-20s' "$wanted") $reason"
        missing+=("$wanted")
    done < <(packages)
}

install_missing() {
    local become=()
    local apt=(apt-get -o DPkg::Lock::Timeout=120 -y --no-install-recommends)
    command -v apt-get >/dev/null || die "there is no apt-get here; please install: ${missing[*]}"
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null \
            || die "installing needs root, and there is no sudo; as root run: apt-get install ${missing[*]}"
        become=(sudo)
    fi
    become+=(env DEBIAN_FRONTEND=noninteractive)
    say "installing ${#missing[@]} package(s)"
    if ! "${become[@]}" "${apt[@]}" install "${missing[@]}"; then
        say "that failed; fetching the package lists and trying again"
        "${become[@]}" apt-get -o DPkg::Lock::Timeout=120 update \
            || die "apt-get update failed: is there a network, and are /etc/apt/sources.list* right?"
        "$find" >/dev/null
        "${become[@]}" "${apt[@]}" install "${missing[@]}" \
            || die "apt-get could not install: ${missing[*]} (what it said is above)"
    fi
}

# What is missing of the clients' tools.
find_missing_for_clients() {
    local name probe reason
    missing=()
    while read -r name probe reason; do
        case $probe in
        pc:-) python3 -c 'import ensurepip' 2>/dev/null && continue ;;
        *) command -v "$probe" >/dev/null && continue ;;
        esac
        say "missing: $(printf '%-20s' "$name") $reason"
        missing+=("$name")
    done < <(client_packages)
}

# A client that cannot be had is no failure: its tests are skipped and say why.
setup_clients() {
    find_missing_for_clients
    if [ ${#missing[@]} -gt 0 ]; then
        if command -v apt-get >/dev/null; then
            find=find_missing_for_clients
            install_missing
        else
            say "there is no apt-get here; without these the tests of some clients are skipped: ${missing[*]}"
        fi
    fi
    "$(dirname "$0")/../tests/kafka/install.py"
}

main() {
    find=find_missing
    if [ "$*" = clients ]; then
        setup_clients
        return
    fi
    [ $# -eq 0 ] || die "takes no argument but: clients"
    if ! command -v dpkg-query >/dev/null; then
        probe_all
        return
    fi
    find_missing
    if [ ${#missing[@]} -eq 0 ]; then
        say "everything needed is installed"
        return
    fi
    install_missing
    find_missing
    [ ${#missing[@]} -eq 0 ] || die "still missing: ${missing[*]}"
    say "done"
}

main "$@"
