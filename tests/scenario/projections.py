#!/usr/bin/env python3
"""Read models in real databases: each event once, whoever is killed, stopped, copied or away.

    projections.py EXAMPLE_05 --edda=TOOL --db=sqlite|postgres [NAME…]
"""
import contextlib
import glob
import http.client
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading

sys.dont_write_bytecode = True
import edda
import postgres
from edda import holds, same, says, wait_for

KIND = edda.option('db', 'sqlite')
EDDA = edda.option('edda', 'edda')
ORDERS = 7
TOTALS = 'SELECT orderid, sku, quantity FROM allocations_view ORDER BY 1, 2'


# --- the databases -------------------------------------------------------------------------------------------------------

class Sqlite:
    def __init__(self, world):
        self.path = os.path.join(world.directory, 'shared.db')
        self.url = 'sqlite:' + self.path

    def rows(self, words=TOTALS):
        with contextlib.closing(sqlite3.connect(self.path, timeout=10)) as connection:
            return [tuple(str(value) for value in row) for row in connection.execute(words)]

    def write(self, words):
        with contextlib.closing(sqlite3.connect(self.path, timeout=10, isolation_level=None)) as connection:
            connection.execute(words)

    def is_free(self):
        """Whether nobody is in the middle of a transaction."""
        with contextlib.closing(sqlite3.connect(self.path, timeout=0, isolation_level=None)) as connection:
            try:
                connection.execute('BEGIN IMMEDIATE')
                connection.execute('ROLLBACK')
                return True
            except sqlite3.OperationalError:
                return False

    def stop(self):
        pass


class Postgres:
    def __init__(self, world):
        if postgres.binaries() is None:
            raise edda.Skip('PostgreSQL is not installed')
        self.stack = contextlib.ExitStack()
        self.server = self.stack.enter_context(postgres.server())
        self.url = self.server.url()

    def psql(self, words):
        psql = sorted(glob.glob('/usr/lib/postgresql/*/bin/psql'))[-1]
        return subprocess.run([psql, self.url, '-XAtqc', words], capture_output=True, text=True, timeout=60, check=False)

    def rows(self, words=TOTALS):
        done = self.psql(words)
        same(done.returncode, 0, done.stderr)
        return [tuple(line.split('|')) for line in done.stdout.splitlines()]

    def is_free(self):
        return self.psql('SELECT 1 FROM _edda_projections FOR UPDATE NOWAIT').returncode == 0

    def stop(self):
        self.stack.close()


def database(world):
    found = Postgres(world) if KIND == 'postgres' else Sqlite(world)
    world.servers.append(found)
    return found


# --- the application -----------------------------------------------------------------------------------------------------

def allocate(client, number, quantity=1):
    answer = client.ask('POST', '/allocate', {'orderid': f'o{number % ORDERS}', 'sku': f's{number % 3}', 'quantity': quantity})
    same(answer.status, 202, str(answer))


def load(process, stop, first=0):
    """Sends orders until it is told to stop, or nobody answers."""
    client = process.client()
    with contextlib.suppress(OSError, http.client.HTTPException):
        number = first
        while not stop.is_set():
            allocate(client, number)
            number += 1
    client.close()


def status(process):
    client = process.client()
    try:
        return client.ask('GET', '/projections').json['_embedded']['projections'][0]
    finally:
        client.close()


def caught_up(process):
    def is_so():
        found = status(process)
        return found if found['state'] == 'running' and found['lag'] == 0 else None
    return wait_for(is_so, f'{process.command} does not catch up')


def rebuilt(process, base):
    """The rows as they come from the log alone."""
    client = process.client()
    before = client.metric('edda_projection_rebuilt_total')
    same(client.ask('POST', '/projections/allocations/rebuild').status, 204)
    wait_for(lambda: client.metric('edda_projection_rebuilt_total') > before, 'it is not rebuilt')
    client.close()
    caught_up(process)
    return base.rows()


# --- scenarios -----------------------------------------------------------------------------------------------------------

def reads_its_writes(world):
    """What was recorded a moment ago is in the answer."""
    process = world.start('--db', database(world).url)
    client = process.client()
    for number in range(1, 60):
        client.ask('POST', '/allocate', {'orderid': 'mine', 'sku': 'LAMP', 'quantity': 1})
        rows = client.ask('GET', '/allocations/mine').json
        same([row['quantity'] for row in rows], [number])
    same(client.ask('GET', '/allocations/nobody').json, [])
    client.close()


def killed(world):
    """kill -9 in the middle of a load, again and again: no event is missing or twice."""
    base = database(world)
    acknowledged = 0
    for _ in range(4):
        process = world.start('--db', base.url)
        stop = threading.Event()
        sender = threading.Thread(target=load, args=(process, stop))
        sender.start()
        before = status(process)['applied']
        wait_for(lambda: status(process)['applied'] > before + 20 + random.randrange(60), 'nothing is applied')
        process.kill()
        stop.set()
        sender.join()
        acknowledged += 20
    process = world.start('--db', base.url)
    caught_up(process)
    rows = base.rows()
    holds(sum(int(row[2]) for row in rows) >= acknowledged, 'events are missing')
    same(rebuilt(process, base), rows)


def zombie(world):
    """A process that is stopped, replaced by one on a copy of its data, and goes on: nothing is applied twice."""
    base = database(world)
    first = world.start('--db', base.url)
    stop = threading.Event()
    sender = threading.Thread(target=load, args=(first, stop))
    sender.start()
    wait_for(lambda: status(first)['applied'] > 50, 'nothing is applied')
    for _ in range(200):  # not while it holds the database's lock, or nobody else could go on
        first.process.send_signal(signal.SIGSTOP)
        if base.is_free():
            break
        first.process.send_signal(signal.SIGCONT)
    holds(base.is_free(), 'it always holds the lock')
    backup, copy = os.path.join(world.directory, 'backup'), os.path.join(world.directory, 'copy')
    world.run('backup', world.data, '--to', backup, application=EDDA)
    world.run('restore', backup, '--to', copy, application=EDDA)
    second = world.start('--db', base.url, data=copy)
    client = second.client()
    for number in range(100):
        allocate(client, number, quantity=5)
    caught_up(second)
    rows = base.rows()
    first.process.send_signal(signal.SIGCONT)
    wait_for(lambda: status(first)['state'] == 'diverged', 'the first does not notice')
    says(status(first)['error'], 'another copy')
    stop.set()
    sender.join()
    same(base.rows(), rows)
    allocate(client, 0, quantity=5)
    client.close()
    caught_up(second)
    rows = base.rows()
    same(rebuilt(second, base), rows)


def another_log(world):
    """A database that belongs to another log is refused, with the names of both."""
    base = database(world)
    process = world.start('--db', base.url)
    caught_up(process)
    process.end()
    said = world.run('run', '--data', os.path.join(world.directory, 'other'), '--port', '0', '--db', base.url, status=1)
    says(said, 'is of log [0-9a-f]{16}, and this is log [0-9a-f]{16}')


def wrong_database(world):
    """What cannot be a database is said at the start."""
    for url, wanted in (('mysql://here', 'takes memory, sqlite:PATH or postgres'), ('sqlite:', 'needs a path'),
                        ('sqlite:/nonexistent/directory/x.db', 'unable to open'), ('postgres://%zz', 'percent-encoded')):
        says(world.run('run', '--data', world.data, '--port', '0', '--db', url, status=1), wanted)


def whole_while_it_is_rebuilt(world):
    """Readers see all rows all the time, while the tables are built anew and take their places."""
    base = database(world)
    process = world.start('--db', base.url)
    client = process.client()
    for number in range(300):
        allocate(client, number)
    caught_up(process)
    rows, seen, stop = base.rows(), [], threading.Event()

    def look():
        while not stop.is_set():
            seen.append(base.rows())
    watcher = threading.Thread(target=look)
    watcher.start()
    for _ in range(5):
        same(rebuilt(process, base), rows)
    stop.set()
    watcher.join()
    holds(len(seen) > 5, 'nobody looked')
    same([found for found in seen if found != rows], [])
    client.close()


def deleted(world):
    """The file is deleted under a program that runs: the read model is built anew, whether events come or only questions."""
    base = database(world)
    process = world.start('--db', base.url)
    client = process.client()
    for number in range(50):
        allocate(client, number)
    caught_up(process)
    rows = base.rows()
    for more in (0, 1):
        for suffix in ('', '-wal', '-shm'):
            with contextlib.suppress(FileNotFoundError):
                os.remove(base.path + suffix)
        for number in range(more):
            allocate(client, number)
        wait_for(lambda: client.ask('GET', '/allocations/o1').status == 200, 'no answer')
        caught_up(process)
        same(sum(int(row[2]) for row in base.rows()), 50 + more)
    same(len(base.rows()), len(rows))
    client.close()


def refuses_rows(world):
    """The database does not take some rows: their events are quarantined, one by one, and can be left out one by one."""
    base = database(world)
    process = world.start('--db', base.url)
    client = process.client()
    allocate(client, 0)
    caught_up(process)
    base.write('CREATE TRIGGER no BEFORE INSERT ON allocations_view WHEN new.quantity > 100 BEGIN SELECT RAISE(ABORT, \'too many\'); END')
    for quantity in (500, 500, 500, 5):
        allocate(client, 0, quantity=quantity)
    wait_for(lambda: status(process)['held'] == 4, 'nothing is quarantined', 30)
    held = client.all('/quarantine')[0]
    says(held['reason'], 'too many')
    # One of them is not in this log; then that is all there is to know of it.
    base.write(f"UPDATE _edda_held SET position = 1000000000 WHERE position = (SELECT max(position) FROM _edda_held)")
    process.end()
    process = world.start('--db', base.url)
    client.close()
    client = process.client()
    for left in (3, 2, 0):
        world.run('quarantine', 'skip', 'allocations', held['key'], '--url', process.url)
        wait_for(lambda left=left: status(process)['held'] == left, f'not {left} are left')
        says(str(status(process)['state']), 'running')
    client.close()


def away(world):
    """A server that goes away and comes back: the application goes on meanwhile, and nothing is quarantined."""
    if KIND != 'postgres':
        raise edda.Skip('a file does not go away')
    base = database(world)
    process = world.start('--db', base.url)
    client = process.client()
    for number in range(50):
        allocate(client, number)
    caught_up(process)
    base.server.stop()
    for number in range(50):
        allocate(client, number)
    wait_for(lambda: status(process)['state'] == 'unreachable', 'it does not notice')
    same(status(process)['held'], 0)
    same(client.ask('GET', '/allocations/o1').status, 503)
    base.server.start()
    caught_up(process)
    rows = base.rows()
    same(sum(int(row[2]) for row in rows), 100)
    same(rebuilt(process, base), rows)
    client.close()


def paused(world):
    """A server that is stopped in the middle of its work: the application answers, and stops when it is told to; then all goes on."""
    if KIND != 'postgres':
        raise edda.Skip('a file is not stopped')
    base = database(world)
    process = world.start('--db', base.url)
    client = process.client()
    for number in range(50):
        allocate(client, number)
    caught_up(process)
    base.server.signal(signal.SIGSTOP)
    for number in range(50):
        allocate(client, number)
    same(client.ask('GET', '/allocations/o1').status, 503)
    wait_for(lambda: status(process)['state'] == 'unreachable', 'it does not notice', 45)
    client.close()
    same(process.end(limit_s=45)[0], 0)
    base.server.signal(signal.SIGCONT)
    process = world.start('--db', base.url)
    caught_up(process)
    same(sum(int(row[2]) for row in base.rows()), 100)


ALL = (reads_its_writes, killed, zombie, another_log, wrong_database, whole_while_it_is_rebuilt)

if __name__ == '__main__':
    edda.main(ALL + ((away, paused) if KIND == 'postgres' else (deleted, refuses_rows)))
