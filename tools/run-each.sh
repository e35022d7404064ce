#!/usr/bin/env bash
#
# run-each.sh DIRECTORY PATTERN: runs the programs in a directory whose names match, one after the
# other. Fails when one of them fails, or when there is none.

set -euo pipefail

directory=$1 pattern=$2
programs=() failed=()
for program in "$directory"/$pattern; do
    [ -f "$program" ] && [ -x "$program" ] && programs+=("$program")
done
if [ ${#programs[@]} -eq 0 ]; then
    echo "run-each: no program in $directory matches '$pattern'" >&2
    exit 1
fi
for index in "${!programs[@]}"; do
    echo "== [$((index + 1))/${#programs[@]}] ${programs[index]}"
    "${programs[index]}" || failed+=("${programs[index]}")
done
if [ ${#failed[@]} -ne 0 ]; then
    printf 'run-each: failed: %s\n' "${failed[*]}" >&2
    exit 1
fi
