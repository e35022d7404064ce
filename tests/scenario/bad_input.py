#!/usr/bin/env python3
"""Bad input to the choreography example: each row is refused with the right status and a problem that names the field, and nothing is recorded.

    bad_input.py APPLICATION [NAME…]
"""
import sys

sys.dont_write_bytecode = True
import edda
from choreography import give, order, settled
from edda import holds, same, talk, wait_for

ORDER = {'holderId': 'jjy', 'currencyId': 1, 'amount': 500}
POINT = {'userId': 'jjy', 'point': 1}
MISSING = object()


def order_with(**changes):
    return {k: v for k, v in {**ORDER, **changes}.items() if v is not MISSING}


def point_with(**changes):
    return {k: v for k, v in {**POINT, **changes}.items() if v is not MISSING}


# (method, path, body, the field that the problem names, its status)
FIELDS = [
    ('POST', '/orders', order_with(**change), next(iter(change)), 422) for change in (
        {'amount': MISSING}, {'amount': None}, {'amount': 0}, {'amount': -500}, {'amount': 0.009}, {'amount': 1e13}, {'amount': 1e308},
        {'amount': 'much'}, {'amount': ''}, {'amount': '5 00'}, {'amount': 'NaN'}, {'amount': '1e999'}, {'amount': '0x10'},
        {'amount': True}, {'amount': []}, {'amount': {'a': 1}},
        {'currencyId': MISSING}, {'currencyId': None}, {'currencyId': 1.5}, {'currencyId': 1e30}, {'currencyId': 2 ** 63},
        {'currencyId': 'KRW'}, {'currencyId': False}, {'currencyId': [1]},
        {'holderId': MISSING}, {'holderId': None}, {'holderId': ''}, {'holderId': 'x' * 65}, {'holderId': 'nobody'}, {'holderId': 5},
        {'holderId': True}, {'holderId': ['jjy']}, {'holderId': {'id': 'jjy'}}, {'holderId': 'jjy\0'}, {'holderId': 'JJY'},
    )
] + [
    ('POST', '/points', point_with(**change), next(iter(change)), 422) for change in (
        {'userId': MISSING}, {'userId': None}, {'userId': ''}, {'userId': 'x' * 65}, {'userId': 'ü' * 33}, {'userId': ['jjy']},
        {'userId': True}, {'point': MISSING}, {'point': None}, {'point': -1}, {'point': -0.01}, {'point': 1e13}, {'point': 'ten'},
        {'point': '-1'}, {'point': []}, {'point': True},
    )
] + [
    ('PATCH', '/edda/deadlines/deadline%2F1%2Fdecision', {}, 'dueTime', 422),
    ('PATCH', '/edda/deadlines/deadline%2F1%2Fdecision', {'dueTime': 'tomorrow'}, 'dueTime', 422),
    ('PATCH', '/edda/deadlines/deadline%2F1%2Fdecision', {'dueTime': '2026-13-01T00:00:00Z'}, 'dueTime', 422),
]

def with_amount(text):
    return b'{"holderId":"jjy","currencyId":1,"amount":%s}' % text


def with_holder(text):
    return b'{"holderId":"%s","currencyId":1,"amount":500}' % text


# (body, status, the field in which it goes wrong)
BODIES = [(body, 400, None) for body in (
    b'', b' ', b'{', b'}', b'{"holderId"}', b'{"holderId":"jjy","currencyId":1,"amount":500', with_amount(b'500}'), with_amount(b'500,'),
    with_amount(b'05'), with_amount(b'500') + b' x', b"{'holderId':'jjy','currencyId':1,'amount':500}",
    b'holderId=jjy&currencyId=1&amount=500', b'\xef\xbb\xbf' + with_amount(b'500'), b'{"x":' + b'[' * 1000 + b']' * 1000 + b'}',
)] + [(with_amount(text), 400, 'amount') for text in (b'+5', b'NaN', b'Infinity', b'.5')
] + [(with_holder(text), 400, 'holderId') for text in (b'jj\xff', b'jj\xc0\x80', b'jj\ny', b'jj\\x', b'\\ud800')
] + [(body, 422, None) for body in (b'[]', b'"jjy"', b'5', b'null', b'true')
] + [(b'{"holderId":"' + b'x' * (2 << 20) + b'"}', 413, None)]

# (method, path, headers, status, the field that the problem names)
REQUESTS = [
    ('POST', '/orders', {'Content-Type': 'text/plain'}, 415, 'Content-Type'),
    ('POST', '/orders', {'Content-Type': 'application/x-www-form-urlencoded'}, 415, 'Content-Type'),
    ('POST', '/orders', {'Content-Type': 'multipart/form-data; boundary=x'}, 415, 'Content-Type'),
    ('POST', '/orders', {'Content-Type': 'application/jsonx'}, 415, 'Content-Type'),
    ('POST', '/orders', {'Idempotency-Key': ''}, 400, 'Idempotency-Key'),
    ('POST', '/orders', {'Idempotency-Key': 'x' * 256}, 400, 'Idempotency-Key'),
    ('POST', '/orders', {'If-Match': '3'}, 400, 'If-Match'),
    ('POST', '/orders', {'If-Match': '"three"'}, 400, 'If-Match'),
    ('POST', '/orders', {'If-Match': '"3", "4"'}, 400, 'If-Match'),
    ('POST', '/orders', {'If-None-Match': '"3"'}, 400, 'If-None-Match'),
    ('POST', '/orders', {'If-Match': '*', 'If-None-Match': '*'}, 400, 'If-Match'),
    ('PUT', '/orders', {}, 405, None), ('DELETE', '/orders', {}, 405, None), ('PATCH', '/orders/1', {}, 405, None),
    ('POST', '/orders/1', {}, 405, None), ('DELETE', '/orders/1', {}, 405, None), ('POST', '/exchanges', {}, 405, None),
    ('POST', '/transactions', {}, 405, None), ('DELETE', '/points/jjy', {}, 405, None), ('POST', '/deadlines', {}, 405, None),
    ('DELETE', '/quarantine', {}, 405, None), ('POST', '/health', {}, 405, None), ('GET', '/services/exchange/pause', {}, 405, None),
    ('post', '/orders', {}, 405, None), ('BREW', '/orders', {}, 405, None),
    ('POST', '/order', {}, 404, None), ('POST', '/', {}, 404, None), ('POST', '//orders', {}, 404, None), ('POST', '/orders/1/2/3', {}, 404, None),
    ('POST', '/ORDERS', {}, 404, None), ('GET', '/orders/99', {}, 404, None), ('GET', '/orders/x', {}, 404, None),
    ('GET', '/orders/01', {}, 404, None), ('GET', '/orders/-1', {}, 404, None), ('GET', '/orders/1%00', {}, 404, None),
    ('GET', '/points/nobody', {}, 404, None), ('GET', '/exchanges/99', {}, 404, None), ('GET', '/transactions/99', {}, 404, None),
    ('GET', '/traces/99', {}, 404, None), ('GET', '/' + 'a/' * 50, {}, 404, None), ('GET', '/../etc/passwd', {}, 404, None),
    ('POST', '/services/nobody/pause', {}, 404, None), ('POST', '/services/nobody/resume', {}, 404, None),
    ('POST', '/quarantine/exchange/1/retry', {}, 404, None), ('POST', '/quarantine/exchange/1/skip', {}, 404, None),
    ('POST', '/quarantine/nobody/1/skip', {}, 404, None), ('DELETE', '/edda/deadlines/none', {}, 404, None),
    ('GET', '/orders/%zz', {}, 400, None), ('GET', '/orders/%', {}, 400, None), ('GET', '/orders/%ff', {}, 400, None),
] + [('GET', f'/{path}?{name}={value}', {}, 400, name) for path in ('orders', 'points', 'deadlines', 'services', 'quarantine') for name, value in (
    ('size', '0'), ('size', '-1'), ('size', '1001'), ('size', 'x'), ('size', '1.5'), ('size', '1e3'), ('page', '-1'), ('page', 'x'),
    ('page', '18446744073709551616'), ('page', '4294967296'), ('page', '1%20'))]

# What is no HTTP request at all: (bytes, status).
RAW = [
    (b'GARBAGE\r\n\r\n', 400),
    (b'GET /orders\r\n\r\n', 400),
    (b'GET /orders HTTP/2.0\r\nHost: x\r\n\r\n', 505),
    (b'GET /orders HTTP/1.1\r\n\r\n', 400),
    (b'GET orders HTTP/1.1\r\nHost: x\r\n\r\n', 400),
    (b'GET /or ders HTTP/1.1\r\nHost: x\r\n\r\n', 400),
    (b'GET /orders HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n', 400),
    (b'GET /orders HTTP/1.1\r\nHost : x\r\n\r\n', 400),
    (b'POST /orders HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n', 400),
    (b'POST /orders HTTP/1.1\r\nHost: x\r\nContent-Length: 1x\r\n\r\n', 400),
    (b'POST /orders HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}', 400),
    (b'POST /orders HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n', 400),
    (b'POST /orders HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999999\r\n\r\n', 413),
    (b'POST /orders HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 400),
    (b'POST /orders HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n', 501),
    (b'POST /orders HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n', 400),
    (b'GET /orders HTTP/1.1\r\nHost: x\r\nX: ' + b'y' * 20000 + b'\r\n\r\n', 431),
    (b'GET /' + b'y' * 20000 + b' HTTP/1.1\r\nHost: x\r\n\r\n', 431),
]


def started(world):
    """A process in which there is something that bad input could change."""
    process = world.start('--deadline', '1h')
    client = process.client()
    give(client, 'jjy', 10000)
    client.post('/services/exchange/pause', status=204)
    same(order(client, 500), 1)
    wait_for(lambda: client.all('/deadlines'), 'the deadline of the order')
    settled(client)
    return process, client


def tail(client):
    """Where the next record goes, when nothing is under way."""
    return wait_for(lambda: (now := client.metric('edda_journal_tail')) == client.metric('edda_journal_durable') and now, 'a journal at rest')


class Table:
    """Asks for row after row, and gathers what was wrong."""

    def __init__(self, world):
        self.process, self.client = started(world)
        self.tail = tail(self.client)
        self.wrong = []

    def refused(self, row, answer, status, field):
        shown = repr(row)[:160]
        if answer.status != status:
            self.wrong.append(f'{shown}: {answer}'[:400])
            return
        if answer.headers['Content-Type'] != 'application/problem+json':
            self.wrong.append(f'{shown}: its content is {answer.headers["Content-Type"]}')
            return
        problem = answer.json
        if (problem['status'], problem.get('field')) != (status, field) or not all(problem[k] for k in ('type', 'title', 'detail')):
            self.wrong.append(f'{shown}: {problem}')

    def end(self):
        grown = tail(self.client) - self.tail
        if grown:
            self.wrong.append(f'{grown} records were made')
        same([(o['id'], o['status']) for o in self.client.all('/orders')], [(1, 'PENDING')])
        same([(p['userId'], p['point']) for p in self.client.all('/points')], [('jjy', 10000)])
        holds(not self.wrong, '\n    '.join([f'{len(self.wrong)} rows:'] + self.wrong))


def wrong_fields(world):
    """A field that is missing, of another kind, out of its range or of nobody: 422 with its name."""
    table = Table(world)
    for method, path, body, field, status in FIELDS:
        table.refused((path, body), table.client.ask(method, path, body), status, field)
    table.end()


def wrong_bodies(world):
    """A body that is no JSON: 400; one that is no object: 422; one that is too large: 413."""
    table = Table(world)
    for body, status, field in BODIES:
        try:
            table.refused(body, table.client.ask('POST', '/orders', body), status, field)
        except BrokenPipeError:  # it stopped listening before all of the body was sent
            table.wrong.append(f'{body[:40]}: the answer is lost')
    table.end()


def wrong_requests(world):
    """A header, method, path or page that is wrong: 4xx, also with a body that is right."""
    table = Table(world)
    for method, path, headers, status, field in REQUESTS:
        answer = table.client.ask(method, path, None if method == 'GET' else ORDER, headers)
        table.refused((method, path, headers), answer, status, field)
        if status == 405 and not answer.headers['Allow']:
            table.wrong.append(f'{method} {path}: no Allow')
    table.end()


def no_requests(world):
    """Bytes that are no request: refused, and the connection is closed."""
    table = Table(world)
    for sent, status in RAW:
        answer = talk(table.process.host, table.process.port, sent)
        if not answer.startswith(b'HTTP/1.1 %d ' % status):
            table.wrong.append(f'{sent[:100]}: {answer[:300]}')
    table.end()


def cut_off(world):
    """A request that ends in its middle is none, wherever it is cut."""
    table = Table(world)
    body = b'{"holderId":"jjy","currencyId":1,"amount":500}'
    whole = b'POST /orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' % (len(body), body)
    for cut in range(len(whole)):
        answer = talk(table.process.host, table.process.port, whole[:cut])
        if answer and not answer.startswith(b'HTTP/1.1 400 '):
            table.wrong.append(f'cut at {cut}: {answer[:100]}')
    table.end()


SCENARIOS = (wrong_fields, wrong_bodies, wrong_requests, no_requests, cut_off)

if __name__ == '__main__':
    edda.main(SCENARIOS)
