#!/usr/bin/env python3
"""What Kafka's producers write, as clients of the other protocols see it: across.py EDDA [NAME…]."""
import subprocess

import kafka
from kafka import edda, serve
from edda import holds, same, says
import redis

KEYS = ('7', 'seven')  # in whatever partition each is


class Producers:
    """The process of python/across.py."""

    def __init__(self, at):
        self.process = subprocess.Popen([*kafka.python_program('across.py')(), at], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def tell(self, *lines):
        for line in lines:
            self.process.stdin.write(line + '\n')
            self.process.stdin.flush()
            same(self.process.stdout.readline(), 'ok\n', line)

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class Seen:
    """What a broker shows of the streams by HTTP and by Redis's protocol."""

    def __init__(self, broker):
        self.http, self.resp = broker.client(), redis.Connection(broker.where['resp'][1])

    def check(self, wanted, what):
        """`wanted`: the numbers that were written, in the order in which they count."""
        for key in KEYS:
            of_key = [number for number in wanted if number % 2 == KEYS.index(key)]
            entries = self.resp.ask('XRANGE', f'orders/{key}', '-', '+')
            same([fields[1] for _, fields in entries], [f'{{"n":{number}}}' for number in of_key], f'{what}: XRANGE orders/{key}')
            same(self.resp.ask('XLEN', f'orders/{key}'), len(of_key), f'{what}: XLEN orders/{key}')
            answer = self.http.ask('GET', f'/streams/orders/{key}')
            events = answer.json['_embedded']['events'] if answer.status == 200 else []
            same([(e['version'], e['event']['data']['n']) for e in events], list(enumerate(of_key)), f'{what}: GET /streams/orders/{key}, {answer.status}')
        everything = [fields[1] for _, fields in self.resp.ask('XRANGE', 'orders', '-', '+')]
        same(everything, [f'{{"n":{number}}}' for number in wanted], f'{what}: XRANGE orders')


def send(producers, who, *numbers):
    producers.tell(*(f'send {who} {KEYS[number % 2]} {{"n":{number}}}' for number in numbers))


def transactions_are_seen_from_their_end(world):
    """Records of transactions are in streams and channels when they are committed, in the order of the commits, and never when they are aborted; a crash between changes nothing."""
    kafka.command('librdkafka')
    broker = serve.Broker(world, '--kafka', '127.0.0.1:0', '--http', '127.0.0.1:0', '--resp', '127.0.0.1:0').wait_listening()
    ports = [word for name, (host, port) in broker.where.items() for word in ('--' + name, f'{host}:{port}')]
    producers = Producers('%s:%d' % broker.where['kafka'])
    world.servers.append(producers)
    listener = redis.Connection(broker.where['resp'][1])
    same(listener.ask('SUBSCRIBE', 'orders'), ['subscribe', 'orders', 1])
    seen = Seen(broker)
    producers.tell('begin a', 'begin b', 'begin c')
    send(producers, 'a', 1, 2)
    send(producers, 'b', 3, 4)
    send(producers, 'c', 5, 6)
    send(producers, 'a', 7, 8)
    seen.check([], 'while all are open')
    producers.tell('commit b')
    seen.check([3, 4], 'with the second committed')
    producers.tell('abort c')
    seen.check([3, 4], 'with the third aborted')
    producers.tell('commit a')
    seen.check([3, 4, 1, 2, 7, 8], 'with the first committed')
    # What comes between would have come before this one.
    producers.tell('begin d')
    send(producers, 'd', 9)
    producers.tell('commit d')
    heard = [listener.read()[2] for _ in range(7)]
    same(heard, [f'{{"n":{number}}}' for number in (3, 4, 1, 2, 7, 8, 9)], 'what the channel has given')
    producers.tell('begin a', 'begin b')
    send(producers, 'a', 10, 11)
    send(producers, 'b', 12, 13)
    producers.tell('commit b')
    broker.kill()
    broker = serve.Broker(world, *ports).wait_listening()
    seen = Seen(broker)
    seen.check([3, 4, 1, 2, 7, 8, 9, 12, 13], 'after a crash, with one open')
    producers.tell('commit a')
    seen.check([3, 4, 1, 2, 7, 8, 9, 12, 13, 10, 11], 'with that one committed')


def keys_longer_than_others_may_give(world):
    """A producer's key has the room of its batch: its record is read everywhere, and so is its stream by whoever can name it; others append to none with such a key."""
    kafka.command('librdkafka')
    broker = serve.Broker(world, '--kafka', '127.0.0.1:0', '--http', '127.0.0.1:0', '--resp', '127.0.0.1:0').wait_listening()
    producers = Producers('%s:%d' % broker.where['kafka'])
    world.servers.append(producers)
    client, resp = broker.client(), redis.Connection(broker.where['resp'][1])
    keys = ['k' * length for length in (4096, 5000, 60000)]
    producers.tell('begin a', *(f'send a {key} {{"n":{n}}}' for n in (0, 1) for key in keys), 'commit a')
    events = [row['event'] for row in client.get('/topics/orders')['_embedded']['events']]
    same([(event['subject'], event['data']['n']) for event in events], [(key, n) for n in (0, 1) for key in keys], 'GET /topics/orders')
    events = client.ask('POST', '/groups/readers/topics/orders/poll', {}).json['_embedded']['events']
    same([row['event']['subject'] for row in events], keys * 2, 'a poll')
    entries = resp.ask('XRANGE', 'orders', '-', '+')
    same([fields[3] for _, fields in entries], keys * 2, 'XRANGE orders')
    for key in keys:
        entries = [fields[1] for _, fields in resp.ask('XRANGE', f'orders/{key}', '-', '+')]
        same((entries, resp.ask('XLEN', f'orders/{key}')), (['{"n":0}', '{"n":1}'], 2), f'XRANGE of {len(key)} bytes')
        page = client.ask('GET', f'/streams/orders/{key}')
        if len(key) == 60000:  # more than the head of a request may have
            same(page.status, 431, 'GET /streams of 60,000 bytes')
            continue
        same([(e['version'], e['event']['data']['n']) for e in page.json['_embedded']['events']], [(0, 0), (1, 1)], f'GET /streams of {len(key)} bytes')
        same(client.ask('GET', f'/streams/orders/{key}/1').json, {'n': 1}, f'an event of {len(key)} bytes')
        for method, body in (('POST', {}), ('PATCH', {'truncateBefore': 1}), ('DELETE', None)):
            answer = client.ask(method, f'/streams/orders/{key}' + '?type=T' * (method == 'POST'), body)
            if len(key) > 4096:
                same((answer.status, answer.json['field']), (422, 'key'), f'{method} of {len(key)} bytes')
                says(answer.json['detail'], 'a key has at most 4096 bytes; a stream whose key is longer can only be read')
    for key in keys[1:]:
        try:
            holds(False, resp.ask('XADD', f'orders/{key}', '*', 'value', '{}'))
        except RuntimeError as refused:
            says(str(refused), 'a key has at most 4096 bytes')
    broker.end()
    says(world.run('verify', world.data), 'is whole|no damage|whole')


if __name__ == '__main__':
    edda.main((transactions_are_seen_from_their_end, keys_longer_than_others_may_give))
