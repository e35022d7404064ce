#!/usr/bin/env python3
"""Idempotent producers through a proxy that cuts their connections at random: cuts.py EDDA [--seed=N] [--records=2000]. Nothing is lost, nothing comes twice, and all
stays in order. The seed is printed first."""
import json
import random

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


if __name__ == '__main__':
    edda.main((producers_through_cuts,))
