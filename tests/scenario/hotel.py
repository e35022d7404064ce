#!/usr/bin/env python3
"""The hotel example from the outside, by its HTTP interface alone. The same script holds for all three ways it is written.

    hotel.py APPLICATION [NAME…]
"""
import json
import os
import signal
import sys
import threading

sys.dont_write_bytecode = True
import edda
from edda import holds, same, wait_for

NOT_SETTLED = 'the balance is not settled'
NO_SUCH_ACCOUNT = 'there is no such account'
LOCK_IS_SILENT = 'the lock of the room does not answer'
ROOM_WITH_SILENT_LOCK = 13
MANY = 10000


# --- what a clerk does -------------------------------------------------------------------------------------------------

def check_in(client, room=7):
    return client.post('/guest-stays', {'guest': 'Ada', 'room': room})['guestStayAccountId']


def charge(client, account, amount):
    return client.post(f'/guest-stays/{account}/charges', {'amount': amount}, status=200)


def pay(client, account, amount):
    return client.post(f'/guest-stays/{account}/payments', {'amount': amount}, status=200)


def check_out(client, account):
    return client.post(f'/guest-stays/{account}/check-out', status=200)


def stay(client, account):
    return client.get(f'/guest-stays/{account}')


def initiate(client, name, accounts=None, status=201):
    body = {'groupCheckoutId': name, 'clerkId': 'kim'}
    return client.post('/group-checkouts', body if accounts is None else {**body, 'guestStayAccountIds': accounts}, status=status)


def ended(client, name):
    """Waits until a group has ended, and gives its status and what failed, {account: reason}."""
    wait_for(lambda: client.get(f'/group-checkouts/{name}')['status'] != 'under way', f'the end of group {name}')
    group = client.get(f'/group-checkouts/{name}')
    return group['status'], {f['guestStayAccountId']: f['reason'] for f in group.get('failed', [])}


def check_in_many(process, count):
    """Some guests at a time, each at a desk of their own."""
    accounts = []

    def desk(guests):
        client = process.client()
        accounts.extend([check_in(client) for _ in range(guests)])
        client.close()

    desks = [threading.Thread(target=desk, args=(count // 4,)) for _ in range(4)]
    for one in desks:
        one.start()
    for one in desks:
        one.join()
    same(len(set(accounts)), count // 4 * 4)
    return sorted(accounts)


def messages(client, name):
    return [m['type'] for m in client.get(f'/traces/{name}')['messages']]


# --- one account -------------------------------------------------------------------------------------------------------

def a_stay(world):
    """A guest is charged, cannot leave, pays, and leaves; what comes too late is rejected."""
    process = world.start()
    client = process.client()
    created = client.ask('POST', '/guest-stays', {'guest': 'Ada', 'room': 7})
    same((created.status, created.headers['Location'], created.headers['ETag']), (201, process.url + '/guest-stays/1', '"0"'))
    same({k: v for k, v in created.json.items() if k != '_links'},
         {'guestStayAccountId': 1, 'guest': 'Ada', 'room': 7, 'status': 'open', 'charges': 0, 'payments': 0, 'balance': 0})
    same(charge(client, 1, 1250)['balance'], 1250)
    same(check_out(client, 1), {'guestStayAccountId': 1, 'checkedOut': False, 'reason': NOT_SETTLED})
    same(pay(client, 1, 1249)['balance'], 1)
    same(check_out(client, 1)['reason'], NOT_SETTLED)
    same(pay(client, 1, 1)['balance'], 0)
    same(check_out(client, 1), {'guestStayAccountId': 1, 'checkedOut': True})
    same(check_out(client, 1), {'guestStayAccountId': 1, 'checkedOut': False, 'reason': 'the guest has checked out already'})
    same((stay(client, 1)['status'], stay(client, 1)['balance']), ('checked out', 0))
    before = client.metric('edda_service_steps_total')
    for path in ('charges', 'payments'):
        answer = client.ask('POST', f'/guest-stays/1/{path}', {'amount': 1})
        same((answer.status, answer.headers['Content-Type']), (409, 'application/problem+json'))
    same(client.metric('edda_service_steps_total'), before, 'what was rejected is not recorded')
    same([s['guestStayAccountId'] for s in client.all('/guest-stays')], [1])


def versions(world):
    """Who has read an account asks by its ETag that nothing has happened since; 412 names both versions."""
    client = world.start().client()
    check_in(client)
    tag = client.ask('GET', '/guest-stays/1').headers['ETag']
    same(tag, '"0"')
    answer = client.ask('POST', '/guest-stays/1/charges', {'amount': 5}, {'If-Match': tag})
    same((answer.status, answer.headers['ETag']), (200, '"1"'))
    same(client.ask('GET', '/guest-stays/1').headers['ETag'], '"1"')
    for path, body in (('charges', {'amount': 5}), ('payments', {'amount': 5}), ('check-out', None)):
        answer = client.ask('POST', f'/guest-stays/1/{path}', body, {'If-Match': tag})
        same((answer.status, answer.json['detail']), (412, 'stream guest-stays/1 is at version 1, expected at version 0'))
    same(stay(client, 1)['balance'], 5)
    same(client.ask('POST', '/guest-stays/1/payments', {'amount': 5}, {'If-Match': '"1"', 'Idempotency-Key': 'once'}).headers['ETag'], '"2"')
    same(client.ask('POST', '/guest-stays/1/payments', {'amount': 5}, {'If-Match': '"1"', 'Idempotency-Key': 'once'}).headers['ETag'], '"2"')
    same(stay(client, 1)['balance'], 0)


def bad_input(world):
    """Each row is refused with its status and the field that is wrong, and nothing is recorded."""
    client = world.start().client()
    check_in(client)
    rows = [('/guest-stays', body, 422, field) for body, field in (
        ({'room': 7}, 'guest'), ({'guest': '', 'room': 7}, 'guest'), ({'guest': 'x' * 65, 'room': 7}, 'guest'), ({'guest': ['Ada'], 'room': 7}, 'guest'),
        ({'guest': 'Ada'}, 'room'), ({'guest': 'Ada', 'room': 0}, 'room'), ({'guest': 'Ada', 'room': 'attic'}, 'room'))]
    rows += [(f'/guest-stays/1/{path}', {'amount': amount}, 422, 'amount')
             for path in ('charges', 'payments') for amount in (0, -1, 1.5, 'much', None, 10 ** 13)]
    rows += [(f'/guest-stays/{account}/{path}', {'amount': 1}, 404, 'guestStayAccountId')
             for path in ('charges', 'payments', 'check-out') for account in ('2', '0', '-1')]
    rows += [(f'/guest-stays/{account}/{path}', {'amount': 1}, 422, 'guestStayAccountId')
             for path in ('charges', 'payments', 'check-out') for account in ('x', '01', '1.0', '9' * 20)]
    group = {'groupCheckoutId': 'tour', 'clerkId': 'kim', 'guestStayAccountIds': [1]}
    rows += [('/group-checkouts', {**group, field: value}, 422, field) for field, value in (
        ('groupCheckoutId', None), ('groupCheckoutId', ''), ('groupCheckoutId', 'x' * 65), ('clerkId', None), ('clerkId', ''),
        ('guestStayAccountIds', 1), ('guestStayAccountIds', list(range(MANY + 1))))]
    rows += [('/group-checkouts', {**group, 'guestStayAccountIds': [1, 'x']}, 422, 'guestStayAccountIds[1]'),
             ('/group-checkouts', {**group, 'guestStayAccountIds': []}, 409, 'guestStayAccountIds'),
             ('/group-checkouts', {**group, 'guestStayAccountIds': None}, 409, 'guestStayAccountIds'),
             ('/group-checkouts', b'{', 400, None)]
    before = client.metric('edda_service_steps_total')
    for path, body, status, field in rows:
        answer = client.ask('POST', path, body)
        same((answer.status, answer.json.get('field')), (status, field), f'{path} {str(body)[:100]}: {answer.body[:300]}')
        same(answer.headers['Content-Type'], 'application/problem+json')
    same(client.metric('edda_service_steps_total'), before, 'what was refused is not recorded')
    client.get('/group-checkouts/tour', status=404)


# --- groups ------------------------------------------------------------------------------------------------------------

def groups_of_any_size(world):
    """1, 100 and 10,000 accounts in a group: all leave with it, once."""
    process = world.start()
    client = process.client()
    for size in (1, 100, MANY):
        accounts = check_in_many(process, size) if size > 1 else [check_in(client)]
        name = f'tour-{size}'
        created = initiate(client, name, accounts)
        same((created['status'], created['accounts']), ('under way', size))
        same(ended(client, name), ('completed', {}))
        left = [s for s in client.all('/guest-stays') if s.get('groupCheckoutId') == name]
        same(sorted(s['guestStayAccountId'] for s in left), accounts)
        holds(all(s['status'] == 'checked out' for s in left), 'all have left')
    same([g['groupCheckoutId'] for g in client.all('/group-checkouts')], ['tour-1', 'tour-100', f'tour-{MANY}'])


def the_rest_of_many(world):
    """10,000 accounts, a few of which are not settled: the group names them; it is run again when they are, and only they are asked."""
    process = world.start()
    client = process.client()
    accounts = check_in_many(process, MANY)
    late = accounts[::1000]
    for account in late:
        charge(client, account, 500)
    initiate(client, 'tour', accounts)
    same(ended(client, 'tour'), ('failed', {account: NOT_SETTLED for account in late}))
    for account in late:
        pay(client, account, 500)
    before = client.metric('edda_service_steps_total')
    same(initiate(client, 'tour')['accounts'], MANY)
    same(ended(client, 'tour'), ('completed', {}))
    holds(client.metric('edda_service_steps_total') - before < 100, 'only the rest is done')
    holds(all(s['groupCheckoutId'] == 'tour' for s in client.all('/guest-stays')), 'all left with the group')
    process.end(signal.SIGKILL)
    client = world.start().client()
    same(ended(client, 'tour'), ('completed', {}))
    same(initiate(client, 'tour', status=409)['detail'], 'group tour is completed')


def run_again(world):
    """A group that failed is run again until nothing is left; a run that helps nothing fails again; a completed group is not run."""
    client = world.start().client()
    first, second, third = (check_in(client) for _ in range(3))
    charge(client, first, 100)
    charge(client, second, 100)
    initiate(client, 'tour', [first, second, third])
    same(ended(client, 'tour'), ('failed', {first: NOT_SETTLED, second: NOT_SETTLED}))
    initiate(client, 'tour', [first, second, third])
    same(ended(client, 'tour'), ('failed', {first: NOT_SETTLED, second: NOT_SETTLED}))
    pay(client, first, 100)
    initiate(client, 'tour')
    same(ended(client, 'tour'), ('failed', {second: NOT_SETTLED}))
    answer = initiate(client, 'tour', [second, 99], status=409)
    same((answer['field'], answer['detail']), ('guestStayAccountIds', 'account 99 is not in group tour'))
    pay(client, second, 100)
    initiate(client, 'tour')
    same(ended(client, 'tour'), ('completed', {}))
    same(initiate(client, 'tour', [first], status=409)['field'], 'groupCheckoutId')
    same(messages(client, 'tour').count('GuestCheckedOut'), 3)


def odd_groups(world):
    """Unknown accounts, the same account twice, a guest who has left, and an account in two groups: all groups end, and say so."""
    client = world.start().client()
    first, second, third = (check_in(client) for _ in range(3))
    same(initiate(client, 'twice', [first, first, first])['accounts'], 1)
    same(ended(client, 'twice'), ('completed', {}))
    same(messages(client, 'twice').count('CheckOutGuest'), 1)
    initiate(client, 'unknown', [first, 4711])
    same(ended(client, 'unknown'), ('failed', {4711: NO_SUCH_ACCOUNT}))
    check_out(client, second)
    initiate(client, 'gone', [first, second])
    same(ended(client, 'gone'), ('completed', {}))
    same([s.get('groupCheckoutId') for s in client.all('/guest-stays')], ['twice', None, None])
    client.post('/services/guest-stay/pause', status=204)
    initiate(client, 'a', [third])
    initiate(client, 'b', [third])
    same(initiate(client, 'a', [third], status=409)['detail'], 'group a is under way')
    client.post('/services/guest-stay/resume', status=204)
    same((ended(client, 'a'), ended(client, 'b')), (('completed', {}), ('completed', {})))
    same(stay(client, third)['groupCheckoutId'], 'a')
    same([messages(client, name).count('GuestCheckedOut') for name in 'ab'], [1, 0])


def leaves_while_the_group_is_under_way(world):
    """A guest checks out at the desk while the group is under way: there is nothing left to do for that account."""
    client = world.start().client()
    first, second = check_in(client), check_in(client)
    for service in [s['name'] for s in client.all('/services') if s['name'] in ('saga', 'process', 'front-desk')]:
        client.post(f'/services/{service}/pause', status=204)
        initiate(client, 'tour', [first, second])
        same(check_out(client, second)['checkedOut'], True)
        client.post(f'/services/{service}/resume', status=204)
    same(ended(client, 'tour'), ('completed', {}))
    same([s.get('groupCheckoutId') for s in client.all('/guest-stays')], ['tour', None])


def a_failure_that_no_rule_foresees(world):
    """At the desk it is an error, and nothing is recorded; in a group it is tried again, then caught and recorded."""
    client = world.start().client()
    good, bad = check_in(client), check_in(client, ROOM_WITH_SILENT_LOCK)
    before = client.metric('edda_service_steps_total')
    answer = client.ask('POST', f'/guest-stays/{bad}/check-out')
    same((answer.status, answer.json['detail']), (504, LOCK_IS_SILENT))
    same(client.metric('edda_service_steps_total'), before)
    initiate(client, 'tour', [good, bad])
    same(ended(client, 'tour'), ('failed', {bad: LOCK_IS_SILENT}))
    same([s['status'] for s in client.all('/guest-stays')], ['checked out', 'open'])
    same(client.get('/quarantine')['page']['totalElements'], 0)


def killed_at_once(world):
    """The process dies right after it has answered for a large group; it goes on where it was."""
    process = world.start()
    accounts = check_in_many(process, 1000)
    client = process.client()
    charge(client, accounts[0], 1)
    initiate(client, 'tour', accounts)
    for _ in range(3):
        process.end(signal.SIGKILL)
        process = world.start()
    client = process.client()
    same(ended(client, 'tour'), ('failed', {accounts[0]: NOT_SETTLED}))
    same(sum(s['status'] == 'checked out' for s in client.all('/guest-stays')), 999)


def a_repeat_changes_nothing(world):
    """The same request with its Idempotency-Key gets the first answer, after the end of the group and after a crash too."""
    process = world.start()
    client = process.client()
    account = check_in(client)
    body = {'groupCheckoutId': 'tour', 'clerkId': 'kim', 'guestStayAccountIds': [account]}
    first = client.post('/group-checkouts', body, Idempotency_Key='g1')
    same(ended(client, 'tour'), ('completed', {}))
    same(client.post('/group-checkouts', body, Idempotency_Key='g1')['status'], first['status'])
    process.end(signal.SIGKILL)
    client = world.start().client()
    same(client.post('/group-checkouts', body, Idempotency_Key='g1')['status'], first['status'])
    same(messages(client, 'tour').count('GroupCheckoutInitiated'), 1)


def measures_itself(world):
    """`bench` runs groups of random sizes, and says what they cost."""
    said = json.loads(world.run('bench', '--data', world.directory, '--processes', '1', '--singles', '10', '--json'))
    same((said['application'], said['refused']), (os.path.basename(world.application), 0))
    holds(said['processesPerSecond'] > 0, said)


SCENARIOS = (a_stay, versions, bad_input, groups_of_any_size, the_rest_of_many, run_again, odd_groups, leaves_while_the_group_is_under_way,
             a_failure_that_no_rule_foresees, killed_at_once, a_repeat_changes_nothing, measures_itself)

if __name__ == '__main__':
    edda.main(SCENARIOS)
