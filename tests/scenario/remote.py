#!/usr/bin/env python3
"""A remote service for real: examples/remote with its service in Python and in JavaScript, which dies, is away, is slow and answers nonsense."""
import hashlib
import hmac
import http.server
import json
import os
import shutil
import socket
import subprocess
import threading
import time

import edda
from edda import Skip, holds, same, says, wait_for

HERE = os.path.dirname(os.path.abspath(__file__))
EXAMPLE = os.path.join(HERE, '..', '..', 'examples', 'remote')
SECRET = 'correct-horse-battery'
ENVIRONMENT = {**os.environ, 'EDDA_REMOTE_SECRET': SECRET, 'no_proxy': '*', 'PYTHONDONTWRITEBYTECODE': '1'}


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


class Service:
    """service.py or service.mjs on a port."""

    def __init__(self, name, port, secret=SECRET):
        command = {'service.py': ['python3'], 'service.mjs': [shutil.which('node') or 'node']}[name]
        self.process = subprocess.Popen([*command, os.path.join(EXAMPLE, name), str(port)], stdout=subprocess.PIPE, text=True,
                                        env={**ENVIRONMENT, 'EDDA_REMOTE_SECRET': secret})
        says(self.process.stdout.readline(), 'listening')

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class Played:
    """A service that the test plays: answer(event) gives a status and a body, text or JSON."""

    def __init__(self, answer):
        outer = self
        self.answer, self.asked = answer, []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'

            def do_POST(self):
                body = self.rfile.read(int(self.headers['Content-Length']))
                outer.asked.append((dict(self.headers), body))
                status, value = outer.answer(json.loads(body))
                text = (value if isinstance(value, str) else json.dumps(value)).encode()
                try:
                    self.send_response(status)
                    self.send_header('Content-Length', str(len(text)))
                    self.end_headers()
                    self.wfile.write(text)
                except OSError:
                    self.close_connection = True

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                pass

        self.server = Server(('127.0.0.1', 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def start(world, port):
    return world.start('--remote', f'lending=http://127.0.0.1:{port}/', env=ENVIRONMENT)


def lend(process, loan, amount=100, **headers):
    client = process.client()
    answer = client.ask('POST', '/loans', {'loan': loan, 'member': 'ann', 'amount': amount}, headers)
    client.close()
    return answer


def left(process, loan):
    client = process.client()
    answer = client.ask('GET', f'/loans/{loan}')
    client.close()
    return answer.json['left'] if answer.status == 200 else None


def held(process):
    client = process.client()
    rows = client.all('/quarantine')
    client.close()
    return rows


def breakers(process):
    client = process.client()
    row = client.all('/services')[0]
    client.close()
    return row.get('openBreakers', [])


def whole_process(world, name):
    """A loan is granted, refused twice, paid back and closed; the service dies in the middle and comes back."""
    port = free_port()
    service = Service(name, port)
    process = start(world, port)
    client = process.client()
    answer = lend(process, 'l1', 500)
    same((answer.status, answer.json['left']), (201, 525.0))
    says(answer.headers['Location'], '/loans/l1')
    same(answer.headers['ETag'], '"0"')
    answer = lend(process, 'l1', 500)
    same((answer.status, answer.json['field']), (409, 'loan'))
    same(lend(process, 'l2', 20000).json['field'], 'amount')
    same(len(client.all('/deadlines')), 1)
    # A repeat with its key gets the first answer, and is not asked about again.
    for _ in range(2):
        answer = lend(process, 'l3', 100, **{'Idempotency-Key': 'k3'})
        same((answer.status, answer.json['left']), (201, 105.0))
    # The service dies: what is asked meanwhile is accepted, and done when it is back.
    service.kill()
    same(lend(process, 'l4', 100).status, 202)
    wait_for(lambda: breakers(process) or lend(process, f'x{time.monotonic_ns()}', 100).status == 0, 'an open breaker')
    same(lend(process, 'l5', 100).status, 202)
    same(held(process), [])
    service = Service(name, port)
    wait_for(lambda: left(process, 'l4') == 105 and left(process, 'l5') == 105, 'loans of meanwhile')
    wait_for(lambda: not breakers(process), 'a closed breaker')
    same(held(process), [])
    # So does this program.
    process.kill()
    process = start(world, port)
    client = process.client()
    same(client.post('/payments', {'loan': 'l1', 'amount': 525}, status=200), {'loan': 'l1', 'left': 0.0})
    answer = client.ask('POST', '/payments', {'loan': 'l1', 'amount': 5})
    same((answer.status, answer.json['detail'].count('nothing is owed')), (409, 1))
    says(client.text('/traces/l1'), 'LoanGranted', 'LoanClosed')
    holds(not [row for row in client.all('/deadlines') if row['key'] == 'l1'], 'its deadline is cancelled')
    same(process.end()[0], 0)
    service.kill()


def in_python(world):
    """service.py, from the first loan to the last."""
    whole_process(world, 'service.py')


def in_javascript(world):
    """service.mjs, the same."""
    if not shutil.which('node'):
        raise Skip('there is no node here')
    whole_process(world, 'service.mjs')


def what_is_asked(world):
    """The request is a CloudEvent with state, correlation and a signature that can be verified."""
    played = Played(lambda event: (200, {'messages': [{'type': 'LoanGranted', 'data': {**event['data'], 'interest': 1}}]} if event['state'] is None else {}))
    process = start(world, played.port)
    lent = [lend(process, 'l1') for _ in range(2)]
    same([(answer.status, answer.json['loan']) for answer in lent], [(201, 'l1'), (201, 'l1')], 'the row answers, since the service does not')
    headers, body = played.asked[0]
    seconds, signature = headers['Edda-Signature'].removeprefix('t=').split(',v1=')
    same(signature, hmac.new(SECRET.encode(), seconds.encode() + b'.' + body, hashlib.sha256).hexdigest())
    holds(abs(time.time() - int(seconds)) < 60, 'the time of the signature')
    same(headers['Content-Type'], 'application/cloudevents+json')
    same(len(headers['Idempotency-Key']), 32)
    event = json.loads(body)
    same({name: event[name] for name in ('specversion', 'type', 'subject', 'service', 'entitykey', 'correlationid', 'attempt', 'state', 'data')},
         {'specversion': '1.0', 'type': 'AskLoan', 'subject': 'l1', 'service': 'lending', 'entitykey': 'l1', 'correlationid': 'l1', 'attempt': 0,
          'state': None, 'data': {'loan': 'l1', 'member': 'ann', 'amount': 100.0}})
    same(json.loads(played.asked[1][1])['state'], {'member': 'ann', 'left': 101.0, 'reminders': 0, 'closed': False})
    same(process.end()[0], 0)
    played.close()


def wrong_answers(world):
    """Each fails the step with the path of what is wrong, and quarantines it in the end; none records anything."""
    granted = {'loan': 'l1', 'member': 'ann', 'amount': 1, 'interest': 1}
    cases = (
        ('no json', 'lending is wrong'),
        ({'mesages': []}, 'mesages: there is no such member'),
        ({'messages': [{'type': 'LoanGranted', 'data': granted}, {'type': 'LoanLost', 'data': {}}]}, r'messages\[1\]\.type: there is no message type LoanLost'),
        ({'messages': [{'type': 'LoanGranted', 'data': {**granted, 'interest': -1}}]}, r'messages\[0\]\.data\.interest: '),
        ({'messages': [{'type': 'LoanGranted', 'data': {**granted, 'intrest': 1}}]}, r'messages\[0\]\.data\.intrest: there is no such field'),
        ({'messages': [{'type': 'LoanGranted', 'data': {'loan': 'l1'}}]}, r'messages\[0\]\.data\.'),
        ({'deadlines': [{'name': 'x', 'type': 'LoanOverdue', 'data': {'loan': 'l1'}}]}, r'deadlines\[0\]: at or after_ms'),
        ({'reply': {'type': 'Loan', 'data': {'loan': 'l1', 'left': 'many'}}}, r'reply\.data\.left: '),
        ({'skip': 'no', 'messages': [{'type': 'LoanGranted', 'data': granted}]}, 'skip: nothing else'),
    )
    current = []
    played = Played(lambda event: (200, current[0]))
    process = start(world, played.port)
    for number, (answer, words) in enumerate(cases):
        current[:] = [answer]
        loan = f'w{number}'
        same(lend(process, loan).status, 202)
        rows = wait_for(lambda loan=loan: [row for row in held(process) if row['key'] == loan], f'{answer} in quarantine')
        says(rows[0]['reason'], words)
        same(left(process, loan), None)
    asked = len(played.asked)
    # The message is tried again by an operator when the service is mended.
    current[:] = [{'messages': [{'type': 'LoanGranted', 'data': {**granted, 'loan': 'w0'}}]}]
    world.run('quarantine', 'retry', 'lending', 'w0', '--url', process.url)
    wait_for(lambda: left(process, 'w0') == 2, 'the loan of the mended service')
    holds(len(played.asked) > asked, 'it was asked again')
    same(process.end()[0], 0)
    played.close()


def statuses(world):
    """422 is about the message, which is quarantined at once; 401 and 500 are about the service, which is waited for."""
    current = [422]
    played = Played(lambda event: (current[0], {} if current[0] == 200 else {'error': 'no'}))
    process = start(world, played.port)
    same(lend(process, 'l1').status, 409)
    same(len(held(process)), 1)
    same(len(played.asked), 1)
    for status in (401, 500):
        current[0] = status
        for name in 'abcd': # the breaker opens before any of them has been tried too often
            same(lend(process, f'{name}{status}').status, 202)
        wait_for(lambda: breakers(process) == ['*'], f'an open breaker after {status}')
        current[0] = 200
        wait_for(lambda: not breakers(process), 'a closed breaker')
    same(len(held(process)), 1)
    same(process.end()[0], 0)
    played.close()


def one_that_is_too_slow(world):
    """An answer that does not come within the time limit is none."""
    slow = [True]
    gone = threading.Event()

    def answer(event):
        if slow[0]:
            gone.wait(20)
        return 200, {'messages': [{'type': 'LoanGranted', 'data': {**event['data'], 'interest': 1}}]}

    played = Played(answer)
    process = start(world, played.port)
    begun = time.monotonic()
    same(lend(process, 'l1').status, 202)
    holds(1.5 < time.monotonic() - begun < 10, 'the time limit of two seconds')
    slow[0] = False
    gone.set()
    wait_for(lambda: left(process, 'l1') == 101, 'the loan')
    same(process.end()[0], 0)
    played.close()


def wrong_starts(world):
    """Without secret or a URL that is one it does not start, and says why."""
    bare = {name: value for name, value in ENVIRONMENT.items() if name != 'EDDA_REMOTE_SECRET'}
    short = os.path.join(world.directory, 'secret')
    with open(short, 'w') as file:
        file.write('short\n')
    for environment, options, words in ((bare, [], 'EDDA_REMOTE_SECRET'), (ENVIRONMENT, ['--remote', 'lending=ftp://x/'], 'http'),
                                        (ENVIRONMENT, ['--remote', 'other=http://x/'], 'no remote service'),
                                        (ENVIRONMENT, ['--remote-secret-file', short], 'at least 16 bytes')):
        done = subprocess.run([world.application, 'run', '--data', world.data, '--port', '0', *options], capture_output=True, text=True, timeout=30, env=environment)
        holds(done.returncode != 0, f'{options} are taken')
        says(done.stderr, words)
    with open(short, 'w') as file:
        file.write(SECRET + '\n')
    process = world.start('--remote-secret-file', short, env=bare)
    same(process.end()[0], 0)


if __name__ == '__main__':
    edda.main((in_python, in_javascript, what_is_asked, wrong_answers, statuses, one_that_is_too_slow, wrong_starts))
