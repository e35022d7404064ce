#!/usr/bin/env python3
"""Effects for real: the example examples/07-effects.c against a mail server, a supplier over HTTP and a ledger, which come and go."""
import email
import email.policy
import http.server
import os
import signal
import socketserver
import subprocess
import sys
import threading

import edda
from edda import holds, same, says, wait_for


class Quiet:
    """A connection that breaks is no news: that is what is tried here."""
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass


class QuietServer(Quiet, http.server.ThreadingHTTPServer):
    pass


class QuietTCPServer(Quiet, socketserver.ThreadingTCPServer):
    pass


class Supplier:
    """A server that keeps what it was asked by idempotency key. It answers with `status`, and not at all while `silent`."""

    def __init__(self, port=0):
        outer = self
        self.status, self.silent, self.asked, self.orders = 200, False, [], {}
        self.lock = threading.Lock()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'

            def do_POST(self):
                body = self.rfile.read(int(self.headers['Content-Length'])).decode()
                with outer.lock:
                    outer.asked.append((self.path, body, self.headers['Idempotency-Key'], self.headers['Content-Type']))
                    if outer.status == 200:
                        outer.orders.setdefault(self.headers['Idempotency-Key'], []).append(body)
                if outer.silent:
                    self.close_connection = True
                    return
                self.send_response(outer.status)
                self.send_header('Content-Length', '2')
                self.end_headers()
                self.wfile.write(b'25')

            def log_message(self, *_):
                pass

        self.server = QuietServer(('127.0.0.1', port), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self):
        return f'http://127.0.0.1:{self.port}/orders'

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Nonsense:
    """A server that answers each connection with the next of some bytes, and closes it."""

    def __init__(self, answers):
        outer = self
        self.answers, self.asked = list(answers), 0

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                self.request.recv(65536)
                answer = outer.answers[min(outer.asked, len(outer.answers) - 1)]
                outer.asked += 1
                self.request.sendall(answer)

        self.server = QuietTCPServer(('127.0.0.1', 0), Handler)
        self.url = f'http://127.0.0.1:{self.server.server_address[1]}/orders'
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class MailServer:
    """As much SMTP as a mail needs. `refuses`: it wants nobody's mail. `closed`: it lets nobody in."""

    def __init__(self):
        outer = self
        self.mails, self.refuses, self.closed, self.turned_away = [], False, False, 0

        class Handler(socketserver.StreamRequestHandler):
            def say(self, line):
                self.wfile.write(line.encode() + b'\r\n')

            def handle(self):
                self.say('220 here')
                sender, recipients = None, []
                for line in self.rfile:
                    word = line.strip().decode()
                    if outer.closed:
                        outer.turned_away += word.upper() != 'QUIT'
                        self.say('554 not now')
                        continue
                    if word.upper().startswith('MAIL FROM:'):
                        sender = word[10:]
                    if word.upper().startswith('RCPT TO:'):
                        if outer.refuses:
                            self.say('550 nobody of that name')
                            continue
                        recipients.append(word[8:])
                    if word.upper() == 'DATA':
                        self.say('354 go on')
                        text = b''
                        for part in self.rfile:
                            if part == b'.\r\n':
                                break
                            text += part[1:] if part.startswith(b'.') else part
                        outer.mails.append((sender, recipients, email.message_from_bytes(text, policy=email.policy.default)))
                        sender, recipients = None, []
                    self.say('250 so be it')
                    if word.upper() == 'QUIT':
                        return

        self.server = QuietTCPServer(('127.0.0.1', 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def sell(process, product, quantity=10):
    """The status of the answer."""
    client = process.client()
    answer = client.ask('POST', '/sales', {'product': product, 'quantity': quantity})
    client.close()
    return answer.status


def services(process):
    client = process.client()
    rows = {row['name']: row for row in client.all('/services')}
    client.close()
    return rows


def metric(process, name, service):
    client = process.client()
    text = client.text('/metrics')
    client.close()
    return next((int(line.split()[-1]) for line in text.splitlines() if line.startswith(f'{name}{{service="{service}"')), None)


def start(world, supplier, *options, **popen):
    environment = {**os.environ, 'SUPPLIER_URL': supplier.url, 'no_proxy': '*'}
    return world.start(*options, env=environment, cwd=world.directory, **popen)


def a_parent_that_ignores_the_ends_of_its_children(world):
    """That is inherited; programs are seen to end well all the same."""
    supplier = Supplier()
    process = start(world, supplier, '--mail-dir', 'mail', preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
    same(sell(process, 'tea'), 204)
    wait_for(lambda: metric(process, 'edda_effects_succeeded_total', 'ledger') == 1, 'the ledger')
    same(process.end()[0], 0)
    supplier.close()


def everything_is_done(world):
    """A sale is told by SMTP, ordered over HTTP, and noted by a program."""
    supplier, mails = Supplier(), MailServer()
    process = start(world, supplier, '--smtp', f'127.0.0.1:{mails.port}', '--mail-from', 'Shop <shop@example.com>')
    same(sell(process, 'tea'), 204)
    wait_for(lambda: mails.mails and supplier.orders, 'a mail and an order')
    sender, recipients, mail = mails.mails[0]
    says(sender, '<shop@example.com>')
    same(recipients, ['<stock@example.com>'])
    same(mail['Subject'], 'Sold out – ausverkauft')
    same(mail['To'], 'stock@example.com')
    same(mail.get_content().strip(), 'tea')
    says(mail['Message-ID'], r'^<[0-9a-f]{32}@example\.com>$')
    path, body, key, content_type = supplier.asked[0]
    same((path, body, content_type), ('/orders', 'tea', 'text/plain'))
    same(len(key), 32)
    ledger = os.path.join(world.directory, 'ledger.txt')
    wait_for(lambda: os.path.exists(ledger) and open(ledger).read() == 'tea', 'the ledger')
    # What was ordered is in stock.
    wait_for(lambda: sell(process, 'tea', 25) == 204, 'a sale of what was ordered')
    wait_for(lambda: len(mails.mails) == 2, 'a second mail')
    wait_for(lambda: metric(process, 'edda_effects_succeeded_total', 'mail') == 2, 'the metric of mails')
    same(process.end()[0], 0)
    mails.close()
    supplier.close()


def what_is_killed_is_done_again_with_the_same_key(world):
    """The process dies when the order has been given, and nobody has heard the answer."""
    supplier = Supplier()
    supplier.silent = True
    process = start(world, supplier, '--mail-dir', 'mail')
    same(sell(process, 'tea'), 204)
    wait_for(lambda: supplier.orders, 'an order without an answer')
    process.kill()
    supplier.silent = False
    process = start(world, supplier, '--mail-dir', 'mail')
    wait_for(lambda: sell(process, 'tea', 25) == 204, 'a sale of what was ordered')
    keys = [key for _, body, key, _ in supplier.asked]
    holds(len(keys) >= 2, 'it was asked again')
    wait_for(lambda: len(supplier.orders) == 2, 'two orders: one for each time it was sold out')
    directory = os.path.join(world.directory, 'mail')
    wait_for(lambda: len([name for name in os.listdir(directory) if name.endswith('.eml')]) == 2, 'two mails as files')
    same(process.end()[0], 0)
    supplier.close()


def a_breaker_opens_and_closes(world):
    """The supplier fails for a while: messages wait, nobody is quarantined, and all is done when it is back."""
    supplier = Supplier()
    supplier.status = 503
    process = start(world, supplier, '--mail-dir', 'mail')
    for product in 'abcd':
        same(sell(process, product), 204)
    wait_for(lambda: services(process)['supply'].get('openBreakers') == ['SoldOut'], 'an open breaker')
    wait_for(lambda: any('breaker.opened' in line for line in process.said), 'the log event')
    same(metric(process, 'edda_effects_breaker_open', 'supply'), 1)
    asked = len(supplier.asked)
    wait_for(lambda: len(supplier.asked) > asked, 'one is tried')
    supplier.status = 200
    wait_for(lambda: len(supplier.orders) == 4, 'all four orders')
    wait_for(lambda: 'openBreakers' not in services(process)['supply'], 'a closed breaker')
    wait_for(lambda: any('breaker.closed' in line for line in process.said), 'the log event')
    same(services(process)['supply']['quarantined'], 0)
    same(process.end()[0], 0)
    supplier.close()


def a_server_that_talks_nonsense(world):
    """Whatever is in the place of the supplier, it is not the supplier: the message waits for that."""
    head = b'HTTP/1.1 200 OK\r\n'
    answers = (b'', *[b'SSH-2.0-OpenSSH_9.6\r\n'] * 6, b'\0\xff' * 50, b'HTTP/9.9 200 OK\r\n\r\n', head + b'Content-Length: 9\r\n\r\nab',
               head + b'Transfer-Encoding: chunked\r\n\r\nxyz\r\n', head + b'Content-Length: -1\r\n\r\n', head + b'Content-Encoding: what\r\n\r', head,
               b'HTTP/1.1 100 Continue\r\n\r\n' * 20, b'HTTP/1.1 503',
               head + b'A: ' + b'a' * 400000 + b'\r\n\r\n', head + b'Content-Length: 2\r\n\r\n25')
    supplier = Nonsense(answers)
    process = start(world, supplier, '--mail-dir', 'mail')
    same(sell(process, 'tea'), 204)
    wait_for(lambda: supplier.asked >= len(answers), 'all answers', 60)
    same(services(process)['supply']['quarantined'], 0)
    wait_for(lambda: sell(process, 'tea', 25) == 204, 'a sale of what was ordered')
    same(process.end()[0], 0)
    supplier.close()


def a_mail_server_that_lets_nobody_in(world):
    """What it says then is not about the mail, which waits."""
    supplier, mails = Supplier(), MailServer()
    mails.closed = True
    process = start(world, supplier, '--smtp', f'127.0.0.1:{mails.port}', '--mail-from', 'shop@example.com')
    same(sell(process, 'tea'), 204)
    wait_for(lambda: mails.turned_away >= 4, 'tries')
    same(services(process)['mail']['quarantined'], 0)
    mails.closed = False
    wait_for(lambda: mails.mails, 'a mail')
    same(process.end()[0], 0)
    mails.close()
    supplier.close()


def what_is_refused(world):
    """A 4xx is what the handler makes of it; a mail that nobody wants is quarantined at once."""
    supplier, mails = Supplier(), MailServer()
    supplier.status, mails.refuses = 410, True
    process = start(world, supplier, '--smtp', f'smtp://127.0.0.1:{mails.port}', '--mail-from', 'shop@example.com')
    same(sell(process, 'tea'), 204)
    wait_for(lambda: metric(process, 'edda_effects_refused_total', 'supply') == 1, 'a refusal')
    wait_for(lambda: services(process)['mail']['quarantined'] == 1, 'a quarantined mail')
    same(services(process)['supply']['quarantined'], 0)
    client = process.client()
    held = client.all('/quarantine')
    says(held[0]['reason'], '550')
    client.close()
    same(process.end()[0], 0)
    mails.close()
    supplier.close()


def a_stop_is_bounded(world):
    """An effect that hangs does not keep the process from ending."""
    class Hanging(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.recv(65536)
            gone.wait()

    gone = threading.Event()
    server = QuietTCPServer(('127.0.0.1', 0), Hanging)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    environment = {**os.environ, 'SUPPLIER_URL': f'http://127.0.0.1:{server.server_address[1]}/', 'no_proxy': '*'}
    process = world.start('--mail-dir', 'mail', env=environment, cwd=world.directory)
    same(sell(process, 'tea'), 204)
    wait_for(lambda: metric(process, 'edda_effects_running', 'supply') == 1, 'a call under way')
    status, took = process.end(signal.SIGTERM)
    same(status, 0)
    holds(took < 8, f'it took {took} s to stop')
    gone.set()
    server.shutdown()
    server.server_close()


def without_a_way_for_mail(world):
    """An application with effects that could send no e-mail says so at its start."""
    process = world.start()
    wait_for(lambda: any(line.startswith('mail.none: neither --smtp nor --mail-dir') for line in process.said), 'the warning')
    process.end()
    process = world.start('--mail-dir', 'mail', cwd=world.directory)
    process.end()
    holds(not any('mail.none' in line for line in process.said), 'no warning where there is a way')


def wrong_options_are_refused(world):
    """Each is named."""
    for options, words in ((['--smtp', 'nowhere'], 'HOST:PORT'), (['--mail-from', 'nobody'], 'mail-from'),
                           (['--smtp', 'a:25', '--mail-dir', 'x'], 'exclude each other')):
        done = subprocess.run([world.application, 'run', '--port', '0', *options], capture_output=True, text=True, timeout=30, cwd=world.directory)
        holds(done.returncode != 0, f'{options} are taken')
        says(done.stderr, words)


if __name__ == '__main__':
    edda.main((a_server_that_talks_nonsense,) if '--slow' in sys.argv else (everything_is_done, a_parent_that_ignores_the_ends_of_its_children, what_is_killed_is_done_again_with_the_same_key,
               a_breaker_opens_and_closes, a_mail_server_that_lets_nobody_in, what_is_refused, a_stop_is_bounded, without_a_way_for_mail, wrong_options_are_refused))
