#!/usr/bin/env python3
"""The tools on directories that brokers leave: compressed batches, idempotent producers, transactions, topics that were deleted, cut, compacted.

    tool_broker.py EDDA --transacted=PROGRAM [NAME…]

PROGRAM is that of transacted.c, which makes such a directory with small segments.
"""
import json
import os
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'kafka'))
import edda
import edda_tool
import kcat
import serve
from edda import holds, same, says
from edda_tool import find, flip, lines, run

CODECS = ('none', 'gzip', 'snappy', 'lz4', 'zstd')


def transacted(directory, *script):
    done = subprocess.run([edda.option('transacted', ''), directory], input='\n'.join(script) + '\n', text=True, capture_output=True,
                          timeout=edda.LIMIT_S, check=False)
    same(done.returncode, 0, done.stderr)
    return done.stdout


def segment(directory, number=1):
    return os.path.join(directory, 'log', f'{number:016d}.seg')


def segments(directory):
    return json.loads(run('stat', directory, '--json'))['segments']


def records(directory, topic):
    """What a reader of the topic is shown."""
    return [(r['position'], r['partition'], r['offset'], r['key'], r['data']) for r in lines('read', directory, '--topic', topic)]


def values(directory, topic):
    return [r['data'] for r in lines('read', directory, '--topic', topic)]


def stream(directory, name):
    return [(r['version'], r['position'], r['data']) for r in lines('read', directory, name)]


def topics(directory):
    return {t['name']: t for t in json.loads(run('stat', directory, '--json', '--internal'))['topics']}


def shown(directory):
    """All that the tools show of what is in it; the same for a directory and what is made of it."""
    return {
        'all': run('read', directory, '--all', '--limit', '5000', '--json'),
        'backward': run('read', directory, '--all', '--backward', '--limit', '5000', '--json'),
        'topics': topics(directory),
    }


def salvaged(directory, *patterns):
    """A directory salvaged from it, which is whole; what salvage says is like the patterns."""
    to = directory + '-saved'
    shutil.rmtree(to, ignore_errors=True)
    said = run('salvage', directory, '--to', to)
    says(said, *patterns)
    says(run('verify', to), 'is whole')
    return to


def refused(world, directory, number):
    """The damage is named: by a broker, which does not start, and by verify."""
    name = os.path.basename(segment(directory, number)).replace('.', r'\.')
    says(run('serve', '--data', directory, '--kafka', '127.0.0.1:0', *serve.others_off(world, 'kafka'), status=1), rf'{name}, byte \d+|segment {number} is missing')
    says(run('verify', directory, status=1), name + r', bytes \d+ to \d+')


def made(world, *more):
    """A directory with everything in it. The topic `orders` has committed, aborted and open transactions, in several segments."""
    script = ['topic orders 2', 'topic points 1', 'topic gone 1', 'topic compacted 1 cleanup.policy=compact', 'topic filling 1', 'own orders o1 "own-0"']
    for n, codec in enumerate(CODECS):
        script += [f'plain orders 0 {codec} o1="plain-{n}" o2="plain-{n}"', f'idempotent orders 1 {codec} o3="idempotent-{n}"',
                   f'send t1 orders 0 {codec} o1="kept-{n}" o2="kept-{n}"', f'send t2 orders 0 {codec} o1="dropped-{n}"', 'fill filling 60000',
                   f'send t1 points 0 {codec} p1="kept-{n}"', f'offset t1 group orders 0 {n}', f'own orders o1 "own-{n + 1}"', 'commit t1', 'abort t2']
    script += ['own gone g1 "gone"', 'delete gone', 'topic gone 1', 'plain gone 0 gzip g1="again"']
    for n in range(40):
        script += [f'plain compacted 0 {CODECS[n % 5]} c{n % 3}="c-{n}"']
    script += ['send t1 orders 1 gzip o3="open"', 'send t1 orders 0 none o1="open"']
    transacted(world.data, *script, *more)


WANTED = [v for n in range(5) for v in (f'own-{n}' if n == 0 else None, f'plain-{n}', f'plain-{n}', f'idempotent-{n}', f'own-{n + 1}', f'kept-{n}', f'kept-{n}') if v]


def served(world, directory, name):
    """A broker on the directory: what it gives over HTTP and to a Kafka client that reads what is committed is what the tools show, also those beside it. What was open is
    aborted, so that the client sees what comes behind it."""
    wanted, of_stream = values(directory, 'orders'), stream(directory, name)
    broker = serve.Broker(world, command=[world.application, 'serve', '--data', directory, '--kafka', '127.0.0.1:0', '--http', '127.0.0.1:0',
                                          *serve.others_off(world, 'kafka', 'http')]).wait_listening()
    client, where = edda.Client(broker.host, broker.port), '%s:%d' % broker.where['kafka']
    events = client.get(f'/streams/{name}?limit=1000')['_embedded']['events']
    same([(e['version'], e['position'], e['event'].get('data')) for e in events], of_stream, 'over HTTP')
    client.close()
    kcat.kcat(where, '-P', '-t', 'orders', '-p', '0', '-k', 'late', given='"late"\n')
    wanted.append('late')
    same(values(directory, 'orders'), wanted, 'beside a broker')

    def got():
        return [json.loads(v) for v in kcat.consumed(where, 'orders', '-X', 'isolation.level=read_committed').split()]
    edda.wait_for(lambda: 'late' in got(), 'the end of what was open')
    same(sorted(got()), sorted(wanted), 'to a Kafka client')
    broker.process.terminate()
    same(broker.process.wait(edda.LIMIT_S), 0)
    says(run('verify', directory), 'is whole')
    same(values(directory, 'orders'), wanted, 'behind a broker')


def tools_show_what_is_committed(world):
    """Records of transactions that were committed are shown, where their commit put them; others are not. A backup, and what is salvaged of a whole directory, show the same."""
    made(world)
    says(run('verify', world.data), 'is whole')
    holds(len(segments(world.data)) > 4, 'several segments')
    same(values(world.data, 'orders'), WANTED)
    same(values(world.data, 'gone'), ['again'])
    same([v for v, _, _ in stream(world.data, 'orders/o1')], list(range(16)))
    same(values(world.data, 'points'), [f'kept-{n}' for n in range(5)])
    same([r['data'] for r in lines('read', world.data, '--topic', 'orders', '--backward')], WANTED[::-1])
    copy, back = world.data + '-copy', world.data + '-back'
    run('backup', world.data, '--to', copy)
    run('restore', copy, '--to', back)
    for directory in (copy, back, salvaged(world.data, 'nothing was damaged')):
        same(shown(directory), shown(world.data), directory)
    served(world, back, 'orders/o1')
    transacted(world.data, 'truncate orders 0 9', 'truncate filling 0 60', 'scavenge', 'idempotent orders 0 none o3="later"')
    says(run('verify', world.data), 'is whole')
    holds(json.loads(run('stat', world.data, '--json'))['freedBytes'] > 0, 'something was freed')
    anew = world.data + '-anew'
    run('backup', world.data, '--to', anew)
    shutil.rmtree(os.path.join(anew, 'index'), ignore_errors=True)
    same(stream(anew, 'orders/o1'), stream(world.data, 'orders/o1'), 'with an index made anew')
    saved = salvaged(world.data, 'nothing was damaged')
    same(shown(saved), shown(world.data))
    same(stream(saved, 'orders/o1'), stream(world.data, 'orders/o1'))
    run('backup', world.data, '--to', copy)
    same(shown(copy), shown(world.data))


def salvage_keeps_what_a_commit_has_left(world):
    """A batch that a commit names is lost: the commit is said to be incomplete, the rest of it is there, and all keeps positions, offsets and sequence."""
    transacted(world.data, 'topic orders 2', 'topic filling 1', 'send t1 orders 0 none a="<1>" b="<2>"', 'send t1 orders 1 zstd c="<3>"', 'plain orders 0 gzip d="<4>"',
               'fill filling 80000', 'commit t1', 'own orders e "<5>"', 'idempotent orders 0 lz4 f="<6>"', 'send t1 orders 0 none a="<7>"', 'abort t1', 'plain orders 1 none g="<8>"')
    whole = records(world.data, 'orders')
    same([r[4] for r in whole], ['<4>', '<1>', '<2>', '<3>', '<5>', '<6>', '<8>'])
    copy = world.data + '-copy'
    run('backup', world.data, '--to', copy)
    flip(segment(world.data), find(segment(world.data), b'<2>'))
    refused(world, world.data, 1)
    lost = [r[0] for r in whole if r[4] in ('<1>', '<2>')]
    saved = salvaged(world.data, 'damaged: 0000000000000001.seg', rf'incomplete: a transaction lacks the 2 records that it had in orders partition 0: positions {lost[0]} to {lost[1]} are lost')
    same(records(saved, 'orders'), [r for r in whole if r[0] not in lost])
    says(run('backup', saved, '--to', copy, status=1), 'begins otherwise|not the log that was backed up')
    transacted(saved, 'send t1 orders 0 none a="<9>"', 'commit t1')
    same(values(saved, 'orders')[-1], '<9>')
    served(world, saved, 'orders/a')


def salvage_leaves_out_what_has_no_end(world):
    """The commit itself is lost. Its batches are not taken for those of the next one, nor shown to a consumer; one that is open at the end stays open."""
    transacted(world.data, 'topic orders 1', 'own orders x "<0>"', 'send t1 orders 0 none a="<1>"', 'send t2 orders 0 gzip a="<2>"', 'own orders mark "<mark>"', 'commit t1',
               'send t1 orders 0 none a="<3>"', 'commit t1', 'own orders x "<4>"', 'abort t2', 'send t3 orders 0 none a="<5>"')
    same(values(world.data, 'orders'), ['<0>', '<mark>', '<1>', '<3>', '<4>'])
    with open(segment(world.data), 'rb') as file:
        log = file.read()
    flip(segment(world.data), log.index(b'EFRM', log.index(b'<mark>')) + 100)
    refused(world, world.data, 1)
    saved = salvaged(world.data, r'lost: positions', 'left out: 1 records of orders partition 0 from offset 1 on: what became of their transaction is lost',
                     'open: 1 records of orders partition 0 from offset 9 on: their transaction has no end')
    same(values(saved, 'orders'), ['<0>', '<mark>', '<3>', '<4>'])
    served(world, saved, 'orders/a')


def salvage_keeps_gaps(world):
    """Damage near what was removed: what was removed is not counted as lost, and versions go on. A segment that is gone is."""
    made(world, 'truncate orders 0 9', 'truncate filling 0 60')
    # The frames of which a store has copies in memory stay, so that it takes another one.
    transacted(world.data, 'scavenge', 'own orders z "tail"', 'own orders z "end"')
    orders, freed = records(world.data, 'orders'), json.loads(run('stat', world.data, '--json'))['freedBytes']
    holds(freed > 0, 'something was freed')
    last = len(segments(world.data))
    gap = next(n for n, s in enumerate(segments(world.data), 1) if s['freedBytes'])
    before = stream(world.data, 'orders/o1')
    points = records(world.data, 'points')
    flip(segment(world.data, last), find(segment(world.data, last), b'tail'))
    refused(world, world.data, last)
    saved = salvaged(world.data, r'lost: positions (\d+) to \1\n', '1 before them were lost')
    same((records(saved, 'orders'), records(saved, 'points'), stream(saved, 'orders/o1')), ([r for r in orders if r[4] != 'tail'], points, before))
    served(world, saved, 'orders/o1')
    os.remove(segment(world.data, gap + 1))
    refused(world, world.data, gap + 1)
    saved = salvaged(world.data, r'lost: positions')
    kept = {r[0]: r for r in records(saved, 'orders')}
    holds(all(r in orders for r in kept.values()) and len(kept) < len(orders), 'only what was there')
    says(run('verify', saved), 'is whole')


if __name__ == '__main__':
    edda_tool.EDDA = os.path.abspath(__import__('sys').argv[1])
    edda.main((tools_show_what_is_committed, salvage_keeps_what_a_commit_has_left, salvage_leaves_out_what_has_no_end, salvage_keeps_gaps))
