"""Times CPython's C pickle on the files of a folder: `python bench.py FOLDER`. Python 3.

One line for each file and each of `loads` and `dumps`: work, `CPython`, nanoseconds, with tabs between.
"""
import os
import pickle
import sys
import time


def best(work):
    start = time.perf_counter()
    work()
    count = max(1, int(0.002 / max(time.perf_counter() - start, 1e-7)))
    rounds = []
    for _ in range(60):
        start = time.perf_counter()
        for _ in range(count):
            work()
        rounds.append((time.perf_counter() - start) / count)
    return min(rounds) * 1e9


for name in sorted(os.listdir(sys.argv[1])):
    with open(os.path.join(sys.argv[1], name), "rb") as file:
        data = file.read()
    # These files are the project's own golden records and lists: nothing in them names anything.
    value = pickle.loads(data)
    print("loads %s\tCPython\t%.1f" % (name, best(lambda: pickle.loads(data))))
    print("dumps %s\tCPython\t%.1f" % (name, best(lambda: pickle.dumps(value, 1))))
