"""Unpickles what it is given and says what came out: one side of `cargo xtask conformance`. Python 3.

Reads batches from standard input: a count, then that many inputs, each behind its length (u32, big-endian).
Answers each batch with one length-prefixed answer per input:
`V` used(u32) form, the value in canonical form; `B` used(u32), a value too big to write; `R` class: message.

Nothing that a pickle names is ever looked up: `find_class` and persistent ids are blocked, and memory and time
are limited.
"""
import io
import pickle
import resource
import signal
import struct
import sys

BUDGET = 20000


class TooBig(Exception):
    pass


class Blocked(Exception):
    pass


class Data(pickle.Unpickler):
    def find_class(self, module, name):
        raise Blocked("global")

    def persistent_load(self, pid):
        raise Blocked("persistent id")


class Canon:
    """The canonical form: values only, with a cycle as the distance to the container that it closes."""

    def __init__(self):
        self.left = BUDGET
        self.path = []

    def charge(self, cost):
        self.left -= cost
        if self.left < 0:
            raise TooBig

    def form(self, value):
        self.charge(1)
        kind = type(value)
        if value is None:
            return b"N"
        if kind is bool:
            return b"T" if value else b"F"
        if kind is int:
            return b"i%x;" % value if value >= 0 else b"i-%x;" % -value
        if kind is float:
            return b"f" + struct.pack(">d", value).hex().encode()
        if kind is str:
            raw = value.encode("utf-8", "surrogatepass")
            self.charge(len(raw) // 256)
            return b"s%d:" % len(raw) + raw
        if kind in (bytes, bytearray):
            self.charge(len(value) // 256)
        if kind is bytes:
            return b"b%d:" % len(value) + value
        if kind is bytearray:
            return b"a%d:" % len(value) + bytes(value)
        for distance, (at, _) in enumerate(reversed(self.path)):
            if at == id(value):
                return b"^%d;" % distance
        self.path.append((id(value), value))
        if kind is dict:
            parts = [self.form(part) for pair in value.items() for part in pair]
        else:
            parts = [self.form(item) for item in value]
        self.path.pop()
        if kind is list:
            return b"l(" + b"".join(parts) + b")"
        if kind is tuple:
            return b"t(" + b"".join(parts) + b")"
        if kind is dict:
            return b"d(" + b"".join(parts) + b")"
        if kind is set:
            return b"S(" + b"".join(sorted(parts)) + b")"
        if kind is frozenset:
            return b"Z(" + b"".join(sorted(parts)) + b")"
        raise AssertionError("no form for %s" % kind)


def answer(data, encoding):
    file = io.BytesIO(data)
    try:
        value = Data(file, encoding=encoding).load()
        used = struct.pack(">I", file.tell())
    except Exception as error:
        return b"R%s: %s" % (type(error).__name__.encode(), str(error)[:80].encode("ascii", "replace"))
    try:
        return b"V" + used + Canon().form(value)
    except TooBig:
        return b"B" + used
    except AssertionError as error:
        return b"R%s: %s" % (b"NoForm", str(error).encode())


def serve():
    encoding = sys.argv[1]
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while True:
        count = source.read(4)
        if len(count) < 4:
            return
        inputs = []
        for _ in range(*struct.unpack(">I", count)):
            (length,) = struct.unpack(">I", source.read(4))
            inputs.append(source.read(length))
        answers = []
        for data in inputs:
            # An input that takes longer ends the process, which the other side notices.
            signal.alarm(20)
            text = answer(data, encoding)
            answers.append(struct.pack(">I", len(text)) + text)
        signal.alarm(0)
        sink.write(b"".join(answers))
        sink.flush()


def main():
    resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.setrecursionlimit(100000)
    # `alarm` may only be set from the main thread, so a deep stack is asked for where the limit allows one.
    resource.setrlimit(resource.RLIMIT_STACK, (256 << 20, resource.getrlimit(resource.RLIMIT_STACK)[1]))
    serve()


if __name__ == "__main__":
    main()
