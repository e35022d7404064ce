#!/usr/bin/env python3
"""The process of the choreography example, from the outside: every way an order can go, by the HTTP interface alone.

    choreography.py APPLICATION [NAME…]
"""
import datetime
import signal
import sys
import threading
import time

sys.dont_write_bytecode = True
import edda
from edda import holds, same, wait_for

PROMPT_MS = 50  # a deadline fires within this of its time
TIMES = ('--deadline', '1s', '--injected-delay', '2s')


# --- what a client of the example does ---------------------------------------------------------------------------------

def give(client, user, points):
    client.post('/points', {'userId': user, 'point': points})


def order(client, amount, user='jjy', currency=1):
    created = client.post('/orders', {'holderId': user, 'currencyId': currency, 'amount': amount})
    same(created['status'], 'PENDING')
    return created['id']


def status(client, number):
    return client.get(f'/orders/{number}')['status']


def decided(client, number):
    """Waits until the order is decided, and says how."""
    wait_for(lambda: status(client, number) != 'PENDING', f'the decision of order {number}')
    return status(client, number)


def points(client, user='jjy'):
    return client.get(f'/points/{user}')['point']


def settled(client):
    """Waits until no service that is not paused has anything left to do."""
    wait_for(lambda: not any((s['lag'] or s['pending']) and not s['paused'] for s in client.all('/services')), 'that all services are done')


def messages(client, number):
    """The names of the events of an order's process, in order, without what is the services' own business."""
    return [m['type'] for m in client.get(f'/traces/{number}')['messages'] if m['topic'] == 'choreography.deadline']


def time_ms(text):
    return round(datetime.datetime.fromisoformat(text.replace('Z', '+00:00')).timestamp() * 1000)


def consistent(client, deposits):
    """An order is approved exactly if its exchange stands and its transaction stands; no point is lost or made."""
    settled(client)
    orders = {o['id']: o for o in client.all('/orders')}
    exchanges = {e['orderId']: e for e in client.all('/exchanges')}
    transactions = {t['orderId']: t for t in client.all('/transactions')}
    approved = {number for number, o in orders.items() if o['status'] == 'APPROVED'}
    same([o for o in orders.values() if o['status'] == 'PENDING'], [], 'orders without a decision')
    same((set(exchanges), set(transactions)), (approved, approved), 'exchanges and transactions of the approved orders')
    for number in approved:
        same((exchanges[number]['point'], transactions[number]['pointUsed'], transactions[number]['userId']),
             (orders[number]['amount'], orders[number]['amount'], orders[number]['holderId']), f'order {number}')
    for user, deposited in deposits.items():
        used = sum(t['pointUsed'] for t in transactions.values() if t['userId'] == user)
        same(points(client, user) + used, deposited, f'the points of {user}')
    same(client.all('/deadlines'), [], 'deadlines of decided orders')


# --- scenarios ---------------------------------------------------------------------------------------------------------

def happy_path(world):
    """10000 points, an order for 500: approved, 9500 are left."""
    client = world.start().client()
    give(client, 'jjy', 10000)
    same(points(client), 10000)
    number = order(client, 500)
    same(decided(client, number), 'APPROVED')
    same(points(client), 9500)
    settled(client)
    same(messages(client, number), ['OrderCreated', 'ExchangeSucceed', 'PointUsed', 'OrderPlaced'])
    same(client.all('/deadlines'), [])
    consistent(client, {'jjy': 10000})


def more_than_there_is(world):
    """50000 asked of 9500: rejected, the exchange is taken back, the points are as before."""
    client = world.start().client()
    give(client, 'jjy', 9500)
    number = order(client, 50000)
    same(decided(client, number), 'REJECTED DUE TO POINT LIMIT')
    consistent(client, {'jjy': 9500})
    same(points(client), 9500)
    same(messages(client, number), ['OrderCreated', 'ExchangeSucceed', 'PointUseFailed', 'OrderRejected', 'ExchangeCompensated'])


def exchange_error(world):
    """A currency that does not exist: rejected, and nothing is done for it."""
    client = world.start().client()
    give(client, 'jjy', 9500)
    number = order(client, 500, currency=0)
    same(decided(client, number), 'REJECTED DUE TO EXCHANGE ERROR')
    consistent(client, {'jjy': 9500})
    same(messages(client, number), ['OrderCreated', 'ExchangeFailed', 'OrderRejected'])


def exchange_stopped(world):
    """The exchange is stopped, the deadline passes, the exchange goes on: it leaves the expired order alone."""
    client = world.start(*TIMES).client()
    give(client, 'jjy', 9500)
    client.post('/services/exchange/pause', status=204)
    number = order(client, 500)
    wait_for(lambda: [d['orderId'] for d in client.all('/deadlines')] == [number], 'the deadline of the order')
    same(status(client, number), 'PENDING')
    same(decided(client, number), 'REJECTED DUE TO DEADLINE')
    same(client.all('/deadlines'), [])
    client.post('/services/exchange/resume', status=204)
    consistent(client, {'jjy': 9500})
    same(messages(client, number), ['OrderCreated', 'DeadlineReached', 'OrderRejected'])
    same(decided(client, order(client, 500)), 'APPROVED')
    consistent(client, {'jjy': 9500})
    same(points(client), 9000)


def paused_over_a_restart(world):
    """A paused service stays so over a restart, whichever way the process ends."""
    process = world.start(*TIMES)
    client = process.client()
    give(client, 'jjy', 9500)
    client.post('/services/exchange/pause', status=204)
    for with_signal in (signal.SIGKILL, signal.SIGTERM):
        process.end(with_signal)
        process = world.start(*TIMES)
        client = process.client()
        same([s['name'] for s in client.all('/services') if s['paused']], ['exchange'])
    client.post('/services/exchange/resume', status=204)
    same(decided(client, order(client, 500)), 'APPROVED')


def expires_in_the_exchange(world):
    """Currencies 100 and 200: the exchange sleeps before and after its check, the order expires; others go on meanwhile."""
    client = world.start(*TIMES).client()
    give(client, 'jjy', 9500)
    before, after = order(client, 500, currency=100), order(client, 500, currency=200)
    same(decided(client, order(client, 300)), 'APPROVED')
    same([status(client, n) for n in (before, after)], ['PENDING', 'PENDING'])
    same([decided(client, n) for n in (before, after)], ['REJECTED DUE TO DEADLINE'] * 2)
    consistent(client, {'jjy': 9500})
    same([status(client, n) for n in (before, after)], ['REJECTED DUE TO DEADLINE'] * 2)
    same(points(client), 9200)
    for number in (before, after):
        same(messages(client, number), ['OrderCreated', 'DeadlineReached', 'OrderRejected'])


def sleeps_and_is_in_time(world):
    """With a deadline that is long enough both currencies are exchanged."""
    client = world.start('--deadline', '20s', '--injected-delay', '200ms').client()
    give(client, 'jjy', 1000)
    numbers = [order(client, 500, currency=c) for c in (100, 200)]
    same([decided(client, n) for n in numbers], ['APPROVED', 'APPROVED'])
    consistent(client, {'jjy': 1000})
    same(points(client), 0)


def lateness_ms(client, number):
    """How long after its time the deadline of an order was recorded."""
    fired = [m for m in client.get(f'/traces/{number}')['messages'] if m.get('fired')]
    same(len(fired), 1, f'deadlines of order {number} that fired')
    return time_ms(fired[0]['time']) - time_ms(fired[0]['data']['deadline'])


def fires_in_time(world):
    """Deadlines fire once, not before their time, and within 50 ms after it. A busy machine gets three chances."""
    client = world.start('--deadline', '300ms').client()
    give(client, 'jjy', 9500)
    client.post('/services/exchange/pause', status=204)
    late = []
    for _ in range(3):
        numbers = [order(client, 1) for _ in range(5)]
        same([decided(client, n) for n in numbers], ['REJECTED DUE TO DEADLINE'] * 5)
        late.append([lateness_ms(client, n) for n in numbers])
        holds(min(late[-1]) >= 0, f'before its time: {late[-1]}')
        if max(late[-1]) <= PROMPT_MS:
            return
    raise AssertionError(f'milliseconds late, in three rounds: {late}')


def fires_after_a_restart(world):
    """What is overdue at a start fires at once, what is not fires in time; after the next start nothing fires again."""
    process = world.start('--deadline', '500ms')
    client = process.client()
    give(client, 'jjy', 9500)
    client.post('/services/exchange/pause', status=204)
    overdue = order(client, 500)
    due_ms = time_ms(client.all('/deadlines')[0]['deadline'])
    process.end(signal.SIGKILL)
    wait_for(lambda: time.time() * 1000 > due_ms, 'the time of the deadline')
    process = world.start('--deadline', '1s')
    begun = time.monotonic()
    client = process.client()
    same(decided(client, overdue), 'REJECTED DUE TO DEADLINE')
    holds(time.monotonic() - begun < 0.5, f'the overdue deadline fired {time.monotonic() - begun:.2f} s after the start')
    waiting = order(client, 500)
    process.end(signal.SIGTERM)
    process = world.start('--deadline', '1s')
    client = process.client()
    same(decided(client, waiting), 'REJECTED DUE TO DEADLINE')
    process.end(signal.SIGKILL)
    client = world.start('--deadline', '1s').client()
    settled(client)
    for number in (overdue, waiting):
        same(messages(client, number), ['OrderCreated', 'DeadlineReached', 'OrderRejected'])
        holds(lateness_ms(client, number) >= 0, 'before its time')
    client.post('/services/exchange/resume', status=204)
    consistent(client, {'jjy': 9500})


def exactly_enough(world):
    """A user with exactly the points asked for succeeds; with fewer not, and they stay."""
    client = world.start().client()
    give(client, 'jjy', 500)
    same(decided(client, order(client, 500.01)), 'REJECTED DUE TO POINT LIMIT')
    same(points(client), 500)
    same(decided(client, order(client, 500)), 'APPROVED')
    same(points(client), 0)
    same(decided(client, order(client, 0.01)), 'REJECTED DUE TO POINT LIMIT')
    consistent(client, {'jjy': 500})


def balance_is_set(world):
    """POST /points for a user who has an account sets the balance."""
    client = world.start().client()
    give(client, 'jjy', 10000)
    give(client, 'jjy', 300)
    same(points(client), 300)
    same(decided(client, order(client, 301)), 'REJECTED DUE TO POINT LIMIT')
    same(decided(client, order(client, 300)), 'APPROVED')
    give(client, 'jjy', 0)
    same(points(client), 0)
    same(len(client.all('/points')), 1)


def orders_at_the_same_time(world):
    """Many orders of one user at once: exactly as many succeed as there are points for, and other users notice nothing."""
    process = world.start()
    client = process.client()
    give(client, 'jjy', 1000)
    give(client, 'kim', 100000)
    created = []

    def place(user):
        mine = process.client()
        for _ in range(10):
            created.append((user, order(mine, 100, user=user)))
        mine.close()

    threads = [threading.Thread(target=place, args=(user,)) for user in ('jjy', 'jjy', 'jjy', 'jjy', 'kim')]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    same(sorted(number for _, number in created), list(range(1, 51)))
    statuses = {user: [decided(client, n) for u, n in created if u == user] for user in ('jjy', 'kim')}
    same(sorted(statuses['jjy']), ['APPROVED'] * 10 + ['REJECTED DUE TO POINT LIMIT'] * 30)
    same(statuses['kim'], ['APPROVED'] * 10)
    consistent(client, {'jjy': 1000, 'kim': 100000})
    same((points(client), points(client, 'kim')), (0, 99000))


def survives_a_restart(world):
    """After a restart all is as it was, with the numbers of orders going on."""
    process = world.start()
    client = process.client()
    give(client, 'jjy', 10000)
    numbers = [order(client, amount) for amount in (500, 50000, 700)]
    before = [decided(client, n) for n in numbers]
    pages = ('/orders', '/points', '/exchanges', '/transactions', '/deadlines', '/traces/1')
    settled(client)
    shown = {page: client.get(page) for page in pages}
    for with_signal in (signal.SIGTERM, signal.SIGKILL):
        same(process.end(with_signal)[0], 0 if with_signal == signal.SIGTERM else -signal.SIGKILL)
        again = world.start()
        client = again.client()
        for page in pages:
            same(without_links(client.get(page)), without_links(shown[page]), page)
        process = again
    same([status(client, n) for n in numbers], before)
    same(order(client, 1), numbers[-1] + 1)


def without_links(value):
    """The same without links, in which the port stands."""
    if isinstance(value, dict):
        return {k: without_links(v) for k, v in value.items() if k != '_links'}
    return [without_links(v) for v in value] if isinstance(value, list) else value


SCENARIOS = (happy_path, more_than_there_is, exchange_error, exchange_stopped, paused_over_a_restart, expires_in_the_exchange,
             sleeps_and_is_in_time, fires_in_time, fires_after_a_restart, exactly_enough, balance_is_set, orders_at_the_same_time,
             survives_a_restart)

if __name__ == '__main__':
    edda.main(SCENARIOS)
