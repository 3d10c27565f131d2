"""Makes hostile log records, and checks what came of them. Runs on CPython 2.7 and 3."""
from __future__ import print_function, unicode_literals

import base64
import json
import logging
import logging.handlers
import random
import struct
import sys

PY3 = sys.version_info[0] == 3
COUNT = 150

TEXTS = [
    "", "a", "\xe9", "\u0100", "plain text", "two\nlines", "\r\n\x1b[31mred\x1b[0m", "\x00\x01\x1f\x7f\x80\x9f",
    "\u2028\u2029\u202e\u2066", "\u043f\u0440\u0438\u0432\u0435\u0442 \u4e16\u754c", "quote\" back\\slash", "$tag",
    "{\"json\": 1}", "%s %d", "x" * 300, "\U0001f600", "\ud800" if PY3 else "?", "a\udc80b" if PY3 else "?",
]
NUMBERS = [0, 1, -1, 255, 256, 65535, 65536, 2 ** 31 - 1, 2 ** 31, -2 ** 31, 2 ** 63 - 1, 0.5, 1e300, -0.0]


def value(rng, depth=0):
    kind = rng.randrange(10 if depth < 3 else 6)
    if kind < 3:
        return rng.choice(TEXTS)
    if kind == 3:
        return rng.choice(NUMBERS)
    if kind == 4:
        return rng.choice([None, True, False])
    if kind == 5:
        return rng.choice(NUMBERS) if PY3 else rng.choice(TEXTS)
    if kind == 6:
        return [value(rng, depth + 1) for _ in range(rng.randrange(4))]
    if kind == 7:
        return tuple(value(rng, depth + 1) for _ in range(rng.randrange(4)))
    return dict((rng.choice("abcdef") + str(n), value(rng, depth + 1)) for n in range(rng.randrange(4)))


def record(seed):
    rng = random.Random(seed)
    made = logging.LogRecord(
        rng.choice(TEXTS), rng.choice([0, 7, 10, 20, 30, 40, 50, 1000]), rng.choice(TEXTS) + "/f.py",
        rng.choice([0, 17, 70000]), rng.choice(TEXTS), None, None, rng.choice(TEXTS))
    made.created = rng.choice([1767323045.1234567, 0.5, -1.25, 1e11, 253402300799.0])
    made.threadName = rng.choice(TEXTS)
    made.processName = rng.choice(TEXTS)
    if rng.randrange(3) == 0:
        made.exc_text = rng.choice(TEXTS)
    if PY3 and rng.randrange(3) == 0:
        made.stack_info = rng.choice(TEXTS)
    for number in range(rng.randrange(6)):
        made.__dict__[rng.choice(["$k", "key", "\u043a", "k\nl", "q\""]) + str(number)] = value(rng)
    if seed % 50 == 0:
        for number in range(1, 3000):
            made.__dict__["many%d" % number] = number
    if seed % 37 == 0:
        made.levelno = "high"
    return made


def unshared(made):
    """Copies every string, so that no two values are one object but those that CPython has once."""
    def copied(item):
        if isinstance(item, type("")):
            return (item + "\x00")[:-1]
        if isinstance(item, list):
            return [copied(part) for part in item]
        if isinstance(item, tuple):
            return tuple([copied(part) for part in item])
        if isinstance(item, dict):
            return dict((copied(key), copied(part)) for key, part in item.items())
        return item
    made.__dict__ = dict((copied(key), copied(item)) for key, item in made.__dict__.items())
    return made


def payload(seed):
    handler = logging.handlers.SocketHandler("localhost", 1)
    return handler.makePickle(unshared(record(seed)))


def tagged(item):
    """What tagged JSON makes of a value, as `json.loads` reads it."""
    if isinstance(item, type("")):
        if any(0xd800 <= ord(c) < 0xe000 for c in item) and PY3:
            return {"$str": base64.b64encode(item.encode("utf-8", "surrogatepass")).decode()}
        return item
    if isinstance(item, list):
        return [tagged(part) for part in item]
    if isinstance(item, tuple):
        return {"$tuple": [tagged(part) for part in item]}
    if isinstance(item, dict):
        return dict((key, tagged(part)) for key, part in item.items())
    if isinstance(item, int) and not isinstance(item, bool) and not -2 ** 63 <= item < 2 ** 63:
        return {"$int": str(item)}
    return item


def visible(item):
    if isinstance(item, type("")) and PY3:
        return item.encode("utf-8", "backslashreplace").decode("utf-8")
    return item


OWN = ("levelno levelname name pathname filename module lineno funcName process processName thread threadName "
       "taskName created msecs relativeCreated exc_text stack_info").split()


def check(seed, line):
    """Compares a line of JSON with the record of the same seed; the volatile attributes are left out."""
    got = json.loads(line)
    made = record(seed)
    wanted = {"message": visible(made.getMessage())}
    extra = {}
    for key, item in made.__dict__.items():
        if key in ("levelno",) and not isinstance(item, int):
            extra[key] = item
        elif key in OWN:
            if item is not None:
                wanted[key] = visible(item)
        elif key not in ("msg", "args", "exc_info", "message", "asctime"):
            extra["$" + key if key.startswith("$") else visible(key)] = tagged(item)
    for volatile in ("relativeCreated", "msecs"):
        wanted.pop(volatile, None)
        assert got.pop(volatile, None) is not None, (seed, volatile)
    got.pop("time", None)
    assert got.pop("extra", {}) == extra, (seed, line)
    assert got == wanted, (seed, got, wanted)


def main():
    out = getattr(sys.stdout, "buffer", sys.stdout)
    if sys.argv[1] == "make":
        for seed in range(COUNT):
            out.write(payload(seed))
    else:
        lines = getattr(sys.stdin, "buffer", sys.stdin).read().decode("utf-8").split("\n")
        assert lines.pop() == "" and len(lines) == COUNT, len(lines)
        # Another run has another process id and thread.
        for seed, line in enumerate(lines):
            parsed = json.loads(line)
            mine = record(seed)
            for name in ("process", "thread"):
                parsed[name] = getattr(mine, name)
            check(seed, json.dumps(parsed))
        print("checked", len(lines))


main()
