#!/usr/bin/env python3
"""What other programs can link to begins with edda_, in the shared library and in the static ones.

In the static libraries of the layers that is what has default visibility: what is hidden cannot be reached from a
shared library or a program that loads it, and carries the prefix of its concept instead. In the one that programs link it is
everything: a name that is left there cannot be used by the program.
"""
import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True
import tree  # noqa: E402

# The compiler's own, and those that sanitizers and coverage add.
RESERVED = re.compile(r'^(?:__|_init$|_fini$|_edata$|_end$|_bss)')


def ours(name):
    return name.startswith('edda_') or RESERVED.match(name)


def libraries(rule):
    for at, directories, names in os.walk(rule.build):
        directories[:] = [d for d in directories if not d.endswith('.p') and d not in ('meson-private', 'tests')]
        for name in sorted(names):
            path = os.path.join(at, name)
            if re.fullmatch(r'libedda\w*\.a|libedda\.so(\.\d+)*', name) and not os.path.islink(path):
                yield path


def output(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise RuntimeError(f'{" ".join(command)}: {done.stderr.strip()}')
    return done.stdout


def exported_by_shared(path):
    for line in output(['nm', '-D', '--defined-only', path]).splitlines():
        if line.split():
            yield line.split()[-1].split('@')[0]


def exported_by_static(path):
    """Rows of readelf: number, value, size, type, binding, visibility, section, name."""
    linked = os.path.basename(path) == 'libedda.a'
    for line in output(['readelf', '--syms', '--wide', path]).splitlines():
        row = line.split()
        if len(row) >= 8 and row[0].endswith(':') and row[4] in ('GLOBAL', 'WEAK') and row[6] != 'UND' \
                and (linked or row[5] == 'DEFAULT'):
            yield row[7]


def check(rule):
    """What other programs can link to begins with edda_."""
    for path in libraries(rule):
        shown = os.path.relpath(path, rule.root)
        rule.saw(shown)
        names = exported_by_static(path) if path.endswith('.a') else exported_by_shared(path)
        for name in sorted(set(names)):
            if not ours(name):
                rule.object(shown, 0, f'exports {name}, which does not begin with edda_')
    if not rule.seen:
        rule.skip(f'no library of ours has been built in {rule.build}')


if __name__ == '__main__':
    tree.main(check)
