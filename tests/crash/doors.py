#!/usr/bin/env python3
"""Kills `edda serve` at random moments while clients of all its protocols are at it, again and again, and looks what is left:

    doors.py EDDA [NAME…] [--kills=6] [--seed=N]

Kafka's clients (tests/kafka/python/load.py: a producer, an idempotent one, transactions that move a group's offset, a group that reads), HTTP's (appends that are sent again with
their Idempotency-Key until they are answered, each expecting the version that it knows of; consumers that compete), Redis's (XADD, PUBLISH, and a subscriber). After every restart:
what was acknowledged over HTTP and Redis's protocol since the last look is there, once, in order, and the same through either. Kafka's clients look at theirs every LOOK_EVERY kills,
and the others must see the same of it. At the end all of it is looked at again, from its beginning, and the log is verified.

That each of these looks can fail is shown by two more: a broker that is given the log of an earlier moment, and clients that do what none of these does.

The seed is printed first; with it the same moments come again. Without --kills, the environment's SOAK_SECONDS says how long it goes on.
"""
import collections
import http.client
import importlib.util
import os
import random
import shutil
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


def kafka_load(broker):
    """tests/kafka/kill9.py has the name of the script beside this one."""
    spec = importlib.util.spec_from_file_location('kafka_kill9', os.path.join(TESTS, 'kafka', 'kill9.py'))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Load(broker)


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


class Shares(Worker):
    """One of the consumers that share a topic: what it has acknowledged is given to nobody again."""
    path = '/groups/crash-shares/topics/crash-news'

    def __init__(self, broker, name):
        self.given = set()
        super().__init__(broker, name)

    connect = Appends.connect

    def ask(self, client, verb, body):
        answer = client.ask('POST', f'{self.path}/{verb}', body)
        if answer.status in (404, 503):
            raise ConnectionError('there is no topic yet, or it is stopping')
        same(answer.status, 200, f'{self.name}: {verb}: {answer.body[:300]}')
        return answer.json

    def poll(self, client, most, timeout_ms):
        found = [row['position'] for row in self.ask(client, 'poll', {'max': most, 'timeoutMs': timeout_ms})['_embedded']['events']]
        same(sorted(set(found) & set(self.acknowledged)), [], f'{self.name}: acknowledged and given again')
        self.given |= set(found)
        return found

    def step(self):
        found = self.poll(self.connection, 100, 1000)
        if found:
            same(self.ask(self.connection, 'ack', {'positions': found})['unknown'], [], f'{self.name}: what was given is unknown')
            self.acknowledged += found

    def check(self, client, resp):
        self.poll(client, 1000, 1)
        given_until = client.get(self.path)['next']
        same([position for position in self.acknowledged if position >= given_until], [], f'{self.name}: acknowledged and missing')

    def drain(self, client):
        """Whatever is left is given to somebody."""
        wanted = {row['position'] for row in events(client, '/topics/crash-news', 0)}

        def all_were_given():
            self.ask(client, 'ack', {'positions': self.poll(client, 1000, 60000)})
            return wanted <= self.given and client.get(self.path)['open'] == 0
        wait_for(all_were_given, f'{self.name}: that each is given and acknowledged')


def events(client, path, version):
    """A stream from a version on, or a topic from a position on, over HTTP."""
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


def look_at_kafka(broker, load):
    """What Kafka's clients find, and of their transactions the same over HTTP and Redis's protocol, which read by positions."""
    load.check()
    client, resp = edda.Client('127.0.0.1', broker.ports['http']), redis.Connection(broker.ports['resp'])
    over_http = collections.Counter(row['event']['data'] for row in events(client, '/topics/load-transactions', 0))
    over_resp = collections.Counter(int(fields[-1]) for _, fields in entries(resp, 'load-transactions', None))
    same(over_http - over_resp + (over_resp - over_http), collections.Counter(), 'transactions that HTTP and Redis\'s protocol see differently')
    same({n: count for n, count in over_http.items() if count != load.in_transaction}, {}, 'transactions that are not whole over HTTP')
    same(len(over_http), load.transactions, 'how many transactions there are over HTTP')
    resp.close()
    client.close()


def clients(world):
    """A broker, and clients that are at work."""
    kafka.command('librdkafka')
    broker = Broker(world.application, world.data)
    world.servers.append(broker)
    broker.start()
    load = kafka_load(broker)
    world.servers.insert(0, load)
    workers = [Appends(broker, f'appends-{n}') for n in range(3)] + [Entries(broker, f'entries-{n}') for n in range(2)] + [Publishes(broker, 'publishes')]
    workers += [Subscriber(broker, 'subscriber', workers[-1]), Shares(broker, 'shares')]
    all_work(workers)
    return broker, load, workers


def all_work(workers):
    """Until each has got an answer since."""
    before = [len(worker.acknowledged) for worker in workers]
    wait_for(lambda: all(len(worker.acknowledged) > count or worker.wrong for worker, count in zip(workers, before)), 'an answer for each client')


def kill_and_look(world):
    """Nothing acknowledged is missing in any view, nothing is doubled, transactions are whole, group offsets are right, and the log is whole."""
    seed = edda.option('seed', random.SystemRandom().randrange(2 ** 32))
    limit = edda.option('kills', 0)
    until = time.monotonic() + float(os.environ.get('SOAK_SECONDS', '60'))
    print(f'seed {seed}', flush=True)
    chance = random.Random(seed)
    broker, load, workers = clients(world)
    kills = 0
    while kills < limit or (limit == 0 and time.monotonic() < until):
        # Not a wait for anything: the moment of the crash, which is to be any.
        time.sleep(chance.uniform(*ALIVE_S))
        broker.kill()
        broker.start()
        kills += 1
        look(broker, workers)
        if kills % LOOK_EVERY == 0:
            look_at_kafka(broker, load)
            load.tell('go')
    look_at_kafka(broker, load)
    for worker in workers:
        worker.rest()
        worker.forget()
    look(broker, workers)
    for worker in workers:
        worker.rest()
    workers[-1].drain(edda.Client('127.0.0.1', broker.ports['http']))
    counts = ', '.join(f'{worker.name} {len(worker.acknowledged)}' for worker in workers)
    print(f'{kills} kills; acknowledged: {counts}; sent again: {sum(w.resent for w in workers if isinstance(w, Appends))}', flush=True)
    holds(kills > 0, 'the broker was killed')
    broker.kill()
    broker.start()
    look_at_kafka(broker, load)
    broker.stop()
    says(world.run('verify', world.data), 'is whole')


# --- the looks can fail --------------------------------------------------------------------------------------------------

def said_wrong(look_at, what):
    """What a look says that must fail."""
    try:
        look_at()
    except AssertionError as wrong:
        return str(wrong)
    raise AssertionError(f'nobody says so: {what}')


def a_lost_end_is_reported(world):
    """A broker that comes back with the log of an earlier moment: each client says that what was acknowledged since is missing."""
    broker, load, workers = clients(world)
    load.get_on()
    for worker in workers:
        worker.rest()
    broker.kill()
    shutil.copytree(world.data, world.data + '-before')
    broker.start()
    for worker in workers:
        worker.working.set()
    all_work(workers)
    load.get_on()
    for worker in workers:
        worker.rest()
    broker.kill()
    shutil.rmtree(world.data)
    os.rename(world.data + '-before', world.data)
    broker.start()
    client, resp = edda.Client('127.0.0.1', broker.ports['http']), redis.Connection(broker.ports['resp'])
    for worker in workers:
        says(said_wrong(lambda: worker.check(client, resp), f'{worker.name} has lost something'), worker.name, 'acknowledged|is missing')
    says(said_wrong(load.check, 'Kafka\'s clients have lost something'), 'load-plain: acknowledged and missing', 'load-idempotent: acknowledged and missing',
         'load-transactions: committed and missing', r'load-idempotent, partition \d: \d+ is committed, \d+ was acknowledged')


def what_is_doubled_is_reported(world):
    """What others write between is said by each client that it is none of: a record once more, one of a transaction that was not committed, a group that is moved."""
    broker, load, workers = clients(world)
    load.get_on()
    for worker in workers:
        worker.rest()
    client, resp = edda.Client('127.0.0.1', broker.ports['http']), redis.Connection(broker.ports['resp'])
    client.post('/streams/crash/appends-0?type=Counted', {'n': 0})
    resp.ask('XADD', 'crash-entries/entries-0', '*', 'n', 1)
    resp.ask('PUBLISH', 'crash-news', 'publishes:1')
    for worker in (workers[0], workers[3], workers[5]):
        says(said_wrong(lambda: worker.check(client, resp), f'{worker.name} has something twice'), worker.name)
    workers[6].acknowledged.append(workers[6].acknowledged[0])
    says(said_wrong(lambda: workers[6].check(client, resp), 'the subscriber got something twice'), 'each once')
    for wrong, said in (('again', 'load-idempotent, partition 0: found'), ('back', 'load-idempotent, partition 0: 0 is committed'),
                        ('moved', 'load-transactions: where the group was moved to'), ('uncommitted', 'load-transactions: there and not committed'),
                        ('part', 'load-transactions: transactions that are not whole')):
        load.do_wrong(wrong)
        says(said_wrong(load.check, wrong), said)


if __name__ == '__main__':
    edda.main((kill_and_look, a_lost_end_is_reported, what_is_doubled_is_reported))
