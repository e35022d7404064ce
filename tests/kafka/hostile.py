#!/usr/bin/env python3
"""Clients of Kafka's protocol that misbehave, against `edda serve`: each costs itself its connection, and nobody else anything.

    hostile.py EDDA [NAME…]
"""
import os
import socket
import struct
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'scenario'))
import edda  # noqa: E402
import serve  # noqa: E402
from edda import holds, same, says, wait_for  # noqa: E402

API_VERSIONS, FETCH, METADATA, PRODUCE, SASL_HANDSHAKE, SASL_AUTHENTICATE = 18, 1, 3, 0, 17, 36


def started(world, *options):
    return serve.Broker(world, '--kafka', '127.0.0.1:0', '--http', '127.0.0.1:0', *options, *serve.others_off(world, 'kafka', 'http')).wait_listening()


def connect(broker):
    return socket.create_connection(broker.where['kafka'], timeout=edda.LIMIT_S)


def text(word):
    return struct.pack('>h', len(word)) + word.encode()


def request(key, version, correlation, body=b''):
    frame = struct.pack('>hhi', key, version, correlation) + text('raw') + body
    return struct.pack('>i', len(frame)) + frame


def exactly(client, count):
    got = b''
    while len(got) < count:
        more = client.recv(count - len(got))
        holds(more, f'the connection ended after {len(got)} of {count} bytes')
        got += more
    return got


def answer(client):
    """The correlation id and the body of the next response."""
    frame = exactly(client, struct.unpack('>i', exactly(client, 4))[0])
    return struct.unpack('>i', frame[:4])[0], frame[4:]


def ended(client):
    try:
        return client.recv(1) == b''
    except ConnectionResetError:
        return True


def metadata_of(topic):
    return request(METADATA, 1, 7, struct.pack('>i', 1) + text(topic))


def fetch_of(topic, wait_ms):
    return request(FETCH, 4, 9, struct.pack('>iiiib', -1, wait_ms, 1, 1 << 20, 0) + struct.pack('>i', 1) + text(topic) +
                   struct.pack('>iiqi', 1, 0, 0, 1 << 20))


def waiting(broker):
    return broker.client().metric('edda_kafka_waiting')


def answers_come_in_order_however_bytes_arrive(world):
    broker = started(world)
    with connect(broker) as client:
        sent = b''.join(request(API_VERSIONS, 0, i) for i in range(20))
        for i in range(0, 60):
            client.sendall(sent[i:i + 1])
        client.sendall(sent[60:])
        same([answer(client)[0] for _ in range(20)], list(range(20)))
        client.sendall(request(API_VERSIONS, 9, 77, b'anything'))
        correlation, body = answer(client)
        same((correlation, struct.unpack('>h', body[:2])[0]), (77, 35), 'an unknown version is told so in the oldest form')


def what_is_no_request_ends_the_connection(world):
    broker = started(world)
    nonsense = (b'GET / HTTP/1.1\r\n\r\n', struct.pack('>i', -1), struct.pack('>i', 33 << 20), struct.pack('>i', 0), request(99, 0, 1), request(METADATA, 99, 1),
                request(METADATA, 0, 1, struct.pack('>i', 0x7fffffff)), request(PRODUCE, 7, 1, b'\xff' * 50))
    for i, sent in enumerate(nonsense):
        with connect(broker) as client:
            client.sendall(request(API_VERSIONS, 0, 5) + sent)
            same(answer(client)[0], 5, 'what was asked before is still answered')
            holds(ended(client), f'nonsense {i} does not end the connection')
    with connect(broker) as client:
        client.sendall(metadata_of('made'))
        same(answer(client)[0], 7)
    wait_for(lambda: broker.client().metric('edda_connections') == 1, 'all connections are gone')
    says('\n'.join(broker.said), r'kafka\.malformed: 127\.0\.0\.1: a request of \d+ bytes is over the limit', r'kafka\.unsupported: 127\.0\.0\.1: request of API 99, version 0, client raw',
         r'kafka\.malformed: 127\.0\.0\.1: request of API 3, version 0, client raw')


def who_waits_and_goes_away_leaves_nothing(world):
    broker = started(world)
    with connect(broker) as client:
        client.sendall(metadata_of('t'))
        answer(client)
        clients = [connect(broker) for _ in range(5)]
        for waiter in clients:
            waiter.sendall(fetch_of('t', 50000))
        wait_for(lambda: waiting(broker) == 5, 'five wait')
        for waiter in clients[:4]:
            waiter.close()
        wait_for(lambda: waiting(broker) == 1, 'those that are gone do not')
        # What follows a request that waits is answered after it.
        clients[4].sendall(request(API_VERSIONS, 0, 11))
        client.sendall(request(API_VERSIONS, 0, 12))
        same(answer(client)[0], 12, 'others do not wait')
        same(broker.end()[0], 0, 'nor does the server, when it stops')
        holds(ended(clients[4]), 'it is not left waiting')
        clients[4].close()


def a_login_begins_with_its_mechanism(world):
    """A handshake that fails undoes one that did not: what comes next is no message of the first one."""
    users = os.path.join(world.directory, 'users')
    password = os.path.join(world.directory, 'password')
    with open(password, 'w') as file:
        file.write('correct horse\n')
    world.run('user', 'add', 'alice', '--users', users, '--manage', '*', '--password-file', password)
    broker = started(world, '--users', users)
    code = lambda client: struct.unpack('>h', answer(client)[1][:2])[0]
    message = b'\0alice\0correct horse'
    authenticate = request(SASL_AUTHENTICATE, 0, 3, struct.pack('>i', len(message)) + message)
    with connect(broker) as client:
        client.sendall(request(SASL_HANDSHAKE, 1, 1, text('PLAIN')) + request(SASL_HANDSHAKE, 1, 2, text('NONE')) + authenticate)
        same([code(client) for _ in range(3)], [0, 33, 34])
        client.sendall(request(SASL_HANDSHAKE, 1, 1, text('PLAIN')) + authenticate)
        same([code(client) for _ in range(2)], [0, 0])
    same(broker.end()[0], 0)


def resident_mb(broker):
    with open(f'/proc/{broker.process.pid}/status') as status:
        return next(int(line.split()[1]) for line in status if line.startswith('VmRSS:')) / 1024


def what_a_large_request_took_is_given_back(world):
    """Also by clients that stay, and send nothing more."""
    broker = started(world)
    names = request(METADATA, 4, 7, struct.pack('>i', 99000) + b''.join(text(f'{i:05}') for i in range(99000)) + b'\0')
    before = resident_mb(broker)
    clients = [connect(broker) for _ in range(60)]
    for client in clients:
        client.sendall(names)
        same(answer(client)[0], 7)
    holds(resident_mb(broker) - before < 400, f'{before} MiB have become {resident_mb(broker)}')
    for client in clients:
        client.close()
    same(broker.end()[0], 0)


if __name__ == '__main__':
    edda.main([answers_come_in_order_however_bytes_arrive, what_is_no_request_ends_the_connection, who_waits_and_goes_away_leaves_nothing,
               a_login_begins_with_its_mechanism, what_a_large_request_took_is_given_back])
