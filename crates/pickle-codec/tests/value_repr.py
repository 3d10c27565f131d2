# Prints one line per object: its pickle in hexadecimal, then its repr, str and ascii as UTF-8 in hexadecimal.
import collections, datetime, decimal, enum, fractions, http, ipaddress, pathlib, pickle, random, re, sys, uuid

utc = datetime.timezone.utc
india = datetime.timezone(datetime.timedelta(hours=5, minutes=30))
named = datetime.timezone(datetime.timedelta(hours=-3, microseconds=5), "X'Y")
cycle = [1]
cycle.append((cycle, {"c": cycle}))
loop = {}
loop[1] = [loop]
objects = [
    None, True, False, 0, -1, 2**31, -2**63, 2**63, -2**200, 10**4299,
    0.0, -0.0, 1.0, 1e15, 1e16, 1e-4, 1e-5, 5e-324, 1.7976931348623157e308, float("inf"), float("-inf"), float("nan"),
    "", "a", "it's", 'say "x"', "it's \"x\"", "\\", "\t\n\r\0\x1b\x7f\x85\xa0\xad", "é", "\u0378", "\u2028", "\ufeff",
    "\ue000", "😀", "\U000e0001", "\udc80", "a\ud83d\ude00b'", "\u200d",
    b"", b"abc", b"it's", b"'\"", bytes(range(256)), bytearray(b""), bytearray(b"x'"),
    [], [1], [[], [[]]], (), (1,), (1, 2), {}, {1: 2, "a": [None]}, set(), {1}, frozenset(), frozenset({"a"}),
    cycle, loop, [[1] * 3] * 2,
    1 + 2j, 2j, -2j, complex(-0.0, 1), complex("nan"), complex(1.5, -0.0), complex("inf-infj"), complex(1e20, 1e-7),
    collections.OrderedDict(), collections.OrderedDict(a=1), collections.Counter(), collections.Counter("abbccca"),
    collections.Counter(x=1.5, y=2), collections.defaultdict(list, a=[1]), collections.defaultdict(None, {1: 2}),
    collections.defaultdict(int), collections.deque(), collections.deque([1, [2]]), collections.deque([1, 2], maxlen=3),
    collections.deque([], 0), [collections.Counter("ab"), {"z": collections.Counter("xyy")}],
    datetime.date(2026, 1, 2), datetime.time(3, 4), datetime.time(3, 4, 5), datetime.time(3, 4, 0, 6),
    datetime.time(3, 4, tzinfo=utc), datetime.time(1, 2, 3, fold=1), datetime.time(1, 2, tzinfo=india, fold=1),
    datetime.datetime(2026, 1, 2), datetime.datetime(2026, 1, 2, 3, 4, 5), datetime.datetime(1, 1, 1, 0, 0, 0, 7),
    datetime.datetime(2026, 1, 2, 3, tzinfo=utc), datetime.datetime(2026, 1, 2, 3, tzinfo=india, fold=1),
    datetime.datetime(2026, 1, 2, 3, tzinfo=named),
    datetime.timedelta(0), datetime.timedelta(1), datetime.timedelta(-1, 5, 6), datetime.timedelta(2, 3),
    datetime.timedelta(microseconds=1), datetime.timedelta(days=-2, hours=30), utc, india, named,
    datetime.timezone(datetime.timedelta(0), "Z"),
    decimal.Decimal("1.10"), decimal.Decimal("-Infinity"), decimal.Decimal("1E+400"), decimal.Decimal("NaN"),
    fractions.Fraction(1, 3), fractions.Fraction(-4), uuid.UUID(int=7), uuid.UUID(int=2**128 - 1),
    pathlib.PurePosixPath("/a/b"), pathlib.PurePosixPath("it's"), pathlib.PurePosixPath("."),
    pathlib.PureWindowsPath("C:\\a\\b"),
    ipaddress.ip_address("10.0.0.1"), ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_interface("10.0.0.1/8"),
    ipaddress.ip_address("::1"), ipaddress.ip_network("fe80::/10"),
    range(3), range(1, 9, 2), range(5, 0, -1), slice(None), slice(1, 2), slice("a", None, 3.0),
    ValueError(), ValueError("x"), ValueError("x", 2), KeyError("k"), KeyError("k", 1), OSError(2, "No such file"),
    FileNotFoundError(2, "No such file", "a'b"), TimeoutError("slow"), ValueError(ValueError("in'ner")),
    ValueError(("t",)), Exception([KeyError("x")]), ZeroDivisionError("division by zero"),
    UnicodeDecodeError("utf-8", b"\xffA", 0, 1, "invalid start byte"), UnicodeDecodeError("utf-8", b"\xffA", 0, 2, "r"),
    UnicodeDecodeError("utf-8", b"\xffA", 5, 6, "r"), UnicodeDecodeError("utf-8", b"", 0, 1, "r"),
    UnicodeDecodeError("utf-8", b"\xffA", 1, 1, "r"), UnicodeDecodeError("it's", b"\xffA", 1, 2, ""),
    UnicodeEncodeError("ascii", "é😀Ā", 0, 1, "r"), UnicodeEncodeError("ascii", "é😀Ā", 1, 2, "r"),
    UnicodeEncodeError("ascii", "é😀Ā", 2, 3, "r"), UnicodeEncodeError("ascii", "é😀Ā", 0, 3, "r"),
    UnicodeEncodeError("ascii", "é", 1, 2, "r"), UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"),
    UnicodeTranslateError("a😀", 1, 2, "r"), UnicodeTranslateError("a😀", 0, 2, "r"), UnicodeError("a", 1),
    SyntaxError(), SyntaxError("m"), SyntaxError("m", ("/a/f.py", 3, 1, "t")), SyntaxError("m", ("f/", 3, 1, "t")),
    SyntaxError("m", (None, 3, 1, "t")), SyntaxError("m", ("f.py", None, 1, "t")), SyntaxError("m", (None,) * 4),
    SyntaxError("m", ["f.py", -3, 1, "t"]), SyntaxError("m", "x", "y"), IndentationError("m", ("f.py", True, 1, "t")),
    TabError(1, (b"f.py", 3, 1, "t")),
    list, dict, ValueError, collections.OrderedDict, datetime.datetime, pathlib.PurePosixPath,
    {"when": datetime.date(2026, 1, 2), (1, "a"): [decimal.Decimal(1)]},
]
if sys.version_info >= (3, 11):
    objects += [
        ExceptionGroup("g", [ValueError(1)]), ExceptionGroup("", (ValueError(1), KeyError("k"))),
        BaseExceptionGroup("it's", [KeyboardInterrupt(), ExceptionGroup("in", [OSError(2, "x")])]),
    ]
if sys.version_info >= (3, 13):
    objects += [re.RegexFlag(flags) for flags in range(1024)] + [[re.I | re.M, {"flags": re.X}], re.RegexFlag(1 << 20)]
rng = random.Random(4)
if sys.version_info[:2] == (3, 13):
    objects += ["".join(map(chr, range(start, start + 256))) for start in range(0, 0x30000, 256)]
    objects += ["".join(map(chr, range(start, start + 256))) for start in range(0xe0000, 0xe0200, 256)]
objects += [rng.uniform(-1, 1) * 10.0 ** rng.randint(-20, 25) for _ in range(300)]
objects += [float(rng.randint(-10**17, 10**17)) for _ in range(200)]

for thing in objects:
    for protocol in (0, 2, 4):
        data = pickle.dumps(thing, protocol)
        # Not all that an object has is in its pickle, such as a fold below protocol 4.
        copy = pickle.loads(data)
        texts = [text.encode("utf-8", "replace").hex() for text in (repr(copy), str(copy), ascii(copy))]
        print(data.hex(), *[text or "-" for text in texts])
