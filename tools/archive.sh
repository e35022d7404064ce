#!/usr/bin/env bash
#
# archive.sh FROM TO: makes of an archive one with a single object, in which what is hidden is local.

set -euo pipefail

from=$1 to=$2
object=$to.o
ld -r --whole-archive "$from" -o "$object"
objcopy --localize-hidden "$object"
rm -f "$to"
ar rcs "$to" "$object"
rm -f "$object"
