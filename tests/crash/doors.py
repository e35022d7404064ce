#!/usr/bin/env python3
"""Kills `edda serve` at random moments while clients of all its protocols are at it, again and again, and looks what is left:

    doors.py EDDA [--kills=6] [--seed=N]

Kafka's clients (tests/kafka/python/load.py: a producer, an idempotent one, transactions that move a group's offset, a group that reads), HTTP's (appends that are sent again with
their Idempotency-Key until they are answered, each expecting the version that it knows of), Redis's (XADD, PUBLISH, and a subscriber). After every restart: what was acknowledged over HTTP and
Redis's protocol since the last look is there, once, in order, and the same through either. Kafka's clients look at theirs every LOOK_EVERY kills. At the end all of it is looked at
again, from its beginning, and the log is verified.

The seed is printed first; with it the same moments come again. Without --kills, the environment's SOAK_SECONDS says how long it goes on.
"""
import http.client
import importlib.util
import os
import random
import sys
import threading
import time
import urllib.parse

sys.dont_write_bytecode = True
TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(TESTS, 'kafka'), os.path.join(TESTS, 'scenario')]
import edda  # noqa: E402
import kafka  # noqa: E402
import redis  # noqa: E402
from edda import holds, same, says, wait_for  # noqa: E402

ALIVE_S = (0.05, 1.0)  # of a broker, after it answers
LOOK_EVERY = 20        # kills, for Kafka's clients
PACE_S = 0.002         # between a client's requests: what was written is read again after each kill


def kafka_load():
    """tests/kafka/kill9.py has the name of the script beside this one."""
    spec = importlib.util.spec_from_file_location('kafka_kill9', os.path.join(TESTS, 'kafka', 'kill9.py'))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Load


class Broker(kafka.Edda):
    """With a port of each protocol that stays from one start to the next."""

    def __init__(self, program, data):
        super().__init__(program, data)
        self.ports = {name: edda_port() for name in ('http', 'resp')}
        self.options = [word for name, port in self.ports.items() for word in ('--' + name, f'127.0.0.1:{port}')]


def edda_port():
    """One that is free."""
    with redis.socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


class Worker(threading.Thread):
    """Does step() again and again, but while it rests. A connection that ends is made again."""

    def __init__(self, broker, name):
        super().__init__(daemon=True)
        self.broker, self.name = broker, name
        self.working, self.resting = threading.Event(), threading.Event()
        self.wrong = None
        self.connection = None
        self.acknowledged = []
        self.forget()
        self.working.set()
        self.start()

    def run(self):
        try:
            while True:
                if not self.working.is_set():
                    self.resting.set()
                    self.working.wait()
                    self.resting.clear()
                try:
                    self.connection = self.connection or self.connect()
                    self.step()
                except (OSError, http.client.HTTPException, ConnectionError):
                    self.disconnect()
                    time.sleep(0.01)  # the broker is away
                time.sleep(PACE_S)
        except BaseException as wrong:  # told by rest()
            self.wrong = wrong
            self.resting.set()

    def forget(self):
        """What was looked at is to be looked at again: `looked` entries, the last of them being `last`."""
        self.looked, self.last = 0, None

    def disconnect(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def rest(self):
        self.working.clear()
        holds(self.resting.wait(edda.LIMIT_S), f'{self.name} does not come to rest')
        if self.wrong:
            raise AssertionError(f'{self.name} failed: {self.wrong!r}')


class Appends(Worker):
    """Over HTTP: event n of its stream expects that n - 1 was the last. `waiting`: sent, and not answered."""

    def __init__(self, broker, name):
        self.count = 0
        self.resent = 0
        self.waiting = False
        super().__init__(broker, name)

    def connect(self):
        return edda.Client('127.0.0.1', self.broker.ports['http'])

    def step(self):
        n = self.count
        expects = {'If-None-Match': '*'} if n == 0 else {'If-Match': f'"{n - 1}"'}
        self.resent += self.waiting
        self.waiting = True
        answer = self.connection.ask('POST', f'/streams/crash/{self.name}?type=Counted', {'n': n}, {'Idempotency-Key': f'{self.name}-{n}', **expects})
        if answer.status == 503:
            raise ConnectionError('it is stopping')
        holds(answer.status in (200, 201), f'{self.name}-{n}: {answer.status} {answer.body[:300]}')
        same(answer.json['version'], n, f'the version of {self.name}-{n}')
        self.waiting = False
        self.acknowledged.append(n)
        self.count += 1

    def check(self, client, resp):
        values = [row['event']['data']['n'] for row in events(client, f'/streams/crash/{self.name}', self.looked)]
        there = self.looked + len(values)
        holds(there - len(self.acknowledged) in (0, int(self.waiting)), f'{self.name}: {len(self.acknowledged)} acknowledged, {there} are there')
        same(values, list(range(self.looked, there)), f'{self.name}: each once and in order')
        found = entries(resp, f'crash/{self.name}', self.last)
        same(len(found), len(values), f'{self.name} over Redis\'s protocol')
        self.looked, self.last = there, found[-1][0] if found else self.last


class Entries(Worker):
    """XADD to a stream of a key; what was not answered is sent no more, and may be there or not."""
    stream = 'crash-entries/'

    def __init__(self, broker, name):
        self.sent = 0
        super().__init__(broker, name)

    def connect(self):
        return redis.Connection(self.broker.ports['resp'])

    def step(self):
        self.sent += 1
        self.acknowledged.append((self.connection.ask('XADD', self.stream + self.name, '*', 'n', self.sent), str(self.sent)))

    def check(self, client, resp):
        found = [(i, fields[1]) for i, fields in entries(resp, self.stream + self.name, self.last)]
        numbers = [int(n) for _, n in found]
        same(numbers, sorted(set(numbers)), f'{self.name}: each once and in order')
        same(set(self.acknowledged[self.done:]) - set(found), set(), f'{self.name}: acknowledged and missing')
        same(len(events(client, f'/streams/crash-entries/{self.name}', self.looked)), len(found), f'{self.name} over HTTP')
        self.looked, self.last, self.done = self.looked + len(found), found[-1][0] if found else self.last, len(self.acknowledged)

    def forget(self):
        super().forget()
        self.done = 0  # of what was acknowledged


class Publishes(Worker):
    """PUBLISH to a channel, which is a topic."""

    def __init__(self, broker, name):
        self.sent = 0
        super().__init__(broker, name)

    connect = Entries.connect

    def step(self):
        self.sent += 1
        self.connection.ask('PUBLISH', 'crash-news', f'{self.name}:{self.sent}')
        self.acknowledged.append(self.sent)

    def check(self, client, resp):
        """The channel is a topic without keys: as an entry a message has one field, its value."""
        found = entries(resp, 'crash-news', self.last)
        self.texts += [fields[-1] for _, fields in found]
        self.looked, self.last = len(self.texts), found[-1][0] if found else self.last
        same(len(self.texts), len(set(self.texts)), f'{self.name}: each once')
        same({f'{self.name}:{n}' for n in self.acknowledged} - set(self.texts), set(), f'{self.name}: acknowledged and missing')

    def forget(self):
        super().forget()
        self.texts = []


class Subscriber(Worker):
    """Gets nothing that is not in the log, whatever comes after, and nothing twice."""

    def __init__(self, broker, name, publishes):
        self.publishes = publishes
        super().__init__(broker, name)

    def connect(self):
        connection = redis.Connection(self.broker.ports['resp'], 0.5)
        same(connection.ask('SUBSCRIBE', 'crash-news'), ['subscribe', 'crash-news', 1])
        return connection

    def step(self):
        self.acknowledged.append(self.connection.read()[2])

    def check(self, client, resp):
        same(len(self.acknowledged), len(set(self.acknowledged)), 'what the subscriber got: each once')
        same(set(self.acknowledged) - set(self.publishes.texts), set(), 'what the subscriber got and is missing')


def events(client, path, version):
    """A stream from a version on, over HTTP."""
    rows, at = [], f'{path}?limit=1000&from={version}'
    while at:
        answer = client.ask('GET', at)
        same(answer.status, 200, at)
        some = answer.json['_embedded']['events']
        rows += some
        parts = urllib.parse.urlsplit(answer.json['_links']['next']['href'])
        at = f'{parts.path}?{parts.query}' if len(some) == 1000 else None
    return rows


def entries(resp, stream, behind):
    """Those behind an id; None: all."""
    found, first = [], f'({behind}' if behind else '-'
    while True:
        some = resp.ask('XRANGE', stream, first, '+', 'COUNT', 1000)
        found += some
        if len(some) < 1000:
            return found
        first = '(' + some[-1][0]


def look(broker, workers):
    for worker in workers:
        worker.rest()
    client, resp = edda.Client('127.0.0.1', broker.ports['http']), redis.Connection(broker.ports['resp'])
    for worker in workers:
        worker.check(client, resp)
    resp.close()
    client.close()
    for worker in workers:
        worker.working.set()


def kill_and_look(world):
    """Nothing acknowledged is missing in any view, nothing is doubled, transactions are whole, group offsets are right, and the log is whole."""
    seed = edda.option('seed', random.SystemRandom().randrange(2 ** 32))
    limit = edda.option('kills', 0)
    until = time.monotonic() + float(os.environ.get('SOAK_SECONDS', '60'))
    print(f'seed {seed}', flush=True)
    chance = random.Random(seed)
    kafka.command('librdkafka')
    broker = Broker(world.application, world.data)
    world.servers.append(broker)
    broker.start()
    load = kafka_load()(broker)
    world.servers.insert(0, load)
    workers = [Appends(broker, f'appends-{n}') for n in range(3)] + [Entries(broker, f'entries-{n}') for n in range(2)] + [Publishes(broker, 'publishes')]
    workers.append(Subscriber(broker, 'subscriber', workers[-1]))
    wait_for(lambda: all(worker.acknowledged or worker.wrong for worker in workers), 'an answer for each client')
    kills = 0
    while kills < limit or (limit == 0 and time.monotonic() < until):
        # Not a wait for anything: the moment of the crash, which is to be any.
        time.sleep(chance.uniform(*ALIVE_S))
        broker.kill()
        broker.start()
        kills += 1
        look(broker, workers)
        if kills % LOOK_EVERY == 0:
            load.check()
            load.tell('go')
    load.check()
    for worker in workers:
        worker.rest()
        worker.forget()
    look(broker, workers)
    for worker in workers:
        worker.rest()
    counts = ', '.join(f'{worker.name} {len(worker.acknowledged)}' for worker in workers)
    print(f'{kills} kills; acknowledged: {counts}; sent again: {sum(w.resent for w in workers if isinstance(w, Appends))}', flush=True)
    holds(kills > 0, 'the broker was killed')
    broker.kill()
    broker.start()
    load.check()
    broker.stop()
    says(world.run('verify', world.data), 'is whole')


if __name__ == '__main__':
    edda.main((kill_and_look,))
