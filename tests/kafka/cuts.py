#!/usr/bin/env python3
"""Producers whose connections are cut by a proxy: cuts.py EDDA [NAME…] [--seed=N] [--records=2000]. At random, for idempotent ones: nothing is lost, nothing comes twice, and all
stays in order; the seed is printed first. And just when it matters, for a transactional one."""
import json
import random
import subprocess

import kafka
from kafka import edda
from edda import holds, same

CLIENTS = ('librdkafka', 'java-4.1.0', 'java-2.5.0', 'franz-go')


def producers_through_cuts(world):
    """Each client's idempotent producer gets its records written once and in order, however often its connections are cut."""
    seed = edda.option('seed', random.SystemRandom().randrange(2 ** 32))
    count = edda.option('records', 2000)
    print(f'seed {seed}', flush=True)
    programs = {}
    for client in CLIENTS:
        try:
            programs[client] = kafka.command(client)
        except edda.Skip as reason:
            print(reason)
    reader = kafka.command('librdkafka')
    at = kafka.broker(world)
    straight = f'{at.host}:{at.port}'
    proxy = kafka.Proxy(at, seed)
    world.servers.append(proxy)
    for client, words in programs.items():
        topic = f'{client}-cuts'
        kafka.run([*reader, straight, client, f'topic={topic}'])
        before = proxy.cuts
        kafka.run([*words, f'{proxy.host}:{proxy.port}', client, f'cuts={count}'])
        said = kafka.run([*reader, straight, client, f'values={topic}'])
        for partition, values in enumerate(json.loads(said.splitlines()[0])):
            same([int(v) for v in values], list(range(partition, count, 3)), f'{topic}, partition {partition}')
        print(f'{client}: {count} records, {proxy.cuts - before} cuts', flush=True)
        holds(proxy.cuts > before, 'connections were cut')


def what_was_aborted_is_not_the_next(world):
    """What is committed after a batch whose answer was lost, and which was aborted, is not taken for that batch."""
    words = kafka.python_program('aborted.py')
    kafka.command('librdkafka')
    at = kafka.broker(world)
    proxy = kafka.Proxy(at, 1)
    proxy.cutting = False
    world.servers.append(proxy)
    client = subprocess.Popen([*words(), f'{at.host}:{at.port}', f'{proxy.host}:{proxy.port}', 'aborted'], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True)

    def asks(word):
        said = client.stdout.readline().strip()
        if said != word:
            client.kill()
            raise AssertionError(f'the client failed: {said}\n{client.stdout.read()}')

    asks('deaf')
    proxy.deaf = True
    client.stdin.write('\n')
    client.stdin.flush()
    asks('cut')
    proxy.cut_all()
    proxy.deaf = False
    said, _ = client.communicate('\n', kafka.LIMIT_S)
    print(said, end='', flush=True)
    same(client.returncode, 0, said)


if __name__ == '__main__':
    edda.main((producers_through_cuts, what_was_aborted_is_not_the_next))
