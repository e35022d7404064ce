#!/usr/bin/env python3
"""The commands that edda_main() gives an application.

    cli.py APPLICATION --naive=ITS_NAIVE_TWIN [NAME…]
"""
import json
import os
import re
import signal
import subprocess
import sys

sys.dont_write_bytecode = True
import edda
from choreography import decided, give, order, settled
from edda import holds, same, says, wait_for

COMMANDS = ('run', 'trace', 'deadlines', 'quarantine', 'projections', 'simulate', 'bench')
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def help_and_version(world):
    """Help and version go to standard output and end with 0; the help of each command names its options."""
    shown = world.run('--help')
    same(shown, world.run('-h'))
    same(shown, world.run('help'))
    says(shown, r'^usage: choreography COMMAND', *(rf'\n  {name} +\S' for name in COMMANDS))
    holds('reference' not in shown, 'what writes the documents is for those who make Edda')
    says(world.run('--version'), r'^choreography \d+\.\d+ \(edda \d+\.\d+\.\d+\)\n$')
    for name in COMMANDS:
        says(world.run(name, '--help'), rf'^usage: choreography {name}\b', '--help', '--version')
        same(world.run(name, '--version'), world.run('--version'))
    says(world.run('run', '--help'), '--data DIR', r'--port N .*\(8088\)', r'--deadline TIME .*\(5s\)', r'--injected-delay TIME .*\(10s\)',
         'TIME is a whole number with its unit: 250ms, 5s, 2m, 1h or 7d')
    says(world.run('trace', '--help'), '--order N')


def wrong_usage(world):
    """Wrong words end with 2 and say which word was wrong, on standard error; nothing is begun."""
    for words, *patterns in (
            ((), '^usage:'), (('walk',), "there is no command 'walk'\n.*--help lists"), (('run', '--fast'), "there is no option '--fast'\n"),
            (('simulat',), "there is no command 'simulat'; did you mean 'simulate'"), (('rnu',), "did you mean 'run'"),
            (('--port', '0'), "the command is missing; '--port' stands behind it"), (('',), "there is no command ''"),
            (('run', '--dta', 'x'), "there is no option '--dta'; did you mean '--data'"), (('run', '-port=1'), "'-port=1'"),
            (('run', '--dedline=5s'), "'--dedline'; did you mean '--deadline'"), (('run', '-x'), "there is no option '-x'\n"),
            (('run', 'now'), "one argument too many: 'now'"), (('run', '--port'), '--port needs a value'),
            (('run', '--port', 'http'), "--port takes a number.*'http'"), (('run', '--port', '65536'), 'from 0 to 65535.*65536'),
            (('run', '--port', '-1'), '--port'), (('run', '--deadline', 'soon'), '--deadline takes a duration'),
            (('run', '--deadline', '9223372036854775807ms'), 'to 5000 years'),
            (('run', '--deadline', '5'), 'a duration with its unit.*250ms, 5s, 2m, 1h or 7d, from 1ms to 5000 years, not .5.'),
            (('run', '--deadline', '0s'), 'from 1ms'), (('run', '--deadline', '1825001d'), '5000 years'), (('run', '--deadline', '9' * 30 + 'h'), '5000 years'),
            (('run', '--deadline', '-5s'), '--deadline'), (('run', '--json=yes'), '--json takes no value'),
            (('trace',), 'the correlation id is missing'), (('trace', '1', '--order', '2'), 'not both'),
            (('trace', '1', '--data', 'x', '--url', 'http://y'), 'exclude each other'), (('deadlines', 'postpone'), 'it is: list'),
            (('deadlines', 'move', 'x', 'tomorrow'), 'TIME must be like'), (('quarantine', 'retry', 'exchange'), 'it is: list'),
            (('simulate', '--seeds', 'many'), '--seeds takes a number'), (('simulate', '--seeds', '0'), 'at least 1'), (('reference', 'nothing'), 'PAGE')):
        done = subprocess.run([world.application, *words], cwd=world.directory, text=True, capture_output=True, timeout=edda.LIMIT_S, check=False)
        same((done.returncode, done.stdout), (2, ''), words)
        says(done.stderr, *patterns)
    same(os.listdir(world.directory), [])


def run_says(world):
    """What `run` prints: where it listens, which data it has, why it ends; with --json an object a line."""
    process = world.start()
    same(process.said[0], f'listening: choreography 1.0 on {process.url}; services order, exchange, point, deadline, transaction')
    wait_for(lambda: len(process.said) > 1, 'the line about the data')
    same(process.said[1], f'data: {world.data}, which is new')
    same(process.end()[0], 0)
    same(process.said[2:], ['stopping: everything that was answered is on the disk'])
    done = subprocess.Popen([world.application, 'run', '--data', world.data, '--port', '0', '--json'], stdout=subprocess.PIPE, text=True)
    lines = [json.loads(done.stdout.readline()), json.loads(done.stdout.readline())]
    done.send_signal(signal.SIGINT)
    lines += [json.loads(line) for line in done.communicate(timeout=edda.LIMIT_S)[0].splitlines()]
    same([line['event'] for line in lines], ['listening', 'data', 'stopping'])
    same({line['application'] for line in lines}, {'choreography'})
    says(lines[1]['text'], 'closed in order')
    same(done.returncode, 0)


def port_taken(world):
    """A port that is taken is named, with status 1, and what to do about it."""
    port = world.start().port
    says(world.run('run', '--data', world.data + '2', '--port', str(port), status=1),
         f'port {port} of 127.0.0.1 is taken: another process listens there; --port N chooses another, --port 0 takes a free one')


def directories(world):
    """A directory that cannot be had is named, and why; what only reads makes nothing."""
    file, nowhere, empty = (os.path.join(world.directory, name) for name in ('file', 'nowhere', 'empty'))
    os.mkdir(empty)
    with open(file, 'w', encoding='utf-8') as out:
        out.write('a file\n')
    other = '; --data DIR chooses another directory'
    says(world.run('run', '--port', '0', '--data', file, status=1), f'{file} is a file, not a directory{other}')
    says(world.run('run', '--port', '0', '--data', file + '/x', status=1), f'{file} is a file, not a directory{other}')
    says(world.run('run', '--port', '0', '--data', '/proc/nowhere', status=1), f'/proc/nowhere: No such file or directory{other}')
    says(world.run('run', '--port', '0', '--data', '', status=1), f'is empty or too long{other}')
    if os.geteuid() != 0:
        os.chmod(empty, 0o500)
        says(world.run('run', '--port', '0', '--data', empty, status=1), f'{empty}/log: Permission denied{other}')
    world.start()
    says(world.run('run', '--port', '0', '--data', world.data, status=1), rf'is in use by process \d+{other}')
    for path, why in ((nowhere, ': there is no such directory'), (empty, ''), (file, ': that is a file')):
        says(world.run('trace', '1', '--data', path, status=1), f'there is no log in {path}{why}; --data names the directory that `run` was given\n')
    for path in (nowhere, file):
        says(world.run('bench', '--data', path, status=1), f'there is no directory {path} to measure in; --data DIR chooses another')
    same(sorted(os.listdir(world.directory)), ['data', 'empty', 'file'])
    same(os.listdir(empty), [])


def trace(world):
    """A trace is the same from the instance, from the directory it has open, and from the directory afterwards."""
    process = world.start()
    client = process.client()
    give(client, 'jjy', 1000)
    number = str(order(client, 500))
    same(decided(client, number), 'APPROVED')
    settled(client)
    shown = client.text(f'/orders/{number}/trace')
    same(world.run('trace', number, '--url', process.url), shown)
    same(world.run('trace', '--order', number, '--url', process.url), shown)
    same(world.run('trace', number, '--data', world.data), shown)
    same(json.loads(world.run('trace', number, '--data', world.data, '--json')), client.get(f'/traces/{number}'))
    for answer in (client.text(f'/traces/{number}'), client.text(f'/orders/{number}'), client.ask('GET', '/nowhere').body.decode(),
                   world.run('trace', number, '--data', world.data, '--json'), world.run('trace', number, '--url', process.url, '--json')):
        holds(answer.endswith('\n') and not answer.endswith('\n\n'), f'the line ends, once: {answer[-80:]!r}')
    says(world.run('trace', '99', '--url', process.url, status=1), 'there is no process 99')
    same(process.end()[0], 0)
    same(world.run('trace', number, '--data', world.data), shown)
    says(world.run('trace', '99', '--data', world.data, status=1), 'there is no process 99')
    says(world.run('trace', number, '--url', process.url, status=1), 'nobody answers.*; start it with `run`, or say where it is with --url URL')
    says(world.run('trace', number, '--data', world.data + '2', status=1), 'data2')


def deadlines_and_quarantine(world):
    """Deadlines are listed, moved and cancelled; the quarantine is listed."""
    process = world.start('--deadline', '1h')
    client, url = process.client(), ('--url', process.url)
    same(world.run('deadlines', *url), 'no deadlines are pending\n')
    give(client, 'jjy', 1000)
    client.post('/services/exchange/pause', status=204)
    first, second = order(client, 1), order(client, 2)
    wait_for(lambda: len(client.all('/deadlines')) == 2, 'the deadlines of both orders')
    names = [f'deadline/{n}/decision' for n in (first, second)]
    says(world.run('deadlines', *url), 'DUE +MESSAGE +ID', *(rf'\n\d\S+Z +DeadlineReached +{name}\n' for name in names))
    same(len(json.loads(world.run('deadlines', 'list', '--json', *url))['_embedded']['deadlines']), 2)
    naive = edda.option('naive', '')
    if naive: # another application's tool must not repair this one
        says(world.run('deadlines', 'cancel', names[1], *url, status=1, application=naive), 'is application choreography; --url URL names another')
    world.run('deadlines', 'move', names[0], '2000-01-01T00:00:00Z', *url)
    same(decided(client, first), 'REJECTED DUE TO DEADLINE')
    world.run('deadlines', 'cancel', names[1], *url)
    same(world.run('deadlines', *url), 'no deadlines are pending\n')
    says(world.run('deadlines', 'cancel', names[1], *url, status=1), 'decision')
    same(world.run('quarantine', *url), 'nothing is quarantined\n')
    says(world.run('quarantine', 'skip', 'exchange', '1', *url, status=1), 'exchange')


def reference_pages(world):
    """The pages of the reference that come from tables are what the program writes."""
    for name in ('errors', 'kafka', 'metrics', 'remote-answer', 'routes'):
        with open(os.path.join(ROOT, 'docs', 'reference', name + '.md'), encoding='utf-8') as file:
            same(world.run('reference', name), file.read(), f'docs/reference/{name}.md')
    with open(os.path.join(ROOT, 'docs', 'operating', 'limits.md'), encoding='utf-8') as file:
        holds(world.run('reference', 'limits') in file.read(), 'docs/operating/limits.md has what `reference limits` writes')


def simulate_repeats(world):
    """The same seeds give the same bytes, other seeds other runs; the choreography breaks no invariant."""
    words = ('simulate', '--seeds', '300', '--seed', '7', '--quiet')
    same(world.run(*words), world.run(*words))
    same(world.run(*words), 'choreography: 300 seeds from 7, 0 failed\n')
    results = [json.loads(world.run(*words, '--json')) for _ in range(2)]
    same(results[0], results[1])
    holds(results[0]['restarts'] > 0 and results[0]['calls'] > 300, f'it was crashed and called: {results[0]}')
    other = json.loads(world.run('simulate', '--seeds', '300', '--seed', '1007', '--quiet', '--json'))
    holds(other['records'] != results[0]['records'], 'other seeds, other runs')


def simulate_finds(world):
    """The naive choreography breaks: status 1, the seed, the fewest steps and the diagram; the seed shows it again to the byte."""
    naive = os.path.abspath(edda.option('naive', world.application + '-naive'))
    shown = world.run('simulate', '--seeds', '10000', '--quiet', status=1, application=naive)
    says(shown, r'^seed \d+: 1 invariant is broken\n', 'order 2 is approved, its exchange is gone, its points are taken|order',
         'The fewest steps that show it', r'CreateOrder \{', r'\nprocess \d+\n', '◄─DeadlineReached─', 'ExchangeCompensated', '│',
         r'choreography-naive: \d+ seeds? from 1, 1 failed\n')
    [program, again] = re.findall(r'again: (\S+) (simulate --seed \d+ --seeds 1)\n', shown)[0]
    same(program, naive)
    repeated = world.run(*again.split(), '--quiet', status=1, application=naive)
    same(repeated, world.run(*again.split(), '--quiet', status=1, application=naive))
    same(repeated.split('choreography-naive:')[0], shown.split('choreography-naive:')[0])
    # The line can be pasted into a shell, from wherever the program was started and with what it was told.
    odd = os.path.join(world.directory, "it's odd")
    os.symlink(naive, odd)
    told = world.run(*again.split(), '--quiet', '--deadline', '7s', '--injected-delay', '10s', status=1, application=odd)
    [pasted] = re.findall(r'again: (.*)\n', told)
    says(pasted, 'seeds 1 --deadline 7000ms$')
    done = subprocess.run(pasted + ' --quiet', shell=True, text=True, capture_output=True, timeout=edda.LIMIT_S, check=False)
    same((done.returncode, done.stdout), (1, told))
    every = json.loads(world.run('simulate', '--seeds', '500', '--all', '--quiet', '--json', status=1, application=naive))
    holds(every['failed'] > 1 and every['seeds'] == 500, f'all are counted: {every}')


SCENARIOS = (help_and_version, wrong_usage, run_says, port_taken, directories, trace, deadlines_and_quarantine, reference_pages, simulate_repeats,
             simulate_finds)

if __name__ == '__main__':
    edda.main(SCENARIOS)
