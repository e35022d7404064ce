#!/usr/bin/env python3
"""Each Kafka client's tour of the broker: clients.py EDDA --client=NAME, and what one client writes, read by all the others.

The records that every client writes in its scenario `produce` and checks in its scenario `read`, with each form of compression (none, gzip, snappy, lz4, zstd)
that it has, to topics with 3 partitions: NAME-old, and NAME-new for lz4 and zstd, which not every client has. The i-th of 40, i from 0:

    partition  i mod 3                 key    none when i mod 5 is 0, else key-(i mod 7)
    header id  COMPRESSION/i           value  null when i mod 10 is 3, else COMPRESSION/i/ and i * 37 mod 500 times x, the last one 300,000 times
    time       1700000000000 + 1000 i  other headers: `empty` with no bytes, `null` with null, where the client can
"""
import json
import os
import sys

import kafka
from kafka import edda, install
from edda import holds, same

sys.path.insert(0, os.path.join(kafka.HERE, 'python'))
import records  # noqa: E402

JAVA = ('produce', 'seek', 'groups', 'cooperative', 'static', 'transactions', 'admin')
SCENARIOS = {
    'java-2.5.0': JAVA,
    'java-2.8.2': JAVA,
    'java-3.9.1': JAVA + ('newer',),
    'java-4.1.0': JAVA + ('newer', 'streams'),
    'librdkafka': ('produce', 'seek', 'groups=range', 'groups=cooperative-sticky', 'transactions', 'admin'),
    'kafka-python': ('produce', 'seek', 'groups', 'transactions', 'admin'),
    'kafkajs': ('produce', 'groups', 'transactions', 'admin'),
    'franz-go': ('produce', 'seek', 'groups=range', 'groups=cooperative', 'transactions', 'admin'),
}


def tour(world):
    """A client does all that it can do: it produces and reads, in groups and in transactions, and administers."""
    client = edda.option('client', 'librdkafka')
    kafka.command(client)
    at = kafka.broker(world)
    first, *others = SCENARIOS[client]
    kafka.tour(at, client, first, f'read={",".join(topics(client, [client]))}', *others)


def topics(reader, writers):
    """What of those that these clients have written this one can read."""
    return [f'{writer}-{kind}' for writer in writers for kind in ('old', 'new') if kind == 'old' or 'kafkajs' not in (reader, writer)]


def everybody_reads_everybody(world):
    """What any client has written, any other one reads, record by record."""
    there = []
    for client in SCENARIOS:
        try:
            kafka.command(client)
            there.append(client)
        except edda.Skip as reason:
            print(reason)
    if not there:
        raise edda.Skip('no client is installed')
    at = kafka.broker(world)
    for client in there:
        kafka.tour(at, client, 'produce')
    for client in there:
        kafka.tour(at, client, f'read={",".join(topics(client, there))}')
    kcat_reads(at, there)


def kcat(at, *words, text=None):
    try:
        return kafka.run([install.kcat(), '-b', f'{at.host}:{at.port}', *words], 60, text)
    except install.Unavailable as reason:
        raise edda.Skip(str(reason)) from None


def kcat_reads(at, names):
    seen = records.Seen()
    for topic in topics('kcat', names):
        for line in kcat(at, '-C', '-t', topic, '-o', 'beginning', '-e', '-q', '-J').splitlines():
            found = json.loads(line)
            key, value = (None if found[part] is None else found[part].encode() for part in ('key', 'payload'))
            headers = [(name, None if text is None else text.encode()) for name, text in zip(found['headers'][::2], found['headers'][1::2])]
            seen.check(topic, found['partition'], found['ts'], key, value, headers)
    seen.finish(topics('kcat', names))


def kcat_tour(world):
    """kcat, with librdkafka as Debian has it: topics that make themselves, keys, headers, null values, every compression, groups, times."""
    install.kcat()
    at = kafka.broker(world)
    listed = json.loads(kcat(at, '-L', '-J'))
    same(len(listed['brokers']), 1, 'the brokers')
    for codec in ('none', 'gzip', 'snappy', 'lz4', 'zstd'):
        topic = f'kcat-{codec}'
        kcat(at, '-P', '-t', topic, '-p', '0', '-K', ':', '-z', codec, '-Z', '-H', 'a=1', '-H', 'b=2', '-X', 'acks=all',
             text=''.join(f'k{i}:{"" if i % 10 == 3 else "v" * i}\n' for i in range(50)))
        found = [json.loads(line) for line in kcat(at, '-C', '-t', topic, '-p', '0', '-o', 'beginning', '-e', '-q', '-J').splitlines()]
        same([(r['offset'], r['key'], r['payload'], r['headers']) for r in found],
             [(i, f'k{i}', None if i % 10 == 3 or i == 0 else 'v' * i, ['a', '1', 'b', '2']) for i in range(50)], f'written with {codec}')
        same(len(kcat(at, '-C', '-t', topic, '-p', '0', '-o', '-5', '-e', '-q').splitlines()), 5, 'the last five')
        same(kcat(at, '-Q', '-t', f'{topic}:0:{found[20]["ts"]}').split()[-1].isdigit(), True, 'an offset by time')
    partitions = next(t for t in json.loads(kcat(at, '-L', '-J'))['topics'] if t['topic'] == 'kcat-gzip')['partitions']
    same(len(partitions), 4, 'the partitions of a topic that made itself')
    kcat(at, '-P', '-t', 'kcat-idempotent', '-p', '0', '-X', 'enable.idempotence=true', text=''.join(f'{i}\n' for i in range(1000)))
    group = ('-G', 'kcat-group', '-e', '-q', '-X', 'auto.offset.reset=earliest', 'kcat-idempotent')
    same([line for line in kcat(at, *group).splitlines() if line.isdigit()], [str(i) for i in range(1000)], 'what the group reads')
    holds(not any(line.isdigit() for line in kcat(at, *group).splitlines()), 'the group reads nothing twice')


if __name__ == '__main__':
    edda.main((tour, everybody_reads_everybody, kcat_tour))
