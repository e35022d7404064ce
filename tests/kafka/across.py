#!/usr/bin/env python3
"""What Kafka's producers write, as clients of the other protocols see it: across.py EDDA [NAME…]."""
import subprocess

import kafka
from kafka import edda, serve
from edda import same
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


if __name__ == '__main__':
    edda.main((transactions_are_seen_from_their_end,))
