"""A Redis server of the scenario's own, on a port of its own, and as much of a client as is needed to look at it."""
import shutil
import socket
import subprocess

import edda
from edda import wait_for


def installed():
    return shutil.which('redis-server') is not None


class Connection:
    """One connection; send() and read() by themselves for subscribers."""

    def __init__(self, port, timeout_s=edda.LIMIT_S):
        self.socket = socket.create_connection(('127.0.0.1', port), timeout_s)
        self.stream = self.socket.makefile('rb')

    def send(self, *words):
        parts = [w if isinstance(w, bytes) else str(w).encode() for w in words]
        self.socket.sendall(b'*%d\r\n' % len(parts) + b''.join(b'$%d\r\n%s\r\n' % (len(p), p) for p in parts))

    def read(self):
        line = self.stream.readline()
        if not line.endswith(b'\r\n'):
            raise ConnectionError('the server has closed')
        kind, rest = line[:1], line[1:-2]
        if kind == b'-':
            raise RuntimeError(rest.decode())
        if kind in b'+':
            return rest.decode()
        if kind == b':':
            return int(rest)
        if kind == b'$':
            length = int(rest)
            return None if length < 0 else self.stream.read(length + 2)[:-2].decode()
        return [self.read() for _ in range(int(rest))]

    def ask(self, *words):
        self.send(*words)
        return self.read()

    def close(self):
        self.stream.close()
        self.socket.close()


class Server:
    """`options` as in redis.conf: ('appendonly', 'yes')."""

    def __init__(self, directory, *options, port=None):
        self.directory = directory
        self.options = options
        if port is None:
            with socket.socket() as s:
                s.bind(('127.0.0.1', 0))
                port = s.getsockname()[1]
        self.port = port
        self.start()

    def start(self):
        command = ['redis-server', '--port', str(self.port), '--bind', '127.0.0.1', '--dir', self.directory, '--save', '']
        for name, value in self.options:
            command += ['--' + name, value]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self._answers, f'the Redis server on port {self.port}')

    def _answers(self):
        try:
            connection = Connection(self.port)
        except OSError:
            return False
        try:
            return connection.ask('PING') == 'PONG'
        except RuntimeError as e:
            return 'NOAUTH' in str(e)
        except ConnectionError:
            return False
        finally:
            connection.close()

    def ask(self, *words, password=None):
        connection = Connection(self.port)
        try:
            if password:
                connection.ask('AUTH', password)
            return connection.ask(*words)
        finally:
            connection.close()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(edda.LIMIT_S)
