#!/usr/bin/env python3
"""The events of the choreography example as Kafka's own console shows them: choreography.py CHOREOGRAPHY [--version=4.1.0]"""
import re

import kafka
import serve
from kafka import edda, install
from edda import holds, same, says, wait_for
from tools import Tools


class Where:
    """Where the application listens for Kafka's clients."""

    def __init__(self, process):
        self.host, self.port = process.where['kafka']


def console_consumer_shows_the_choreography(world):
    """kafka-console-consumer --topic choreography.deadline --from-beginning shows what happened to an order, in order, and to the next one."""
    version = edda.option('version', install.JAVA_WHOLE[-1])
    try:
        install.java_programs(version)
    except install.Unavailable as reason:
        raise edda.Skip(str(reason)) from None
    process = serve.Broker(world, command=[world.application, 'run', '--data', world.data, '--port', '0', '--kafka', '127.0.0.1:0']).wait_listening()
    client = process.client()
    tools = Tools(Where(process), version)
    world.servers.append(tools)
    client.post('/points', {'userId': 'jjy', 'point': 5000})
    numbers = []
    for _ in range(2):
        number = client.post('/orders', {'holderId': 'jjy', 'currencyId': 1, 'amount': 10})['id']
        wait_for(lambda: client.get(f'/orders/{number}')['status'] != 'PENDING', 'the order is decided')
        numbers.append(number)
        wanted = [m['type'] for m in client.get(f'/traces/{number}')['messages'] if m['topic'] == 'choreography.deadline']
        said = tools.run('kafka-console-consumer', '--topic', 'choreography.deadline', '--from-beginning', '--timeout-ms', '3000',
                         '--property', 'print.headers=true', '--property', 'print.key=true', '--property', 'print.value=true')
        found = re.findall(rf'ce_type:([^,\t]+)\S*\t{number}\t', said)
        holds(wanted, 'the order has events')
        same(found, wanted, f'the events of order {number}, in\n{said}')
    says(said, *(rf'\t{number}\t\{{' for number in numbers))


if __name__ == '__main__':
    edda.main((console_consumer_shows_the_choreography,))
