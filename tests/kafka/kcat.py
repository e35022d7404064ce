#!/usr/bin/env python3
"""kcat, which is librdkafka of the distribution, against `edda serve`: it lists, produces, consumes, and shares partitions in a group.

    kcat.py EDDA [NAME…]
"""
import os
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'scenario'))
import edda  # noqa: E402
import serve  # noqa: E402
from edda import holds, same, says, wait_for  # noqa: E402


def started(world):
    broker = serve.Broker(world, '--kafka', '127.0.0.1:0', *serve.others_off(world, 'kafka')).wait_listening()
    return '%s:%d' % broker.where['kafka']


def kcat(where, *words, given=''):
    done = subprocess.run(['kcat', '-b', where, *words], input=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=edda.LIMIT_S, check=False)
    same(done.returncode, 0, f'kcat {" ".join(words)}: {done.stderr}')
    return done.stdout


def consumed(where, topic, *words):
    return kcat(where, '-C', '-t', topic, '-o', 'beginning', '-e', '-q', *words)


def lists_produces_and_consumes(world):
    where = started(world)
    says(kcat(where, '-L'), r'1 brokers:', r'broker 1 at ' + where.replace('.', r'\.') + r' \(controller\)', r'0 topics:')
    lines = [f'key{i}:value {i}' for i in range(200)]
    kcat(where, '-P', '-t', 'orders', '-K:', given='\n'.join(lines) + '\n')
    says(kcat(where, '-L', '-t', 'orders'), r'topic "orders" with 4 partitions:', r'partition 3, leader 1, replicas: 1, isrs: 1')
    same(sorted(consumed(where, 'orders', '-K:').split('\n')[:-1]), sorted(lines), 'what was produced is consumed')


def takes_every_compression(world):
    where = started(world)
    for codec in ('none', 'gzip', 'snappy', 'lz4', 'zstd'):
        kcat(where, '-P', '-t', codec, '-z', codec, '-p', '0', given='the same again\n' * 500)
        same(consumed(where, codec), 'the same again\n' * 500, codec)


def finds_offsets_by_time_and_keeps_headers(world):
    where = started(world)
    for value in ('first', 'second'):
        kcat(where, '-P', '-t', 'timed', '-p', '0', '-H', f'which={value}', given=value)
    stamps = consumed(where, 'timed', '-f', '%T %h\n').split('\n')
    says(stamps[1], r'^\d+ which=second')
    same(kcat(where, '-Q', '-t', f'timed:0:{stamps[1].split()[0]}').split(), ['timed', '[0]', 'offset', '1'], 'the offset of a time')
    same(kcat(where, '-Q', '-t', 'timed:0:-1').split()[-1], '2', 'the end')


def keeps_everything_over_a_kill(world):
    broker = serve.Broker(world, '--kafka', '127.0.0.1:0', *serve.others_off(world, 'kafka')).wait_listening()
    kcat('%s:%d' % broker.where['kafka'], '-P', '-t', 'kept', given=''.join(f'{i}\n' for i in range(1000)))
    broker.process.kill()
    broker.process.wait()
    where = started(world)
    same(sorted(map(int, consumed(where, 'kept').split())), list(range(1000)), 'what was acknowledged is there')


class Member(edda.Process):
    """A consumer of a group, and the lines that it has consumed."""

    def __init__(self, world, where, group, topic):
        self.lines = []
        self.process = subprocess.Popen(['kcat', '-b', where, '-G', group, '-X', 'auto.offset.reset=earliest', '-X', 'session.timeout.ms=6000', '-u', topic],
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.reader = edda.threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        world.processes.append(self)

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.strip())

    def leave(self):
        self.process.terminate()
        self.process.wait(edda.LIMIT_S)
        self.reader.join(edda.LIMIT_S)


def shares_partitions_in_a_group(world):
    where = started(world)
    produced = []

    def produce(count):
        lines = [str(len(produced) + i) for i in range(count)]
        produced.extend(lines)
        kcat(where, '-P', '-t', 'shared', '-K:', given=''.join(f'{line}:{line}\n' for line in lines))

    produce(100)
    first = Member(world, where, 'workers', 'shared')
    wait_for(lambda: len(first.lines) == 100, 'one member gets everything')
    second = Member(world, where, 'workers', 'shared')

    def both_have_some():
        produce(20)
        return second.lines and len(first.lines) > 100

    wait_for(both_have_some, 'two members share the partitions')
    wait_for(lambda: set(first.lines) | set(second.lines) == set(produced), 'and nothing is left out')
    first.leave()
    second.leave()
    # The group goes on from where it was.
    produce(10)
    third = Member(world, where, 'workers', 'shared')
    wait_for(lambda: set(produced[-10:]) <= set(third.lines), 'who comes later goes on')
    third.leave()
    holds(len(third.lines) < 100, f'a group does not begin anew: {len(third.lines)} records came again')


def says_who_it_is(world):
    """By each mechanism, with a right password and a wrong one; SCRAM as librdkafka before 2.6.1 does it, which is in Debian 12."""
    users, password = os.path.join(world.directory, 'users'), os.path.join(world.directory, 'password')
    with open(password, 'w', encoding='ascii') as file:
        file.write('correct horse\n')
    world.run('user', 'add', 'alice', '--users', users, '--password-file', password, '--write', 'orders')
    broker = serve.Broker(world, '--kafka', '127.0.0.1:0', '--users', users, *serve.others_off(world, 'kafka')).wait_listening()
    where = '%s:%d' % broker.where['kafka']
    for mechanism in ('PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'):
        login = [word for setting in ('security.protocol=sasl_plaintext', 'sasl.mechanism=' + mechanism, 'sasl.username=alice') for word in ('-X', setting)]
        kcat(where, '-P', '-t', 'orders', *login, '-X', 'sasl.password=correct horse', given=mechanism)
        says(consumed(where, 'orders', *login, '-X', 'sasl.password=correct horse'), mechanism)
        done = subprocess.run(['kcat', '-b', where, '-L', '-m', '2', *login, '-X', 'sasl.password=wrong'], capture_output=True, text=True, timeout=edda.LIMIT_S, check=False)
        holds(done.returncode != 0, done.stdout)
        says(done.stderr, 'the name or the password is wrong')


if __name__ == '__main__':
    if not shutil.which('kcat'):
        print('needs kcat')
        sys.exit(77)
    edda.main([lists_produces_and_consumes, says_who_it_is, takes_every_compression, finds_offsets_by_time_and_keeps_headers, keeps_everything_over_a_kill,
               shares_partitions_in_a_group])
