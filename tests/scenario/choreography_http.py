#!/usr/bin/env python3
"""The HTTP interface of the choreography example to the letter: representations, repeated requests, what every application shows, and bad input.

    choreography_http.py APPLICATION [NAME…]
"""
import json
import os
import re
import sys
import threading

sys.dont_write_bytecode = True
import edda
from choreography import consistent, decided, give, order, points, settled
from edda import holds, same, says, wait_for

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


# --- representations ---------------------------------------------------------------------------------------------------

def link(process, path):
    return {'self': {'href': process.url + path}}


def page(name, rows, number=0, size=20, total=None):
    total = len(rows) if total is None else total
    return {'_embedded': {name: rows},
            'page': {'size': size, 'totalElements': total, 'totalPages': -(-total // size), 'number': number}}


def representations(world):
    """Every resource as the original gives it: its fields in order, its link, a Location for what is created, pages for lists."""
    process = world.start()
    client = process.client()
    created = client.ask('POST', '/points', {'userId': 'jjy', 'point': 10000})
    same((created.status, created.headers['Location']), (201, process.url + '/points/jjy'))
    same(list(created.json.items()), [('userId', 'jjy'), ('point', 10000), ('_links', link(process, '/points/jjy'))])

    client.post('/services/exchange/pause', status=204)
    created = client.ask('POST', '/orders', {'holderId': 'jjy', 'currencyId': 1, 'amount': 500})
    same((created.status, created.headers['Location']), (201, process.url + '/orders/1'))
    same(created.headers['Content-Type'], 'application/json')
    wanted = {'id': 1, 'holderId': 'jjy', 'currencyId': 1, 'amount': 500, 'status': 'PENDING', '_links': link(process, '/orders/1')}
    same(list(created.json.items()), list(wanted.items()))
    same(client.get('/orders/1'), wanted)
    [deadline] = wait_for(lambda: client.all('/deadlines'), 'the deadline')
    same(list(deadline), ['id', 'orderId', 'startedTime', 'deadline', '_links'])
    same((deadline['id'], deadline['orderId'], deadline['_links']), (1, 1, link(process, '/deadlines/1')))
    client.post('/services/exchange/resume', status=204)

    same(decided(client, 1), 'APPROVED')
    wanted['status'] = 'APPROVED'
    same(client.get('/orders/1'), wanted)
    same(client.get('/orders'), page('orders', [wanted]))
    wanted = {'userId': 'jjy', 'point': 9500, '_links': link(process, '/points/jjy')}
    same(client.get('/points/jjy'), wanted)
    same(client.get('/points'), page('points', [wanted]))
    wanted = {'orderId': 1, 'currencyId': 1, 'amount': 500, 'rate': 1, 'point': 500, '_links': link(process, '/exchanges/1')}
    same(client.get('/exchanges/1'), wanted)
    same(client.get('/exchanges'), page('exchanges', [wanted]))
    wanted = {'orderId': 1, 'userId': 'jjy', 'pointUsed': 500, '_links': link(process, '/transactions/1')}
    same(client.get('/transactions/1'), wanted)
    same(client.get('/transactions'), page('transactions', [wanted]))
    settled(client)
    same(client.get('/deadlines'), page('deadlines', []))
    same(client.ask('GET', '/orders/1').body.split(b'"_links"')[0],
         b'{"id":1,"holderId":"jjy","currencyId":1,"amount":500.0,"status":"APPROVED",')


def compensated_is_gone(world):
    """An exchange that was taken back is listed no more, and neither is a transaction that was never made."""
    client = world.start().client()
    give(client, 'jjy', 100)
    number = order(client, 101)
    same(decided(client, number), 'REJECTED DUE TO POINT LIMIT')
    settled(client)
    for collection in ('exchanges', 'transactions'):
        same(client.get(f'/{collection}'), page(collection, []))
        client.get(f'/{collection}/{number}', status=404)


def links_lead_there(world):
    """Whoever follows the link of a row finds that row."""
    process = world.start('--deadline', '1h')
    client = process.client()
    give(client, 'jjy', 1000)
    same(decided(client, order(client, 1)), 'APPROVED')
    client.post('/services/exchange/pause', status=204)
    order(client, 2)
    wait_for(lambda: client.all('/deadlines'), 'a deadline that is pending')
    for collection in ('orders', 'points', 'exchanges', 'transactions', 'deadlines'):
        for row in client.all('/' + collection):
            same(client.get(row['_links']['self']['href'].removeprefix(process.url)), row)


def links_follow_the_host(world):
    """Links name the host by which the client has asked."""
    client = world.start().client()
    answer = client.ask('POST', '/points', {'userId': 'a b/ü', 'point': 1}, {'Host': 'points.example:81'})
    same(answer.headers['Location'], 'http://points.example:81/points/a%20b%2F%C3%BC')
    same(answer.json['_links']['self']['href'], answer.headers['Location'])
    same(client.get('/points/a%20b%2F%C3%BC')['userId'], 'a b/ü')


def numbers_as_strings(world):
    """Numbers may come as JSON strings, as the original's own commands send them, and go out as numbers."""
    client = world.start().client()
    same(client.post('/points', {'userId': 'jjy', 'point': '10000'})['point'], 10000)
    created = client.post('/orders', {'holderId': 'jjy', 'currencyId': '1', 'amount': '500.50'})
    same((created['currencyId'], created['amount']), (1, 500.5))
    same(decided(client, 1), 'APPROVED')
    same(points(client), 9499.5)


def pages(world):
    """Lists come in pages, in the order in which things were made; a page behind the last is empty."""
    client = world.start().client()
    give(client, 'jjy', 10000)
    numbers = [order(client, 1) for _ in range(25)]
    settled(client)
    for collection, key in (('orders', 'id'), ('exchanges', 'orderId'), ('transactions', 'orderId')):
        for number, wanted in enumerate((numbers[:10], numbers[10:20], numbers[20:], [])):
            answer = client.get(f'/{collection}?page={number}&size=10')
            same([row[key] for row in answer['_embedded'][collection]], wanted)
            same(answer['page'], {'size': 10, 'totalElements': 25, 'totalPages': 3, 'number': number})
        same(client.get(f'/{collection}')['page'], {'size': 20, 'totalElements': 25, 'totalPages': 2, 'number': 0})
        same(len(client.get(f'/{collection}?size=1000')['_embedded'][collection]), 25)


# --- requests that come again ------------------------------------------------------------------------------------------

ORDER = {'holderId': 'jjy', 'currencyId': 1, 'amount': 500}


def a_repeat_gets_the_first_answer(world):
    """A request repeated with its Idempotency-Key is done once and answered as it was the first time, also after a crash."""
    process = world.start()
    client = process.client()
    give(client, 'jjy', 10000)
    first = client.ask('POST', '/orders', ORDER, {'Idempotency-Key': 'k1'})
    same(first.status, 201)
    same(decided(client, first.json['id']), 'APPROVED')
    for body in (ORDER, dict(reversed(ORDER.items())), {**ORDER, 'amount': '500'}):
        again = client.ask('POST', '/orders', body, {'Idempotency-Key': 'k1'})
        same((again.status, again.body, again.headers['Location'], again.headers['ETag']),
             (201, first.body, first.headers['Location'], first.headers['ETag']))
    process.kill()
    client = world.start().client()
    again = client.post('/orders', ORDER, Idempotency_Key='k1')
    same((again['id'], again['status']), (first.json['id'], 'PENDING'))
    same(len(client.all('/orders')), 1)
    consistent(client, {'jjy': 10000})
    other = client.post('/orders', ORDER, Idempotency_Key='k2')
    holds(other['id'] != first.json['id'], 'another key, another order')


def another_request_under_the_same_key(world):
    """The same key with another body is refused, and changes nothing; the same key at another path is another key."""
    client = world.start().client()
    client.post('/points', {'userId': 'jjy', 'point': 10000}, Idempotency_Key='k1')
    same(client.post('/points', {'userId': 'jjy', 'point': 10000}, Idempotency_Key='k1')['point'], 10000)
    problem = client.post('/points', {'userId': 'jjy', 'point': 1}, status=409, Idempotency_Key='k1')
    same(problem['type'], 'urn:edda:error:duplicate')
    first = client.post('/orders', ORDER, Idempotency_Key='k1')
    for change in ({'amount': 501}, {'currencyId': 2}):
        client.post('/orders', {**ORDER, **change}, status=409, Idempotency_Key='k1')
    same(decided(client, first['id']), 'APPROVED')
    same(len(client.all('/orders')), 1)
    same(points(client), 9500)


def repeats_at_the_same_time(world):
    """The same request many times at once, as an impatient client sends it: one order."""
    process = world.start()
    give(process.client(), 'jjy', 10000)
    answers = []

    def send():
        client = process.client()
        for n in range(5):
            answers.append(client.post('/orders', ORDER, Idempotency_Key=f'k{n}')['id'])
        client.close()

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    client = process.client()
    same((len(answers), len(set(answers)), len(client.all('/orders'))), (30, 5, 5))
    wait_for(lambda: points(client) == 7500, 'five orders of 500')
    consistent(client, {'jjy': 10000})


def expected_versions(world):
    """ETag is a version; If-Match and If-None-Match make a change conditional."""
    client = world.start().client()
    body = {'userId': 'jjy', 'point': 1}
    first = client.ask('POST', '/points', body, {'If-None-Match': '*'})
    same((first.status, first.headers['ETag']), (201, '"0"'))
    same(client.ask('POST', '/points', body, {'If-None-Match': '*'}).status, 412)
    second = client.ask('POST', '/points', {**body, 'point': 2}, {'If-Match': '"0"'})
    same((second.status, second.headers['ETag']), (201, '"1"'))
    same(client.ask('POST', '/points', {**body, 'point': 3}, {'If-Match': '"0"'}).status, 412)
    same(points(client), 2)


# --- what every application shows --------------------------------------------------------------------------------------

def traces(world):
    """A process by its correlation id, as JSON and as a diagram, under both of its paths."""
    client = world.start().client()
    give(client, 'jjy', 10000)
    number = order(client, 500)
    same(decided(client, number), 'APPROVED')
    settled(client)
    shown = client.get(f'/traces/{number}')
    same(shown['correlationId'], str(number))
    same([m['type'] for m in shown['messages'] if m['kind'] == 'message'],
         ['CreateOrder', 'OrderCreated', 'ExchangeSucceed', 'PointsTaken', 'PointUsed', 'OrderPlaced'])
    same(client.get(f'/orders/{number}/trace?format=json'), shown)
    same(client.ask('GET', f'/orders/{number}/trace', headers={'Accept': 'application/json'}).json, shown)
    events = {m['type']: m for m in shown['messages'] if m.get('topic') == 'choreography.deadline' and m['kind'] == 'message'}
    for name, event in events.items():
        same(event['data']['eventType'], name)
        holds(isinstance(event['data']['timestamp'], int), f'{name} has its time')
    same(events['PointUsed']['data']['point'], 9500)
    drawn = client.text(f'/orders/{number}/trace')
    says(drawn, rf'^process {number}\n', 'outside +order', '●─CreateOrder─', '─ExchangeSucceed─', r'cancelled "decision"')
    same(client.text(f'/traces/{number}?format=text'), drawn)
    same(client.ask('GET', f'/traces/{number}', headers={'Accept': 'text/plain'}).body.decode(), drawn)
    client.get('/traces/99', status=404)
    client.get('/orders/99/trace', status=404)
    same(client.get(f'/traces/{number}?format=xml', status=400)['field'], 'format')


def services_and_health(world):
    """What the services do, what is quarantined, whether all is well, what was counted."""
    client = world.start().client()
    give(client, 'jjy', 10000)
    same(decided(client, order(client, 500)), 'APPROVED')
    settled(client)
    services = {s['name']: s for s in client.all('/services')}
    same(list(services), ['order', 'exchange', 'point', 'deadline', 'transaction'])
    same({name: (s['steps'], s['failures'], s['quarantined'], s['paused']) for name, s in services.items()},
         {'order': (2, 0, 0, False), 'exchange': (1, 0, 0, False), 'point': (2, 0, 0, False), 'deadline': (2, 0, 0, False),
          'transaction': (0, 0, 0, False)})
    same(client.get('/quarantine'), page('quarantine', []))
    same(client.get('/health'), {'application': 'choreography', 'live': True, 'ready': True})
    client.post('/services/point/pause', status=204)
    same([s['name'] for s in client.all('/services') if s['paused']], ['point'])
    refused = client.ask('POST', '/points', {'userId': 'kim', 'point': 1})
    same((refused.status, refused.json['type'], refused.headers['Retry-After']), (503, 'urn:edda:error:paused', '1'))
    client.post('/services/point/resume', status=204)
    give(client, 'kim', 1)
    metrics = client.text('/metrics')
    with open(os.path.join(ROOT, 'docs', 'reference', 'metrics.md'), encoding='utf-8') as file:
        documented = re.findall(r'^\| `(\w+)`', file.read(), re.MULTILINE)
    same(re.findall(r'^# TYPE (\w+) (?:counter|gauge)$', metrics, re.MULTILINE), documented)
    for line in metrics.splitlines():
        says(line, r'^# (HELP|TYPE) \w+ .|^\w+(\{\w+="[^"]*"(,\w+="[^"]*")*\})? \d+$')
    holds(client.metric('edda_journal_tail') >= client.metric('edda_journal_durable') > 0, 'the journal has grown')


def pending_deadlines(world):
    """A deadline that is pending is listed, moved and cancelled by its id."""
    client = world.start('--deadline', '60s').client()
    give(client, 'jjy', 10000)
    client.post('/services/exchange/pause', status=204)
    moved, cancelled = order(client, 1), order(client, 2)
    rows = wait_for(lambda: len(found := client.all('/edda/deadlines')) == 2 and found, 'the deadlines of both orders')
    same([d['id'] for d in rows], [f'deadline/{moved}/decision', f'deadline/{cancelled}/decision'])
    path = f'/edda/deadlines/deadline%2F{moved}%2Fdecision'
    documented = client.get('/openapi.json')['paths']['/edda/deadlines/{id}']['patch']['requestBody']['content']['application/json']['example']
    same(client.ask('PATCH', path, documented).status, 204)
    same({d['id']: d['dueTime'][:19] for d in client.all('/edda/deadlines')}[rows[0]['id']], documented['dueTime'][:19])
    same(client.ask('PATCH', path, {'dueTime': rows[0]['setTime']}).status, 204)
    same(decided(client, moved), 'REJECTED DUE TO DEADLINE')
    same(client.ask('DELETE', f'/edda/deadlines/deadline%2F{cancelled}%2Fdecision').status, 204)
    same(client.all('/deadlines'), [])
    same(client.ask('DELETE', path).status, 404)
    client.post('/services/exchange/resume', status=204)
    settled(client)


def openapi(world):
    """The interface describes itself: all routes, and every type that they refer to."""
    client = world.start().client()
    give(client, 'jjy', 1)
    document = client.get('/openapi.json')
    same(document['openapi'], '3.1.0')
    described = {f'{method.upper()} {path}' for path, row in document['paths'].items() for method in row}
    with open(os.path.join(ROOT, 'docs', 'reference', 'routes.md'), encoding='utf-8') as file:
        built_in = set(re.findall(r'^\| `([A-Z]+ /\S+)`', file.read(), re.MULTILINE))
    taken = {'PATCH /deadlines/{id}', 'DELETE /deadlines/{id}'}  # the application has a path of this name
    own = {'POST /points', 'GET /points', 'GET /points/{userId}', 'POST /orders', 'GET /orders', 'GET /orders/{id}', 'GET /exchanges',
           'GET /exchanges/{orderId}', 'GET /transactions', 'GET /transactions/{orderId}', 'GET /deadlines',
           'GET /deadlines/{id}'}
    same(described, {route.replace('<entity>', 'order') for route in built_in - taken} | own)
    for reference in re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)):
        holds(reference in document['components']['schemas'], f'{reference} is described')
    for path, row in document['paths'].items():
        named = set(re.findall(r'{(\w+)}', path))
        for method, operation in row.items():
            same({p['name'] for p in operation['parameters'] if p['in'] == 'path'}, named, f'{method} {path}')
        if 'get' in row and not named:
            same(client.ask('GET', path).status, 200, path)
            head = client.ask('HEAD', path)
            same((head.status, head.body), (200, b''), f'HEAD {path}')
            same(client.ask('OPTIONS', path).status, 204, f'OPTIONS {path}')
    schema = document['components']['schemas']['NewOrder']
    same(sorted(schema['required']), ['amount', 'currencyId', 'holderId'])


SCENARIOS = (representations, compensated_is_gone, links_lead_there, links_follow_the_host, numbers_as_strings, pages,
             a_repeat_gets_the_first_answer, another_request_under_the_same_key, repeats_at_the_same_time, expected_versions, traces,
             services_and_health, pending_deadlines, openapi)

if __name__ == '__main__':
    edda.main(SCENARIOS)
