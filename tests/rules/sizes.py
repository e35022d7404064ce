#!/usr/bin/env python3
"""Files have at most 1000 lines, functions at most 70 between their braces."""
import sys

sys.dont_write_bytecode = True
import tree  # noqa: E402

FILE_LINES_MAX = 1000
FUNCTION_LINES_MAX = 70

# Larger things that are right as they are: (path, names of functions or 'file', reason).
EXCEPTIONS = ()


def check(rule):
    """Files have at most 1000 lines, functions at most 70 between their braces."""
    for path in rule.files(tree.FOLDERS + ('tools',), ('.c', '.h', '.py', '.sh', '.js', '.css', '.html')):
        text = rule.read(path)
        lines = text.count('\n')
        if lines > FILE_LINES_MAX and not tree.excepted(EXCEPTIONS, path, 'file'):
            rule.object(path, lines, f'{lines} lines; a file has at most {FILE_LINES_MAX}')
        if not path.endswith(tree.C_ENDINGS):
            continue
        for declaration in tree.declarations(text):
            length = declaration.body_lines
            if length is not None and length > FUNCTION_LINES_MAX:
                name = declaration.name()
                if not tree.excepted(EXCEPTIONS, path, name):
                    rule.object(path, declaration.line, f'{name}() has {length} lines; a function has at most '
                                                        f'{FUNCTION_LINES_MAX}')


if __name__ == '__main__':
    tree.main(check)
