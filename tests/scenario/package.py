#!/usr/bin/env python3
"""The Debian package, in a system of its own: it is installed, serves, is upgraded, removed and purged, and leaves nothing behind.

    package.py EDDA [NAME…] --build=DIRECTORY [--root=DIRECTORY]

Needs root, debootstrap and a mirror of Debian; without them it is skipped. `--root` names a minimal system that debootstrap has made before, which is copied.
"""
import os
import re
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
import edda  # noqa: E402
from edda import holds, same, says  # noqa: E402
from serve import Broker  # noqa: E402

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SETTINGS = '/etc/edda/edda.conf'
MINUTES = 60


def run(*words, status=0, limit_s=10 * MINUTES, **popen):
    """What it says on both of its outputs."""
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=limit_s, check=False, **popen)
    if status is not None:
        same(done.returncode, status, f'{" ".join(words)}\n{done.stdout[-3000:]}')
    return done.stdout


class System:
    """A minimal Debian below a directory."""

    def __init__(self, directory):
        self.directory = directory
        self.environment = {'PATH': '/usr/sbin:/usr/bin:/sbin:/bin', 'LC_ALL': 'C.UTF-8', 'DEBIAN_FRONTEND': 'noninteractive'}
        given = edda.option('root', '')
        if given:
            run('cp', '-a', given, directory)
            return
        with open('/etc/os-release', encoding='utf-8') as file:
            suite = re.search(r'^VERSION_CODENAME=(\w+)$', file.read(), re.MULTILINE)
        if not suite:
            raise edda.Skip('this is no Debian, for whose release the package is made')
        said = run('debootstrap', '--variant=minbase', suite[1], directory, status=None, limit_s=30 * MINUTES)
        if 'Base system installed successfully' not in said:
            raise edda.Skip(f'debootstrap could not make a system: {said[-300:]}')

    def run(self, *words, status=0):
        return run('chroot', self.directory, *words, status=status, env=self.environment)

    def path(self, inside):
        return self.directory + inside

    def read(self, inside):
        with open(self.path(inside), encoding='utf-8') as file:
            return file.read()

    def install(self, package):
        shutil.copy(package, self.path('/package.deb'))
        # Nobody is there to be asked which settings are to be kept: those that an administrator has changed.
        said = self.run('apt-get', 'install', '-y', '--no-install-recommends', '-o', 'Dpkg::Options::=--force-confold', '/package.deb')
        os.unlink(self.path('/package.deb'))
        return said

    def named_edda(self):
        """Every file whose name says that it is of the package."""
        found = []
        for directory, directories, files in os.walk(self.directory):
            inside = directory[len(self.directory):]
            directories[:] = [name for name in directories if inside + '/' + name not in ('/proc', '/sys', '/dev')]
            found += [inside + '/' + name for name in directories + files if 'edda' in name]
        return found

    def stop(self):
        with open('/proc/mounts', encoding='utf-8') as file:
            mounted = [line.split()[1] for line in file if line.split()[1].startswith(self.directory + '/')]
        for where in reversed(mounted):
            run('umount', where)
        shutil.rmtree(self.directory)


def packaged(world):
    out = os.path.join(world.directory, 'out')
    run(os.path.join(SOURCE, 'packaging', 'deb.sh'), edda.option('build', os.path.dirname(world.application)), out)
    [package] = os.listdir(out)
    return os.path.join(out, package)


def newer(world, package):
    """The same as a release that comes after it; its settings say something more."""
    tree, path = os.path.join(world.directory, 'tree'), os.path.join(world.directory, 'newer.deb')
    run('dpkg-deb', '-R', package, tree)
    for name, pattern, text in (('DEBIAN/control', r'(?m)^Version: (.*)$', r'Version: \1+1'), (SETTINGS[1:], r'\A', '# Of a later release.\n')):
        with open(os.path.join(tree, name), 'r+', encoding='utf-8') as file:
            changed = re.sub(pattern, text, file.read(), count=1)
            file.seek(0)
            file.write(changed)
    run('dpkg-deb', '--root-owner-group', '--build', tree, path)
    return path


def served(world, system, **variables):
    """The service as its unit starts it."""
    unit = system.read('/lib/systemd/system/edda.service')
    words = re.search(r'(?m)^ExecStart=(.*)$', unit)[1].split()
    user = '%s:%s' % (re.search(r'(?m)^User=(.*)$', unit)[1], re.search(r'(?m)^Group=(.*)$', unit)[1])
    return Broker(world, command=['chroot', '--userspec=' + user, system.directory, *words], env={**system.environment, **variables}).wait_listening()


def events(broker):
    client = edda.Client(*broker.where['http'])
    return [row['event']['data'] for row in client.get('/streams/orders/7')['_embedded']['events']]


def append(broker, value):
    client = edda.Client(*broker.where['http'])
    same(client.ask('POST', '/streams/orders/7?type=Told', value).status, 201)


def is_installed_and_serves(world, system, package):
    said = system.install(package)
    says(said, 'Setting up edda')
    says(system.run('getent', 'passwd', 'edda'), r'^edda:.*:/var/lib/edda:/usr/sbin/nologin')
    says(system.run('stat', '-c', '%a %U %G', '/var/lib/edda'), '^700 edda edda$')
    says(system.run('stat', '-c', '%a %U %G', SETTINGS), '^644 root root$')
    same(os.readlink(system.path('/etc/systemd/system/multi-user.target.wants/edda.service')), '/lib/systemd/system/edda.service')
    same(system.run('dpkg', '--verify', 'edda'), '', 'files as they are in the package')
    # The settings as they come, but for their ports, which may be taken here.
    broker = served(world, system, EDDA_KAFKA='127.0.0.1:0', EDDA_RESP='127.0.0.1:0', EDDA_HTTP='127.0.0.1:0')
    same((sorted(broker.where), broker.said[-1]), (['http', 'kafka', 'resp'], 'data: /var/lib/edda, which is new'))
    append(broker, {'release': 'first'})
    same(broker.end()[0], 0)
    same(os.stat(system.path('/var/lib/edda/log')).st_uid, os.stat(system.path('/var/lib/edda')).st_uid)


def is_upgraded(world, system, package):
    with open(system.path(SETTINGS), 'w', encoding='utf-8') as file:
        file.write('# Mine.\ndata = /var/lib/edda\nhttp = 127.0.0.1:0\nkafka = off\nresp = off\n')
    system.run('sh', '-c', 'echo sesame | setpriv --reuid=edda --regid=edda --clear-groups edda user add alice --users /var/lib/edda/users --write orders')
    says(system.install(newer(world, package)), 'Unpacking edda .* over')
    says(system.run('dpkg-query', '-W', 'edda'), r'\+1$')
    holds(system.read(SETTINGS).startswith('# Mine.\n'), 'the settings are those of the administrator')
    broker = served(world, system)
    same((sorted(broker.where), broker.said[-1][:50]), (['http'], 'data: /var/lib/edda, which was closed in order; se'))
    append(broker, {'release': 'second'})
    same(events(broker), [{'release': 'first'}, {'release': 'second'}])
    same(broker.end()[0], 0)


def is_removed_and_comes_back(world, system, package):
    system.run('apt-get', 'remove', '-y', 'edda')
    holds(not os.path.exists(system.path('/usr/bin/edda')), 'the program is gone')
    holds(system.read(SETTINGS).startswith('# Mine.\n') and os.path.exists(system.path('/var/lib/edda/log')), 'settings and data stay')
    system.install(package)
    broker = served(world, system)
    same(len(events(broker)), 2)
    same(broker.end()[0], 0)


def is_purged(system):
    system.run('apt-get', 'purge', '-y', 'edda')
    system.run('getent', 'passwd', 'edda', status=2)
    system.run('getent', 'group', 'edda', status=2)
    same(system.named_edda(), [], 'what is left')


def the_life_of_a_package(world):
    """Installed, upgraded, removed, installed again, purged."""
    package = packaged(world)
    system = System(os.path.join(world.directory, 'system'))
    world.servers.append(system)
    is_installed_and_serves(world, system, package)
    is_upgraded(world, system, package)
    is_removed_and_comes_back(world, system, package)
    is_purged(system)


if __name__ == '__main__':
    lacks = [tool for tool in ('chroot', 'debootstrap', 'dpkg-deb', 'dpkg-shlibdeps') if not shutil.which(tool, path=os.environ.get('PATH', '') + ':/usr/sbin:/sbin')]
    if os.geteuid() != 0 or lacks:
        print('needs ' + (', '.join(lacks) if lacks else 'root') + '; `make setup-clients` installs debootstrap')
        sys.exit(edda.SKIPPED)
    edda.main([the_life_of_a_package])
