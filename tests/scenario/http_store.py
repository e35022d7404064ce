#!/usr/bin/env python3
"""The log over HTTP: streams with versions, topics, everything, subscriptions; and that it is the same log that Kafka's clients see.

    http_store.py EDDA [NAME…]
"""
import base64
import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
import edda  # noqa: E402
import serve  # noqa: E402
from edda import holds, same, says, wait_for  # noqa: E402

STRUCTURED = 'application/cloudevents+json'
BATCH = 'application/cloudevents-batch+json'


def started(world, *options, but=()):
    words = [word for name in ('http', *but) for word in ('--' + name, '127.0.0.1:0')]
    return serve.Broker(world, *words, *serve.others_off(world, 'http', *but), *options).wait_listening()


def event(name, number, **more):
    return {'specversion': '1.0', 'type': name, 'source': '/test', 'id': f'{name}-{number}', 'data': {'n': number}, **more}


def append(client, stream, data, kind='Counted', status=201, **headers):
    return client.ask('POST', f'/streams/{stream}?type={kind}', data, {name.replace('_', '-'): value for name, value in headers.items()})


class Subscription:
    """Server-Sent Events as they come: `events` has (id, type, data)."""

    def __init__(self, broker, path, last=None, headers=None):
        headers = {'Accept': 'text/event-stream', **(headers or {}), **({'Last-Event-ID': last} if last is not None else {})}
        self.connection = http.client.HTTPConnection(broker.host, broker.port, timeout=edda.LIMIT_S)
        self.connection.request('GET', path, headers=headers)
        self.socket = self.connection.sock
        self.answer = self.connection.getresponse()
        same((self.answer.status, self.answer.getheader('Content-Type')), (200, 'text/event-stream'), path)
        self.events, self.comments, self.ended = [], [], False
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        fields = {}
        try:
            for line in self.answer:
                line = line.decode().rstrip('\n')
                if line.startswith(':'):
                    self.comments.append(line)
                elif line:
                    name, _, value = line.partition(': ')
                    fields[name] = value
                elif fields:
                    self.events.append((int(fields['id']), fields['event'], json.loads(fields['data'])))
                    fields = {}
        except (OSError, ValueError, AttributeError):
            pass
        self.ended = True

    def numbers(self):
        return [data['data']['n'] for _, _, data in self.events]

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join(edda.LIMIT_S)


def a_stream_has_versions(world):
    """An append gets the next version; an expected version that is not met is refused, naming both; a repeat gets the first answer."""
    client = started(world).client()
    first = append(client, 'orders/7', {'n': 1}, If_None_Match='*')
    same((first.status, first.headers['ETag'], first.json['version']), (201, '"0"', 0))
    says(first.headers['Location'], r'http://.*/streams/orders/7/0$')
    refused = append(client, 'orders/7', {'n': 2}, If_None_Match='*')
    same((refused.status, refused.headers['Content-Type']), (412, 'application/problem+json'))
    says(refused.json['detail'], 'is at version 0, expected new')
    says(append(client, 'orders/7', {'n': 2}, If_Match='"4"').json['detail'], 'is at version 0, expected at version 4')
    same(append(client, 'nothing/7', {'n': 2}, If_Match='"0"').status, 412)
    same(client.get('/topics')['page']['totalElements'], 1, 'a refused append makes no topic')
    same(append(client, 'orders/7', {'n': 2}, If_Match='"0"', Idempotency_Key='once').status, 201)
    again = append(client, 'orders/7', {'n': 2}, If_Match='"0"', Idempotency_Key='once')
    same((again.status, again.json['repeated'], again.headers['ETag']), (200, True, '"1"'))
    same(append(client, 'orders/7', {'n': 3}, If_Match='"0"', Idempotency_Key='once').status, 409)
    page = client.get('/streams/orders/7')
    same([(row['version'], row['event']['data']['n']) for row in page['_embedded']['events']], [(0, 1), (1, 2)])
    same(client.ask('GET', '/streams/orders/7', headers={'If-None-Match': '"1"'}).status, 304)
    same(client.ask('GET', '/streams/orders/8').status, 404)
    same(append(client, 'orders/a%2Fb%20c', {'n': 1}).headers['Location'].rpartition('/streams/')[2], 'orders/a%2Fb%20c/0')
    same(client.get('/edda/streams/orders/a%2Fb%20c')['_embedded']['events'][0]['event']['subject'], 'a/b c')


def events_come_in_all_modes(world):
    """Binary, structured and batch mode both ways, with extensions that nobody knows."""
    client = started(world).client()
    sent = event('Placed', 1, correlationid='c-1', causationid='b-1', anything='kept', time='2026-01-31T12:00:00.000Z', datacontenttype='application/json')
    same(client.ask('POST', '/streams/orders/1', sent, {'Content-Type': STRUCTURED}).status, 201)
    same(client.ask('POST', '/streams/orders/1', [event('Paid', n) for n in range(3)], {'Content-Type': BATCH}).json['version'], 3)
    headers = {'ce-specversion': '1.0', 'ce-id': '9', 'ce-source': '/s', 'ce-type': 'Noted', 'ce-other': '%E2%82%AC%20%25', 'Content-Type': 'text/plain'}
    same(client.ask('POST', '/streams/orders/1', b'as it is', headers).status, 201)
    one = client.ask('GET', '/streams/orders/1/0', headers={'Accept': STRUCTURED})
    same((one.headers['Content-Type'], one.headers['ETag']), (STRUCTURED, '"0"'))
    same({name: value for name, value in one.json.items() if name in sent}, sent)
    binary = client.ask('GET', '/streams/orders/1/4')
    same((binary.body, binary.headers['Content-Type'], binary.headers['ce-other'], binary.headers['ce-subject'], binary.headers['ce-streamversion']),
         (b'as it is', 'text/plain', '%E2%82%AC%20%25', '1', '4'))
    batch = client.ask('GET', '/streams/orders/1?from=1', headers={'Accept': BATCH})
    same([e['type'] for e in batch.json], ['Paid', 'Paid', 'Paid', 'Noted'])
    same(batch.json[3]['data'], 'as it is')
    # What it gave can be given to another stream, under other ids: the same ones are the same events.
    same(client.ask('POST', '/streams/copies/1', batch.body, {'Content-Type': BATCH}).status, 409)
    copies = [{**e, 'source': '/copied'} for e in batch.json]
    same(client.ask('POST', '/streams/copies/1', copies, {'Content-Type': BATCH}).json['version'], 3)
    same([e['data'] for e in client.ask('GET', '/streams/copies/1', headers={'Accept': BATCH}).json], [e['data'] for e in batch.json])


def what_is_wrong_is_named_and_nothing_recorded(world):
    """Bad events, bodies, names and ranges."""
    client = started(world).client()
    append(client, 'orders/1', {'n': 1})
    tail = client.metric('edda_journal_tail')
    for path, body, headers, status, field in (
            ('/streams/orders/1', {'n': 1}, {}, 422, 'ce-type'), ('/streams/orders/1?type=a%00b', {}, {}, 422, 'type'), ('/streams/orders/1?type=a%0Ab', {}, {}, 422, 'type'),
            ('/streams/orders/1?=T', {}, {}, 400, None), ('/streams/orders/1?type%00=T', {}, {}, 400, None), ('/streams/orders/1?type=T', b'{', {}, 400, None),
            ('/streams/orders/1?type=T', b'a=1', {'Content-Type': 'application/x-www-form-urlencoded'}, 415, 'Content-Type'),
            ('/streams/orders/1?type=T', {}, {'ce-time': 'now'}, 400, 'ce-time'), ('/streams/orders/1?type=T', {}, {'If-Match': '4'}, 400, 'If-Match'),
            ('/streams/orders/1?type=T', {}, {'If-Match': '"4"', 'If-None-Match': '*'}, 400, 'If-Match'),
            ('/streams/orders/1?type=T', {}, {'ce-id': '1', 'Idempotency-Key': '2'}, 400, 'Idempotency-Key'),
            ('/streams/orders/1', [], {'Content-Type': BATCH}, 422, None), ('/streams/orders/1', [event('T', 1), {}], {'Content-Type': BATCH}, 422, '[1].specversion'),
            ('/streams/orders/1', {'specversion': '0.3', 'type': 'T'}, {'Content-Type': STRUCTURED}, 422, 'specversion'),
            ('/streams/bad%20name/1?type=T', {}, {}, 422, 'topic'), ('/streams/_edda.topics/1?type=T', {}, {}, 403, 'topic'),
            ('/streams/orders/' + 'k' * 4097 + '?type=T', {}, {}, 422, 'key'), ('/topics/orders?type=T', {}, {'If-Match': '"1"'}, 422, 'If-Match'),
            ('/topics', {'name': 'x y'}, {}, 422, 'topic'), ('/topics', {'name': 'x', 'settings': {'retention.ms': 'long'}}, {}, 422, 'retention.ms'),
            ('/topics', {'name': 'orders'}, {}, 409, 'name'), ('/topics', {'name': 'x', 'partitions': 10001}, {}, 422, 'partitions')):
        answer = client.ask('POST', path, body, headers)
        same((answer.status, answer.json.get('field')), (status, field), f'{path} {body} {headers}: {answer}')
    for path, field in (('/streams/orders/1?from=x', 'from'), ('/streams/orders/1?limit=0', 'limit'), ('/streams/orders/1?limit=1001', 'limit'),
                        ('/streams/orders/1?direction=up', 'direction'), ('/all?internal=1', 'internal'), ('/all?type=', 'type'),
                        ('/streams/orders/1/x', 'version'), ('/topics/orders?partition=x', 'partition')):
        same((client.ask('GET', path).status, client.ask('GET', path).json.get('field')), (422, field), path)
    same(client.ask('GET', '/topics/orders?partition=4').status, 404)
    same(client.metric('edda_journal_tail'), tail, 'nothing was recorded')


def what_a_call_does_not_have_is_refused(world):
    """A parameter or a member that was misspelt is named, with what there is, whoever it is sent to, and nothing is done; OpenAPI says so."""
    client = started(world).client()
    append(client, 'orders/1', {'n': 1})
    same(client.ask('POST', '/groups/readers/topics/orders/poll', {}).status, 200)
    document, tail = client.get('/openapi.json'), client.metric('edda_journal_tail')
    examples = {'DeadlineMove': {'dueTime': '2030-01-31T12:00:00Z'}, 'StreamChange': {'truncateBefore': 1}, 'TopicCreation': {'name': 'fresh'}, 'TopicChange': {'partitions': 9},
                'GroupAck': {'positions': [1]}, 'GroupNack': {'positions': [1]}, 'GroupPark': {'positions': [1]}, 'GroupPoll': {'max': 1}, 'Migration': {'to': 2}}
    bodies = set()
    for path, row in document['paths'].items():
        for method, operation in row.items():
            here = re.sub(r'{(\w+)}', lambda found: {'topic': 'orders', 'category': 'orders', 'key': '1', 'group': 'readers'}.get(found[1], '0'), path)
            body, headers = b'{}' if method in ('post', 'patch') else None, {}
            schema = operation.get('requestBody', {}).get('content', {}).get('application/json', {}).get('schema', {})
            name = schema.get('$ref', '').rpartition('/')[2]
            known = [p['name'] for p in operation['parameters'] if p['in'] == 'query']
            answer = client.ask(method.upper(), here + '?from%31=1&' + '&'.join(f'{k}=1' for k in known), examples.get(name, body), headers)
            said = f'known are {", ".join(known)}' if known else 'there are none here'
            same((answer.status, answer.json['field'], answer.json['detail'].endswith(said)), (400, 'from1', True), f'{method} {here}: {answer.json}')
            if name:
                same(document['components']['schemas'][name].get('additionalProperties'), False, name)
                for wrong in ({**examples[name], 'positons': []}, {'positons': []}):
                    answer = client.ask(method.upper(), here, wrong)
                    same((answer.status, answer.json['field']), (400, 'positons'), f'{method} {here} {wrong}: {answer.json}')
                    known = ', '.join(document['components']['schemas'][name]['properties'])
                    holds(answer.json['detail'].endswith(f'there is no member positons; known are {known}'), answer.json)
                bodies.add(name)
    same(bodies, set(examples), 'bodies that were tried')
    holds(client.ask('GET', '/topics?internal=TRUE').status == 422, 'a flag is true or false')
    same(client.metric('edda_journal_tail'), tail, 'nothing was recorded')
    same(client.ask('PATCH', '/topics/orders', b'{"p\\u0061rtitions":5}').json['partitions'], 5, 'a name that is escaped')
    # Attributes of an event are its own.
    stored = client.ask('POST', '/streams/orders/1', {**event('T', 1), 'positons': 'x'}, {'Content-Type': STRUCTURED})
    same((stored.status, client.get('/streams/orders/1')['_embedded']['events'][1]['event']['positons']), (201, 'x'))


def pages_lead_on(world):
    """Following the links gives everything once, in both directions; everything and topics are in the order in which it was recorded."""
    client = started(world).client()
    for n in range(25):
        append(client, f'orders/{n % 2}', {'n': n}, 'Even' if n % 2 == 0 else 'Odd')

    def follow(path, relation='next'):
        found = []
        while path:
            answer = client.ask('GET', path)
            page = answer.json
            rows = page['_embedded']['events']
            if not rows:
                break
            found += [row['event']['data']['n'] for row in rows]
            path = page['_links'].get(relation, {}).get('href', '').partition('//')[2].partition('/')[2]
            path = path and '/' + path
            holds(not path or f'rel="{relation}"' in answer.headers.get_all('Link')[0] + answer.headers.get_all('Link')[-1], answer.headers.items())
        return found

    same(follow('/streams/orders/0?limit=4'), list(range(0, 25, 2)))
    same(follow('/streams/orders/0?limit=4&direction=backward'), list(range(24, -1, -2)))
    same(follow('/all?limit=7'), list(range(25)))
    same(follow('/all?limit=7&type=Odd'), list(range(1, 25, 2)))
    same(follow('/topics/orders?limit=10&direction=backward'), list(range(24, -1, -1)))
    same(follow('/all?category=orders&limit=10&direction=backward&from=' + str(client.get('/all')['_embedded']['events'][4]['position'])), [4, 3, 2, 1, 0])
    by_partition = [follow(f'/topics/orders?partition={p}&limit=3') for p in range(4)]
    same(sorted(n for part in by_partition for n in part), list(range(25)))
    holds(len(client.get('/all?internal=true&limit=1000')['_embedded']['events']) > 25, 'internal topics are there when they are asked for')
    same(client.ask('DELETE', '/streams/orders/0', headers={'If-Match': '"3"'}).status, 412)
    same(client.ask('PATCH', '/streams/orders/1', {'truncateBefore': 10}).status, 204)
    same(follow('/streams/orders/1'), [21, 23])
    same(client.ask('DELETE', '/streams/orders/0', headers={'If-Match': '"12"'}).status, 204)
    same(client.ask('GET', '/streams/orders/0').status, 404)
    same(append(client, 'orders/0', {'n': 99}, If_None_Match='*').json['version'], 13, 'versions go on')


def topics_are_made_changed_and_deleted(world):
    """Settings under Kafka's names; partitions only grow."""
    client = started(world).client()
    made = client.ask('POST', '/topics', {'name': 'orders', 'partitions': 2, 'settings': {'retention.ms': 86400000, 'cleanup.policy': 'delete'}})
    same((made.status, made.json['partitions'], made.json['settings']['retention.ms']), (201, 2, '86400000'))
    changed = client.ask('PATCH', '/topics/orders', {'partitions': 3, 'settings': {'retention.ms': None}})
    same((changed.status, changed.json['partitions'], 'retention.ms' in changed.json['settings']), (200, 3, False))
    same(client.ask('PATCH', '/topics/orders', {'partitions': 2}).status, 422)
    client.post('/topics/orders?type=Noted', {'n': 1})
    batch = [event('Placed', n, subject=str(n)) for n in range(3)]
    same(client.ask('POST', '/topics/orders', batch, {'Content-Type': BATCH}).status, 201)
    same(client.get('/streams/orders/2')['_embedded']['events'][0]['event']['id'], 'Placed-2')
    same([row['records'] for row in client.all('/topics')], [4])
    same(client.ask('DELETE', '/topics/orders').status, 204)
    same((client.ask('GET', '/topics/orders').status, client.all('/topics'), client.ask('DELETE', '/topics/orders').status), (404, [], 404))


def a_subscription_has_neither_gap_nor_repeat(world):
    """What is there, and then what comes, while writers are at work; over reconnections with the last id, and a kill."""
    broker = started(world)
    stop, written, lock = threading.Event(), [0], threading.Lock()

    def write():
        client = broker.client()
        while not stop.is_set():
            with lock:
                append(client, 'hot/1', {'n': written[0]})
                written[0] += 1
            append(client, 'hot/2', {'n': -1})

    writer = threading.Thread(target=write)
    writer.start()
    wait_for(lambda: written[0] > 50, 'some are written')
    whole = Subscription(broker, '/streams/hot/1')
    topic = Subscription(broker, '/topics/hot?type=Counted')
    last, numbers = None, []
    for _ in range(10):
        piece = Subscription(broker, '/streams/hot/1', last)
        wait_for(lambda: len(piece.events) > 20, 'a piece')
        piece.close()
        numbers += piece.numbers()
        last = str(piece.events[-1][0])
    now = Subscription(broker, '/streams/hot/1?from=now')
    wait_for(lambda: len(now.events) > 20, 'what comes from now on')
    stop.set()
    writer.join()
    same(numbers, list(range(len(numbers))), 'pieces')
    wait_for(lambda: len(whole.events) == written[0], f'all {written[0]} of them')
    same(whole.numbers(), list(range(written[0])))
    same([place for place, _, _ in whole.events], list(range(written[0])), 'ids are versions')
    wait_for(lambda: [n for n in topic.numbers() if n >= 0] == list(range(written[0])), 'the topic has all of them')
    positions = [place for place, _, _ in topic.events]
    same(positions, sorted(set(positions)), 'ids are positions')
    tail = now.numbers()
    same(tail, list(range(tail[0], written[0])), 'from now on')
    holds(tail[0] >= len(numbers), 'now is not the past')
    broker.kill()
    again = started(world)
    rest = Subscription(again, '/streams/hot/1', str(whole.events[-2][0]))
    wait_for(lambda: rest.numbers() == [written[0] - 1], 'the last one again, behind the one before')
    same(again.end()[0], 0, 'a subscription does not hold the server up')
    wait_for(lambda: rest.ended, 'and ends with it')


def what_is_not_there_yet_can_be_waited_for(world):
    """A stream in any case; a topic if whoever writes to it makes it. A partition that a topic does not have, and a topic that is to be asked for, are a 404."""
    for options, status in (((), 200), (('--topics-asked-for',), 404)):
        broker = started(world, *options)
        client = broker.client()

        def status_of(path):
            with contextlib.closing(http.client.HTTPConnection(broker.host, broker.port, timeout=edda.LIMIT_S)) as connection:
                connection.request('GET', path, headers={'Accept': 'text/event-stream'})
                return connection.getresponse().status
        for path in ('/topics/fresh', '/topics/fresh?partition=1', '/all?category=fresh'):
            same((status_of(path), client.ask('GET', path).status), (status, 404), f'{path} with {options}')
        same((status_of('/streams/fresh/1'), client.ask('GET', '/streams/fresh/1').status), (200, 404), f'a stream with {options}')
        waiting = [Subscription(broker, path) for path in ['/streams/fresh/1'] + ['/topics/fresh', '/all?category=fresh'] * (status == 200)]
        if options:
            for path in ('/streams/fresh/1?type=T', '/topics/fresh?type=T'):
                answer = client.ask('POST', path, {})
                same((answer.status, answer.json['field']), (404, 'topic'), f'{path} with {options}')
                says(answer.json['detail'], 'topics-asked-for')
            same(client.ask('GET', '/topics').json['page']['totalElements'], 0, 'the topics')
            same(client.ask('POST', '/topics', {'name': 'fresh'}).status, 201)
        append(client, 'fresh/1', {'n': 1})
        for subscription in waiting:
            wait_for(lambda: [data['data'] for _, _, data in subscription.events] == [{'n': 1}], 'the event')
        same((status_of('/topics/fresh?partition=4'), client.ask('GET', '/topics/fresh?partition=4').status), (404, 404), 'a partition')
        same(status_of('/topics/fresh?partition=3'), 200)
        broker.kill()
        shutil.rmtree(world.data)


def a_slow_subscriber_costs_little_and_misses_nothing(world):
    """Who does not read is left alone; what is kept for it is bounded; then it gets everything."""
    broker = started(world)
    client = broker.client()
    text = 'x' * 1000
    slow = http.client.HTTPConnection(broker.host, broker.port, timeout=edda.LIMIT_S)
    slow.request('GET', '/streams/big/1', headers={'Accept': 'text/event-stream'})
    quick = Subscription(broker, '/streams/big/1')
    for n in range(0, 20000, 500):
        batch = [event('Big', n + k, data={'n': n + k, 'text': text}) for k in range(500)]
        for row in batch:
            del row['id']
        same(client.ask('POST', '/streams/big/1', batch, {'Content-Type': BATCH}).status, 201)
    wait_for(lambda: len(quick.events) == 20000, 'the quick one has all')
    holds(client.metric('edda_http_subscriptions_paused_total') > 0, 'the slow one was paused')
    answer = slow.getresponse()
    found = 0
    while found < 20000:
        line = answer.readline()
        if line.startswith(b'id: '):
            same(int(line[4:]), found)
            found += 1
    same(quick.numbers(), list(range(20000)))


def a_stream_is_the_same_for_kafka(world):
    """A record of a Kafka producer is the next event of its key's stream; an event appended with an expected version is a record, attributes and all."""
    if not shutil.which('kcat'):
        raise edda.Skip('needs kcat')
    broker = started(world, but=('kafka',))
    where, client = '%s:%d' % broker.where['kafka'], broker.client()
    seen = Subscription(broker, '/streams/orders/7')
    append(client, 'orders/7', {'n': 0}, 'Placed', If_None_Match='*', ce_anything='kept', ce_correlationid='c')
    subprocess.run(['kcat', '-b', where, '-P', '-t', 'orders', '-K:', '-H', 'ce_type=Paid', '-H', 'ce_id=k-1', '-H', 'ce_source=/kcat'], input='7:{"n":1}\n',
                   text=True, check=True, timeout=edda.LIMIT_S)
    page = client.get('/streams/orders/7')['_embedded']['events']
    same([(row['version'], row['event']['type'], row['event']['data']['n']) for row in page], [(0, 'Placed', 0), (1, 'Paid', 1)])
    same(append(client, 'orders/7', {'n': 2}, 'Shipped', If_Match='"0"').status, 412)
    same(append(client, 'orders/7', {'n': 2}, 'Shipped', If_Match='"1"').json['version'], 2)
    wait_for(lambda: seen.numbers() == [0, 1, 2], 'the subscriber sees both')
    shown = subprocess.run(['kcat', '-b', where, '-C', '-t', 'orders', '-o', 'beginning', '-e', '-q', '-f', '%k %s %h\n'], capture_output=True, text=True, check=True,
                           timeout=edda.LIMIT_S).stdout
    says(shown, r'7 \{"n": 0\} .*ce_type=Placed.*ce_correlationid=c.*ce_anything=kept', r'7 \{"n": 2\} .*ce_specversion=1.0.*ce_type=Shipped')


def conditional_appends_lose_nothing(world):
    """Many writers of one stream, each at the version that it believes: as many events as there were answers that said so."""
    broker = started(world)
    taken, refused = [], []

    def write(name):
        client, version = broker.client(), -1
        for n in range(60):
            while True:
                expected = {'If_Match': f'"{version}"'} if version >= 0 else {'If_None_Match': '*'}
                answer = append(client, 'hot/1', {'writer': name, 'n': n}, **expected)
                if answer.status == 201:
                    version = answer.json['version']
                    taken.append((version, name, n))
                    break
                same(answer.status, 412)
                refused.append(version)
                version = int(client.ask('GET', '/streams/hot/1?direction=backward&limit=1').headers['ETag'].strip('"'))

    threads = [threading.Thread(target=write, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = broker.client().get('/streams/hot/1?limit=1000')['_embedded']['events']
    same([(row['version'], row['event']['data']['writer'], row['event']['data']['n']) for row in rows], sorted(taken))
    same(len(rows), 240)


def consumers_compete_for_records(world):
    """Each record goes to one of them; what is not acknowledged comes again, what is put back comes later, what is parked waits; also over a kill."""
    broker = started(world)
    client = broker.client()
    path = '/groups/workers/topics/jobs'
    same(client.ask('POST', path + '/poll', {}).status, 404)
    for n in range(20):
        append(client, f'jobs/{n}', {'n': n})

    def poll(where=client, **asked):
        answer = where.ask('POST', path + '/poll', asked)
        same(answer.status, 200, answer)
        return [(row['event']['data']['n'], row['position'], row['deliveries']) for row in answer.json['_embedded']['events']]

    def say(verb, rows, where=client, **more):
        answer = where.ask('POST', f'{path}/{verb}', {'positions': [position for _, position, _ in rows], **more})
        same(answer.status, 200, answer)
        return answer.json

    first, second = poll(max=5, timeoutMs=2000), poll(max=5, timeoutMs=200)
    same([n for n, _, _ in first + second], list(range(10)), 'each goes to one')
    same(say('ack', first[:4]), {'done': 4, 'unknown': []})
    same(say('ack', first[:1] + [(0, 10 ** 9, 1)]), {'done': 1, 'unknown': [10 ** 9]})
    again = wait_for(lambda: poll(max=3, timeoutMs=2000), 'those whose time is over')
    holds(again[0][0] in (5, 10), again)
    same(say('park', first[4:], reason='no such customer'), {'done': 1, 'unknown': []})
    say('nack', again[:1], delayMs=0)
    same([(n, d > 1) for n, _, d in poll(max=1, timeoutMs=2000)], [(again[0][0], True)], 'what is put back comes again, counted')
    parked = client.get(path + '/parked')['_embedded']['parked']
    same([(row['position'], row['deliveries'], row['reason']) for row in parked], [(first[4][1], 1, 'no such customer')])
    broker.kill()
    broker = started(world)
    client = broker.client()
    same(client.get(path)['parked'], 1)
    same([g['group'] for g in client.all('/groups')], ['workers'])
    same(client.ask('POST', f'{path}/parked/{first[4][1]}/retry').status, 204)
    same(client.ask('POST', f'{path}/parked/{first[4][1]}/retry').status, 404)
    found = set()
    while found != set(range(4, 20)):
        rows = poll(client, max=100, waitMs=5000, timeoutMs=1)
        holds(not {n for n, _, _ in rows} & set(range(4)), f'what was acknowledged came again: {rows}')
        found |= {n for n, _, _ in rows}
        say('ack', rows, client)
    same(client.get(path)['open'], 0)
    same(client.get(path)['watermark'], client.get(path)['next'])
    waiting = []
    for _ in range(3):
        thread = threading.Thread(target=lambda: waiting.append(poll(broker.client(), max=1, waitMs=20000)))
        thread.start()
    wait_for(lambda: client.metric('edda_http_group_polls_waiting') == 3, 'three wait')
    batch = [event('Job', n, data={'n': n}, subject=str(n)) for n in (20, 21, 22)]
    same(client.ask('POST', '/topics/jobs', batch, {'Content-Type': BATCH}).status, 201)
    wait_for(lambda: sorted(n for rows in waiting for n, _, _ in rows) == [20, 21, 22], 'each gets one')
    same(poll(client, max=1, waitMs=30), [], 'nothing came in time')
    poisoned = client.ask('POST', '/groups/other/topics/jobs/poll', {'max': 1, 'timeoutMs': 1}).json['_embedded']['events'][0]
    wait_for(lambda: client.ask('POST', '/groups/other/topics/jobs/poll', {'max': 1, 'timeoutMs': 1, 'maxDeliveries': 2}).json
             and client.get('/groups/other/topics/jobs')['parked'] >= 1, 'what is given too often is parked')
    same(client.get('/groups/other/topics/jobs/parked')['_embedded']['parked'][0]['position'], poisoned['position'])
    same(client.ask('DELETE', f'/groups/other/topics/jobs/parked/{poisoned["position"]}').status, 204)
    # A poll that is refused makes no group, so the next one may still say where it begins.
    same(client.ask('POST', '/groups/late/topics/jobs/poll', {'from': 'here'}).status, 422)
    same(client.ask('POST', '/groups/late/topics/jobs/poll', {'from': 'now'}).json['_embedded']['events'], [])
    for body, field in (({'max': 1001}, 'max'), ({'max': 0}, 'max'), ({'timeoutMs': 0}, 'timeoutMs'), ({'waitMs': 60001}, 'waitMs'), ({'from': 'here'}, 'from')):
        answer = client.ask('POST', path + '/poll', body)
        same((answer.status, answer.json['field']), (422, field))
    thread = threading.Thread(target=lambda: waiting.append(poll(broker.client(), max=1, waitMs=60000)))
    thread.start()
    wait_for(lambda: client.metric('edda_http_group_polls_waiting') == 1, 'one waits')
    same(broker.end()[0], 0, 'who waits does not hold the server up')
    thread.join(edda.LIMIT_S)
    same(waiting[-1], [], 'and is answered')


def who_asks_and_whether_he_may(world):
    """With users everybody says who he is, and does what he may; whoever is alive may be asked by anybody."""
    path = os.path.join(world.directory, 'users')
    secret = os.path.join(world.directory, 'secret')
    with open(secret, 'w', encoding='utf-8') as file:
        file.write('wonderland\n')
    world.run('user', 'add', 'alice', '--users', path, '--password-file', secret, '--read', 'orders,workers', '--write', 'orders')
    if 'alice' not in open(path, encoding='utf-8').read():
        raise AssertionError('no alice')
    broker = started(world, '--users', path)
    client = broker.client()
    same(client.ask('GET', '/health').status, 200)
    refused = append(client, 'orders/1', {'n': 1})
    same((refused.status, refused.headers.get_all('WWW-Authenticate')), (401, ['Basic realm="edda", charset="UTF-8"', 'Bearer realm="edda"']))
    alice = {'Authorization': 'Basic ' + base64.b64encode(b'alice:wonderland').decode()}
    for method, where, body, status in (
            ('POST', '/streams/orders/1?type=T', {}, 201), ('GET', '/streams/orders/1', None, 200), ('GET', '/topics', None, 200), ('GET', '/all', None, 403),
            ('POST', '/streams/secrets/1?type=T', {}, 403), ('DELETE', '/streams/orders/1', None, 403), ('POST', '/topics', {'name': 'x'}, 403),
            ('PATCH', '/topics/orders', {'partitions': 9}, 403), ('POST', '/groups/workers/topics/orders/poll', {}, 200),
            ('POST', '/groups/others/topics/orders/poll', {}, 403), ('GET', '/metrics', None, 403), ('GET', '/services', None, 403)):
        same(client.ask(method, where, body, alice).status, status, f'{method} {where}')
    for wrong in ('Basic ' + base64.b64encode(b'alice:rabbit').decode(), 'Basic *', 'Basic', 'Bearer x', 'Digest x'):
        same(client.ask('GET', '/streams/orders/1', headers={'Authorization': wrong}).status, 401, wrong)


def who_waits_is_asked_again(world):
    """When the users are read again, whoever is subscribed or polls and may not do so any more is let go; the others stay."""
    path, secret = (os.path.join(world.directory, name) for name in ('users', 'secret'))
    with open(secret, 'w', encoding='utf-8') as file:
        file.write('wonderland\n')

    def user(name, *permissions):
        world.run('user', 'add', name, '--users', path, '--password-file', secret, *permissions)
    for name in ('alice', 'bob', 'carol'):
        user(name, '--read', 'orders,bills,all-of-them,workers', '--write', 'orders')
    user('root', '--manage', '*')
    broker = started(world, '--users', path)
    login = {name: {'Authorization': 'Basic ' + base64.b64encode(f'{name}:wonderland'.encode()).decode()} for name in ('alice', 'bob', 'carol', 'root')}
    same(broker.client().ask('POST', '/streams/orders/1?type=T', {'n': 1}, login['alice']).status, 201)
    open_now = {(name, where): Subscription(broker, where, headers=login[name]) for name, where in (
        *((name, where) for name in ('alice', 'bob', 'carol') for where in ('/streams/orders/1', '/topics/orders', '/streams/bills/1')), ('root', '/all'), ('root', '/all?category=orders'))}
    polls = {}

    def poll(name, group, wait_ms):
        polls[name, group] = broker.client().ask('POST', f'/groups/{group}/topics/orders/poll', {'waitMs': wait_ms}, login[name])
    same(broker.client().ask('POST', '/groups/workers/topics/orders/poll', {'timeoutMs': 43200000}, login['bob']).status, 200)
    threads = [threading.Thread(target=poll, args=args, daemon=True) for args in (('alice', 'workers', 60000), ('bob', 'workers', 60000), ('carol', 'workers', 60000))]
    for thread in threads:
        thread.start()

    def waiting():
        return int(re.search(r'(?m)^edda_http_group_polls_waiting (\d+)$', broker.client().ask('GET', '/metrics', headers=login['root']).body.decode())[1])
    wait_for(lambda: waiting() == 3, 'three wait')
    wait_for(lambda: all(s.comments for s in open_now.values()), 'all are subscribed')
    # Alice is gone, Bob may read bills only, Carol as before, and so may root, but only the orders.
    world.run('user', 'remove', 'alice', '--users', path)
    user('bob', '--read', 'bills,workers', '--write', '')
    user('root', '--manage', 'orders', '--read', '*')
    broker.process.send_signal(signal.SIGHUP)
    gone = {('alice', where) for where in ('/streams/orders/1', '/topics/orders', '/streams/bills/1')} | {('bob', '/streams/orders/1'), ('bob', '/topics/orders')}
    wait_for(lambda: all(open_now[key].ended for key in gone), 'those who may not any more are let go')
    wait_for(lambda: len(polls) == 2, 'and told so')
    same({key: (answer.status, answer.headers['Content-Type']) for key, answer in polls.items()},
         {(name, 'workers'): (403, 'application/problem+json') for name in ('alice', 'bob')})
    same(broker.client().ask('POST', '/streams/orders/1?type=T', {'n': 2}, login['carol']).status, 201)
    for key, subscription in open_now.items():
        holds(subscription.ended == (key in gone), f'{key} has ended, or has not')
        if key not in gone and 'bills' not in key[1]:
            wait_for(lambda s=subscription: s.events and s.events[-1][2]['data'] == {'n': 2}, f'what comes, for {key}')
    wait_for(lambda: polls.get(('carol', 'workers')) and polls['carol', 'workers'].status == 200, 'the poll of one who may')
    for key in gone:
        same([data['data']['n'] for _, _, data in open_now[key].events], [1] * ('bills' not in key[1]), f'what {key} was given')
    wait_for(lambda: any('a subscription has ended' in line for line in broker.said), 'it is said')


def pages_of_other_sites(world):
    """Off by default; with --cors the origins that are named may ask, also beforehand."""
    origin = {'Origin': 'https://shop.example', 'Sec-Fetch-Site': 'cross-site'}
    client = started(world).client()
    same(append(client, 'orders/1', {'n': 1}, Origin='https://shop.example', Sec_Fetch_Site='cross-site').status, 403)
    holds('Access-Control-Allow-Origin' not in client.ask('GET', '/topics', headers=origin).headers, 'off')
    world.processes[-1].end()
    client = started(world, '--cors', 'https://a.example,https://shop.example').client()
    same(append(client, 'orders/1', {'n': 1}, Origin='https://evil.example', Sec_Fetch_Site='cross-site').status, 403)
    taken = append(client, 'orders/1', {'n': 1}, Origin='https://shop.example', Sec_Fetch_Site='cross-site')
    same((taken.status, taken.headers['Access-Control-Allow-Origin'], taken.headers['Vary']), (201, 'https://shop.example', 'Origin'))
    asked = client.ask('OPTIONS', '/streams/orders/1', headers={**origin, 'Access-Control-Request-Method': 'DELETE', 'Access-Control-Request-Headers': 'if-match'})
    same((asked.status, asked.headers['Access-Control-Allow-Headers'], asked.headers['Access-Control-Max-Age']), (204, 'if-match', '600'))
    holds({'GET', 'POST', 'PATCH', 'DELETE'} <= set(asked.headers['Access-Control-Allow-Methods'].split(', ')), asked.headers['Access-Control-Allow-Methods'])


def commit(broker, group, topic, offsets):
    """Commits an offset for each partition by Kafka's protocol, as nobody of the group: OffsetCommit of version 2."""
    def text(word):
        return struct.pack('>h', len(word)) + word
    rows = b''.join(struct.pack('>iq', partition, offset) + text(b'') for partition, offset in enumerate(offsets))
    frame = (struct.pack('>hhi', 8, 2, 7) + text(b'test') + text(group) + struct.pack('>i', -1) + text(b'') + struct.pack('>qi', -1, 1) + text(topic)
             + struct.pack('>i', len(offsets)) + rows)
    with socket.create_connection(broker.where['kafka'], timeout=edda.LIMIT_S) as kafka, kafka.makefile('rb') as answers:
        kafka.sendall(struct.pack('>i', len(frame)) + frame)
        body = answers.read(struct.unpack('>i', answers.read(4))[0])
    same(struct.unpack('>' + 'ih' * len(offsets), body[-6 * len(offsets):])[1::2], (0,) * len(offsets), f'what {group} is told')


def groups_tell_how_far_they_are_behind(world):
    """The lag of each of Kafka's groups, in each partition for which it has committed something; whatever it is called."""
    broker = started(world, but=('kafka',))
    client = broker.client()
    client.ask('POST', '/topics', {'name': 'orders', 'partitions': 2})
    for number in range(6):
        client.ask('POST', '/topics/orders?type=Counted', {'n': number}, {'ce-partitionkey': 'x'})
    for number in range(7):
        append(client, 'orders/1', {'n': number})
    ends = [sum(1 for e in client.get(f'/topics/orders?partition={p}')['_embedded']['events']) for p in (0, 1)]
    same(sum(ends), 13, 'how many records there are')
    commit(broker, b'readers', b'orders', [end - min(end, 2) for end in ends])
    commit(broker, b'far "ahead"\\of\n\xc3\xa4ll\xff', b'orders', [1000])

    def lags():
        return [line for line in client.text('/metrics').splitlines() if line.startswith('edda_kafka_group_lag{')]
    same(sorted(lags()), ['edda_kafka_group_lag{group="far \\"ahead\\"\\\\of\\n\u00e4ll\\\\xff",topic="orders",partition="0"} 0',
                          *[f'edda_kafka_group_lag{{group="readers",topic="orders",partition="{p}"}} {min(ends[p], 2)}' for p in (0, 1)]])
    metrics_are_what_the_format_asks_for(client)
    says(client.text('/metrics'), r'edda_limit\{limit="kafka_group_lags"\} 10000\n', r'edda_limit_used\{limit="kafka_group_lags"\} 3\n')
    # Names that are long, of bytes that take five each: the other metrics come all the same.
    for number in range(600):
        commit(broker, b'%04d' % number + b'\xff' * 2000, b'orders', [0, 0])
    holds(300 < len(lags()) < 600, f'{len(lags())} rows in 4 MiB')
    metrics_are_what_the_format_asks_for(client)
    client.ask('DELETE', '/topics/orders')
    same(lags(), [], 'the lags of a topic that is gone')


def metrics_are_what_the_format_asks_for(client):
    typed, seen = {}, set()
    for line in client.text('/metrics').splitlines():
        found = re.fullmatch(r'# (HELP|TYPE) ([a-z_:][a-z0-9_:]*) (.+)', line)
        if found:
            holds(found[1] == 'HELP' or (found[2] not in typed and found[3] in ('counter', 'gauge')), line)
            typed.update({found[2]: found[3]} if found[1] == 'TYPE' else {})
            continue
        row = re.fullmatch(r'([a-z_:][a-z0-9_:]*)(\{[a-z_]+="(?:[^"\\\n]|\\[\\"n])*"(?:,[a-z_]+="(?:[^"\\\n]|\\[\\"n])*")*\})? \d+', line)
        holds(row and row[1] in typed and (row[1], row[2]) not in seen, f'no row of a metric: {line}')
        holds((typed[row[1]] == 'counter') == row[1].endswith('_total'), line)
        seen.add((row[1], row[2]))


def describes_itself(world):
    """OpenAPI, AsyncAPI and the metrics are what their formats ask for; a validator looks too where there is one."""
    broker = started(world)
    client = broker.client()
    append(client, 'orders/1', {'n': 1})
    document = client.get('/openapi.json')
    ids = set()
    for path, row in document['paths'].items():
        for method, operation in row.items():
            holds(operation['responses'] and operation['summary'], f'{method} {path}')
            keys = [(p['in'], p['name']) for p in operation['parameters']]
            same(len(keys), len(set(keys)), f'{method} {path}: parameters')
            for status, answer in operation['responses'].items():
                holds(re.fullmatch(r'[1-5]\d\d|default', status) and answer['description'], f'{method} {path} {status}')
            ids.add((method, path))
    holds({('post', '/streams/{category}/{key}'), ('get', '/all'), ('post', '/groups/{group}/topics/{topic}/poll'), ('get', '/asyncapi.json')} <= ids, ids)
    for reference in re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)):
        holds(reference in document['components']['schemas'], reference)
    try:
        import openapi_spec_validator
        openapi_spec_validator.validate(document)
    except ImportError:
        pass
    topics = client.get('/asyncapi.json')
    same((topics['asyncapi'], topics['channels']['orders']['address']), ('3.0.0', 'orders'))
    for reference in re.findall(r'"#/components/messages/([^"]+)"', json.dumps(topics)):
        holds(reference in topics['components']['messages'], reference)
    metrics_are_what_the_format_asks_for(client)


def a_comment_comes_when_nothing_else_does(world):
    """After 15 s without an event a subscriber is shown that the connection lives."""
    broker = started(world)
    subscription = Subscription(broker, '/all')
    wait_for(lambda: subscription.comments == [': subscribed'], 'the first comment')
    begun = time.monotonic()
    wait_for(lambda: len(subscription.comments) > 1, 'a heartbeat')
    holds(10 < time.monotonic() - begun < 25, f'after {time.monotonic() - begun} s')
    same((subscription.comments[1], broker.client().metric('edda_http_subscription_heartbeats_total')), (':', 1))


SCENARIOS = [a_stream_has_versions, events_come_in_all_modes, what_is_wrong_is_named_and_nothing_recorded, what_a_call_does_not_have_is_refused, pages_lead_on, topics_are_made_changed_and_deleted,
             a_subscription_has_neither_gap_nor_repeat, what_is_not_there_yet_can_be_waited_for, a_slow_subscriber_costs_little_and_misses_nothing, a_stream_is_the_same_for_kafka,
             conditional_appends_lose_nothing, consumers_compete_for_records, who_asks_and_whether_he_may, who_waits_is_asked_again,
             pages_of_other_sites, groups_tell_how_far_they_are_behind, describes_itself]
if '--slow' in sys.argv:
    SCENARIOS = [a_comment_comes_when_nothing_else_does]

if __name__ == '__main__':
    edda.main(SCENARIOS)
