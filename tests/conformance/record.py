"""Unpickles what it is given with recording unpicklers, and says what they named. Python 2.7 and 3.

Reads batches from standard input: a count, then that many inputs, each behind its length (u32, big-endian).
Answers each batch with one length-prefixed answer per input: the names that any unpickler of this Python asked for,
each a line, `module.name` in UTF-8, or `PERSID`, or `EXT`.

Nothing that a pickle names is ever looked up: every name gets an object of this script.
"""
import functools
import io
import pickle
import resource
import signal
import struct
import sys
import warnings

warnings.simplefilter("ignore")
PYTHON2 = sys.version_info[0] == 2
if PYTHON2:
    import cPickle
    import copy_reg as registry
else:
    import builtins
    import copyreg as registry
    import types

STDIN = sys.stdin if PYTHON2 else sys.stdin.buffer
STDOUT = sys.stdout if PYTHON2 else sys.stdout.buffer

for code in range(1, 300):
    registry._inverted_registry[code] = ("extension module", "n%d" % code)


class Thing(object):
    """What a name stands for: it can be called, filled and given a state, and does nothing."""

    def __new__(cls, *arguments, **keywords):
        return object.__new__(cls)

    def __init__(self, *arguments, **keywords):
        pass

    def __call__(self, *arguments, **keywords):
        return self

    def __setstate__(self, state):
        pass

    def append(self, item):
        pass

    extend = append
    add = append

    def __setitem__(self, key, value):
        pass


def text(*arguments):
    """What makes the text of a name."""
    return "os"


def found(names, module, name):
    if module == "extension module":
        names.add("EXT")
    else:
        parts = []
        for part in (module, name):
            if isinstance(part, bytes):
                try:
                    decoded = part.decode("utf-8")
                    # Python 2 decodes surrogates.
                    if any(u"\ud800" <= c <= u"\udfff" for c in decoded):
                        raise UnicodeDecodeError("utf-8", part, 0, 1, "surrogates")
                    part = decoded
                except UnicodeDecodeError:
                    part = part.decode("latin-1")
            parts.append(part)
        # An answer has a line for each name.
        names.add(u".".join(parts).replace(u"\n", u"\u2424"))
    if name.endswith("text" if isinstance(name, str) else b"text"):
        return text
    return Thing if len(name) % 2 else Thing()


def recorder(base, names):
    class Recorder(base):
        def find_class(self, module, name):
            return found(names, module, name)

        def persistent_load(self, pid):
            names.add("PERSID")
            return Thing()

    return Recorder


class File(object):
    """A file without `peek`, from which the C unpickler takes no more than it needs."""

    def __init__(self, data):
        self.file = io.BytesIO(data)
        self.read = self.file.read
        self.readline = self.file.readline


def python2(data, names):
    def persistent(pid):
        names.add("PERSID")
        return Thing()

    unpickler = cPickle.Unpickler(io.BytesIO(data))
    unpickler.find_global = lambda module, name: found(names, module, name)
    unpickler.persistent_load = persistent
    yield unpickler.load
    base = pickle.Unpickler
    recording = type("Recorder", (base, object), {
        "find_class": lambda self, module, name: found(names, module, name),
        "persistent_load": lambda self, pid: persistent(pid),
        "dispatch": base.dispatch,
    })
    yield recording(io.BytesIO(data)).load


def python3(data, names):
    def all_of(unpickler, file):
        # A file of several pickles is read by one unpickler for each.
        while True:
            recorder(unpickler, names)(file, encoding="latin-1").load()

    for file in (io.BytesIO, File, lambda data: io.BufferedReader(io.BytesIO(data))):
        yield functools.partial(all_of, pickle.Unpickler, file(data))
    yield functools.partial(all_of, pickle._Unpickler, io.BytesIO(data))
    yield lambda: from_memory(data, names)


def from_memory(data, names):
    """`loads` itself, which reads the bytes where they are; it asks the import system for its names."""

    class Module(types.ModuleType):
        def __getattr__(self, name):
            if name.startswith("__"):
                raise AttributeError(name)
            return found(names, self.__name__, name)

    modules = sys.modules
    before = dict(modules)
    # Before 3.7, a module that is there is asked without an import: its functions would be run.
    modules.clear()
    real = builtins.__import__

    def fake(name, *arguments, **keywords):
        module = Module(name)
        modules[name] = module
        return module

    builtins.__import__ = fake
    try:
        # The modules' names are those of Python 3, or others than the pickle's would be imported.
        pickle.loads(data, encoding="latin-1", fix_imports=False)
    finally:
        builtins.__import__ = real
        modules.clear()
        modules.update(before)


class Late(Exception):
    pass


def late(*arguments):
    raise Late


def read(count):
    data = b""
    while len(data) < count:
        part = STDIN.read(count - len(data))
        if not part:
            sys.exit(0)
        data += part
    return data


def main():
    resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
    signal.signal(signal.SIGALRM, late)
    sys.setrecursionlimit(500)
    while True:
        (count,) = struct.unpack(">I", read(4))
        inputs = [read(struct.unpack(">I", read(4))[0]) for _ in range(count)]
        for data in inputs:
            names = set()
            for load in (python2 if PYTHON2 else python3)(data, names):
                signal.setitimer(signal.ITIMER_REAL, 2)
                try:
                    load()
                except Exception:
                    pass
                finally:
                    signal.setitimer(signal.ITIMER_REAL, 0)
            answer = u"\n".join(sorted(names)).encode("utf-8", "ignore" if PYTHON2 else "surrogatepass")
            STDOUT.write(struct.pack(">I", len(answer)) + answer)
        STDOUT.flush()


main()
