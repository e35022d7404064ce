#!/usr/bin/env python3
"""A producer whose transaction hangs: hanging.py BROKER TOPIC PARTITION. `open`, when a record of it is there; after a line of the standard input it commits, and prints what it is told."""
import sys

from confluent_kafka import KafkaException, Producer

BROKER, TOPIC, PARTITION = sys.argv[1:]
LIMIT_S = 30
producer = Producer({'bootstrap.servers': BROKER, 'linger.ms': 0, 'log_level': 0, 'transactional.id': 'hanging'})
producer.init_transactions(LIMIT_S)
producer.begin_transaction()
producer.produce(TOPIC, b'half', b'k', int(PARTITION))
if producer.flush(LIMIT_S):
    raise AssertionError('the record was not sent')
print('open', flush=True)
sys.stdin.readline()
try:
    producer.commit_transaction(LIMIT_S)
    print('committed', flush=True)
except KafkaException as refused:
    print(refused.args[0].name(), flush=True)
