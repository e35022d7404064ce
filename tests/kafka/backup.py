#!/usr/bin/env python3
"""Backs up the directory of a broker while Kafka clients are at it, brings it back, and lets the same clients go on with the copy: backup.py EDDA.

They are those of kill9.py, which know what was acknowledged to them."""
import os
import subprocess

import kafka
import kcat
import kill9
from kafka import edda
from edda import holds, same, says


def tool(world, *words):
    return world.run(*words)


def served(world, at, data):
    """The broker, with this directory now."""
    at.kill()
    at.data = data
    at.start()


def what_was_restored_goes_on(world):
    """What was acknowledged before a backup began is in it; what was restored is whole, and producers go on where they were."""
    kafka.command('librdkafka')
    at = kafka.broker(world)
    load = kill9.Load(at)
    world.servers.insert(0, load)
    where, copy = f'{at.host}:{at.port}', os.path.join(world.directory, 'copy')
    for n in range(4):
        kcat.kcat(where, '-P', '-t', 'marked', '-p', '0', given=f'{n}\n')
        tool(world, 'backup', world.data, '--to', copy, *(['--check'] if n == 3 else []))
        says(tool(world, 'verify', copy), 'is whole')
        says(tool(world, 'read', copy, '--topic', 'marked', '--backward', '--limit', '1'), rf'{n}$')
    middle = os.path.join(world.directory, 'middle')
    tool(world, 'restore', copy, '--to', middle)
    load.check()
    tool(world, 'backup', world.data, '--to', copy)
    back = os.path.join(world.directory, 'back')
    tool(world, 'restore', copy, '--to', back)
    served(world, at, back)
    load.check()
    load.tell('go')
    kcat.kcat(where, '-P', '-t', 'marked', '-p', '0', given='later\n')
    load.check()
    same(kcat.consumed(where, 'marked').split(), ['0', '1', '2', '3', 'later'])
    served(world, at, middle)
    same(kcat.consumed(where, 'marked').split(), ['0', '1', '2', '3'])
    at.stop()
    says(tool(world, 'verify', middle), 'is whole')


if __name__ == '__main__':
    edda.main((what_was_restored_goes_on,))
