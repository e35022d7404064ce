#!/usr/bin/env python3
"""The tool `edda`, command by command, on data directories made with it.

    edda_tool.py EDDA --scavenged=PROGRAM [NAME…]

EDDA is the binary, PROGRAM that of scavenged.c, a NAME one of the scenarios below (all of them without one). Each has an empty directory of its own. A scenario
that waits for something waits for its condition, with a limit.
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

EDDA = ''
SCAVENGED = ''
LIMIT_S = 60


def run(*words, status=0, data=None):
    """Runs a command; its standard output, and with a status other than 0 its standard error."""
    done = subprocess.run([EDDA, *words], input=data, text=True, capture_output=True, timeout=LIMIT_S, check=False)
    if done.returncode != status:
        raise AssertionError(f'edda {" ".join(words)} ended with {done.returncode}, not {status}\n{done.stdout}{done.stderr}')
    return done.stdout if status == 0 else done.stdout + done.stderr


def lines(*words):
    return [json.loads(line) for line in run(*words, '--json').splitlines()]


def same(found, wanted):
    if found != wanted:
        raise AssertionError(f'found {found!r}, wanted {wanted!r}')


def says(text, *patterns):
    for pattern in patterns:
        if not re.search(pattern, text):
            raise AssertionError(f'nothing like {pattern!r} in:\n{text}')


def wait_for(condition, what):
    limit = time.monotonic() + LIMIT_S
    while not condition():
        if time.monotonic() > limit:
            raise AssertionError(f'{what} did not come')
        time.sleep(0.01)


def fill(directory, streams=20, events=10, topic='orders'):
    """Streams topic/0 … with some events each, every append a frame of its own."""
    for n in range(events):
        for stream in range(streams):
            batch = f'{{"n":{n},"pad":"{"x" * 200}"}}\n'
            run('append', directory, f'{topic}/{stream}', '--batch', '--type', 'Counted', data=batch)


class Writer:
    """A process that writes a directory as fast as it can."""

    def __init__(self, directory, duration='2s', size='1k'):
        self.process = subprocess.Popen([EDDA, 'bench', directory, '--for', duration, '--size', size], stdout=subprocess.DEVNULL)
        wait_for(lambda: os.path.exists(os.path.join(directory, 'log', '0000000000000001.seg')), 'the first segment')

    def running(self):
        return self.process.poll() is None

    def end(self):
        same(self.process.wait(LIMIT_S), 0)


# --- scenarios ---------------------------------------------------------------------------------------------------------


def help_and_usage(_):
    """Every command says what it is, and what was wrong with its words."""
    names = re.findall(r'^  ([a-z]+) ', run('--help'), re.MULTILINE)
    same(sorted(names), sorted('serve append read tail trace stat verify salvage backup restore bench user'.split()))
    for name in names:
        says(run(name, '--help'), f'usage: edda {name}', '--version', r'--help +Says this')
        says(run(name, '--version'), r'^edda \d+\.\d+\.\d+$')
        says(run(name, '--nonsense', status=2), "no option '--nonsense'", f'usage: edda {name}')
        if name not in ('bench', 'serve'):
            says(run(name, status=2), 'is missing')
    says(run(status=2), 'usage: edda COMMAND')
    says(run('frobnicate', status=2), "no command 'frobnicate'\n")
    says(run('slavage', status=2), "no command 'slavage'; did you mean 'salvage'")
    says(run('read', 'a', 'b/c', 'd', status=2), "one argument too many: 'd'")
    says(run('read', 'a', 'b/c', '--limit', status=2), '--limit needs a value')
    says(run('read', 'a', 'b/c', '--limit', '1x', status=2), "--limit takes a number like 100, not '1x'")
    says(run('bench', '--for', '1 day', status=2), '--for takes a duration')
    says(run('bench', '--for', '0s', status=2), 'from 1ms')
    says(run('bench', '--size', '1T', status=2), '--size takes a size')
    says(run('bench', '--json=1', status=2), '--json takes no value')


def append_and_read(work):
    """What is appended is read: by stream, topic, process, type, from anywhere, in both directions."""
    data = os.path.join(work, 'data')
    says(run('append', data, 'orders/7', '--type', 'OrderPlaced', '--data', '{"amount":1}', '--expected', 'none'), r'orders/7 version 0 position 1')
    says(run('append', data, 'orders/7', '--type', 'OrderPaid', '--data', '{"amount":2}', '--expected', '0', '--correlation', 'p1'), 'version 1')
    says(run('append', data, 'carts/a/b', '--type', 'Filled', '--expected', 'any', '--correlation', 'p1', data='{"cart":\n true}\n'), 'version 0')
    run('append', data, 'orders/8', '--batch', '--type', 'OrderPlaced', data='{"amount":3}\n\n{"amount":4}\n')

    same([(r['version'], r['data']['amount']) for r in lines('read', data, 'orders/7')], [(0, 1), (1, 2)])
    same([r['data']['amount'] for r in lines('read', data, 'orders/7', '--backward', '--limit', '1')], [2])
    same([r['data']['amount'] for r in lines('read', data, 'orders/7', '--from', '1')], [2])
    same([r['data']['amount'] for r in lines('read', data, '--topic', 'orders')], [1, 2, 3, 4])
    same([r['data']['amount'] for r in lines('read', data, '--topic', 'orders', '--backward', '--limit', '3')], [4, 3, 2])
    same([r['data']['amount'] for r in lines('read', data, '--topic', 'orders', '--type', 'OrderPlaced', '--limit', '2')], [1, 3])
    same([r['topic'] for r in lines('read', data, '--correlation', 'p1')], ['orders', 'carts'])
    same([r['key'] for r in lines('read', data, 'carts/a/b')], ['a/b'])
    positions = [r['position'] for r in lines('read', data, '--all')]
    same(positions, list(range(len(positions))))
    says(run('read', data, 'orders/7'), r'orders/7  0  OrderPlaced  \{"amount":1\}')
    says(run('trace', data, 'p1'), 'process p1', 'OrderPaid', 'Filled')
    same([m['type'] for m in json.loads(run('trace', data, 'p1', '--json'))['messages']], ['OrderPaid', 'Filled'])
    stat = json.loads(run('stat', data, '--json'))
    same({t['name']: t['nextOffsets'] for t in stat['topics']}, {'orders': [4], 'carts': [1]})
    same(stat['records'], len(positions))
    says(run('stat', data, '--internal'), r'_edda\.topics', r'0000000000000001\.seg')


def append_refused(work):
    """What cannot be appended is refused, in words, and nothing is made or changed."""
    data = os.path.join(work, 'data')
    says(run('append', data, 'orders/7', '--data', '{"a":', status=1), 'line 1, byte 5: that is not JSON')
    says(run('append', data, 'orders/7', '--batch', status=1, data='{}\nno\n'), 'line 2, byte 1')
    says(run('append', data, 'orders/7', '--batch', status=1, data='\n'), 'no line with an event')
    says(run('append', data, 'orders', '--data', '{}', status=2), 'category/key')
    says(run('append', data, 'orders/7', '--data', '{}', '--expected', '-1', status=2), '--expected takes a version')
    says(run('append', data, 'orders/7', '--batch', '--id', 'x', status=2, data='{}'), '--id names one event')
    same(os.path.exists(data), False)
    run('append', data, 'orders/7', '--data', '{}')
    says(run('append', data, 'orders/7', '--data', '{}', '--expected', '3', status=1), 'orders/7 is at version 0, expected at version 3')
    says(run('append', data, 'orders/7', '--data', '{}', '--expected', 'none', status=1), 'orders/7 is at version 0')
    says(run('append', data, 'orders/9', '--data', '{}', '--expected', 'exists', status=1), 'orders/9')
    says(run('append', data, 'or ders/9', '--data', '{}', status=1), 'name of a topic')
    first = json.loads(run('append', data, 'orders/7', '--data', '{"a":1}', '--type', 'T', '--id', 'i1', '--source', 's', '--json'))
    again = json.loads(run('append', data, 'orders/7', '--data', '{"a":1}', '--type', 'T', '--id', 'i1', '--source', 's', '--json'))
    same((again['repeated'], again['position']), (True, first['position']))
    says(run('append', data, 'orders/7', '--data', '{"a":2}', '--type', 'T', '--id', 'i1', '--source', 's', status=1), 'i1')
    same(len(lines('read', data, 'orders/7')), 2)


def read_refused(work):
    """Reading says what there is not."""
    data = os.path.join(work, 'data')
    for command in (['read', data, 'a/b'], ['tail', data], ['trace', data, 'x'], ['stat', data], ['verify', data]):
        says(run(*command, status=1), 'there is no log in')
    says(run('backup', data, '--to', os.path.join(work, 'b'), status=1), 'there is no log in')
    says(run('salvage', data, '--to', os.path.join(work, 's'), status=1), 'cannot list|there is no log')
    same(os.listdir(work), [])
    run('append', data, 'orders/7', '--data', '{}')
    says(run('read', data, 'orders/8', status=1), 'there is no stream orders/8')
    says(run('read', data, '--topic', 'x', status=1), 'there is no topic x')
    says(run('read', data, '--correlation', 'x', status=1), 'nothing has the correlation id x')
    says(run('trace', data, 'x', status=1), 'x')
    says(run('read', data, status=2), 'one of STREAM, --topic, --correlation and --all is needed')
    says(run('read', data, 'orders/7', '--all', status=2), 'one of STREAM')
    says(run('read', data, 'orders', status=2), 'category/key')
    says(run('read', data, 'orders/7', '--limit', '0', status=2), '--limit is at least 1')
    says(run('read', data, 'orders/7', '--from', 'x', status=2), '--from takes a number')
    for command in (['backup', data], ['restore', data], ['salvage', data]):
        says(run(*command, status=2), '--to is missing', rf'usage: edda {command[0]} \w+ --to DIR ')


def used_segments(directory):
    return [s for s in json.loads(run('stat', directory, '--json'))['segments'] if s['bytes']]


def beside_a_writer(work):
    """While a process writes, others read, verify and follow, into the next segment too; it alone may write."""
    data = os.path.join(work, 'data')
    writer = Writer(data, '300ms', '4k')
    tail = subprocess.Popen([EDDA, 'tail', data, 'bench', '--limit', '20000', '--last', '1', '--every', '10ms', '--json'],
                            stdout=subprocess.PIPE, text=True)
    first = json.loads(tail.stdout.readline())['position']
    says(run('append', data, 'orders/7', '--data', '{}', status=1), 'process')
    rounds = 0
    while writer.running():
        run('stat', data)
        says(run('verify', data), 'is whole')
        rounds += 1
    if rounds < 2:
        raise AssertionError('the writer had ended before it was read beside')
    writer.end()
    # The tail is kept waiting by its pipe, and follows from one writer to the next.
    while len(used_segments(data)) < 2 or json.loads(run('stat', data, '--json'))['records'] < 25000:
        Writer(data, '300ms', '4k').end()
    followed = [json.loads(line)['position'] for line in tail.stdout]
    same(tail.wait(LIMIT_S), 0)
    same(followed, list(range(first + 1, first + 20000)))
    if followed[-1] <= used_segments(data)[1]['firstPosition']:
        raise AssertionError('one segment was enough: this shows nothing of following into the next')


def tail_follows(work):
    """The tail shows what comes, and only what was asked for."""
    data = os.path.join(work, 'data')
    run('append', data, 'orders/1', '--data', '{"n":0}', '--type', 'A')
    with subprocess.Popen([EDDA, 'tail', data, 'orders', '--type', 'A', '--last', '1', '--limit', '3', '--every', '5ms', '--json'],
                          stdout=subprocess.PIPE, text=True) as tail:
        same(json.loads(tail.stdout.readline())['data']['n'], 0)
        run('append', data, 'orders/1', '--data', '{"n":1}', '--type', 'B')
        run('append', data, 'carts/1', '--data', '{"n":2}', '--type', 'A')
        run('append', data, 'orders/1', '--data', '{"n":3}', '--type', 'A')
        same(json.loads(tail.stdout.readline())['data']['n'], 3)
        run('append', data, 'orders/2', '--data', '{"n":4}', '--type', 'A')
        same(json.loads(tail.stdout.readline())['data']['n'], 4)
        same(tail.wait(LIMIT_S), 0)


def backup_and_restore(work):
    """A backup taken beside a writer is a consistent prefix; the next one copies what is new; what is restored is what was backed up."""
    data, copy, back = (os.path.join(work, name) for name in ('data', 'copy', 'back'))
    writer = Writer(data, '400ms')
    reports = []
    while writer.running() and len(reports) < 20:
        reports.append(json.loads(run('backup', data, '--to', copy, '--json')))
        says(run('verify', copy), f'{reports[-1]["positions"]} records')
    writer.end()
    reports.append(json.loads(run('backup', data, '--to', copy, '--check', '--json')))
    if len(reports) < 3:
        raise AssertionError('the writer had ended before it was backed up')
    same([r['positions'] for r in reports], sorted(r['positions'] for r in reports))
    same(sum(r['copiedBytes'] for r in reports), reports[-1]['end'])
    same(json.loads(run('backup', data, '--to', copy, '--json'))['copiedBytes'], 0)

    says(run('restore', copy, '--to', back), f'{reports[-1]["positions"]} records')
    says(run('verify', back), 'is whole')
    same(run('read', back, '--all', '--limit', '2000', '--json'), run('read', data, '--all', '--limit', '2000', '--json'))
    same(run('read', back, '--all', '--backward', '--limit', '2000', '--json'), run('read', data, '--all', '--backward', '--limit', '2000', '--json'))
    run('append', back, 'orders/1', '--data', '{}')


def scavenged(*words):
    return subprocess.run([SCAVENGED, *words], text=True, capture_output=True, timeout=LIMIT_S, check=True).stdout


def on_disk(directory):
    """Bytes that the segments take, not what their sizes say."""
    log = os.path.join(directory, 'log')
    return sum(os.stat(os.path.join(log, name)).st_blocks * 512 for name in os.listdir(log) if name.endswith('.seg'))


def backup_of_what_was_rewritten(work):
    """Records are removed between two backups: the segments that had them are copied anew, with their holes."""
    data, copy, back = (os.path.join(work, name) for name in ('data', 'copy', 'back'))
    scavenged('fill', data)
    run('backup', data, '--to', copy)
    before = on_disk(data)
    kept = run('read', data, 'kept/k0', '--json')
    if int(scavenged('cut', data).split()[0]) < 300000 or on_disk(data) > before - 300000:
        raise AssertionError(f'{before} bytes before, {on_disk(data)} after')
    stat = json.loads(run('stat', data, '--json'))
    if stat['freedBytes'] < 300000 or stat['freedBytes'] != sum(s['freedBytes'] for s in stat['segments']):
        raise AssertionError(str(stat))
    says(run('stat', data), r'bytes kept, \d{6} freed')
    says(run('verify', data), 'is whole')
    report = json.loads(run('backup', data, '--to', copy, '--check', '--json'))
    if report['copiedBytes'] < 300000:
        raise AssertionError(str(report))
    says(run('verify', copy), 'is whole')
    same(json.loads(run('backup', data, '--to', copy, '--json'))['copiedBytes'], 0)
    run('restore', copy, '--to', back)
    says(run('verify', back), 'is whole')
    if on_disk(copy) > before - 300000 or on_disk(back) > before - 300000:
        raise AssertionError(f'the backup takes {on_disk(copy)} bytes, what is restored {on_disk(back)}')
    for directory in (data, copy, back):
        same(run('read', directory, 'kept/k0', '--json'), kept)
        same(run('read', directory, '--all', '--limit', '5000', '--json'), run('read', data, '--all', '--limit', '5000', '--json'))
        says(run('read', directory, 'old/k1', '--json'), r'\A\Z')
    # The index is made again from what is left; versions go on.
    shutil.rmtree(os.path.join(data, 'index'), ignore_errors=True)
    says(run('append', data, 'old/k1', '--data', '{}', '--expected', '99', '--json'), '"version":100')


def segments(directory):
    return sorted(name for name in os.listdir(os.path.join(directory, 'log')) if name.endswith('.seg'))


def backup_of_a_log_without_its_front(work):
    """Whole segments are removed from the front of the log between two backups, and before the first one; what is left is a whole log, and says so."""
    data, copy, fresh, back = (os.path.join(work, name) for name in ('data', 'copy', 'fresh', 'back'))
    scavenged('fill', data)
    run('backup', data, '--to', copy)
    before = segments(data)
    scavenged('empty', data)
    first = segments(data)[0]
    if first < before[3] or 'front' not in os.listdir(os.path.join(data, 'log')):
        raise AssertionError(f'{before} before, {os.listdir(os.path.join(data, "log"))} after')
    for directory in (copy, fresh):
        run('backup', data, '--to', directory)
        same(segments(directory)[0], first)
        same(json.loads(run('backup', data, '--to', directory, '--check', '--json'))['copiedBytes'], 0)
    run('restore', fresh, '--to', back)
    for directory in (data, copy, fresh, back):
        says(run('verify', directory), 'is whole')
        says(run('read', directory, 'old/k1', '--json'), r'\A\Z')
        same(run('read', directory, '--all', '--limit', '5000', '--json'), run('read', data, '--all', '--limit', '5000', '--json'))
    # The index of `back` was made from what is left: versions go on, and no topic was forgotten.
    says(run('append', back, 'old/k1', '--data', '{}', '--expected', '99', '--json'), '"version":100')
    says(run('append', back, 'kept/k0', '--data', '{}', '--expected', '49', '--json'), '"version":50')
    # What says that the front was removed and not lost is missing, or damaged.
    front = os.path.join(copy, 'log', 'front')
    with open(front, 'r+b') as file:
        file.seek(70)
        file.write(b'?')
    says(run('verify', copy, status=1), 'front')
    says(run('read', copy, '--all', status=1), 'front, which says where the log begins, is damaged')
    os.remove(front)
    says(run('read', copy, '--all', status=1), 'segment 1 is missing')
    # Salvage knows the front for removed and not lost, by its file.
    saved, rest = os.path.join(work, 'saved'), os.path.join(work, 'rest')
    said = run('salvage', fresh, '--to', saved)
    says(said, 'nothing was damaged', '; 0 before them were lost')
    says(run('stat', saved), 'old ', 'kept ')
    says(run('verify', saved), 'is whole')
    # The rows of topics are records again, at the beginning.
    same(run('read', saved, '--all', '--limit', '5000', '--json').splitlines()[2:], run('read', data, '--all', '--limit', '5000', '--json').splitlines())
    says(run('append', saved, 'old/k1', '--data', '{}', '--expected', '99', '--json'), '"version":100')
    # Without it the front is as if lost.
    says(run('salvage', copy, '--to', rest), 'lost: positions 0 to ')


def backup_refused(work):
    """A target of another log, one that is something else, damage on either side, a directory that is in the way."""
    data, other, copy = (os.path.join(work, name) for name in ('data', 'other', 'copy'))
    fill(data, 2, 2)
    fill(other, 2, 2)
    run('backup', data, '--to', copy)
    says(run('backup', other, '--to', copy, status=1), 'is a backup of another log')
    says(run('backup', data, '--to', other, status=1), 'is neither empty nor a backup')
    says(run('restore', copy, '--to', other, status=1), 'is not an empty directory')
    says(run('restore', other, '--to', os.path.join(work, 'n'), status=1), 'there is no backup in')
    # The original goes back to an older state: it is not the log any more that was backed up.
    older = os.path.join(work, 'older')
    run('restore', copy, '--to', older)
    run('append', data, 'orders/1', '--data', '{}')
    run('backup', data, '--to', copy)
    says(run('backup', older, '--to', copy, status=1), 'not the log that was backed up')
    for n in range(3):
        run('append', older, 'orders/1', '--data', f'{{"other":{n}}}')
    says(run('backup', older, '--to', copy, status=1), 'begins otherwise|not the log that was backed up')
    flip(os.path.join(copy, 'log', '0000000000000001.seg'), 5000)
    says(run('restore', copy, '--to', os.path.join(work, 'n'), status=1), r'0000000000000001\.seg fails its checksum')
    run('append', data, 'orders/1', '--data', '{}')
    says(run('backup', data, '--to', copy, status=1), 'fails its checksum: the backup is damaged')
    flip(os.path.join(copy, 'backup'), 5)
    says(run('backup', data, '--to', copy, status=1), 'backup fails its checksum')
    says(run('restore', copy, '--to', os.path.join(work, 'n'), status=1), 'backup fails its checksum')
    same(os.path.exists(os.path.join(work, 'n')), False)
    says(run('restore', copy, '--to', os.path.join(work, 'n'), status=1), 'fails its checksum')


def flip(path, byte):
    """Turns the bits of one byte around."""
    with open(path, 'r+b') as file:
        file.seek(byte)
        old = file.read(1)
    done = subprocess.run(['dd', f'of={path}', 'bs=1', f'seek={byte}', 'conv=notrunc', 'status=none'], input=bytes([old[0] ^ 0xff]), check=True)
    same(done.returncode, 0)


def find(path, text):
    with open(path, 'rb') as file:
        return file.read().index(text)


def backup_loses_its_end(work):
    """A backup whose file was cut where a frame begins, or removed, is not whole, and the next one does not say that all is well."""
    data, copy = (os.path.join(work, name) for name in ('data', 'copy'))
    segment = os.path.join(copy, 'log', '0000000000000001.seg')
    fill(data, 2, 2)
    run('backup', data, '--to', copy)
    says(run('verify', copy), 'is whole')
    with open(segment, 'rb') as file:
        whole = file.read()
    os.truncate(segment, whole.rindex(b'EFRM'))
    says(run('verify', copy, status=1), r'log, bytes \d+ to \d+: the backup had this, and has it no more')
    says(run('backup', data, '--to', copy, status=1), r'0000000000000001\.seg is shorter than the backup says: it is damaged')
    os.remove(segment)
    says(run('backup', data, '--to', copy, status=1), r'0000000000000001\.seg: No such file')


def crc32c(data):
    """CRC-32C, bit by bit."""
    check = 0xffffffff
    for byte in data:
        check ^= byte
        for _ in range(8):
            check = check >> 1 ^ (0x82f63b78 if check & 1 else 0)
    return check ^ 0xffffffff


def header_change(directory, **fields):
    """Changes numbers in the header of the first segment, in its first 132 bytes: docs/internals/log-format.md."""
    path = os.path.join(directory, 'log', '0000000000000001.seg')
    with open(path, 'r+b') as file:
        head = bytearray(file.read(4096))
        for name, number in fields.items():
            at = {'format': 12, 'contents': 128}[name]
            head[at:at + 4] = number.to_bytes(4, 'little')
        head[8:12] = crc32c(head[12:]).to_bytes(4, 'little')
        file.seek(0)
        file.write(head)
    with open(path, 'rb') as file:
        return file.read()


def another_format(work):
    """What another program wrote in another format is refused by every command, with who wrote it, what is read here and what to do; and left as it is."""
    data = os.path.join(work, 'data')
    release = run('--version').split()[1]
    fill(data, 2, 2)
    for fields, said in (({'contents': 0}, f'records in format 0; this release, {release}, reads format 1: use the build that wrote it, or take another directory'),
                         ({'contents': 2}, f'records in format 2; this release, {release}, reads format 1: use the release that wrote it, or a later one'),
                         ({'contents': 1, 'format': 2}, f'in format 2; this release, {release}, reads formats up to 1: use Edda {release} or a later one')):
        before = header_change(data, **fields)
        for words in (('serve', '--data', data, '--http', '127.0.0.1:0'), ('stat', data), ('read', data, '--all'), ('verify', data), ('tail', data),
                      ('salvage', data, '--to', os.path.join(work, 'saved')), ('append', data, 'orders/1', '--data', '{}'), ('trace', data, '7')):
            says(run(*words, status=1), f'segment 0000000000000001.seg was written by Edda {release} .*{re.escape(said)}')
        same(os.path.exists(os.path.join(work, 'saved', 'log')), False)
        with open(os.path.join(data, 'log', '0000000000000001.seg'), 'rb') as file:
            same(file.read() == before, True)
    header_change(data, format=1)
    same(len(lines('read', data, '--all')), 1 + 4)


def damage_and_salvage(work):
    """A flipped byte is found, named, refused; salvage copies the rest, and every record keeps its position and offset."""
    data, saved = os.path.join(work, 'data'), os.path.join(work, 'saved')
    for n in range(30):
        run('append', data, f'orders/{n % 3}', '--data', f'{{"mark":"<{n}>"}}', '--type', 'Marked')
        run('append', data, f'carts/{n % 2}', '--data', f'{{"mark":"[{n}]"}}')
    whole = {r['position']: r for r in lines('read', data, '--all')}
    segment = os.path.join(data, 'log', '0000000000000001.seg')
    at = find(segment, b'<10>')
    flip(segment, at)

    said = run('verify', data, status=1)
    says(said, r'^0000000000000001\.seg, bytes (\d+) to (\d+): ')
    begin, end = map(int, re.search(r'bytes (\d+) to (\d+)', said).groups())
    if not begin <= at < end:
        raise AssertionError(f'byte {at} was flipped, {begin} to {end} was named')
    found = [json.loads(line) for line in run('verify', data, '--json', status=1).splitlines() if line.startswith('{')]
    same([(f['where'], f['from'], f['to']) for f in found], [('0000000000000001.seg', begin, end)])
    says(run('append', data, 'orders/1', '--data', '{}', status=1), r'segment 0000000000000001\.seg, byte \d+')
    says(run('backup', data, '--to', os.path.join(work, 'b'), status=1), r'segment 0000000000000001\.seg, byte \d+')

    said = run('salvage', data, '--to', saved)
    lost = [p for p, r in whole.items() if r['data'] == {'mark': '<10>'}]
    says(said, f'damaged: 0000000000000001.seg, bytes {begin} to {end}', f'lost: positions {lost[0]} to {lost[0]}\n', '1 before them were lost')
    says(run('verify', saved), f'{len(whole)} records')
    left = {r['position']: r for r in lines('read', saved, '--all')}
    for position, record in whole.items():
        if position in lost:
            same(left.get(position), None)
        else:
            same({k: v for k, v in left[position].items() if k != 'version'}, {k: v for k, v in record.items() if k != 'version'})
    run('append', saved, 'orders/1', '--data', '{}')
    says(run('salvage', data, '--to', saved, status=1), 'is not an empty directory')


def salvage_of_rows(work):
    """A lost row of the table of topics: what was in the topic is kept, under another name if no later row has the name."""
    data, saved = os.path.join(work, 'data'), os.path.join(work, 'saved')
    for n in range(3):
        run('append', data, 'orders/1', '--data', f'{{"n":{n}}}')
    for n in range(3):
        run('append', data, 'carts/1', '--data', f'{{"n":{n}}}')
    records = len(lines('read', data, '--all'))
    segment = os.path.join(data, 'log', '0000000000000001.seg')
    flip(segment, find(segment, b'carts'))
    says(run('verify', data, status=1), r'0000000000000001\.seg')
    says(run('salvage', data, '--to', saved), r'_edda\.lost-partitions')
    says(run('verify', saved), f'{records} records')
    same([r['data'] for r in lines('read', saved, '--topic', '_edda.lost-partitions')], [{'n': 1}, {'n': 2}])
    same([r['data']['n'] for r in lines('read', saved, 'orders/1')], [0, 1, 2])


def salvage_of_segments(work):
    """In a log of several segments the frame in the sealed one is named; a segment that is gone is counted as lost."""
    data = os.path.join(work, 'data')
    Writer(data, '200ms', '4k').end()
    while len(used_segments(data)) < 2:
        Writer(data, '200ms', '4k').end()
    segments = used_segments(data)
    same(segments[0]['sealed'], True)
    stat = json.loads(run('stat', data, '--json'))
    first = os.path.join(data, 'log', segments[0]['name'])
    flip(first, segments[0]['bytes'] // 2)
    says(run('verify', data, status=1), rf'^{segments[0]["name"]}, bytes \d+ to \d+: ')
    saved = os.path.join(work, 'saved')
    says(run('salvage', data, '--to', saved), f'damaged: {segments[0]["name"]}')
    says(run('verify', saved), f'{stat["records"]} records')
    # Without its first segment nothing says what the partitions were, and all positions of it are lost.
    os.remove(first)
    says(run('verify', data, status=1), 'missing')
    rest = os.path.join(work, 'rest')
    says(run('salvage', data, '--to', rest), 'damaged: 0000000000000001.seg', f'lost: positions 0 to {segments[1]["firstPosition"] - 1}\n')
    says(run('verify', rest), f'{stat["records"]} records')


def bench_figures(work):
    """The bench gives a figure for each of its parts, and leaves nothing behind unless told where."""
    figures = [json.loads(line) for line in run('bench', '--for', '50ms', '--size', '1k', '--json').splitlines()]
    same(len(figures), 4)
    for figure in figures:
        if figure['records'] == 0 or figure['perSecond'] <= 0:
            raise AssertionError(f'nothing was measured: {figure}')
    data = os.path.join(work, 'data')
    run('bench', data, '--for', '20ms')
    says(run('verify', data), 'is whole')
    says(run('bench', '--size', '1', status=2), '--size is from 2')


def users_of_a_server(work):
    """Users are added, changed, listed and removed; no password is kept, and what is wrong is said."""
    path = os.path.join(work, 'users')
    user = lambda *words, **more: run('user', *words, '--users', path, **more)
    user('add', 'alice', '--read', 'orders*', data='correct horse\n')
    token = user('add', 'robot', '--token', '--write', 'stock').strip()
    same(len(token), 43)
    user('add', 'alice', '--manage', 'orders*')
    same(user('list').splitlines(), ['alice: scram-sha-256 scram-sha-512 read=orders* manage=orders*', 'robot: token write=stock'])
    kept = open(path).read()
    if 'horse' in kept or token in kept:
        raise AssertionError('a secret is kept in clear')
    same(os.stat(path).st_mode & 0o077, 0)
    user('remove', 'alice')
    says(user('remove', 'alice', status=1), 'there is no user alice')
    says(user('add', 'al ice', status=1, data='x\n'), 'a name has')
    says(user('add', 'bob', status=1, data='\n'), 'there is no password')
    says(user('frobnicate', 'bob', status=2), 'VERB is add, remove or list')
    with open(path, 'a') as file:
        file.write('carol red=x\n')
    says(user('list', status=1), 'line 3')


SCENARIOS = (help_and_usage, users_of_a_server, append_and_read, append_refused, read_refused, tail_follows, beside_a_writer, backup_and_restore,
             backup_of_what_was_rewritten, backup_of_a_log_without_its_front, backup_refused, backup_loses_its_end, another_format, damage_and_salvage, salvage_of_rows, salvage_of_segments, bench_figures)


def main():
    global EDDA, SCAVENGED
    EDDA = os.path.abspath(sys.argv[1])
    SCAVENGED = sys.argv[2].removeprefix('--scavenged=')
    chosen = sys.argv[3:]
    for scenario in SCENARIOS:
        if chosen and scenario.__name__ not in chosen:
            continue
        work = tempfile.mkdtemp(prefix='edda-tool-')
        begun = time.monotonic()
        try:
            scenario(work)
        finally:
            shutil.rmtree(work)
        print(f'{time.monotonic() - begun:6.2f} s  {scenario.__name__}', flush=True)


if __name__ == '__main__':
    main()
