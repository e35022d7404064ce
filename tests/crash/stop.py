#!/usr/bin/env python3
"""The process is told to stop under load, and a second one is started beside it.

    stop.py APPLICATION [NAME…]
"""
import os
import signal
import subprocess
import sys

sys.dont_write_bytecode = True
import load
import orders
from load import edda
from edda import holds, same, says, wait_for

STOP_S = 5


def stops_in_order(world):
    """SIGTERM and SIGINT under load: it ends with 0 within 5 s, also while handlers sleep, and loses nothing."""
    times = ('--deadline', '2s', '--injected-delay', '10m')
    process = world.start(*times)
    orders.prepare(process)
    clients = load.Load('stop', orders)
    clients.start(process)
    for with_signal in (signal.SIGTERM, signal.SIGINT):
        client = process.client()
        client.post('/orders', {'holderId': 'jjy', 'currencyId': 100, 'amount': 1}, Idempotency_Key=f'sleeps-{with_signal}')
        wait_for(lambda: client.metric('edda_handlers_running') > 0, 'a handler that sleeps')
        before = len(clients.acknowledged)
        wait_for(lambda: len(clients.acknowledged) > before + 20, 'orders under way')
        status, took = process.end(with_signal)
        clients.gone()
        same(status, 0, process.said)
        holds(took < STOP_S, f'it took {took:.1f} s to stop')
        same(process.said[-1], 'stopping: everything that was answered is on the disk')
        process = world.start(*times)
        clients.start(process)
        wait_for(lambda: len(process.said) > 1, 'the line about the data')
        says('\n'.join(process.said), 'which was closed in order')
    clients.stop()
    client = process.client()
    numbers = {o['id'] for o in client.all('/orders')}
    same({a.answer['id'] for a in clients.acknowledged} - numbers, set(), 'acknowledged orders that are lost')
    same(len(numbers), len(clients.acknowledged) + 2, 'orders, with the two that sleep')


def two_signals(world):
    """A second signal ends a process at once; what it acknowledged is there all the same."""
    process = world.start('--injected-delay', '10m')
    orders.prepare(process)
    client = process.client()
    numbers = {client.post('/orders', {'holderId': 'jjy', 'currencyId': c, 'amount': 1})['id'] for c in (1, 100, 200)}
    process.process.send_signal(signal.SIGTERM)
    process.end(signal.SIGTERM, STOP_S)
    client = world.start().client()
    same({o['id'] for o in client.all('/orders')}, numbers)


def one_process_per_directory(world):
    """A second process on a directory is refused with the number of the one that has it; the first notices nothing."""
    process = world.start()
    orders.prepare(process)
    says(world.run('run', '--data', world.data, '--port', '0', status=1), rf'\b{process.process.pid}\b')
    link = os.path.join(world.directory, 'link')
    os.symlink(world.data, link)
    says(world.run('run', '--data', link, '--port', '0', status=1), rf'\b{process.process.pid}\b')
    same(process.client().get('/health')['live'], True)
    process.kill()
    same(len(world.start().client().all('/points')), len(orders.USERS))


def not_its_directory(world):
    """A file in the place of the directory, one that may not be written, one of something else: said, with status 1."""
    path = os.path.join(world.directory, 'file')
    with open(path, 'w', encoding='utf-8') as file:
        file.write('something else')
    says(world.run('run', '--data', path, '--port', '0', status=1), 'file')
    says(world.run('run', '--data', '/proc/nothing', '--port', '0', status=1), '/proc/nothing')
    os.mkdir(world.data)
    os.mkdir(os.path.join(world.data, 'log'))
    with open(os.path.join(world.data, 'log', '0000000000000001.seg'), 'w', encoding='utf-8') as file:
        file.write('something else' * 1000)
    says(world.run('run', '--data', world.data, '--port', '0', status=1), '0000000000000001.seg')
    done = subprocess.run(['cat', os.path.join(world.data, 'log', '0000000000000001.seg')], capture_output=True, check=True)
    same(done.stdout, b'something else' * 1000)


SCENARIOS = (stops_in_order, two_signals, one_process_per_directory, not_its_directory)

if __name__ == '__main__':
    edda.main(SCENARIOS)
