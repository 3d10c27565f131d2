"""Times picklescan and fickling on the files of a folder: `python scanners.py FOLDER`. Python 3.

One line for each file and scanner: work, scanner, nanoseconds, with tabs between. They take seconds for a megabyte, so
that a few rounds are enough.
"""
import io
import os
import sys
import time

from fickling.analysis import check_safety
from fickling.fickle import Pickled
from picklescan.scanner import scan_pickle_bytes


def best(work):
    rounds = []
    while not rounds or sum(rounds) < 1 and len(rounds) < 100:
        start = time.perf_counter()
        work()
        rounds.append(time.perf_counter() - start)
    return min(rounds) * 1e9


for name in sorted(os.listdir(sys.argv[1])):
    with open(os.path.join(sys.argv[1], name), "rb") as file:
        data = file.read()
    print("scan %s\tpicklescan\t%.1f" % (name, best(lambda: scan_pickle_bytes(io.BytesIO(data), name))))
    if len(data) < 100000:
        # Larger ones take it minutes.
        print("scan %s\tfickling\t%.1f" % (name, best(lambda: check_safety(Pickled.load(data)))))
