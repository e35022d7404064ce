#!/usr/bin/env python3
"""`edda serve`: where it listens, what it says, how it starts again, and that `run` of an application takes the same flags.

    serve.py EDDA [NAME…] --application=CHOREOGRAPHY
"""
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys

sys.dont_write_bytecode = True
import edda  # noqa: E402
import redis  # noqa: E402
from edda import holds, same, says, wait_for  # noqa: E402


class Broker(edda.Process):
    """`edda serve`, or another command that serves; `where` has the address and port of each protocol."""

    def __init__(self, world, *options, command=None, **popen):
        self.where = {}
        self.command = command or [world.application, 'serve', '--data', world.data, *options]
        self.said = []
        self.listening = edda.threading.Event()
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **popen)
        self.reader = edda.threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        world.processes.append(self)

    def _read(self):
        for line in self.process.stdout:
            self.said.append(line.rstrip('\n'))
            http = re.match(r'listening: .* on https?://(\S+):(\d+)(;|$)', line)
            other = re.match(r'listening: ([a-z]+) on (\S+):(\d+)', line)
            if http:
                self.host, self.port = http[1], int(http[2])
                self.where['http'] = (self.host, self.port)
            elif other:
                self.where[other[1]] = (other[2], int(other[3]))
            elif line.startswith('data: '):
                self.listening.set()
        self.listening.set()

    def wait_listening(self, limit_s=edda.LIMIT_S):
        holds(self.listening.wait(limit_s) and self.where, f'{" ".join(self.command)} does not listen: {self.said}')
        return self


# Every protocol but the one of a test is off, or listens on a port that is free.
def others_off(world, *but):
    text = world.run('serve', '--help')
    names = re.findall(r'--(\w+) HOST:PORT', text)
    return [word for name in names if name not in but for word in ('--' + name, 'off')]


def says_where_it_listens(world):
    text = world.run('serve', '--help')
    says(text, r'--data DIR .*\(\./data/edda\)', r'--http HOST:PORT .*\(127\.0\.0\.1:2113\)')
    names = re.findall(r'--(\w+) HOST:PORT', text)
    broker = Broker(world, *(word for name in names for word in ('--' + name, '127.0.0.1:0'))).wait_listening()
    same(sorted(broker.where), sorted(names))
    holds(all(host == '127.0.0.1' and port > 0 for host, port in broker.where.values()), broker.where)
    same(broker.said[-1], f'data: {world.data}, which is new')
    for host, port in broker.where.values():
        socket.create_connection((host, port), timeout=edda.LIMIT_S).close()
    client = broker.client()
    same(client.get('/health')['application'], 'edda')
    same(client.metric('edda_connections'), 1)
    same(client.get('/services')['_embedded'], {'services': []})
    same(broker.end()[0], 0)
    same(broker.said[-1], 'stopping: everything that was answered is on the disk')


def says_it_as_json(world):
    done = subprocess.Popen([world.application, 'serve', '--data', world.data, '--http', '[::1]:0', '--json', *others_off(world, 'http')],
                            stdout=subprocess.PIPE, text=True)
    line = json.loads(done.stdout.readline())
    same((line['event'], line['protocol'], line['address']), ('listening', 'http', '::1'))
    socket.create_connection(('::1', line['port']), timeout=edda.LIMIT_S).close()
    rest = [json.loads(done.stdout.readline())]
    done.send_signal(signal.SIGINT)
    rest += [json.loads(line) for line in done.communicate(timeout=edda.LIMIT_S)[0].splitlines()]
    same(([line['event'] for line in rest], done.returncode), (['data', 'stopping'], 0))


def serves_the_log_of_an_application(world):
    """It reads nothing of the log at its start, and leaves nothing in it that the application would not find again."""
    process = Broker(world, command=[application, 'run', '--data', world.data, '--port', '0']).wait_listening()
    process.client().post('/points', {'userId': 'jjy', 'point': 1000.0})
    process.client().post('/orders', {'holderId': 'jjy', 'currencyId': 1, 'amount': 1.0})
    process.kill()
    broker = Broker(world, '--http', '127.0.0.1:0', *others_off(world, 'http')).wait_listening()
    says(broker.said[-1], 'recovered')
    tail = broker.client().metric('edda_journal_tail')
    for _ in range(20):
        same(broker.client().metric('edda_journal_tail'), tail)
    broker.kill()
    process = Broker(world, command=[application, 'run', '--data', world.data, '--http', 'localhost:0']).wait_listening()
    wait_for(lambda: process.client().ask('GET', '/orders/1').status == 200, 'the order')
    same(process.end()[0], 0)


def refuses_what_makes_no_sense(world):
    for words, pattern in (
            (('--http', 'here'), '--http takes HOST:PORT.*here'), (('--http', '127.0.0.1:65536'), '--http takes HOST:PORT'),
            (('--http', ':80'), '--http takes HOST:PORT'), (('--http', '127.0.0.1:'), '--http takes HOST:PORT'),
            (('--http', '[]:1'), '--http takes HOST:PORT'), (('--http', '127.0.0.1:0', '--group-delay', '11m'), '--group-delay is at most 10m'),
            (('--http', '300.0.0.1:0'), '--http: 300.0.0.1 is no IP address'),
            (('--http', 'off'), 'nothing would listen'), (('--http', '127.0.0.1:0', '--users', '/nowhere'), '--users: there is no file /nowhere; `edda user add')):
        says(world.run('serve', '--data', world.data, *others_off(world, 'http'), *words, status=1), 'edda serve: ' + pattern)
        holds(not os.path.exists(world.data), words)
    with socket.socket() as taken:
        taken.bind(('127.0.0.1', 0))
        taken.listen()
        port = taken.getsockname()[1]
        says(world.run('serve', '--data', world.data, *others_off(world, 'http'), '--http', f'127.0.0.1:{port}', status=1),
             f'port {port} of 127.0.0.1 is taken: .*; --http HOST:PORT chooses another, port 0 takes a free one')


# --- how much it takes -------------------------------------------------------------------------------------------------

def takes_what_it_is_told_to(world):
    """The limits that an operator can change, and that /metrics shows them; what makes no sense is refused by name."""
    for words, pattern in ((('--connections-max', '0'), '--connections-max takes a number'), (('--connections-max', '2000000'), '--connections-max is from 1 to 1000000'),
                           (('--memory-max', '1M'), '--memory-max is from 67108864'), (('--partitions', '10001'), '--partitions is from 1 to 10000'),
                           (('--message-bytes-max', '33M'), '--message-bytes-max is from 1 to 33554432')):
        says(world.run('serve', '--data', world.data, *others_off(world, 'http'), '--http', '127.0.0.1:0', *words, status=2 if 'takes' in pattern else 1), pattern)
        holds(not os.path.exists(world.data), words)
    broker = Broker(world, '--http', '127.0.0.1:0', '--resp', '127.0.0.1:0', *others_off(world, 'http', 'resp'), '--connections-max', '3', '--memory-max', '100M',
                    '--partitions', '7', '--topics-asked-for').wait_listening()
    client, resp = broker.client(), redis.Connection(broker.where['resp'][1])
    shown = client.text('/metrics')
    says(shown, r'edda_limit\{limit="connections"\} 3\n', r'edda_limit\{limit="memory_bytes"\} 104857600\n', r'edda_limit_used\{limit="connections"\} 2\n',
         r'edda_limit\{limit="partitions"\} 200000\n')
    limits, used = (set(re.findall(rf'^{name}\{{limit="(\w+)"\}}', shown, re.MULTILINE)) for name in ('edda_limit', 'edda_limit_used'))
    holds(len(used) > 20 and used < limits, f'what there is has a limit: {used - limits}')
    for words in (('XADD', 'entries', '*', 'a', '1'), ('PUBLISH', 'news', 'x')):
        try:
            raise AssertionError(f'{words} gives {resp.ask(*words)}')
        except RuntimeError as error:
            says(str(error), 'there is no topic .*topics-asked-for')
    same(client.post('/topics', {'name': 'entries'})['partitions'], 7)
    resp.ask('XADD', 'entries', '*', 'a', '1')
    others = [socket.create_connection(broker.where['http'], timeout=edda.LIMIT_S) for _ in range(2)]
    says(others[1].recv(4096).decode(), 'HTTP/1.1 503 ', 'as many open connections as are allowed')
    for each in others:
        each.close()
    resp.close()
    same(broker.end()[0], 0)


def rests_in_little_memory(world):
    """Idle it has at most 15 MB, also behind a log that it has looked through at its start."""
    for _ in range(2):
        broker = Broker(world, '--http', '127.0.0.1:0', *others_off(world, 'http')).wait_listening()
        broker.client().post('/topics/orders?type=Placed', {'n': 1})
        with open(f'/proc/{broker.process.pid}/status', encoding='ascii') as file:
            kb = int(re.search(r'VmRSS:\s+(\d+)', file.read())[1])
        # A sanitizer has memory of its own.
        with open(f'/proc/{broker.process.pid}/maps', encoding='utf-8') as file:
            sanitized = re.search(r'lib[a-z]+san\.so', file.read())
        holds(sanitized or kb <= 15 * 1024, f'{kb} KB')
        broker.kill()


# --- TLS -------------------------------------------------------------------------------------------------------------

def certificate(world, name, *more):
    """A self-signed one of its own for this name, and `more` ones such as IP:127.0.0.1; the paths of it and of its key."""
    paths = [os.path.join(world.directory, name + end) for end in ('.crt', '.key')]
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
                    '-subj', '/CN=' + name, '-addext', 'subjectAltName=' + ','.join(('DNS:' + name, *more)), '-out', paths[0], '-keyout', paths[1]],
                   check=True, capture_output=True, timeout=edda.LIMIT_S)
    return paths


def tls_broker(world, *options):
    crt, key = certificate(world, 'first')
    names = [os.path.join(world.directory, 'server' + end) for end in ('.crt', '.key')]
    shutil.copy(crt, names[0]), shutil.copy(key, names[1])
    return Broker(world, '--tls-cert', names[0], '--tls-key', names[1], '--http', '127.0.0.1:0', *others_off(world, 'http'), *options).wait_listening()


def tls_connect(broker, world, name, version=None):
    context = ssl.create_default_context(cafile=os.path.join(world.directory, name + '.crt'))
    if version:
        context.minimum_version = context.maximum_version = version
    return context.wrap_socket(socket.create_connection((broker.host, broker.port), timeout=edda.LIMIT_S), server_hostname=name)


def ask(connection, path='/health'):
    connection.sendall(f'GET {path} HTTP/1.1\r\nHost: h\r\n\r\n'.encode())
    answer = connection.recv(65536)
    says(answer.decode(), 'HTTP/1.1 200')
    return answer


def speaks_tls(world):
    broker = tls_broker(world)
    says(broker.said[0], 'on https://127')
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        with tls_connect(broker, world, 'first', version) as connection:
            same(connection.version(), {ssl.TLSVersion.TLSv1_2: 'TLSv1.2', ssl.TLSVersion.TLSv1_3: 'TLSv1.3'}[version])
            for _ in range(3):
                ask(connection)
            # More than a record holds, both ways, and more requests than are read at once.
            connection.sendall(b'GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n' * 200)
            got, limit = b'', 200
            while got.count(b'HTTP/1.1 200') < limit:
                some = connection.recv(65536)
                holds(some, f'the connection ended after {got.count(b"HTTP/1.1 200")} answers')
                got += some
            body = b'{"x":"' + b'y' * 900000 + b'"}'
            connection.sendall(b'POST /nothing HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n' % len(body) + body)
            while b'HTTP/1.1 404' not in got[-2000:]:
                some = connection.recv(65536)
                holds(some, 'the connection ended')
                got += some
    # Plain words, and an old version, get nothing.
    try:
        same(b'HTTP' in edda.talk(broker.host, broker.port, b'GET /health HTTP/1.1\r\nHost: h\r\n\r\n'), False)
    except OSError:  # it was closed before all was said
        pass
    said = subprocess.run(['openssl', 's_client', '-connect', f'127.0.0.1:{broker.port}', '-tls1_1', '-cipher', 'ALL:@SECLEVEL=0'], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=edda.LIMIT_S, check=False)
    same('Cipher is (NONE)' in said.stdout or said.returncode != 0, True, said.stdout)
    # Renegotiation, which costs the server more than the client, is refused: the connection ends, or goes on as it was.
    said = subprocess.run(['openssl', 's_client', '-connect', f'127.0.0.1:{broker.port}', '-tls1_2'], input='R\n', capture_output=True, text=True,
                          timeout=edda.LIMIT_S, check=False)
    says(said.stdout + said.stderr, 'no renegotiation|NO_RENEGOTIATION')
    with tls_connect(broker, world, 'first') as connection:
        ask(connection)
    same(broker.end()[0], 0)


def reads_certificates_again(world):
    broker = tls_broker(world)
    old = tls_connect(broker, world, 'first')
    ask(old)
    for path, other in zip(broker.command[broker.command.index('--tls-cert') + 1::2], certificate(world, 'second')):
        shutil.copy(other, path)
    broker.process.send_signal(signal.SIGHUP)
    wait_for(lambda: any(line.startswith('reload: ') for line in broker.said), 'the reload')
    with tls_connect(broker, world, 'second') as connection:
        ask(connection)
    ask(old)
    # What is no certificate changes nothing, and is said.
    with open(broker.command[broker.command.index('--tls-cert') + 1], 'w', encoding='ascii') as file:
        file.write('nonsense\n')
    broker.process.send_signal(signal.SIGHUP)
    wait_for(lambda: any(line.startswith('reload.failed: ') for line in broker.said), 'the reload that fails')
    says(broker.said[-1], 'the certificate in .*server.crt: .*; what was read before stays in force')
    with tls_connect(broker, world, 'second') as connection:
        ask(connection)
    ask(old)
    old.close()
    same(broker.end()[0], 0)


def is_safe_or_does_not_start(world):
    crt, key = certificate(world, 'first')
    _, other = certificate(world, 'second')
    files = ('--tls-cert', crt, '--tls-key', key)
    for words, pattern in (
            (('--http', '0.0.0.0:0'), 'others can reach http on 0.0.0.0: that takes .*, or --insecure'),
            (('--http', '[::]:0'), 'others can reach http on ::'),
            (('--http', '0.0.0.0:0', *files), 'TLS and users'),
            (('--http', '127.0.0.1:0', '--tls-cert', crt), '--tls-cert goes with a tls-key, which is missing'),
            (('--http', '127.0.0.1:0', *files, '--tls', 'smtp'), "--tls takes all, or names of protocols, not 'smtp'")):
        says(world.run('serve', '--data', world.data, *others_off(world, 'http'), *words, status=1), pattern)
        holds(not os.path.exists(world.data), words)
    for words, pattern in ((('--tls-cert', crt, '--tls-key', other), 'the key in .*second.key: '), (('--tls-cert', key, '--tls-key', key), 'the certificate in .*first.key: '),
                           (('--tls-cert', '/nowhere', '--tls-key', key), 'the certificate in /nowhere: No such file')):
        says(world.run('serve', '--data', world.data, *others_off(world, 'http'), '--http', '127.0.0.1:0', *words, status=1), pattern)
    broker = Broker(world, '--http', '0.0.0.0:0', '--insecure', *others_off(world, 'http')).wait_listening()
    broker.host = '127.0.0.1'
    same(broker.client().get('/health')['live'], True)


def written(world, name, text):
    path = os.path.join(world.directory, name)
    with open(path, 'w', encoding='utf-8') as file:
        file.write(text + '\n')
    return path


def commands_say_who_they_are(world):
    """What asks a running application does so with a password, a token, and over TLS; what it lacks is said."""
    users = os.path.join(world.directory, 'users')
    password = written(world, 'password', 'correct horse')
    world.run('user', 'add', 'operator', '--users', users, '--password-file', password, '--manage', '*')
    token = world.run('user', 'add', 'robot', '--users', users, '--token', '--manage', '*').strip()
    weak = written(world, 'weak', world.run('user', 'add', 'guest', '--users', users, '--token', '--read', 'orders').strip())
    crt, key = certificate(world, 'localhost')
    served = Broker(world, command=[application, 'run', '--data', world.data, '--port', '0', '--users', users]).wait_listening()
    secured = Broker(world, command=[application, 'run', '--data', world.data + '-2', '--http', 'localhost:0', '--users', users, '--tls-cert', crt, '--tls-key', key]).wait_listening()
    secret = written(world, 'token', token)
    login, plain, tls = ('--user', 'operator', '--password-file', password), ('--url', f'http://localhost:{served.port}'), ('--url', f'https://localhost:{secured.port}')
    trust = ('--ca-file', crt)

    def asked(*words, variable=None, status=0):
        environment = {name: value for name, value in os.environ.items() if name != 'EDDA_TOKEN'}
        if variable is not None:
            environment['EDDA_TOKEN'] = variable
        done = subprocess.run([application, *words], env=environment, capture_output=True, text=True, timeout=edda.LIMIT_S, check=False)
        same(done.returncode, status, f'{words}: {done.stdout}{done.stderr}')
        return done.stdout if status == 0 else done.stderr

    for where in (plain, (*tls, *trust)):
        same(asked('deadlines', *where, *login), 'no deadlines are pending\n')
        same(asked('quarantine', *where, '--token-file', secret), 'nothing is quarantined\n')
        asked('projections', *where, variable=token)
        says(asked('trace', 'nothing', *where, variable=token, status=1), 'there is no process nothing')
        says(asked('migrate', 'order', '--from', '7', '--to', '8', *where, *login, status=1), 'order')
        says(asked('deadlines', *where, status=1), 'say who you are.*--user NAME with --password-file FILE, --token-file FILE or EDDA_TOKEN say it')
        says(asked('deadlines', *where, variable=token + 'x', status=1), 'EDDA_TOKEN say it')
        says(asked('quarantine', *where, '--token-file', weak, status=1), r'needs the permission read=\*')
        # What is on the line goes before the environment.
        asked('deadlines', *where, *login, variable='nonsense')
    for words, pattern in ((('--user', 'operator'), '--user and --password-file go together; --password-file is missing'),
                           (('--password-file', password), '--user is missing'), ((*login, '--token-file', secret), '--user and --token-file exclude each other'),
                           (('--user', 'a:b', '--password-file', password), "a name with ':' cannot be said over HTTP"),
                           (('--token-file', '/nowhere'), '--token-file: /nowhere cannot be read: No such file'),
                           (('--token-file', written(world, 'empty', '')), 'the first line of .*empty must have 1 to '),
                           (('--user', 'operator', '--password-file', written(world, 'long', 'x' * 513)), 'the first line of .*long must have 1 to 512 bytes')):
        says(asked('deadlines', *plain, *words, status=1), pattern)
    says(asked('deadlines', *plain, variable='a\nb', status=1), 'EDDA_TOKEN has more than one line')
    says(asked('deadlines', *tls, *login, status=1), 'the certificate that localhost shows is not trusted: self-signed certificate')
    says(asked('deadlines', '--url', f'https://127.0.0.1:{secured.port}', *trust, *login, status=1), 'not trusted: IP address mismatch')
    says(asked('deadlines', '--url', f'https://localhost:{served.port}', *trust, *login, status=1), 'no TLS with localhost: ')
    says(asked('deadlines', '--url', f'http://localhost:{secured.port}', *login, status=1), 'its URL begins with https://')
    says(asked('deadlines', *tls, '--ca-file', '/nowhere', *login, status=1), 'the certificates in /nowhere: No such file')


application = next((word.partition('=')[2] for word in sys.argv if word.startswith('--application=')), None)

if __name__ == '__main__':
    edda.main([says_where_it_listens, says_it_as_json, serves_the_log_of_an_application, refuses_what_makes_no_sense, takes_what_it_is_told_to, rests_in_little_memory,
               speaks_tls, reads_certificates_again,
               is_safe_or_does_not_start, commands_say_who_they_are])
