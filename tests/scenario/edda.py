"""What the scenarios share: a process of an application, its HTTP clients, waiting for a condition, checks that say what they found.

A script has functions, each a scenario with a docstring, and ends with `edda.main(SCENARIOS)`. A scenario gets a `World`: an
empty directory, and start() for processes, which do not outlive it. Run as

    script.py APPLICATION [NAME…]      the scenarios of these names; all of them without one
    script.py APPLICATION --argument=… whatever the script takes besides
"""
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

LIMIT_S = 30
SKIPPED = 77


class Skip(Exception):
    """Cannot be shown here, for this reason."""


# --- checks ------------------------------------------------------------------------------------------------------------

def same(found, wanted, what=''):
    if found != wanted:
        raise AssertionError(f'{what + ": " if what else ""}found {found!r}, wanted {wanted!r}')


def holds(condition, what):
    if not condition:
        raise AssertionError(what)


def says(text, *patterns):
    for pattern in patterns:
        if not re.search(pattern, text):
            raise AssertionError(f'nothing like {pattern!r} in:\n{text}')


def wait_for(condition, what, limit_s=LIMIT_S):
    """Waits until `condition` gives something that is true, and returns it."""
    limit = time.monotonic() + limit_s
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > limit:
            raise AssertionError(f'{what}: not within {limit_s} s')
        time.sleep(0.005)


# --- a process ---------------------------------------------------------------------------------------------------------

class Process:
    """`APPLICATION run` on a free port. What it prints is in `said`, a line each."""

    def __init__(self, application, data, *options, port=0, **popen):
        self.command = [application, 'run', '--data', data, '--port', str(port), *options]
        self.said = []
        self.listening = threading.Event()
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **popen)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.said.append(line.rstrip('\n'))
            found = re.match(r'listening: .* on http://([0-9.]+):(\d+);', line)
            if found:
                self.host, self.port = found[1], int(found[2])
                self.listening.set()
        self.listening.set()

    def wait_listening(self, limit_s=LIMIT_S):
        holds(self.listening.wait(limit_s), f'{" ".join(self.command)} does not listen within {limit_s} s: {self.said}')
        holds(hasattr(self, 'port'), f'{" ".join(self.command)} ended: {self.said}')
        return self

    @property
    def url(self):
        return f'http://{self.host}:{self.port}'

    def client(self):
        return Client(self.host, self.port)

    def end(self, with_signal=signal.SIGTERM, limit_s=LIMIT_S):
        """Sends a signal and waits; returns the exit status (negative: the signal it died of) and how long that took."""
        begun = time.monotonic()
        self.process.send_signal(with_signal)
        status = self.process.wait(limit_s)
        took = time.monotonic() - begun
        self.reader.join()
        self.process.stdout.close()
        return status, took

    def kill(self):
        """As if the power went: no chance to write anything more. All right when it has ended."""
        if self.process.stdout.closed:
            return
        self.process.kill()
        self.end(signal.SIGKILL)


# --- HTTP --------------------------------------------------------------------------------------------------------------

class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f'{self.status} {self.body.decode(errors="replace")}'


class Client:
    """One connection that is kept; opened again when it was closed. A request that gets no answer raises OSError or
    http.client.HTTPException, and nothing is sent twice."""

    def __init__(self, host, port, timeout_s=LIMIT_S):
        self.connection = http.client.HTTPConnection(host, port, timeout=timeout_s)

    def ask(self, method, path, body=None, headers=None):
        """`body`: bytes as they are; anything else as JSON."""
        headers = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body is not None:
            headers.setdefault('Content-Type', 'application/json')
        try:
            self.connection.request(method, path, body, headers)
            answer = self.connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        except (OSError, http.client.HTTPException):
            self.connection.close()
            raise

    def get(self, path, status=200):
        answer = self.ask('GET', path)
        same(answer.status, status, f'GET {path}: {answer.body[:300]}')
        return answer.json if answer.body else None

    def post(self, path, body=None, status=201, **headers):
        answer = self.ask('POST', path, body, {name.replace('_', '-'): value for name, value in headers.items()})
        same(answer.status, status, f'POST {path} {body}: {answer.body[:300]}')
        return answer.json if answer.body else None

    def text(self, path):
        answer = self.ask('GET', path)
        same(answer.status, 200, f'GET {path}: {answer.body[:300]}')
        return answer.body.decode()

    def all(self, path):
        """The rows of all pages of a collection."""
        rows, number = [], 0
        while True:
            answer = self.get(f'{path}?size=1000&page={number}')
            rows += next(iter(answer['_embedded'].values()))
            number += 1
            if number >= answer['page']['totalPages']:
                return rows

    def metric(self, name):
        """The value of a metric; the one of all its rows when it has labels."""
        found = re.findall(rf'^{name}(?:{{[^}}]*}})? (\d+)$', self.text('/metrics'), re.MULTILINE)
        holds(found, f'there is no metric {name}')
        return sum(map(int, found))

    def close(self):
        self.connection.close()


def talk(host, port, sent, limit_s=LIMIT_S):
    """Sends bytes as they are, and returns all that comes until the other side closes."""
    with socket.create_connection((host, port), timeout=limit_s) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        received = b''
        while True:
            some = connection.recv(65536)
            if not some:
                return received
            received += some


# --- running scenarios -------------------------------------------------------------------------------------------------

class World:
    def __init__(self, application, directory):
        self.application, self.directory = application, directory
        self.data = os.path.join(directory, 'data')
        self.processes = []
        self.servers = []  # others that the scenario has started: have a stop()

    def start(self, *options, data=None, **popen):
        process = Process(self.application, data or self.data, *options, **popen)
        self.processes.append(process)
        return process.wait_listening()

    def run(self, *words, status=0, application=None):
        """Runs a command of the application to its end; its standard output, and behind it the error output if `status` is not 0."""
        done = subprocess.run([application or self.application, *words], text=True, capture_output=True, timeout=LIMIT_S * 4, check=False)
        same(done.returncode, status, f'{" ".join(words)}\n{done.stdout}{done.stderr}')
        return done.stdout if status == 0 else done.stdout + done.stderr


def run(scenario, application):
    directory = tempfile.mkdtemp(prefix='edda-')
    world = World(application, directory)
    try:
        scenario(world)
    except AssertionError:
        for process in world.processes:
            print('\n'.join(['-- ' + ' '.join(process.command)] + process.said[-20:]), flush=True)
        raise
    finally:
        for process in world.processes:
            process.kill()
        for server in world.servers:
            server.stop()
        shutil.rmtree(directory, ignore_errors=True)


def main(scenarios):
    names = [word for word in sys.argv[2:] if not word.startswith('--')]
    unknown = set(names) - {s.__name__ for s in scenarios}
    if len(sys.argv) < 2 or unknown:
        sys.exit(f'usage: {sys.argv[0]} APPLICATION [{"|".join(s.__name__ for s in scenarios)}]…')
    failed = []
    skipped = []
    for scenario in scenarios:
        if names and scenario.__name__ not in names:
            continue
        begun = time.monotonic()
        result = 'ok'
        try:
            run(scenario, os.path.abspath(sys.argv[1]))
        except Skip as reason:
            result = f'skipped: {reason}'
            skipped.append(reason)
        except Exception as wrong:  # the others are still worth running
            result = f'FAILED: {scenario.__doc__}\n    {type(wrong).__name__}: {wrong}'
            failed.append(scenario)
        print(f'{time.monotonic() - begun:6.2f} s  {scenario.__name__}  {result}', flush=True)
    if failed:
        sys.exit(1)
    if skipped:
        print(skipped[-1])
        sys.exit(SKIPPED)


def option(name, default):
    """The value of --name=… on the command line."""
    for word in sys.argv[2:]:
        if word.startswith(f'--{name}='):
            return type(default)(word.partition('=')[2])
    return default
