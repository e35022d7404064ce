#!/usr/bin/env python3
"""Settings of `edda serve`: a file, the environment, the command line; users; what the service manager is told; the manual pages.

    settings.py EDDA [NAME…]
"""
import os
import shutil
import signal
import socket
import subprocess
import sys

sys.dont_write_bytecode = True
import edda  # noqa: E402
from edda import holds, same, says, wait_for  # noqa: E402
from serve import Broker, others_off  # noqa: E402

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def config(world, text):
    path = os.path.join(world.directory, 'edda.conf')
    with open(path, 'w', encoding='utf-8') as file:
        file.write(text)
    return path


def environment(**variables):
    return {**os.environ, **variables}


def a_file_and_what_goes_before_it(world):
    """The command line goes before the environment, and that before the file."""
    off = '\n'.join(f'{name.removeprefix("--")} = off' for name in others_off(world, 'http')[::2])
    path = config(world, f'# a file\n\n  data = {world.data}  \nhttp = 127.0.0.1:0\n{off}\njson = false\n')
    for words, variables in ((('--config', path), {}), (('--config=' + path,), {}), ((), {'EDDA_CONFIG': path})):
        broker = Broker(world, command=[world.application, 'serve', *words], env=environment(**variables)).wait_listening()
        says(broker.said[-1], world.data)
        same(broker.end()[0], 0)
    other = world.data + '-2'
    broker = Broker(world, command=[world.application, 'serve', '--config', path], env=environment(EDDA_DATA=other)).wait_listening()
    says(broker.said[-1], f'{other}, which is new')
    same(broker.end()[0], 0)
    broker = Broker(world, command=[world.application, 'serve', '--config', path, '--data', world.data], env=environment(EDDA_DATA=other)).wait_listening()
    says(broker.said[-1], f'{world.data}, which was closed in order')
    same(broker.end()[0], 0)


def what_is_wrong_is_named(world):
    for text, pattern in (('kafak = off\n', "line 1: there is no setting 'kafak'; did you mean 'kafka'"), ('\nhttp\n', 'line 2: a setting is NAME = VALUE'),
                          ('http = off\nhttp = off\n', 'line 2: http is there twice'), ('insecure = maybe\n', "line 1: insecure takes true or false, not 'maybe'"),
                          ('config = x\n', "no setting 'config'")):
        says(world.run('serve', '--data', world.data, '--config', config(world, text), status=2), pattern)
    says(world.run('serve', '--config', '/nowhere.conf', status=2), '/nowhere.conf cannot be read')
    done = subprocess.run([world.application, 'serve', '--data', world.data], env=environment(EDDA_INSECURE='2'), capture_output=True, text=True,
                          timeout=edda.LIMIT_S, check=False)
    same(done.returncode, 2)
    says(done.stderr, "EDDA_INSECURE takes true or false, not '2'")
    holds(not os.path.exists(world.data), 'something was made')
    says(world.run('serve', '--config', '/nowhere.conf', '--help'), 'EDDA_DATA')


def a_value_that_is_wrong_is_named_where_it_stands(world):
    """Also one that is found wrong when it is used: the line of the file, the variable, or the option, whichever has said it last."""
    off = '\n'.join(f'{name.removeprefix("--")} = off' for name in others_off(world, 'http')[::2])
    here = ('http = 127.0.0.1:0',)
    for lines, words, variables, said in (
            (('http = 127.0.0.1:port',), (), {}, r"edda\.conf, line 1: http takes HOST:PORT, .*not '127\.0\.0\.1:port'"),
            (('http = nowhere:80',), (), {}, r'edda\.conf, line 1: http: nowhere is no IP address'),
            (('http = 0.0.0.0:0',), (), {}, r'edda\.conf, line 1: http: others can reach http on 0\.0\.0\.0'),
            ((*here, '', 'partitions = 10001'), (), {}, r'edda\.conf, line 3: partitions is from 1 to 10000, not 10001'),
            ((*here, 'group-delay = 11m'), (), {}, r'edda\.conf, line 2: group-delay is at most 10m'),
            ((*here, 'tls = htpp'), (), {}, r"edda\.conf, line 2: tls takes all, or names of protocols, not 'htpp'"),
            ((*here, 'tls-key = x'), (), {}, r'edda\.conf, line 2: tls-key goes with a tls-cert, which is missing'),
            ((*here, 'users = /none'), (), {}, r'edda\.conf, line 2: users: there is no file /none'),
            (here, (), {'EDDA_HTTP': 'x:y'}, r"serve: EDDA_HTTP takes HOST:PORT, .*not 'x:y'"),
            (here, (), {'EDDA_MEMORY_MAX': '1'}, r'serve: EDDA_MEMORY_MAX is from 67108864 to'),
            (('http = x:y',), (), {'EDDA_HTTP': 'x:z'}, r"serve: EDDA_HTTP takes HOST:PORT, .*not 'x:z'"),
            (('http = x:y',), ('--http', 'x:v'), {'EDDA_HTTP': 'x:z'}, r"serve: --http takes HOST:PORT, .*not 'x:v'"),
            ((*here, 'tls-cert = /none', 'tls-key = /none'), (), {}, r'edda\.conf, line 2: tls-cert: .*/none')):
        path = config(world, '\n'.join(lines) + '\n' + off + '\n')
        done = subprocess.run([world.application, 'serve', '--data', world.data, '--config', path, *words], env=environment(**variables), capture_output=True,
                              text=True, timeout=edda.LIMIT_S, check=False)
        same(done.returncode, 1, done.stderr)
        says(done.stderr, said)
        holds(words or '--' not in done.stderr.partition('serve: ')[2].split(' ')[0], done.stderr)
        holds('tls-cert: ' in said or not os.path.exists(world.data), 'something was made')
    with socket.create_server(('127.0.0.1', 0)) as taken:
        path = config(world, f'http = 127.0.0.1:{taken.getsockname()[1]}\n{off}\n')
        says(world.run('serve', '--data', world.data, '--config', path, status=1), r'edda\.conf, line 1: http: port \d+ of 127\.0\.0\.1 is taken')


def users_are_read_again(world):
    users = os.path.join(world.directory, 'users')
    subprocess.run([world.application, 'user', 'add', 'alice', '--users', users], input='secret\n', text=True, check=True, timeout=edda.LIMIT_S)
    broker = Broker(world, '--http', '127.0.0.1:0', '--users', users, *others_off(world, 'http')).wait_listening()
    broker.process.send_signal(signal.SIGHUP)
    wait_for(lambda: sum(line.startswith('reload: ') for line in broker.said) == 1, 'the reload')
    with open(users, 'a', encoding='utf-8') as file:
        file.write('nonsense=1\n')
    broker.process.send_signal(signal.SIGHUP)
    wait_for(lambda: any(line.startswith('reload.failed: ') and 'line 3' in line for line in broker.said), 'the refusal')
    same(broker.end()[0], 0)
    says(world.run('serve', '--data', world.data, '--users', '/nowhere', *others_off(world, 'http'), status=1), '/nowhere')


def the_service_manager_is_told(world):
    path = os.path.join(world.directory, 'notify')
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(edda.LIMIT_S)
        broker = Broker(world, '--http', '127.0.0.1:0', *others_off(world, 'http'), env=environment(NOTIFY_SOCKET=path)).wait_listening()
        same(manager.recv(100), b'READY=1')
        same(broker.end()[0], 0)
        same(manager.recv(100), b'STOPPING=1')


def the_unit_is_one(world):
    """systemd takes it as it is, with the program of this build, and gives it the time that a long log takes."""
    with open(os.path.join(SOURCE, 'packaging', 'edda.service'), encoding='utf-8') as file:
        unit = file.read()
    says(unit, r'\nType=notify\n', r'\nTimeoutStartSec=infinity\n', r'\nExecStart=/usr/bin/edda serve ')
    if shutil.which('systemd-analyze') is None:
        return
    path = os.path.join(world.directory, 'edda.service')
    for change, patterns in ((lambda text: text, ()), (lambda text: text.replace('NoNewPrivileges', 'NoOldPrivileges'), ('NoOldPrivileges',))):
        with open(path, 'w', encoding='utf-8') as file:
            file.write(change(unit).replace('/usr/bin/edda', world.application).replace('Documentation=', '# '))
        done = subprocess.run(['systemd-analyze', 'verify', path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=edda.LIMIT_S, check=False)
        about = '\n'.join(line for line in done.stdout.splitlines() if 'edda.service' in line)
        says(about, *patterns)
        holds(patterns or not about, about)


def manual_pages(world):
    for page, title in (('edda.1', '.TH EDDA 1'), ('edda.conf.5', '.TH EDDA.CONF 5')):
        text = world.run('man', page)
        holds(text.startswith(title), text[:40])
        lint = subprocess.run(['groff', '-man', '-Tutf8', '-ww', '-z'], input=text, text=True, capture_output=True, timeout=edda.LIMIT_S, check=False)
        same((lint.returncode, lint.stderr), (0, ''))
    for name in ('data', 'kafka', 'users', 'insecure'):
        says(text, r'\\fB' + name + r'\\fR = ')


if __name__ == '__main__':
    scenarios = [a_file_and_what_goes_before_it, what_is_wrong_is_named, a_value_that_is_wrong_is_named_where_it_stands, users_are_read_again, the_service_manager_is_told, the_unit_is_one,
                 manual_pages]
    edda.main(scenarios)
