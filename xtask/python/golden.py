# -*- coding: utf-8 -*-
"""Writes this interpreter's golden pickles and frames: `python golden.py FOLDER`.

FOLDER/pickles/<case>.p<N>.pickle and <case>.json, and FOLDER/frames/<case>.frames and <case>.jsonl. The caller
compares what several interpreters wrote. Everything that varies from run to run is frozen, so the same
interpreter writes the same bytes each time.
"""
from __future__ import unicode_literals

import io
import logging
import logging.handlers
import os
import socket
import struct
import sys

try:
    import cPickle as pickle
except ImportError:
    import pickle
try:
    import thread as _thread
except ImportError:
    import _thread

import linecache

import cases
import tagged

PY2 = sys.version_info[0] == 2
PROTOCOLS = 3 if PY2 else 5 if sys.version_info < (3, 8) else 6
WORKER = "/srv/app/worker.py"


def write(path, data):
    with io.open(path, "wb") as file:
        file.write(data)


def write_pickles(folder):
    if hasattr(sys, "set_int_max_str_digits"):
        sys.set_int_max_str_digits(0)
    names = set()
    for name, build, options in cases.CASES:
        assert name not in names, name
        names.add(name)
        if not options.get("since", (0,)) <= sys.version_info[:2] <= options.get("until", (99,)):
            continue
        refs = options.get("refs", False)
        value = build()
        text = tagged.write(value, refs)
        write(os.path.join(folder, name + ".json"), text.encode("utf-8") + b"\n")
        for protocol in options.get("protocols", range(PROTOCOLS)):
            if protocol >= PROTOCOLS:
                continue
            data = pickle.dumps(value, protocol)
            again = tagged.write(pickle.loads(data), refs)
            assert again == text or PY2 and not refs, (name, protocol, text[:300], again[:300])
            write(os.path.join(folder, "%s.p%d.pickle" % (name, protocol)), data)


class Freeze(logging.Filter):
    """Sets what differs from run to run: times, thread and process."""

    def __init__(self):
        logging.Filter.__init__(self)
        self.count = 0
        self.last = None

    def filter(self, record):
        if record is self.last:
            return True
        self.last = record
        created = 1767323045.1234567 + 0.25 * self.count
        record.created = created
        record.msecs = (created - int(created)) * 1000
        if sys.version_info >= (3, 10):
            record.msecs = int(record.msecs) + 0.0
        record.relativeCreated = 1234.5678 + 250 * self.count
        record.thread = record.thread and 140141592653589 + self.count
        record.threadName = record.threadName and str("MainThread" if self.count % 2 == 0 else "Thread-1")
        record.process = record.process and 4242
        record.processName = record.processName and str("MainProcess")
        self.count += 1
        return True


class AnyProtocol(logging.handlers.SocketHandler):
    """A SocketHandler whose protocol a scenario may change; stock otherwise."""

    protocol = None

    def makePickle(self, record):
        data = logging.handlers.SocketHandler.makePickle(self, record)
        if self.protocol is None:
            return data
        payload = pickle.dumps(pickle.loads(data[4:]), self.protocol)
        return struct.pack(str(">L"), len(payload)) + payload


class Immediate(object):
    """A queue that hands each record on at once."""

    def __init__(self, handler):
        self.handler = handler

    def put_nowait(self, record):
        self.handler.handle(record)


def capture(scenario, module):
    """What a real SocketHandler sends over a real socket while `scenario` runs."""
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen(1)
    handler = AnyProtocol(str("127.0.0.1"), server.getsockname()[1])
    handler.setFormatter(logging.Formatter())
    logger = logging.Logger(str("app.worker"))
    logger.manager = logging.Manager(logger)
    freeze = Freeze()
    logger.addFilter(freeze)
    # The records of a child logger skip the filters of its parent, so the handler freezes those.
    handler.addFilter(freeze)
    if scenario.__name__ == "asctime_left":
        formatted = logging.StreamHandler(io.StringIO() if not PY2 else io.BytesIO())
        formatted.setFormatter(logging.Formatter(str("%(asctime)s %(message)s")))
        logger.addHandler(formatted)
    if scenario.__name__ == "queued":
        logger.addHandler(logging.handlers.QueueHandler(Immediate(handler)))
    else:
        logger.addHandler(handler)
    failures = []
    # Started without the threading module, whose frames would stand in every stack.
    _thread.start_new_thread(module["run"], (scenario, logger, handler, failures))
    server.settimeout(10)
    try:
        connection, _ = server.accept()
    except socket.timeout:
        raise failures[0] if failures else AssertionError("no connection")
    connection.settimeout(30)
    received = b""
    while True:
        chunk = connection.recv(1 << 20)
        if not chunk:
            break
        received += chunk
    connection.close()
    server.close()
    if failures:
        raise failures[0]
    return received


def split(stream):
    while stream:
        (length,) = struct.unpack(str(">L"), stream[:4])
        assert len(stream) >= 4 + length
        yield stream[4 : 4 + length]
        stream = stream[4 + length :]


def write_frames(folder):
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "worker.py")
    with io.open(path, encoding="utf-8") as file:
        source = file.read()
    module = {str("__name__"): str("worker"), str("__file__"): str(WORKER)}
    exec(compile(source, str(WORKER), "exec", 0, True), module)
    linecache.cache[WORKER] = (len(source), None, source.splitlines(True), WORKER)
    for scenario in module["SCENARIOS"]:
        name = str("worker_") + scenario.__name__
        received = capture(scenario, module)
        lines = [tagged.write(pickle.loads(payload)) + "\n" for payload in split(received)]
        assert lines, name
        write(os.path.join(folder, name + ".frames"), received)
        write(os.path.join(folder, name + ".jsonl"), "".join(lines).encode("utf-8"))


def main():
    folder = sys.argv[1]
    sys.setrecursionlimit(10000)
    os.environ[str("TZ")] = str("UTC")
    for part, fill in (("pickles", write_pickles), ("frames", write_frames)):
        os.makedirs(os.path.join(folder, part))
        fill(os.path.join(folder, part))


if __name__ == "__main__":
    main()
