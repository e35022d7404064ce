"""The library under load: members rent the same few books, return them, are late and pay; books get lost and are found. And the check of what came of it."""
import collections
import re

from load import Request  # first: it knows the way to the others
from library import consistent, settled
from edda import same

OPTIONS = ()
USERS = ('jenny', 'tom', 'ann')
BOOKS = (1, 2, 3, 4)
REJECTED = 409


def prepare(process):
    client = process.client()
    for no in BOOKS:
        client.post('/books', {'no': no, 'title': f'book {no}'})
    for user in USERS:
        client.post('/rental-cards', {'userId': user, 'userName': user})
        client.post('/members', {'id': user, 'name': user})
    client.close()


def request(chance, _known):
    user, no = chance.choice(USERS), chance.choice(BOOKS)
    kind = chance.choice(('rent', 'rent', 'rent', 'return', 'return', 'return', 'overdue', 'clear-overdue', 'lost', 'found', 'found', 'points'))
    if kind in ('lost', 'found'):
        return Request(f'/books/{no}/{kind}', None, (204, REJECTED))
    if kind == 'points':
        return Request(f'/members/{user}/points', {'point': 1}, (200,))
    body = {'point': chance.choice((10, 20, 30))} if kind == 'clear-overdue' else {'no': no, 'title': f'book {no}'}
    return Request(f'/rental-cards/{user}/{kind}', body, (204, REJECTED) if kind == 'overdue' else (202, REJECTED))


def accepted(clients, kind):
    """Of each user: how much of a kind was accepted."""
    found = ((r, re.fullmatch(rf'/(?:rental-cards|members)/(\w+)/{kind}', r.path)) for r in clients.acknowledged if r.status != REJECTED)
    return collections.Counter(f[1] for r, f in found if f)


def outcomes(client, clients):
    """What became of each rent, return and clearing that was accepted, by the answers in their traces: (user, type of event) → how many, how many points."""
    ended = collections.Counter()
    numbers = {r.answer['request'] for r in clients.acknowledged if r.status == 202}
    for number in numbers:
        messages = [m for m in client.get(f'/traces/{number}')['messages'] if m['kind'] == 'message']
        told = [m for m in messages if m['type'] in ('ItemRented', 'ItemReturned', 'OverdueCleared')]
        answers = [m for m in messages if m['type'] == 'EventResult']
        same(sorted(m['id'] for m in told), sorted(a['causationId'] for a in answers), f'answers in {number}')
        for a in answers:
            user, kind = a['data']['idName']['id'], a['data']['eventType']
            ended[user, kind] += 1
            ended[user, kind, 'points'] += a['data']['point'] if a['data']['success'] else 0
        ends = collections.Counter(m['type'] for m in messages if re.fullmatch(r'(Rent|Return|Clear)(Confirmed|Cancelled)', m['type']))
        same(sum(ends.values()), len(answers), f'ends in {number}: {ends}')
        refused = sum(not a['data']['success'] for a in answers)
        same(sum(n for name, n in ends.items() if name.endswith('Cancelled')), refused, f'what was taken back in {number}')
    return ended


def check(process, clients):
    """Nothing that was acknowledged is lost, nothing was done twice, and everything has ended: it stands, or it never was."""
    client = process.client()
    settled(client)
    consistent(client)
    ended = outcomes(client, clients)
    rents, returns, cleared, bought = (accepted(clients, kind) for kind in ('rent', 'return', 'clear-overdue', 'points'))
    for user in USERS:
        same((ended[user, 'RENT'], ended[user, 'RETURN'], ended[user, 'OVERDUE']), (rents[user], returns[user], cleared[user]), f'what {user} has asked for')
        earned = ended[user, 'RENT', 'points'] + ended[user, 'RETURN', 'points'] - ended[user, 'OVERDUE', 'points']
        same(client.get(f'/members/{user}')['point'], earned + bought[user], f'the points of {user}')
    client.close()
