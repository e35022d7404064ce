#!/usr/bin/env python3
"""No notes to oneself are left behind: what is to be done is done, or is an issue."""
import os
import re
import sys

sys.dont_write_bytecode = True
import tree  # noqa: E402

# Written in two halves, or this file would object to itself.
WORDS = ('TO' 'DO', 'FIX' 'ME', 'X' 'XX', 'HA' 'CK')
PATTERN = re.compile(r'(?<![A-Za-z0-9_])(' + '|'.join(WORDS) + r')(?![A-Za-z0-9_])')
ENDINGS = ('.c', '.h', '.py', '.sh', '.md', '.js', '.css', '.html', '.build', '.txt', '.yml', '.yaml', '.toml')


def check(rule):
    """No notes to oneself are left behind."""
    paths = rule.files(tree.FOLDERS + ('docs', 'tools', '.ci'), ENDINGS)
    top = [n for n in sorted(os.listdir(rule.root)) if n.endswith(ENDINGS) or n == 'Makefile']
    for path in paths + [n for n in top if os.path.isfile(os.path.join(rule.root, n))]:
        text = rule.read(path)
        for found in PATTERN.finditer(text):
            rule.object(path, tree.line_of(text, found.start()), f'{found.group(1)}: do it, or open an issue')


if __name__ == '__main__':
    tree.main(check)
