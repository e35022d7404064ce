#!/usr/bin/env python3
"""What Kafka's clients read of topics that were compacted: compaction.py EDDA --scavenged=PROGRAM.

A client writes batches with several keys, one for each form of compression, and in transactions; the scavenger takes from them what is superseded; then others read from the beginning."""
import json
import os
import subprocess

import kafka
import kcat
from kafka import edda, install
from edda import holds, same, says

CODECS = ('none', 'gzip', 'snappy', 'lz4', 'zstd')


class Writer:
    def __init__(self, at):
        kafka.command('librdkafka')
        words = [install.python(), '-B', os.path.join(kafka.HERE, 'python', 'compacted.py'), f'{at.host}:{at.port}']
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def tell(self, *words):
        """What it prints: the records that it wrote."""
        self.process.stdin.write(' '.join(words) + '\n')
        self.process.stdin.flush()
        found = []
        for line in self.process.stdout:
            if not line.strip():
                return found
            offset, value, key = line.rstrip('\n').split(' ', 2)
            found.append((int(offset), key, None if value == '-' else value))
        raise AssertionError('the writer has ended')

    def ends(self):
        same(self.process.stdout.readline(), 'done\n')

    def stop(self):
        self.process.stdin.close()
        same(self.process.wait(edda.LIMIT_S), 0)


def read(at, topic, start='beginning', *words):
    lines = kcat.kcat(f'{at.host}:{at.port}', '-C', '-t', topic, '-p', '0', '-o', str(start), '-e', '-q', '-J', *words).splitlines()
    return [(found['offset'], found['key'], found['payload']) for found in map(json.loads, lines)]


def compacted(world, at):
    at.stop()
    says(subprocess.run([edda.option('scavenged', ''), 'compact', world.data], stdout=subprocess.PIPE, text=True, check=True).stdout, r'[1-9]\d* frames thinned')
    says(world.run('verify', world.data), 'is whole')
    at.start()


def newest(records):
    """The last record of each key, but for nulls."""
    last = {key: (offset, key, value) for offset, key, value in records}
    return sorted(record for record in last.values() if record[2] is not None)


def the_last_of_each_key_stays(world):
    subprocess.run([edda.option('scavenged', ''), 'begin', world.data], stdout=subprocess.DEVNULL, check=True)
    at = kafka.broker(world)
    writer = Writer(at)
    written = {}
    for codec in CODECS:
        writer.tell('create', codec)
        written[codec] = [record for n in range(3) for record in writer.tell('write', codec, codec, str(1000 * n))]
    writer.tell('create', 'transactions')
    written['transactions'] = writer.tell('commit', 'transactions', '0')
    writer.ends()
    aborted = writer.tell('abort', 'transactions', '1000')
    writer.ends()
    writer.tell('fill', '1')
    active = {topic: writer.tell('write', topic, 'none', '5000') for topic in ('gzip', 'transactions')}
    compacted(world, at)
    for topic, records in written.items():
        now = active.get(topic, [])
        # Of what the active part supersedes nothing is left; that itself is as it was written. The last record of a partition stays, a null though it is.
        expected = [] if now else newest(records) + [records[-1]]
        same(read(at, topic), expected + now, topic)
        there = read(at, topic, 'beginning', '-X', 'isolation.level=read_uncommitted')
        holds(not set(there) & set(aborted), 'what was aborted is gone')
        # In the middle of a gap, with the next one; at the end, with nothing.
        same(read(at, topic, 1), expected + now, f'{topic} from offset 1')
        same(read(at, topic, (expected + now)[-1][0] + 1), [], f'{topic} from its end')
        first = kcat.kcat(f'{at.host}:{at.port}', '-Q', '-t', f'{topic}:0:0')
        says(first, rf'offset {(expected + now)[0][0]}$')
    # Producers go on, and so does the scavenger.
    more = writer.tell('write', 'lz4', 'lz4', '9000')
    same(more[0][0], len(written['lz4']))
    same(read(at, 'lz4')[-len(more):], more)
    writer.stop()


if __name__ == '__main__':
    edda.main((the_last_of_each_key_stays,))
