#!/usr/bin/env python3
"""librdkafka's clients when the broker wants to know who they are: users.py BROKER MECHANISM NAME PASSWORD CA CASE, with `-` for a CA where there is no TLS.

    works      makes topics, produces, reads in a group, commits a transaction
    stranger   is not let in
    reader     may read orders* and the groups readers*, and nothing else; says `change`, waits for a line, and then may only write to `mine`"""
import sys
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic

BROKER, MECHANISM, NAME, PASSWORD, CA, CASE = sys.argv[1:7]
LIMIT_S = 30
TOLD = []  # what the clients' error callbacks were told
CLIENT = {'bootstrap.servers': BROKER, 'security.protocol': 'SASL_PLAINTEXT' if CA == '-' else 'SASL_SSL', 'sasl.mechanism': MECHANISM, 'sasl.username': NAME,
          'sasl.password': PASSWORD, 'log_level': 0, 'reconnect.backoff.max.ms': 500, 'error_cb': lambda error: TOLD.append(error.code()), **({} if CA == '-' else {'ssl.ca.location': CA})}
TOPIC_REFUSED, GROUP_REFUSED = KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED


def same(found, wanted, what):
    if found != wanted:
        raise AssertionError(f'{what}: found {found!r}, wanted {wanted!r}')


def code_of(call):
    """The code with which it fails; None when it does not."""
    try:
        call()
    except KafkaException as wrong:
        return wrong.args[0].code()
    return None


def delivered(producer, topic, value):
    """The code of its delivery; None when it is there."""
    told = []
    refused = code_of(lambda: producer.produce(topic, value, partition=0, on_delivery=lambda error, _message: told.append(error and error.code())))
    same(producer.flush(LIMIT_S), 0, 'how many are on the way')
    return refused or told[0]


def next_of(consumer, what):
    """Its next message, or the code of what it is told instead."""
    limit = time.monotonic() + LIMIT_S
    while time.monotonic() < limit:
        message = consumer.poll(0.1)
        if message:
            return message.error().code() if message.error() else message.value().decode()
    raise AssertionError(f'{what}: nothing came within {LIMIT_S} s')


def reading(group, topic=None, **more):
    consumer = Consumer({**CLIENT, 'group.id': group, 'auto.offset.reset': 'earliest', 'enable.auto.commit': False, **more})
    if topic:
        consumer.assign([TopicPartition(topic, 0, 0)])
    return consumer


def works():
    admin = AdminClient(CLIENT)
    for future in admin.create_topics([NewTopic(topic, 1, 1) for topic in ('orders-1', 'secret', 'mine')]).values():
        same(code_of(lambda: future.result(LIMIT_S)) in (None, KafkaError.TOPIC_ALREADY_EXISTS), True, 'a topic is made')
    producer = Producer({**CLIENT, 'transactional.id': 'all-t'})
    producer.init_transactions(LIMIT_S)
    for topic in ('orders-1', 'secret'):
        producer.begin_transaction()
        same(delivered(producer, topic, f'by {MECHANISM}'), None, 'a record of a transaction')
        producer.commit_transaction(LIMIT_S)
    consumer = reading(f'all-{MECHANISM}')
    consumer.subscribe(['orders-1'])
    while next_of(consumer, 'what was produced') != f'by {MECHANISM}':
        pass
    consumer.commit(asynchronous=False)
    consumer.close()


def stranger():
    consumer = reading('readers', 'orders-1')
    limit = time.monotonic() + LIMIT_S
    while KafkaError._AUTHENTICATION not in TOLD and time.monotonic() < limit:
        same(consumer.poll(0.1), None, 'what it reads')
    same(KafkaError._AUTHENTICATION in TOLD, True, f'it is told that it is not let in: {TOLD}')


def has_no_id():
    """Who may write nothing gets no id of a producer, which is fatal to one that needs it."""
    producer = Producer({**CLIENT, 'enable.idempotence': True})
    limit = time.monotonic() + LIMIT_S
    code = None
    while code is None and time.monotonic() < limit:
        code = code_of(lambda: producer.poll(0.1))
    same(code, KafkaError.CLUSTER_AUTHORIZATION_FAILED, 'an idempotent producer')


def administer(admin):
    refused = {
        'a topic is made': admin.create_topics([NewTopic('orders-9', 1, 1)])['orders-9'],
        'one is deleted': admin.delete_topics(['orders-1'])['orders-1'],
    }
    for what, future in refused.items():
        same(code_of(lambda: future.result(LIMIT_S)), TOPIC_REFUSED, what)
    same(code_of(lambda: admin.delete_consumer_groups(['others'])['others'].result(LIMIT_S)), GROUP_REFUSED, 'a group is deleted')
    server = ConfigResource('BROKER', '1', incremental_configs=[ConfigEntry('num.partitions', '7', incremental_operation=AlterConfigOpType.SET)])
    same(code_of(lambda: admin.incremental_alter_configs([server])[server].result(LIMIT_S)), KafkaError.CLUSTER_AUTHORIZATION_FAILED, 'a setting of the broker')
    groups = {group.group_id for group in admin.list_consumer_groups().result(LIMIT_S).valid}
    same({group for group in groups if not group.startswith('readers')}, set(), 'the groups that are listed')


def reader():
    consumer = reading('readers-1', 'orders-1')
    same(set(consumer.list_topics(timeout=LIMIT_S).topics), {'orders-1'}, 'the topics that are listed')
    same(consumer.list_topics('secret', LIMIT_S).topics['secret'].error.code(), TOPIC_REFUSED, 'a topic by its name')
    same(next_of(consumer, 'what it may read')[:3], 'by ', 'what it may read')
    consumer.commit(asynchronous=False)
    for group, topic, code in (('readers-2', 'secret', TOPIC_REFUSED), ('others', 'orders-1', GROUP_REFUSED)):
        refused = reading(group)
        refused.subscribe([topic])
        same(next_of(refused, f'{topic} in the group {group}'), code, f'{topic} in the group {group}')
    producer = Producer({**CLIENT, 'enable.idempotence': False})
    for topic in ('orders-1', 'secret', 'mine', 'fresh'):
        same(delivered(producer, topic, 'no'), TOPIC_REFUSED, f'a record to {topic}')
    same(code_of(lambda: Producer({**CLIENT, 'transactional.id': 'all-t'}).init_transactions(LIMIT_S)), KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
         'a transactional id')
    has_no_id()
    administer(AdminClient(CLIENT))
    print('change', flush=True)
    sys.stdin.readline()
    # The same connections: nobody says again who he is. The producer remembers what it was told of a topic until it asks again.
    limit = time.monotonic() + LIMIT_S
    while (code := delivered(producer, 'mine', 'yes')) == TOPIC_REFUSED and time.monotonic() < limit:
        producer.list_topics('mine', LIMIT_S)
    same(code, None, 'a record to what it may write now')
    same(delivered(Producer({**CLIENT, 'enable.idempotence': True}), 'mine', 'yes'), None, 'one of an idempotent producer')
    said = next_of(consumer, 'what it may read no more')
    while isinstance(said, str):
        said = next_of(consumer, 'what it may read no more')
    same(said, TOPIC_REFUSED, 'what it may read no more')


{'works': works, 'stranger': stranger, 'reader': reader}[CASE]()
print(f'ok: {CASE}', flush=True)
