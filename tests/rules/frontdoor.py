#!/usr/bin/env python3
"""The front door tested: tools/run-tests.py must not call a failure a success, and tools/setup.sh must
install what is missing and nothing else, `make run` must not build everything."""
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TOOLS = os.path.join(os.path.dirname(os.path.dirname(HERE)), 'tools')
ENVIRONMENT = {k: v for k, v in os.environ.items()
               if not k.startswith(('MESON', 'NINJA', 'MAKE', 'MFLAGS', 'TEST_RESULT', 'ASAN_', 'UBSAN_'))}

MESON = '''project('t', 'c')
sh = find_program('sh')
test('unit good', sh, args: ['-c', 'echo fine'], suite: 'check')
test('unit soaked', sh, args: ['-c', 'exit 1'], suite: 'soak')
test('wire skipped', sh, args: ['-c', 'echo needs a broker; exit 77'])
test('other', executable('other', 'other.c'), suite: 'other')
'''
BAD = '''test('unit bad', sh, args: ['-c', 'echo the very reason; exit 3'])
test('unit slow', sh, args: ['-c', 'sleep 20'], timeout: 1)
'''

failures = []


def expect(what, holds, said):
    print(('ok: ' if holds else 'FAILED: ') + what)
    if not holds:
        failures.append(what)
        print(''.join('    ' + line + '\n' for line in said.splitlines()))


def run(command, **more):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env=dict(ENVIRONMENT, **more))
    return done.returncode, done.stdout


def run_tests(root, *args, **more):
    code, said = run([sys.executable, os.path.join(TOOLS, 'run-tests.py'), *args], **more)
    lines = said.splitlines()
    return code, lines[-1] if lines else '', said


def write(path, text):
    with open(path, 'w', encoding='utf-8') as file:
        file.write(text)


def test_runner(root):
    build = os.path.join(root, 'b')
    write(os.path.join(root, 'meson.build'), MESON)
    write(os.path.join(root, 'other.c'), 'int main(void) { return 0; }\n')
    code, said = run(['meson', 'setup', build, root])
    if code != 0:
        expect('meson sets up a small project', False, said)
        return
    code, last, said = run_tests(root, '--build', build, '--without', 'soak')
    expect('passes and skips are a success', (code, last) == (0, '2 passed, 0 failed, 1 skipped'), said)
    expect('the reason of a skip is said', re.search(r'skipped: wire skipped .*needs a broker', said), said)
    code, last, said = run_tests(root, '--build', build, '--suite', 'check')
    expect('a suite is chosen', (code, last) == (0, '1 passed, 0 failed, 0 skipped'), said)
    code, last, said = run_tests(root, '--build', f'{build}:wire,other')
    expect('tests are chosen by word', (code, last) == (0, '1 passed, 0 failed, 1 skipped'), said)
    code, last, said = run_tests(root, '--build', build, '--suite', 'none')
    expect('no test at all is no success', (code, last) == (1, '0 passed, 0 failed, 0 skipped'), said)

    write(os.path.join(root, 'meson.build'), MESON + BAD)
    result = os.path.join(root, 'result')
    code, last, said = run_tests(root, '--build', build, '--without', 'soak', TEST_RESULT=result)
    expect('failures and time-outs are counted', (code, last) == (1, '2 passed, 2 failed, 1 skipped'), said)
    expect('the output of a failure is shown', 'exit code 3' in said and 'the very reason' in said, said)
    with open(result, encoding='utf-8') as file:
        expect('the last line is kept for .ci/run', file.read() == last + '\n', said)

    write(os.path.join(root, 'other.c'), 'int main(void) { return no; }\n')
    code, last, said = run_tests(root, '--build', build)
    expect('a build that fails is a failed test', (code, last) == (1, '0 passed, 1 failed, 0 skipped'), said)
    code, last, said = run_tests(root, '--build', os.path.join(root, 'nowhere'))
    expect('a missing build is a failed test', (code, last) == (1, '0 passed, 1 failed, 0 skipped'), said)


# Stand-ins for the package tools: what is installed is a list in a file, every call is noted.
DPKG_QUERY = '''#!/bin/bash
while read -r name; do echo "$name|installed|$([ "$name" = clang ] && echo 'clang-77 (>= 77~)')"; done < "$STAND_IN/installed"
exit 1
'''
APT_GET = '''#!/bin/bash
echo "apt-get $*" >> "$STAND_IN/calls"
[ ! -e "$STAND_IN/broken" ] || exit 100
for word; do case $word in -*|install|update|DPkg*) ;; *) echo "$word" >> "$STAND_IN/installed" ;; esac; done
'''
def table():
    """The packages that setup.sh names, for version 77 of clang."""
    with open(os.path.join(TOOLS, 'setup.sh'), encoding='utf-8') as file:
        rows = re.search(r"<<'TABLE'\n(.*?)^TABLE$", file.read(), re.MULTILINE | re.DOTALL)[1].splitlines()
    return [row.split()[0].replace('-N-', '-77-') for row in rows]


ALL = table()


def test_setup(root):
    tools = os.path.join(root, 'bin')
    os.makedirs(tools)
    stand_ins = {'dpkg-query': DPKG_QUERY, 'apt-get': APT_GET, 'apt-cache': '#!/bin/bash\necho "Depends: clang-77"\n',
                 'id': '#!/bin/bash\necho "${STAND_IN_UID:-0}"\n'}
    for name, text in stand_ins.items():
        write(os.path.join(tools, name), text)
        os.chmod(os.path.join(tools, name), 0o755)
    for name in ('bash', 'awk', 'env', 'cat'):
        found = subprocess.run(['which', name], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
        os.symlink(found, os.path.join(tools, name))

    def setup(installed, **more):
        write(os.path.join(root, 'installed'), ''.join(n + '\n' for n in installed))
        write(os.path.join(root, 'calls'), '')
        code, said = run([os.path.join(TOOLS, 'setup.sh')], PATH=tools, STAND_IN=root, **more)
        with open(os.path.join(root, 'calls'), encoding='utf-8') as file:
            return code, said, file.read()

    code, said, calls = setup(ALL)
    expect('setup does nothing when all is there', code == 0 and not calls, said + calls)
    code, said, calls = setup([n for n in ALL if n not in ('meson', 'libclang-rt-77-dev')])
    expect('setup installs what is missing, for the version of clang',
           code == 0 and len(calls.splitlines()) == 1 and calls.endswith('install libclang-rt-77-dev meson\n'), said + calls)
    code, said, calls = setup([])
    expect('setup installs everything', code == 0 and all(n in calls.split() for n in ALL), said + calls)
    code, said, calls = setup([], STAND_IN_UID='1000')
    expect('setup says that it needs root or sudo', code == 1 and 'as root run: apt-get install' in said and not calls,
           said + calls)
    write(os.path.join(root, 'broken'), '')
    code, said, calls = setup(['clang'])
    expect('setup fails when apt-get does', code == 1 and 'failed' in said, said + calls)


def test_setup_clients(root):
    """Languages are often installed from elsewhere: a command that is there counts, whatever package it is from."""
    tools = os.path.join(root, 'bin')
    os.makedirs(tools)
    for name in ('bash', 'cat', 'chmod', 'env', 'dirname', 'python3'):
        found = subprocess.run(['which', name], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
        os.symlink(found, os.path.join(tools, name))
    copy = os.path.join(root, 'tools')
    os.makedirs(copy)
    os.makedirs(os.path.join(root, 'tests', 'kafka'))
    with open(os.path.join(TOOLS, 'setup.sh'), encoding='utf-8') as file:
        write(os.path.join(copy, 'setup.sh'), file.read())
    stand_ins = {os.path.join(copy, 'setup.sh'): None, os.path.join(tools, 'id'): '#!/bin/bash\necho 0\n',
                 os.path.join(tools, 'apt-get'): '#!/bin/bash\nfor word; do case $word in kcat) printf "#!/bin/bash\\n" > "$STAND_IN/bin/kcat" ;; esac; done\n'
                 'echo "apt-get $*" >> "$STAND_IN/calls"\nchmod +x "$STAND_IN/bin/"*\n',
                 os.path.join(root, 'tests', 'kafka', 'install.py'): '#!/bin/bash\necho clients are installed\n'}
    stand_ins.update({os.path.join(tools, name): '#!/bin/bash\n' for name in ('javac', 'mvn', 'go', 'npm')})
    for path, text in stand_ins.items():
        if text:
            write(path, text)
        os.chmod(path, 0o755)
    write(os.path.join(root, 'calls'), '')
    code, said = run([os.path.join(copy, 'setup.sh'), 'clients'], PATH=tools, STAND_IN=root)
    with open(os.path.join(root, 'calls'), encoding='utf-8') as file:
        calls = file.read()
    expect('setup clients installs the tools that are missing, then the clients', code == 0 and len(calls.splitlines()) == 1 and ' kcat' in calls
           and ' npm' not in calls and 'clients are installed' in said, said + calls)


def test_make():
    """What is built before the first program starts is what it needs; `make` alone builds everything."""
    root = os.path.dirname(TOOLS)
    for target, wanted in (('run', ' examples/choreography examples/choreography-naive'), ('build', '')):
        code, said = run(['make', '-n', '-C', root, target, 'BUILD=nowhere'])
        built = re.findall(r'^ninja -C "nowhere"(.*)$', said, re.MULTILINE)
        expect(f'make {target} builds what it needs', (code, built) == (0, [wanted]), said)


def main():
    test_make()
    with tempfile.TemporaryDirectory() as root:
        test_runner(root)
    with tempfile.TemporaryDirectory() as root:
        test_setup(root)
    with tempfile.TemporaryDirectory() as root:
        test_setup_clients(root)
    print(f'frontdoor: {len(failures)} failure(s)')
    sys.exit(1 if failures else 0)


if __name__ == '__main__':
    main()
