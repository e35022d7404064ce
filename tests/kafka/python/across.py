#!/usr/bin/env python3
"""Producers with transactions that do what they are told: across.py BROKER. Of each line of the standard input the first word says what, and the second who; `ok` when it is done:

    begin WHO          send WHO KEY VALUE, to the topic orders; the broker has it when this is over          commit WHO          abort WHO"""
import sys

from confluent_kafka import Producer

BROKER = sys.argv[1]
LIMIT_S = 30
producers = {}


def producer_of(who):
    if who not in producers:
        producers[who] = Producer({'bootstrap.servers': BROKER, 'linger.ms': 0, 'log_level': 0, 'transactional.id': who})
        producers[who].init_transactions(LIMIT_S)
    return producers[who]


def send(who, key, value):
    failed = []
    producer_of(who).produce('orders', value, key, on_delivery=lambda error, _message: failed.append(error))
    left = producer_of(who).flush(LIMIT_S)
    if left or failed != [None]:
        raise AssertionError(f'{value} was not sent: {failed}')


for line in sys.stdin:
    what, who, *words = line.split()
    {'begin': lambda: producer_of(who).begin_transaction(), 'send': lambda: send(who, *words), 'commit': lambda: producer_of(who).commit_transaction(LIMIT_S),
     'abort': lambda: producer_of(who).abort_transaction(LIMIT_S)}[what]()
    print('ok', flush=True)
