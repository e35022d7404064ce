#!/usr/bin/env python3
"""A transactional producer whose connection is lost between a batch and its answer, and which then aborts: aborted.py BROKER PROXY TOPIC. Says `deaf` when no answer is to come
through any more, `cut` when the batch is written, and waits for a line of its standard input each time. What it commits next must be there.

librdkafka takes what it purges for never sent and gives its sequence numbers again, so that a broker may take what is sent next for the repetition of what was aborted."""
import sys

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

STRAIGHT, PROXY, TOPIC = sys.argv[1:4]
LIMIT_S = 30
ABORT_LIMIT_S = 2  # after which what was sent and not answered is purged


def say(word):
    print(word, flush=True)
    sys.stdin.readline()


def written():
    """The offset behind the last record, of whatever transaction."""
    consumer = Consumer({'bootstrap.servers': STRAIGHT, 'group.id': f'{TOPIC}-looks', 'isolation.level': 'read_uncommitted'})
    end = consumer.get_watermark_offsets(TopicPartition(TOPIC, 0), LIMIT_S, cached=False)[1]
    consumer.close()
    return end


def committed():
    consumer = Consumer({'bootstrap.servers': STRAIGHT, 'group.id': f'{TOPIC}-reads', 'isolation.level': 'read_committed', 'enable.partition.eof': True})
    consumer.assign([TopicPartition(TOPIC, 0, 0)])
    found = []
    while True:
        message = consumer.poll(LIMIT_S)
        if message is None or message.error():
            break
        found.append(message.value().decode())
    consumer.close()
    return found


def main():
    admin = AdminClient({'bootstrap.servers': STRAIGHT})
    admin.create_topics([NewTopic(TOPIC, 1, 1)])[TOPIC].result(LIMIT_S)
    producer = Producer({'bootstrap.servers': PROXY, 'transactional.id': TOPIC, 'linger.ms': 1, 'log_level': 0, 'error_cb': lambda _: None, 'metadata.recovery.strategy': 'none',
                         'reconnect.backoff.ms': 10, 'reconnect.backoff.max.ms': 100})
    producer.init_transactions(LIMIT_S)
    producer.begin_transaction()
    producer.produce(TOPIC, 'first', partition=0)
    producer.flush(LIMIT_S)
    before = written()
    say('deaf')
    producer.produce(TOPIC, 'aborted', partition=0)
    producer.poll(0)
    while written() == before:
        pass
    say('cut')
    for _ in range(2):
        try:
            producer.abort_transaction(ABORT_LIMIT_S)
            break
        except KafkaException as wrong:
            if not wrong.args[0].retriable():
                raise
    said = []
    while not said or said[-1] != 'committed':
        producer.begin_transaction()
        producer.produce(TOPIC, 'next', partition=0)
        try:
            producer.commit_transaction(LIMIT_S)
            said.append('committed')
        except KafkaException as wrong:
            said.append(str(wrong.args[0].code()))
            if not wrong.args[0].txn_requires_abort() or len(said) > 3:
                raise
            producer.abort_transaction(LIMIT_S)
    found = committed()
    if found != ['next']:
        raise AssertionError(f'committed are {found}, after {said}')
    print(f'ok: {said}', flush=True)


if __name__ == '__main__':
    main()
