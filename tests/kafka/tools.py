#!/usr/bin/env python3
"""Kafka's own console tools against the broker, as an administrator uses them: tools.py EDDA [--version=4.1.0]. One process runs them all."""
import subprocess

import kafka
from kafka import edda, install
from edda import holds, same, says, wait_for

# Where the main functions are; those that were elsewhere in 3.9 in the second column.
CLASSES = {
    'kafka-topics': ('org.apache.kafka.tools.TopicCommand', None),
    'kafka-configs': ('kafka.admin.ConfigCommand', None),
    'kafka-consumer-groups': ('org.apache.kafka.tools.consumer.group.ConsumerGroupCommand', None),
    'kafka-console-producer': ('org.apache.kafka.tools.ConsoleProducer', 'kafka.tools.ConsoleProducer'),
    'kafka-console-consumer': ('org.apache.kafka.tools.consumer.ConsoleConsumer', None),
    'kafka-delete-records': ('org.apache.kafka.tools.DeleteRecordsCommand', None),
    'kafka-get-offsets': ('org.apache.kafka.tools.GetOffsetShell', None),
    'kafka-transactions': ('org.apache.kafka.tools.TransactionsCommand', None),
    'kafka-broker-api-versions': ('org.apache.kafka.tools.BrokerApiVersionsCommand', 'kafka.admin.BrokerApiVersionsCommand'),
}


class Tools:
    """The process that runs them; see Tools.java."""

    def __init__(self, at, version):
        self.address = f'{at.host}:{at.port}'
        self.old = version.startswith('3.')
        self.process = subprocess.Popen(kafka.java_program(version, 'Tools')(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, tool, *words, text='', status=0):
        """What a tool prints; it must end with this status, None: with any."""
        new, old = CLASSES[tool]
        words = [old if self.old and old else new, '--bootstrap-server', self.address, *words, text.replace('\n', '\\n')]
        self.process.stdin.write('\t'.join(words) + '\n')
        self.process.stdin.flush()
        said = []
        for line in self.process.stdout:
            if line.startswith('\0'):
                break
            said.append(line)
        else:
            raise AssertionError(f'{tool}: the process of the tools has ended: {said}')
        found = ''.join(said)
        if status is not None:
            same(int(line[1:]), status, f'{tool} {" ".join(words[1:])}: its status, after it said\n{found}\n')
        return found

    def stop(self):
        self.process.stdin.close()
        self.process.kill()
        self.process.wait()


def topics(tools):
    tools.run('kafka-topics', '--create', '--topic', 'orders', '--partitions', '3', '--config', 'retention.ms=86400000')
    says(tools.run('kafka-topics', '--list'), r'(?m)^orders$')
    says(tools.run('kafka-topics', '--describe', '--topic', 'orders'), r'Topic: orders\s+TopicId: \S+\s+PartitionCount: 3\s+ReplicationFactor: 1',
         r'retention.ms=86400000', r'Partition: 2\s+Leader: \d+\s+Replicas: \d+\s+Isr: \d+')
    says(tools.run('kafka-topics', '--create', '--topic', 'orders', status=1), 'exists')
    tools.run('kafka-topics', '--alter', '--topic', 'orders', '--partitions', '5')
    says(tools.run('kafka-topics', '--describe', '--topic', 'orders'), 'PartitionCount: 5')
    says(tools.run('kafka-topics', '--describe', '--topic', 'nothing', status=1), 'does not exist')
    tools.run('kafka-topics', '--create', '--topic', 'short', '--partitions', '1')
    tools.run('kafka-topics', '--delete', '--topic', 'short')
    wait_for(lambda: 'short' not in tools.run('kafka-topics', '--list'), 'the topic is gone')


def settings(tools, ours):
    topic = ('--entity-type', 'topics', '--entity-name', 'orders')
    tools.run('kafka-configs', '--alter', *topic, '--add-config', 'cleanup.policy=compact,max.message.bytes=500000')
    said = wait_for(lambda: (lambda s: s if 'cleanup.policy=compact' in s else None)(tools.run('kafka-configs', '--describe', *topic)), 'the new settings')
    says(said, 'max.message.bytes=500000', 'DYNAMIC_TOPIC_CONFIG')
    tools.run('kafka-configs', '--alter', *topic, '--delete-config', 'cleanup.policy,max.message.bytes')
    wait_for(lambda: 'cleanup.policy' not in tools.run('kafka-configs', '--describe', *topic), 'the settings are gone')
    says(tools.run('kafka-configs', '--describe', *topic, '--all'), r'cleanup.policy=delete .*DEFAULT_CONFIG', r'segment.bytes=\d+')
    says(tools.run('kafka-configs', '--alter', *topic, '--add-config', 'retention.ms=never', status=1), 'retention.ms')
    brokers = tools.run('kafka-configs', '--describe', '--entity-type', 'brokers', '--all')
    says(brokers, r'num.partitions=\d+', r'group.initial.rebalance.delay.ms=' + ('250' if ours else '0'))


def records(tools):
    tools.run('kafka-console-producer', '--topic', 'orders', '--property', 'parse.key=true', '--property', 'key.separator=:',
              text=''.join(f'key{i}:value{i}\n' for i in range(20)))
    said = tools.run('kafka-console-consumer', '--topic', 'orders', '--from-beginning', '--max-messages', '20', '--timeout-ms', '20000', '--group', 'readers',
                     '--property', 'print.key=true', '--property', 'print.partition=true', '--property', 'print.timestamp=true')
    same(sorted(line.split('\t')[-1] for line in said.splitlines() if 'CreateTime:' in line), sorted(f'value{i}' for i in range(20)), 'what is read')
    ends = {tuple(line.split(':')[1:]) for line in tools.run('kafka-get-offsets', '--topic', 'orders').split() if line.startswith('orders:')}
    same(sum(int(end) for _, end in ends), 20, 'the sum of the ends')
    says(tools.run('kafka-get-offsets', '--topic', 'orders', '--time', 'earliest'), 'orders:0:0')
    partition, end = max(ends, key=lambda pair: int(pair[1]))
    holds(int(end) > 1, 'records are in a partition')
    return partition, int(end)


def groups(tools):
    said = tools.run('kafka-consumer-groups', '--list')
    says(said, r'(?m)^readers$')
    said = tools.run('kafka-consumer-groups', '--describe', '--group', 'readers')
    lags = [line.split()[5] for line in said.splitlines() if line.startswith('readers')]
    same(lags, ['0'] * 5, 'how far the group is behind')
    says(tools.run('kafka-consumer-groups', '--describe', '--group', 'readers', '--state'), 'Empty')
    tools.run('kafka-consumer-groups', '--reset-offsets', '--group', 'readers', '--topic', 'orders', '--to-earliest', '--execute')
    said = tools.run('kafka-consumer-groups', '--describe', '--group', 'readers')
    same(sum(int(line.split()[5]) for line in said.splitlines() if line.startswith('readers')), 20, 'how far it is behind now')
    tools.run('kafka-consumer-groups', '--delete-offsets', '--group', 'readers', '--topic', 'orders')
    tools.run('kafka-consumer-groups', '--reset-offsets', '--group', 'readers', '--topic', 'orders:0', '--to-offset', '0', '--execute')
    says(tools.run('kafka-consumer-groups', '--delete', '--group', 'readers'), 'readers.*successful')
    holds('readers' not in tools.run('kafka-consumer-groups', '--list').split(), 'the group is gone')


def the_rest(tools, world, partition, end):
    path = f'{world.directory}/delete.json'
    with open(path, 'w', encoding='utf-8') as file:
        file.write(f'{{"version": 1, "partitions": [{{"topic": "orders", "partition": {partition}, "offset": {end - 1}}}]}}')
    says(tools.run('kafka-delete-records', '--offset-json-file', path), f'low_watermark: {end - 1}')
    says(tools.run('kafka-get-offsets', '--topic', 'orders', '--time', 'earliest'), f'orders:{partition}:{end - 1}')
    says(tools.run('kafka-transactions', 'list'), 'TransactionalId')
    tools.run('kafka-transactions', 'describe-producers', '--topic', 'orders', '--partition', partition)
    said = tools.run('kafka-broker-api-versions')
    says(said, r'Produce\(0\): 0 to \d+', r'ApiVersions\(18\): 0 to')


def producers(tools, topic):
    """Of those that have a transaction open in partition 0: id, epoch, and the offset at which it begins."""
    said = tools.run('kafka-transactions', 'describe-producers', '--topic', topic, '--partition', '0')
    heads, *rows = [[cell.strip() for cell in line.split('\t')] for line in said.splitlines() if '\t' in line]
    of = [[row[heads.index(name)] for name in ('ProducerId', 'ProducerEpoch', 'CurrentTransactionStartOffset')] for row in rows]
    return [row for row in of if row[2] != 'None']


def hanging_transactions(tools, ours):
    """What is open is found, and aborted by where it begins, or by who has begun it; its producer cannot commit it any more."""
    topic = ('--topic', 'hanging', '--partition', '0')
    tools.run('kafka-topics', '--create', '--topic', 'hanging', '--partitions', '1')
    for way in ('offset', 'producer'):
        with subprocess.Popen([*kafka.python_program('hanging.py')(), tools.address, 'hanging', '0'], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            try:
                same(process.stdout.readline(), 'open\n', 'the producer')
                # A transaction whose coordinator knows of it is none that hangs.
                said = tools.run('kafka-transactions', 'find-hanging', *topic, '--max-transaction-timeout', '0')
                says(said, 'Topic')
                holds('\nhanging' not in said, said)
                [(producer, epoch, start)] = producers(tools, 'hanging')
                whose = ('--producer-id', producer, '--producer-epoch', epoch, '--coordinator-epoch', '0')
                tools.run('kafka-transactions', 'abort', *topic, *(('--start-offset', start) if way == 'offset' else whose))
                same(producers(tools, 'hanging'), [], 'who has a transaction open now')
                if ours:
                    says(tools.run('kafka-transactions', 'describe', '--transactional-id', 'hanging'), 'CompleteAbort')
                    same(process.communicate('\n', kafka.LIMIT_S)[0], '_FENCED\n', 'what the producer is told')
            finally:
                process.kill()
    says(tools.run('kafka-transactions', 'abort', *topic, '--start-offset', '777', status=1), '777')
    said = tools.run('kafka-console-consumer', '--topic', 'hanging', '--from-beginning', '--isolation-level', 'read_committed', '--timeout-ms', '3000', status=None)
    holds('half' not in said, f'nothing of them is read: {said}')


def console_tools(world):
    """Topics, settings, records, groups, offsets and what else there is, by the tools of Kafka itself."""
    version = edda.option('version', install.JAVA_WHOLE[-1])
    try:
        install.java_programs(version)
    except install.Unavailable as reason:
        raise edda.Skip(str(reason)) from None
    at = kafka.broker(world, '--group-delay', '250ms')
    tools = Tools(at, version)
    world.servers.append(tools)
    topics(tools)
    settings(tools, isinstance(at, kafka.Edda))
    partition, end = records(tools)
    groups(tools)
    the_rest(tools, world, partition, end)
    hanging_transactions(tools, isinstance(at, kafka.Edda))


if __name__ == '__main__':
    edda.main((console_tools,))
