#!/usr/bin/env python3
"""The rules tested: each is given small trees that break it and must say where, and trees that come
close and must be left alone."""
import os
import re
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True

HERE = os.path.dirname(os.path.abspath(__file__))
PUBLIC_MESON = "public_headers = files('{}')\n"


def lines(count):
    return ''.join(f'    x += {i};\n' for i in range(count))


# (what it shows, rule, files of the tree, objections expected as 'path:line' or 'path:line: part of the sentence')
CASES = (
    ('a layer reaches up', 'includes', {
        'src/base/a.h': '#include <stdint.h>\n#include "log/log.h"\n',
        'src/log/log.c': '#include "log/log.h"\n#include "io/io.h"\n#include "store/store.h"\n',
        'src/engine/e.c': '#include "journal/j.h"\n#include "store/store.h"\n#include "server/s.h"\n',
    }, ('src/base/a.h:2: "log/log.h": base may not use log', 'src/log/log.c:3', 'src/engine/e.c:2', 'src/engine/e.c:3')),
    ('arrows downward are fine', 'includes', {
        'include/edda/error.h': '#include <stddef.h>\n',
        'src/base/a.c': '#include "base/a.h"\n#include "edda/error.h"\n#include <nmmintrin.h>\n',
        'src/server/s.c': '#include "engine/e.h"\n#include "console/page.h"\n#include <event2/event.h>\n#include <sys/epoll.h>\n',
        'src/cmd/c.c': '#include "server/s.h"\n#include "base/a.h"\n',
        'src/wire/json/j.c': '/* #include "log/log.h" */\n#include "wire/json/j.h"\n#include <jansson.h>\n',
    }, ()),
    ('includes are written one way', 'includes', {
        'include/edda/a.h': '#include "base/slice.h"\n#include <unistd.h>\n',
        'src/io/a.c': '#include "a.h"\n#include "../base/b.h"\n#include <edda/a.h>\n# include "edda/none.h"\n#include X\n',
        'src/loose.c': '#include "base/a.h"\n',
        'src/misc/a.c': '#include "misc/a.h"\n',
        'src/log/b.c': '#include <event2/event.h>\n#include <uuid/uuid.h>\n#include <jansson.h>\n',
    }, ('include/edda/a.h:1', 'include/edda/a.h:2', 'src/io/a.c:1', 'src/io/a.c:2', 'src/io/a.c:3', 'src/io/a.c:4',
        'src/io/a.c:5', 'src/loose.c:1', 'src/misc/a.c:1: src/misc is none of the layers', 'src/log/b.c:1', 'src/log/b.c:2',
        'src/log/b.c:3')),
    ('examples see the public interface only', 'includes', {
        'include/edda/edda.h': '#include <stddef.h>\n',
        'examples/shop/main.c': '#include "edda/edda.h"\n#include "cart.h"\n#include "base/slice.h"\n',
        'examples/shop/cart.h': '#include <stdint.h>\n',
        'examples/hotel/main.c': '#include "../shop/cart.h"\n#include <sqlite3.h>\n',
        'examples/one.c': '#include "edda/edda.h"\n#include "src/base/slice.h"\n#include "edda/secret.h"\n',
    }, ('examples/shop/main.c:3', 'examples/hotel/main.c:1', 'examples/hotel/main.c:2', 'examples/one.c:2',
        'examples/one.c:3')),

    ('a module looks inside another', 'includes', {
        'examples/shop/carts/carts.h': '#include <stdint.h>\n',
        'examples/shop/carts/cart.h': '#include "carts/carts.h"\n',
        'examples/shop/orders/order.c': '#include "carts/carts.h"\n#include "carts/cart.h"\n#include "shop.h"\n#include "../carts/cart.h"\n',
        'examples/shop/shop.h': '#include <stdint.h>\n',
        'examples/shop/tests.c': '#include "carts/cart.h"\n',
    }, ('examples/shop/orders/order.c:2: "carts/cart.h": module orders sees only carts/carts.h', 'examples/shop/orders/order.c:4')),

    ('a domain learns how it is asked', 'includes', {
        'include/edda/type.h': '#include <stdint.h>\n',
        'include/edda/http.h': '#include <stdint.h>\n',
        'examples/library/book/book.h': '#include <stdint.h>\n',
        'examples/library/book/domain/copy.h': '#include "edda/type.h"\n',
        'examples/library/book/domain/copy.c': '#include "book/domain/copy.h"\n#include <string.h>\n#include "edda/http.h"\n#include "book/book.h"\n',
    }, ('examples/library/book/domain/copy.c:3', 'examples/library/book/domain/copy.c:4: "book/book.h": a domain includes')),

    ('a header leans on another', 'headers', {
        'src/base/a.h': '#ifndef A_H\n#define A_H\nsize_t a(void);\n#endif\n',
        'src/base/b.h': '#ifndef B_H\n#define B_H\n#include <stddef.h>\nsize_t b(void);\n#endif\n',
        'src/base/c.h': '#ifndef C_H\n#define C_H\n#include "base/a.h"\nint c(void);\n#endif\n',
        'src/base/unguarded.h': 'struct twice { int x; };\n',
    }, ('src/base/a.h:3', 'src/base/unguarded.h:1')),
    ('a public header is no C99 or no C++', 'headers', {
        'include/edda/a.h': '#ifndef A_H\n#define A_H\n_Static_assert(1, "");\n#endif\n',
        'include/edda/b.h': '#ifndef B_H\n#define B_H\nstruct edda_b { int class; };\n#endif\n',
        'include/edda/c.h': '#ifndef C_H\n#define C_H\n#include <stdint.h>\nstruct edda_c { uint8_t x; };\n#endif\n',
    }, ('include/edda/a.h:3: does not compile alone as c99', 'include/edda/a.h:3: does not compile alone as c++11',
        'include/edda/b.h:3: does not compile alone as c++11')),
    ("the project's own flags hold for headers", 'headers', {
        'meson.build': "add_project_arguments(cc.get_supported_arguments('-Wconversion'), language: 'c')\n",
        'src/base/a.h': '#ifndef A_H\n#define A_H\nstatic inline char a(int x)\n{\n    return x;\n}\n#endif\n',
    }, ('src/base/a.h:5',)),

    ('long files and functions', 'sizes', {
        'src/base/long.c': '\n' * 1001,
        'src/base/a.c': 'static int\nshort_one(int x)\n{\n' + lines(69) + '    return x;\n}\n\n'
                        'int long_one(int x)\n{\n' + lines(70) + '    return x;\n}\n',
        'tools/big.py': '\n' * 1001,
    }, ('src/base/long.c:1001', 'src/base/a.c:76: long_one() has 71 lines', 'tools/big.py:1001')),
    ('what only looks like a function, and what hides one', 'sizes', {
        'src/base/a.c': 'static const struct row rows[] = {\n' + '    { ROW(1) },\n' * 100 + '};\n'
                        'struct big {\n' + '    int (*call)(int);\n' * 100 + '};\n'
                        'enum e {\n' + '    A,\n' * 100 + '};\n'
                        '#define OPEN(x) { x\n'
                        'static const char *brace = "{"; /* } */ static char c = \'{\';\n'
                        '#ifdef X\nint f(void) {\n#else\nint f(long x) {\n#endif\n    return 0;\n}\n'
                        '__attribute__((noinline)) static int hidden(void)\n{\n' + lines(71) + '}\n'
                        'EDDA_HANDLER(h, M, s);\nint h(void)\n{\n    struct x y = { 0 };\n    if (y.a) {\n' + lines(80) + '    }\n}\n',
        'include/edda/a.h': 'extern "C" {\nstatic inline int inside(void)\n{\n' + lines(75) + '}\nint after(void);\n}\n',
    }, ('src/base/a.c:316: hidden() has 71 lines', 'src/base/a.c:391: h() has 83 lines',
        'include/edda/a.h:2: inside() has 75 lines')),

    ('unsafe functions', 'banned', {
        'src/base/a.c': 'void f(char *d)\n{\n    strcpy(d, "x");\n    n = atoi (d);\n}\n',
        'tests/unit/a.c': 'int main(void)\n{\n    return system("x") + rand();\n}\n',
        'src/io/a.c': 'void f(char *d)\n{\n    sprintf(d, "x");\n}\n',
    }, ('src/base/a.c:3: strcpy()', 'src/base/a.c:4: atoi()', 'tests/unit/a.c:3: system()', 'tests/unit/a.c:3: rand()',
        'src/io/a.c:3: sprintf()')),
    ('the operating system outside of src/io', 'banned', {
        'src/log/a.c': 'int f(void)\n{\n    fsync(3);\n    return open("x", 0) + (int)time(NULL);\n}\n',
        'src/engine/a.c': 'void f(void)\n{\n    getrandom(0, 0, 0);\n    socket(1, 2, 3);\n    pthread_create(0, 0, 0, 0);\n}\n',
        'examples/shop/a.c': 'void f(void)\n{\n    sleep(1);\n}\n',
        'src/io/posix.c': 'void f(void)\n{\n    fsync(3);\n    clock_gettime(0, 0);\n    ppoll(0, 0, 0, 0);\n}\n',
        'src/server/a.c': 'void f(void)\n{\n    socket(1, 2, 3);\n    mmap();\n}\n',
    }, ('src/log/a.c:3: fsync()', 'src/log/a.c:4: open()', 'src/log/a.c:4: time()', 'src/engine/a.c:3', 'src/engine/a.c:4',
        'src/engine/a.c:5', 'examples/shop/a.c:3', 'src/server/a.c:4')),
    ('the library speaks or decides for its caller', 'banned', {
        'src/store/a.c': 'void f(void)\n{\n    printf("x");\n    g(stderr);\n    getenv("HOME");\n    exit(1);\n}\n',
        'src/base/assert.c': 'void f(void)\n{\n    fprintf(stderr, "x");\n    abort();\n}\n',
        'src/cmd/a.c': 'void f(void)\n{\n    printf("%s", getenv("HOME"));\n    exit(1);\n}\n',
    }, ('src/store/a.c:3', 'src/store/a.c:4: stderr', 'src/store/a.c:5', 'src/store/a.c:6')),
    ('names that only look banned', 'banned', {
        'src/store/a.c': '/* strcpy(a, b) */\nvoid f(struct io *io)\n{\n    io->ops->open(io, "open(");\n    io.time(3);\n'
                         '    log_open(io);\n    file_time(io);\n    snprintf(d, 3, "printf(");\n    strcpy_safe(d);\n}\n'
                         "// system(1) \\\n   system(2)\nchar c = '\"'; int d; /* \" */\n",
    }, ()),

    ('notes to oneself', 'words', {
        'src/base/a.c': 'int x; /* TO' 'DO: more */\n// fine\n// FIX' 'ME\n',
        'docs/a.md': 'one\n\nX' 'XX here\n',
        'README.md': 'HA' 'CK\n',
        'Makefile': '# TO' 'DO\n',
    }, ('src/base/a.c:1', 'src/base/a.c:3', 'docs/a.md:3', 'README.md:1', 'Makefile:1')),
    ('words that contain one', 'words', {
        'src/base/a.c': 'char t[] = "/tmp/XX' 'XXXX"; /* HA' 'CKER, todo list, TO' 'DOS */\n',
    }, ()),

    ('headers are listed for installation', 'public', {
        'include/edda/a.h': '', 'include/edda/b.h': '',
        'include/edda/meson.build': "public_headers = files('a.h',\n  'c.h')\n",
    }, ('include/edda/b.h:1: is not listed', 'include/edda/meson.build:2: c.h is listed and does not exist')),
    ('public names without a prefix', 'public', {
        'include/edda/meson.build': PUBLIC_MESON.format('a.h'),
        'include/edda/a.h': '#define EDDA_A 1\n#define LIMIT 3\n#define edda_call(x) (x)\n#define edda_constant 3\n'
                            'extern "C" {\nstruct stream { int x; };\nenum edda_e { EDDA_X, OTHER = 3 };\n'
                            'typedef int handler(int x);\ntypedef int (*edda_fn)(int x);\n'
                            'EDDA_PUBLIC int append(int x);\nint edda_hidden(int x);\n'
                            'EDDA_PUBLIC int edda_fine(const char *f, ...) EDDA_PRINTF(1, 2);\n'
                            'static inline int edda_inline(int x)\n{\n    return x;\n}\n}\n',
    }, ('include/edda/a.h:2: macro LIMIT', 'include/edda/a.h:4: macro edda_constant', 'include/edda/a.h:6: struct stream',
        'include/edda/a.h:7: constant OTHER', 'include/edda/a.h:8: type handler', 'include/edda/a.h:10: append()',
        'include/edda/a.h:11: edda_hidden()')),
)

failures = []


def fail(what, said):
    failures.append(what)
    print(f'FAILED: {what}')
    for line in said.rstrip().splitlines():
        print('    ' + line)


def write(root, files):
    for path, text in files.items():
        full = os.path.join(root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, 'w', encoding='utf-8') as file:
            file.write(text)


def run(rule, root):
    done = subprocess.run([sys.executable, os.path.join(HERE, f'{rule}.py'), '--root', root, '--build',
                           os.path.join(root, 'build')], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.returncode, done.stdout


def test_case(what, rule, files, expected):
    with tempfile.TemporaryDirectory() as root:
        write(root, files)
        code, said = run(rule, root)
    found = [l for l in said.splitlines() if re.match(r'\S+:\d+: ', l)]
    left = list(found)
    for wanted in expected:
        prefix = wanted if re.search(r':\d+: ', wanted) else wanted + ': '
        hit = next((l for l in left if l.startswith(prefix)), None)
        if hit is None:
            fail(f'{rule}: {what}: did not find {wanted}', said)
            return
        left.remove(hit)
    if left:
        fail(f'{rule}: {what}: objected to what is right: {left[0]}', said)
    elif code != (1 if expected else 0):
        fail(f'{rule}: {what}: ended with {code}', said)
    else:
        print(f'ok: {rule}: {what}')


def test_empty_tree():
    """A rule that found no file has not checked anything, and must not pass."""
    for rule in ('includes', 'headers', 'sizes', 'banned', 'words'):
        with tempfile.TemporaryDirectory() as root:
            code, said = run(rule, root)
        if code != 1 or 'nothing to check' not in said:
            fail(f'{rule}: an empty tree ended with {code}', said)


def test_symbols():
    source = ('__attribute__((visibility("default"))) int edda_fine(void) { return 0; }\n'
              '__attribute__((visibility("hidden"))) int arena_alloc(void) { return 0; }\n')
    leak = '__attribute__((visibility("default"))) int leaked(void) { return 0; }\n'
    compiler = os.environ.get('CC', 'gcc').split()
    for text, leaked in ((source, []), (source + leak, ['leaked'])):
        for name, link in (('libedda.so', ['-shared', '-o']), ('libedda_base.a', None), ('libedda.a', None)):
            expected = (['arena_alloc'] if name == 'libedda.a' else []) + leaked
            with tempfile.TemporaryDirectory() as root:
                write(root, {'a.c': text, 'build/src/base/keep': ''})
                library, unit = os.path.join(root, 'build/src/base', name), os.path.join(root, 'a.o')
                subprocess.run([*compiler, '-fPIC', '-c', os.path.join(root, 'a.c'), '-o', unit], check=True)
                subprocess.run([*compiler, *link, library, unit] if link else ['ar', 'rcs', library, unit], check=True)
                code, said = run('symbols', root)
            found = re.findall(r'exports (\w+),', said)
            what = f'symbols: {name} with {len(expected)} leaked'
            if found != expected or code != (1 if expected else 0):
                fail(f'{what}: ended with {code}', said)
            else:
                print(f'ok: {what}')
    with tempfile.TemporaryDirectory() as root:
        code, said = run('symbols', root)
        if code != 77 or not said.strip():
            fail(f'symbols: without a build it ended with {code}, not 77 and a reason', said)


def main():
    for case in CASES:
        test_case(*case)
    test_empty_tree()
    test_symbols()
    print(f'selftest: {len(CASES)} trees, {len(failures)} failure(s)')
    sys.exit(1 if failures else 0)


if __name__ == '__main__':
    main()
