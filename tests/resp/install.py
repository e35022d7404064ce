"""Clients that others have written, in the versions that are named here, installed once into a folder of the build directory."""
import os
import shutil
import subprocess
import sys

import edda

PYTHON = {'redis': '8.1.0'}
NODE = {'ioredis': '6.0.0', 'redis': '6.3.1'}
LIMIT_S = 300


def run(command, folder, what):
    try:
        done = subprocess.run(command, cwd=folder, text=True, capture_output=True, timeout=LIMIT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as wrong:
        raise edda.Skip(f'{what} cannot be installed: {wrong}') from wrong
    if done.returncode != 0:
        raise edda.Skip(f'{what} cannot be installed: {(done.stderr or done.stdout).strip().splitlines()[-1:]}')


def once(cache, name, versions, install):
    """The folder of what is installed: made under another name, and renamed when it is whole."""
    folder = os.path.join(cache, name + ''.join(f'-{package}-{version}' for package, version in sorted(versions.items())))
    if not os.path.isdir(folder):
        begun = f'{folder}.{os.getpid()}'
        shutil.rmtree(begun, ignore_errors=True)
        os.makedirs(begun)
        try:
            install(begun)
            os.rename(begun, folder)
        except BaseException:
            shutil.rmtree(begun, ignore_errors=True)
            raise
    return folder


def python(cache):
    """The interpreter, and the folder for PYTHONPATH."""
    def install(folder):
        run([sys.executable, '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--target', folder,
             *(f'{package}=={version}' for package, version in PYTHON.items())], folder, 'redis-py')
    return sys.executable, once(cache, 'python', PYTHON, install)


def node(cache):
    """The folder in which `require` finds them."""
    if not shutil.which('node') or not shutil.which('npm'):
        raise edda.Skip('node and npm are not installed')

    def install(folder):
        with open(os.path.join(folder, 'package.json'), 'w', encoding='ascii') as file:
            file.write('{"private":true}')
        run(['npm', 'install', '--no-audit', '--no-fund', '--ignore-scripts', *(f'{package}@{version}' for package, version in NODE.items())], folder,
            'ioredis and node-redis')
    return once(cache, 'node', NODE, install)
