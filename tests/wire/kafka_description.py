#!/usr/bin/env python3
"""tools/kafka_messages.py refuses a description that is wrong, names the line, and writes nothing."""
import os
import subprocess
import sys
import tempfile

TOOL = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'tools', 'kafka_messages.py')
HEAD = 'ARequest key=1 valid=0-2 flex=1+\n'

# What is wrong, the description, the line and a part of what is said; None: it is right.
CASES = (
    ('a right one', 'struct Pair\n  X int8 [0+]\n\n# a note\n' + HEAD + '  P []Pair [0+, null 1+]\n  Q Q [1+, null 1+]\n    Z string [0+, =]\n', None),
    ('no message', 'What is this\n', '1: neither a message nor a struct'),
    ('a field without versions', HEAD + '  X int32\n', '2: a field is written'),
    ('an unknown type', HEAD + '  X int33 [0+]\n', '2: the type int33 has no fields here and is declared nowhere'),
    ('an unknown word', HEAD + '  X int32 [0+, nul 0+]\n', '2: "nul 0+" is nothing that a field has'),
    ('versions the wrong way round', HEAD + '  X int32 [3-2]\n', '2: "3-2" is an empty range'),
    ('a message without a last version', 'ARequest key=1 valid=0+ flex=1+\n  X int32 [0+]\n', '1: a message has a last version'),
    ('a field twice', HEAD + '  X int32 [0+]\n  X int8 [0+]\n', '3: X is there twice'),
    ('a message twice', HEAD + '  X int32 [0+]\n' + HEAD + '  X int32 [0+]\n', '3: ARequest is declared twice'),
    ('a type twice', HEAD + '  X []T [0+]\n    Y int8 [0+]\n  Z []T [0+]\n    Y int8 [0+]\n', '4: T is declared twice'),
    ('fields below a number', HEAD + '  X int32 [0+]\n    Y int32 [0+]\n', '3: the field above has no fields of its own'),
    ('fields too far in', HEAD + '      Y int32 [0+]\n', '2: stands too far in'),
    ('a number that may be null', HEAD + '  X int32 [0+, null 0+]\n', '2: int32 cannot be null'),
    ('a default that does not fit', HEAD + '  X int8 [0+, =128]\n', '2: 128 is no int8'),
    ('a default of a bool', HEAD + '  X bool [0+, =1]\n', '2: 1 is no bool'),
    ('a default of a string', HEAD + '  X string [0+, =x]\n', '2: the default of a string is empty or null'),
    ('a default of an array', HEAD + '  X []int32 [0+, =1]\n', '2: this type has no default to be chosen'),
    ('tags that do not ascend', HEAD + '  X int8 [1+, TAG1 1+]\n  Y int8 [1+, TAG0 1+]\n', '3: tags ascend'),
    ('a struct that is sometimes behind a pointer', HEAD + '  X T [0+, null 1+]\n    Y int8 [0+]\n', '2: a struct that may be null'),
    ('too deep', HEAD + ''.join('  ' * (i + 1) + f'F{i} []T{i} [0+]\n' for i in range(8)) + '  ' * 9 + 'X int8 [0+]\n',
     '0: ARequest has more than 8 structs'),
)


def main():
    failures = 0
    for what, text, said in CASES:
        with tempfile.TemporaryDirectory() as root:
            paths = [os.path.join(root, name) for name in ('protocol.txt', 'out.h', 'out.c')]
            with open(paths[0], 'w', encoding='utf-8') as file:
                file.write(text)
            done = subprocess.run([sys.executable, '-B', TOOL, *paths], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            written = os.path.exists(paths[1]) or os.path.exists(paths[2])
        right = (done.returncode == 0 and written and not done.stdout if said is None
                 else done.returncode == 1 and not written and done.stdout.startswith(f'{paths[0]}:{said}'))
        print(('ok: ' if right else 'FAILED: ') + what)
        if not right:
            failures += 1
            print(done.stdout)
    print(f'kafka_description: {len(CASES)} descriptions, {failures} failure(s)')
    sys.exit(1 if failures else 0)


if __name__ == '__main__':
    main()
