#!/usr/bin/env python3
"""Groups of consumers over Redis's protocol: as Redis has them, over topics and streams, across restarts, and together with HTTP.

    groups.py EDDA [NAME…]
"""
import os
import re
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'scenario'))
import edda  # noqa: E402
import redis  # noqa: E402
from edda import holds, same, wait_for  # noqa: E402


def serve(world, *listeners):
    directory = os.path.join(world.directory, 'redis')
    os.makedirs(directory, exist_ok=True)
    server = redis.Edda(world.application, directory, listeners=listeners)
    world.servers.append(server)
    return server


def connect(server, version=2):
    connection = redis.Connection(server.port)
    if version == 3:
        connection.ask('HELLO', 3)
    return connection


def ids_of(answer):
    """Of what XREADGROUP gives of one stream."""
    return [i for i, _ in answer[0][1]] if answer else []


def take(connection, key, consumer, *options, group='g', after='>'):
    return connection.ask('XREADGROUP', 'GROUP', group, consumer, *options, 'STREAMS', key, after)


# --- as Redis ---------------------------------------------------------------------------------------------------------

# {} is the key. What may differ by time is not compared: numbers of milliseconds.
SAME = '''
XGROUP CREATE {} g $
XGROUP SETID {} g 0
XGROUP DESTROY {} g
XREADGROUP GROUP g a STREAMS {} >
XINFO STREAM {}
XINFO GROUPS {}
XINFO CONSUMERS {} g
XACK {} g 1-1
XPENDING {} g
XPENDING {} g - + 10
XCLAIM {} g a 0 1-1
XAUTOCLAIM {} g a 0 0
XADD {} 1-1 n 1
XADD {} 1-2 n 2
XADD {} 2-0 n 3
XADD {} 5-5 n 4 m 4
XADD {} 6-0 n 5
XGROUP CREATE {} g 1-1
XGROUP CREATE {} g 1-1
XGROUP CREATE {} g x
XGROUP CREATE {} all 0 ENTRIESREAD -2
XGROUP CREATE {} all 0 ENTRIESREAD 0
XGROUP CREATE {} end $
XGROUP CREATE {} end $ FOO
XGROUP SETID {} nobody 0
XGROUP CREATECONSUMER {} nobody a
XGROUP DELCONSUMER {} nobody a
XGROUP DESTROY {} nobody
XINFO CONSUMERS {} nobody
XREADGROUP GROUP nobody a STREAMS {} >
XREADGROUP GROUP g a STREAMS {} $
XREADGROUP GROUP g a STREAMS {} x
XREADGROUP GROUP g a COUNT x STREAMS {} >
XREADGROUP COUNT 1 COUNT 1 STREAMS {} >
XREADGROUP GROUP g a FOO STREAMS {} >
XREADGROUP GROUP g a
XREAD GROUP g a STREAMS {} 0
XREAD STREAMS {} >
XREAD NOACK STREAMS {} 0
XREADGROUP GROUP end a STREAMS {} >
XREADGROUP GROUP g a COUNT 2 STREAMS {} >
XREADGROUP GROUP g b COUNT 1 STREAMS {} >
XREADGROUP GROUP g a STREAMS {} 0
XREADGROUP GROUP g a STREAMS {} 1-2
XREADGROUP GROUP g b STREAMS {} 9-9
XREADGROUP GROUP g c STREAMS {} 0
XPENDING {} g
XPENDING {} g - + 10 b
XPENDING {} g - + 10 nobody
XPENDING {} g (1-2 + 1 a
XPENDING {} g - 1-2 10 a
XPENDING {} g IDLE 100000 - + 10
XPENDING {} g - +
XPENDING {} g - + x
XPENDING {} g x + 1
XPENDING {} nobody
XACK {} g 1-2 1-2 77-7
XACK {} g x
XACK {} nobody 1-2
XPENDING {} g
XREADGROUP GROUP g a STREAMS {} 0
XCLAIM {} g c 0 2-0 5-5 99-9
XCLAIM {} g c 100000 2-0
XCLAIM {} g d 0 2-0 JUSTID
XCLAIM {} g d 0 2-0 RETRYCOUNT 7
XPENDING {} g 2-0 2-0 1
XCLAIM {} g d 0 2-0 FOO
XCLAIM {} g d x 2-0
XCLAIM {} g d 0 x
XCLAIM {} g d 0 2-0 IDLE x
XCLAIM {} nobody d 0 2-0
XCLAIM {} g e 0 1-1 FORCE
XCLAIM {} g e 0 1-2
XPENDING {} g
XREADGROUP GROUP g a NOACK STREAMS {} >
XREADGROUP GROUP g a STREAMS {} >
XAUTOCLAIM {} g f 0 0 COUNT 1
XAUTOCLAIM {} g f 0 2-1 COUNT 10 JUSTID
XAUTOCLAIM {} g f 100000 0
XAUTOCLAIM {} g f 0 - COUNT 0
XAUTOCLAIM {} g f 0 0 FOO
XAUTOCLAIM {} g f x 0
XAUTOCLAIM {} nobody f 0 0
XPENDING {} g
XGROUP CREATECONSUMER {} g new
XGROUP CREATECONSUMER {} g new
XGROUP DELCONSUMER {} g f
XGROUP DELCONSUMER {} g f
XPENDING {} g
XGROUP SETID {} g 5-5
XREADGROUP GROUP g a STREAMS {} >
XGROUP SETID {} g 0
XREADGROUP GROUP g b COUNT 5 STREAMS {} >
XPENDING {} g
XREADGROUP GROUP all a COUNT 2 STREAMS {} >
XADD {} 7-0 n 6
XREADGROUP GROUP end a BLOCK 1 STREAMS {} >
XREADGROUP GROUP end a BLOCK 1 STREAMS {} >
XREADGROUP GROUP end a BLOCK 1 STREAMS {} 0
XREADGROUP GROUP end a BLOCK x STREAMS {} >
XREADGROUP GROUP end a BLOCK -1 STREAMS {} >
XGROUP DESTROY {} end
XGROUP DESTROY {} end
XREADGROUP GROUP end a STREAMS {} >
XGROUP FOO {} g
XGROUP CREATE {}
XGROUP
XACK {} g
XINFO FOO {}
'''


def answer_of(connection, words):
    try:
        return connection.ask(*words)
    except RuntimeError as refused:
        return str(refused)


def as_redis_answers(world):
    """Word by word what redis-server answers, in both versions, for a whole topic and for the stream of a key."""
    if not redis.installed():
        raise edda.Skip('redis-server is not installed')
    directory = os.path.join(world.directory, 'real')
    os.makedirs(directory)
    real = redis.Server(directory)
    world.servers.append(real)
    ours = serve(world)
    differ = []
    for version in (2, 3):
        for key in (f's{version}', f'orders/{version}'):
            one, other = connect(real, version), connect(ours, version)
            for line in SAME.strip().splitlines():
                words = line.replace('{}', key).split()
                wanted, found = answer_of(one, words), answer_of(other, words)
                # How much is given of what has come lately is a matter of milliseconds, in the third column of XPENDING.
                if isinstance(found, list) and len(words) > 3 and words[0] == 'XPENDING':
                    wanted, found = [[[*r[:2], *r[3:]] for r in rows] for rows in (wanted, found)]
                if found != wanted:
                    differ.append((version, ' '.join(words), 'wanted', wanted, 'found', found))
            same(differ, [], '\n'.join(map(str, differ)))
            groups = [{name: c.ask('XINFO', 'GROUPS', key) for c in [c]}[name] for name, c in (('wanted', one), ('found', other))]
            if version == 3:
                same([[(g['name'], g['consumers'], g['pending'], g['last-delivered-id']) for g in side] for side in groups][1],
                     [(g['name'], g['consumers'], g['pending'], g['last-delivered-id']) for g in groups[0]])
                consumers = [sorted((c['name'], c['pending']) for c in side.ask('XINFO', 'CONSUMERS', key, 'g')) for side in (one, other)]
                same(consumers[1], consumers[0])
                same(other.ask('XINFO', 'STREAM', key)['groups'], one.ask('XINFO', 'STREAM', key)['groups'])


# --- what is kept -----------------------------------------------------------------------------------------------------

def what_a_consumer_has_survives(world):
    """Killed and started again, each consumer has what it had, with how often it was given; what was acknowledged is not given again; nothing is left out."""
    server = serve(world)
    for key in ('jobs', 'jobs/7'):
        c = connect(server)
        ids = [c.ask('XADD', key, '*', 'n', n) for n in range(10)]
        c.ask('XGROUP', 'CREATE', key, 'g', 0)
        same(ids_of(take(c, key, 'a', 'COUNT', 4)), ids[:4])
        same(ids_of(take(c, key, 'b', 'COUNT', 2)), ids[4:6])
        c.ask('XCLAIM', key, 'g', 'b', 0, ids[0])
        same(c.ask('XACK', key, 'g', ids[1], ids[4]), 2)
        c.ask('XGROUP', 'CREATECONSUMER', key, 'g', 'idle')
        c.ask('XGROUP', 'CREATE', key, 'gone', 0)
        c.ask('XGROUP', 'DESTROY', key, 'gone')
        before = [r[:2] + r[3:] for r in c.ask('XPENDING', key, 'g', '-', '+', 10)]
        server.process.kill()
        server.process.wait()
        server.start()
        c = connect(server)
        same([r[:2] + r[3:] for r in c.ask('XPENDING', key, 'g', '-', '+', 10)], before)
        same(before, [[ids[0], 'b', 2], [ids[2], 'a', 1], [ids[3], 'a', 1], [ids[5], 'b', 1]])
        same(sorted(dict(zip(row[::2], row[1::2]))['name'] for row in c.ask('XINFO', 'CONSUMERS', key, 'g')), ['a', 'b', 'idle'])
        same(len(c.ask('XINFO', 'GROUPS', key)), 1)
        same(ids_of(take(c, key, 'a', after=0)), ids[2:4])
        same(ids_of(take(c, key, 'a')), ids[6:])
        same(take(c, key, 'a'), None)
        same(c.ask('XACK', key, 'g', *ids), 8)
        same(c.ask('XPENDING', key, 'g'), [0, None, None, None])


def a_group_of_a_stream_sees_that_stream(world):
    """Groups of one name over a topic and over its streams are different ones; ids of positions, of what others have written, are acknowledged too."""
    server = serve(world)
    c = connect(server)
    for key in ('t', 't/1', 't/2'):
        same(c.ask('XGROUP', 'CREATE', key, 'g', '$', 'MKSTREAM'), 'OK')
    made = [c.ask('XADD', f't/{n % 3}', '*', 'n', n) for n in range(30)]
    c.ask('PUBLISH', 't', 'a message')
    whole = take(c, 't', 'a', 'COUNT', 100)
    same(len(whole[0][1]), 31)
    same(whole[0][1][-1][1], ['value', 'a message'])
    for key in (1, 2):
        same(ids_of(take(c, f't/{key}', 'a', 'COUNT', 100)), made[key::3])
        same(c.ask('XACK', f't/{key}', 'g', *made[key::3]), 10)
    same(c.ask('XACK', 't', 'g', *ids_of(whole)), 31)
    same([c.ask('XINFO', 'STREAM', key)[7] for key in ('t', 't/1', 't/2', 't/0')], [1, 1, 1, 0])
    both = c.ask('XREADGROUP', 'GROUP', 'g', 'a', 'STREAMS', 't/1', 't/2', '>', '0')
    same(both, [['t/2', []]])
    for words in (['t/0', 'g'], ['nothing', 'g'], ['t/1', 'h']):
        try:
            raise AssertionError(take(c, words[0], 'a', group=words[1]))
        except RuntimeError as refused:
            same(str(refused), f"NOGROUP No such key '{words[0]}' or consumer group '{words[1]}' in XREADGROUP with GROUP option")


def each_entry_goes_to_one(world):
    """Eight consumers that wait, four that write: every entry is given once, and what is not acknowledged is claimed from one who is gone."""
    server = serve(world)
    wanted, got, lock = 4 * 150, [], threading.Lock()
    connect(server).ask('XGROUP', 'CREATE', 'work', 'g', 0, 'MKSTREAM')

    def consume(name):
        c = connect(server, 2 + len(name) % 2)
        while True:
            answer = take(c, 'work', name, 'COUNT', 3, 'BLOCK', 20000)
            entries = answer['work'] if isinstance(answer, dict) else answer[0][1]
            if any(fields == ['end', '1'] for _, fields in entries):
                return
            with lock:
                got.extend(i for i, _ in entries)
            if name != 'c7':
                same(c.ask('XACK', 'work', 'g', *(i for i, _ in entries)), len(entries))

    def write():
        c = connect(server)
        for n in range(150):
            c.ask('XADD', 'work', '*', 'n', n)
    consumers = [threading.Thread(target=consume, args=(f'c{n}' if n % 2 else f'co{n}',)) for n in range(8)]
    writers = [threading.Thread(target=write) for _ in range(4)]
    for thread in consumers + writers:
        thread.start()
    for thread in writers:
        thread.join()
    c = connect(server)
    wait_for(lambda: len(got) >= wanted, 'all to be given')
    for _ in range(24):
        c.ask('XADD', 'work', '*', 'end', 1)
    for thread in consumers:
        thread.join(edda.LIMIT_S)
        holds(not thread.is_alive(), 'each ends')
    same((len(got), len(set(got))), (wanted, wanted))
    c.ask('XGROUP', 'SETID', 'work', 'g', '$')
    left, start = [], '0'
    while True:
        start, some, _ = c.ask('XAUTOCLAIM', 'work', 'g', 'heir', 0, start, 'COUNT', 7)
        left += [i for i, _ in some]
        if start == '0-0':
            break
    same([r[0] for r in c.ask('XPENDING', 'work', 'g', '-', '+', 1000, 'heir')], left)
    same(c.ask('XPENDING', 'work', 'g')[3], [['heir', str(len(left))]])
    same(c.ask('XACK', 'work', 'g', *left), len(left))


def who_waits_is_woken(world):
    """By a new entry, by a group that is set back, by its end; and is forgotten when its client is gone."""
    server = serve(world)
    c, sender = connect(server), connect(server)

    def waits(words):
        c.send('XREADGROUP', 'GROUP', 'g', 'a', 'BLOCK', 0, 'STREAMS', *words)
        wait_for(lambda: f'blocked_clients:{len(words) // 2}\r' in sender.ask('INFO'), 'it to wait')
    for key in ('s', 's/1'):
        sender.ask('XGROUP', 'CREATE', key, 'g', '$', 'MKSTREAM')
    begun = time.monotonic()
    same(take(c, 's', 'a', 'BLOCK', 150), None)
    holds(0.1 < time.monotonic() - begun < 10, 'it waits as long as it is told')
    waits(['s', 's/1', '>', '>'])
    one = sender.ask('XADD', 's/1', '*', 'n', 1)
    same({key: [i for i, _ in entries] for key, entries in c.read()}['s/1'], [one])
    waits(['s/1', '>'])
    same(sender.ask('XGROUP', 'SETID', 's/1', 'g', 0), 'OK')
    same(ids_of(c.read()), [one])
    waits(['s/1', '>'])
    same(sender.ask('XGROUP', 'DESTROY', 's/1', 'g'), 1)
    try:
        raise AssertionError(c.read())
    except RuntimeError as refused:
        same(str(refused), 'NOGROUP the consumer group this client was blocked on no longer exists')
    same(c.ask('PING'), 'PONG')
    waits(['s', '>'])
    c.close()
    wait_for(lambda: 'blocked_clients:0\r' in sender.ask('INFO'), 'the end of one who is gone')
    last = sender.ask('XADD', 's', '*', 'n', 2)
    same(ids_of(take(sender, 's', 'b'))[-1], last)


def all_who_go_while_they_wait_are_forgotten(world):
    """Also those whose commands had to wait for the log first, as those of many new consumers at once do."""
    server = serve(world)
    sender = connect(server)
    sender.ask('XGROUP', 'CREATE', 's/1', 'g', '$', 'MKSTREAM')
    for n in range(5):
        clients = [connect(server) for _ in range(60)]
        for i, c in enumerate(clients):
            c.send('XREADGROUP', 'GROUP', 'g', f'c{n}-{i}', 'BLOCK', 0, 'STREAMS', 's/1', '>')
        wait_for(lambda: 'blocked_clients:60\r' in sender.ask('INFO'), 'all to wait')
        for c in clients:
            c.close()
        wait_for(lambda: 'blocked_clients:0\r' in sender.ask('INFO'), 'none to wait')
    wait_for(lambda: 'connected_clients:1\r' in sender.ask('INFO'), 'one connection')


def a_group_has_bounds(world):
    """With 10,000 entries that nobody acknowledges a group takes no more, and goes on, also for who waits, when some are; names and numbers of consumers are bounded."""
    server = serve(world)
    c, other = connect(server), connect(server)
    c.ask('XGROUP', 'CREATE', 'm', 'g', '$', 'MKSTREAM')
    for n in range(10003):
        c.send('XADD', 'm', '*', 'n', n)
        if n % 500 == 499:
            for _ in range(500):
                c.read()
    for _ in range(3):
        c.read()
    ids = ids_of(take(c, 'm', 'a'))
    same(len(ids), 10000)
    same([take(c, 'm', 'a'), c.ask('XPENDING', 'm', 'g')[0]], [None, 10000])
    other.send('XREADGROUP', 'GROUP', 'g', 'b', 'BLOCK', 0, 'STREAMS', 'm', '>')
    wait_for(lambda: 'blocked_clients:1\r' in c.ask('INFO'), 'it to wait')
    same(c.ask('XACK', 'm', 'g', *ids[5:7]), 2)
    same(len(ids_of(other.read())), 2)
    c.ask('XGROUP', 'CREATE', 'm', 'h', '$')
    for n in range(1000):
        c.send('XGROUP', 'CREATECONSUMER', 'm', 'h', f'consumer {n}')
    same([c.read() for _ in range(1000)], [1] * 1000)
    for words in (['more'], ['x' * 256], ['']):
        try:
            raise AssertionError(c.ask('XGROUP', 'CREATECONSUMER', 'm', 'h', *words))
        except RuntimeError as refused:
            holds(re.match('ERR .*(at most 1000 consumers|has 1 to 255 bytes)', str(refused)) or 'LIMIT' in str(refused), refused)


# --- with HTTP --------------------------------------------------------------------------------------------------------

def one_group_over_both(world):
    """A group that HTTP polls is the one that XREADGROUP reads: who has a record has it for both, of a topic and of a stream."""
    port = redis.free_port()
    server = serve(world, '--http', f'127.0.0.1:{port}')
    c, http = connect(server), edda.Client('127.0.0.1', port)
    for key, path in (('jobs', '/groups/g/topics/jobs'), ('jobs/7', '/groups/g/streams/jobs/7')):
        c.ask('XGROUP', 'CREATE', key, 'g', '$', 'MKSTREAM')
        ids = [c.ask('XADD', key, '*', 'n', n) for n in range(6)]

        def poll(**options):
            return http.ask('POST', path + '/poll', options).json['_embedded']['events']
        same(ids_of(take(c, key, 'a', 'COUNT', 2)), ids[:2])
        rows = poll(max=2, timeoutMs=60000)
        same([r['event']['data'] for r in rows], [{'n': '2'}, {'n': '3'}])
        same([r[:2] + r[3:] for r in c.ask('XPENDING', key, 'g', '-', '+', 10)], [[ids[0], 'a', 1], [ids[1], 'a', 1], [ids[2], '', 1], [ids[3], '', 1]])
        same(c.ask('XPENDING', key, 'g')[3], [['', '2'], ['a', '2']])
        same(http.ask('POST', path + '/ack', {'positions': [rows[0]['position']]}).json, {'done': 1, 'unknown': []})
        same([c.ask('XACK', key, 'g', ids[2]), c.ask('XACK', key, 'g', ids[0])], [0, 1])
        # Put back over HTTP, it goes to whoever asks, also to one that waits.
        same(ids_of(take(c, key, 'a')), ids[4:])
        c.send('XREADGROUP', 'GROUP', 'g', 'b', 'BLOCK', 0, 'STREAMS', key, '>')
        wait_for(lambda: 'blocked_clients:1\r' in server.ask('INFO'), 'it to wait')
        http.ask('POST', path + '/nack', {'positions': [rows[1]['position']], 'delayMs': 50})
        same(ids_of(c.read()), [ids[3]])
        same(http.ask('POST', path + '/park', {'positions': [rows[1]['position']], 'reason': 'no'}).json['done'], 1)
        same([r[0] for r in c.ask('XPENDING', key, 'g', '-', '+', 10)], [ids[1], ids[4], ids[5]])
        same(http.ask('POST', f'{path}/parked/{rows[1]["position"]}/retry').status, 204)
        same(ids_of(take(c, key, 'b')), [ids[3]])
        row = http.get(path)
        same((row['open'], row['parked'], row['consumers'], row['behind'] == 0 or key == 'jobs', row.get('key')), (4, 0, 2, True, '7' if '/' in key else None))
    same([(g['topic'], g.get('key'), g['group']) for g in http.all('/groups')], [('jobs', '7', 'g'), ('jobs', None, 'g')])
    # What retention, or a truncation, has taken is done.
    same(http.ask('PATCH', '/streams/jobs/7', {'truncateBefore': 5}).status, 204)
    same([i for i, _ in c.ask('XREADGROUP', 'GROUP', 'g', 'a', 'STREAMS', 'jobs/7', 0)[0][1]], ids[5:])
    same(c.ask('XAUTOCLAIM', 'jobs/7', 'g', 'c', 0, 0), ['0-0', [[ids[5], ['n', '5']]], []])
    same(c.ask('XPENDING', 'jobs/7', 'g'), [1, ids[5], ids[5], [['c', '1']]])
    # Who polls a group that is destroyed is answered.
    c.ask('XGROUP', 'SETID', 'jobs', 'g', '$')
    answers = []
    thread = threading.Thread(target=lambda: answers.append(edda.Client('127.0.0.1', port).ask('POST', '/groups/g/topics/jobs/poll', {'waitMs': 60000})))
    thread.start()
    wait_for(lambda: http.metric('edda_http_group_polls_waiting') == 1, 'one waits')
    same(c.ask('XGROUP', 'DESTROY', 'jobs', 'g'), 1)
    thread.join(edda.LIMIT_S)
    same(answers[0].json['_embedded']['events'], [])
    same(http.ask('GET', '/groups/g/topics/jobs').status, 404)


SCENARIOS = (as_redis_answers, what_a_consumer_has_survives, a_group_of_a_stream_sees_that_stream, who_waits_is_woken, all_who_go_while_they_wait_are_forgotten, a_group_has_bounds,
             one_group_over_both)
if '--slow' in sys.argv:
    SCENARIOS = (each_entry_goes_to_one,)

if __name__ == '__main__':
    edda.main(SCENARIOS)
