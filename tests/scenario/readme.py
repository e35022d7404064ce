#!/usr/bin/env python3
"""The commands of a document do what it says.

    readme.py DOCUMENT --build=DIRECTORY [--source=DIRECTORY]

Runs the blocks marked ```sh test, in order. A line `make run` starts that program of the build and waits until it listens, and so
does a line `build/PROGRAM run`, which has a directory of its own and ends the one before, and `build/edda serve`, with the ports
that its clients expect; the others are run by bash, one after the other, and must end with 0. `# => text` behind a command is what its output must
contain, white space aside; with `(exit status N)` at its end the command must end so. Paths `build/` are those of the build directory. The
process gets the port that the document names; where that is taken the test is skipped.
"""
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
import edda
from edda import holds, same
from serve import Broker  # noqa: E402

PORT = 8088  # of a document that names none
BROKER_PORTS = (9092, 6379, 2113)


def blocks(text):
    """(line, commands) of each block that is to be tested."""
    for found in re.finditer(r'^```sh test\n(.*?)^```$', text, re.MULTILINE | re.DOTALL):
        yield text.count('\n', 0, found.start()) + 2, found[1].splitlines()


def steps(lines, first):
    """(line, command, what it is to show, its exit status) of each command; one that goes on over a backslash is one."""
    command, line = '', 0
    for number, text in enumerate(lines, first):
        line = line if command else number
        command += text
        if text.endswith('\\'):
            command = command[:-1]
            continue
        found = re.match(r'(.*?)(?:\s+# => (.*?)(?: \(exit status (\d+)\))?)?$', command)
        if found[1].strip() and not found[1].startswith('#'):
            yield line, found[1].strip(), found[2] or '', int(found[3] or 0)
        command = ''


def contains(text, wanted):
    return re.sub(r'\s', '', wanted) in re.sub(r'\s', '', text)


class Reader:
    """Does what the document says, as somebody who reads it would."""

    def __init__(self, build, source, directory, port):
        self.build, self.source, self.directory, self.port = build, source, directory, port
        self.process = None

    def make_run(self):
        """What `make run` ends with; that it builds before is shown by the build that is tested."""
        with open(os.path.join(self.source, 'Makefile'), encoding='utf-8') as file:
            [program] = re.findall(r'^run:.*\n(?:\t.*\n)*?\t@program="\$\(BUILD\)/(\S+)"', file.read(), re.MULTILINE)
        self.start(program)

    def start(self, program, *options):
        if self.process:
            self.process.end()
        data = os.path.join(self.directory, os.path.basename(program))
        self.process = edda.Process(os.path.join(self.build, program), data, *options, port=self.port, cwd=self.directory)
        self.process.wait_listening()

    def serve(self, options):
        if self.process:
            self.process.end()
        world = edda.World(os.path.join(self.build, 'edda'), self.directory)
        self.process = Broker(world, command=[world.application, 'serve', *options], cwd=self.directory).wait_listening()

    def run(self, command, shows, status):
        """What it shows may need a moment, as it would for somebody who types it: a command that only asks is repeated."""
        if command == 'make run':
            self.make_run()
            return
        if re.match(r'build/edda serve( [^&|;>]*)?$', command):
            self.serve(command.split()[2:])
            return
        started = re.match(r'build/(\S+) run( [^&|;>]*)?$', command)
        if started:
            self.start(started[1], *(started[2] or '').split())
            return
        command = re.sub(r'(?<![\w./])build/', self.build + '/', command)
        if re.match(r'curl -s \S+$|http :\S+$', command):
            edda.wait_for(lambda: contains(self.said(command, status), shows), f'{command} shows {shows!r}', 15)
            return
        said = self.said(command, status)
        holds(contains(said, shows), f'{command}\nshows no {shows!r}:\n{said}')

    def said(self, command, status):
        # Without a terminal httpie would take its standard input for a body.
        script = 'http() { command http --ignore-stdin --check-status "$@"; }\n' + command
        done = subprocess.run(['bash', '-euo', 'pipefail', '-c', script], cwd=self.directory, stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False)
        same(done.returncode, status, f'{command}\n{done.stdout}')
        return done.stdout


def port_of(commands):
    """The first port that a command names."""
    named = [found[1] for found in (re.search(r'(?:localhost| ):(\d{4,5})\b', command) for command in commands) if found]
    return int(named[0]) if named else PORT


def ports_of(commands):
    """Those that a program of the document is told to listen at."""
    return [int(port) for command in commands if command.startswith('build/') for port in re.findall(r' (?:127\.0\.0\.1|localhost):(\d{4,5})\b', command)]


def port_is_free(port):
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return one.connect_ex(('127.0.0.1', port)) != 0


def main():
    document = sys.argv[1]
    source = edda.option('source', os.path.dirname(os.path.abspath(document)))
    with open(document, encoding='utf-8') as file:
        found = [step for first, lines in blocks(file.read()) for step in steps(lines, first)]
    holds(found, f'{document} has no block ```sh test')
    for tool in ('curl', 'http', 'kcat', 'redis-cli'):
        if any(tool in command.split() for _, command, _, _ in found) and not shutil.which(tool):
            print(f'{tool} is not installed; tools/setup.sh installs it')
            sys.exit(edda.SKIPPED)
    commands = [command for _, command, _, _ in found]
    port = port_of(commands)
    serves = any(command.startswith('build/edda serve') for _, command, _, _ in found)
    for needed in {*ports_of(commands), *(BROKER_PORTS if serves else (port,))}:
        if not port_is_free(needed):
            print(f'port {needed} is taken')
            sys.exit(edda.SKIPPED)
    with tempfile.TemporaryDirectory(prefix='edda-') as directory:
        reader = Reader(os.path.abspath(edda.option('build', 'build')), source, directory, port)
        try:
            for line, command, shows, status in found:
                try:
                    reader.run(command, shows, status)
                except AssertionError as wrong:
                    print(f'{document}:{line}: {wrong}')
                    sys.exit(1)
                print(f'ok  {document}:{line}: {command}' + (f'  => {shows}' if shows else ''), flush=True)
        finally:
            if reader.process:
                reader.process.kill()


if __name__ == '__main__':
    main()
