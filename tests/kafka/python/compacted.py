#!/usr/bin/env python3
"""Writes to compacted topics, several keys in each batch: compacted.py BROKER. The commands on the standard input, and what each prints:

    create TOPIC             makes it: one partition, compacted, nulls go at once
    write TOPIC CODEC N      60 records of 6 keys in a batch, N the first number in their values, the last one of `gone` null: OFFSET KEY VALUE, `-` for null, a line for each, and an empty line
    commit TOPIC N           the same in a transaction; abort TOPIC N as well, but of no use
    fill MEBIBYTES           so many in another topic, so that what was written before lies in a segment that is full"""
import os
import sys

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

BROKER = sys.argv[1]
LIMIT_S = 30
KEYS = ('a', 'b', 'c', 'd', 'a key that is longer than the others', 'gone')


def create(topic):
    config = {'cleanup.policy': 'compact', 'delete.retention.ms': '0'}
    client = AdminClient({'bootstrap.servers': BROKER, 'log_level': 0})  # which ends what is under way when it goes
    for future in client.create_topics([NewTopic(topic, 1, 1, config=config)]).values():
        future.result(LIMIT_S)
    print(flush=True)


def records(topic, producer, first):
    """All of them before the first is sent, which makes one batch."""
    done = []
    for i in range(60):
        key = KEYS[i * 7 % len(KEYS)] if i < 54 else KEYS[i - 54]
        value = None if i == 59 else f'{first + i}'
        producer.produce(topic, value, key, 0, on_delivery=lambda error, message: done.append((error, message.offset(), message.key().decode(), message.value())))
    left = producer.flush(LIMIT_S)
    if left or [error for error, *_ in done if error] or len(done) != 60:
        raise AssertionError(f'not sent: {left} {done}')
    for _, offset, key, value in done:
        print(offset, '-' if value is None else value.decode(), key)
    print(flush=True)


def producer_of(**more):
    return Producer({'bootstrap.servers': BROKER, 'log_level': 0, 'linger.ms': 300, 'enable.idempotence': True, **more})


def transaction(topic, first, commit):
    producer = producer_of(**{'transactional.id': 'tx'})
    producer.init_transactions(LIMIT_S)
    producer.begin_transaction()
    records(topic, producer, int(first))
    if commit:
        producer.commit_transaction(LIMIT_S)
    else:
        producer.abort_transaction(LIMIT_S)
    print('done', flush=True)


def fill(mebibytes):
    producer = producer_of(**{'linger.ms': 5})
    for _ in range(int(mebibytes) * 16):
        producer.produce('filler', os.urandom(65536))
        producer.poll(0)
        producer.flush(LIMIT_S)
    print(flush=True)


for line in sys.stdin:
    what, *words = line.split()
    {'create': create, 'fill': fill, 'write': lambda topic, codec, n: records(topic, producer_of(**{'compression.type': codec}), int(n)),
     'commit': lambda topic, n: transaction(topic, n, True), 'abort': lambda topic, n: transaction(topic, n, False)}[what](*words)
