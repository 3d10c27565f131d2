"""Pickles an instance of every exception and a member of every enum of the standard library.

Prints one line a pickle, fields separated by tabs: exception or enum, module and name of the class as this Python has
them, version and protocol, the pickle in hexadecimal. Everything that can be made is made: an exception by the first
of a few lists of arguments that its class takes, and of an enum the first member.

`stdlib_rows.tsv` holds the lines of CPython 2.7 and 3.6 to 3.13 for protocols 0, 2 and 4, without those whose bytes
an earlier version has written already; `src/known/names.tsv` holds the names.
"""
from __future__ import print_function

import binascii
import os
import pickle
import pkgutil
import sys
import warnings

try:
    import enum
except ImportError:
    enum = None

SKIPPED = {"antigravity", "this", "idlelib", "test", "turtledemo", "lib2to3", "__main__", "pip", "setuptools",
           "pkg_resources", "site-packages", "ensurepip", "easy_install", "wheel", "_distutils_hack", "distutils"}
ARGUMENTS = [("spam",), (), (2, "spam"), ("spam", "eggs"), ("spam", 1, 2), ("spam", "eggs", 3),
             ("utf-8", b"spam", 0, 1, "eggs"), ("spam", 0, 1, "eggs"), ("utf-8", u"spam", 0, 1, "eggs"),
             ("spam", [ValueError(1)]), ("spam", "eggs", 3, 4), ("spam", "eggs", 3, 4, 5)]


def modules():
    folder = os.path.dirname(os.__file__)
    names = set(sys.builtin_module_names)
    names.update(name for _, name, _ in pkgutil.iter_modules([folder, os.path.join(folder, "lib-dynload")]))
    found = []
    for name in sorted(names):
        if name in SKIPPED or name.startswith("_test") or name.startswith("test"):
            continue
        found.append(name)
        path = os.path.join(folder, name)
        if os.path.isdir(path):
            for _, inner, _ in pkgutil.walk_packages([path], name + "."):
                if ".test" not in inner and "__main__" not in inner and ".idle_test" not in inner:
                    found.append(inner)
    return found


def classes():
    """Every class of the standard library, once, with the module and name under which it is pickled."""
    seen = set()
    sys.argv = ["stdlib"]
    stdout, sys.stdout = sys.stdout, open(os.devnull, "w")
    loaded = []
    for name in modules():
        try:
            __import__(name)
            loaded.append(sys.modules[name])
        except BaseException:
            continue
    sys.stdout = stdout
    open_ones = []
    for module in loaded:
        open_ones.extend(list(vars(module).values()))
    while open_ones:
        value = open_ones.pop()
        if not isinstance(value, type) or value in seen:
            continue
        seen.add(value)
        open_ones.extend(list(vars(value).values()))
    for value in list(seen):
        module = getattr(value, "__module__", None)
        name = getattr(value, "__qualname__", value.__name__)
        if module and name:
            yield value, module, name


def instance(cls):
    for arguments in ARGUMENTS:
        try:
            made = cls(*arguments)
            pickle.loads(pickle.dumps(made, 2))
            return made
        except Exception:
            continue
    return None


def main():
    warnings.simplefilter("ignore")
    rows = []
    for cls, module, name in classes():
        root = module.split(".")[0]
        if root in SKIPPED or root.startswith("test") or module == "__main__":
            continue
        try:
            if issubclass(cls, BaseException):
                made, kind = instance(cls), "exception"
            elif enum is not None and issubclass(cls, enum.Enum) and len(list(cls)) > 0:
                made, kind = list(cls)[0], "enum"
            else:
                continue
        except Exception:
            continue
        if made is None:
            continue
        for protocol in (0, 2, 4):
            if protocol > pickle.HIGHEST_PROTOCOL:
                break
            try:
                data = pickle.dumps(made, protocol)
            except Exception:
                continue
            label = "%d.%dp%d" % (sys.version_info[0], sys.version_info[1], protocol)
            rows.append((kind, module, name, label, binascii.hexlify(data).decode("ascii")))
    for row in sorted(rows):
        print("\t".join(row))


main()
