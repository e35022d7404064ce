#!/usr/bin/env python3
"""Clients of Kafka's protocol that say who they are, with and without TLS, and what each may do then: users.py EDDA [NAME…]."""
import json
import os
import signal
import subprocess

import kafka
from kafka import edda, install, serve
from edda import holds, same, says, wait_for
from tools import Tools

MECHANISMS = ('PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512')
# Without commas and equals signs, which librdkafka before 2.3 escapes in passwords, too.
PASSWORDS = {'all': 'Ev\u00f6lution; 1 "2', 'reader': 'reads'}


def user(world, name, *permissions, password=True):
    """Adds or changes one; the path of the file of users."""
    users, secret = (os.path.join(world.directory, file) for file in ('users', 'password'))
    with open(secret, 'w', encoding='utf-8') as file:
        file.write(PASSWORDS[name] + '\n')
    world.run('user', 'add', name, '--users', users, *(('--password-file', secret) if password else ()), *permissions)
    return users


def secured(world, tls):
    """A broker with the users, and the certificate that its clients are to trust, or `-`."""
    user(world, 'reader', '--read', 'orders*,readers*')
    options = ['--users', user(world, 'all', '--manage', '*', '--write', '*')]
    if tls:
        crt, key = serve.certificate(world, 'kafka', 'IP:127.0.0.1')
        options += ['--tls-cert', crt, '--tls-key', key]
    return kafka.broker(world, *options), crt if tls else '-'


def client(at, mechanism, name, ca, case, password=None):
    """The words that start the client program."""
    return [*kafka.python_program('users.py')(), f'{at.host}:{at.port}', mechanism, name, password or PASSWORDS[name], ca, case]


def everybody_may_say_who_he_is(world):
    """librdkafka by every mechanism, with and without TLS; a wrong password and a name that nobody has let nobody in."""
    kafka.command('librdkafka')
    for tls in (False, True):
        at, ca = secured(world, tls)
        for mechanism in MECHANISMS:
            says(kafka.run(client(at, mechanism, 'all', ca, 'works')), 'ok: works')
            for name, password in (('all', 'Evolution'), ('nobody', 'reads')):
                says(kafka.run(client(at, mechanism, name, ca, 'stranger', password)), 'ok: stranger')
        says('\n'.join(at.said), 'kafka.login: .* was not let in')
        at.stop()


def kcat_says_who_it_is(world):
    """kcat, with what the distribution has of librdkafka."""
    for tls in (False, True):
        at, ca = secured(world, tls)
        for mechanism in MECHANISMS:
            login = ['-X', 'security.protocol=' + ('SASL_SSL' if tls else 'SASL_PLAINTEXT'), '-X', f'sasl.mechanism={mechanism}', '-X', 'sasl.username=all',
                     '-X', f'sasl.password={PASSWORDS["all"]}', *(['-X', f'ssl.ca.location={ca}'] if tls else [])]
            topic = f'kcat-{mechanism}-{tls}'
            command = [install.kcat(), '-b', f'{at.host}:{at.port}', *login, '-t', topic, '-p', '0']
            kafka.run([*command, '-P'], text='a\nb\n')
            same(kafka.run([*command, '-C', '-o', 'beginning', '-e', '-q']).split(), ['a', 'b'], topic)
        at.stop()


def what_a_reader_may(world):
    """What is not permitted is refused by the code that Kafka gives, and a change of the file acts on the connections that there are."""
    kafka.command('librdkafka')
    at, ca = secured(world, False)
    says(kafka.run(client(at, 'PLAIN', 'all', ca, 'works')), 'ok: works')
    with subprocess.Popen(client(at, 'SCRAM-SHA-256', 'reader', ca, 'reader'), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True) as process:
        try:
            said = []  # librdkafka says a word, too
            while not said or said[-1] not in ('change\n', ''):
                said.append(process.stdout.readline())
            same(said[-1], 'change\n', ''.join(said))
            user(world, 'reader', '--read', '', '--write', 'mine', password=False)
            at.process.send_signal(signal.SIGHUP)
            wait_for(lambda: any(said.startswith('reload: ') for said in at.said), 'the users are read again')
            rest = process.communicate('\n', kafka.LIMIT_S)[0]
            holds(process.returncode == 0, rest)
            says(rest, '(?m)^ok: reader$')
        finally:
            process.kill()


def tools_of_kafka(world):
    """The Java client by SCRAM over TLS, in Kafka's console tools with the file of settings that these take."""
    version = install.JAVA_WHOLE[-1]
    try:
        install.java_programs(version)
    except install.Unavailable as reason:
        raise edda.Skip(str(reason)) from None
    at, ca = secured(world, True)
    tools = Tools(at, version)
    world.servers.append(tools)
    settings = {}
    for name, password, mechanism in (('all', PASSWORDS['all'], 'SCRAM-SHA-512'), ('reader', PASSWORDS['reader'], 'SCRAM-SHA-256'), ('wrong', 'wrong', 'PLAIN')):
        module = 'plain.PlainLoginModule' if mechanism == 'PLAIN' else 'scram.ScramLoginModule'
        # A string in a login configuration, in a file of properties.
        escaped = json.dumps(password.replace('"', '\\"'))[1:-1]
        settings[name] = os.path.join(world.directory, name + '.properties')
        with open(settings[name], 'w', encoding='utf-8') as file:
            file.write(f'security.protocol=SASL_SSL\nsasl.mechanism={mechanism}\nssl.truststore.type=PEM\nssl.truststore.location={ca}\n'
                       f'sasl.jaas.config=org.apache.kafka.common.security.{module} required username="{name}" password="{escaped}";\n')
    ours, theirs = ('--command-config', settings['all']), ('--command-config', settings['reader'])
    for topic in ('orders-1', 'secret'):
        tools.run('kafka-topics', *ours, '--create', '--topic', topic, '--partitions', '1')
    for topic in ('orders-1', 'secret'):
        tools.run('kafka-console-producer', '--producer.config', settings['all'], '--topic', topic, text='a\nb\n')
    same(tools.run('kafka-topics', *theirs, '--list').splitlines()[0], 'orders-1', 'what the reader sees')
    holds('secret' not in tools.run('kafka-topics', *theirs, '--list'), 'what the reader does not see')
    said = tools.run('kafka-console-consumer', '--consumer.config', settings['reader'], '--topic', 'orders-1', '--group', 'readers', '--from-beginning',
                     '--max-messages', '2', '--timeout-ms', '20000')
    says(said, r'(?m)^a$', r'(?m)^b$')
    says(tools.run('kafka-topics', *theirs, '--create', '--topic', 'orders-2', status=1), 'Topic authorization failed')
    says(tools.run('kafka-consumer-groups', *theirs, '--describe', '--group', 'others'), 'GroupAuthorizationException')
    says(tools.run('kafka-topics', '--command-config', settings['wrong'], '--list', status=1), 'the name or the password is wrong')


if __name__ == '__main__':
    edda.main((everybody_may_say_who_he_is, kcat_says_who_it_is, what_a_reader_may, tools_of_kafka))
