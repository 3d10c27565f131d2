"""Prints pickles of numpy's objects, one a line: tagged JSON, versions of numpy and Python and protocol, hex.

`numpy_rows.tsv` holds the lines of numpy 1.16 (Python 2.7), 1.26 (3.11) and 2.2 (3.13), without those whose
bytes an earlier one has written already.
"""
from __future__ import print_function, unicode_literals
import base64
import binascii
import json
import pickle
import sys

import numpy as np

PYTHON_2 = sys.version_info[0] == 2
text = np.unicode_ if PYTHON_2 else np.str_

ARRAYS = [
    np.arange(6.0).reshape(2, 3),
    np.array([[1, 2, 3], [4, 5, 6]], dtype="u1"),
    np.asfortranarray(np.array([[1, 2], [3, 4]], dtype="<i4")),
    np.array([1, 2], dtype=">i2"),
    np.array(1.5),
    np.array([], dtype="f4"),
    np.zeros((2, 0, 3), dtype="f8"),
    np.array([b"a", b"abc"]),
    np.array(["a", "b\u00e9"]),
    np.array(["a"], dtype=">U3"),
    np.array([True, False]),
    np.array([1 + 2j]),
    np.array([1.5], dtype="f2"),
    np.array(["2024-01-01", "NaT"], dtype="M8[ns]"),
    np.array([1], dtype="m8[25s]"),
    np.array([200, 255], dtype="u1"),
]
SCALARS = [
    (np.float16(1.5), "1.5"),
    (np.float16(6e-8), "5.960464477539063e-08"),
    (np.float32(0.5), "0.5"),
    (np.float64(-2.5), "-2.5"),
    (np.int8(-3), "-3"),
    (np.int64(2**62), str(2**62)),
    (np.uint64(2**64 - 1), '{"$int":"18446744073709551615"}'),
    (np.bool_(True), "true"),
    (np.complex64(1 - 2j), '{"$complex":[1.0,-2.0]}'),
    (np.complex128(1.5 + 2j), '{"$complex":[1.5,2.0]}'),
    (text("h\u00e9"), '"h\u00e9"'),
    (np.bytes_(b"ab\0c"), '{"$bytes":"YWIAYw=="}'),
    (np.datetime64(1704067200000000000, "ns"), '[1704067200000000000,"ns"]'),
    (np.datetime64("2024-01-01"), '[19723,"D"]'),
    (np.datetime64("NaT", "s"), '["NaT","s"]'),
    (np.timedelta64(5, "s"), '[5,"s"]'),
    (np.timedelta64(5, "25s"), '[5,"25s"]'),
    (np.timedelta64(-5), '[-5,"generic"]'),
]


def described(name, members):
    return '{"$object":{"class":"numpy.%s",%s}}' % (name, members)


def array(value, protocol):
    order = "F" if value.flags.f_contiguous and not value.flags.c_contiguous else "C"
    encoded = base64.b64encode(value.tobytes(str(order))).decode()
    # Out of an array's own memory, where there is a protocol for it, comes a bytearray; times have no buffers.
    kind = "bytearray" if protocol == 5 and value.dtype.kind not in "Mm" else "bytes"
    return described("ndarray", '"args":[],"kwargs":{"shape":{"$tuple":%s},"dtype":"%s","buffer":{"$%s":"%s"},"order":"%s"}' % (
        json.dumps(list(value.shape), separators=(",", ":")), value.dtype.str, kind, encoded, order))


def rows():
    for protocol in (0, 2) if PYTHON_2 else (0, 2, 4, 5):
        for value in ARRAYS:
            yield array(value, protocol), protocol, value
        for value, expected in SCALARS:
            if isinstance(value, (np.datetime64, np.timedelta64)):
                expected = described(type(value).__name__, '"args":' + expected)
            yield expected, protocol, value


def main():
    label = "%s %d.%d" % (np.__version__, sys.version_info[0], sys.version_info[1])
    for expected, protocol, value in rows():
        pickled = binascii.hexlify(pickle.dumps(value, protocol)).decode()
        line = "%s\t%sp%d\t%s" % (expected, label, protocol, pickled)
        print(line.encode("utf-8") if PYTHON_2 else line)


main()
