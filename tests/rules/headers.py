#!/usr/bin/env python3
"""Every header compiles alone.

Internal ones with the flags of the project; public ones as strict C99, C11 and C++11 as well, since
they are read by programs that are none of ours.
"""
import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
import tree  # noqa: E402

WARNINGS = ['-Wall', '-Wextra', '-Wpedantic', '-Werror']
PUBLIC = (  # language, standard, and what the compiler is told besides
    ('c', 'c99', ['-pedantic-errors']),
    ('c', 'c11', ['-pedantic-errors']),
    ('c++', 'c++11', ['-pedantic-errors']),
)


def project_flags(rule):
    """The flags that meson.build gives to every file, without those for the optimiser."""
    path = os.path.join(rule.root, 'meson.build')
    if not os.path.exists(path):
        return []
    with open(path, encoding='utf-8') as file:
        text = file.read()
    flags = []
    for block in re.findall(r"add_project_arguments\((.*?)language:", text, re.DOTALL):
        flags += re.findall(r"'(-[^']+)'", block)
    return [f for f in flags if 'FORTIFY' not in f]


def library_folders(rule):
    """Include paths of other people's libraries, as the build knows them."""
    path = os.path.join(rule.build, 'compile_commands.json')
    if not os.path.exists(path):
        return []
    with open(path, encoding='utf-8') as file:
        commands = json.load(file)
    folders = {folder for c in commands for folder in re.findall(r'(?:-I|-isystem\s*)(/\S+)', c['command'])}
    # What the build generates is included by its path below src/ of the build directory.
    return [f for folder in sorted(folders) for f in ('-isystem', folder)] + ['-I', os.path.join(rule.build, 'src')]


def cpp_compiler(compiler):
    folder, name = os.path.split(compiler)
    return os.path.join(folder, name.replace('clang', 'clang++') if 'clang' in name else name.replace('gcc', 'g++'))


def compile_header(rule, language, flags, include):
    """What the compiler says about a file that includes this header and nothing else; '' is well."""
    compiler = rule.compiler if language == 'c' else cpp_compiler(rule.compiler)
    command = [compiler, '-x', language, '-fsyntax-only', '-I', 'include', '-I', 'src', *flags, '-']
    # Twice, so that a missing guard shows.
    text = f'#include "{include}"\n#include "{include}"\nextern int not_empty;\n'
    done = subprocess.run(command, input=text, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          cwd=rule.root, env=dict(os.environ, LC_ALL='C'))
    return done.stdout if done.returncode != 0 else ''


def check(rule):
    """Every header compiles alone."""
    project = project_flags(rule)
    folders = library_folders(rule)
    jobs = []
    for path in rule.files(('src', 'include'), ('.h',)):
        rule.saw(path)
        include = path.split('/', 1)[1]
        jobs.append((path, 'the project', 'c', ['-std=c11', *WARNINGS, *project, *folders], include))
        if path.startswith('include/'):
            for language, standard, more in PUBLIC:
                jobs.append((path, standard, language, [f'-std={standard}', *WARNINGS, *more], include))
    for compiler in {rule.compiler} | ({cpp_compiler(rule.compiler)} if any(j[2] == 'c++' for j in jobs) else set()):
        if not shutil.which(compiler):
            rule.object('tests/rules/headers.py', 0, f'there is no compiler {compiler}')
            return
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        said = pool.map(lambda j: compile_header(rule, j[2], j[3], j[4]), jobs)
    errors = [(path, how, *first_error(output)) for (path, how, *_), output in zip(jobs, said) if output]
    own = {(path, how) for path, how, where, _, _ in errors if where == path}
    for path, how, where, line, what in errors:
        if where == path:
            rule.object(path, line, f'does not compile alone as {how}: {what}')
        elif (where, how) not in own:  # else one objection, to the header that is wrong, is enough
            rule.object(path, 1, f'does not compile alone as {how}: {where}:{line}: {what}')


def first_error(output):
    """The first complaint: file, line, what it says."""
    for line in output.splitlines():
        found = re.match(r'(.*?):(\d+):(?:\d+:)? (?:fatal )?error: (.*)', line)
        if found:
            return os.path.normpath(found.group(1)), int(found.group(2)), found.group(3)
    return '', 1, output.strip().splitlines()[0]


if __name__ == '__main__':
    tree.main(check)
