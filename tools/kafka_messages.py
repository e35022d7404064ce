#!/usr/bin/env python3
"""kafka_messages.py PROTOCOL HEADER SOURCE: writes the structs and the tables of Kafka's messages.

PROTOCOL is src/wire/kafka/protocol.txt, which says how it is to be read. HEADER gets a struct for each message, SOURCE the
tables by which src/wire/kafka/message.c decodes and encodes them. What is wrong in PROTOCOL is said with its line, and nothing is written.
"""
import re
import sys

# Type: its name in C, its bytes in the old encoding and the least in the flexible one.
PRIMITIVES = {
    'bool': ('bool', 1, 1), 'int8': ('int8_t', 1, 1), 'int16': ('int16_t', 2, 2), 'int32': ('int32_t', 4, 4),
    'int64': ('int64_t', 8, 8), 'float64': ('double', 8, 8), 'uuid': ('struct kafka_uuid', 16, 16),
    'string': ('struct slice', 2, 1), 'bytes': ('struct slice', 4, 1), 'records': ('struct slice', 4, 1),
}
INTEGERS = {'int8': 8, 'int16': 16, 'int32': 32, 'int64': 64}
SLICES = ('string', 'bytes', 'records')
NOTHING = '(const uint8_t *)""'  # the data of a string that is empty and not null
OPEN = 255  # the last version of what has none, as in message_table.h
DEPTH_MAX = 8  # of structs within a message; MESSAGE_DEPTH_MAX in message_table.h

HEAD = re.compile(r'(\w+)(Request|Response) key=(\d+) valid=(\S+) flex=(\S+)$')
SHARED = re.compile(r'struct (\w+)$')
FIELD = re.compile(r'(\w+) (\[\])?(\w+) \[([^\]]*)\]$')


class Wrong(Exception):
    pass


def snake(name):
    return re.sub(r'(?<=[a-z0-9])([A-Z])', r'_\1', name).lower()


def versions_of(text):
    """The first and the last version."""
    if text == 'none':
        return OPEN, OPEN
    found = re.match(r'(\d+)(?:(\+)|-(\d+))?$', text)
    if not found:
        raise Wrong(f'"{text}" is no range of versions')
    first = int(found[1])
    last = OPEN if found[2] else int(found[3] or first)
    if first > last or first >= OPEN:
        raise Wrong(f'"{text}" is an empty range of versions')
    return first, last


def within(version, span):
    return span is not None and span[0] <= version <= span[1]


class Struct:
    """A struct of C: a message, or what stands within one."""

    def __init__(self, name, c_name):
        self.name, self.c_name, self.fields = name, c_name, []


class Field:
    def __init__(self, text):
        found = FIELD.match(text)
        if not found:
            raise Wrong('a field is written "Name type [versions, ...]"')
        self.name, self.type, self.array = found[1], found[3], bool(found[2])
        self.c_name, self.struct = snake(self.name), None
        self.null = self.tagged = self.tag = self.default = None
        self.ignorable = False
        first, *rest = found[4].split(', ')
        self.versions = versions_of(first)
        for word in rest:
            tag = re.match(r'TAG(\d+) (\S+)$', word)
            if word == 'ign':
                self.ignorable = True
            elif word.startswith('='):
                self.default = word[1:]
            elif word.startswith('null '):
                self.null = versions_of(word[5:])
            elif tag:
                self.tag, self.tagged = int(tag[1]), versions_of(tag[2])
            else:
                raise Wrong(f'"{word}" is nothing that a field has')

    def check(self):
        primitive = None if self.array else self.type
        if not self.struct and self.type not in PRIMITIVES:
            raise Wrong(f'the type {self.type} has no fields here and is declared nowhere')
        if self.null and not (self.array or self.struct or self.type in SLICES):
            raise Wrong(f'{self.type} cannot be null')
        if self.struct and not self.array and self.null and (self.tag is not None or self.null[0] > self.versions[0]):
            raise Wrong('a struct that may be null may be so in every version, and is no tagged field')
        if self.default is not None and primitive in SLICES and self.default:
            raise Wrong('the default of a string is empty or null')
        if self.default is not None and (self.array or self.struct or primitive in ('uuid', 'float64')):
            raise Wrong('this type has no default to be chosen')
        if primitive in INTEGERS and not -(1 << INTEGERS[primitive] - 1) <= self.number() < 1 << INTEGERS[primitive] - 1:
            raise Wrong(f'{self.default} is no {primitive}')
        if primitive == 'bool' and self.default not in (None, 'true', 'false'):
            raise Wrong(f'{self.default} is no bool')

    def number(self):
        if self.default in (None, '', 'true', 'false'):
            return int(self.default == 'true')
        return int(self.default)

    def null_by_default(self):
        """Whether it is null unless it is set: what may be so in every version that has it."""
        return (self.null is not None and self.default is None and self.null[0] <= self.versions[0]
                and self.null[1] >= self.versions[1])

    def pointer(self):
        """Whether it is a struct behind a pointer."""
        return self.struct is not None and not self.array and self.null is not None

    def bytes_min(self, version, flexible):
        if not within(version, self.versions) or within(version, self.tagged):
            return 0
        if self.array:
            return 1 if flexible else 4
        if self.pointer():
            return 1
        return bytes_min(self.struct, version, flexible) if self.struct else PRIMITIVES[self.type][2 if flexible else 1]


def bytes_min(struct, version, flexible):
    """The least bytes that a struct has in a version: no count can be larger than what is left divided by it."""
    return sum(f.bytes_min(version, flexible) for f in struct.fields) + int(flexible)


def depth_of(struct):
    return 1 + max((depth_of(field.struct) if field.struct else 1 for field in struct.fields), default=0)


class Message(Struct):
    def __init__(self, found):
        super().__init__(found[1] + found[2], 'kafka_' + snake(found[1] + found[2]))
        self.key, self.response = int(found[3]), found[2] == 'Response'
        self.valid, self.flexible = versions_of(found[4]), versions_of(found[5])[0]
        if self.valid[1] == OPEN:
            raise Wrong('a message has a last version')


def read(text):
    """The shared structs and the messages, in order."""
    shared, messages, stack, names, prefix = {}, [], [], set(), ''
    fields = []
    for number, line in enumerate(text.split('\n'), 1):
        try:
            words = line.strip()
            if not words or words.startswith('#'):
                continue
            depth = (len(line) - len(line.lstrip())) // 2
            if depth == 0:
                head, struct = HEAD.match(words), SHARED.match(words)
                if head:
                    top = Message(head)
                    messages.append(top)
                    prefix = top.c_name + '_'
                elif struct:
                    top = Struct(struct[1], 'kafka_' + snake(struct[1]))
                    shared[struct[1]], prefix = top, 'kafka_'
                else:
                    raise Wrong('neither a message nor a struct')
                if top.c_name in names:
                    raise Wrong(f'{top.name} is declared twice')
                names.add(top.c_name)
                stack = [top]
                continue
            if depth > len(stack):
                raise Wrong('stands too far in')
            field = Field(words)
            del stack[depth:]
            parent = stack[-1]
            if parent is None:
                raise Wrong('the field above has no fields of its own')
            if any(f.c_name == field.c_name for f in parent.fields):
                raise Wrong(f'{field.name} is there twice')
            if field.tag is not None and any((f.tag or 0) >= field.tag for f in parent.fields if f.tag is not None):
                raise Wrong('tags ascend')
            parent.fields.append(field)
            fields.append((number, field))
            if field.type in shared:
                field.struct = shared[field.type]
            elif field.type not in PRIMITIVES:
                field.struct = Struct(field.type, prefix + snake(field.type))
                if field.struct.c_name in names:
                    raise Wrong(f'{field.type} is declared twice')
                names.add(field.struct.c_name)
            stack.append(None if field.type in shared else field.struct)
        except Wrong as wrong:
            raise Wrong(f'{number}: {wrong}') from None
    for number, field in fields:
        try:
            field.check()
            if field.struct and not field.struct.fields:
                raise Wrong(f'the type {field.type} has no fields here and is declared nowhere')
        except Wrong as wrong:
            raise Wrong(f'{number}: {wrong}') from None
    for message in messages:
        if depth_of(message) > DEPTH_MAX:
            raise Wrong(f'0: {message.name} has more than {DEPTH_MAX} structs within each other')
    return list(shared.values()), messages


# Writing.

def range_text(span):
    return f'{span[0]}+' if span[1] == OPEN else str(span[0]) if span[0] == span[1] else f'{span[0]}-{span[1]}'


def member(field):
    """(declaration, what its comment says)."""
    c_type = 'struct ' + field.struct.c_name if field.struct else PRIMITIVES[field.type][0]
    pointer = field.array or field.pointer()
    notes = [range_text(field.versions)]
    if field.null:
        notes.append(f'null {range_text(field.null)}')
    if field.tag is not None:
        notes.append(f'tag {field.tag}')
    if not field.array and not field.struct and field.default not in (None, ''):
        notes.append(f'default {field.default}')
    return f'{c_type} {"*" if pointer else ""}{field.c_name};', ', '.join(notes)


def write_struct(out, struct, done):
    if struct.c_name in done:
        return
    done.add(struct.c_name)
    for field in struct.fields:
        if field.struct:
            write_struct(out, field.struct, done)
    if isinstance(struct, Message):
        flexible = 'never flexible' if struct.flexible == OPEN else f'flexible from {struct.flexible}'
        out.append(f'/* {struct.name}: key {struct.key}, versions {range_text(struct.valid)}, {flexible}. */')
    out.append(f'struct {struct.c_name} {{')
    for field in struct.fields:
        declaration, note = member(field)
        out.append(f'    {declaration} /* {note} */')
        if field.array:
            out.append(f'    int32_t {field.c_name}_count;')
    out.append('};')
    out.append(f'extern const struct {struct.c_name} {struct.c_name}_default;')
    if isinstance(struct, Message):
        out.append(f'extern const struct kafka_message {struct.c_name}_message;')
    out.append('')


def initial(field):
    """The default of a field as C writes it."""
    if field.array:
        return f'.{field.c_name} = NULL, .{field.c_name}_count = {-1 if field.null_by_default() else 0}'
    if field.pointer():
        return f'.{field.c_name} = NULL'
    if field.struct:
        return f'.{field.c_name} = {{ {", ".join(map(initial, field.struct.fields))} }}'
    if field.type in SLICES:
        return f'.{field.c_name} = {{ {"NULL" if field.null_by_default() else NOTHING}, 0 }}'
    if field.type == 'uuid':
        return f'.{field.c_name} = {{ {{ 0 }} }}'
    value = str(bool(field.number())).lower() if field.type == 'bool' else field.number()
    return f'.{field.c_name} = {"INT64_MIN" if value == -1 << 63 else value}'


def write_default(out, struct, done):
    if struct.c_name in done:
        return
    done.add(struct.c_name)
    for field in struct.fields:
        if field.struct:
            write_default(out, field.struct, done)
    out += [f'const struct {struct.c_name} {struct.c_name}_default = {{', *(f'    {initial(f)},' for f in struct.fields), '};', '']


def header(shared, messages):
    out = ['/*', ' * kafka_messages: made by tools/kafka_messages.py of src/wire/kafka/protocol.txt, where it is to be changed. Behind each field',
           ' * stand the versions that have it, those in which it may be null, its tag, and its default unless that is zero, empty or null.',
           ' * kafka_..._default is a struct whose fields are so, for what a handler makes itself.', ' *',
           ' * Names and versions are those of the message definitions of Apache Kafka (Apache License 2.0).', ' */',
           '#ifndef EDDA_WIRE_KAFKA_KAFKA_MESSAGES_H', '#define EDDA_WIRE_KAFKA_KAFKA_MESSAGES_H', '', '#include "wire/kafka/message.h"', '']
    done = set()
    for struct in shared + messages:
        write_struct(out, struct, done)
    out += ['/* All of them, in the order of their keys, a request before its response. */',
            f'#define KAFKA_MESSAGE_COUNT {len(messages)}',
            'extern const struct kafka_message *const kafka_messages[KAFKA_MESSAGE_COUNT];', '', '#endif', '']
    return '\n'.join(out)


def row(struct, field, path):
    first, last = field.versions
    values = [f'.name = "{field.name}"', f'.kind = KAFKA_{"STRUCT" if field.struct else field.type.upper()}',
              f'.offset = offsetof(struct {struct.c_name}, {field.c_name})', f'.first = {first}', f'.last = {last}']
    values += [f'.{flag} = true' for flag, holds in (('array', field.array), ('pointer', field.pointer()),
                                                     ('ignorable', field.ignorable)) if holds]
    if field.array:
        c_type = 'struct ' + field.struct.c_name if field.struct else PRIMITIVES[field.type][0]
        values += [f'.count_offset = offsetof(struct {struct.c_name}, {field.c_name}_count)', f'.item_size = sizeof({c_type})']
    null = field.null or (OPEN, 0)
    tagged = field.tagged or (OPEN, 0)
    values += [f'.null_first = {null[0]}', f'.null_last = {null[1]}', f'.tag_first = {tagged[0]}', f'.tag_last = {tagged[1]}']
    if field.tag is not None:
        values.append(f'.tag = {field.tag}')
    if field.struct:
        values.append(f'.type = &{path}_{field.c_name}')
    return f'    {{ {", ".join(values)} }},'


def write_table(out, message, struct, path):
    """The tables of a struct within a message, behind those of what it holds."""
    for field in struct.fields:
        if field.struct:
            write_table(out, message, field.struct, f'{path}_{field.c_name}')
    out.append(f'static const struct kafka_field {path}_fields[] = {{')
    out += [row(struct, field, path) for field in struct.fields]
    least = [bytes_min(struct, version, version >= message.flexible) for version in range(message.valid[0], message.valid[1] + 1)]
    tagged = any(field.tag is not None for field in struct.fields)
    out += ['};', f'static const uint16_t {path}_bytes_min[] = {{ {", ".join(map(str, least))} }};',
            f'static const struct kafka_type {path} = {{', f'    .fields = {path}_fields, .field_count = {len(struct.fields)}, '
            f'.size = sizeof(struct {struct.c_name}),', f'    .initial = &{struct.c_name}_default, .bytes_min = {path}_bytes_min, .tagged = {str(tagged).lower()},', '};', '']


def source(shared, messages):
    out = ['/* kafka_messages: made by tools/kafka_messages.py of src/wire/kafka/protocol.txt, where it is to be changed. */',
           '#include "wire/kafka/kafka_messages.h"', '', '#include <stddef.h>', '', '#include "wire/kafka/message_table.h"', '']
    done = set()
    for struct in shared + messages:
        write_default(out, struct, done)
    for message in messages:
        path = message.c_name[len('kafka_'):]
        write_table(out, message, message, path)
        out += [f'const struct kafka_message {message.c_name}_message = {{',
                f'    .name = "{message.name}", .type = &{path}, .key = {message.key}, .first = {message.valid[0]}, '
                f'.last = {message.valid[1]},', f'    .flexible = {message.flexible}, .response = {str(message.response).lower()},', '};', '']
    out.append('const struct kafka_message *const kafka_messages[KAFKA_MESSAGE_COUNT] = {')
    out += [f'    &{message.c_name}_message,' for message in messages] + ['};', '']
    return '\n'.join(out)


def main():
    if len(sys.argv) != 4:
        sys.exit('usage: kafka_messages.py PROTOCOL HEADER SOURCE')
    with open(sys.argv[1], encoding='utf-8') as file:
        text = file.read()
    try:
        shared, messages = read(text)
    except Wrong as wrong:
        sys.exit(f'{sys.argv[1]}:{wrong}')
    for path, written in ((sys.argv[2], header(shared, messages)), (sys.argv[3], source(shared, messages))):
        with open(path, 'w', encoding='utf-8') as file:
            file.write(written)


if __name__ == '__main__':
    main()
