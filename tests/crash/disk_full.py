#!/usr/bin/env python3
"""The disk runs full under load, and has room again later.

    disk_full.py APPLICATION --edda=TOOL [NAME…]

Needs a small disk: a tmpfs, which only root may mount. Skipped where that is not to be had.
"""
import contextlib
import errno
import json
import os
import subprocess
import sys

sys.dont_write_bytecode = True
import orders
from load import edda
from edda import Skip, same, says, wait_for

DISK_MIB = 160     # two segments of 64 MiB, and only one beside the ballast
FILLED_MIB = 60    # of the first segment, before the load
SPARE_MIB = 20     # left while it is filled, for the index
TIMES = ('--deadline', '1s', '--injected-delay', '1500ms')


@contextlib.contextmanager
def small_disk(world):
    disk = os.path.join(world.directory, 'disk')
    os.mkdir(disk)
    done = subprocess.run(['mount', '-t', 'tmpfs', '-o', f'size={DISK_MIB}m', 'edda-test', disk], text=True, capture_output=True, check=False)
    if done.returncode:
        raise Skip(f'a small disk cannot be mounted: {done.stderr.strip()}')
    try:
        yield disk
    finally:
        for process in world.processes:
            process.kill()
        subprocess.run(['umount', disk], check=True)


def fill_segment(data):
    """Events of nobody's, so that the load comes to the end of the segment soon."""
    event = json.dumps({'pad': 'x' * 100000}) + '\n'
    for _ in range(FILLED_MIB):
        subprocess.run([edda.option('edda', 'edda'), 'append', data, 'filler/1', '--batch', '--type', 'Filler'], input=event * 10, text=True,
                       check=True, capture_output=True, timeout=edda.LIMIT_S)


def fill_disk(path, spare_mib=0):
    """Takes all space that is left but for what is to be spared, to the byte."""
    space = os.statvfs(os.path.dirname(path))
    with open(path, 'wb', buffering=0) as file:
        if spare_mib:
            file.write(b'\0' * (space.f_bavail * space.f_frsize - (spare_mib << 20)))
            return
        for size in (1 << 20, 4096):
            try:
                while True:
                    file.write(b'\0' * size)
            except OSError as wrong:
                same(wrong.errno, errno.ENOSPC)


def order(client, key):
    return client.ask('POST', '/orders', {'holderId': 'jjy', 'currencyId': 1, 'amount': 1}, {'Idempotency-Key': key})


def full_and_free_again(world):
    """With the disk full a request is answered 507 and reads go on; with room again all goes on, and nothing acknowledged was lost."""
    with small_disk(world) as disk:
        data, ballast = os.path.join(disk, 'data'), os.path.join(disk, 'ballast')
        process = world.start(*TIMES, data=data)
        orders.prepare(process)
        same(process.end()[0], 0)
        fill_disk(ballast, SPARE_MIB)
        fill_segment(data)
        process = world.start(*TIMES, data=data)
        fill_disk(ballast + '-too')
        client = process.client()
        acknowledged, refused = {}, None
        for n in range(100000):
            answer = order(client, f'k{n}')
            if answer.status != 201:
                refused = f'k{n}'
                break
            acknowledged[f'k{n}'] = answer.json['id']
        same((answer.status, answer.json['type'], answer.headers['Retry-After']), (507, 'urn:edda:error:full', '1'))
        print(f'full after {len(acknowledged)} orders', flush=True)
        same(client.get('/health')['live'], True)
        same({o['id'] for o in client.all('/orders')}, set(acknowledged.values()))
        same(order(client, refused).status, 507)

        os.remove(ballast)
        wait_for(lambda: (a := order(client, refused)).status == 201 and a, 'room for another order')
        settle(client)
        same(len(client.all('/orders')), len(acknowledged) + 1)
        for start_again in (False, True):
            if start_again:
                process.kill()
                client = world.start(*TIMES, data=data).client()
                settle(client)
            orders.consistent(client, {user: orders.DEPOSIT for user in orders.USERS})
            same(set(acknowledged.values()) - {o['id'] for o in client.all('/orders')}, set(), 'acknowledged orders that are lost')


def settle(client):
    wait_for(lambda: not any(o['status'] == 'PENDING' for o in client.all('/orders')), 'the decisions of all orders')


def no_room_to_begin(world):
    """On a disk without room for a log it says so and ends with 1."""
    with small_disk(world) as disk:
        fill_disk(os.path.join(disk, 'ballast'))
        says(world.run('run', '--data', os.path.join(disk, 'data'), '--port', '0', status=1), 'no space|directory')


SCENARIOS = (full_and_free_again, no_room_to_begin)

if __name__ == '__main__':
    edda.main(SCENARIOS)
