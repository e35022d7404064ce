"""The hotel under load: guests arrive, are charged, pay and leave; groups leave together, and those that failed try again. And the check."""
import collections

from load import Request  # first: it knows the way to the others
from edda import holds, same, wait_for

OPTIONS = ()
AMOUNTS = (100, 250, 1000)
GROUP_MAX = 30
REJECTED = 409


def prepare(_process):
    """Guests arrive with the load."""


def stays_of(known):
    return [r.answer['guestStayAccountId'] for r in known if r.path == '/guest-stays']


def request(chance, known):
    # What happened long ago is of no interest: most of those guests have left.
    stays, groups = stays_of(known[-200:]), [r.body for r in known[-200:] if r.path == '/group-checkouts']
    kind = chance.choice(('arrive', 'arrive', 'arrive', 'charge', 'pay', 'leave', 'group', 'again')) if stays else 'arrive'
    if kind == 'arrive':
        return Request('/guest-stays', {'guest': f'guest {chance.getrandbits(64)}', 'room': chance.choice((7, 8, 9, 10, 11, 12, 13))})
    if kind in ('charge', 'pay'):
        path = {'charge': 'charges', 'pay': 'payments'}[kind]
        return Request(f'/guest-stays/{chance.choice(stays)}/{path}', {'amount': chance.choice(AMOUNTS)}, (200, REJECTED))
    if kind == 'leave':
        return Request(f'/guest-stays/{chance.choice(stays)}/check-out', None, (200, 504))
    if kind == 'again' and groups:
        return Request('/group-checkouts', chance.choice(groups), (201, REJECTED))
    members = [chance.choice(stays) for _ in range(chance.randrange(1, GROUP_MAX))]
    return Request('/group-checkouts', {'groupCheckoutId': f'tour-{chance.getrandbits(64)}', 'clerkId': 'kim', 'guestStayAccountIds': members})


def totals(clients):
    """What was recorded, by path: the amounts of the requests that were no rejection."""
    sums = collections.Counter()
    for r in clients.acknowledged:
        if r.status == 200 and 'amount' in (r.body or {}):
            sums[r.path] += r.body['amount']
    return sums


def check_stays(stays, clients):
    asked = {r.answer['guestStayAccountId']: r.body for r in clients.acknowledged if r.path == '/guest-stays'}
    same(set(stays), set(asked), 'accounts, and those that were acknowledged')
    sums = totals(clients)
    for number, stay in stays.items():
        same({k: stay[k] for k in ('guest', 'room')}, asked[number], f'account {number}')
        same((stay['charges'], stay['payments']), (sums[f'/guest-stays/{number}/charges'], sums[f'/guest-stays/{number}/payments']),
             f'charges and payments of account {number}')
        same(stay['balance'], stay['charges'] - stay['payments'])
        holds(stay['status'] == 'open' or stay['balance'] == 0, f'account {number} left with a balance: {stay}')
    for r in clients.acknowledged:
        if r.path.endswith('/check-out') and r.status == 200 and r.answer['checkedOut']:
            same(stays[r.answer['guestStayAccountId']]['status'], 'checked out', f'account {r.answer}')


def check_groups(groups, stays, clients):
    asked = {}
    for r in clients.acknowledged:
        if r.path == '/group-checkouts':
            asked[r.body['groupCheckoutId']] = set(r.body['guestStayAccountIds'])
    same(set(groups), set(asked), 'groups, and those that were acknowledged')
    for name, members in asked.items():
        group = groups[name]
        same(group['accounts'], len(members), f'accounts of {name}')
        failed = {f['guestStayAccountId'] for f in group.get('failed', [])}
        same(group['status'], 'failed' if failed else 'completed', name)
        holds(failed <= members, f'{name} names accounts that are not in it: {failed - members}')
        for member in members:
            stay = stays[member]
            if member in failed:
                holds(stay.get('groupCheckoutId') != name, f'{name} failed for account {member}, which left with it')
            else:
                same(stay['status'], 'checked out', f'account {member}, not among the failures of {name}')


def check(process, clients):
    client = process.client()
    wait_for(lambda: not any(g['status'] == 'under way' for g in client.all('/group-checkouts')), 'the end of all groups')
    wait_for(lambda: not any(s['lag'] or s['pending'] for s in client.all('/services')), 'that all services are done')
    rows = client.all('/guest-stays')
    stays = {s['guestStayAccountId']: s for s in rows}
    same(len(stays), len(rows), 'accounts with a number of their own')
    check_stays(stays, clients)
    check_groups({g['groupCheckoutId']: g for g in client.all('/group-checkouts')}, stays, clients)
    same(client.get('/quarantine')['page']['totalElements'], 0, 'quarantined entities')
    client.close()
