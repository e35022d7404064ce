#!/usr/bin/env python3
"""A load on a broker that is killed again and again: load.py BROKER NAME. Works until its standard input says `check`, then waits for what is under way, looks whether all is
there, says `ok: …` with numbers or `wrong: …`, and goes on at `go`. The end of its input ends it. What it looks for:

- a producer with acks=all: each record that was acknowledged is there;
- an idempotent one: besides, each is there once, and in order;
- a transactional one that moves a group's offset with each transaction: each that was committed is there whole, of each that was aborted nothing, and
  the group stands where the last committed one put it;
- a consumer in a group: what the broker says is committed is never less than what was acknowledged, and what it read it has read in order.

A word of WRONGS does something that must be found: so it is shown that each of these is looked for."""
import sys
import threading
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

BROKER, NAME = sys.argv[1:3]
PARTITIONS = 3
LIMIT_S = 60
IN_TRANSACTION = 6
# A broker that is away comes back within a second. When all brokers are away librdkafka begins again from its bootstrap servers and drops the others (KIP-899), but up to 2.16
# it goes on waiting for a dropped one that it knows as a group's coordinator: send_offsets_to_transaction() then never returns, whatever its time-out says, also with real
# Kafka (confluentinc/librdkafka issues 5511 and 5456). Here the broker is where it was, and nothing is to be dropped.
PATIENT = {'bootstrap.servers': BROKER, 'log_level': 0, 'metadata.recovery.strategy': 'none', 'reconnect.backoff.ms': 10, 'reconnect.backoff.max.ms': 100, 'retry.backoff.ms': 10,
           'retry.backoff.max.ms': 100, 'socket.timeout.ms': 10000, 'error_cb': lambda _: None}
PRODUCER = {**PATIENT, 'linger.ms': 1, 'message.timeout.ms': 120000, 'acks': 'all'}


def same(found, wanted, what):
    if found != wanted:
        raise AssertionError(f'{what}: found {str(found)[:400]}, wanted {str(wanted)[:400]}')


def read(topic, isolation):
    """The values of each partition, in order, up to its end."""
    consumer = Consumer({**PATIENT, 'group.id': f'{NAME}-looks', 'enable.auto.commit': False, 'enable.partition.eof': True, 'auto.offset.reset': 'earliest',
                         'isolation.level': isolation})
    found = [[] for _ in range(PARTITIONS)]
    left = set(range(PARTITIONS))
    consumer.assign([TopicPartition(topic, p, 0) for p in left])
    limit = time.monotonic() + LIMIT_S
    while left:
        if time.monotonic() > limit:
            raise AssertionError(f'{topic} is not read to its end within {LIMIT_S} s: {left}')
        for message in consumer.consume(1000, 0.2):
            if message.error() is None:
                found[message.partition()].append(int(message.value()))
            elif message.error().code() == KafkaError._PARTITION_EOF:
                left.discard(message.partition())
    consumer.close()
    return found


class Worker(threading.Thread):
    """Does step() again and again, unless it is to rest."""

    def __init__(self):
        super().__init__(daemon=True)
        self.working = threading.Event()
        self.resting = threading.Event()
        self.ended = False
        self.wrong = None
        self.waits_for = ''
        self.start()

    def run(self):
        try:
            while not self.ended:
                if self.working.is_set():
                    self.step()
                else:
                    self.settle()
                    self.resting.set()
                    self.working.wait()
                    self.resting.clear()
        except BaseException as wrong:  # told by rest()
            self.wrong = wrong
            self.resting.set()

    def rest(self):
        self.working.clear()
        if not self.resting.wait(LIMIT_S * 2):
            raise AssertionError(f'{type(self).__name__} does not come to rest: {self.waits_for}')
        if self.wrong:
            raise AssertionError(f'{type(self).__name__} failed: {self.wrong}')

    def settle(self):
        """Waits for what is under way."""


class Plain(Worker):
    """A producer; `idempotent` makes each record come once and in order."""

    def __init__(self, kind, idempotent):
        self.topic = f'{NAME}-{kind}'
        self.idempotent = idempotent
        self.sent = 0
        self.acknowledged = set()
        self.failed = []
        self.producer = Producer({**PRODUCER, 'enable.idempotence': idempotent})
        super().__init__()

    def step(self):
        number = self.sent
        self.sent += 1

        def told(error, _message):
            if error:
                self.failed.append((number, str(error)))
            else:
                self.acknowledged.add(number)
        self.producer.produce(self.topic, str(number), partition=number % PARTITIONS, on_delivery=told)
        self.producer.poll(0.001)
        while self.sent - len(self.acknowledged) - len(self.failed) > 500:
            self.producer.poll(0.01)

    def settle(self):
        same(self.producer.flush(LIMIT_S), 0, f'{self.topic}: how many are on the way')

    def check(self):
        same(self.failed, [], f'{self.topic}: what failed')
        found = read(self.topic, 'read_committed')
        missing = self.acknowledged - {v for values in found for v in values}
        same(sorted(missing), [], f'{self.topic}: acknowledged and missing')
        if self.idempotent:
            for partition, values in enumerate(found):
                same(values, list(range(partition, self.sent, PARTITIONS)), f'{self.topic}, partition {partition}')
        return f'{len(self.acknowledged)} records'


class Transactions(Worker):
    """Transaction n writes IN_TRANSACTION records of value n over all partitions, and moves the offset of a group to n + 1; every fourth is aborted."""

    def __init__(self):
        self.topic = f'{NAME}-transactions'
        self.number = 0
        self.committed = set()
        self.unknown = set()
        self.producer = None
        self.group = Consumer({**PATIENT, 'group.id': f'{NAME}-moved'})
        self.metadata = self.group.consumer_group_metadata()
        super().__init__()

    def step(self):
        try:
            if self.producer is None:
                self.producer = Producer({**PRODUCER, 'message.timeout.ms': 60000, 'transactional.id': f'{NAME}-t', 'transaction.timeout.ms': 60000})
                self.again(self.producer.init_transactions)
            number = self.number
            self.number += 1
            self.producer.begin_transaction()
            for i in range(IN_TRANSACTION):
                self.producer.produce(self.topic, str(number), partition=i % PARTITIONS)
            self.again(lambda s: self.producer.send_offsets_to_transaction([TopicPartition(self.topic, 0, number + 1)], self.metadata, s))
            if number % 4 == 3:
                self.again(self.producer.abort_transaction)
            else:
                self.unknown.add(number)
                self.again(self.producer.commit_transaction)
                self.unknown.discard(number)
                self.committed.add(number)
        except KafkaException as wrong:
            error = wrong.args[0]
            if error.txn_requires_abort():
                self.unknown.discard(number)
                self.again(self.producer.abort_transaction)
            elif error.fatal():
                self.producer = None
            else:
                raise

    def again(self, call):
        """The same call until it is answered: what is retriable goes on where it was."""
        limit = time.monotonic() + LIMIT_S
        self.waits_for = f'{call}'
        while True:
            try:
                return call(10)
            except KafkaException as wrong:
                self.waits_for = f'{call}, which said {wrong}'
                if not wrong.args[0].retriable() or time.monotonic() > limit:
                    raise

    def check(self):
        found = read(self.topic, 'read_committed')
        counts = {}
        for values in found:
            same(values, sorted(values), f'{self.topic}: the order of transactions')
            for value in values:
                counts[value] = counts.get(value, 0) + 1
        same({n for n, count in counts.items() if count != IN_TRANSACTION}, set(), f'{self.topic}: transactions that are not whole')
        same(self.committed - set(counts), set(), f'{self.topic}: committed and missing')
        same(set(counts) - self.committed - self.unknown, set(), f'{self.topic}: there and not committed')
        moved = self.group.committed([TopicPartition(self.topic, 0)], LIMIT_S)[0].offset
        same(moved, max(counts) + 1 if counts else -1001, f'{self.topic}: where the group was moved to')
        return f'{len(self.committed)} transactions, {len(self.unknown)} unknown, {len(counts)} transactions of {IN_TRANSACTION} records are there'


class Reader(Worker):
    """A group of one that reads what the idempotent producer writes, and commits as it goes."""

    def __init__(self, topic):
        self.topic = topic
        self.read = 0
        self.acknowledged = {}
        self.tried = {}
        self.consumer = Consumer({**PATIENT, 'group.id': f'{NAME}-readers', 'enable.auto.commit': False, 'auto.offset.reset': 'earliest',
                                  'session.timeout.ms': 30000})
        self.consumer.subscribe([topic])
        super().__init__()

    def step(self):
        last = {}
        for message in self.consumer.consume(100, 0.1):
            if message.error() is None:
                same(int(message.value()), message.offset() * PARTITIONS + message.partition(), f'{self.topic}: what is read at an offset')
                last[message.partition()] = message.offset() + 1
                self.read += 1
        if not last:
            return
        self.tried.update({p: max(at, self.tried.get(p, 0)) for p, at in last.items()})
        try:
            self.consumer.commit(offsets=[TopicPartition(self.topic, p, at) for p, at in last.items()], asynchronous=False)
            self.acknowledged.update(last)
        except KafkaException:
            pass  # Not acknowledged, and the next one goes further.

    def check(self):
        # Asked by one that is no member: it is the broker that is looked at.
        asks = Consumer({**PATIENT, 'group.id': f'{NAME}-readers'})
        committed = asks.committed([TopicPartition(self.topic, p) for p in range(PARTITIONS)], LIMIT_S)
        asks.close()
        for at in committed:
            low, high = self.acknowledged.get(at.partition, 0), self.tried.get(at.partition, 0)
            if not low <= max(at.offset, 0) <= high:
                raise AssertionError(f'{self.topic}, partition {at.partition}: {at.offset} is committed, {low} was acknowledged, {high} was tried')
        return f'{self.read} read'


# --- what is wrong, while all rest ---------------------------------------------------------------------------------------

def write(topic, values):
    """Records that come from none of the workers, into partition 0."""
    producer = Producer({**PRODUCER})
    for value in values:
        producer.produce(topic, str(value), partition=0)
    same(producer.flush(LIMIT_S), 0, f'{topic}: how many are on the way')


def move(name, topic, partition, offset):
    """Where a group is that has no members."""
    group = Consumer({**PATIENT, 'group.id': name, 'enable.auto.commit': False})
    group.commit(offsets=[TopicPartition(topic, partition, offset)], asynchronous=False)
    group.close()


def go_back(reader):
    reader.consumer.commit(offsets=[TopicPartition(reader.topic, 0, 0)], asynchronous=False)


WRONGS = {
    'again': lambda plain, idempotent, transactions, reader: write(idempotent.topic, [0]),
    'part': lambda plain, idempotent, transactions, reader: write(transactions.topic, [transactions.number + 2]),
    'uncommitted': lambda plain, idempotent, transactions, reader: write(transactions.topic, [transactions.number + 1] * IN_TRANSACTION),
    'moved': lambda plain, idempotent, transactions, reader: move(f'{NAME}-moved', transactions.topic, 0, 0),
    'back': lambda plain, idempotent, transactions, reader: go_back(reader),
}


def check(workers):
    """Looks at all, also when one has found something."""
    for worker in workers:
        worker.rest()
    said, wrongs = [], []
    for worker in workers:
        try:
            said.append(worker.check())
        except AssertionError as wrong:
            wrongs.append(str(wrong))
    return 'wrong: ' + '; '.join(wrongs) if wrongs else 'ok: ' + '; '.join(said)


def main():
    admin = AdminClient(PATIENT)
    kinds = ('plain', 'idempotent', 'transactions')
    for future in admin.create_topics([NewTopic(f'{NAME}-{kind}', PARTITIONS, 1) for kind in kinds]).values():
        future.result(LIMIT_S)
    workers = [Plain('plain', False), Plain('idempotent', True), Transactions(), Reader(f'{NAME}-idempotent')]
    for worker in workers:
        worker.working.set()
    print('working', flush=True)
    for line in sys.stdin:
        word = line.strip()
        if word == 'check':
            print(check(workers), flush=True)
        elif word in WRONGS:
            WRONGS[word](*workers)
            print('done', flush=True)
        else:
            for worker in workers:
                worker.working.set()


if __name__ == '__main__':
    main()
