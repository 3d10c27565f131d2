# -*- coding: utf-8 -*-
"""The values of the golden pickles, for Python 2.7 and 3.x.

A case is `(name, build, options)`. `build` makes a fresh value in which no two objects are the same one,
unless the case is about sharing (`refs`). Options: `protocols`, the only ones to write; `since` and `until`,
the Python versions that have the value.
"""
from __future__ import unicode_literals

import collections
import datetime
import decimal
import fractions
import sys
import uuid

PY2 = sys.version_info[0] == 2
CASES = []


def case(name, build, **options):
    CASES.append((name, build, options))


def fresh(text):
    """Text that is an object of its own, not one that the compiler or the interpreter shares."""
    return text[:1] + text[1:] if len(text) < 2 else "".join([text[:1], text[1:]])


def keys(count, width=4):
    return ["k%0*d" % (width, n) for n in range(count)]


# None, bool, int, float.
case("none", lambda: None)
case("true", lambda: True)
case("false", lambda: False)
INTEGERS = [
    0, 1, 10, 127, 128, 255, 256, 257, 65535, 65536, 2**31 - 1, 2**31, 2**32, 2**53, 2**63 - 1, 2**63, 2**64,
    2**127, 2**128, -1, -2, -128, -129, -255, -256, -32768, -32769, -(2**31), -(2**31) - 1, -(2**32),
    -(2**63), -(2**63) - 1, -(2**64), -(2**127) - 1, 2**2039 - 1, 2**2039, -(2**2039), -(2**2039) - 1,
]
for n, value in enumerate(INTEGERS):
    case("int_%02d" % n, lambda value=value: value)
case("ints", lambda: list(INTEGERS))
case("int_powers", lambda: [s * (2**e + d) for e in range(1, 140, 3) for d in (-1, 0, 1) for s in (1, -1)])
case("int_digits_4300", lambda: 10**4299 + 7)
case("int_digits_4300_negative", lambda: -(10**4300 - 1))
FLOATS = [
    0.0, -0.0, 1.0, -1.5, 0.1, 1e15, 1e16, 1e17, 123456789012345680.0, 1e-4, 1e-5, 1.5e-7, 1e100, 1e-100,
    1.7976931348623157e308, 5e-324, 2.2250738585072014e-308, float("inf"), float("-inf"), 3.141592653589793,
    1767323045.1234567, 123.0,
]
for n, value in enumerate(FLOATS):
    case("float_%02d" % n, lambda value=value: value)
case("float_nan", lambda: float("nan"))
case("floats", lambda: list(FLOATS) + [float("nan")])

# Text.
TEXTS = [
    "", "a", "\xe9", "\xff", "\u0100", "\U0001f600", "hello", "na\xefve caf\xe9", "\u65e5\u672c\u8a9e",
    "a\\b", "\\u0041", "\\\\u0041", "line\nfeed", "carriage\rreturn", "nul\0byte", "sub\x1abyte", "tab\tquote\"'",
    "\x7f\x80\x81\x9f\xa0", "\u2028\u2029\u202e", "e\u0301", "$dollar", "trailing\\",
]
for n, value in enumerate(TEXTS):
    case("str_%02d" % n, lambda value=value: value)
case("strs", lambda: [fresh(t) for t in TEXTS if len(t) > 1])
# One-character Latin-1 text is one object in CPython, whether a program asks for that or not.
case("str_latin1", lambda: [chr(c) for c in range(256)], since=(3, 0))
case("str_latin1_run", lambda: "".join(chr(c) for c in range(256)), since=(3, 0))
case("str_singletons", lambda: ["", "x", "", "x", "\xe9", "\xe9"], since=(3, 0))
for size in (254, 255, 256, 257):
    case("str_len_%d" % size, lambda size=size: "s" * size)
case("str_utf8_len_255", lambda: "\xe9" * 127 + "e")
case("str_utf8_len_256", lambda: "\xe9" * 128)
case("str_utf8_len_257", lambda: "\u65e5" * 85 + "\xe9")
case("str_len_65535", lambda: "s" * 65535, protocols=(1, 4))
case("str_len_65536", lambda: "s" * 65536, protocols=(1, 4))
case("str_len_70000", lambda: "s" * 70000, protocols=(0, 2, 5))
case("str_surrogate_high", lambda: "\ud800", since=(3, 0))
case("str_surrogate_low", lambda: "file\udcff.txt", since=(3, 0))
case("str_surrogate_swapped", lambda: "a\udc00\ud800z", since=(3, 0))
case("str_surrogate_key", lambda: {"bad\udc80": fresh("value")}, since=(3, 0))

# Bytes. Python 2 has only one kind of string, which the py2 cases cover.
BYTES = [b"", b"b", b"\xff", b"hello", b"\x00\x01\xfe\xff", bytes(bytearray(range(256))), b"line\n\r\\", b"x" * 255]
for n, value in enumerate(BYTES):
    case("bytes_%02d" % n, lambda value=value: value, since=(3, 0))
case("bytes_len_256", lambda: b"x" * 256, since=(3, 0))
case("bytes_several", lambda: [b"one\xff", b"two\xfe", b"", b"three"], since=(3, 0))
case("bytes_len_65535", lambda: b"\xfe" * 65535, protocols=(3, 4), since=(3, 0))
case("bytes_len_65536", lambda: b"x" * 65536, protocols=(1, 4, 5), since=(3, 0))
case("bytearray_empty", lambda: bytearray(), since=(3, 0))
case("bytearray", lambda: bytearray(b"mutable\x00\xff"), since=(3, 0))
case("bytearrays", lambda: [bytearray(b"one\x00"), bytearray(), bytearray(b"two\xff")], since=(3, 0))
case("bytearray_len_65536", lambda: bytearray(65536), protocols=(5,), since=(3, 0))

# Tuples, lists, dicts.
case("tuple_empty", lambda: ())
for size in (1, 2, 3, 4, 5):
    case("tuple_%d" % size, lambda size=size: tuple(range(size)))
case("tuple_nested", lambda: (1, (2, (3, (4, ((), (5,)))))))
case("tuple_1001", lambda: tuple(range(1001)))
case("list_empty", lambda: [])
case("list_nested", lambda: [[], [[]], [[], [[]]]])
for size in (1, 2, 3, 999, 1000, 1001, 1002, 1999, 2000, 2001):
    case("list_%d" % size, lambda size=size: list(range(size)))
case("list_1001_str", lambda: keys(1001))
case("dict_empty", lambda: {})
for size in (1, 2, 3):
    case("dict_%d" % size, lambda size=size: dict((k, n) for n, k in enumerate(keys(size))), since=(3, 0))
for size in (999, 1000, 1001, 1002, 2000, 2001):
    case("dict_%d" % size, lambda size=size: dict((k, n) for n, k in enumerate(keys(size))), since=(3, 0),
         protocols=(0, 1, 2, 4))
case("dict_one_py2", lambda: {"only": [1, 2.5, None]})
case("dict_int_keys", lambda: {1: "one", 2: "two", -3: "minus three"}, since=(3, 0))
case("dict_mixed_keys", lambda: {None: 1, True: 2, 2.5: 3, (1, 2): 4, "text": 5, b"raw\xff": 6, frozenset([7]): 7},
     since=(3, 0))
case("dict_dollar_key", lambda: {"$int": "5"})
case("dict_nested", lambda: {"outer": {"inner": {"innermost": {}}}})
case("nested_100", lambda: nested(100))
case("nested_400", lambda: nested(400), protocols=(0, 1, 2, 4), since=(3, 0))
case("nested_mixed", lambda: [{"kind": ({"deep": [(1, [2, {"end": ()}])]},)}, [[(), ((),)]]])
case("record_like", lambda: {"name": "app.db", "msg": "done in %d ms", "args": (12,), "levelno": 20,
                             "created": 1767323045.1234567, "thread": 140141592653589, "exc_info": None},
     since=(3, 0))


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


# Sets. Their order is the process's own, so the members are such that every CPython agrees on it.
case("set_empty", lambda: set())
case("set_one", lambda: {fresh("member")})
case("set_ints", lambda: set(range(5)))
for size in (999, 1000, 1001, 2000, 2001):
    case("set_%d" % size, lambda size=size: set(range(size)), protocols=(1, 2, 4))
case("frozenset_empty", lambda: frozenset())
case("frozenset_one", lambda: frozenset([fresh("member")]))
case("frozenset_ints", lambda: frozenset(range(5)))
case("frozenset_1001", lambda: frozenset(range(1001)), protocols=(2, 4))
case("set_of_frozenset", lambda: {frozenset([(1, 2)])})
case("sets", lambda: [set([1]), set([2, 3]), frozenset([4]), frozenset([5, 6])])
case("complex", lambda: [complex(1.5, -2.0), complex(0.0, float("inf"))])


# Pickle frames of protocol 4: where one closes, and what stays outside.
def crossing(size, count):
    return ["%0*d" % (size, n) for n in range(count)]


case("frame_many_strings", lambda: crossing(40, 1700), protocols=(4, 5))
case("frame_large_between", lambda: [fresh("before"), "L" * 65536, fresh("after"), "M" * 65535, [1, 2, 3]], protocols=(4,))
case("frame_large_bytes", lambda: [1, b"L" * 65537, {"key": bytearray(66000)}, fresh("end")], protocols=(4, 5), since=(3, 0))
case("frame_large_dict", lambda: dict(("key%05d" % n, "%056d" % n) for n in range(1000)),
     protocols=(4,), since=(3, 0))
for size in (65518, 65519, 65520, 65521, 65522):
    case("frame_edge_%d" % size, lambda size=size: ["e" * size, 1, 2], protocols=(4,), since=(3, 8))


# Sharing and cycles.
def shared_list():
    inner = [1, 2]
    return [inner, inner, [inner]]


def shared_text():
    text = fresh("shared text")
    return [text, {"key": text}, (text, 1), text]


def shared_key():
    key = fresh("shared key")
    return [{key: 1}, {key: 2}, key]


def shared_tuple():
    pair = (1, fresh("pair"))
    return [pair, pair, {"again": pair}]


def shared_empty_containers():
    a, b = [], {}
    return [a, b, a, b, (a, b)]


def shared_bytes():
    raw = b"shared\xff"
    return [raw, raw, bytearray(b"own"), raw]


def shared_sets():
    one, two = {1}, frozenset([2])
    return [one, two, one, two]


def shared_late():
    inner = list(range(3))
    return [inner] + list(range(300)) + [[n] for n in range(300)] + [inner]


def cycle_list():
    value = []
    value.append(value)
    return value


def cycle_dict():
    value = {}
    value["self"] = value
    return value


def cycle_tuple(size):
    inner = []
    value = tuple([inner] + list(range(1, size)))
    inner.append(value)
    return value


def cycle_pair():
    one, two = [], {}
    one.append(two)
    two["back"] = one
    return [one, two]


def cycle_parent():
    root = {"name": fresh("root"), "children": []}
    for n in range(3):
        root["children"].append({"name": fresh("child %d" % n), "parent": root})
    return root


def cycle_tuple_dict():
    holder = []
    value = (holder,)
    holder.append({"me": value})
    return value


def ladder():
    value = [0]
    for _ in range(12):
        value = [value, value]
    return value


case("shared_list", shared_list, refs=True)
case("shared_text", shared_text, refs=True, since=(3, 0))
case("shared_key", shared_key, refs=True, since=(3, 0))
case("shared_tuple", shared_tuple, refs=True)
case("shared_empty", shared_empty_containers, refs=True)
case("shared_bytes", shared_bytes, refs=True, since=(3, 0))
case("shared_sets", shared_sets, refs=True)
case("shared_late", shared_late, refs=True)
case("shared_ladder", ladder, refs=True)
case("cycle_list", cycle_list, refs=True)
case("cycle_dict", cycle_dict, refs=True)
for size in (1, 2, 3, 4, 5):
    case("cycle_tuple_%d" % size, lambda size=size: cycle_tuple(size), refs=True)
case("cycle_tuple_dict", cycle_tuple_dict, refs=True)
case("cycle_pair", cycle_pair, refs=True)
case("cycle_parent", cycle_parent, refs=True, since=(3, 0))
case("memo_over_255", lambda: [[n] for n in range(300)])

# What only Python 2 writes.
case("py2_str", lambda: [b"ascii", b"caf\xc3\xa9", b"\xff\xfe", b"", b"quote'\"\\\n\r\t\x00"], until=(2, 7))
case("py2_str_long", lambda: b"x" * 300, until=(2, 7))
case("py2_str_high", lambda: b"\x80" * 300, until=(2, 7))
case("py2_long", lambda: [2**31, -(2**70), eval("0L"), eval("5L"), sys.maxsize], until=(2, 7))
case("py2_mixed", lambda: {b"key": "text", "uni": b"raw"}, until=(2, 7))
case("py2_tuple", lambda: (b"a", ("b", (b"c", None))), until=(2, 7))

# Types of the standard library that are plain data.
UTC_PLUS = datetime.timedelta(hours=5, minutes=30)


def zone(delta=None):
    return datetime.timezone.utc if delta is None else datetime.timezone(delta)


case("known_date", lambda: datetime.date(2026, 1, 2))
case("known_date_edges", lambda: [datetime.date(1, 1, 1), datetime.date(9999, 12, 31), datetime.date(2024, 2, 29)])
case("known_time", lambda: [datetime.time(3, 4, 5, 6), datetime.time(), datetime.time(23, 59, 59, 999999)])
case("known_datetime", lambda: datetime.datetime(2026, 1, 2, 3, 4, 5, 6))
case("known_datetime_edges", lambda: [datetime.datetime.min, datetime.datetime.max, datetime.datetime(2026, 1, 2)])
case("known_datetime_zone", lambda: [datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=zone()),
                                     datetime.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=zone(UTC_PLUS)),
                                     datetime.time(12, 0, tzinfo=zone(-UTC_PLUS))], since=(3, 0))
case("known_datetime_fold", lambda: [datetime.datetime(2026, 10, 25, 2, 30, fold=1), datetime.time(2, 30, fold=1)],
     since=(3, 6), protocols=(4, 5))
case("known_timedelta", lambda: [datetime.timedelta(1, 2, 3), datetime.timedelta(-1), datetime.timedelta.max])
case("known_timezone", lambda: [zone(), zone(UTC_PLUS), zone(-UTC_PLUS)], since=(3, 0))
case("known_decimal", lambda: [decimal.Decimal(t) for t in ("1.10", "-0", "1E+400", "NaN", "Infinity", "-sNaN5")])
case("known_fraction", lambda: [fractions.Fraction(1, 3), fractions.Fraction(-22, 7), fractions.Fraction(5)])
case("known_uuid", lambda: [uuid.UUID(int=0), uuid.UUID("12345678-1234-5678-1234-567812345678")])
case("known_ordereddict", lambda: collections.OrderedDict([("first", 1), ("second", [2]), (3, None)]))
case("known_ordereddict_empty", lambda: collections.OrderedDict())
case("known_defaultdict", lambda: collections.defaultdict(list, {"one": [1]}))
case("known_defaultdict_none", lambda: collections.defaultdict(None, {"one": 1}))
case("known_counter", lambda: collections.Counter({"only": 3}))
case("known_deque", lambda: [collections.deque([1, 2, 3]), collections.deque([4, 5], 2), collections.deque()])
case("known_exception", lambda: [ValueError("bad value", 3), KeyError("missing"), ZeroDivisionError()])
case("known_range", lambda: [range(5), range(2, 20, 3), range(0, -5, -1), range(2**70)], since=(3, 0))
case("known_slice", lambda: [slice(1, 2, 3), slice(None), slice(None, -1)], since=(3, 0))
if not PY2:
    import http
    import ipaddress
    import pathlib

    case("known_enum", lambda: [http.HTTPStatus.OK, http.HTTPStatus.NOT_FOUND])
    case("known_path", lambda: [pathlib.PurePosixPath("/a/b"), pathlib.PurePosixPath("."), pathlib.PurePosixPath("x/y.z")])
    case("known_path_posix", lambda: pathlib.PosixPath("/var/log/app.log"))
    case("known_path_windows", lambda: pathlib.PureWindowsPath("c:\\dir\\file"))
    case("known_ip", lambda: [ipaddress.ip_address("10.0.0.1"), ipaddress.ip_network("10.0.0.0/8"),
                              ipaddress.ip_interface("10.0.0.1/8"), ipaddress.ip_address("::1"),
                              ipaddress.ip_network("2001:db8::/32"), ipaddress.ip_interface("fe80::1/64")])
case("known_nested", lambda: {"when": datetime.datetime(2026, 1, 2), "tags": {1, 2}, "cost": decimal.Decimal("1.10"),
                              "id": uuid.UUID(int=5), "more": [collections.OrderedDict([("aa", (datetime.date(2026, 1, 2),))])]},
     since=(3, 0))
