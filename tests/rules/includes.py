#!/usr/bin/env python3
"""Includes go downward only, and are written one way.

Each layer of src/ may include the layers named for it, itself and the public headers; examples see
the public headers only, and a folder in one is a module, of which others may include X/X.h, and whose domain/ knows
nothing of how it is asked: it includes edda/type.h, for its values, and itself; other people's libraries are included where their work is done and nowhere
else. Files of src/ are included as "layer/file.h", public headers as "edda/file.h", the system's in
angle brackets.
"""
import os
import re
import sys

sys.dont_write_bytecode = True
import tree  # noqa: E402

# What each layer may use, besides itself and the public headers. The same arrows as in ARCHITECTURE.md.
LAYERS = {
    'base': (),
    'io': ('base',),
    'wire': ('base',),
    'log': ('base', 'io'),
    'store': ('base', 'io', 'wire', 'log'),
    'journal': ('base', 'io', 'wire', 'store'),
    'broker': ('base', 'io', 'wire', 'store'),
    'engine': ('base', 'io', 'wire', 'journal'),
    'outside': ('base', 'io', 'wire', 'journal', 'engine'),
    'console': (),
    'server': ('base', 'io', 'wire', 'log', 'store', 'journal', 'broker', 'engine', 'console'),
    'cmd': ('base', 'io', 'wire', 'log', 'store', 'journal', 'broker', 'engine', 'outside', 'console', 'server'),
}

# Single files that may include more than their layer: (path, layers, reason).
EXCEPTIONS = ()

# Other people's headers and the places that may include them.
THIRD_PARTY = (
    ('jansson.h', ('src/wire/json/',)),
    ('lz4.h', ('src/wire/kafka/',)),
    ('lz4frame.h', ('src/wire/kafka/',)),
    ('zstd.h', ('src/wire/kafka/',)),
    ('zstd_errors.h', ('src/wire/kafka/',)),
    ('snappy-c.h', ('src/wire/kafka/',)),
    ('zlib.h', ('src/wire/kafka/',)),
    ('librdkafka/', ('src/journal/', 'bench/')),
    ('event2/', ('src/outside/', 'src/server/', 'src/cmd/')),
    ('openssl/', ('src/outside/', 'src/server/', 'src/cmd/')),
    ('curl/', ('src/outside/',)),
    ('hiredis/', ('src/outside/',)),
    ('sqlite3.h', ('src/outside/', 'bench/')),
    ('libpq-fe.h', ('src/outside/', 'bench/')),
)

C_HEADERS = set('''assert.h complex.h ctype.h errno.h fenv.h float.h inttypes.h iso646.h limits.h locale.h math.h
    setjmp.h signal.h stdalign.h stdarg.h stdatomic.h stdbool.h stddef.h stdint.h stdio.h stdlib.h stdnoreturn.h
    string.h tgmath.h threads.h time.h uchar.h wchar.h wctype.h'''.split())
POSIX_HEADERS = set('''dirent.h endian.h execinfo.h fcntl.h fnmatch.h getopt.h glob.h grp.h ifaddrs.h langinfo.h libgen.h
    netdb.h poll.h pthread.h pwd.h regex.h sched.h semaphore.h spawn.h strings.h sysexits.h syslog.h termios.h unistd.h
    wordexp.h'''.split())
SYSTEM_FOLDERS = ('sys/', 'netinet/', 'arpa/', 'net/', 'linux/', 'asm/')
# Instructions of a processor; checksums use them.
PROCESSOR = re.compile(r'^(?:[a-z]*mmintrin|immintrin|x86intrin|cpuid|arm_acle|arm_neon)\.h$')

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"\n]*)"|<([^>\n]*)>|(\S+))', re.MULTILINE)


def check(rule):
    """Includes go downward only, and are written one way."""
    for path in rule.files(('src', 'include', 'examples')):
        text = tree.without_comments(rule.read(path), keep_strings=True)
        for found in INCLUDE.finditer(text):
            line = tree.line_of(text, found.start(0))
            quoted, angled, other = found.groups()
            if other:
                rule.object(path, line, f'#include {other}: name the file')
            elif angled is not None:
                check_angled(rule, path, line, angled)
            elif path.startswith('src/'):
                check_library(rule, path, line, quoted)
            elif path.startswith('include/'):
                if not quoted.startswith('edda/'):
                    rule.object(path, line, f'"{quoted}": a public header includes "edda/…" and the C library only')
            else:
                check_example(rule, path, line, quoted)


def check_angled(rule, path, line, name):
    if name.startswith('edda/'):
        rule.object(path, line, f'<{name}>: write "{name}"')
        return
    if name in C_HEADERS:
        return
    for prefix, places in THIRD_PARTY:
        if name == prefix or (prefix.endswith('/') and name.startswith(prefix)):
            if not path.startswith(places):
                rule.object(path, line, f'<{name}>: to be included in {" and ".join(places)} only')
            return
    if path.startswith('include/'):
        rule.object(path, line, f'<{name}>: a public header includes "edda/…" and the C library only')
    elif name in POSIX_HEADERS or name.startswith(SYSTEM_FOLDERS):
        return
    elif PROCESSOR.match(name) and path.startswith('src/base/'):
        return
    else:
        rule.object(path, line, f'<{name}>: neither the C library nor a library listed in tests/rules/includes.py')


def check_library(rule, path, line, name):
    parts = path.split('/')
    layer = parts[1] if len(parts) > 2 else None
    if layer not in LAYERS:
        rule.object(path, line, f'{"src/" + layer if layer else "a file in src/ itself"} is none of the layers')
        return
    if name.startswith('edda/'):
        if not os.path.exists(os.path.join(rule.root, 'include', name)):
            rule.object(path, line, f'"{name}": there is no such public header')
        return
    target, slash, _ = name.partition('/')
    if not slash or target not in LAYERS or '..' in name.split('/'):
        rule.object(path, line, f'"{name}": write it as "layer/file.h"')
        return
    allowed = {layer, *LAYERS[layer]}
    for where, more, _reason in EXCEPTIONS:
        if where == path:
            allowed.update(more)
    if target not in allowed:
        rule.object(path, line, f'"{name}": {layer} may not use {target}')


def check_example(rule, path, line, name):
    """An example may be several files in a folder of its own."""
    if '/domain/' in path and name != 'edda/type.h' and name != 'naive.h' and '/domain/' not in name:
        rule.object(path, line, f'"{name}": a domain includes "edda/type.h", the C library and itself only')
        return
    if name.startswith('edda/'):
        if not os.path.exists(os.path.join(rule.root, 'include', name)):
            rule.object(path, line, f'"{name}": there is no such public header')
        return
    example = '/'.join(path.split('/')[:2]) if path.count('/') > 1 else None
    for base in (os.path.dirname(path), example, 'examples'):
        if base is None:
            continue
        target = os.path.normpath(os.path.join(base, name))
        if example and target.startswith(example + '/') and os.path.exists(os.path.join(rule.root, target)):
            check_module(rule, path, line, target)
            return
    rule.object(path, line, f'"{name}": an example includes "edda/…", the C library and files of its own folder only')


def check_module(rule, path, line, target):
    """A module in a folder of its own sees of another what that one shows. What is in no module, as tests are, sees all."""
    ours, theirs = (p.split('/')[2] if p.count('/') > 2 else None for p in (path, target))
    if ours and theirs and ours != theirs and os.path.basename(target) != theirs + '.h':
        rule.object(path, line, f'"{os.path.relpath(target, os.path.dirname(os.path.dirname(target)))}": module {ours} sees only {theirs}/{theirs}.h of {theirs}')


if __name__ == '__main__':
    tree.main(check)
