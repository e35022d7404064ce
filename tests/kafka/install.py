#!/usr/bin/env python3
"""Installs the Kafka clients that these tests run, each from its own registry and in the version that its manifest pins.

    install.py [NAME…]      those, or all of them; a line for each

What is fetched lies in $XDG_CACHE_HOME/edda/kafka (or ~/.cache/edda/kafka), in a folder whose name tells the version and the manifest it was made from: what
is there is used as it is, and nothing of other people's enters the tree. A client that cannot be had raises Unavailable; its tests are skipped then.
"""
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
CACHE = os.path.join(os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache'), 'edda', 'kafka')
LIMIT_S = 300

JAVA_CLIENTS = ('2.5.0', '2.8.2')   # the client alone
JAVA_WHOLE = ('3.9.1', '4.1.0')     # with the console tools, Kafka Streams and the server


class Unavailable(Exception):
    """This client cannot be installed here, for this reason."""


def say(text):
    print(f'kafka clients: {text}', flush=True)


def run(command, what, **more):
    """Runs a step; what it said last is the reason when it fails."""
    if shutil.which(command[0]) is None:
        raise Unavailable(f'{what} needs {command[0]}, which is not installed: make setup-clients')
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors='replace', timeout=LIMIT_S,
                              stdin=subprocess.DEVNULL, check=False, **more)
    except subprocess.TimeoutExpired:
        raise Unavailable(f'{what}: {command[0]} did not end within {LIMIT_S} s') from None
    if done.returncode != 0:
        last = [line for line in done.stdout.splitlines() if line.strip()][-1:] or ['it said nothing']
        raise Unavailable(f'{what}: {command[0]} failed: {last[0].strip()}')
    return done.stdout


def installed(name, sources, make):
    """The folder of `name`, made by make(folder) unless one is there that was made from the same sources."""
    digest = hashlib.sha256()
    for source in sources:
        with open(source, 'rb') as file:
            digest.update(file.read())
    folder = os.path.join(CACHE, f'{name}-{digest.hexdigest()[:12]}')
    if os.path.isdir(folder):
        return folder
    os.makedirs(CACHE, exist_ok=True)
    with open(os.path.join(CACHE, f'{name}.lock'), 'w', encoding='utf-8') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.isdir(folder):
            return folder
        begun = time.monotonic()
        say(f'{name}: installing')
        part = folder + '.part'
        shutil.rmtree(part, ignore_errors=True)
        os.makedirs(part)
        make(part)
        os.rename(part, folder)
        say(f'{name}: done in {time.monotonic() - begun:.0f} s')
    return folder


def within(folder, endings):
    """The files of a folder of ours with one of these endings."""
    here = os.path.join(HERE, folder)
    return sorted(os.path.join(at, name) for at, _, names in os.walk(here) for name in names if name.endswith(endings))


def java(version):
    """The folder with the jars of a version."""
    pom = os.path.join(HERE, 'java', 'client.xml' if version in JAVA_CLIENTS else 'whole.xml')

    def make(folder):
        run(['mvn', '-q', '-B', '-f', pom, f'-Dkafka.version={version}', 'dependency:copy-dependencies', f'-DoutputDirectory={folder}'],
            f'Java client {version}')
    return installed(f'java-{version}', [pom], make)


def java_programs(version):
    """What to give to java -cp: our programs compiled against the jars of a version, and those."""
    jars = os.path.join(java(version), '*')
    sources = within('java', '.java')
    if version in JAVA_CLIENTS:
        sources = [s for s in sources if os.path.basename(os.path.dirname(s)) != 'newer']

    def make(folder):
        run(['javac', '-nowarn', '-d', folder, '-cp', jars, *sources], f'Java client {version}')
    return installed(f'java-programs-{version}', sources, make) + ':' + jars


def python():
    """The interpreter of an environment with the Python clients."""
    requirements = os.path.join(HERE, 'python', 'requirements.txt')

    def make(folder):
        run([sys.executable, '-m', 'venv', folder], 'Python clients')
        run([os.path.join(folder, 'bin', 'python'), '-m', 'pip', 'install', '-q', '--disable-pip-version-check', '--only-binary', ':all:', '-r', requirements],
            'Python clients')
    return os.path.join(installed('python', [requirements], make), 'bin', 'python')


def kafkajs():
    """The folder that has node_modules and our program."""
    sources = within('js', ('.json', '.js'))

    def make(folder):
        for source in sources:
            shutil.copy(source, folder)
        run(['npm', 'ci', '--omit=dev', '--no-audit', '--no-fund', '--ignore-scripts'], 'kafkajs', cwd=folder)
    return installed('kafkajs', sources, make)


def franz_go():
    """Our program with franz-go, built."""
    sources = within('go', ('.go', '.mod', '.sum'))

    def make(folder):
        run(['go', 'build', '-o', os.path.join(folder, 'tour'), '.'], 'franz-go', cwd=os.path.join(HERE, 'go'),
            env=dict(os.environ, GOTOOLCHAIN='local', GOFLAGS='-mod=readonly'))
    return os.path.join(installed('franz-go', sources, make), 'tour')


def kcat():
    if shutil.which('kcat') is None:
        raise Unavailable('kcat is not installed: make setup-clients')
    return shutil.which('kcat')


CLIENTS = {'kcat': kcat, 'python': python, 'kafkajs': kafkajs, 'franz-go': franz_go,
           **{f'java-{v}': (lambda v=v: java_programs(v)) for v in JAVA_CLIENTS + JAVA_WHOLE}}


def main():
    unknown = set(sys.argv[1:]) - set(CLIENTS)
    if unknown:
        sys.exit(f'install.py: no such client: {", ".join(sorted(unknown))}; there are {", ".join(CLIENTS)}')
    for name in sys.argv[1:] or CLIENTS:
        try:
            CLIENTS[name]()
            say(f'{name}: there')
        except Unavailable as reason:
            say(f'{name}: not available, its tests will be skipped: {reason}')


if __name__ == '__main__':
    main()
