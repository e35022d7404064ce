"""What the scenarios with Kafka's clients share: a broker, client programs, a proxy that cuts connections.

The broker is `edda serve` on a port of its own, or another one, by which the scenarios themselves are checked:

    script.py EDDA [NAME…]                    the scenarios of these names; all of them without one
    script.py EDDA --peer=4.1.0 [NAME…]       with real Kafka, started from its published jars
    script.py EDDA --broker=HOST:PORT [NAME…] with any broker that is there
"""
import os
import random
import re
import select
import socket
import struct
import subprocess
import sys
import threading

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(ROOT, 'tests', 'scenario'), os.path.join(ROOT, 'bench')]
import edda  # noqa: E402
import install  # noqa: E402
import kafka_peer  # noqa: E402
import serve  # noqa: E402
from edda import holds, says  # noqa: E402

LIMIT_S = 180  # for a client program
# A small process that starts fast: the machine has few cores, and the broker needs one.
JAVA = ['java', '-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Dorg.slf4j.simpleLogger.defaultLogLevel=off']


# --- brokers -----------------------------------------------------------------------------------------------------------

class Edda:
    """`edda serve`, which keeps its port from one start to the next."""

    def __init__(self, program, data, *options):
        self.program, self.data, self.options = program, data, options
        self.host, self.port = '127.0.0.1', 0
        self.process = None
        self.said = []

    def start(self):
        self.process = subprocess.Popen([self.program, 'serve', '--data', self.data, '--kafka', f'{self.host}:{self.port}', *self.options],
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL)
        for line in self.process.stdout:
            self.said.append(line.rstrip('\n'))
            found = re.match(r'listening: kafka on ([0-9.]+):(\d+)', line)
            if found:
                self.port = int(found[2])
            if line.startswith('data: ') and self.port:
                threading.Thread(target=self._read, args=(self.process,), daemon=True).start()
                return self
        self.process.wait()
        raise AssertionError(f'edda serve ended with status {self.process.returncode}: {self.said[-10:]}')

    def _read(self, process):
        with process.stdout:
            for line in process.stdout:
                self.said.append(line.rstrip('\n'))

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self):
        """In order, and it must end well."""
        if self.process:
            self.process.terminate()
            status = self.process.wait(edda.LIMIT_S)
            self.process = None
            holds(status == 0, f'edda serve ended with status {status}: {self.said[-10:]}')


class Kafka(kafka_peer.Peer):
    host = '127.0.0.1'


class Elsewhere:
    """A broker that somebody else has started."""

    def __init__(self, address):
        self.host, _, port = address.rpartition(':')
        self.port = int(port)

    def start(self):
        return self

    def kill(self):
        raise edda.Skip(f'{self.host}:{self.port} is not ours to kill')

    def stop(self):
        pass


def broker(world, *options):
    """The broker that the command line asks for, started; `options` are of edda serve."""
    elsewhere, peer = edda.option('broker', ''), edda.option('peer', '')
    if elsewhere:
        made = Elsewhere(elsewhere)
    elif peer:
        made = Kafka(os.path.join(world.directory, 'kafka'), peer)
    else:
        made = Edda(world.application, world.data, *serve.others_off(world, 'kafka'), *options)
    world.servers.append(made)
    return made.start()


# --- clients -----------------------------------------------------------------------------------------------------------

def python_program(name):
    return lambda: [install.python(), '-B', os.path.join(HERE, 'python', name)]


def java_program(version, main='Tour'):
    return lambda: [*JAVA, '-cp', install.java_programs(version), main]


# How to start each, to which BROKER NAME SCENARIO… are added.
CLIENTS = {
    **{f'java-{version}': java_program(version) for version in install.JAVA_CLIENTS + install.JAVA_WHOLE},
    'librdkafka': python_program('confluent.py'),
    'kafka-python': python_program('kafka_python.py'),
    'kafkajs': lambda: ['node', os.path.join(install.kafkajs(), 'tour.js')],
    'franz-go': lambda: [install.franz_go()],
}


def command(client):
    try:
        return CLIENTS[client]()
    except install.Unavailable as reason:
        raise edda.Skip(str(reason)) from None


def run(words, limit_s=LIMIT_S, text=None):
    """Runs a client program to its end, which must be good; what it printed."""
    try:
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, input=text, text=True, timeout=limit_s, check=False,
                              stdin=subprocess.DEVNULL if text is None else None)
    except subprocess.TimeoutExpired as late:
        said = (late.stdout or b'').decode(errors='replace')
        raise AssertionError(f'{" ".join(words)[-300:]}: not done within {limit_s} s\n{said[-4000:]}') from None
    holds(done.returncode == 0, f'{" ".join(words)[-300:]}: status {done.returncode}\n{done.stdout[-6000:]}')
    return done.stdout


def tour(at, client, *scenarios):
    """Runs scenarios of a client, all in one process."""
    said = run([*command(client), f'{at.host}:{at.port}', client, *scenarios])
    print(said, end='', flush=True)
    says(said, *[re.escape(f'ok: {client} {scenario},') for scenario in scenarios])


# --- a proxy -----------------------------------------------------------------------------------------------------------

class Proxy:
    """Stands between clients and a broker, and cuts each connection after a random number of bytes or milliseconds while `cutting`. A broker tells clients
    where it is; in what comes from it, its address is replaced by that of the proxy, which has as many bytes in every version of the protocol."""

    def __init__(self, at, seed, lives_s=(0.05, 0.5)):
        self.at = at
        self.lives_s = lives_s
        self.chance = random.Random(seed)
        self.cutting = True
        self.cuts = 0
        self.deaf = False  # nothing comes from the broker any more
        self.pairs = []
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.host, self.port = self.listener.getsockname()
        self.theirs = at.host.encode() + struct.pack('>i', at.port)
        self.ours = self.host.encode() + struct.pack('>i', self.port)
        holds(len(self.theirs) == len(self.ours), 'addresses of the same length')
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(client, self.chance.uniform(*self.lives_s)), daemon=True).start()

    def _carry(self, client, life_s):
        try:
            server = socket.create_connection((self.at.host, self.at.port), 5)
        except OSError:
            client.close()
            return
        for each in (client, server):
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pairs.append((client, server))
        try:
            self._carry_both(client, server, life_s)
        except OSError:
            pass
        finally:
            for each in (client, server):
                # A reset, so that what is under way is lost, too.
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
                each.close()

    def _carry_both(self, client, server, life_s):
        held = b''  # the last bytes from the broker, which may be the beginning of its address
        while True:
            ready, _, _ = select.select([client, server], [], [], life_s if self.cutting else 0.5)
            if not ready and self.cutting:
                self.cuts += 1
                return
            if client in ready:
                some = client.recv(65536)
                if not some:
                    return
                life_s = self._sent(server, some, life_s)
            if server in ready:
                some = server.recv(65536)
                if not some:
                    return
                if self.deaf:
                    continue
                held = (held + some).replace(self.theirs, self.ours)
                keep = next((n for n in range(min(len(held), len(self.theirs) - 1), 0, -1) if self.theirs.startswith(held[-n:])), 0)
                life_s = self._sent(client, held[:len(held) - keep], life_s)
                held = held[len(held) - keep:]
            if life_s < 0:
                self.cuts += 1
                return

    def _sent(self, to, some, life_s):
        """Sends them, or the first of them when the connection's time is over; the time that is left."""
        life_s -= 0.01
        if self.cutting and life_s < 0:
            some = some[:int(len(some) * self.chance.random())]
        to.sendall(some)
        return life_s

    def cut_all(self):
        """All connections that there are."""
        for pair in self.pairs:
            for each in pair:
                try:
                    each.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # it has ended
        self.pairs.clear()

    def stop(self):
        self.listener.close()
