"""Clients that place orders until they are told to stop, whatever happens to the process: a request without an answer is sent again, with the
same Idempotency-Key, until it has one. And the check of what came of it."""
import http.client
import os
import random
import sys
import threading

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'scenario'))
import edda  # noqa: E402
from choreography import consistent  # noqa: E402
from edda import holds, same, wait_for  # noqa: E402

USERS = ('jjy', 'kim', 'lee')
DEPOSIT = 20000
# Mostly ordinary ones, and some of each that ends otherwise.
CURRENCIES = (1,) * 16 + (0, 100, 200, 1)
AMOUNTS = (1, 10, 25, 50, 100, 100000)
FINAL = {'APPROVED', 'REJECTED DUE TO POINT LIMIT', 'REJECTED DUE TO DEADLINE', 'REJECTED DUE TO EXCHANGE ERROR'}


class Acknowledged:
    """An order as a client knows it: what it asked for, and the number it was given. `epoch`: how often the process had been started when it was
    asked for first, and when the answer came."""

    def __init__(self, key, body, asked_epoch):
        self.key, self.body, self.asked_epoch = key, body, asked_epoch
        self.id = self.epoch = None
        self.sent = 0


class Load:
    """Some clients, each with a connection of its own and one request under way at a time."""

    def __init__(self, seed, clients=4):
        self.lock = threading.Lock()
        self.changed = threading.Condition(self.lock)
        self.process = None  # None: there is none, or it is about to be killed
        self.epoch = 0
        self.stopping = False
        self.acknowledged = []
        self.resent = 0
        self.wrong = []
        self.threads = [threading.Thread(target=self._place, args=(n, random.Random(f'{seed}/{n}')), daemon=True) for n in range(clients)]

    def start(self, process):
        """The process is there, for the first time or again."""
        with self.lock:
            self.process = process
            self.epoch += 1
            self.changed.notify_all()
        for thread in self.threads:
            if not thread.ident:
                thread.start()

    def gone(self):
        with self.lock:
            self.process = None

    def stop(self):
        """Lets every client have the answer to its last request."""
        with self.lock:
            self.stopping = True
        for thread in self.threads:
            thread.join(edda.LIMIT_S)
            holds(not thread.is_alive(), 'a client has no answer to its last request')
        same(self.wrong, [], 'answers that are no success')

    def _connect(self, known):
        """A client of the process that is there now; `known` when that is the one it has."""
        with self.changed:
            holds(self.changed.wait_for(lambda: self.process, edda.LIMIT_S * 4), 'there is no process')
            if known and known[0] is self.process:
                return known
            return self.process, self.process.client(), self.epoch

    def _place(self, number, chance):
        connection = None
        count = 0
        while not self.stopping:
            body = {'holderId': chance.choice(USERS), 'currencyId': chance.choice(CURRENCIES), 'amount': chance.choice(AMOUNTS)}
            order = Acknowledged(f'{number}-{count}', body, self.epoch)
            count += 1
            while order.id is None and not self.wrong:
                try:
                    connection = self._connect(connection)
                    self._send(order, connection)
                except (OSError, http.client.HTTPException):
                    connection = None
                except AssertionError as wrong:
                    self.wrong.append(str(wrong))
            if self.wrong:
                return

    def _send(self, order, connection):
        order.sent += 1
        answer = connection[1].ask('POST', '/orders', order.body, {'Idempotency-Key': order.key})
        if answer.status == 503:  # it is stopping
            raise ConnectionError(answer)
        same(answer.status, 201, f'{order.key} {order.body}, sent {order.sent} times: {answer}')
        order.id, order.epoch = answer.json['id'], connection[2]
        with self.lock:
            self.acknowledged.append(order)
            self.resent += order.sent > 1


def deposit(process):
    client = process.client()
    for user in USERS:
        client.post('/points', {'userId': user, 'point': DEPOSIT})
    client.close()


def check(process, load):
    """Nothing that was acknowledged is lost, nothing was done twice, and every order has come to its end."""
    client = process.client()
    wait_for(lambda: not any(o['status'] == 'PENDING' for o in client.all('/orders')), 'the decisions of all orders')
    orders = {o['id']: o for o in client.all('/orders')}
    same(len(orders), len(client.all('/orders')), 'orders with a number of their own')
    acknowledged = {a.id: a for a in load.acknowledged}
    same(len(acknowledged), len(load.acknowledged), 'numbers that were given, of as many requests')
    same(set(acknowledged) - set(orders), set(), 'acknowledged orders that are lost')
    same(set(orders) - set(acknowledged), set(), 'orders that nobody asked for, or that were made twice')
    for number, asked in acknowledged.items():
        same({k: orders[number][k] for k in asked.body}, asked.body, f'order {number}')
        holds(orders[number]['status'] in FINAL, f'order {number} is {orders[number]["status"]}')
    numbers_go_on(load.acknowledged)
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
                holds(order.id > highest, f'number {order.id} was given after {highest}')
        highest = max([highest] + [order.id for order in by_epoch[epoch]])
