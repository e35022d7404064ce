#!/usr/bin/env python3
"""The commands by which the original of the choreography is shown work as they are written there: with httpie, on port 8088.

    httpie.py APPLICATION [NAME…]

Needs httpie and the port, and is skipped where one of them is not to be had.
"""
import json
import shlex
import shutil
import socket
import subprocess
import sys

sys.dont_write_bytecode = True
import edda
from edda import Skip, same, wait_for

PORT = 8088


def http(line):
    """Runs a line of the document, and returns what was answered."""
    done = subprocess.run(shlex.split(line, comments=True) + ['--ignore-stdin', '--check-status', '--body', '--pretty=none'],
                          text=True, capture_output=True, timeout=edda.LIMIT_S, check=False)
    same(done.returncode, 0, f'{line}\n{done.stdout}{done.stderr}')
    return json.loads(done.stdout)


def status(number):
    return http(f'http :8088/orders/{number}')['status']


def decided(number):
    return wait_for(lambda: (now := status(number)) != 'PENDING' and now, f'the decision of order {number}')


def statuses():
    return [o['status'] for o in http('http :8088/orders # REJECTED DUE TO DEADLINE')['_embedded']['orders']]


def points():
    return http('http :8088/points/jjy')['point']


def rows(answer):
    return next(iter(answer['_embedded'].values()))


def the_document(world):
    """From the first account to currency 200, line by line; only the deadline and the sleep are shorter."""
    if not shutil.which('http'):
        raise Skip('httpie is not installed; tools/setup.sh installs it')
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(('127.0.0.1', PORT))
        except OSError as why:
            raise Skip(f'port {PORT} is taken: {why.strerror}') from why
    world.start('--deadline', '2s', '--injected-delay', '3s', port=PORT)

    http('http :8088/points userId="jjy" point=10000')
    same(http('http :8088/points/jjy # => 10000')['point'], 10000)
    same(http('http :8088/orders holderId="jjy" currencyId=1 amount=500')['id'], 1)
    http('http :8088/deadlines')
    same(decided(1), 'APPROVED')
    same(points(), 9500)
    same([(t['orderId'], t['pointUsed']) for t in rows(http('http :8088/transactions'))], [(1, 500)])
    same([(e['orderId'], e['point']) for e in rows(http('http :8088/exchanges'))], [(1, 500)])

    http('http :8088/orders holderId="jjy" currencyId=1 amount=50000')
    same(decided(2), 'REJECTED DUE TO POINT LIMIT')
    same(http('http :8088/points/jjy')['point'], 9500)

    # The original stops the exchange's process; here it is one service of a process.
    subprocess.run(shlex.split('http --ignore-stdin --check-status POST :8088/services/exchange/pause'), check=True, capture_output=True)
    http('http :8088/orders holderId="jjy" currencyId=1 amount=500')
    same(decided(3), 'REJECTED DUE TO DEADLINE')
    subprocess.run(shlex.split('http --ignore-stdin --check-status POST :8088/services/exchange/resume'), check=True, capture_output=True)
    same(points(), 9500)

    http('http :8088/orders holderId="jjy" currencyId=100 amount=500')
    http('http :8088/orders holderId="jjy" currencyId=200 amount=500')
    same([decided(4), decided(5)], ['REJECTED DUE TO DEADLINE'] * 2)
    wait_for(lambda: not any(s['pending'] for s in rows(http('http :8088/services'))), 'the end of the sleeps')
    same(statuses(), ['APPROVED', 'REJECTED DUE TO POINT LIMIT'] + ['REJECTED DUE TO DEADLINE'] * 3)
    same([e['orderId'] for e in rows(http('http :8088/exchanges'))], [1])
    same(points(), 9500)


SCENARIOS = (the_document,)

if __name__ == '__main__':
    edda.main(SCENARIOS)
