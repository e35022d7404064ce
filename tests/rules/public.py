#!/usr/bin/env python3
"""Public headers are installed, and everything they declare carries the library's name.

Each header of include/edda is listed in its meson.build; macros begin with EDDA_ (with edda_ when they
are used like a function), structs, unions, enums, types and functions with edda_ (constants with
EDDA_), and functions are exported.
"""
import os
import re
import sys

sys.dont_write_bytecode = True
import tree  # noqa: E402

FOLDER = 'include/edda'


def check(rule):
    """Public headers are installed, and everything they declare carries the library's name."""
    headers = rule.files((FOLDER,), ('.h',))
    check_installed(rule, headers)
    for path in headers:
        text = rule.read(path)
        clean = tree.without_comments(text)
        for found in re.finditer(r'^[ \t]*#[ \t]*define[ \t]+(\w+)(\(?)', clean, re.MULTILINE):
            if not found.group(1).startswith(('EDDA_', 'edda_') if found.group(2) else 'EDDA_'):
                rule.object(path, tree.line_of(clean, found.start()), f'macro {found.group(1)} does not begin with EDDA_')
        for declaration in tree.declarations(text):
            check_declaration(rule, path, declaration)


def check_installed(rule, headers):
    path = f'{FOLDER}/meson.build'
    if not os.path.exists(os.path.join(rule.root, path)):
        rule.object(path, 1, 'does not exist; it lists the headers to install')
        return
    text = rule.read(path)
    listed = {name: tree.line_of(text, text.index(f"'{name}'")) for name in re.findall(r"'([^']+\.h)'", text)}
    present = {os.path.relpath(h, FOLDER) for h in headers}
    for name in sorted(present - set(listed)):
        rule.object(f'{FOLDER}/{name}', 1, f'is not listed for installation in {path}')
    for name in sorted(set(listed) - present):
        rule.object(path, listed[name], f'{name} is listed and does not exist')


def check_declaration(rule, path, declaration):
    head = declaration.head
    line = declaration.line
    for found in re.finditer(r'\b(struct|union|enum)\s+(\w+)\s*\{', head):
        if not found.group(2).startswith('edda_'):
            rule.object(path, line + head.count('\n', 0, found.start()),
                        f'{found.group(1)} {found.group(2)} does not begin with edda_')
    for found in re.finditer(r'\benum\b[^{}]*\{([^{}]*)\}', head):
        for constant in re.finditer(r'(?:^|,)\s*(\w+)', found.group(1)):
            if not constant.group(1).startswith('EDDA_'):
                rule.object(path, line + head.count('\n', 0, found.start(1) + constant.start(1)),
                            f'constant {constant.group(1)} does not begin with EDDA_')
    if head.startswith('typedef'):
        check_typedef(rule, path, declaration)
    elif '(' in head and '{' not in head and not head.startswith(('struct', 'union', 'enum')) or is_prototype(head):
        check_function(rule, path, declaration)


def is_prototype(head):
    return '{' not in head and re.search(r'\bedda_\w+\s*\(', head) is not None


def check_typedef(rule, path, declaration):
    head = declaration.head
    if '{' in head:
        return
    pointed = re.search(r'\(\s*\*\s*(\w+)\s*\)\s*\(', head)
    plain = re.search(r'(\w+)\s*\(', head) or re.search(r'(\w+)\s*$', head)
    name = (pointed or plain).group(1)
    if not name.startswith('edda_'):
        rule.object(path, declaration.line, f'type {name} does not begin with edda_')


def check_function(rule, path, declaration):
    head = declaration.head
    name = declaration.name()
    if name is None or head.startswith('_Static_assert'):
        return
    found = re.search(r'\b(\w+)\s*\(', re.sub(r'\b(EDDA_[A-Z_]+)\s*\([^()]*\)', '', head))
    name = found.group(1) if found else name
    if not name.startswith('edda_'):
        rule.object(path, declaration.line, f'{name}() does not begin with edda_')
    elif 'EDDA_PUBLIC' not in head and not re.search(r'\bstatic\b', head):
        rule.object(path, declaration.line, f'{name}() is declared and not exported: EDDA_PUBLIC is missing')


if __name__ == '__main__':
    tree.main(check)
