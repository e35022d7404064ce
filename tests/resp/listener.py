#!/usr/bin/env python3
"""The listener of Redis's protocol, byte by byte: channels, streams, and what hostile clients do.

    listener.py EDDA [NAME…]
"""
import os
import re
import socket
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'scenario'))
import edda  # noqa: E402
import redis  # noqa: E402
from edda import holds, same, says, wait_for  # noqa: E402

POSITIONAL = 10 ** 15  # ids from here on are of positions


# --- what the scenarios need -----------------------------------------------------------------------------------------

def serve(world):
    directory = os.path.join(world.directory, 'redis')
    os.makedirs(directory, exist_ok=True)
    server = redis.Edda(world.application, directory)
    world.servers.append(server)
    return server


def connect(server, version=2, timeout_s=edda.LIMIT_S):
    connection = redis.Connection(server.port, timeout_s)
    if version == 3:
        same(connection.ask('HELLO', 3)['proto'], 3)
    return connection


def fails(connection, words, *patterns):
    try:
        answer = connection.ask(*words)
    except RuntimeError as error:
        says(str(error), *patterns)
        return
    raise AssertionError(f'{words} gives {answer!r}')


def entries(connection, key, first='-', last='+'):
    """As (id, fields), read in small pieces, each behind the last id of the one before."""
    found = []
    while True:
        some = connection.ask('XRANGE', key, first, last, 'COUNT', 7)
        found += [(i, f) for i, f in some]
        if len(some) < 7:
            return found
        first = '(' + some[-1][0]


def id_of(text):
    ms, seq = text.split('-')
    return int(ms), int(seq)


def resident_kb(server):
    """Of the server; 0 with a sanitizer, which has memory of its own."""
    with open(f'/proc/{server.process.pid}/maps', encoding='utf-8') as file:
        if 'libasan' in file.read():
            return 0
    with open(f'/proc/{server.process.pid}/status', encoding='ascii') as file:
        return int(re.search(r'VmRSS:\s+(\d+)', file.read())[1])


# --- the connection --------------------------------------------------------------------------------------------------

def says_who_it_is(world):
    """HELLO of both versions, names, INFO, COMMAND; what is wrong is told in Redis's words, and the connection goes on."""
    server = serve(world)
    c = connect(server)
    answer = c.ask('HELLO', 2, 'SETNAME', 'me')
    same(dict(zip(answer[::2], answer[1::2]))['server'], 'edda')
    same(c.ask('CLIENT', 'GETNAME'), 'me')
    fails(c, ['HELLO', 4], '^NOPROTO ')
    fails(c, ['HELLO', 'x'], '^ERR Protocol version is not an integer')
    fails(c, ['HELLO', 3, 'AUTH', 'u', 'p'], '^ERR AUTH <password> called without any password configured')
    fails(c, ['AUTH', 'p'], '^ERR AUTH <password> called without any password configured')
    fails(c, ['CLIENT', 'SETNAME', 'a b'], '^ERR Client names cannot contain spaces')
    fails(c, ['nothing', 'a', 'b'], "^ERR unknown command 'nothing', with args beginning with: 'a' 'b' $")
    fails(c, ['EVAL', 'return 1', 0], "^ERR unknown command 'EVAL'")
    fails(c, ['ECHO'], "^ERR wrong number of arguments for 'echo' command")
    fails(c, ['SELECT', 1], '^ERR DB index is out of range')
    fails(c, ['CLIENT', 'TRACKING', 'ON'], "^ERR unknown subcommand")
    same([c.ask('SELECT', 0), c.ask('PING'), c.ask('ping', 'x'), c.ask('ECHO', 'y'), c.ask('CONFIG', 'GET', 'save')], ['OK', 'PONG', 'x', 'y', []])
    same(c.ask('CLIENT', 'SETINFO', 'LIB-NAME', 'script'), 'OK')
    says(c.ask('CLIENT', 'INFO'), r'^id=\d+ addr=127.0.0.1:\d+ .*name=me .*cmd=client resp=2 lib-name=script')
    says(c.ask('INFO'), 'redis_version:', 'loading:0', 'role:master', 'edda_version:')
    same(c.ask('COMMAND', 'COUNT'), len(c.ask('COMMAND')))
    same(c.ask('COMMAND', 'INFO', 'XADD', 'no')[0][:3], ['xadd', -5, ['write']])
    holds('publish' in c.ask('COMMAND', 'LIST'), 'the list')
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), '../../docs/reference/resp.md'), encoding='utf-8') as file:
        says(file.read(), *(rf'`{name.upper()}\b' for name in c.ask('COMMAND', 'LIST')))
    same(c.ask('RESET'), 'RESET')
    same(c.ask('CLIENT', 'GETNAME'), None)
    other = connect(server, 3)
    same(c.ask('CLIENT', 'KILL', 'ID', other.ask('CLIENT', 'ID')), 1)
    same(other.stream.read(), b'')
    c.send('QUIT')
    same([c.read(), c.stream.read()], ['OK', b''])


# --- channels --------------------------------------------------------------------------------------------------------

def what_is_published_is_heard(world):
    """By those who are subscribed, from then on, each once, in order, by name and by pattern; in both versions."""
    server = serve(world)
    two, three, sender = connect(server), connect(server, 3), connect(server)
    same(sender.ask('PUBLISH', 'news', 'before'), 0)
    same(two.ask('SUBSCRIBE', 'news', 'other'), ['subscribe', 'news', 1])
    same(two.read(), ['subscribe', 'other', 2])
    same(two.ask('SUBSCRIBE', 'news'), ['subscribe', 'news', 2])
    same(three.ask('PSUBSCRIBE', 'n[e-f]w?'), ['psubscribe', 'n[e-f]w?', 1])
    same(three.ask('SUBSCRIBE', 'news'), ['subscribe', 'news', 2])
    same(sender.ask('PUBLISH', 'news', 'first'), 3)
    same(sender.ask('PUBLISH', 'nothing', 'x'), 0)
    same(sender.ask('PUBLISH', 'news', ''), 3)
    same([two.read(), two.read()], [['message', 'news', 'first'], ['message', 'news', '']])
    same([three.read() for _ in range(2)], [['message', 'news', 'first'], ['pmessage', 'n[e-f]w?', 'news', 'first']])
    same([three.read() for _ in range(2)], [['message', 'news', ''], ['pmessage', 'n[e-f]w?', 'news', '']])
    same(two.ask('PING', 'x'), ['pong', 'x'])
    same(three.ask('PING'), 'PONG')
    fails(two, ['ECHO', 'x'], r"^ERR Can't execute 'echo': only \(P\|S\)SUBSCRIBE")
    same(three.ask('ECHO', 'x'), 'x')
    same(sorted(sender.ask('PUBSUB', 'CHANNELS')), ['news', 'other'])
    same(sender.ask('PUBSUB', 'CHANNELS', 'n*'), ['news'])
    same([sender.ask('PUBSUB', 'NUMSUB', 'news', 'none'), sender.ask('PUBSUB', 'NUMPAT')], [['news', 2, 'none', 0], 1])
    same(two.ask('UNSUBSCRIBE', 'news'), ['unsubscribe', 'news', 1])
    same(two.ask('UNSUBSCRIBE'), ['unsubscribe', 'other', 0])
    same(two.ask('UNSUBSCRIBE'), ['unsubscribe', None, 0])
    same(two.ask('ECHO', 'x'), 'x')
    same(three.ask('RESET'), 'RESET')
    same(sender.ask('PUBLISH', 'news', 'nobody'), 0)
    same([f[1] for _, f in entries(sender, 'news')], ['before', 'first', '', 'nobody'])


def order_is_kept_for_all(world):
    """Many messages at once to several channels, for subscribers of both versions, by name and by pattern, of whom some take them late and some come in between: each gets what
    is for it, whole and in order."""
    server = serve(world)
    quick, late, three, pattern, sender = connect(server), connect(server), connect(server, 3), connect(server, 3), connect(server)
    for c in (quick, late, three):
        c.ask('SUBSCRIBE', 'a')
    three.ask('SUBSCRIBE', 'b')
    pattern.ask('PSUBSCRIBE', '[ab]')
    text, sent, joined = 'x' * 3000, [], None
    for n in range(1200):
        sent.append(('b' if n % 7 == 0 or 300 < n < 320 else 'a', f'{n} {text[:n % 3000]}'))
        sender.send('PUBLISH', *sent[-1])
        if n == 600:
            joined = connect(server)
            joined.ask('SUBSCRIBE', 'a')
        if n % 60 == 59:
            for _ in range(60):
                sender.read()
    of_a = [m for m in sent if m[0] == 'a']
    same([tuple(three.read()[1:]) for _ in sent], sent)
    same([tuple(pattern.read()[1:]) for _ in sent], [('[ab]', *m) for m in sent])
    for c in (quick, late):
        same([tuple(c.read()) for _ in of_a], [('message', *m) for m in of_a])
    first = tuple(joined.read()[1:])
    rest = of_a[of_a.index(first) + 1:]
    holds(len(of_a) > len(rest) > 400, 'what comes behind the subscription')
    same([tuple(joined.read()[1:]) for _ in rest], rest)


def ones_own_message_comes_behind_the_reply(world):
    server = serve(world)
    c = connect(server, 3)
    c.ask('SUBSCRIBE', 'me')
    for n in range(50):
        c.send('PUBLISH', 'me', n)
    got = [c.read() for _ in range(100)]
    numbers = [g[2] for g in got if isinstance(g, list)]
    same(numbers, [str(n) for n in range(50)])
    for n in range(50):
        replies = [i for i, g in enumerate(got) if g == 1]
        holds(replies[n] < got.index(['message', 'me', str(n)]), f'the reply to message {n} comes first')


def any_name_is_a_channel(world):
    """Whatever its bytes, a name is that of one topic; names of topics are themselves. What cannot be one is told."""
    server = serve(world)
    c, sender = connect(server), connect(server)
    names = ['a:b', 'a_x3Ab', 'user:7:notes', 'home/kitchen/t', 'plain.name-1_x', 'umlaut-\u00fc', '_x41', '_x5F', 'a b', '*', 'x' * 249, '[']
    for name in names:
        c.ask('SUBSCRIBE', name)
    for name in names:
        same(sender.ask('PUBLISH', name, name), 1, name)
    for name in names:
        same(c.read(), ['message', name, name])
    for name in ('', '__redis__:invalidate', '_edda.topics', ':' * 100, 'x' * 250, '.'):
        fails(sender, ['PUBLISH', name, 'x'], '^ERR ')
    same(sender.ask('PUBLISH', 'a:b', 'x'), 1)


def a_repeat_is_recognised(world):
    """EDDA.PUBLISH: by source and id, also after a restart; one that is to come behind another is refused without it."""
    server = serve(world)
    c = connect(server)
    same([c.ask('EDDA.PUBLISH', 'ch', 'one', 'SOURCE', 's', 'ID', 1), c.ask('EDDA.PUBLISH', 'ch', 'one', 'SOURCE', 's', 'ID', 1)], [0, -1])
    same(c.ask('EDDA.PUBLISH', 'ch', 'two', 'SOURCE', 's', 'ID', 2, 'AFTER', 1), 0)
    fails(c, ['EDDA.PUBLISH', 'ch', 'four', 'SOURCE', 's', 'ID', 4, 'AFTER', 3], '^NOTFOUND 3 of s')
    fails(c, ['EDDA.PUBLISH', 'ch', 'another', 'SOURCE', 's', 'ID', 1], '^DUPLICATE ')
    for words in (['SOURCE', 's'], ['ID', 's'], ['AFTER', 1], ['SOURCE'], ['FOO', 1]):
        fails(c, ['EDDA.PUBLISH', 'ch', 'x', *words], '^ERR ')
    server.stop()
    server.start()
    c = connect(server)
    same(c.ask('EDDA.PUBLISH', 'ch', 'two', 'SOURCE', 's', 'ID', 2, 'AFTER', 1), -1)
    same([f[1] for _, f in entries(c, 'ch')], ['one', 'two'])


def one_that_does_not_take(world):
    """A subscriber that takes nothing is closed when 8 MiB wait for it, and said; the others get everything."""
    server = serve(world)
    slow, quick, sender = connect(server), connect(server), connect(server)
    slow.ask('SUBSCRIBE', 'big')
    quick.ask('SUBSCRIBE', 'big')
    text, sent = 'x' * 100000, 0
    before = resident_kb(server)
    while sender.ask('PUBLISH', 'big', text) == 2:
        sent += 1
        same(len(quick.read()[2]), len(text))
        holds(sent < 1000, 'it is closed one day')
    same(len(quick.read()[2]), len(text))
    says(server.said(), 'resp.slow')
    says(sender.ask('INFO'), 'client_output_buffer_limit_disconnections:1')
    slow.close()
    holds(resident_kb(server) - before < 64 * 1024, f'{resident_kb(server) - before} kB more')


# --- streams ---------------------------------------------------------------------------------------------------------

def entries_keep_their_fields(world):
    """Order, repeats, emptiness and any bytes of fields survive, and a restart."""
    server = serve(world)
    c = connect(server)
    samples = [['a', '1'], ['b', '2', 'a', '1', 'b', '3'], ['', ''], ['quote"\\', 'line\r\nline\t\0'], ['\udcff\udc81', 'x', 'y', '\udc80'], ['$hex', 'x'],
               ['\u00fc', '\U0001f600'], ['k', 'v' * 100000]]
    raw = [[w.encode(errors='surrogateescape') for w in sample] for sample in samples]
    ids = [c.ask('XADD', 's', '*', *sample) for sample in raw]
    same(sorted(ids, key=id_of), ids)
    same(entries(c, 's'), list(zip(ids, samples)))
    server.stop()
    server.start()
    c = connect(server)
    same(entries(c, 's'), list(zip(ids, samples)))
    same([e[0] for e in c.ask('XREVRANGE', 's', '+', '-')], ids[::-1])


def ids_are_as_in_redis(world):
    """As long as XADD alone writes to a stream."""
    server = serve(world)
    c = connect(server)
    small = 'The ID specified in XADD is equal or smaller than the target stream top item'
    same(c.ask('XADD', 's', '5-1', 'a', 1), '5-1')
    same([c.ask('XADD', 's', '5-*', 'a', 1), c.ask('XADD', 's', '7', 'a', 1), c.ask('XADD', 's', '8-*', 'a', 1)], ['5-2', '7-0', '8-0'])
    for wrong in ('5-1', '8-0', '1', '7-*', '0-1'):
        fails(c, ['XADD', 's', wrong, 'a', 1], '^ERR ' + small)
    fails(c, ['XADD', 'new', '0-0', 'a', 1], '^ERR The ID specified in XADD must be greater than 0-0')
    fails(c, ['XADD', 's', str(POSITIONAL), 'a', 1], 'too large')
    for wrong in ('x', '1-x', '-1', '1-2-3', '99999999999999999999'):
        fails(c, ['XADD', 's', wrong, 'a', 1], '^ERR Invalid stream ID')
    now = c.ask('TIME')
    made = c.ask('XADD', 's', '*', 'a', 1)
    holds(abs(id_of(made)[0] - int(now[0]) * 1000) < 60000, made)
    same([i for i, _ in entries(c, 's')], ['5-1', '5-2', '7-0', '8-0', made])
    same([i for i, _ in c.ask('XRANGE', 's', 5, 7)], ['5-1', '5-2', '7-0'])
    same([i for i, _ in c.ask('XRANGE', 's', '(5-1', '(7')], ['5-2', '7-0'])
    same([i for i, _ in c.ask('XREVRANGE', 's', '7', '(5-2')], ['7-0'])
    same([i for i, _ in c.ask('XREVRANGE', 's', '+', '-', 'COUNT', 2)], [made, '8-0'])
    same([c.ask('XRANGE', 's', '9', '8'), c.ask('XRANGE', 'nothing', '-', '+'), c.ask('XRANGE', 's', '-', '+', 'COUNT', 0)], [[], [], []])
    same([c.ask('XLEN', 's'), c.ask('XLEN', 'nothing')], [5, 0])
    same(c.ask('XADD', 'nothing', 'NOMKSTREAM', '*', 'a', 1), None)
    fails(c, ['XADD', 's', 'MAXLEN', '~', 5, '*', 'a', 1], 'XADD cannot trim.*retention')
    fails(c, ['XADD', 's', '*', 'a'], "wrong number of arguments for 'xadd'")
    fails(c, ['XINFO', 'STREAM', 'nothing'], '^ERR no such key')
    info = connect(server, 3).ask('XINFO', 'STREAM', 's')
    same([info['length'], info['last-generated-id'], info['first-entry'][0], info['last-entry'][0]], [5, made, '5-1', made])


def a_stream_of_a_key_and_its_topic(world):
    """`orders/7` is the stream of a key, `orders` all of the topic, in order of position; ids grow in both, whoever writes in between."""
    server = serve(world)
    c = connect(server)
    for n in range(40):
        c.ask('XADD', f'orders/{n % 3}', f'{100 - n % 3}-{n + 1}' if n < 20 else '*', 'n', n)
        if n % 7 == 3:
            c.ask('PUBLISH', 'orders', f'message {n}')
    whole = entries(c, 'orders')
    same(len(whole), c.ask('XLEN', 'orders'))
    same([int(f[1]) for _, f in whole if f[0] == 'n'], list(range(40)))
    ids = [id_of(i) for i, _ in whole]
    same(sorted(set(ids)), ids)
    for key in range(3):
        found = entries(c, f'orders/{key}')
        same([int(f[1]) for _, f in found], list(range(key, 40, 3)))
        ids = [id_of(i) for i, _ in found]
        same(sorted(set(ids)), ids)
        same(c.ask('XLEN', f'orders/{key}'), len(found))
    same([f for _, f in whole if f[0] == 'value'][0], ['value', 'message 3'])
    server.stop()
    server.start()
    c = connect(server)
    same(entries(c, 'orders'), whole)
    for last, (this, _) in zip([('0', None)] + whole, whole):
        same(c.ask('XREAD', 'COUNT', 1, 'STREAMS', 'orders', last[0])[0][1][0][0], this)


def ids_go_on_behind_foreign_records(world):
    """A record of somebody else is an entry too; from then on ids are those of positions."""
    server = serve(world)
    c = connect(server)
    first = c.ask('XADD', 's', '*', 'a', 1)
    c.ask('PUBLISH', 's', 'foreign')
    third = c.ask('XADD', 's', '*', 'a', 2)
    holds(id_of(third)[0] > POSITIONAL, third)
    fails(c, ['XADD', 's', '5-1', 'a', 1], 'equal or smaller')
    found = entries(c, 's')
    same([f for _, f in found], [['a', '1'], ['value', 'foreign'], ['a', '2']])
    same([found[0][0], found[2][0]], [first, third])
    same([i for i, _ in c.ask('XREAD', 'STREAMS', 's', first)[0][1]], [i for i, _ in found[1:]])


def reads_that_wait(world):
    """XREAD BLOCK gets what comes, once, of several streams; ends in time; and those who wait for another key sleep on."""
    server = serve(world)
    c, other, sender = connect(server), connect(server, 3), connect(server)
    begun = time.monotonic()
    same(c.ask('XREAD', 'BLOCK', 200, 'STREAMS', 's', '$'), None)
    holds(0.15 < time.monotonic() - begun < 10, 'it waits as long as it is told')
    c.send('XREAD', 'BLOCK', 0, 'STREAMS', 's', 'orders/7', '$', '$')
    other.send('XREAD', 'BLOCK', 0, 'STREAMS', 'orders/8', '$')
    wait_for(lambda: 'blocked_clients:3' in sender.ask('INFO'), 'both to wait')
    one = sender.ask('XADD', 'orders/7', '*', 'a', 1)
    same(c.read(), [['orders/7', [[one, ['a', '1']]]]])
    two = sender.ask('XADD', 'orders/8', '*', 'a', 2)
    same(other.read(), {'orders/8': [[two, ['a', '2']]]})
    c.send('XREAD', 'BLOCK', 0, 'STREAMS', 's', '$')
    c.send('PING')
    c.send('PING')
    wait_for(lambda: 'blocked_clients:1' in sender.ask('INFO'), 'it to wait')
    sender.ask('PUBLISH', 's', 'x')
    same([c.read()[0][0], c.read(), c.read()], ['s', 'PONG', 'PONG'])
    c.send('XREAD', 'BLOCK', 0, 'STREAMS', 's', '$')
    wait_for(lambda: 'blocked_clients:1' in sender.ask('INFO'), 'it to wait')
    c.close()
    wait_for(lambda: 'blocked_clients:0' in sender.ask('INFO'), 'the end of one who is gone')
    fails(sender, ['XREAD', 'STREAMS', 's', 't', '0'], 'Unbalanced')
    fails(sender, ['XREAD', 'BLOCK', -1, 'STREAMS', 's', '$'], 'timeout is negative')
    fails(sender, ['XREAD', 'COUNT', 'x', 'STREAMS', 's', '$'], 'not an integer')


def who_waits_while_others_write(world):
    """A command that waits, and so has no answer yet, comes while what another has written is not durable."""
    server = serve(world)
    writer, c = connect(server), connect(server)
    for n in range(100):
        for _ in range(20):
            writer.send('XADD', 's', '*', 'n', n)
        c.send('XREAD', 'BLOCK', 1, 'STREAMS', 'other', '$')
        same(c.read(), None)
        for _ in range(20):
            writer.read()


def nothing_is_lost_between_reads(world):
    """Those who follow a stream with XREAD BLOCK see what four writers write, each once, in order."""
    server = serve(world)
    wanted = 4 * 200

    def write(number):
        c = connect(server)
        for n in range(200):
            c.ask('XADD', f's/{number}', '*', 'n', n)
    writers = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for writer in writers:
        writer.start()
    c, last, found = connect(server), '0', []
    while len(found) < wanted:
        answer = c.ask('XREAD', 'COUNT', 5, 'BLOCK', 10000, 'STREAMS', 's', last)
        holds(answer, f'only {len(found)} have come')
        found += answer[0][1]
        last = found[-1][0]
    for writer in writers:
        writer.join()
    same(found, [[i, f] for i, f in entries(c, 's')])


def what_is_answered_survives(world):
    """Killed with entries on their way: all that was answered is there."""
    server = serve(world)
    c = connect(server)
    for n in range(500):
        c.send('XADD', 's', '*', 'n', n)
    answered = [c.read() for _ in range(200)]
    server.process.kill()
    server.process.wait()
    server.start()
    found = entries(connect(server), 's')
    same([i for i, _ in found[:200]], answered)
    same([f[1] for _, f in found], [str(n) for n in range(len(found))])


# --- hostile clients -------------------------------------------------------------------------------------------------

def what_is_no_command(world):
    """It is told in Redis's words, and the connection ends."""
    server = serve(world)
    for sent, wanted in ((b'*1\r\n*1\r\n', "expected '$', got '*'"), (b'*99999999\r\n', 'invalid multibulk length'), (b'*1\r\n$99999999\r\n', 'invalid bulk length'),
                         (b'*x\r\n', 'invalid multibulk length'), (b'"a\r\n', 'unbalanced quotes'), (b'x' * 70000, 'too big inline request')):
        says(edda.talk('127.0.0.1', server.port, b'PING\r\n' + sent).decode(), r'^\+PONG\r\n-ERR Protocol error: .*' + re.escape(wanted))
    same(server.ask('PING'), 'PONG')


def byte_by_byte(world):
    server = serve(world)
    with socket.create_connection(('127.0.0.1', server.port), edda.LIMIT_S) as c:
        c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b'*3\r\n$7\r\nPUBLISH\r\n$1\r\na\r\n$3\r\nb\r\n\r\nPING\r\n':
            c.send(bytes([byte]))
        stream = c.makefile('rb')
        same([stream.readline(), stream.readline()], [b':0\r\n', b'+PONG\r\n'])


def those_who_send_and_never_take(world):
    """Announced sizes that never come, and answers that nobody takes, cost bounded memory; others are served meanwhile."""
    server = serve(world)
    c = connect(server)
    before = resident_kb(server)
    kept = []
    for _ in range(200):
        s = socket.create_connection(('127.0.0.1', server.port), edda.LIMIT_S)
        s.sendall(b'*60000\r\n$1000000\r\nabc')
        kept.append(s)
    for _ in range(20):
        s = socket.create_connection(('127.0.0.1', server.port), edda.LIMIT_S)
        s.setblocking(False)
        command = b'*2\r\n$4\r\nECHO\r\n$100000\r\n' + b'x' * 100000 + b'\r\n'
        try:
            while True:
                s.send(command * 4)
        except BlockingIOError:
            pass
        kept.append(s)
    same(c.ask('PING'), 'PONG')
    grown = resident_kb(server) - before
    holds(grown < 200 * 1024, f'{grown} kB for clients that take nothing')
    for s in kept:
        s.close()
    wait_for(lambda: 'connected_clients:1\r' in c.ask('INFO'), 'all others to be gone')


SCENARIOS = (says_who_it_is, what_is_published_is_heard, order_is_kept_for_all, ones_own_message_comes_behind_the_reply, any_name_is_a_channel, a_repeat_is_recognised,
             one_that_does_not_take, entries_keep_their_fields, ids_are_as_in_redis, a_stream_of_a_key_and_its_topic, ids_go_on_behind_foreign_records,
             reads_that_wait, who_waits_while_others_write, nothing_is_lost_between_reads, what_is_answered_survives, what_is_no_command, byte_by_byte,
             those_who_send_and_never_take)

if __name__ == '__main__':
    edda.main(SCENARIOS)
