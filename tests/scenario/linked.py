#!/usr/bin/env python3
"""The program of docs/start/your-own.md, built against Edda by pkg-config alone.

    linked.py LIBRARY --compiler=CC --build=DIRECTORY --source=DIRECTORY [NAME…]
"""
import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True
import edda
from edda import holds, same, says

BUILD, SOURCE = os.path.abspath(edda.option('build', '.')), edda.option('source', '.')
STRICT = ('-std=c11', '-Wall', '-Wextra', '-Wpedantic', '-Werror')
VARIABLES = ('PKG_CONFIG_PATH', 'PKG_CONFIG_LIBDIR', 'PKG_CONFIG_SYSROOT_DIR', 'LD_LIBRARY_PATH', 'DESTDIR')


def done(*words, **more):
    """What a command prints; it ends with 0."""
    ended = subprocess.run(words, text=True, capture_output=True, timeout=edda.LIMIT_S * 4, check=False, **more)
    same(ended.returncode, 0, f'{" ".join(words)}\n{ended.stdout}{ended.stderr}')
    return ended.stdout


def environment(pkg_config_path, sysroot):
    known = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    return dict(known, PKG_CONFIG_PATH=pkg_config_path, **({'PKG_CONFIG_SYSROOT_DIR': sysroot} if sysroot else {}))


def keeps_notes(world, pkg_config_path, library, sysroot=None):
    """Builds the program as the page says, runs it, and does what the page does."""
    with open(os.path.join(SOURCE, 'docs/start/your-own.md'), encoding='utf-8') as page:
        [program] = re.findall(r'^```c\n(.*?)^```$', page.read(), re.MULTILINE | re.DOTALL)
    source, notes = os.path.join(world.directory, 'notes.c'), os.path.join(world.directory, 'notes')
    with open(source, 'w', encoding='utf-8') as out:
        out.write(program)
    env = environment(pkg_config_path, sysroot)
    flags = done('pkg-config', '--cflags', '--libs', 'edda', env=env).split()
    done(edda.option('compiler', 'cc'), *STRICT, source, *flags, '-o', notes, env=env)
    env = dict(env, LD_LIBRARY_PATH=library)
    says(done(notes, '--version', env=env), r'^notes 1\.0 \(edda \d')
    process = edda.Process(notes, world.data, env=env)
    world.processes.append(process)
    client = process.wait_listening().client()
    client.post('/notes', {'id': 'a', 'text': 'hello'})
    same([(n['id'], n['text']) for n in client.all('/notes')], [('a', 'hello')])
    says(done(notes, 'trace', '--note', 'a', '--data', world.data, env=env), 'TakeNote', 'NoteTaken')
    same(process.end()[0], 0)
    return flags


def installed(world):
    """Against what `make install` puts under DESTDIR."""
    root = os.path.join(world.directory, 'root')
    done('meson', 'install', '-C', BUILD, '--no-rebuild', '--quiet', '--destdir', root)
    [pc] = [os.path.join(at, 'edda.pc') for at, _, names in os.walk(root) if 'edda.pc' in names]
    library = os.path.dirname(os.path.dirname(pc))
    flags = keeps_notes(world, os.path.dirname(pc), library, root)
    same([f for f in flags if f.startswith('-L')], [f'-L{library}'])
    [tool] = [os.path.join(at, 'edda') for at, _, names in os.walk(root) if 'edda' in names]
    says(done(tool, '--version'), r'^edda \d')


def uninstalled(world):
    """Against the build directory."""
    flags = keeps_notes(world, os.path.join(BUILD, 'meson-uninstalled'), os.path.dirname(world.application))
    headers = os.path.realpath(os.path.join(SOURCE, 'include'))
    holds(any(f.startswith('-I') and os.path.realpath(f[2:]) == headers for f in flags), f'the public headers: {flags}')
    holds(not any('src/' in f for f in flags), f'and not those inside: {flags}')


SCENARIOS = (installed, uninstalled)

if __name__ == '__main__':
    edda.main(SCENARIOS)
