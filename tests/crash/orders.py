"""The choreography under load: clients place orders. And the check of what came of it."""
from load import Request  # first: it knows the way to the others
from choreography import consistent
from edda import holds, same, wait_for

OPTIONS = ('--deadline', '1s', '--injected-delay', '1500ms')
USERS = ('jjy', 'kim', 'lee')
DEPOSIT = 20000
# Mostly ordinary ones, and some of each that ends otherwise.
CURRENCIES = (1,) * 16 + (0, 100, 200, 1)
AMOUNTS = (1, 10, 25, 50, 100, 100000)
FINAL = {'APPROVED', 'REJECTED DUE TO POINT LIMIT', 'REJECTED DUE TO DEADLINE', 'REJECTED DUE TO EXCHANGE ERROR'}


def request(chance, _known):
    return Request('/orders', {'holderId': chance.choice(USERS), 'currencyId': chance.choice(CURRENCIES), 'amount': chance.choice(AMOUNTS)})


def prepare(process):
    client = process.client()
    for user in USERS:
        client.post('/points', {'userId': user, 'point': DEPOSIT})
    client.close()


def check(process, clients):
    """Nothing that was acknowledged is lost, nothing was done twice, and every order has come to its end."""
    client = process.client()
    wait_for(lambda: not any(o['status'] == 'PENDING' for o in client.all('/orders')), 'the decisions of all orders')
    orders = {o['id']: o for o in client.all('/orders')}
    same(len(orders), len(client.all('/orders')), 'orders with a number of their own')
    acknowledged = {a.answer['id']: a for a in clients.acknowledged}
    same(len(acknowledged), len(clients.acknowledged), 'numbers that were given, of as many requests')
    same(set(acknowledged) - set(orders), set(), 'acknowledged orders that are lost')
    same(set(orders) - set(acknowledged), set(), 'orders that nobody asked for, or that were made twice')
    for number, asked in acknowledged.items():
        same({k: orders[number][k] for k in asked.body}, asked.body, f'order {number}')
        holds(orders[number]['status'] in FINAL, f'order {number} is {orders[number]["status"]}')
    numbers_go_on(clients.acknowledged)
    consistent(client, {user: DEPOSIT for user in USERS})
    same(client.get('/quarantine')['page']['totalElements'], 0, 'quarantined entities')
    client.close()


def numbers_go_on(acknowledged):
    """What was asked for first after a restart has a higher number than everything answered before it."""
    highest = 0
    by_epoch = {}
    for order in acknowledged:
        by_epoch.setdefault(order.epoch, []).append(order)
    for epoch in sorted(by_epoch):
        for order in by_epoch[epoch]:
            if order.asked_epoch == epoch:
                holds(order.answer['id'] > highest, f"number {order.answer['id']} was given after {highest}")
        highest = max([highest] + [order.answer['id'] for order in by_epoch[epoch]])
