#!/usr/bin/env python3
"""The shop example from the outside: every way a cart can end, by the HTTP interface alone.

    shop.py APPLICATION --naive=ITS_WRONG_VARIANT [NAME…]
"""
import json
import signal
import sys
import threading
import time

sys.dont_write_bytecode = True
import edda
from edda import holds, same, says, wait_for

FINAL = ('COMPLETED', 'CANCELLED')
TEA, CUP, POT = 1, 2, 3
PRICES = {TEA: 250, CUP: 400, POT: 1900}


# --- what a client of the example does ---------------------------------------------------------------------------------

def furnish(client, **stock):
    """The price list, and so much of each product on the shelf."""
    for product, price in PRICES.items():
        client.post('/prices', {'productId': product, 'unitPrice': price})
    for product, quantity in {TEA: stock.get('tea', 100), CUP: stock.get('cup', 100)}.items():
        if quantity:
            client.post('/stock', {'productId': product, 'quantity': quantity})


def confirmed(client, items, who='ada'):
    """A cart with these items, confirmed; its number is that of its order and of its payment."""
    number = client.post('/carts', {'clientId': who})['cartId']
    for product, quantity in items.items():
        client.post(f'/carts/{number}/products/{product}', {'quantity': quantity}, status=200)
    client.post(f'/carts/{number}/confirm', status=200)
    return number


def found(client, path):
    answer = client.ask('GET', path)
    return answer.json if answer.status == 200 else None


def requested(client, number):
    """Waits until the order's payment is asked for."""
    wait_for(lambda: found(client, f'/payments/{number}'), f'the payment of order {number}')


def ordered(client, items, who='ada'):
    number = confirmed(client, items, who)
    requested(client, number)
    return number


def bought(client, items, who='ada'):
    number = ordered(client, items, who)
    client.post(f'/payments/{number}/complete', status=200)
    return number


def decided(client, number):
    """Waits until the order is decided, and says how."""
    order = wait_for(lambda: (o := found(client, f'/orders/{number}')) and o['status'] in FINAL and o, f'the decision of order {number}')
    return order['status'], order.get('reason')


def payment(client, number):
    row = client.get(f'/payments/{number}')
    return row['status'], row['taken'], row['returned']


def available(client, product):
    return client.get(f'/stock/{product}')['available']


def settled(client):
    wait_for(lambda: not any((s['lag'] or s['pending']) and not s['paused'] for s in client.all('/services')), 'that all services are done')


def external(client, number):
    """The external events of an order's process, in order: what modules tell each other."""
    return [m['type'] for m in client.get(f'/traces/{number}')['messages'] if m['kind'] == 'message' and m['topic'].endswith('__external-events')]


def consistent(client):
    """Money is taken exactly for what was sent, and what is not sent is on the shelf."""
    settled(client)
    payments = {p['orderId']: p for p in client.all('/payments')}
    shipments = {s['orderId']: s for s in client.all('/shipments')}
    spent, completed, gone = {}, {}, {}
    for order in client.all('/orders'):
        number, who = order['orderId'], order['clientId']
        paid, package = payments[number], shipments.get(number, {})
        holds(order['status'] in FINAL, f'order {number} is {order["status"]}')
        sent = order['status'] == 'COMPLETED'
        same(package.get('status') == 'SENT', sent, f'the package of order {number}, {order}')
        same(paid['taken'] - paid['returned'], order['totalPrice'] if sent else 0, f'the money of order {number}, {order}')
        holds(paid['returned'] in (0, paid['amount']), f'{paid}')
        if sent:
            spent[who] = spent.get(who, 0) + order['totalPrice']
            completed[who] = completed.get(who, 0) + 1
            for item in package['productItems']:
                gone[item['productId']] = gone.get(item['productId'], 0) + item['quantity']
    for row in client.all('/stock'):
        holds(row['available'] >= 0, f'{row}')
        same(row['added'] - row['available'], gone.get(row['productId'], 0), f'what is gone of product {row["productId"]}')
    same({r['clientId']: (r['completedOrders'], r['spent']) for r in client.all('/loyalty')},
         {who: (completed[who], spent[who]) for who in completed})
    same({c['clientId'] for c in client.all('/clients') if c['vip']}, {who for who, count in completed.items() if count >= 3})
    same(client.get('/quarantine')['page']['totalElements'], 0, 'quarantined entities')


# --- the ways of a cart ------------------------------------------------------------------------------------------------

def bought_and_sent(world):
    """Confirmed, paid, sent: completed; and the trace tells it from the first product on."""
    client = world.start().client()
    furnish(client, tea=10, cup=5)
    number = bought(client, {TEA: 2, CUP: 1})
    same(decided(client, number), ('COMPLETED', None))
    same(payment(client, number), ('COMPLETED', 900, 0))
    same((available(client, TEA), available(client, CUP)), (8, 4))
    same(client.get(f'/shipments/{number}')['productItems'], [{'productId': TEA, 'quantity': 2}, {'productId': CUP, 'quantity': 1}])
    consistent(client)
    same(external(client, number), ['ShoppingCartFinalized', 'PaymentFinalized', 'PackageWasSent', 'OrderFinalized'])
    same(client.get(f'/orders/{number}/trace?format=json')['messages'][0]['type'], 'OpenCart')
    says(client.text(f'/orders/{number}/trace'), 'ProductAdded', 'set "payment" due', 'cancelled "payment"', 'StockTaken', 'OrderCompleted')
    same(client.get('/deadlines')['page']['totalElements'], 0)


def out_of_stock(world):
    """One product of two is not there: what was picked goes back, the money too, once."""
    client = world.start().client()
    furnish(client, tea=10, cup=0)
    number = bought(client, {TEA: 2, CUP: 1})
    same(decided(client, number), ('CANCELLED', 'ProductWasOutOfStock'))
    consistent(client)
    same(payment(client, number), ('DISCARDED', 900, 900))
    same(available(client, TEA), 10)
    same(external(client, number), ['ShoppingCartFinalized', 'PaymentFinalized', 'ProductWasOutOfStock'])
    client.post('/stock', {'productId': CUP, 'quantity': 1})
    same(decided(client, bought(client, {TEA: 2, CUP: 1})), ('COMPLETED', None))
    consistent(client)


def refused(world):
    """The bank gives no money: cancelled, and nothing is discarded."""
    client = world.start().client()
    furnish(client)
    number = ordered(client, {TEA: 1})
    for _ in range(2):
        client.post(f'/payments/{number}/refuse', status=200)
    same(decided(client, number), ('CANCELLED', 'PaymentRefused'))
    consistent(client)
    same(payment(client, number), ('REFUSED', 0, 0))
    same(client.post(f'/payments/{number}/complete', status=409)['detail'], f'payment {number} is REFUSED')
    same(external(client, number), ['ShoppingCartFinalized', 'PaymentFailed'])


def not_paid_in_time(world):
    """The deadline passes: cancelled; a payment after it is refused."""
    client = world.start('--payment-deadline', '300ms').client()
    furnish(client)
    number = ordered(client, {TEA: 1})
    same(decided(client, number), ('CANCELLED', 'PaymentTimedOut'))
    same(payment(client, number), ('TIMED OUT', 0, 0))
    client.post(f'/payments/{number}/complete', status=409)
    consistent(client)


def cancelled_before_it_is_paid(world):
    """The client thinks better of it while the payment is under way: it can no more be paid."""
    client = world.start().client()
    furnish(client)
    number = ordered(client, {TEA: 1})
    client.post(f'/orders/{number}/cancel', status=200)
    same(decided(client, number), ('CANCELLED', 'CancelledByClient'))
    wait_for(lambda: payment(client, number) == ('DISCARDED', 0, 0), 'the payment to be discarded')
    client.post(f'/payments/{number}/complete', status=409)
    same(client.get('/deadlines')['page']['totalElements'], 0)
    same(client.post(f'/orders/{number}/cancel', status=409)['detail'], f'order {number} is CANCELLED')
    consistent(client)


def cancelled_while_the_money_comes(world):
    """The bank has the money, the order has not heard of it, and the client cancels: the money goes back."""
    client = world.start().client()
    furnish(client)
    number = ordered(client, {TEA: 1})
    client.post('/services/order-saga/pause', status=204)
    client.post(f'/payments/{number}/complete', status=200)
    client.post(f'/orders/{number}/cancel', status=200)
    same(payment(client, number), ('COMPLETED', 250, 0))
    client.post('/services/order-saga/resume', status=204)
    wait_for(lambda: payment(client, number) == ('DISCARDED', 250, 250), 'the money to be given back')
    consistent(client)
    says(client.text(f'/orders/{number}/trace'), 'skipped RecordOrderPayment: rejected: order 1 is')


def cancelled_too_late(world):
    """What is paid may be on its way: the client cannot cancel any more."""
    client = world.start().client()
    furnish(client)
    client.post('/services/shipment/pause', status=204)
    number = bought(client, {TEA: 1})
    wait_for(lambda: client.get(f'/orders/{number}')['status'] == 'PAID', 'the payment to be recorded')
    same(client.post(f'/orders/{number}/cancel', status=409)['detail'], f'order {number} is PAID')
    client.post('/services/shipment/resume', status=204)
    same(decided(client, number), ('COMPLETED', None))
    consistent(client)


def restarts_in_the_middle(world):
    """Whichever way the process ends, an order goes on from where it was; a deadline that passed meanwhile is overdue, and one that did not waits."""
    process = world.start('--payment-deadline', '700ms')
    client = process.client()
    furnish(client)
    overdue = ordered(client, {TEA: 1})
    set_at = time.monotonic()
    client.post('/services/order-saga/pause', status=204)
    stuck = confirmed(client, {TEA: 1})
    process.end(signal.SIGKILL)
    wait_for(lambda: time.monotonic() > set_at + 0.7, 'the time of the deadline')
    process = world.start('--payment-deadline', '1h')
    client = process.client()
    wait_for(lambda: payment(client, overdue) == ('TIMED OUT', 0, 0), 'the overdue deadline to fire')
    same(found(client, f'/orders/{stuck}'), None)
    client.post('/services/order-saga/resume', status=204)
    same(decided(client, overdue), ('CANCELLED', 'PaymentTimedOut'))
    requested(client, stuck)
    same(process.end(signal.SIGTERM)[0], 0)
    process = world.start('--payment-deadline', '1h')
    client = process.client()
    same([d['key'] for d in client.all('/deadlines')], [str(stuck)])
    client.post(f'/payments/{stuck}/complete', status=200)
    same(decided(client, stuck), ('COMPLETED', None))
    consistent(client)
    shown = {path: client.text(path) for path in ('/carts', '/orders', '/payments', '/stock', '/shipments', '/loyalty', f'/traces/{stuck}')}
    process.end(signal.SIGKILL)
    again = world.start()
    for path, text in shown.items():
        same(again.client().text(path).replace(again.url, process.url), text, path)


def third_order_makes_a_vip(world):
    """Completed orders count, cancelled ones do not; others stay what they are."""
    client = world.start().client()
    furnish(client)
    same(client.post('/clients', {'clientId': 'ada', 'name': 'Ada L.'})['vip'], False)
    for count in range(1, 4):
        client.post(f'/payments/{ordered(client, {TEA: 1})}/refuse', status=200)
        same(decided(client, bought(client, {TEA: 1})), ('COMPLETED', None))
        settled(client)
        same(client.get('/clients/ada')['vip'], count == 3)
    same(decided(client, bought(client, {TEA: 1}, 'bob')), ('COMPLETED', None))
    same(decided(client, bought(client, {TEA: 1})), ('COMPLETED', None))
    consistent(client)
    same(client.get('/clients/ada')['name'], 'Ada L.')
    same(client.get('/loyalty/ada')['completedOrders'], 4)
    client.get('/clients/bob', status=404)


def many_at_once(world):
    """More is asked for at once than there is: exactly what there was is sold."""
    process = world.start()
    client = process.client()
    furnish(client, tea=20, cup=0)
    numbers = []

    def buy(who):
        mine = process.client()
        for _ in range(10):
            numbers.append(bought(mine, {TEA: 1}, who))
        mine.close()

    threads = [threading.Thread(target=buy, args=(who,)) for who in ('ada', 'bob', 'eve', 'kim')]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    same(sorted(numbers), list(range(1, 41)))
    results = [decided(client, n) for n in numbers]
    same((results.count(('COMPLETED', None)), results.count(('CANCELLED', 'ProductWasOutOfStock'))), (20, 20))
    consistent(client)
    same(available(client, TEA), 0)


# --- to the letter -----------------------------------------------------------------------------------------------------

def carts_to_the_letter(world):
    """A cart's representation, its prices, its ETag, and what If-Match makes of a change that somebody else has overtaken."""
    process = world.start()
    client = process.client()
    furnish(client)
    created = client.ask('POST', '/carts', {'clientId': 'ada'})
    same((created.status, created.headers['Location'], created.headers['ETag']), (201, process.url + '/carts/1', '"0"'))
    added = client.ask('POST', '/carts/1/products/2', {'quantity': 3})
    same((added.headers['ETag'], added.json['totalPrice']), ('"1"', 1200))
    client.post('/prices', {'productId': TEA, 'unitPrice': 300})
    client.post('/carts/1/products/1', {'quantity': 2}, status=200, If_Match='"1"')
    shown = client.ask('GET', '/carts/1')
    same((shown.headers['ETag'], list(shown.json.items())),
         ('"2"', [('cartId', 1), ('clientId', 'ada'), ('status', 'OPEN'),
                  ('productItems', [{'productId': 1, 'quantity': 2, 'unitPrice': 300}, {'productId': 2, 'quantity': 3, 'unitPrice': 400}]),
                  ('totalPrice', 1800), ('_links', {'self': {'href': process.url + '/carts/1'}})]))
    for method, path, body in (('POST', '/carts/1/products/1', {'quantity': 1}), ('DELETE', '/carts/1/products/1', None),
                               ('POST', '/carts/1/confirm', None)):
        same(client.ask(method, path, body, {'If-Match': '"1"'}).status, 412, f'{method} {path}')
    same(client.ask('DELETE', '/carts/1/products/2?quantity=1', headers={'If-Match': '"2"'}).headers['ETag'], '"3"')
    same(client.ask('DELETE', '/carts/1/products/1').json['totalPrice'], 800)
    same(client.get('/carts/1')['totalPrice'], 800)
    same(client.ask('POST', '/carts/1/confirm', headers={'If-Match': '"4"'}).json['status'], 'CONFIRMED')
    same(client.get('/carts/1')['status'], 'CONFIRMED')
    same([c['cartId'] for c in client.all('/carts')], [1])
    same(client.get('/prices/1')['unitPrice'], 300)


def bad_input(world):
    """What is wrong is named, with a 4xx, and nothing is recorded."""
    client = world.start().client()
    furnish(client)
    number = client.post('/carts', {'clientId': 'ada'})['cartId']
    settled(client)
    before = client.metric('edda_journal_tail')
    wrong = (
        ('POST', '/carts', {}, 422, 'clientId'), ('POST', '/carts', {'clientId': ''}, 422, 'clientId'),
        ('POST', '/carts', {'clientId': 'x' * 65}, 422, 'clientId'), ('POST', '/carts', b'{', 400, None),
        ('POST', f'/carts/{number}/products/1', {'quantity': 0}, 422, 'quantity'),
        ('POST', f'/carts/{number}/products/1', {'quantity': 1001}, 422, 'quantity'),
        ('POST', f'/carts/{number}/products/1', {'quantity': 1.5}, 422, 'quantity'),
        ('POST', f'/carts/{number}/products/99', {'quantity': 1}, 404, 'productId'),
        ('POST', f'/carts/{number}/products/tea', {'quantity': 1}, 422, 'productId'),
        ('POST', '/carts/99/products/1', {'quantity': 1}, 404, 'cartId'),
        ('POST', '/carts/x/products/1', {'quantity': 1}, 422, 'cartId'),
        ('DELETE', f'/carts/{number}/products/1', None, 409, 'productId'),
        ('DELETE', f'/carts/{number}/products/1?quantity=x', None, 422, 'quantity'),
        ('DELETE', f'/carts/{number}/products/1?quantity=-1', None, 422, 'quantity'),
        ('POST', f'/carts/{number}/confirm', None, 409, 'cartId'), ('POST', '/carts/99/confirm', None, 404, 'cartId'),
        ('POST', '/prices', {'productId': 1}, 422, 'unitPrice'), ('POST', '/prices', {'productId': 0, 'unitPrice': 1}, 422, 'productId'),
        ('POST', '/stock', {'productId': 1, 'quantity': -5}, 422, 'quantity'),
        ('POST', '/clients', {'clientId': 'ada'}, 422, 'name'),
        ('POST', '/orders/99/cancel', None, 404, 'orderId'), ('POST', '/orders/x/cancel', None, 422, 'orderId'),
        ('POST', '/payments/99/complete', None, 404, 'paymentId'), ('POST', '/payments/0/refuse', None, 422, 'paymentId'),
    )
    for method, path, body, status, field in wrong:
        answer = client.ask(method, path, body)
        same((answer.status, answer.json.get('field')), (status, field), f'{method} {path} {body}: {answer}')
        same(answer.headers['Content-Type'], 'application/problem+json')
    same(client.metric('edda_journal_tail'), before, 'records')
    same((len(client.all('/carts')), client.get(f'/carts/{number}')['productItems'], client.all('/orders')), (1, [], []))
    same(client.ask('GET', f'/carts/{number}').headers['ETag'], '"0"')


def repeated_requests(world):
    """A request that is sent again with its Idempotency-Key gets the first answer, and is done once."""
    client = world.start().client()
    furnish(client)
    for _ in range(2):
        same(client.post('/carts', {'clientId': 'ada'}, Idempotency_Key='open')['cartId'], 1)
        same(client.post('/carts/1/products/1', {'quantity': 2}, status=200, Idempotency_Key='add')['status'], 'OPEN')
        client.post('/carts/1/confirm', status=200, Idempotency_Key='confirm')
    requested(client, 1)
    for _ in range(2):
        client.post('/payments/1/complete', status=200, Idempotency_Key='pay')
    same(decided(client, 1), ('COMPLETED', None))
    consistent(client)
    same((len(client.all('/carts')), available(client, TEA)), (1, 98))


def says_what_it_can(world):
    """--help of the program and of its commands names what it is and the option it has."""
    says(world.run('--help'), 'usage: shop COMMAND', 'cart, order, payment and shipment', 'simulate')
    says(world.run('run', '--help'), '--payment-deadline DURATION|--payment-deadline', '15m', '8091')
    says(world.run('simulate', '--seeds', '20', '--quiet'), '^shop: 20 seeds from 1, 0 failed')


def measures_itself(world):
    """bench pays for every order when its payment is asked for, so that nothing is refused."""
    figures = json.loads(world.run('bench', '--data', world.directory, '--singles', '20', '--processes', '1000', '--json'))
    same((figures['application'], figures['refused']), ('shop', 0))


def naive_one_is_caught(world):
    """The simulator finds in an early seed that a payment under way is not discarded, and draws how."""
    said = world.run('simulate', '--seeds', '10', '--quiet', status=1, application=edda.option('naive', ''))
    says(said, r'^seed \d: 1 invariant is broken', r'is cancelled: (\d+) were taken, 0 given back, and a package worth 0 was sent', r'ms  CancelOrder',
         r'outside +cart +cart-forwarder +order-saga +order +payment', 'skipped OrderCancelled: there is no payment', 'PaymentFinalized')


SCENARIOS = (bought_and_sent, out_of_stock, refused, not_paid_in_time, cancelled_before_it_is_paid, cancelled_while_the_money_comes,
             cancelled_too_late, restarts_in_the_middle, third_order_makes_a_vip, many_at_once, carts_to_the_letter, bad_input,
             repeated_requests, says_what_it_can, measures_itself, naive_one_is_caught)

if __name__ == '__main__':
    edda.main(SCENARIOS)
