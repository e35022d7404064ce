#!/usr/bin/env python3
"""Builds and runs the tests of one or more build directories and says how it went.

    run-tests.py --build build --build build-sanitize:unit,wire,sim
    run-tests.py --build build --suite check

One line per test as it ends, the output of those that failed, the reason of those that were
skipped, and as the very last line `N passed, N failed, N skipped`. The exit code is 0 when nothing
failed and something passed.

After a colon stand the words that choose tests of that directory: the first word of a test's name,
or one of its suites. A test that ends with code 77 is skipped; the last line it prints is the
reason. A build that fails counts as one failed test, and so does a test that never ran.

If the environment has TEST_RESULT, the last line is also written to the file it names.
"""
import argparse
import collections
import json
import os
import re
import subprocess
import sys
import threading
import time

PASSED, FAILED, SKIPPED = 'passed', 'failed', 'skipped'
MESON_RESULTS = {'OK': PASSED, 'EXPECTEDFAIL': PASSED, 'SKIP': SKIPPED}  # every other one is a failure
MESON_LINE = re.compile(r'^\s*\d+/\d+ (?P<name>.*?)\s+(?P<result>[A-Z]{2,})\s+(?P<seconds>[0-9.]+)s')
STILL_RUNNING_S = 15
OUTPUT_LINES_MAX = 200

# Without these a sanitizer prints and goes on, and the test passes.
SANITIZER_DEFAULTS = {
    'ASAN_OPTIONS': 'detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1:abort_on_error=0',
    'UBSAN_OPTIONS': 'halt_on_error=1:print_stacktrace=1',
    'TSAN_OPTIONS': 'halt_on_error=1',
}

Result = collections.namedtuple('Result', 'build name outcome detail seconds output')


def colour(outcome, text):
    code = {PASSED: '32', FAILED: '31', SKIPPED: '33'}.get(outcome)
    return f'\033[{code}m{text}\033[0m' if code and sys.stdout.isatty() else text


def say(text=''):
    print(text, flush=True)


class Build:
    """One build directory and the tests chosen from it."""

    def __init__(self, spec, suites, without):
        self.directory, _, words = spec.partition(':')
        self.words = [w for w in words.split(',') if w]
        self.suites = suites
        self.without = without
        self.tests = []

    def introspect(self, what):
        done = subprocess.run(['meson', 'introspect', self.directory, f'--{what}'],
                              stdout=subprocess.PIPE, check=True)
        return json.loads(done.stdout)

    def chosen(self, test):
        suites = {s.split(':')[-1] for s in test['suite']}
        if suites & set(self.without):
            return False
        if self.suites and not suites & set(self.suites):
            return False
        return not self.words or test['name'].split()[0] in self.words or bool(suites & set(self.words))

    def make(self):
        """Builds all of it, or only what the tests need that are chosen by word. False when that failed."""
        if not os.path.exists(os.path.join(self.directory, 'build.ninja')):
            say(f'{self.directory}: not a build directory; make one with: meson setup {self.directory}')
            return False
        # A build description that changed is read again before its tests are listed.
        say(f'== building {self.directory}')
        if subprocess.run(['ninja', '-C', self.directory, 'build.ninja']).returncode != 0:
            return False
        self.tests = [t for t in self.introspect('tests') if self.chosen(t)]
        targets = []
        if self.words:
            needed = {d for t in self.tests for d in t.get('depends', [])}
            root = os.path.realpath(self.directory)
            targets = sorted({os.path.relpath(f, root) for t in self.introspect('targets') if t['id'] in needed
                              for f in t['filename']})
            if not targets:
                return True
        return subprocess.run(['ninja', '-C', self.directory] + targets).returncode == 0


class Runner:
    def __init__(self, timeout_multiplier):
        self.timeout_multiplier = timeout_multiplier
        self.results = []
        self.interrupted = False
        self.done = 0
        self.total = 0

    def add(self, build, name, outcome, detail='', seconds=0.0, output=''):
        self.results.append(Result(build, name, outcome, detail, seconds, output))

    def run_all(self, builds):
        for build in builds:
            if self.interrupted:
                break
            if not build.make():
                say(colour(FAILED, f'the build of {build.directory} failed'))
                self.add(build.directory, 'build', FAILED, 'the build failed')
                build.tests = []
            elif not build.tests:
                chosen = ', '.join(build.words + build.suites)
                say(f'{build.directory}: no tests' + (f' of {chosen}' if chosen else ''))
        self.total = sum(len(b.tests) for b in builds)
        for build in builds:
            if build.tests and not self.interrupted:
                self.run(build)

    def run(self, build):
        say(f'== testing {build.directory}: {len(build.tests)} test(s)')
        log = os.path.join(build.directory, 'meson-logs', 'testlog.json')
        if os.path.exists(log):
            os.remove(log)
        names = sorted({t['name'] for t in build.tests})
        command = ['meson', 'test', '-C', build.directory, '--no-rebuild',
                   '--timeout-multiplier', str(self.timeout_multiplier)] + names
        env = dict(SANITIZER_DEFAULTS, **os.environ)
        env['PYTHONUNBUFFERED'] = '1'
        waiting = collections.Counter(t['name'] for t in build.tests)
        said = []
        meson = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                 errors='replace', env=env)
        heart = Heartbeat(waiting)
        try:
            for line in meson.stdout:
                said.append(line)
                self.show(build, line, waiting, heart)
            status = meson.wait()
        except KeyboardInterrupt:
            self.interrupted = True
            status = meson.wait()
        finally:
            heart.stop()
        self.collect(build, log, status, said)

    def show(self, build, line, waiting, heart):
        found = MESON_LINE.match(line)
        if not found:
            return
        name = bare_name(found['name'], waiting)
        outcome = MESON_RESULTS.get(found['result'], FAILED)
        word = {PASSED: 'ok', SKIPPED: 'skip'}.get(outcome, found['result'])
        self.done += 1
        waiting[name] -= 1
        heart.touch()
        width = len(str(self.total))
        where = '' if build.directory == 'build' else f'  ({build.directory})'
        say(f'[{self.done:{width}}/{self.total}] {colour(outcome, f"{word:7}")} {float(found["seconds"]):7.2f} s  '
            f'{name}{where}')

    def collect(self, build, log, status, said):
        missing = collections.Counter(t['name'] for t in build.tests)
        entries = []
        if os.path.exists(log):
            with open(log, encoding='utf-8') as lines:
                entries = [json.loads(line) for line in lines]
        for entry in entries:
            name = bare_name(entry['name'], missing)
            missing[name] -= 1
            outcome = MESON_RESULTS.get(entry['result'], FAILED)
            output = (entry.get('stdout') or '') + (entry.get('stderr') or '')
            detail = ''
            if outcome == SKIPPED:
                lines = [l.strip() for l in output.splitlines() if l.strip()]
                detail = lines[-1] if lines else 'it gave no reason'
            elif outcome == FAILED:
                detail = entry['result'].lower()
                if detail == 'fail':
                    detail = f'exit code {entry["returncode"]}'
            self.add(build.directory, name, outcome, detail, entry['duration'], output)
        left = list((+missing).elements())
        for name in left:
            self.add(build.directory, name, FAILED, 'interrupted' if self.interrupted else 'it never ran')
        failed = any(MESON_RESULTS.get(e['result'], FAILED) == FAILED for e in entries)
        if status != 0 and not failed and not self.interrupted:
            self.add(build.directory, 'meson test', FAILED, f'meson ended with code {status}', 0.0, ''.join(said))

    def report(self, seconds):
        by_outcome = collections.Counter(r.outcome for r in self.results)
        for result in self.results:
            if result.outcome == SKIPPED:
                say(colour(SKIPPED, f'skipped: {result.name} ({result.build}): ') + result.detail)
        for result in self.results:
            if result.outcome == FAILED:
                say()
                say(colour(FAILED, f'FAILED: {result.name} ({result.build}): {result.detail}'))
                lines = result.output.rstrip().splitlines()
                if len(lines) > OUTPUT_LINES_MAX:
                    say(f'  … {len(lines) - OUTPUT_LINES_MAX} lines before these are in '
                        f'{result.build}/meson-logs/testlog.txt')
                for line in lines[-OUTPUT_LINES_MAX:]:
                    say('  ' + line)
        if not self.results:
            say('no test was chosen: that is not a success')
        slowest = sorted(self.results, key=lambda r: -r.seconds)[:3]
        say()
        say(f'{seconds:.1f} s in all' + (', slowest: ' + ', '.join(f'{r.name} {r.seconds:.1f} s' for r in slowest)
                                         if slowest and slowest[0].seconds >= 1 else ''))
        last = f'{by_outcome[PASSED]} passed, {by_outcome[FAILED]} failed, {by_outcome[SKIPPED]} skipped'
        if os.environ.get('TEST_RESULT'):
            with open(os.environ['TEST_RESULT'], 'w', encoding='utf-8') as out:
                out.write(last + '\n')
        say(last)
        if self.interrupted:
            return 130
        return 0 if by_outcome[FAILED] == 0 and self.results else 1


def bare_name(shown, known):
    """The name of a test as its build description has it: meson shows its suites before it."""
    if shown in known:
        return shown
    for name in known:
        if shown.endswith(' / ' + name) or shown.endswith(':' + name):
            return name
    return shown


class Heartbeat:
    """Says every quarter of a minute without news what has not ended yet."""

    def __init__(self, waiting):
        self.waiting = waiting
        self.started = self.last = time.monotonic()
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.beat, daemon=True)
        self.thread.start()

    def touch(self):
        self.last = time.monotonic()

    def stop(self):
        self.ended.set()
        self.thread.join()

    def beat(self):
        while not self.ended.wait(1):
            now = time.monotonic()
            if now - self.last >= STILL_RUNNING_S:
                self.last = now
                names = [n for n, count in list(self.waiting.items()) if count > 0]
                more = f' and {len(names) - 4} more' if len(names) > 4 else ''
                say(f'  … {now - self.started:.0f} s, not ended yet: {", ".join(names[:4])}{more}')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--build', action='append', required=True, metavar='DIR[:WORD,…]')
    parser.add_argument('--suite', action='append', default=[], help='only tests of this suite (repeatable)')
    parser.add_argument('--without', action='append', default=[], metavar='SUITE',
                        help='no tests of this suite (repeatable)')
    parser.add_argument('--timeout-multiplier', type=float, default=1, help="on every test's time limit; 0: none")
    args = parser.parse_args()
    started = time.monotonic()
    runner = Runner(args.timeout_multiplier)
    try:
        runner.run_all([Build(spec, args.suite, args.without) for spec in args.build])
    except KeyboardInterrupt:
        runner.interrupted = True
    return runner.report(time.monotonic() - started)


if __name__ == '__main__':
    sys.exit(main())
