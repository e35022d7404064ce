#!/usr/bin/env python3
"""The listener of Redis's protocol as clients see it that others have written, in pinned versions.

    clients.py EDDA [NAME…] --cache=DIR

Each client's own script is beside this one: client_*. It says "done" when all it has seen is right.
"""
import os
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'scenario'))
import edda  # noqa: E402
import install  # noqa: E402
import redis  # noqa: E402
from edda import same, says  # noqa: E402

CACHE = os.path.abspath(edda.option('cache', '') or '/nonexistent')
LIMIT_S = 60


def serve(world):
    directory = os.path.join(world.directory, 'redis')
    os.makedirs(directory, exist_ok=True)
    server = redis.Edda(world.application, directory)
    world.servers.append(server)
    return server


def succeeds(command, **options):
    done = subprocess.run(command, text=True, capture_output=True, timeout=LIMIT_S, check=False, **options)
    same((done.returncode, done.stdout.strip().splitlines()[-1:]), (0, ['done']), done.stdout + done.stderr)


def redis_cli(world):
    """As a person and as a script use it."""
    if not shutil.which('redis-cli'):
        raise edda.Skip('redis-cli is not installed')
    server = serve(world)

    def cli(*words, text=None):
        done = subprocess.run(['redis-cli', '-p', str(server.port), *words], input=text, text=True, capture_output=True, timeout=LIMIT_S, check=False)
        return done.stdout

    same(cli('PING'), 'PONG\n')
    same(cli('-3', 'PING'), 'PONG\n')
    same(cli('PUBLISH', 'a:b', 'hello'), '0\n')
    same(cli('XADD', 's', '5-1', 'a', '1'), '5-1\n')
    same(cli('--no-raw', 'XRANGE', 's', '-', '+'), '1) 1) "5-1"\n   2) 1) "a"\n      2) "1"\n')
    same(cli('-3', '--no-raw', 'XREAD', 'STREAMS', 's', '0'), '1# "s" => \n   1) 1) "5-1"\n      2) 1) "a"\n         2) "1"\n')
    same(cli('XGROUP', 'CREATE', 's', 'g', '0'), 'OK\n')
    same(cli('XGROUP', 'CREATE', 's', 'g', '0'), 'BUSYGROUP Consumer Group name already exists\n\n')
    same(cli('--no-raw', 'XREADGROUP', 'GROUP', 'g', 'c', 'STREAMS', 's', '>'), '1) 1) "s"\n   2) 1) 1) "5-1"\n         2) 1) "a"\n            2) "1"\n')
    same(cli('--no-raw', 'XPENDING', 's', 'g'), '1) (integer) 1\n2) "5-1"\n3) "5-1"\n4) 1) 1) "c"\n      2) "1"\n')
    same(cli('XACK', 's', 'g', '5-1'), '1\n')
    says(cli('GET', 'x'), "ERR unknown command 'GET'")
    says(cli('INFO', 'server'), 'edda_version:')
    same(cli(text='PING\nECHO "two words"\n\nXLEN s\n'), 'PONG\ntwo words\n1\n')
    pipe = b''.join(b'*5\r\n$4\r\nXADD\r\n$4\r\npipe\r\n$1\r\n*\r\n$1\r\nn\r\n$%d\r\n%d\r\n' % (len(str(n)), n) for n in range(1000))
    done = subprocess.run(['redis-cli', '-p', str(server.port), '--pipe'], input=pipe, capture_output=True, timeout=LIMIT_S, check=False)
    says(done.stdout.decode(), 'errors: 0, replies: 1000')
    same(cli('XLEN', 'pipe'), '1000\n')


def redis_py(world):
    """Both versions of the protocol, pub/sub, streams, a pipeline."""
    python, folder = install.python(CACHE)
    succeeds([python, '-B', os.path.join(HERE, 'client_redis_py.py'), str(serve(world).port)], env={**os.environ, 'PYTHONPATH': folder})


def node(world, script):
    folder = install.node(CACHE)
    succeeds(['node', os.path.join(HERE, script), str(serve(world).port)], env={**os.environ, 'NODE_PATH': os.path.join(folder, 'node_modules')})


def ioredis(world):
    """Its ready check, subscriptions, streams, a pipeline."""
    node(world, 'client_ioredis.js')


def node_redis(world):
    """Both versions of the protocol, subscriptions, streams."""
    node(world, 'client_node_redis.js')


def hiredis(world):
    """The C client of this machine."""
    program = os.path.join(world.directory, 'client')
    compiler = shutil.which('cc') or shutil.which('gcc')
    if not compiler or not os.path.exists('/usr/include/hiredis/hiredis.h'):
        raise edda.Skip('a C compiler or the headers of hiredis are not installed')
    subprocess.run([compiler, '-o', program, os.path.join(HERE, 'client_hiredis.c'), '-lhiredis'], check=True, timeout=LIMIT_S)
    succeeds([program, str(serve(world).port)])


SCENARIOS = (redis_cli, redis_py, ioredis, node_redis, hiredis)

if __name__ == '__main__':
    edda.main(SCENARIOS)
