"""A Redis server of the scenario's own, or an Edda in its place, on a port of its own, and as much of a client as is needed to look at it."""
import os
import shutil
import socket
import subprocess
import threading

import edda
from edda import wait_for


def installed():
    return shutil.which('redis-server') is not None


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


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
        if kind in b'$=':
            length = int(rest)
            text = self.stream.read(length + 2)[:-2].decode(errors='surrogateescape') if length >= 0 else None
            return text[4:] if kind == b'=' else text
        if kind == b'_':
            return None
        if kind == b'%':
            return {self.read(): self.read() for _ in range(int(rest))}
        return None if int(rest) < 0 else [self.read() for _ in range(int(rest))]

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
            port = free_port()
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


class Edda(Server):
    """`edda serve` in place of a Redis server. `tool` is the binary; `listeners` are options of others than RESP's, which are off else."""

    def __init__(self, tool, directory, port=None, listeners=()):
        self.tool = tool
        self.listeners = list(listeners)
        super().__init__(directory, port=port)

    def start(self):
        off = []
        for line in subprocess.run([self.tool, 'serve', '--help'], text=True, capture_output=True, check=True).stdout.splitlines():
            if 'HOST:PORT' in line and line.split()[0] not in ('--resp', *self.listeners):
                off += [line.split()[0], 'off']
        self.process = subprocess.Popen([self.tool, 'serve', '--data', os.path.join(self.directory, 'data'), '--resp', f'127.0.0.1:{self.port}', *off, *self.listeners],
                                        stdout=open(os.path.join(self.directory, 'said'), 'ab'), stderr=subprocess.STDOUT)
        wait_for(self._answers, f'edda on port {self.port}')

    def said(self):
        with open(os.path.join(self.directory, 'said'), encoding='utf-8') as file:
            return file.read()


class Proxy:
    """Stands before a server, command by command. `refuse` gets the words of a command and gives the answer that is sent instead, or None.
    While `silent` connections are taken, and nothing is said on them."""

    def __init__(self, port):
        self.port_behind = port
        self.refuse = lambda words: None
        self.silent = False
        self.connections = []
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            self.connections.append(client)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    @staticmethod
    def _words(stream):
        """The words of a command, and its bytes."""
        raw = stream.readline()
        words = []
        for _ in range(int(raw[1:] or 0)):
            length = stream.readline()
            word = stream.read(int(length[1:]) + 2)
            raw += length + word
            words.append(word[:-2])
        return words, raw

    @staticmethod
    def _answer(stream):
        line = stream.readline()
        if line[:1] == b'$' and int(line[1:]) >= 0:
            line += stream.read(int(line[1:]) + 2)
        if line[:1] == b'*':
            line += b''.join(Proxy._answer(stream) for _ in range(int(line[1:])))
        return line

    def _serve(self, client):
        if self.silent:
            return
        try:
            with client, socket.create_connection(('127.0.0.1', self.port_behind)) as server:
                asked, told = client.makefile('rb'), server.makefile('rb')
                while True:
                    words, raw = self._words(asked)
                    if not words:
                        return
                    instead = self.refuse(words)
                    if instead is None:
                        server.sendall(raw)
                    client.sendall(self._answer(told) if instead is None else instead)
                    while words[0] == b'SUBSCRIBE':
                        message = self._answer(told)
                        if not message:
                            return
                        client.sendall(message)
        except (OSError, ValueError):
            pass

    def stop(self):
        self.listener.close()
        for connection in self.connections:
            connection.close()
