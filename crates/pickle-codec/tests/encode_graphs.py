"""Pickles of seeded random graphs, one a line: protocol, then hexadecimal. Standard library only."""
import collections
import datetime
import decimal
import enum
import fractions
import io
import pathlib
import pickle
import random
import sys
import uuid


class Plain:
    pass


class Slotted:
    __slots__ = ("a", "b")


class WithArgs:
    def __init__(self, *args):
        self.args = args

    def __reduce__(self):
        return (WithArgs, self.args, {"state": self.args}, iter(range(len(self.args))), iter([(1, 2)]))


class WithKeywords:
    def __new__(cls, *args, **kwargs):
        self = object.__new__(cls)
        self.kwargs = kwargs
        return self

    def __getnewargs_ex__(self):
        return (1, "x"), self.kwargs

    def __reduce_ex__(self, protocol):
        # Below protocol 4 it would be a partial call of __new__, spelled in a way of its own.
        if protocol in (2, 3):
            raise pickle.PicklingError
        return object.__reduce_ex__(self, protocol)


class SubList(list):
    pass


class SubDict(dict):
    pass


class Colour(enum.Enum):
    RED = 1


Point = collections.namedtuple("Point", "x y")


class Known(pickle.Pickler):
    def persistent_id(self, value):
        return "pid-%d" % len(value) if isinstance(value, Persistent) else None


class Persistent(list):
    pass


NUMBERS = [0, 1, -1, 255, 256, 65535, 65536, -128, 2**31 - 1, 2**31, -2**31, -2**31 - 1, 2**63, -2**63, 2**64, 2**2040, -2**2047, 10**40]
FLOATS = [0.0, -0.0, 1.5, 1e16, 1e-5, 5e-324, float("inf"), float("nan"), 123456789.123]
TEXTS = ["", "a", "\xe9", "spam", "\u20ac", "\U0001f600", "\ud800", "back\\slash", "line\nbreak\r\0\x1a", "\u0100", "x" * 255, "y" * 256, "\xff" * 300]


def atom(rng):
    kind = rng.randrange(9)
    if kind == 0:
        return rng.choice([None, True, False])
    if kind == 1:
        return rng.choice(NUMBERS)
    if kind == 2:
        return rng.choice(FLOATS)
    if kind == 3:
        return rng.randrange(-10**rng.randrange(1, 30), 10**rng.randrange(1, 30))
    if kind in (4, 5):
        return rng.choice(TEXTS) if rng.random() < 0.5 else "".join(chr(rng.randrange(32, 400)) for _ in range(rng.randrange(12)))
    if kind == 6:
        return bytes(rng.randrange(256) for _ in range(rng.choice([0, 1, 1, 2, 5, 300])))
    if kind == 7:
        return bytearray(rng.randrange(256) for _ in range(rng.choice([0, 1, 2, 300])))
    return complex(rng.random(), rng.choice(FLOATS[:4]))


def key(rng, depth=0):
    kind = rng.randrange(6)
    if kind == 0 and depth < 2:
        return tuple(key(rng, depth + 1) for _ in range(rng.randrange(5)))
    if kind == 1 and depth < 2:
        return frozenset(key(rng, depth + 1) for _ in range(rng.randrange(4)))
    value = atom(rng)
    return "bytearray" if isinstance(value, bytearray) else value


def thing(rng, make):
    kind = rng.randrange(17)
    if kind == 0:
        it = Plain()
        it.x, it.self = make(), it
        return it
    if kind == 1:
        it = Slotted()
        it.a = make()
        return it
    if kind == 2:
        return WithArgs(*[make() for _ in range(rng.randrange(4))])
    if kind == 3:
        return SubList(make() for _ in range(rng.choice([0, 1, 2, 3])))
    if kind == 4:
        return SubDict((i, make()) for i in range(rng.choice([0, 1, 2, 3])))
    if kind == 5:
        return rng.choice([Colour.RED, Point(1, make()), Plain, len])
    if kind == 6:
        return collections.OrderedDict((i, make()) for i in range(rng.randrange(3)))
    if kind == 7:
        return collections.deque([make()], maxlen=rng.choice([None, 5]))
    if kind == 8:
        return collections.defaultdict(list, a=make())
    if kind == 9:
        return rng.choice([decimal.Decimal("1.10"), fractions.Fraction(1, 3), uuid.UUID(int=5), pathlib.PurePosixPath("/a/b")])
    if kind == 10:
        zone = datetime.timezone(datetime.timedelta(hours=1))
        return rng.choice([datetime.datetime(2020, 1, 2, 3, 4, 5, 6), datetime.datetime(2020, 1, 2, tzinfo=zone), datetime.date(2020, 1, 2), datetime.timedelta(1, 2, 3)])
    if kind == 11:
        return collections.Counter("abca")
    if kind == 12:
        return ValueError("x", make())
    if kind == 13:
        return range(rng.randrange(5))
    if kind == 14:
        return slice(1, rng.choice([None, 2]))
    if kind == 15:
        return WithKeywords(x=make())
    return Persistent([1] * rng.randrange(3))


def graph(rng, objects):
    pool = []

    def make(depth=0):
        if pool and rng.random() < 0.15:
            return rng.choice(pool)
        kind = rng.randrange(12)
        if depth > 4 or kind < 5:
            it = atom(rng)
        elif kind == 5 or kind == 6:
            it = []
            pool.append(it)
            it.extend(make(depth + 1) for _ in range(rng.choice([0, 1, 2, 3, 5])))
            return it
        elif kind == 7:
            it = {}
            pool.append(it)
            for _ in range(rng.choice([0, 1, 2, 4])):
                it[key(rng)] = make(depth + 1)
            return it
        elif kind == 8:
            inner = []
            pool.append(inner)
            it = tuple(make(depth + 1) for _ in range(rng.randrange(6)))
            if rng.random() < 0.3:
                it = (inner,) + it
                inner.append(it)
        elif kind == 9:
            it = set(key(rng) for _ in range(rng.choice([0, 1, 3])))
        elif kind == 10:
            it = frozenset(key(rng) for _ in range(rng.choice([0, 1, 3])))
        elif objects:
            it = thing(rng, lambda: make(depth + 1))
        else:
            it = atom(rng)
        pool.append(it)
        return it

    return make()


def large(rng):
    """Batches of 1000, frames, and payloads that stand outside of frames."""
    kind = rng.randrange(12)
    count = rng.choice([1, 2, 999, 1000, 1001, 2000, 2001, 3000])
    if kind == 0:
        return list(range(count))
    if kind == 1:
        return {i: str(i) for i in range(count)}
    if kind == 2:
        return set(range(count))
    if kind == 3:
        return SubList(range(count))
    if kind == 4:
        return SubDict((i, i) for i in range(count))
    if kind == 5:
        return [b"z" * rng.choice([65535, 65536, 65537, 70000]), "q", 1, ["w" * 65536, bytearray(65536)]]
    if kind == 6:
        return [("k%d" % i) * rng.randrange(30) for i in range(8000)]
    if kind == 7:
        return {"k%d" % i: [float(i), i * 10**rng.randrange(20)] for i in range(3000)}
    if kind == 8:
        return tuple("t%d" % i for i in range(count))
    if kind == 9:
        return frozenset("t%d" % i for i in range(count))
    if kind == 10:
        return [bytes([i % 256]) * rng.choice([1, 60000]) for i in range(6)] + ["\xe9" * 40000, "\xe9" * 32768, 5]
    return ["a" * n for n in range(65510, 65550, 3)]


def main():
    first, last = int(sys.argv[1]), int(sys.argv[2])
    for seed in range(first, last):
        rng = random.Random(seed)
        if seed % 23 == 0:
            value = large(rng)
        else:
            value = graph(rng, objects=seed % 2 == 1)
        for protocol in range(6):
            out = io.BytesIO()
            try:
                Known(out, protocol).dump(value)
            except (pickle.PicklingError, TypeError, ValueError, AttributeError):
                continue
            print(protocol, out.getvalue().hex())


main()
