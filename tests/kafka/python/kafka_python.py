#!/usr/bin/env python3
"""kafka-python's tour of a broker: kafka_python.py BROKER NAME SCENARIO[=ARGUMENT]…, all in one process. NAME begins the names of its topics and groups. A
line `ok: …` for each scenario; the first that fails ends the program."""
import sys
import threading
import time

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic
from kafka.errors import TopicAlreadyExistsError
from kafka.structs import OffsetAndMetadata

import records
from records import LIMIT_S, same

BROKER, NAME = sys.argv[1:3]


def wait_for(what, condition):
    limit = time.monotonic() + LIMIT_S
    while not condition():
        if time.monotonic() > limit:
            raise AssertionError(f'{what}: not within {LIMIT_S} s')
        time.sleep(0.01)


def create(topic, partitions):
    client = KafkaAdminClient(bootstrap_servers=BROKER)
    client.create_topics([NewTopic(topic, partitions, 1, topic_configs={'retention.ms': '-1'})])
    client.close()


def consumer_of(**more):
    return KafkaConsumer(bootstrap_servers=BROKER, auto_offset_reset='earliest', enable_auto_commit=False, **more)


def read_all(topics, each, **more):
    """Every record of the topics up to the end that they have now."""
    consumer = consumer_of(**more)
    partitions = [TopicPartition(topic, p) for topic in topics for p in consumer.partitions_for_topic(topic)]
    consumer.assign(partitions)
    ends = consumer.end_offsets(partitions)
    limit = time.monotonic() + LIMIT_S
    while any(consumer.position(p) < ends[p] for p in partitions):
        if time.monotonic() > limit:
            raise AssertionError(f'not at the end within {LIMIT_S} s')
        for some in consumer.poll(200).values():
            for record in some:
                each(record)
    consumer.close()


def produce(_):
    for kind in ('old', 'new'):
        create(f'{NAME}-{kind}', records.PARTITIONS)
    for way, acks, kind in records.WAYS:
        producer = KafkaProducer(bootstrap_servers=BROKER, acks=acks, linger_ms=20, compression_type=None if way == 'none' else way,
                                 enable_idempotence=acks == 'all')
        sent = []
        for i in range(records.COUNT):
            identity = f'{way}/{i}'
            sent.append(producer.send(f'{NAME}-{kind}', records.value(identity, i), records.key(i), [('id', identity.encode()), ('empty', b'')],
                                      i % records.PARTITIONS, records.FIRST_MS + i * 1000))
        for each in sent:
            each.get(LIMIT_S)
        producer.close()


def read(names):
    topics = names.split(',')
    seen = records.Seen()
    read_all(topics, lambda r: seen.check(r.topic, r.partition, r.timestamp, r.key, r.value, r.headers), max_partition_fetch_bytes=100_000)
    seen.finish(topics)


def seek(_):
    topic = f'{NAME}-time'
    create(topic, 1)
    producer = KafkaProducer(bootstrap_servers=BROKER, linger_ms=10)
    for i in range(100):
        producer.send(topic, b'v%d' % i, partition=0, timestamp_ms=records.FIRST_MS + i * 10)
    producer.close()
    consumer = consumer_of()
    at = TopicPartition(topic, 0)
    for time_ms, offset in ((0, 0), (1, 1), (495, 50), (501, 51), (990, 99)):
        same(consumer.offsets_for_times({at: records.FIRST_MS + time_ms})[at].offset, offset, f'the offset at {time_ms} ms')
    same(consumer.beginning_offsets([at])[at], 0, 'the first offset')
    consumer.close()


class Member(threading.Thread):
    """A member of a group: polls, notes, commits, until it is told to leave."""

    def __init__(self, topic, group, seen):
        super().__init__(daemon=True)
        self.consumer = consumer_of(group_id=group, heartbeat_interval_ms=200, session_timeout_ms=20000, metadata_max_age_ms=2000, max_poll_records=50)
        self.consumer.subscribe([topic])
        self.seen = seen
        self.share = 0
        self.leaving = False
        self.wrong = None
        self.start()

    def run(self):
        try:
            while not self.leaving:
                for some in self.consumer.poll(50).values():
                    self.seen.extend(record.value for record in some)
                    self.consumer.commit({TopicPartition(some[-1].topic, some[-1].partition): OffsetAndMetadata(some[-1].offset + 1, 'so far', -1)})
                self.share = len(self.consumer.assignment())
            self.consumer.close()
        except Exception as wrong:  # told by leave()
            self.wrong = wrong

    def leave(self):
        self.leaving = True
        self.join(LIMIT_S)
        same(self.wrong, None, 'what went wrong with a member')


def groups(_):
    """Members join and leave while records are written: none is missed, and none that was committed comes again."""
    topic, count = f'{NAME}-group', 900
    seen = []
    create(topic, 6)
    producer = KafkaProducer(bootstrap_servers=BROKER, linger_ms=1)

    def write(begin, end):
        for i in range(begin, end):
            producer.send(topic, b'v%d' % i, partition=i % 6)
        producer.flush(LIMIT_S)

    def even(*members):
        for member in members:
            same(member.wrong, None, 'what went wrong with a member')
        return all(member.share == 6 // len(members) for member in members)

    first = Member(topic, f'{topic}-g', seen)
    write(0, 300)
    second, third = (Member(topic, f'{topic}-g', seen) for _ in range(2))
    write(300, 600)
    wait_for('three members share the partitions', lambda: even(first, second, third))
    second.leave()
    write(600, count)
    wait_for('two members share them', lambda: even(first, third))
    wait_for('all are seen', lambda: len(set(seen)) == count)
    first.leave()
    third.leave()
    producer.close()
    same(len(seen), count, 'how many were seen')
    consumer = consumer_of(group_id=f'{topic}-g')
    same([consumer.committed(TopicPartition(topic, p)) for p in range(6)], [count // 6] * 6, 'what is committed')
    consumer.close()


def transactions(_):
    topic = f'{NAME}-txn'
    create(topic, 1)
    producer = KafkaProducer(bootstrap_servers=BROKER, transactional_id=f'{topic}-t')
    producer.init_transactions()
    for turn in range(4):
        producer.begin_transaction()
        for i in range(2):
            producer.send(topic, b'%d.%d' % (turn, i), partition=0)
        if turn % 2 == 0:
            producer.commit_transaction()
        else:
            producer.flush(LIMIT_S)
            producer.abort_transaction()
    producer.close()

    def values(isolation):
        found = []
        read_all([topic], lambda r: found.append(r.value.decode()), isolation_level=isolation)
        return found
    same(values('read_committed'), ['0.0', '0.1', '2.0', '2.1'], 'read_committed')
    same(values('read_uncommitted'), [f'{turn}.{i}' for turn in range(4) for i in range(2)], 'read_uncommitted')


def admin(_):
    topic = f'{NAME}-admin'
    create(topic, 2)
    try:
        create(topic, 2)
        raise AssertionError('it was made twice')
    except TopicAlreadyExistsError:
        pass
    client = KafkaAdminClient(bootstrap_servers=BROKER)
    client.create_partitions({topic: 4})
    wait_for('four partitions', lambda: len(client.describe_topics([topic])[0]['partitions']) == 4)
    producer = KafkaProducer(bootstrap_servers=BROKER)
    for i in range(10):
        producer.send(topic, b'v%d' % i, partition=0)
    producer.close()
    consumer = consumer_of(group_id=f'{topic}-g')
    consumer.commit({TopicPartition(topic, 0): OffsetAndMetadata(5, '', -1)})
    consumer.close()
    same(len(client.describe_cluster()['brokers']), 1, 'the nodes')
    client.delete_topics([topic])
    wait_for('it is gone', lambda: topic not in client.list_topics())
    client.close()


SCENARIOS = {'produce': produce, 'read': read, 'seek': seek, 'groups': groups, 'transactions': transactions, 'admin': admin}

if __name__ == '__main__':
    for word in sys.argv[3:]:
        scenario, _, argument = word.partition('=')
        begun = time.monotonic()
        SCENARIOS[scenario](argument)
        print(f'ok: {NAME} {word}, {time.monotonic() - begun:.2f} s', flush=True)
