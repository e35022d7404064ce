"""The shop under load: clients fill carts, confirm them, pay or do not, and now and then cancel. And the check of what came of it."""
import collections
import re

from load import Request  # first: it knows the way to the others
from shop import CUP, PRICES, TEA, consistent
from edda import same, wait_for

OPTIONS = ('--payment-deadline', '1s')
WHO = ('ada', 'bob', 'eve')
SHELF = 50
REJECTED = 409


def prepare(process):
    client = process.client()
    for product, price in PRICES.items():
        client.post('/prices', {'productId': product, 'unitPrice': price})
    for product in (TEA, CUP):
        client.post('/stock', {'productId': product, 'quantity': SHELF})
    client.close()


def carts_of(known, kind):
    """The numbers of the carts that requests of a kind have named."""
    return [int(found[1]) for r in known if r.status == 200 and (found := re.match(rf'/carts/(\d+)/{kind}', r.path))]


def request(chance, known):
    # What happened long ago is of no interest: most of those orders are decided.
    recent = known[-100:]
    opened = [r.answer['cartId'] for r in recent if r.path == '/carts'] or [0]
    filled, confirmed = carts_of(recent, 'products') or [0], carts_of(recent, 'confirm') or [0]
    kind = chance.choice(('open', 'add', 'add', 'confirm', 'complete', 'complete', 'complete', 'refuse', 'cancel', 'stock'))
    if kind == 'add' and opened[0]:
        return Request(f'/carts/{chance.choice(opened)}/products/{chance.choice((TEA, CUP))}', {'quantity': chance.randrange(1, 4)}, (200, REJECTED))
    if kind == 'confirm' and filled[0]:
        return Request(f'/carts/{chance.choice(filled)}/confirm', None, (200, REJECTED))
    if kind in ('complete', 'refuse') and confirmed[0]:
        return Request(f'/payments/{chance.choice(confirmed)}/{kind}', None, (200, REJECTED))
    if kind == 'cancel' and confirmed[0]:
        return Request(f'/orders/{chance.choice(confirmed)}/cancel', None, (200, REJECTED))
    if kind == 'stock' and chance.randrange(4) == 0:
        return Request('/stock', {'productId': chance.choice((TEA, CUP)), 'quantity': chance.randrange(1, 20)})
    return Request('/carts', {'clientId': chance.choice(WHO)})


def accepted(clients, pattern):
    """How often what a pattern finds in the paths of requests was accepted."""
    found = (r.status != REJECTED and re.fullmatch(pattern, r.path) for r in clients.acknowledged)
    return collections.Counter(int(f[1]) for f in found if f)


def check_carts(client, clients):
    rows = client.all('/carts')
    carts = {c['cartId']: c for c in rows}
    same(len(carts), len(rows), 'carts with a number of their own')
    same({n: c['clientId'] for n, c in carts.items()}, {r.answer['cartId']: r.body['clientId'] for r in clients.acknowledged if r.path == '/carts'})
    quantities = collections.Counter()
    for r in clients.acknowledged:
        if r.status == 200 and (found := re.fullmatch(r'/carts/(\d+)/products/(\d+)', r.path)):
            quantities[int(found[1]), int(found[2])] += r.body['quantity']
    same({(n, i['productId']): i['quantity'] for n, c in carts.items() for i in c['productItems']}, dict(quantities), 'what is in the carts')
    confirmations = accepted(clients, r'/carts/(\d+)/confirm')
    same({n for n, c in carts.items() if c['status'] == 'CONFIRMED'}, set(confirmations), 'carts that are confirmed')
    same(set(confirmations.values()) - {1}, set(), 'confirmations of one cart')
    return set(confirmations)


def check(process, clients):
    """Nothing that was acknowledged is lost, nothing was done twice, and every order has come to its end."""
    client = process.client()
    confirmed = check_carts(client, clients)
    wait_for(lambda: {o['orderId'] for o in client.all('/orders') if o['status'] in ('COMPLETED', 'CANCELLED')} == confirmed,
             'the decisions of the orders of all confirmed carts')
    consistent(client)
    completed, refused = accepted(clients, r'/payments/(\d+)/complete'), accepted(clients, r'/payments/(\d+)/refuse')
    payments = {p['paymentId']: p for p in client.all('/payments')}
    same({n for n, p in payments.items() if p['taken']}, set(completed), 'payments that were completed')
    same({n for n, p in payments.items() if p['status'] == 'REFUSED'}, set(refused), 'payments that were refused')
    same({o['orderId'] for o in client.all('/orders') if o.get('reason') == 'CancelledByClient'},
         set(accepted(clients, r'/orders/(\d+)/cancel')), 'orders that clients have cancelled')
    added = collections.Counter({TEA: SHELF, CUP: SHELF})
    for r in clients.acknowledged:
        if r.path == '/stock':
            added[r.body['productId']] += r.body['quantity']
    same({s['productId']: s['added'] for s in client.all('/stock')}, dict(added), 'what was put on the shelf')
    client.close()
