#!/usr/bin/env python3
"""`edda serve`: where it listens, what it says, how it starts again, and that `run` of an application takes the same flags.

    serve.py EDDA [NAME…] --application=CHOREOGRAPHY
"""
import json
import os
import re
import signal
import socket
import subprocess
import sys

sys.dont_write_bytecode = True
import edda  # noqa: E402
from edda import holds, same, says, wait_for  # noqa: E402


class Broker(edda.Process):
    """`edda serve`, or another command that serves; `where` has the address and port of each protocol."""

    def __init__(self, world, *options, command=None, **popen):
        self.where = {}
        self.command = command or [world.application, 'serve', '--data', world.data, *options]
        self.said = []
        self.listening = edda.threading.Event()
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **popen)
        self.reader = edda.threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        world.processes.append(self)

    def _read(self):
        for line in self.process.stdout:
            self.said.append(line.rstrip('\n'))
            http = re.match(r'listening: .* on https?://(\S+):(\d+)(;|$)', line)
            other = re.match(r'listening: ([a-z]+) on (\S+):(\d+)', line)
            if http:
                self.host, self.port = http[1], int(http[2])
                self.where['http'] = (self.host, self.port)
            elif other:
                self.where[other[1]] = (other[2], int(other[3]))
            elif line.startswith('data: '):
                self.listening.set()
        self.listening.set()

    def wait_listening(self, limit_s=edda.LIMIT_S):
        holds(self.listening.wait(limit_s) and self.where, f'{" ".join(self.command)} does not listen: {self.said}')
        return self


# Every protocol but the one of a test is off, or listens on a port that is free.
def others_off(world, *but):
    text = world.run('serve', '--help')
    names = re.findall(r'--(\w+) HOST:PORT', text)
    return [word for name in names if name not in but for word in ('--' + name, 'off')]


def says_where_it_listens(world):
    text = world.run('serve', '--help')
    says(text, r'--data DIR .*\(\./data/edda\)', r'--http HOST:PORT .*\(127\.0\.0\.1:2113\)')
    names = re.findall(r'--(\w+) HOST:PORT', text)
    broker = Broker(world, *(word for name in names for word in ('--' + name, '127.0.0.1:0'))).wait_listening()
    same(sorted(broker.where), sorted(names))
    holds(all(host == '127.0.0.1' and port > 0 for host, port in broker.where.values()), broker.where)
    same(broker.said[-1], f'data: {world.data}, which is new')
    for host, port in broker.where.values():
        socket.create_connection((host, port), timeout=edda.LIMIT_S).close()
    client = broker.client()
    same(client.get('/health')['application'], 'edda')
    same(client.metric('edda_connections'), 1)
    same(client.get('/services')['_embedded'], {'services': []})
    same(broker.end()[0], 0)
    same(broker.said[-1], 'stopping: everything that was answered is on the disk')


def says_it_as_json(world):
    done = subprocess.Popen([world.application, 'serve', '--data', world.data, '--http', '[::1]:0', '--json', *others_off(world, 'http')],
                            stdout=subprocess.PIPE, text=True)
    line = json.loads(done.stdout.readline())
    same((line['event'], line['protocol'], line['address']), ('listening', 'http', '::1'))
    socket.create_connection(('::1', line['port']), timeout=edda.LIMIT_S).close()
    rest = [json.loads(done.stdout.readline())]
    done.send_signal(signal.SIGINT)
    rest += [json.loads(line) for line in done.communicate(timeout=edda.LIMIT_S)[0].splitlines()]
    same(([line['event'] for line in rest], done.returncode), (['data', 'stopping'], 0))


def serves_the_log_of_an_application(world):
    """It reads nothing of the log at its start, and leaves nothing in it that the application would not find again."""
    process = Broker(world, command=[application, 'run', '--data', world.data, '--port', '0']).wait_listening()
    process.client().post('/points', {'userId': 'jjy', 'point': 1000.0})
    process.client().post('/orders', {'holderId': 'jjy', 'currencyId': 1, 'amount': 1.0})
    process.kill()
    broker = Broker(world, '--http', '127.0.0.1:0', *others_off(world, 'http')).wait_listening()
    says(broker.said[-1], 'recovered')
    tail = broker.client().metric('edda_journal_tail')
    for _ in range(20):
        same(broker.client().metric('edda_journal_tail'), tail)
    broker.kill()
    process = Broker(world, command=[application, 'run', '--data', world.data, '--http', 'localhost:0']).wait_listening()
    wait_for(lambda: process.client().ask('GET', '/orders/1').status == 200, 'the order')
    same(process.end()[0], 0)


def refuses_what_makes_no_sense(world):
    for words, pattern in (
            (('--http', 'here'), '--http takes HOST:PORT.*here'), (('--http', '127.0.0.1:65536'), '--http takes HOST:PORT'),
            (('--http', ':80'), '--http takes HOST:PORT'), (('--http', '127.0.0.1:'), '--http takes HOST:PORT'),
            (('--http', '[]:1'), '--http takes HOST:PORT'), (('--http', '300.0.0.1:0'), '--http 300.0.0.1:0: 300.0.0.1 is no IP address'),
            (('--http', 'off'), 'nothing would listen')):
        says(world.run('serve', '--data', world.data, *others_off(world, 'http'), *words, status=1), 'edda serve: ' + pattern)
        holds(not os.path.exists(world.data), words)
    with socket.socket() as taken:
        taken.bind(('127.0.0.1', 0))
        taken.listen()
        port = taken.getsockname()[1]
        says(world.run('serve', '--data', world.data, *others_off(world, 'http'), '--http', f'127.0.0.1:{port}', status=1),
             f'port {port} of 127.0.0.1 is taken: .*; --http HOST:PORT chooses another, port 0 takes a free one')


application = next((word.partition('=')[2] for word in sys.argv if word.startswith('--application=')), None)

if __name__ == '__main__':
    edda.main([says_where_it_listens, says_it_as_json, serves_the_log_of_an_application, refuses_what_makes_no_sense])
