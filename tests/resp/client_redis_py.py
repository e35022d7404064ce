"""redis-py against the listener on the port that is given, as its users write it. Ends with a failure at the first thing that is not so."""
import sys
import threading

import redis

port = int(sys.argv[1])


def same(found, wanted):
    assert found == wanted, f'found {found!r}, wanted {wanted!r}'


def channels(client):
    got = []
    with client.pubsub() as subscribed:
        subscribed.subscribe('py:news')
        subscribed.psubscribe('py:n*')
        same([subscribed.get_message(timeout=10)['type'] for _ in range(2)], ['subscribe', 'psubscribe'])
        same(client.publish('py:news', 'hello'), 2)
        got = [subscribed.get_message(timeout=10) for _ in range(2)]
        same([(m['type'], m['channel'], m['data']) for m in got], [('message', 'py:news', 'hello'), ('pmessage', 'py:news', 'hello')])
        same(client.pubsub_channels('py:*'), ['py:news'])
        same([tuple(pair) for pair in client.pubsub_numsub('py:news')], [('py:news', 1)])
        subscribed.unsubscribe()
        subscribed.punsubscribe()
        same([subscribed.get_message(timeout=10)['type'] for _ in range(2)], ['unsubscribe', 'punsubscribe'])
    same(client.publish('py:news', 'nobody'), 0)


def entries_of(answer, key):
    """XREAD gives a map in version 3 and a list in version 2, and the client shapes it by its own version."""
    if isinstance(answer, dict):
        found = answer[key]
        return found[0] if found and isinstance(found[0], list) else found
    return dict((name, found) for name, found in answer)[key]


def streams(client, key):
    first = client.xadd(key, {'a': '1', 'b': 'x'})
    second = client.xadd(key, {'a': '2'})
    same(client.xlen(key), 2)
    same([(i, dict(f)) for i, f in client.xrange(key)], [(first, {'a': '1', 'b': 'x'}), (second, {'a': '2'})])
    same([i for i, _ in client.xrevrange(key, count=1)], [second])
    same([i for i, _ in entries_of(client.xread({key: first}), key)], [second])
    same(client.xread({key: '$'}, block=50) or [], [])
    timer = threading.Timer(0.2, lambda: client.xadd(key, {'late': 'yes'}))
    timer.start()
    found = entries_of(client.xread({key: second}, block=10000), key)
    same([dict(f) for _, f in found], [{'late': 'yes'}])
    timer.join()
    same(client.xinfo_stream(key)['length'], 3)
    try:
        client.xadd(key, {'a': 1}, id='1-1')
        raise AssertionError('a small id is taken')
    except redis.exceptions.ResponseError as wrong:
        assert 'equal or smaller' in str(wrong), wrong


def groups(client, key):
    same(client.xgroup_create(key, 'g', id='0', mkstream=True), True)
    try:
        client.xgroup_create(key, 'g')
        raise AssertionError('it is made twice')
    except redis.exceptions.ResponseError as wrong:
        same(str(wrong), 'BUSYGROUP Consumer Group name already exists')
    made = [client.xadd(key, {'n': n}) for n in range(5)]
    got = entries_of(client.xreadgroup('g', 'a', {key: '>'}, count=3), key)
    same([(i, dict(f)) for i, f in got], [(made[n], {'n': str(n)}) for n in range(3)])
    same([i for i, _ in entries_of(client.xreadgroup('g', 'b', {key: '>'}), key)], made[3:])
    same(client.xack(key, 'g', made[0], made[4]), 2)
    pending = client.xpending(key, 'g')
    same((pending['pending'], pending['min'], pending['max']), (3, made[1], made[3]))
    same([(c['name'], c['pending']) for c in pending['consumers']], [('a', 2), ('b', 1)])
    rows = client.xpending_range(key, 'g', min='-', max='+', count=10, consumername='a')
    same([(r['message_id'], r['consumer'], r['times_delivered']) for r in rows], [(made[1], 'a', 1), (made[2], 'a', 1)])
    same([i for i, _ in client.xclaim(key, 'g', 'b', 0, [made[1]])], [made[1]])
    same(client.xclaim(key, 'g', 'b', 0, [made[2]], justid=True), [made[2]])
    start, found = client.xautoclaim(key, 'g', 'c', 0, count=2)[:2]
    same((start, [i for i, _ in found]), (made[3], made[1:3]))
    info = client.xinfo_groups(key)
    same([(g['name'], g['consumers'], g['pending'], g['last-delivered-id'], g['lag']) for g in info], [('g', 3, 3, made[4], 0)])
    same([(c['name'], c['pending']) for c in client.xinfo_consumers(key, 'g')], [('a', 0), ('b', 1), ('c', 2)])
    same(client.xreadgroup('g', 'a', {key: '>'}, block=50) or [], [])
    same([client.xgroup_createconsumer(key, 'g', 'd'), client.xgroup_delconsumer(key, 'g', 'c'), client.xgroup_setid(key, 'g', '$')], [1, 2, True])
    same(client.xinfo_stream(key)['groups'], 1)
    same(client.xgroup_destroy(key, 'g'), 1)
    try:
        client.xreadgroup('g', 'a', {key: '>'})
        raise AssertionError('it is there')
    except redis.exceptions.ResponseError as wrong:
        assert str(wrong).startswith('NOGROUP No such key'), wrong


for protocol in (2, 3):
    r = redis.Redis(port=port, protocol=protocol, decode_responses=True, client_name=f'py{protocol}', health_check_interval=1)
    same(r.ping(), True)
    same(r.client_getname(), f'py{protocol}')
    same(r.echo('x'), 'x')
    same(r.info()['loading'], 0)
    assert r.client_id() > 0
    channels(r)
    streams(r, f'py:stream{protocol}')
    streams(r, f'orders/py{protocol}')
    groups(r, f'py:groups{protocol}')
    groups(r, f'orders/groups{protocol}')
    pipe = r.pipeline(transaction=False)
    for n in range(100):
        pipe.xadd('py:many', {'n': n})
    same(len(set(pipe.execute())), 100)
    r.close()
print('done')
