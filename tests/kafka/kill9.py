#!/usr/bin/env python3
"""Kills the broker at random moments while Kafka clients are at it, again and again, and looks what is left: kill9.py EDDA [--kills=20] [--seed=N].

The seed is printed first; with it the same moments come again. Without --kills, the environment's SOAK_SECONDS says how long it goes on."""
import os
import random
import re
import subprocess
import time

import kafka
from kafka import edda
from edda import holds, same

ALIVE_S = (0.05, 1.5)  # of a broker, after it answers
LOOK_EVERY = 20        # kills


class Load:
    """The process with the clients; see python/load.py."""

    def __init__(self, at):
        words = [*kafka.python_program('load.py')(), f'{at.host}:{at.port}', 'load']
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.counts = [0] * 4  # what each of its clients has done, by the last look
        self.said()

    def said(self):
        line = self.process.stdout.readline()
        if line.startswith('wrong: '):
            raise AssertionError(line.rstrip('\n'))
        if not line.startswith(('ok: ', 'working', 'done')):
            self.process.kill()
            raise AssertionError('the clients failed: ' + line + self.process.stdout.read()[-4000:])
        return line.rstrip('\n')

    def tell(self, word):
        self.process.stdin.write(word + '\n')
        self.process.stdin.flush()

    def check(self):
        self.tell('check')
        said = self.said()
        print(said, flush=True)
        found = re.search(r'(\d+) transactions of (\d+) records are there', said)
        self.transactions, self.in_transaction = int(found[1]), int(found[2])
        self.counts = [int(n) for n in re.findall(r'(?:ok:|;) (\d+)', said)]

    def get_on(self):
        """Until each of the clients has done something since the last look; then they rest."""
        before = self.counts

        def all_have():
            self.tell('go')
            time.sleep(0.2)  # between two looks, in which nobody works
            self.check()
            return all(count > old for count, old in zip(self.counts, before))
        edda.wait_for(all_have, 'something from each of Kafka\'s clients')

    def do_wrong(self, what):
        """One of load.py's WRONGS, which the next check() must find."""
        self.tell(what)
        same(self.said(), 'done')

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def kill_and_look(world):
    """Nothing acknowledged is lost, idempotent producers have no duplicates, transactions are whole, groups are where they were."""
    seed = edda.option('seed', random.SystemRandom().randrange(2 ** 32))
    limit = edda.option('kills', 0)
    until = time.monotonic() + float(os.environ.get('SOAK_SECONDS', '60'))
    print(f'seed {seed}', flush=True)
    chance = random.Random(seed)
    kafka.command('librdkafka')
    at = kafka.broker(world)
    load = Load(at)
    world.servers.insert(0, load)
    kills = 0
    while kills < limit or (limit == 0 and time.monotonic() < until):
        # Not a wait for anything: the moment of the crash, which is to be any.
        time.sleep(chance.uniform(*ALIVE_S))
        at.kill()
        at.start()
        kills += 1
        if kills % LOOK_EVERY == 0:
            load.check()
            load.tell('go')
    load.check()
    at.kill()
    at.start()
    load.check()
    print(f'{kills} kills', flush=True)
    holds(kills > 0, 'the broker was killed')


if __name__ == '__main__':
    edda.main((kill_and_look,))
