#!/usr/bin/env python3
"""Kills the process at random moments while clients are at it, again and again, and looks what is left.

    kill9.py APPLICATION --load=orders|carts|stays|loans|lines --edda=TOOL [--kills=10] [--seed=N]

The seed is printed first; with it the same requests and moments come again, as far as threads and the disk allow. Without --kills, the
environment's SOAK_SECONDS says how long it goes on.
"""
import importlib
import os
import random
import sys
import time

sys.dont_write_bytecode = True
import load
from load import edda
from edda import holds, says

ALIVE_S = (0.0, 0.6)  # of a process, after it listens


def rounds():
    """The numbers of the rounds to run."""
    kills = edda.option('kills', 0)
    until = time.monotonic() + float(os.environ.get('SOAK_SECONDS', '60'))
    number = 0
    while number < kills or (kills == 0 and time.monotonic() < until):
        number += 1
        yield number


def kill_and_look(world):
    """Whatever was acknowledged survives, nothing is done twice, and every process comes to its end."""
    seed = edda.option('seed', random.SystemRandom().randrange(2 ** 32))
    print(f'seed {seed}', flush=True)
    chance = random.Random(seed)
    application = importlib.import_module(edda.option('load', 'orders'))
    process = world.start(*application.OPTIONS)
    application.prepare(process)
    clients = load.Load(seed, application)
    clients.start(process)
    kills = 0
    for kills in rounds():
        # Not a wait for anything: the moment of the crash, which is to be any.
        time.sleep(chance.uniform(*ALIVE_S) * chance.random())
        clients.gone()
        process.kill()
        world.processes.remove(process)
        process = world.start(*application.OPTIONS)
        clients.start(process)
    clients.stop()
    print(f'{kills} kills, {len(clients.acknowledged)} requests acknowledged, {clients.resent} of them after they were sent again', flush=True)
    holds(len(clients.acknowledged) > kills, 'requests were answered between the kills')
    application.check(process, clients)
    process.kill()
    process = world.start(*application.OPTIONS)
    application.check(process, clients)
    process.end()
    says(world.run('verify', world.data, application=edda.option('edda', 'edda')), 'is whole')


if __name__ == '__main__':
    edda.main((kill_and_look,))
