#!/usr/bin/env python3
"""librdkafka's tour of a broker, through confluent-kafka: confluent.py BROKER NAME SCENARIO[=ARGUMENT]…, all in one process. NAME begins the names of its
topics and groups. A line `ok: …` for each scenario; the first that fails ends the program."""
import json
import sys
import threading
import time

from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic, OffsetSpec, ResourceType)

import records
from records import LIMIT_S, same

BROKER, NAME = sys.argv[1:3]
FOREVER = {'retention.ms': '-1'}  # for records whose times are long past


def settings(**more):
    return {'bootstrap.servers': BROKER, 'log_level': 0, **{name.replace('_', '.'): value for name, value in more.items()}}


def wait_for(what, condition):
    limit = time.monotonic() + LIMIT_S
    while not condition():
        if time.monotonic() > limit:
            raise AssertionError(f'{what}: not within {LIMIT_S} s')
        time.sleep(0.01)


def done(futures):
    """The results of calls of the admin client; an error is raised."""
    return {name: future.result(LIMIT_S) for name, future in futures.items()}


def create(topic, partitions, **config):
    client = AdminClient(settings())  # which ends what is under way when it goes
    done(client.create_topics([NewTopic(topic, partitions, 1, config=config)]))


class Errors:
    """What deliveries complained of."""

    def __init__(self):
        self.found = []

    def __call__(self, error, _message):
        if error:
            self.found.append(error)


def send_all(producer, errors, what, limit_s=LIMIT_S):
    same(producer.flush(limit_s), 0, f'{what}: how many are still on the way')
    same(errors.found, [], f'{what}: errors')


def read_all(topics, each, partitions, **more):
    """Every record of the topics up to the end that they have now."""
    consumer = Consumer(settings(group_id=f'{NAME}-reads', enable_auto_commit=False, auto_offset_reset='earliest', enable_partition_eof=True, **more))
    left = {(topic, p) for topic in topics for p in range(partitions)}
    consumer.assign([TopicPartition(topic, p, 0) for topic, p in left])
    limit = time.monotonic() + LIMIT_S
    while left:
        if time.monotonic() > limit:
            raise AssertionError(f'not at the end within {LIMIT_S} s: {left}')
        for message in consumer.consume(500, 0.2):
            if message.error() and message.error().code() == KafkaError._PARTITION_EOF:
                left.discard((message.topic(), message.partition()))
            elif message.error():
                raise KafkaException(message.error())
            else:
                each(message)
    consumer.close()


def produce(_):
    for kind in ('old', 'new'):
        create(f'{NAME}-{kind}', records.PARTITIONS, **FOREVER)
    for way, acks, kind in records.WAYS:
        errors = Errors()
        producer = Producer(settings(compression_type=way, acks=acks, linger_ms=20, enable_idempotence=acks == 'all'))
        for i in range(records.COUNT):
            identity = f'{way}/{i}'
            producer.produce(f'{NAME}-{kind}', records.value(identity, i), records.key(i), i % records.PARTITIONS, errors, timestamp=records.FIRST_MS + i * 1000,
                             headers=[('id', identity), ('null', None), ('empty', b'')])
        send_all(producer, errors, f'written with {way}')


def read(names):
    topics = names.split(',')
    seen = records.Seen()
    read_all(topics, lambda m: seen.check(m.topic(), m.partition(), m.timestamp()[1], m.key(), m.value(), m.headers()), records.PARTITIONS,
             max_partition_fetch_bytes=100_000)
    seen.finish(topics)


def seek(_):
    topic = f'{NAME}-time'
    create(topic, 1, **FOREVER)
    errors = Errors()
    producer = Producer(settings(linger_ms=10))
    for i in range(100):
        producer.produce(topic, f'v{i}', partition=0, timestamp=records.FIRST_MS + i * 10, on_delivery=errors)
    send_all(producer, errors, 'records with times')
    consumer = Consumer(settings(group_id=f'{topic}-g'))
    for at, offset in ((0, 0), (1, 1), (495, 50), (500, 50), (501, 51), (990, 99)):
        same(consumer.offsets_for_times([TopicPartition(topic, 0, records.FIRST_MS + at)], LIMIT_S)[0].offset, offset, f'the offset at {at} ms')
    same(consumer.get_watermark_offsets(TopicPartition(topic, 0), LIMIT_S), (0, 100), 'first and next offset')
    consumer.close()


class Member(threading.Thread):
    """A member of a group: polls, notes, commits, until it is told to leave."""

    def __init__(self, topic, group, strategy, seen):
        super().__init__(daemon=True)
        self.topic = topic
        self.consumer = Consumer(settings(group_id=group, partition_assignment_strategy=strategy, enable_auto_commit=False, auto_offset_reset='earliest',
                                          heartbeat_interval_ms=200, session_timeout_ms=20000, topic_metadata_refresh_interval_ms=2000))
        self.consumer.subscribe([topic], on_revoke=lambda *_: self.commit())
        self.seen = seen
        self.uncommitted = {}
        self.share = 0
        self.leaving = False
        self.wrong = None
        self.start()

    def run(self):
        try:
            while not self.leaving:
                messages = self.consumer.consume(50, 0.05)
                for message in messages:
                    if message.error():
                        raise KafkaException(message.error())
                    self.seen.append(message.value())
                    self.uncommitted[message.partition()] = message.offset() + 1
                self.commit()
                self.share = len(self.consumer.assignment())
            self.consumer.close()
        except Exception as wrong:  # told by leave()
            self.wrong = wrong

    def commit(self):
        """What was read so far; in the middle of a rebalance, when the broker has gone on to the next generation, later."""
        try:
            if self.uncommitted:
                self.consumer.commit(offsets=[TopicPartition(self.topic, p, at) for p, at in self.uncommitted.items()], asynchronous=False)
            self.uncommitted = {}
        except KafkaException as wrong:
            if wrong.args[0].code() not in (KafkaError.ILLEGAL_GENERATION, KafkaError.REBALANCE_IN_PROGRESS):
                raise

    def leave(self):
        self.leaving = True
        self.join(LIMIT_S)
        same(self.wrong, None, 'what went wrong with a member')


def groups(strategy):
    """Members join and leave while records are written: none is missed, and none that was committed comes again."""
    topic, count = f'{NAME}-group-{strategy}', 900
    seen = []
    create(topic, 6)
    errors = Errors()
    producer = Producer(settings(linger_ms=1))

    def write(begin, end):
        for i in range(begin, end):
            producer.produce(topic, f'v{i}', partition=i % 6, on_delivery=errors)
        send_all(producer, errors, 'records for the group')

    def even(*members):
        for member in members:
            same(member.wrong, None, 'what went wrong with a member')
        return all(member.share == 6 // len(members) for member in members)

    first = Member(topic, f'{topic}-g', strategy, seen)
    write(0, 300)
    second, third = (Member(topic, f'{topic}-g', strategy, seen) for _ in range(2))
    write(300, 600)
    wait_for('three members share the partitions', lambda: even(first, second, third))
    second.leave()
    write(600, count)
    wait_for('two members share them', lambda: even(first, third))
    wait_for('all are seen', lambda: len(set(seen)) == count)
    first.leave()
    third.leave()
    same(len(seen), count, 'how many were seen')
    committed = Consumer(settings(group_id=f'{topic}-g')).committed([TopicPartition(topic, p) for p in range(6)], LIMIT_S)
    same([c.offset for c in committed], [count // 6] * 6, 'what is committed')


def transactions(_):
    topic = f'{NAME}-txn'
    group = f'{topic}-g'
    create(topic, 1)
    create(f'{topic}-in', 1)
    producer = Producer(settings(transactional_id=f'{topic}-t'))
    producer.init_transactions(LIMIT_S)
    consumer = Consumer(settings(group_id=group))
    for turn in range(4):
        producer.begin_transaction()
        for i in range(2):
            producer.produce(topic, f'{turn}.{i}', partition=0)
        producer.send_offsets_to_transaction([TopicPartition(f'{topic}-in', 0, 10 + turn if turn % 2 == 0 else 99)], consumer.consumer_group_metadata(), LIMIT_S)
        if turn % 2 == 0:
            producer.commit_transaction(LIMIT_S)
        else:
            producer.flush(LIMIT_S)
            producer.abort_transaction(LIMIT_S)
    producer.begin_transaction()
    producer.produce(topic, 'of the zombie', partition=0)
    producer.flush(LIMIT_S)
    following = Producer(settings(transactional_id=f'{topic}-t'))
    following.init_transactions(LIMIT_S)
    try:
        producer.commit_transaction(LIMIT_S)
        raise AssertionError('a zombie has committed')
    except KafkaException as fenced:
        same(fenced.args[0].code() in (KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH), True, f'fenced: {fenced}')

    def values(isolation):
        found = []
        read_all([topic], lambda m: found.append(m.value().decode()), 1, isolation_level=isolation)
        return found
    same(values('read_committed'), ['0.0', '0.1', '2.0', '2.1'], 'read_committed')
    same(values('read_uncommitted'), [f'{turn}.{i}' for turn in range(4) for i in range(2)] + ['of the zombie'], 'read_uncommitted')
    same(consumer.committed([TopicPartition(f'{topic}-in', 0)], LIMIT_S)[0].offset, 12, 'the offset committed in transactions')
    consumer.close()


def admin(_):
    topic = f'{NAME}-admin'
    client = AdminClient(settings())
    create(topic, 2, **{'retention.ms': '1000000'})
    try:
        create(topic, 2)
        raise AssertionError('it was made twice')
    except KafkaException as there:
        same(there.args[0].code(), KafkaError.TOPIC_ALREADY_EXISTS, 'the reason')
    done(client.create_partitions([NewPartitions(topic, 4)]))
    wait_for('four partitions', lambda: len(client.list_topics(topic, LIMIT_S).topics[topic].partitions) == 4)
    resource = ConfigResource(ResourceType.TOPIC, topic)
    same(done(client.describe_configs([resource]))[resource]['retention.ms'].value, '1000000', 'retention.ms')
    change = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[ConfigEntry('retention.bytes', '5000', incremental_operation=AlterConfigOpType.SET)])
    done(client.incremental_alter_configs([change]))
    wait_for('the new setting', lambda: done(client.describe_configs([resource]))[resource]['retention.bytes'].value == '5000')
    errors = Errors()
    producer = Producer(settings())
    for i in range(10):
        producer.produce(topic, f'v{i}', partition=0, on_delivery=errors)
    send_all(producer, errors, 'records')
    partition = TopicPartition(topic, 0)
    same(done(client.delete_records([TopicPartition(topic, 0, 4)]))[TopicPartition(topic, 0, 4)].low_watermark, 4, 'the first offset that is left')
    same(done(client.list_offsets({partition: OffsetSpec.earliest()}))[partition].offset, 4, 'the first offset')
    same(done(client.list_offsets({partition: OffsetSpec.latest()}, isolation_level=IsolationLevel.READ_COMMITTED))[partition].offset, 10, 'the next offset')
    consumer = Consumer(settings(group_id=f'{topic}-g'))
    consumer.commit(offsets=[TopicPartition(topic, 0, 5)], asynchronous=False)
    consumer.close()
    same(f'{topic}-g' in [g.group_id for g in client.list_consumer_groups().result(LIMIT_S).valid], True, 'the group is listed')
    same(done(client.describe_consumer_groups([f'{topic}-g']))[f'{topic}-g'].state.name, 'EMPTY', 'the state of the group')
    done(client.delete_consumer_groups([f'{topic}-g']))
    same(len(client.describe_cluster().result(LIMIT_S).nodes), 1, 'the nodes')
    done(client.delete_topics([topic]))
    wait_for('it is gone', lambda: topic not in client.list_topics(timeout=LIMIT_S).topics)


def cuts(count):
    """An idempotent producer through connections that somebody cuts. It keeps the brokers it knows: librdkafka 2.16 that begins anew with its bootstrap servers
    thinks for a second that metadata are under way, and is cut before it asks for them, again and again."""
    errors = Errors()
    producer = Producer(settings(enable_idempotence=True, linger_ms=1, reconnect_backoff_ms=5, reconnect_backoff_max_ms=20, retry_backoff_ms=5,
                                 metadata_recovery_strategy='none'))
    for i in range(int(count)):
        producer.produce(f'{NAME}-cuts', str(i), partition=i % 3, on_delivery=errors)
        if i % 50 == 49:
            send_all(producer, errors, 'records through cuts', LIMIT_S * 3)
    send_all(producer, errors, 'records through cuts', LIMIT_S * 3)


def values(topic):
    """Prints the values of each partition of a topic, as a list of lists."""
    found = [[] for _ in range(3)]
    read_all([topic], lambda m: found[m.partition()].append(m.value().decode()), len(found))
    print(json.dumps(found))


SCENARIOS = {'produce': produce, 'read': read, 'seek': seek, 'groups': groups, 'transactions': transactions, 'admin': admin, 'cuts': cuts,
             'topic': lambda topic: create(topic, 3), 'values': values}

if __name__ == '__main__':
    for word in sys.argv[3:]:
        scenario, _, argument = word.partition('=')
        begun = time.monotonic()
        SCENARIOS[scenario](argument)
        print(f'ok: {NAME} {word}, {time.monotonic() - begun:.2f} s', flush=True)
