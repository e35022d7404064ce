"""What the rules share: finding files, reading C without a compiler, reporting.

A rule is a module with a function `check(rule)` that calls `rule.object(path, line, what)` for each
thing it objects to, and `rule.saw(path)` for each file it looked at. Run as a program it prints
`file:line: what` for each and ends with 1 when there was any, 0 when there was none, 77 when it
could not look (`rule.skip(reason)`). A rule that found nothing to look at has failed.
"""
import argparse
import os
import re
import sys

FOLDERS = ('include', 'src', 'examples', 'tests', 'bench')
C_ENDINGS = ('.c', '.h')
# Folders of data, of output and of other people's bytes.
NOT_OURS = {'.git', '__pycache__', 'corpus', 'golden', 'node_modules'}

SKIPPED = 77


class Rule:
    def __init__(self, root, build, compiler):
        self.root = root
        self.build = build
        self.compiler = compiler
        self.objections = []
        self.seen = set()
        self.skipped = None

    def object(self, path, line, what):
        self.objections.append((path, line, what))

    def saw(self, path):
        self.seen.add(path)

    def skip(self, reason):
        self.skipped = reason

    def read(self, path):
        """The text of a file of the tree."""
        self.saw(path)
        with open(os.path.join(self.root, path), encoding='utf-8', errors='replace') as file:
            return file.read()

    def files(self, folders, endings=C_ENDINGS):
        """Paths below `folders`, relative to the root, with one of the endings, sorted."""
        found = []
        for folder in folders:
            for at, directories, names in os.walk(os.path.join(self.root, folder)):
                directories[:] = sorted(d for d in directories if d not in NOT_OURS and not is_build(os.path.join(at, d)))
                found += [os.path.relpath(os.path.join(at, n), self.root) for n in names if n.endswith(endings)]
        return sorted(found)


def is_build(directory):
    return os.path.exists(os.path.join(directory, 'build.ninja'))


def main(check):
    """Runs a rule as a program."""
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=check.__doc__)
    parser.add_argument('--root', default=os.path.dirname(os.path.dirname(here)), help='of the tree to check')
    parser.add_argument('--build', default=None, help='a build directory of it')
    parser.add_argument('--compiler', default=os.environ.get('CC', 'gcc'))
    args = parser.parse_args()
    rule = Rule(args.root, args.build or os.path.join(args.root, 'build'), args.compiler)
    check(rule)
    for path, line, what in sorted(set(rule.objections)):
        print(f'{path}:{line}: {what}')
    name = os.path.splitext(os.path.basename(sys.argv[0]))[0]
    if rule.objections:
        print(f'{name}: {len(set(rule.objections))} objection(s) in {len(rule.seen)} file(s)')
        sys.exit(1)
    if rule.skipped:
        print(f'{name}: {rule.skipped}')
        sys.exit(SKIPPED)
    if not rule.seen:
        print(f'{name}: found nothing to check in {args.root}')
        sys.exit(1)
    print(f'{name}: {len(rule.seen)} file(s), nothing to object to')
    sys.exit(0)


_TOKENS = re.compile(
    r'//(?:\\\n|[^\n])*'           # a comment to the end of the line
    r'|/\*.*?(?:\*/|\Z)'           # a comment
    r'|"(?:\\.|[^"\\\n])*"'        # a string
    r"|(?<![0-9A-Fa-f])'(?:\\.|[^'\\\n])*'",  # a character
    re.DOTALL)


def _blank(text):
    return re.sub(r'[^\n]', ' ', text)


def without_comments(text, keep_strings=False):
    """The same text with comments, and the insides of strings and characters, as spaces: offsets and
    lines stay what they were."""
    def replace(found):
        token = found.group()
        if token[0] == '/':
            return _blank(token)
        return token if keep_strings else token[0] + _blank(token[1:-1]) + token[-1]
    return _TOKENS.sub(replace, text)


def line_of(text, offset):
    return text.count('\n', 0, offset) + 1


_IDENTIFIER_BEFORE_PARENTHESIS = re.compile(r'([A-Za-z_]\w*)\s*\(')
_NOT_A_NAME = {'__attribute__', '__attribute', '_Alignas', '_Static_assert', '__declspec', '__asm__'}


class Declaration:
    """Something at the top of a file, up to its `;` or its closing brace."""

    def __init__(self, line, head, body_lines):
        self.line = line              # where it begins
        self.head = head              # its text up to the body or the `;`, comments and strings blanked
        self.body_lines = body_lines  # lines strictly between the braces of a function; None: no function body

    def name(self):
        """Of a function: the identifier before the first parenthesis that is no attribute's."""
        for found in _IDENTIFIER_BEFORE_PARENTHESIS.finditer(self.head):
            if found.group(1) not in _NOT_A_NAME:
                return found.group(1)
        return None


def _without_preprocessor(clean):
    """(text, branches): directives as spaces, and where conditionals change what braces count."""
    branches = {}
    lines = clean.split('\n')
    offset = 0
    continued = False
    for index, line in enumerate(lines):
        found = re.match(r'\s*#\s*(\w+)', line)
        if found and not continued:
            kind = found.group(1)
            if kind in ('if', 'ifdef', 'ifndef', 'elif', 'else', 'endif'):
                branches[offset] = {'ifdef': 'if', 'ifndef': 'if', 'elif': 'else'}.get(kind, kind)
        directive = continued or bool(found)
        continued = directive and line.endswith('\\')
        if directive:
            lines[index] = ' ' * len(line)
        offset += len(line) + 1
    return '\n'.join(lines), branches


def _is_function_head(head):
    """Whether a `{` after this opens the body of a function: it has a parameter list, and is no
    initialiser and no struct, union or enum."""
    depth = 0
    outside = []
    for character in head:
        if character in '([':
            depth += 1
        elif character in ')]':
            depth -= 1
        elif depth == 0:
            outside.append(character)
    outside = ''.join(outside)
    if '(' not in head or '=' in outside:
        return False
    return not re.match(r'\s*(?:typedef\s+)?(?:struct|union|enum)\b[^()]*$', head)


def declarations(text):
    """The declarations of a C file, in order. Each branch of a conditional counts its braces from the
    same depth, so that `#if … {` `#else … {` `#endif` does not confuse the count."""
    clean, branches = _without_preprocessor(without_comments(text))
    clean = re.sub(r'extern\s*"\s*"\s*\{', lambda m: _blank(m.group()[:-1]) + ';', clean)
    found = []
    depth = 0
    depths = []
    start = 0
    body_start = None
    function = False
    for offset, character in enumerate(clean):
        branch = branches.get(offset)
        if branch == 'if':
            depths.append(depth)
        elif branch == 'else' and depths:
            depth = depths[-1]
        elif branch == 'endif' and depths:
            depths.pop()
        if character == '{':
            if depth == 0:
                function = _is_function_head(clean[start:offset])
                body_start = offset
            depth += 1
        elif character == '}':
            if depth == 0:  # of an extern "C"
                start = offset + 1
                continue
            depth -= 1
            if depth == 0 and function:
                lines = clean.count('\n', body_start, offset) - 1
                _add(found, clean, start, body_start, max(lines, 0))
                start, function = offset + 1, False
        elif character == ';' and depth == 0:
            _add(found, clean, start, offset, None)
            start = offset + 1
    return found


def _add(found, clean, start, end, body_lines):
    head = clean[start:end]
    if head.strip():
        begin = start + len(head) - len(head.lstrip())
        found.append(Declaration(line_of(clean, begin), clean[begin:end], body_lines))


def calls(clean, names):
    """(line, name) of each call of one of `names` in text without comments. A member that is called
    (`x->open(…)`, `x.open(…)`) is none."""
    pattern = r'(?<![\w.])(?<!->)(' + '|'.join(sorted(map(re.escape, names), key=len, reverse=True)) + r')\s*\('
    for found in re.finditer(pattern, clean):
        yield line_of(clean, found.start()), found.group(1)


def excepted(exceptions, path, name):
    """Whether the table of exceptions has a row for this name in this file. A row is (path or folder
    with a slash at its end, names, reason)."""
    for where, names, _reason in exceptions:
        if (path == where or (where.endswith('/') and path.startswith(where))) and name in names:
            return True
    return False
