#!/usr/bin/env python3
"""The allocation as its clients see it: over HTTP, the channels of a real Redis server, and rows of a real database.

    allocation.py APPLICATION --edda=TOOL --db=sqlite|postgres [NAME…]
"""
import email
import email.policy
import glob
import http.client
import json
import os
import signal
import sys
import threading

sys.dont_write_bytecode = True
import channels
import edda
import effects
from channels import connected
from edda import holds, same, says, wait_for
from projections import EDDA, KIND, caught_up, database, status

ROWS = 'SELECT orderid, sku, batchref FROM allocations_view ORDER BY position'
LINES = 'SELECT orderid, sku, qty, batchref FROM allocations_view ORDER BY 1, 2, 3'
EARLY, LATE = '2011-01-01', '2011-01-02'
IN, OUT = 'change_batch_quantity', 'line_allocated'


# --- what the scenarios need -----------------------------------------------------------------------------------------

class Shop:
    """A process, with a database, a Redis server and a directory of mails that outlive it."""

    def __init__(self, world, with_redis=False, mail=None):
        self.world, self.base = world, database(world)
        self.redis = channels.server(world) if with_redis else None
        self.mails_at = os.path.join(world.directory, 'mails')
        self.mail = mail or ['--mail-dir', self.mails_at]
        self.start()

    def options(self):
        return ['--db', self.base.url, *self.mail] + (['--redis', f'127.0.0.1:{self.redis.port}'] if self.redis else [])

    def start(self):
        self.process = self.world.start(*self.options())
        self.client = self.process.client()
        if self.redis:
            connected(self.process)

    def restart(self, end=True):
        self.client.close()
        if end:
            same(self.process.end()[0], 0, 'exit status')
        else:
            self.process.kill()
        self.start()

    def add_batch(self, ref, sku, qty, eta=None):
        answer = self.client.ask('POST', '/add_batch', {'ref': ref, 'sku': sku, 'qty': qty, 'eta': eta})
        same((answer.status, answer.body), (201, b'OK'), f'add_batch {ref}')

    def allocate(self, orderid, sku, qty, client=None):
        answer = (client or self.client).ask('POST', '/allocate', {'orderid': orderid, 'sku': sku, 'qty': qty})
        same((answer.status, answer.body), (202, b'OK'), f'allocate {orderid}')

    def allocations(self, orderid):
        return self.client.get(f'/allocations/{orderid}')

    def publish(self, ref, qty):
        return self.redis.ask('PUBLISH', IN, json.dumps({'batchref': ref, 'qty': qty}))

    def mails(self):
        found = []
        for path in glob.glob(os.path.join(self.mails_at, '*.eml')):
            with open(path, 'rb') as file:
                found.append(email.message_from_binary_file(file, policy=email.policy.default))
        return found

    def settled(self):
        wait_for(lambda: not any(s['lag'] or s['pending'] for s in self.client.all('/services')), 'that all services are done')

    def stock(self, sku):
        """(ref, quantity, allocated) of each batch."""
        return [(b['ref'], b['qty'], b['allocated']) for b in self.client.get(f'/products/{sku}')['batches']]


def consistent(shop):
    """No batch has more allocated than it holds, and the rows are what is allocated: a line that was allocated twice would be one row of too little."""
    shop.settled()
    caught_up(shop.process)
    wanted = []
    for product in shop.client.all('/products'):
        for batch in product['batches']:
            holds(0 <= batch['allocated'] <= batch['qty'], f'{product["sku"]}: {batch}')
            if batch['allocated']:
                wanted.append((batch['ref'], str(batch['allocated'])))
    rows = shop.base.rows('SELECT batchref, sum(qty) FROM allocations_view GROUP BY batchref')
    same(sorted(rows), sorted(wanted), 'what is allocated, by the rows and by the products')
    same(shop.client.get('/quarantine')['page']['totalElements'], 0, 'quarantined entities')


# --- scenarios -------------------------------------------------------------------------------------------------------

def a_line_goes_to_the_first_batch(world):
    """In stock first, then the earliest; what was recorded when the POST has returned is in the answer of the GET."""
    shop = Shop(world)
    shop.add_batch('late', 'CHAIR', 100, LATE)
    shop.add_batch('early', 'CHAIR', 100, EARLY)
    shop.add_batch('other', 'LAMP', 100)
    shop.allocate('o1', 'CHAIR', 3)
    same(shop.allocations('o1'), [{'sku': 'CHAIR', 'batchref': 'early'}])
    shop.add_batch('here', 'CHAIR', 100)
    shop.allocate('o1', 'LAMP', 3)
    shop.allocate('o1', 'CHAIR', 4)
    same(shop.allocations('o1'), [{'sku': 'CHAIR', 'batchref': 'early'}, {'sku': 'LAMP', 'batchref': 'other'}, {'sku': 'CHAIR', 'batchref': 'here'}])
    shop.allocate('o1', 'CHAIR', 3)
    same(len(shop.allocations('o1')), 3, 'the same line changes nothing')
    same(shop.base.rows(ROWS), [('o1', 'CHAIR', 'early'), ('o1', 'LAMP', 'other'), ('o1', 'CHAIR', 'here')])
    for number in range(50):
        shop.allocate(f'many-{number}', 'LAMP', 1)
        same(shop.allocations(f'many-{number}'), [{'sku': 'LAMP', 'batchref': 'other'}])
    shop.restart()
    same(len(shop.allocations('o1')), 3, 'lines after a restart')
    shop.restart(end=False)
    same(len(shop.allocations('o1')), 3, 'lines after a kill')
    consistent(shop)


def what_cannot_be(world):
    """An unknown product, and what is wrong in a request, are told with the field; nothing is recorded."""
    shop = Shop(world)
    answer = shop.client.ask('POST', '/allocate', {'orderid': 'o1', 'sku': 'NOBODYS', 'qty': 20})
    same((answer.status, answer.json), (400, {'message': 'Invalid sku NOBODYS'}))
    answer = shop.client.ask('GET', '/allocations/o1')
    same((answer.status, answer.body), (404, b'not found'))
    good = {'ref': 'b1', 'sku': 'LAMP', 'qty': '10', 'eta': '2011-01-02'}
    for field, value in (('ref', ''), ('ref', None), ('sku', 'x' * 256), ('qty', 0), ('qty', -1), ('qty', 1.5), ('qty', 'ten'), ('qty', 2e9),
                         ('eta', '2011-02-30'), ('eta', 'tomorrow'), ('eta', '2011-1-2'), ('eta', 7)):
        answer = shop.client.ask('POST', '/add_batch', {**good, field: value})
        holds(400 <= answer.status < 500 and answer.json['field'] == field, f'{field} {value!r}: {answer}')
    same(shop.client.all('/products'), [])
    shop.add_batch('b1', 'LAMP', '10', '2011-01-02')
    shop.add_batch('b1', 'LAMP', 10, '2011-01-02T00:00:00Z')
    answer = shop.client.ask('POST', '/add_batch', {**good, 'qty': 11})
    same(answer.status, 400)
    says(answer.json['message'], 'batch b1 is there already')
    shop.allocate('o1', 'LAMP', '7')
    same(shop.stock('LAMP'), [('b1', 10, 7)])


def what_is_out_of_stock(world):
    """The client is told OK all the same; nothing is allocated, and those who buy get one mail."""
    shop = Shop(world)
    shop.add_batch('b1', 'LAMP', 10)
    shop.allocate('o1', 'LAMP', 8)
    shop.allocate('o2', 'LAMP', 8)
    same(shop.client.ask('GET', '/allocations/o2').status, 404)
    wait_for(shop.mails, 'the mail')
    shop.restart()
    shop.settled()
    [mail] = shop.mails()
    same(mail['To'], 'stock@made.com')
    says(mail.get_content(), 'Out of stock for LAMP: order o2 wants 8')
    consistent(shop)


def the_mail_server_comes_and_goes(world):
    """While it is away everything else goes on, and that is told; the mails are there when it is back, one for each event."""
    shop = Shop(world, mail=['--smtp', '127.0.0.1:1', '--mail-from', 'shop@made.com'])
    shop.add_batch('b1', 'LAMP', 10)
    for number in range(3):
        shop.allocate(f'o{number}', 'LAMP', 11)
    shop.allocate('small', 'LAMP', 2)
    same(shop.allocations('small'), [{'sku': 'LAMP', 'batchref': 'b1'}])
    wait_for(lambda: any('notification' in line for line in shop.process.said), 'what fails is told')
    server = effects.MailServer()
    shop.mail = ['--smtp', f'127.0.0.1:{server.port}', '--mail-from', 'shop@made.com']
    shop.restart(end=False)
    retry(shop, 'notification')
    wait_for(lambda: len(server.mails) == 3, 'three mails')
    shop.settled()
    texts = [mail.get_content() for _, _, mail in server.mails]
    same(sorted(text.split()[6] for text in texts), ['o0', 'o1', 'o2'], 'orders that the mails name')
    same([recipients for _, recipients, _ in server.mails], [['<stock@made.com>']] * 3)
    consistent(shop)
    server.close()


def retry(shop, service):
    """What has been quarantined meanwhile is tried again, as an operator would."""
    for row in shop.client.all('/quarantine'):
        same(shop.client.ask('POST', f'/quarantine/{service}/{row["key"]}/retry').status, 204)


def a_batch_becomes_smaller(world):
    """Over Redis: lines are let go, allocated elsewhere, and that is published."""
    shop = Shop(world, with_redis=True)
    listener = channels.Subscriber(shop.redis.port, OUT)
    shop.add_batch('old', 'LAMP', 10, EARLY)
    shop.add_batch('new', 'LAMP', 10, LATE)
    shop.allocate('o1', 'LAMP', 10)
    wait_for(lambda: len(listener.got) == 1, 'the first allocation')
    same(shop.publish('old', 5), 1, 'subscribers')
    wait_for(lambda: len(listener.got) == 2, 'the second allocation')
    same(listener.got, [{'orderid': 'o1', 'sku': 'LAMP', 'qty': 10, 'batchref': ref} for ref in ('old', 'new')])
    same(shop.allocations('o1'), [{'sku': 'LAMP', 'batchref': 'new'}])
    same(shop.stock('LAMP'), [('old', 5, 0), ('new', 10, 10)])
    shop.publish('nobodys', 5)
    shop.publish('new', 'five')
    shop.publish('new', '9')
    wait_for(shop.mails, 'the mail: it fits nowhere')
    shop.settled()
    same(shop.client.ask('GET', '/allocations/o1').status, 404)
    consistent(shop)


def redis_comes_and_goes(world):
    """While the server is away orders are taken; what was allocated meanwhile is published when it is back, each once."""
    shop = Shop(world, with_redis=True)
    shop.add_batch('b1', 'LAMP', 1000)
    shop.redis.stop()
    wait_for(lambda: not channels.metric(shop.process, 'edda_channels_publishing'), 'the loss of the connection')
    shop.allocate('before', 'LAMP', 1)
    same(shop.process.end()[0], 0, 'exit status')
    shop.process = world.start(*shop.options())
    shop.client = shop.process.client()
    shop.allocate('away', 'LAMP', 2)
    shop.redis.start()
    connected(shop.process)
    listener = channels.Subscriber(shop.redis.port, OUT)
    shop.allocate('back', 'LAMP', 3)
    wait_for(lambda: [g for g in listener.got if g['orderid'] == 'back'], 'what was allocated now')
    same(len({g['orderid'] for g in listener.got}), len(listener.got), 'each is published once')
    consistent(shop)


def the_database_comes_and_goes(world):
    """Orders are taken while it is away, also one's own are not shown then; all rows are there when it is back."""
    if KIND != 'postgres':
        raise edda.Skip('a file does not go away')
    shop = Shop(world)
    shop.add_batch('b1', 'LAMP', 1000)
    for number in range(30):
        shop.allocate(f'o{number}', 'LAMP', 1)
    shop.base.server.stop()
    for number in range(30, 60):
        shop.allocate(f'o{number}', 'LAMP', 1)
    wait_for(lambda: status(shop.process)['state'] == 'unreachable', 'it does not notice')
    same(shop.client.ask('GET', '/allocations/o31').status, 503)
    shop.base.server.start()
    caught_up(shop.process)
    same(shop.allocations('o31'), [{'sku': 'LAMP', 'batchref': 'b1'}])
    same(len(shop.base.rows(ROWS)), 60)
    consistent(shop)


def hot(world):
    """Many clients at one product: none of them gets what another has, and nothing is left over."""
    shop = Shop(world)
    for ref in range(4):
        shop.add_batch(f'b{ref}', 'LAMP', 50, EARLY)

    def customer(number):
        client = shop.process.client()
        for n in range(30):
            shop.allocate(f'c{number}-{n}', 'LAMP', 1, client)
        client.close()
    customers = [threading.Thread(target=customer, args=(n,)) for n in range(8)]
    for thread in customers:
        thread.start()
    for thread in customers:
        thread.join()
    consistent(shop)
    same([b[1:] for b in shop.stock('LAMP')], [(50, 50)] * 4, 'batches, all full')
    wait_for(lambda: len(shop.mails()) == 40, 'a mail for each that got nothing')


def two_at_once(world):
    """A process that is stopped, replaced by one on a copy of its data, and goes on, with one database and one Redis server: no row and no message twice."""
    shop = Shop(world, with_redis=True)
    listener = channels.Subscriber(shop.redis.port, OUT)
    shop.add_batch('b1', 'LAMP', 100000)
    first, stop = shop.process, threading.Event()
    sender = threading.Thread(target=keep_allocating, args=(first, stop))
    sender.start()
    wait_for(lambda: status(first)['applied'] > 50 and listener.got, 'nothing is applied')
    for _ in range(200):  # not while it holds the database's lock, or nobody else could go on
        first.process.send_signal(signal.SIGSTOP)
        if shop.base.is_free():
            break
        first.process.send_signal(signal.SIGCONT)
    holds(shop.base.is_free(), 'it always holds the lock')
    backup, copy = os.path.join(world.directory, 'backup'), os.path.join(world.directory, 'copy')
    world.run('backup', world.data, '--to', backup, application=EDDA)
    world.run('restore', backup, '--to', copy, application=EDDA)
    shop.process = world.start(*shop.options(), data=copy)
    shop.client = shop.process.client()
    connected(shop.process)
    for number in range(100):
        shop.allocate(f'second-{number}', 'LAMP', 1)
    wait_for(lambda: any(g['orderid'] == 'second-99' for g in listener.got), 'what the second has allocated')
    caught_up(shop.process)
    rows = shop.base.rows(LINES)
    first.process.send_signal(signal.SIGCONT)
    wait_for(lambda: status(first)['state'] == 'diverged', 'the first does not notice')
    stop.set()
    sender.join()
    same(shop.base.rows(LINES), rows, 'rows after the first has woken')
    shop.allocate('last', 'LAMP', 1)
    wait_for(lambda: any(g['orderid'] == 'last' for g in listener.got), 'the last one')
    names = [g['orderid'] for g in listener.got]
    same(len(set(names)), len(names), 'each is published once')
    consistent(shop)
    rows = shop.base.rows(LINES)
    same(rebuilt_rows(shop), rows, 'rows as they come from the log alone')


def keep_allocating(process, stop):
    client = process.client()
    number = 0
    try:
        while not stop.is_set():
            client.ask('POST', '/allocate', {'orderid': f'first-{number}', 'sku': 'LAMP', 'qty': 1})
            number += 1
    except (OSError, http.client.HTTPException):
        pass
    client.close()


def rebuilt_rows(shop):
    before = shop.client.metric('edda_projection_rebuilt_total')
    same(shop.client.ask('POST', '/projections/allocations/rebuild').status, 204)
    wait_for(lambda: shop.client.metric('edda_projection_rebuilt_total') > before, 'it is not rebuilt')
    caught_up(shop.process)
    return shop.base.rows(LINES)


def help_and_simulate(world):
    """What the program says of itself, and its simulator."""
    says(world.run('--help'), 'Allocates lines of orders', 'simulate')
    says(world.run('run', '--help'), r'--redis', r'--db', r'--mail-dir', r'--smtp')
    says(world.run('simulate', '--seeds', '50'), '50 seeds from 1, 0 failed')


SCENARIOS = (a_line_goes_to_the_first_batch, what_cannot_be, what_is_out_of_stock, the_mail_server_comes_and_goes, a_batch_becomes_smaller, redis_comes_and_goes,
             the_database_comes_and_goes, hot, two_at_once, help_and_simulate)

if __name__ == '__main__':
    edda.main([s for s in SCENARIOS if KIND == 'postgres' or s is not the_database_comes_and_goes])
