"""The allocation under load: batches arrive, lines are allocated, some of them asked for twice. And the check of what came of it."""
import collections
import glob
import re
import tempfile

from load import Request  # first: it knows the way to the others
from edda import holds, same, wait_for

MAILS = tempfile.TemporaryDirectory(prefix='edda-mails-')
OPTIONS = ('--mail-dir', MAILS.name)
SKUS = ('LAMP', 'CHAIR', 'TABLE')


def prepare(process):
    client = process.client()
    for sku in SKUS:
        same(client.ask('POST', '/add_batch', {'ref': f'{sku}-first', 'sku': sku, 'qty': 100}).status, 201)
    client.close()


def lines_of(known):
    return [r for r in known if r.path == '/allocate']


def request(chance, known):
    # What happened long ago is of no interest: clients that are not sure ask again soon.
    recent = lines_of(known[-50:])
    kind = chance.choice(('batch', 'line', 'line', 'line', 'line', 'again'))
    if kind == 'batch':
        return Request('/add_batch', {'ref': f'b{chance.getrandbits(64)}', 'sku': chance.choice(SKUS), 'qty': chance.randrange(1, 30),
                                      'eta': chance.choice((None, '2011-01-01', '2011-01-02'))})
    if kind == 'again' and recent:
        return Request('/allocate', chance.choice(recent).body, (202,))
    return Request('/allocate', {'orderid': f'o{chance.getrandbits(64)}', 'sku': chance.choice(SKUS), 'qty': chance.randrange(1, 10)}, (202,))


def mailed():
    """The orders that mails have named, each mail by a name of its own."""
    named = []
    for path in glob.glob(MAILS.name + '/*.eml'):
        with open(path, encoding='utf-8') as file:
            named.append(re.search(r'order (o\d+) wants', file.read())[1])
    return named


def check(process, clients):
    """Nothing that was acknowledged is lost or was done twice: each line is allocated once, or somebody was told; no batch has more than it holds."""
    client = process.client()
    wait_for(lambda: not any(p['lag'] for p in client.all('/projections')), 'the read model')
    wait_for(lambda: not any(s['lag'] or s['pending'] for s in client.all('/services')), 'that all services are done')
    batches = {b['ref']: (p['sku'], b['qty'], b['allocated']) for p in client.all('/products') for b in p['batches']}
    asked = {r.body['ref']: (r.body['sku'], r.body['qty']) for r in clients.acknowledged if r.path == '/add_batch'}
    same({ref: b[:2] for ref, b in batches.items() if not ref.endswith('-first')}, asked, 'batches, and those that were acknowledged')
    lines = {r.body['orderid']: r.body for r in lines_of(clients.acknowledged)}
    by_batch, told, short = collections.Counter(), collections.Counter(mailed()), collections.Counter()
    for orderid, line in lines.items():
        answer = client.ask('GET', f'/allocations/{orderid}')
        holds(answer.status in (200, 404), f'order {orderid}: {answer}')
        if answer.status == 404 or told[orderid]:
            short[orderid] = sum(m['type'] == 'OutOfStock' for m in client.get(f'/traces/{orderid}')['messages'])
        if answer.status == 404:
            holds(short[orderid], f'order {orderid} is not allocated, and was not out of stock')
            continue
        [row] = answer.json
        same((row['sku'], batches[row['batchref']][0]), (line['sku'], line['sku']), f'order {orderid}')
        by_batch[row['batchref']] += line['qty']
    same(told, short, 'mails, and times that a line was out of stock')
    for ref, (_, qty, allocated) in batches.items():
        same(allocated, by_batch[ref], f'allocated of batch {ref}, by its product and by its lines')
        holds(allocated <= qty, f'batch {ref} of {qty} has {allocated} allocated')
    same(client.get('/quarantine')['page']['totalElements'], 0, 'quarantined entities')
    client.close()
