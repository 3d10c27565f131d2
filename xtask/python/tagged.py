# -*- coding: utf-8 -*-
"""The tagged JSON spelling of Python values, for Python 2.7 and 3.x.

One lossless line per value. `write(value)` writes shared objects out again; `write(value, refs=True)`
names an object that is met again with `$def` and `$ref`, so that sharing and cycles survive.
"""
from __future__ import unicode_literals

import base64
import collections
import datetime
import decimal
import fractions
import json
import sys
import uuid

PY2 = sys.version_info[0] == 2

if PY2:
    TEXT = unicode  # noqa: F821
    INTEGERS = (int, long)  # noqa: F821
    BYTES = str
else:
    TEXT = str
    INTEGERS = (int,)
    BYTES = bytes

CONTAINERS = (list, tuple, dict, set, frozenset, bytearray)


def quote(text):
    """A JSON string: only what JSON must escape is escaped."""
    return json.dumps(text, ensure_ascii=False)


def b64(data):
    return '"' + base64.b64encode(bytes(data)).decode("ascii") + '"'


def has_lone_surrogate(text):
    if PY2:
        # Python 2's codec joins pairs and lets lone ones through; strict decoding tells them apart.
        raw = text.encode("utf-8")
        return any(
            raw[i : i + 1] == b"\xed" and raw[i + 1 : i + 2] >= b"\xa0" for i in range(len(raw))
        )
    return any("\ud800" <= c <= "\udfff" for c in text)


def text_form(text):
    if has_lone_surrogate(text):
        return '{"$str":%s}' % b64(text.encode("utf-8", "surrogatepass"))
    return quote(text)


def float_form(value):
    if value != value:
        return '{"$float":"nan"}'
    if value in (float("inf"), float("-inf")):
        return '{"$float":"%s"}' % ("inf" if value > 0 else "-inf")
    return TEXT(repr(value))


def int_form(value):
    if -(2**63) <= value < 2**63:
        return TEXT("%d") % value
    return '{"$int":"%d"}' % value


def offset_form(delta):
    seconds = delta.days * 86400 + delta.seconds
    sign = "-" if seconds < 0 else "+"
    seconds = abs(seconds)
    form = "%s%02d:%02d" % (sign, seconds // 3600, seconds // 60 % 60)
    if seconds % 60:
        form += ":%02d" % (seconds % 60)
    return form


class Writer(object):
    """Writes one value; with `refs`, objects met more than once get a number in order of appearance."""

    def __init__(self, refs):
        self.refs = refs
        self.count = {}
        self.keep = []
        self.number = {}
        self.next = 0
        self.out = []

    def shareable(self, value):
        if isinstance(value, (TEXT, BYTES)):
            return len(value) > 1
        return isinstance(value, CONTAINERS) and value != ()

    def survey(self, value):
        if self.shareable(value):
            self.keep.append(value)
            seen = self.count.get(id(value), 0)
            self.count[id(value)] = seen + 1
            if seen:
                return
        if isinstance(value, dict):
            for key, item in value.items():
                self.survey(key)
                self.survey(item)
        elif isinstance(value, (list, tuple, set, frozenset)):
            for item in value:
                self.survey(item)

    def shared(self, value):
        return self.refs and self.shareable(value) and self.count.get(id(value), 0) > 1

    def write(self, value):
        if not self.shared(value):
            self.body(value)
        elif id(value) in self.number:
            self.out.append('{"$ref":%d}' % self.number[id(value)])
        else:
            self.number[id(value)] = self.next
            self.out.append('{"$def":[%d,' % self.next)
            self.next += 1
            self.body(value)
            self.out.append("]}")

    def items(self, values):
        self.out.append("[")
        for n, item in enumerate(values):
            if n:
                self.out.append(",")
            self.write(item)
        self.out.append("]")

    def tag(self, name, values):
        self.out.append('{"$%s":' % name)
        self.items(values)
        self.out.append("}")

    def pairs(self, name, value):
        self.out.append('{"$%s":[' % name)
        for n, (key, item) in enumerate(value.items()):
            if n:
                self.out.append(",")
            self.items((key, item))
        self.out.append("]}")

    def plain_key(self, key):
        if PY2 and isinstance(key, str):
            try:
                key = key.decode("utf-8")
            except UnicodeDecodeError:
                return False
        return (
            type(key) is TEXT
            and not key.startswith("$")
            and not has_lone_surrogate(key)
            and not self.shared(key)
        )

    def dictionary(self, value):
        if not all(self.plain_key(key) for key in value):
            self.pairs("dict", value)
            return
        self.out.append("{")
        for n, (key, item) in enumerate(value.items()):
            if n:
                self.out.append(",")
            self.out.append(quote(key.decode("utf-8") if isinstance(key, BYTES) else key))
            self.out.append(":")
            self.write(item)
        self.out.append("}")

    def body(self, value):
        kind = type(value)
        put = self.out.append
        if value is None:
            put("null")
        elif kind is bool:
            put("true" if value else "false")
        elif kind in INTEGERS:
            put(int_form(value))
        elif kind is float:
            put(float_form(value))
        elif kind is TEXT:
            put(text_form(value))
        elif kind is BYTES:
            if PY2:
                # A Python 2 str is text where it is UTF-8, and bytes otherwise.
                try:
                    put(text_form(value.decode("utf-8")))
                    return
                except UnicodeDecodeError:
                    pass
            put('{"$bytes":%s}' % b64(value))
        elif kind is bytearray:
            put('{"$bytearray":%s}' % b64(value))
        elif kind is list:
            self.items(value)
        elif kind in (tuple, set, frozenset):
            self.tag(kind.__name__, value)
        elif kind is dict:
            self.dictionary(value)
        else:
            KNOWN[kind](self, value)


def moment(tag):
    def form(writer, value):
        fold = ',"fold":1' if getattr(value, "fold", 0) else ""
        writer.out.append('{"$%s":"%s"%s}' % (tag, value.isoformat(), fold))

    return form


def spelled(tag, spell=TEXT, plain=None):
    """A value by its text, and by its class where that is none of the plain ones."""

    def form(writer, value):
        beside = ""
        if plain is not None and type(value).__name__ not in plain:
            beside = ',"class":%s' % quote(TEXT("%s.%s" % (tag_modules[tag], type(value).__name__)))
        writer.out.append('{"$%s":%s%s}' % (tag, quote(spell(value)), beside))

    return form


tag_modules = {"path": "pathlib", "ip": "ipaddress"}


def defaultdict(writer, value):
    writer.pairs("defaultdict", value)
    if value.default_factory is not None:
        writer.out[-1] = writer.out[-1][:-1]
        writer.out.append(',"factory":{"$global":"builtins.%s"}}' % value.default_factory.__name__)


def deque(writer, value):
    writer.tag("deque", value)
    if value.maxlen is not None:
        writer.out[-1] = writer.out[-1][:-1]
        writer.out.append(',"maxlen":%d}' % value.maxlen)


def exception(writer, value):
    writer.out.append('{"$exception":{"class":"builtins.%s","args":' % type(value).__name__)
    writer.items(value.args)
    writer.out.append("}}")


def enum_member(writer, value):
    writer.out.append('{"$enum":{"class":"%s.%s","value":' % (type(value).__module__, type(value).__name__))
    writer.write(value.value)
    writer.out.append("}}")


KNOWN = {
    complex: lambda w, v: w.tag("complex", (v.real, v.imag)),
    datetime.date: moment("date"),
    datetime.time: moment("time"),
    datetime.datetime: moment("datetime"),
    datetime.timedelta: lambda w, v: w.tag("timedelta", (v.days, v.seconds, v.microseconds)),
    decimal.Decimal: spelled("decimal"),
    fractions.Fraction: spelled("fraction", lambda v: "%d/%d" % (v.numerator, v.denominator)),
    uuid.UUID: spelled("uuid"),
    collections.OrderedDict: lambda w, v: w.pairs("ordereddict", v),
    collections.defaultdict: defaultdict,
    collections.Counter: lambda w, v: w.pairs("counter", v),
    collections.deque: deque,
}
for error in (ValueError, KeyError, RuntimeError, ZeroDivisionError, StopIteration):
    KNOWN[error] = exception
if not PY2:
    import http
    import ipaddress
    import pathlib

    KNOWN[datetime.timezone] = spelled("timezone", lambda v: offset_form(v.utcoffset(None)))
    KNOWN[range] = lambda w, v: w.tag("range", (v.start, v.stop, v.step))
    KNOWN[slice] = lambda w, v: w.tag("slice", (v.start, v.stop, v.step))
    KNOWN[http.HTTPStatus] = enum_member
    for path in (pathlib.PurePosixPath, pathlib.PosixPath, pathlib.PureWindowsPath):
        KNOWN[path] = spelled("path", plain=("PosixPath",))
    for name in ("Address", "Network", "Interface"):
        for version in ("IPv4", "IPv6"):
            plain = () if name == "Interface" else (version + name,)
            KNOWN[getattr(ipaddress, version + name)] = spelled("ip", plain=plain)


def write(value, refs=False):
    """One line of tagged JSON, without its newline, as text."""
    writer = Writer(refs)
    if refs:
        writer.survey(value)
    writer.write(value)
    return "".join(writer.out)
