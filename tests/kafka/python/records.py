"""The records that every client writes and reads (see the head of clients.py), for the Python clients."""
COUNT = 40
PARTITIONS = 3
FIRST_MS = 1_700_000_000_000
BIG = 300_000
LIMIT_S = 30
WAYS = (('none', 0, 'old'), ('gzip', 'all', 'old'), ('snappy', 1, 'old'), ('lz4', 'all', 'new'), ('zstd', 'all', 'new'))


def key(i):
    return None if i % 5 == 0 else b'key-%d' % (i % 7)


def value(identity, i):
    return None if i % 10 == 3 else f'{identity}/{"x" * (BIG if i == COUNT - 1 else i * 37 % 500)}'.encode()


def same(found, wanted, what):
    if found != wanted:
        raise AssertionError(f'{what}: found {str(found)[:500]}, wanted {str(wanted)[:500]}')


class Seen:
    """Checks records as they come, and at last that each way of writing that is there is there whole."""

    def __init__(self):
        self.ways = {}

    def check(self, topic, partition, time_ms, found_key, found_value, headers):
        identity = dict(headers)['id'].decode()
        way, number = identity.split('/')
        i = int(number)
        what = f'{topic} {identity}'
        same(found_key, key(i), what + ', its key')
        same(found_value, value(identity, i), what + ', its value')
        same(time_ms, FIRST_MS + i * 1000, what + ', its time')
        same(partition, i % PARTITIONS, what + ', its partition')
        numbers = self.ways.setdefault((topic, way), set())
        same(i in numbers, False, what + ' came before')
        numbers.add(i)

    def finish(self, topics):
        for way, numbers in self.ways.items():
            same(len(numbers), COUNT, f'how many there are of {way}')
        same({topic for topic, _ in self.ways}, set(topics), 'the topics that have records')
