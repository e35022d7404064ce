#!/usr/bin/env python3
"""Channels over a real Redis server: what comes in, what goes out, each once, whoever dies in between.

    channels.py APPLICATION [NAME…] [--server=EDDA]

With --server it is an Edda that takes the place of the Redis server.
"""
import json
import os
import random
import re
import signal
import sys
import threading
import time

sys.dont_write_bytecode = True
import edda
import redis
from edda import holds, same, says, wait_for

KILLS = 8
PUBLISH = (b'EVAL', b'EDDA.PUBLISH')  # what the application says to a Redis server, and to an Edda


# --- what the scenarios need -----------------------------------------------------------------------------------------

def server(world, *options):
    tool = edda.option('server', '')
    if tool:
        if any(not name.startswith('append') for name, _ in options):
            raise edda.Skip('Edda has users in place of one password')
        return served_by(world, lambda directory: redis.Edda(os.path.abspath(tool), directory))
    if not redis.installed():
        raise edda.Skip('redis-server is not installed')
    return served_by(world, lambda directory: redis.Server(directory, *options))


def served_by(world, start):
    directory = os.path.join(world.directory, 'redis')
    os.makedirs(directory, exist_ok=True)
    found = start(directory)
    world.servers.append(found)
    return found


def run(world, port, *options):
    return world.start('--redis', f'127.0.0.1:{port}', *options)


def metric(process, name):
    client = process.client()
    try:
        return client.metric(name)
    finally:
        client.close()


def connected(process):
    wait_for(lambda: metric(process, 'edda_channels_publishing') and metric(process, 'edda_channels_subscribed'), 'the connections to Redis')


class Subscriber:
    """Keeps what is published on a channel."""

    def __init__(self, port, channel):
        self.got = []
        self.connection = redis.Connection(port, timeout_s=None)
        self.connection.ask('SUBSCRIBE', channel)
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        try:
            while True:
                self.got.append(json.loads(self.connection.read()[2]))
        except (OSError, ConnectionError, ValueError):
            pass


def greet(of_redis, name):
    return of_redis.ask('PUBLISH', 'greet', json.dumps({'name': name}))


def in_log(process, name):
    """How often the application has greeted this name."""
    answer = process.client().ask('GET', f'/traces/{name}')
    if answer.status == 404:
        return 0
    return max([json.loads(m['data'])['times'] if isinstance(m['data'], str) else m['data']['times']
                for m in answer.json['messages'] if m['type'] == 'Greeted'] or [0])


def each_once(got, process, names):
    """Every greeting in the log was published, once, and in order."""
    for name in names:
        there = in_log(process, name)
        wait_for(lambda: [g['times'] for g in got if g['name'] == name][-1:] == ([there] if there else []), f'greeting {there} of {name}')
        same([g['times'] for g in got if g['name'] == name], list(range(1, there + 1)), f'greetings of {name}')


# --- scenarios -------------------------------------------------------------------------------------------------------

def in_and_out(world):
    """What is published on the one channel is handled, and its outcome published on the other."""
    of_redis = server(world)
    process = run(world, of_redis.port)
    connected(process)
    listener = Subscriber(of_redis.port, 'greeted')
    for _ in range(3):
        same(greet(of_redis, 'jjy'), 1, 'subscribers of greet')
    wait_for(lambda: len(listener.got) == 3, 'three greetings')
    same(listener.got, [{'name': 'jjy', 'times': n} for n in (1, 2, 3)])
    same(metric(process, 'edda_channels_published_total'), 3)
    same(metric(process, 'edda_channels_received_total'), 3)
    same(process.end()[0], 0, 'exit status')


def what_is_wrong_is_passed_over(world):
    """A payload that is not of the type is counted and told, and nothing is recorded of it."""
    of_redis = server(world)
    process = run(world, of_redis.port)
    connected(process)
    for payload in ('', 'no json', '{"name":7.5}', '{}', '{"name":""}', '[]', '{"name":"' + 'x' * 65 + '"}', b'\xff\xfe'):
        of_redis.ask('PUBLISH', 'greet', payload)
    greet(of_redis, 'last')
    wait_for(lambda: in_log(process, 'last') == 1, 'the one that is right')
    same(metric(process, 'edda_channels_malformed_total') + metric(process, 'edda_channels_received_total'), 9)
    holds(metric(process, 'edda_channels_malformed_total') >= 7, 'those that are wrong are counted')
    says('\n'.join(process.said), r'channel.malformed: a message on channel greet is passed over: name: ')


def whoever_dies(world):
    """The application is killed again and again under load: every greeting in the log is published, once, in order."""
    of_redis = server(world)
    listener = Subscriber(of_redis.port, 'greeted')
    seed = int.from_bytes(os.urandom(4), 'little')
    print(f'seed {seed}')
    chance = random.Random(seed)
    names = [f'n{i}' for i in range(20)]
    for _ in range(KILLS):
        process = run(world, of_redis.port)
        connected(process)
        publisher = redis.Connection(of_redis.port)
        wanted = chance.randrange(50, 400)
        for _ in range(wanted):
            publisher.ask('PUBLISH', 'greet', json.dumps({'name': chance.choice(names)}))
        begun = len(listener.got)
        wait_for(lambda: len(listener.got) > begun or not wanted, 'something to happen')
        publisher.close()
        process.kill()
    process = run(world, of_redis.port)
    connected(process)
    each_once(listener.got, process, names)
    holds(len(listener.got) >= KILLS, 'something was published')


def while_redis_is_away(world):
    """What is recorded while the server is not there is published when it is back, in order; the application does not wait for it."""
    of_redis = server(world, ('appendonly', 'yes'), ('appendfsync', 'always'))
    process = run(world, of_redis.port)
    connected(process)
    first = Subscriber(of_redis.port, 'greeted')
    for _ in range(5):
        greet(of_redis, 'a')
    wait_for(lambda: len(first.got) == 5, 'five greetings')
    of_redis.stop()
    wait_for(lambda: not metric(process, 'edda_channels_publishing'), 'the loss of the connection')
    of_redis.start()
    connected(process)
    second = Subscriber(of_redis.port, 'greeted')
    greet(of_redis, 'a')
    wait_for(lambda: second.got, 'a greeting after the restart')
    same(second.got, [{'name': 'a', 'times': 6}])
    says('\n'.join(process.said), r'redis.lost: ', r'redis.connected: ')


def when_redis_has_forgotten(world):
    """A server that comes back empty is not told everything again: what was published is noted here too."""
    of_redis = server(world)
    process = run(world, of_redis.port)
    connected(process)
    first = Subscriber(of_redis.port, 'greeted')
    for _ in range(5):
        greet(of_redis, 'a')
    wait_for(lambda: len(first.got) == 5, 'five greetings')
    same(process.end()[0], 0, 'exit status')
    of_redis.stop()
    of_redis.start()
    second = Subscriber(of_redis.port, 'greeted')
    process = run(world, of_redis.port)
    connected(process)
    greet(of_redis, 'a')
    wait_for(lambda: second.got, 'a greeting after the restart')
    same(second.got, [{'name': 'a', 'times': 6}])


def from_before(world):
    """What was recorded before there was a server is published when there is one."""
    of_redis = server(world)
    process = run(world, of_redis.port)
    connected(process)
    of_redis.stop()
    wait_for(lambda: not metric(process, 'edda_channels_subscribed'), 'the loss of the connection')
    process.end()
    process = run(world, of_redis.port)
    same(metric(process, 'edda_channels_publishing'), 0)
    same(process.client().ask('GET', '/health').status, 200)
    of_redis.start()
    connected(process)


def with_a_password(world):
    """A wrong password is said; the right one, from a file, is not."""
    of_redis = server(world, ('requirepass', 'sesame'))
    path = os.path.join(world.directory, 'password')
    with open(path, 'w', encoding='ascii') as file:
        file.write('sesame\n')
    process = run(world, of_redis.port)
    wait_for(lambda: any('NOAUTH' in line for line in process.said), 'the refusal')
    process.end()
    process = run(world, of_redis.port, '--redis-password-file', path)
    connected(process)
    holds('sesame' not in '\n'.join(process.said), 'the password is not told')


def proxy(world, of_redis):
    found = redis.Proxy(of_redis.port)
    world.servers.append(found)
    return found


def one_that_is_refused(world):
    """The server refuses one publication and takes those behind it, which were sent already: none is left out, the order stays."""
    of_redis = server(world)
    between = proxy(world, of_redis)
    process = run(world, between.port)
    connected(process)
    listener = Subscriber(of_redis.port, 'greeted')
    seed = int.from_bytes(os.urandom(4), 'little')
    print(f'seed {seed}')
    chance = random.Random(seed)
    refused = []

    def refuse(words):
        if words[0] not in PUBLISH or len(refused) == 12 or chance.random() > 0.1:
            return None
        refused.append(words)
        return b"-OOM command not allowed when used memory > 'maxmemory'.\r\n"
    between.refuse = refuse
    publisher = redis.Connection(of_redis.port)
    names = ['a', 'b', 'c']
    for _ in range(5):
        for _ in range(100):
            publisher.send('PUBLISH', 'greet', json.dumps({'name': chance.choice(names)}))
        for _ in range(100):
            same(publisher.read(), 1)
    wait_for(lambda: len(listener.got) >= 500, 'all greetings')
    each_once(listener.got, process, names)
    same(len(listener.got), 500)
    holds(refused, 'something was refused')


def one_that_refuses_all(world):
    """A server that takes connections and refuses what is published is asked less and less often."""
    of_redis = server(world)
    between = proxy(world, of_redis)
    between.refuse = lambda words: b'-READONLY You can not write against a read only replica.\r\n' if words[0] in PUBLISH else None
    process = run(world, between.port)
    connected(process)
    greet(of_redis, 'a')
    begun = time.monotonic()
    wait_for(lambda: len([line for line in process.said if 'READONLY' in line]) == 5, 'five refusals')
    holds(time.monotonic() - begun > 1.4, 'between them are 0.1, 0.2, 0.4 and 0.8 s')
    listener = Subscriber(of_redis.port, 'greeted')
    between.refuse = lambda words: None
    wait_for(lambda: listener.got, 'the greeting')


def a_connection_that_is_closed_while_we_write(world):
    """The system's signal for that ends nothing; connections that are cut again and again lose nothing."""
    of_redis = server(world)
    process = run(world, of_redis.port)
    connected(process)
    listener = Subscriber(of_redis.port, 'greeted')
    process.process.send_signal(signal.SIGPIPE)
    publisher = redis.Connection(of_redis.port)
    for _ in range(20):
        for _ in range(50):
            publisher.ask('PUBLISH', 'greet', '{"name":"a"}')
        for client in of_redis.ask('CLIENT', 'LIST').splitlines():
            if 'cmd=eval' in client or 'cmd=edda.publish' in client:
                try:
                    of_redis.ask('CLIENT', 'KILL', 'ID', re.search(r'id=([0-9]+)', client)[1])
                except RuntimeError as gone:
                    says(str(gone), 'No such client')
    wait_for(lambda: len(listener.got) >= 1000, 'all greetings')
    each_once(listener.got, process, ['a'])


def one_that_is_silent(world):
    """A server that takes connections and says nothing is not waited for longer than 10 s."""
    of_redis = server(world)
    between = proxy(world, of_redis)
    between.silent = True
    process = run(world, between.port)
    wait_for(lambda: len([line for line in process.said if 'does not answer' in line]) == 2, 'both connections to be given up')
    between.silent = False
    connected(process)
    greet(of_redis, 'a')
    wait_for(lambda: in_log(process, 'a') == 1, 'the greeting')


def what_cannot_be(world):
    """An address that is none, and a file of a password that is not there, end the start with a sentence."""
    for options, sentence in ((('--redis', 'nowhere'), 'nowhere is no HOST:PORT'),
                              (('--redis', 'h:99999'), 'h:99999 is no HOST:PORT'),
                              (('--redis', 'h:1', '--redis-password-file', '/nonexistent'), '/nonexistent')):
        process = edda.Process(world.application, world.data, *options)
        same(process.process.wait(edda.LIMIT_S), 1, 'exit status')
        process.reader.join()
        says('\n'.join(process.said), sentence)


SCENARIOS = (in_and_out, what_is_wrong_is_passed_over, whoever_dies, while_redis_is_away, when_redis_has_forgotten, from_before,
             with_a_password, one_that_is_refused, one_that_refuses_all, a_connection_that_is_closed_while_we_write,
             one_that_is_silent, what_cannot_be)

if __name__ == '__main__':
    edda.main(SCENARIOS)
