#!/usr/bin/env bash
#
# run-fuzz.sh BUILD SECONDS PATTERN: runs each libFuzzer program of a build for a time.
#
# Programs are BUILD/tests/fuzz/fuzz_NAME. Seeds are read from tests/fuzz/corpus/NAME; what the
# fuzzer learns is kept in BUILD/corpus/NAME and used the next time; an input that breaks something
# is written to BUILD/findings/NAME-… and can be given to the program again.

set -euo pipefail

build=$1 seconds=$2 pattern=$3
failed=() count=0
mkdir -p "$build/findings"
for program in "$build"/tests/fuzz/fuzz_$pattern; do
    [ -f "$program" ] && [ -x "$program" ] || continue
    name=${program##*/fuzz_}
    count=$((count + 1))
    learned="$build/corpus/$name" seeds="tests/fuzz/corpus/$name"
    mkdir -p "$learned"
    corpora=("$learned")
    [ -d "$seeds" ] && corpora+=("$seeds")
    echo "== fuzzing $name for $seconds s"
    UBSAN_OPTIONS=${UBSAN_OPTIONS:-halt_on_error=1:print_stacktrace=1} \
        "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$build/findings/$name-" "${corpora[@]}" || failed+=("$name")
done
if [ "$count" -eq 0 ]; then
    echo "fuzz: no program in $build/tests/fuzz matches 'fuzz_$pattern'" >&2
    exit 1
fi
if [ ${#failed[@]} -ne 0 ]; then
    printf 'fuzz: %s of %s failed: %s; the inputs are in %s/findings\n' "${#failed[@]}" "$count" "${failed[*]}" "$build" >&2
    exit 1
fi
echo "fuzz: $count fuzzer(s), nothing found"
