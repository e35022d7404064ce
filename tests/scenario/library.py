#!/usr/bin/env python3
"""The library example from the outside: every way a rent, a return and a late fee can go, by the HTTP interface alone.

    library.py APPLICATION --naive=OTHER [NAME…]
"""
import json
import os
import signal
import sys
import threading
import time

sys.dont_write_bytecode = True
import edda
from edda import holds, same, says, wait_for

BELL, SEA, SUN = 1, 2, 3
TITLES = {BELL: '누구를 위하여 종을 울리나?', SEA: '노인과 바다', SUN: 'The Sun Also Rises'}
NAMES = {'jenny': '제니', 'tom': 'Tom', 'ann': 'Ann'}
POINTS = 10  # of a rent, of a return, and of a day too late
LATE_DAY_S = 0.01
TOPICS = ('rental_rent', 'rental_return', 'overdue_clear', 'point_use', 'rental_result')


# --- what a client of the example does ---------------------------------------------------------------------------------

def furnish(client, *users):
    """The books on the shelf, and cards for these users."""
    for no, title in TITLES.items():
        client.post('/books', {'no': no, 'title': title})
    for user in users or ('jenny', 'tom'):
        client.post('/rental-cards', {'userId': user, 'userName': NAMES[user]})


def rent(client, user, no):
    return client.post(f'/rental-cards/{user}/rent', {'no': no, 'title': TITLES.get(no, 'unknown')}, status=202)['request']


def give_back(client, user, no):
    return client.post(f'/rental-cards/{user}/return', {'no': no}, status=202)['request']


def overdue(client, user, no):
    client.post(f'/rental-cards/{user}/overdue', {'no': no}, status=204)


def clear(client, user, points):
    return client.post(f'/rental-cards/{user}/clear-overdue', {'point': points}, status=202)['request']


def card(client, user):
    return client.get(f'/rental-cards/{user}')


def rented(client, user):
    """What is on the card: number and status of each book."""
    return {i['no']: i['status'] for i in card(client, user)['rentItems']}


def settled(client):
    """Waits until no service that is not paused has anything left to do."""
    wait_for(lambda: not any((s['lag'] or s['pending']) and not s['paused'] for s in client.all('/services')), 'that all services are done')


def points(client, user):
    settled(client)
    return {m['id']: m['point'] for m in client.all('/members')}.get(user, 0)


def book(client, no):
    row = client.get(f'/books/{no}')
    return row['bookStatus'], row.get('borrower')


def counts(client):
    return {b['no']: b['rentCount'] for b in client.get('/best-books')}


def told(client, number):
    """What services told each other in a process, in order, with the answers as they are."""
    return [(m['type'], m['data']['success']) if m['type'] == 'EventResult' else m['type']
            for m in client.get(f'/traces/{number}')['messages'] if m['kind'] == 'message' and m['topic'] in TOPICS]


def consistent(client):
    """What is lent is on one card, and nothing else; nothing waits for an answer."""
    settled(client)
    lent = {}
    for c in client.all('/rental-cards'):
        same(c.get('clearing', 0), 0, f'{c}')
        holds(c['lateFee'] >= 0, f'{c}')
        for item in c['rentItems']:
            same(item['status'], 'RENTED', f'{c}')
            holds(item['no'] not in lent, f"book {item['no']} is on two cards")
            lent[item['no']] = c['userId']
    books = client.all('/books')
    same({b['no']: b['borrower'] for b in books if 'borrower' in b}, lent, 'who has what')
    same(counts(client), {b['no']: b['lent'] for b in books if b['lent']}, 'best books')
    same(client.get('/quarantine')['page']['totalElements'], 0, 'quarantined entities')


# --- what can happen ---------------------------------------------------------------------------------------------------

def rented_and_returned(world):
    """The book is gone and comes back, the member gets points for both, the rent is counted; and one trace tells all of it."""
    client = world.start().client()
    furnish(client)
    number = rent(client, 'jenny', BELL)
    settled(client)
    same((rented(client, 'jenny'), book(client, BELL), points(client, 'jenny')), ({BELL: 'RENTED'}, ('UNAVAILABLE', 'jenny'), 10))
    same(give_back(client, 'jenny', BELL), number)
    settled(client)
    same((rented(client, 'jenny'), book(client, BELL), points(client, 'jenny')), ({}, ('AVAILABLE', None), 20))
    same(counts(client), {BELL: 1})
    same(told(client, number), ['ItemRented', ('EventResult', True), 'ItemReturned', ('EventResult', True)])
    consistent(client)


def lent_already(world):
    """Two want the same book: one has it; the other's rent is cancelled, and the points go as they came."""
    client = world.start().client()
    furnish(client)
    rent(client, 'jenny', BELL)
    number = rent(client, 'tom', BELL)
    settled(client)
    same((rented(client, 'tom'), book(client, BELL), points(client, 'tom')), ({}, ('UNAVAILABLE', 'jenny'), 0))
    same(told(client, number), ['ItemRented', ('EventResult', False), 'UsePoints'])
    same(counts(client), {BELL: 1})
    says(client.text(f'/requests/{number}/trace'), 'BookRefused .*reason="the book is lent', 'RentCancelled', 'UsePoints', 'PointsUsed')
    consistent(client)


def best_books(world):
    """The most rented come first; a restart changes nothing, and what is built anew from the log is the same."""
    process = world.start()
    client = process.client()
    furnish(client)
    for no in (SEA, SUN, BELL, SEA, SEA, SUN):
        rent(client, 'jenny', no)
        settled(client)
        rent(client, 'tom', no)
        settled(client)
        give_back(client, 'jenny', no)
        settled(client)
    order = [(SEA, 3), (SUN, 2), (BELL, 1)]
    same([(b['no'], b['rentCount']) for b in client.get('/best-books')], order)
    same(client.get('/best-books')[0], {'no': SEA, 'title': TITLES[SEA], 'rentCount': 3})
    process.end(signal.SIGKILL)
    process = world.start()
    same([(b['no'], b['rentCount']) for b in process.client().get('/best-books')], order)
    process.end(signal.SIGTERM)
    os.remove(os.path.join(world.data, 'read-models.db'))
    same([(b['no'], b['rentCount']) for b in world.start().client().get('/best-books')], order)


def no_such_book(world):
    """A book that nobody has put on the shelf is refused by who knows of it."""
    client = world.start().client()
    furnish(client)
    number = rent(client, 'jenny', 99)
    settled(client)
    same((rented(client, 'jenny'), points(client, 'jenny'), counts(client)), ({}, 0, {}))
    same(told(client, number), ['ItemRented', ('EventResult', False), 'UsePoints'])
    consistent(client)


def lost_and_found(world):
    """A book that is lost cannot be returned: it stays on the card, and the points of the return go. When it is found it can."""
    client = world.start().client()
    furnish(client)
    number = rent(client, 'jenny', BELL)
    settled(client)
    client.post(f'/books/{BELL}/lost', status=204)
    give_back(client, 'jenny', BELL)
    settled(client)
    same((rented(client, 'jenny'), book(client, BELL), points(client, 'jenny')), ({BELL: 'RENTED'}, ('LOST', 'jenny'), 10))
    same(told(client, number)[2:], ['ItemReturned', ('EventResult', False), 'UsePoints'])
    client.post(f'/books/{BELL}/lost', status=409)
    client.post(f'/books/{BELL}/found', status=204)
    give_back(client, 'jenny', BELL)
    settled(client)
    same((rented(client, 'jenny'), points(client, 'jenny')), ({}, 20))
    consistent(client)


def too_late(world):
    """What is overdue suspends the card, until it is back and the fee is paid: with too few points it is not."""
    client = world.start().client()
    furnish(client)
    rent(client, 'jenny', BELL)
    rent(client, 'jenny', SEA)
    settled(client)
    overdue(client, 'jenny', BELL)
    overdue(client, 'jenny', SEA)
    same(card(client, 'jenny')['rentStatus'], 'RENT_UNAVAILABLE')
    says(client.post('/rental-cards/jenny/rent', {'no': SUN, 'title': 'x'}, status=409)['detail'], 'suspended')
    give_back(client, 'jenny', BELL)
    settled(client)
    says(client.post('/rental-cards/jenny/clear-overdue', {'point': 10}, status=409)['detail'], 'has a book that is overdue')
    give_back(client, 'jenny', SEA)
    settled(client)
    same((card(client, 'jenny')['lateFee'], card(client, 'jenny')['rentStatus'], points(client, 'jenny')), (20, 'RENT_UNAVAILABLE', 40))
    same(client.post('/rental-cards/jenny/clear-overdue', {'point': 10}, status=409)['detail'], 'the fee is another one')
    number = clear(client, 'jenny', 20)
    settled(client)
    same((card(client, 'jenny')['lateFee'], card(client, 'jenny')['rentStatus'], points(client, 'jenny')), (0, 'RENT_AVAILABLE', 20))
    same(told(client, number), ['OverdueCleared', ('EventResult', True)])
    consistent(client)


def late(client, user, no):
    """A book that is some days late is back, and costs more than the points that a rent and a return bring. Returns the fee."""
    rent(client, user, no)
    settled(client)
    overdue(client, user, no)
    since = time.monotonic()
    wait_for(lambda: time.monotonic() > since + 3 * LATE_DAY_S, 'some days to pass')
    give_back(client, user, no)
    settled(client)
    return card(client, user)['lateFee']


def too_few_points(world):
    """The fee stays, and so do the points; with some that are bought it is paid."""
    client = world.start('--late-day', f'{round(1000 * LATE_DAY_S)}ms').client()
    furnish(client)
    fee = late(client, 'jenny', BELL)
    holds(fee >= 40, f'a fee of {fee}')
    number = clear(client, 'jenny', fee)
    settled(client)
    same((card(client, 'jenny')['lateFee'], card(client, 'jenny')['rentStatus'], points(client, 'jenny')), (fee, 'RENT_UNAVAILABLE', 20))
    same(told(client, number), ['OverdueCleared', ('EventResult', False)])
    says(client.text(f'/requests/{number}/trace'), 'PointsLacked', 'ClearCancelled')
    same(client.post('/members/jenny/points', {'point': fee - 20}, status=200)['point'], fee)
    clear(client, 'jenny', fee)
    settled(client)
    same((card(client, 'jenny')['lateFee'], card(client, 'jenny')['rentStatus'], points(client, 'jenny')), (0, 'RENT_AVAILABLE', 0))
    consistent(client)


def a_fee_is_paid_once(world):
    """While the member has not answered, the fee is neither paid nor to be paid again."""
    client = world.start().client()
    furnish(client)
    rent(client, 'tom', BELL)
    settled(client)
    overdue(client, 'tom', BELL)
    client.post('/services/member/pause', status=204)
    give_back(client, 'tom', BELL)
    wait_for(lambda: card(client, 'tom')['lateFee'] == 10, 'the fee of what came back')
    clear(client, 'tom', 10)
    same((card(client, 'tom')['clearing'], card(client, 'tom')['rentStatus']), (10, 'RENT_UNAVAILABLE'))
    same(client.post('/rental-cards/tom/clear-overdue', {'point': 10}, status=409)['detail'], 'the fee is being paid')
    client.post('/services/member/resume', status=204)
    settled(client)
    same((points(client, 'tom'), card(client, 'tom')['lateFee']), (10, 0))
    consistent(client)


def not_before_the_answer(world):
    """While the book has not answered its rent cannot be built on; afterwards it can."""
    client = world.start().client()
    furnish(client)
    client.post('/services/book/pause', status=204)
    rent(client, 'jenny', BELL)
    same(rented(client, 'jenny'), {BELL: 'RENTING'})
    same(client.post('/rental-cards/jenny/return', {'no': BELL}, status=409)['detail'], 'the rent of this book is not confirmed yet')
    same(client.post('/rental-cards/jenny/overdue', {'no': BELL}, status=409)['detail'], 'the rent of this book is not confirmed yet')
    same(client.post('/rental-cards/jenny/rent', {'no': BELL, 'title': 'x'}, status=409)['detail'], 'the card has this book')
    wait_for(lambda: {m['id']: m['point'] for m in client.all('/members')} == {'jenny': 10}, 'the points')
    client.post('/services/book/resume', status=204)
    settled(client)
    give_back(client, 'jenny', BELL)
    consistent(client)
    same(points(client, 'jenny'), 20)


def restarts_in_the_middle(world):
    """Whichever way the process ends, what waits for an answer gets it after the next start; and all looks as before."""
    process = world.start()
    client = process.client()
    furnish(client, 'jenny', 'tom', 'ann')
    client.post('/services/book/pause', status=204)
    for user in ('jenny', 'tom', 'ann'):
        rent(client, user, BELL)
    for with_signal in (signal.SIGKILL, signal.SIGTERM):
        process.end(with_signal)
        process = world.start()
        client = process.client()
        same([rented(client, user) for user in ('jenny', 'tom', 'ann')], [{BELL: 'RENTING'}] * 3)
    client.post('/services/rental/pause', status=204)
    client.post('/services/book/resume', status=204)
    wait_for(lambda: book(client, BELL) == ('UNAVAILABLE', 'jenny'), 'the book to be lent')
    process.end(signal.SIGKILL)
    process = world.start()
    client = process.client()
    client.post('/services/rental/resume', status=204)
    settled(client)
    same([rented(client, user) for user in ('jenny', 'tom', 'ann')], [{BELL: 'RENTED'}, {}, {}])
    same([points(client, user) for user in ('jenny', 'tom', 'ann')], [10, 0, 0])
    consistent(client)
    shown = {path: client.text(path) for path in ('/rental-cards', '/books', '/members', '/best-books', '/traces/1')}
    process.end(signal.SIGKILL)
    again = world.start()
    for path, text in shown.items():
        same(again.client().text(path).replace(again.url, process.url), text, path)


def many_at_once(world):
    """Each of many wants the same books: each book is lent to one, and the others lose nothing and gain nothing."""
    process = world.start()
    client = process.client()
    furnish(client)
    users = [f'reader-{n}' for n in range(12)]

    def read(user):
        mine = process.client()
        mine.post('/rental-cards', {'userId': user, 'userName': user})
        for no in TITLES:
            rent(mine, user, no)
        mine.close()

    threads = [threading.Thread(target=read, args=(user,)) for user in users]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    consistent(client)
    same(sum(len(rented(client, user)) for user in users), len(TITLES))
    same({user: points(client, user) for user in users}, {user: POINTS * len(rented(client, user)) for user in users})


# --- to the letter -----------------------------------------------------------------------------------------------------

def cards_to_the_letter(world):
    """A card's representation, its ETag, and what If-Match makes of a change that somebody else has overtaken."""
    process = world.start()
    client = process.client()
    furnish(client, 'tom')
    created = client.ask('POST', '/rental-cards', {'userId': 'jenny', 'userName': '제니'})
    same((created.status, created.headers['Location'], created.headers['ETag']), (201, process.url + '/rental-cards/jenny', '"0"'))
    accepted = client.ask('POST', '/rental-cards/jenny/rent', {'no': BELL, 'title': TITLES[BELL]}, {'If-Match': '"0"'})
    same((accepted.status, accepted.json, accepted.headers['ETag']), (202, {'userId': 'jenny', 'request': 1}, '"1"'))
    settled(client)
    shown = client.ask('GET', '/rental-cards/jenny')
    same((shown.headers['ETag'], list(shown.json.items())),
         ('"2"', [('userId', 'jenny'), ('userName', '제니'), ('rentStatus', 'RENT_AVAILABLE'),
                  ('rentItems', [{'no': 1, 'title': TITLES[BELL], 'status': 'RENTED', 'request': 1}]), ('lateFee', 0), ('request', 1),
                  ('_links', {'self': {'href': process.url + '/rental-cards/jenny'}})]))
    same(client.ask('GET', '/rental-cards/jenny', headers={'If-None-Match': '"2"'}).status, 304)
    for path, body in (('rent', {'no': SEA, 'title': 'x'}), ('return', {'no': BELL}), ('overdue', {'no': BELL})):
        same(client.ask('POST', f'/rental-cards/jenny/{path}', body, {'If-Match': '"1"'}).status, 412, path)
    same(client.ask('POST', '/rental-cards/jenny/overdue', {'no': BELL}, {'If-Match': '"2"'}).headers['ETag'], '"3"')
    same([c['userId'] for c in client.all('/rental-cards')], ['tom', 'jenny'])
    same(list(client.get('/books/1').items())[:5], [('no', 1), ('title', TITLES[BELL]), ('bookStatus', 'UNAVAILABLE'), ('borrower', 'jenny'), ('lent', 1)])
    same(list(client.get('/members/jenny').items())[:3], [('id', 'jenny'), ('name', '제니'), ('point', 10)])


def events_to_the_letter(world):
    """What is on the topics has the members that the services of the original read, and no others: their parser refuses what it does not know."""
    client = world.start().client()
    furnish(client)
    number = rent(client, 'jenny', BELL)
    settled(client)
    give_back(client, 'jenny', BELL)
    settled(client)
    refused = rent(client, 'jenny', 99)
    settled(client)
    who, what = {'id': 'jenny', 'name': '제니'}, {'no': 1, 'title': TITLES[BELL]}
    there = {(m['topic'], m['type']): m for n in (refused, number) for m in client.get(f'/traces/{n}')['messages']
             if m['kind'] == 'message' and m['topic'] in TOPICS}
    same(there['rental_rent', 'ItemRented']['data'], {'idName': who, 'item': what, 'point': 10})
    same(there['rental_return', 'ItemReturned']['data'], {'idName': who, 'item': what, 'point': 10})
    same(there['rental_result', 'EventResult']['data'], {'eventType': 'RETURN', 'success': True, 'idName': who, 'item': what, 'point': 10})
    same(there['point_use', 'UsePoints']['data'], {'idName': who, 'point': 10})
    same({m['key'] for m in there.values()}, {'jenny'})


def bad_input(world):
    """What is wrong is named, with a 4xx, and nothing is recorded."""
    client = world.start().client()
    furnish(client)
    rent(client, 'jenny', BELL)
    settled(client)
    before = client.metric('edda_journal_tail')
    jenny = '/rental-cards/jenny'
    wrong = (
        ('/rental-cards', {}, 422, 'userId'), ('/rental-cards', {'userId': 'kim'}, 422, 'userName'),
        ('/rental-cards', {'userId': '', 'userName': 'x'}, 422, 'userId'), ('/rental-cards', {'userId': 'x' * 65, 'userName': 'x'}, 422, 'userId'),
        ('/rental-cards', {'userId': 'jenny', 'userName': 'x'}, 409, 'userId'), ('/rental-cards', b'{', 400, None),
        (jenny + '/rent', {}, 422, 'no'), (jenny + '/rent', {'no': 2}, 422, 'title'), (jenny + '/rent', {'no': 0}, 422, 'no'), (jenny + '/rent', {'no': 'x'}, 422, 'no'),
        (jenny + '/rent', {'no': 2, 'title': 'x' * 201}, 422, 'title'), (jenny + '/rent', {'no': 1.5, 'title': 'x'}, 422, 'no'),
        ('/rental-cards/kim/rent', {'no': 1, 'title': 'x'}, 404, 'userId'), ('/rental-cards/kim/return', {'no': 1}, 404, 'userId'),
        ('/rental-cards/kim/overdue', {'no': 1}, 404, 'userId'), ('/rental-cards/kim/clear-overdue', {'point': 1}, 404, 'userId'),
        (jenny + '/return', {'no': -1}, 422, 'no'), (jenny + '/return', {'no': 2}, 409, None), (jenny + '/overdue', {}, 422, 'no'),
        (jenny + '/clear-overdue', {}, 422, 'point'), (jenny + '/clear-overdue', {'point': 0}, 422, 'point'),
        ('/books', {'no': 4}, 422, 'title'), ('/books', {'no': 4, 'title': ''}, 422, 'title'), ('/books', {'no': 1, 'title': 'x'}, 409, 'no'),
        ('/books/99/lost', None, 404, 'no'), ('/books/x/lost', None, 404, 'no'), ('/books/1/found', None, 409, None),
        ('/members/kim/points', {'point': 1}, 409, 'id'), ('/members/jenny/points', {'point': -1}, 422, 'point'),
        ('/members', {'id': 'kim'}, 422, 'name'), ('/members', {'id': 'jenny', 'name': 'x'}, 409, 'id'),
    )
    for path, body, status, field in wrong:
        answer = client.ask('POST', path, body)
        same((answer.status, answer.json.get('field')), (status, field), f'{path} {body}: {answer}')
        same(answer.headers['Content-Type'], 'application/problem+json')
    same(client.metric('edda_journal_tail'), before, 'records')
    same((rented(client, 'jenny'), len(client.all('/books')), len(client.all('/rental-cards'))), ({BELL: 'RENTED'}, len(TITLES), 2))


def repeated_requests(world):
    """A request that is sent again with its Idempotency-Key gets the first answer, and is done once."""
    client = world.start().client()
    furnish(client)
    for _ in range(2):
        same(client.post('/rental-cards/jenny/rent', {'no': BELL, 'title': 'x'}, status=202, Idempotency_Key='rent')['request'], 1)
    settled(client)
    for _ in range(2):
        same(client.post('/rental-cards/jenny/return', {'no': BELL}, status=202, Idempotency_Key='return')['request'], 1)
    settled(client)
    same((points(client, 'jenny'), counts(client)), (20, {BELL: 1}))
    consistent(client)


def says_what_it_can(world):
    """--help of the program and of its commands names what it is."""
    says(world.run('--help'), 'usage: library COMMAND', 'rental, book, member and best-book', 'simulate')
    says(world.run('run', '--help'), '--late-day', '24h', '8090')
    says(world.run('simulate', '--seeds', '20', '--quiet'), '^library: 20 seeds from 1, 0 failed')


def measures_itself(world):
    """bench rents and returns a book for each process, and nothing is refused."""
    figures = json.loads(world.run('bench', '--data', world.directory, '--singles', '20', '--processes', '1000', '--json'))
    same((figures['application'], figures['refused']), ('library', 0))


def naive_one_is_caught(world):
    """The simulator finds in an early seed that a refused return puts a book back on a card that does not have it, and draws how."""
    said = world.run('simulate', '--seeds', '10', '--quiet', status=1, application=edda.option('naive', ''))
    says(said, r'^seed \d: \d invariants? (is|are) broken', r'has book \d+, which is lent to nobody', r'ms  ReturnItem',
         r'outside +rental +book', 'RentCancelled', 'ReturnCancelled')


SCENARIOS = (rented_and_returned, lent_already, best_books, no_such_book, lost_and_found, too_late, too_few_points, a_fee_is_paid_once,
             not_before_the_answer, restarts_in_the_middle, many_at_once, cards_to_the_letter, events_to_the_letter, bad_input, repeated_requests,
             says_what_it_can, measures_itself, naive_one_is_caught)

if __name__ == '__main__':
    edda.main(SCENARIOS)
