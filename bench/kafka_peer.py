#!/usr/bin/env python3
"""Real Kafka, from its published jars, beside which Edda is measured and by which the tests in tests/kafka are checked: one node that is its own controller.

    kafka_peer.py [--version 4.1.0] [--dir DIRECTORY] [--port 0] [--heap 1G] [SETTING=VALUE…]

Says `kafka: listening on 127.0.0.1:PORT` once it answers, and ends, and Kafka with it, at SIGTERM, SIGINT or the end of its standard input. Without a directory it uses
one of its own and removes it. A topic with flush.messages=1 is synced at every append; by default Kafka leaves that to the system.
"""
import argparse
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'tests', 'kafka'))
import install  # noqa: E402

LIMIT_S = 60
# As a server of our own kind has it: nothing waits for a second member, and a transaction that timed out ends soon.
SETTINGS = {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLAINTEXT',
    'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT',
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': '4',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'transaction.state.log.num.partitions': '4',
    'share.coordinator.state.topic.replication.factor': '1',
    'share.coordinator.state.topic.min.isr': '1',
    'transaction.abort.timed.out.transaction.cleanup.interval.ms': '1000',
    'group.initial.rebalance.delay.ms': '0',
    'num.partitions': '4',
}


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def answers(port):
    """Whether a broker there answers a Metadata request and knows itself."""
    body = struct.pack('>hhih', 3, 1, 1, -1) + struct.pack('>i', 0)
    try:
        with socket.create_connection(('127.0.0.1', port), 2) as s:
            s.sendall(struct.pack('>i', len(body)) + body)
            head = s.recv(12, socket.MSG_WAITALL)
            return len(head) == 12 and struct.unpack('>iii', head)[2] > 0
    except OSError:
        return False


class Peer:
    """Kafka in `directory`, which keeps its data and its configuration from one start to the next."""

    def __init__(self, directory, version=install.JAVA_WHOLE[-1], port=0, settings=None, heap='1G'):
        self.jars = os.path.join(install.java(version), '*')
        self.directory = directory
        self.port = port or free_port()
        self.heap = heap
        self.process = None
        self.properties = os.path.join(directory, 'server.properties')
        self.output = os.path.join(directory, 'kafka.log')
        if not os.path.exists(self.properties):
            self._format(settings or {})

    def _java(self, *words):
        return ['java', f'-Xmx{self.heap}', '-XX:+UseG1GC', '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn', '-cp', self.jars, *words]

    def _format(self, settings):
        controller = free_port()
        os.makedirs(self.directory, exist_ok=True)
        rows = dict(SETTINGS, **{
            'controller.quorum.voters': f'1@localhost:{controller}',
            'listeners': f'PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{controller}',
            'advertised.listeners': f'PLAINTEXT://127.0.0.1:{self.port}',
            'log.dirs': os.path.join(self.directory, 'data'),
        }, **settings)
        with open(self.properties + '.part', 'w', encoding='utf-8') as file:
            file.writelines(f'{name}={value}\n' for name, value in rows.items())
        done = subprocess.run(self._java('kafka.tools.StorageTool', 'format', '-t', 'AAAAAAAAQACAAAAAAAAAAQ', '-c', self.properties + '.part'),
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=LIMIT_S, check=False)
        if done.returncode != 0:
            raise RuntimeError(f'kafka.tools.StorageTool failed: {done.stdout}')
        os.rename(self.properties + '.part', self.properties)

    def start(self):
        """Returns when it answers."""
        with open(self.output, 'ab') as output:
            self.process = subprocess.Popen(self._java('kafka.Kafka', self.properties), stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        limit = time.monotonic() + LIMIT_S
        while not answers(self.port):
            if self.process.poll() is not None or time.monotonic() > limit:
                self.kill()
                with open(self.output, encoding='utf-8', errors='replace') as file:
                    raise RuntimeError(f'Kafka does not answer on port {self.port}: {file.read()[-2000:]}')
            time.sleep(0.05)
        return self

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self):
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(LIMIT_S)
            except subprocess.TimeoutExpired:
                pass
            self.kill()


def main():
    parser = argparse.ArgumentParser(description='real Kafka, from its published jars')
    parser.add_argument('--version', default=install.JAVA_WHOLE[-1], choices=install.JAVA_WHOLE)
    parser.add_argument('--dir')
    parser.add_argument('--port', type=int, default=0)
    parser.add_argument('--heap', default='1G')
    parser.add_argument('settings', nargs='*', metavar='SETTING=VALUE')
    words = parser.parse_args()
    directory = words.dir or tempfile.mkdtemp(prefix='edda-kafka-')
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    threading.Thread(target=lambda: (sys.stdin.buffer.read(), ended.set()), daemon=True).start()
    peer = None
    try:
        peer = Peer(directory, words.version, words.port, dict(s.split('=', 1) for s in words.settings), words.heap).start()
        print(f'kafka: listening on 127.0.0.1:{peer.port}', flush=True)
        while not ended.wait(0.5):
            if peer.process.poll() is not None:
                sys.exit(f'kafka: ended with status {peer.process.returncode}; see {peer.output}')
    except (install.Unavailable, RuntimeError) as wrong:
        sys.exit(f'kafka: {wrong}')
    finally:
        if peer:
            peer.stop()
        if not words.dir:
            shutil.rmtree(directory, ignore_errors=True)


if __name__ == '__main__':
    main()
