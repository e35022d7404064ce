"""A PostgreSQL server of a test's own: in a directory of its own, on a free port of 127.0.0.1, as the user postgres when the test is root.

Run as a program it starts one, runs a command with the URL of an empty database behind its words, and stops it: postgres.py COMMAND …
"""
import contextlib
import glob
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile

SKIPPED = 77  # what a test ends with that cannot be run here


def binaries():
    """The directory of initdb and pg_ctl, the newest; None when PostgreSQL is not installed."""
    found = sorted(glob.glob('/usr/lib/postgresql/*/bin/pg_ctl'), key=lambda path: int(path.split('/')[4]))
    at_hand = shutil.which('pg_ctl')
    return os.path.dirname(found[-1] if found else at_hand) if found or at_hand else None


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


class Server:
    def __init__(self, directory):
        self.bin = binaries()
        self.data = os.path.join(directory, 'pg')
        self.port = free_port()
        self.log = os.path.join(directory, 'pg.log')
        self.become = {}
        if os.getuid() == 0:
            owner = pwd.getpwnam('postgres')
            os.chown(directory, owner.pw_uid, owner.pw_gid)
            self.become = {'user': owner.pw_uid, 'group': owner.pw_gid, 'extra_groups': []}

    def call(self, name, *words):
        done = subprocess.run([os.path.join(self.bin, name), *words], capture_output=True, text=True, timeout=120, check=False,
                              cwd='/', **self.become)
        if done.returncode != 0:
            raise RuntimeError(f'{name}: {done.stdout}{done.stderr}')
        return done.stdout

    def make(self):
        self.call('initdb', '-D', self.data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-locale', '--no-sync')

    def start(self):
        options = f'-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off'
        with open(os.devnull, 'wb') as nothing:
            subprocess.run([os.path.join(self.bin, 'pg_ctl'), '-D', self.data, '-l', self.log, '-o', options, '-w', '-t', '60', 'start'],
                           stdout=nothing, stderr=nothing, timeout=120, check=True, cwd='/', **self.become)

    def stop(self):
        self.call('pg_ctl', '-D', self.data, '-m', 'immediate', '-w', 'stop')

    def signal(self, number):
        """Sends a signal to all processes of the server."""
        with open(os.path.join(self.data, 'postmaster.pid'), encoding='ascii') as file:
            first = int(file.readline())
        with open(f'/proc/{first}/task/{first}/children', encoding='ascii') as file:
            children = [int(word) for word in file.read().split()]
        for process in [first, *children]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)

    def url(self):
        return f'postgres://postgres@127.0.0.1:{self.port}/postgres'


@contextlib.contextmanager
def server():
    """A started server, gone afterwards."""
    directory = tempfile.mkdtemp(prefix='edda-pg-')
    try:
        made = Server(directory)
        made.make()
        made.start()
        try:
            yield made
        finally:
            with contextlib.suppress(RuntimeError):  # a test may have stopped it
                made.stop()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def main():
    if binaries() is None:
        print('PostgreSQL is not installed', file=sys.stderr)
        return SKIPPED
    with server() as started:
        return subprocess.run([*sys.argv[1:], started.url()], check=False, timeout=600).returncode


if __name__ == '__main__':
    sys.exit(main())
