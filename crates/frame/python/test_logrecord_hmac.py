# -*- coding: utf-8 -*-
"""Tests of logrecord_hmac, on every Python that it is for.

    python -m unittest test_logrecord_hmac
"""

import ast
import binascii
import io
import json
import logging
import logging.config
import os
import pickle
import shutil
import socket
import struct
import tempfile
import threading
import unittest

import logrecord_hmac
from logrecord_hmac import (HMACDatagramHandler, HMACSocketHandler, Refused,
                            Replay, open_, open_ack, open_plain, seal,
                            seal_ack, seal_plain)

VECTORS = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                       "..", "..", "..", "testdata", "envelopes")
SECRET = b"0123456789abcdef0123456789abcdef"
HEX = binascii.hexlify(SECRET)


def unhex(text):
    return binascii.unhexlify(text.encode("ascii"))


def vectors(name):
    with io.open(os.path.join(VECTORS, name), encoding="utf-8") as file:
        return json.load(file)


def verdict(call, *args, **kwargs):
    try:
        return "ok", call(*args, **kwargs)
    except Refused as refused:
        return refused.reason, None


class VectorTest(unittest.TestCase):

    def test_v1(self):
        tried = 0
        for vector in vectors("v1.json"):
            if "not_before_ns" in vector or "not_after_ns" in vector:
                continue        # open_ knows no keys that begin or end
            keys = dict((key_id, unhex(secret))
                        for key_id, secret in vector["keys"].items())
            replay = Replay(vector["start_ns"], vector["max_skew_s"],
                            vector["max_streams"],
                            vector["max_streams_per_key"])
            for step in vector["steps"]:
                reason, opened = verdict(
                    open_, unhex(step["envelope"]), keys, vector["audience"],
                    step["now_ns"], replay, vector["acks"])
                self.assertEqual(reason, step["verdict"], vector["name"])
                tried += 1
                if opened is None:
                    continue
                self.assertEqual(opened.payload, unhex(step["payload"]))
                self.assertEqual(opened.key_id,
                                 step["key_id"].encode("utf-8"))
                self.assertEqual(opened.stream_id, unhex(step["stream_id"]))
                for field in ("flags", "seq", "time_ns", "gap"):
                    self.assertEqual(getattr(opened, field), step[field])
                sealed = seal(keys[step["key_id"]], step["key_id"],
                              opened.payload, opened.stream_id, opened.seq,
                              opened.time_ns, vector["audience"],
                              opened.flags)
                self.assertEqual(sealed, unhex(step["envelope"]))
        self.assertGreater(tried, 50)

    def test_acks(self):
        tried = set()
        for vector in vectors("acks.json"):
            keys = dict((key_id, unhex(secret))
                        for key_id, secret in vector["keys"].items())
            payload = unhex(vector["payload"])
            reason, ack = verdict(open_ack, payload, keys, vector["audience"])
            self.assertEqual(reason, vector["verdict"], vector["name"])
            tried.add(reason)
            if ack is None:
                continue
            self.assertEqual(ack.key_id, vector["key_id"].encode("utf-8"))
            self.assertEqual(ack.stream_id, unhex(vector["stream_id"]))
            for field in ("status", "seq"):
                self.assertEqual(getattr(ack, field), vector[field])
            self.assertEqual(seal_ack(keys[vector["key_id"]], ack,
                                      vector["audience"]), payload)
        self.assertEqual(len(tried), 8)

    def test_plain(self):
        for vector in vectors("plain.json"):
            key, sealed = unhex(vector["key"]), unhex(vector["envelope"])
            reason, body = verdict(open_plain, sealed, key)
            self.assertEqual(reason, vector["verdict"], vector["name"])
            if body is not None:
                self.assertEqual(body, unhex(vector["payload"]))
                self.assertEqual(seal_plain(key, body), sealed)


class StubTest(unittest.TestCase):

    @unittest.skipUnless(hasattr(ast, "AnnAssign"), "Python 3.6 on")
    def test_the_stubs_say_what_the_module_has(self):
        import inspect
        here = os.path.dirname(os.path.abspath(logrecord_hmac.__file__))
        path = os.path.join(here, "logrecord_hmac-stubs", "__init__.pyi")
        with io.open(path, encoding="utf-8") as file:
            tree = ast.parse(file.read())

        def arguments(function):
            given = function.args
            return [one.arg for one in given.args + given.kwonlyargs]

        def of_class(kind):
            names = []
            for base in kind.__mro__:
                if base.__module__ == "logrecord_hmac":
                    init = inspect.getfullargspec(base.__init__)
                    names += [name for name in init.args if name not in names]
            return names
        stubs = dict((node.name, node) for node in tree.body
                     if isinstance(node, (ast.FunctionDef, ast.ClassDef)))
        for name in logrecord_hmac.__all__:
            real = getattr(logrecord_hmac, name)
            if name == "ACK_WANTED":
                continue
            stub = stubs[name]
            if inspect.isfunction(real):
                self.assertEqual(arguments(stub),
                                 inspect.getfullargspec(real).args, name)
                continue
            for node in stub.body:
                if isinstance(node, ast.FunctionDef):
                    self.assertTrue(hasattr(real, node.name), node.name)
                if getattr(node, "name", None) == "__init__":
                    self.assertEqual(arguments(node), of_class(real), name)
            if hasattr(real, "_fields"):
                self.assertEqual([node.target.id for node in stub.body],
                                 list(real._fields))


class FunctionTest(unittest.TestCase):

    def test_every_flipped_bit_and_every_cut_is_refused(self):
        sealed = seal(SECRET, "app", b"}.", b"s" * 16, 3, 5, "here")
        keys = {"app": SECRET}
        self.assertEqual(open_(sealed, keys, "here", 5).payload, b"}.")
        for bit in range(len(sealed) * 8):
            changed = bytearray(sealed)
            changed[bit // 8] ^= 1 << bit % 8
            with self.assertRaises(Refused):
                open_(bytes(changed), keys, "here", 5)
        for end in range(len(sealed)):
            with self.assertRaises(Refused):
                open_(sealed[:end], keys, "here", 5)

    def test_forgotten_streams_do_not_come_back(self):
        replay = Replay(0, max_streams=2)
        for stream in range(5):
            replay.check(stream, b"k", stream, 0, stream)
        self.assertEqual(len(replay.keys[b"k"].streams), 2)
        for stream in range(5):
            with self.assertRaises(Refused):
                replay.check(5, b"k", stream, 0, stream)

    def test_short_keys_are_refused(self):
        for call in (lambda: seal(b"k" * 31, "app", b"", b"s" * 16, 0),
                     lambda: seal_plain(b"k" * 31, b""),
                     lambda: HMACSocketHandler("h", 1, key=b"k" * 31,
                                               key_id="app")):
            with self.assertRaises(ValueError):
                call()


class KeyFileTest(unittest.TestCase):

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def write(self, content, mode=0o600):
        path = os.path.join(self.folder, "key")
        if os.path.exists(path):
            os.remove(path)
        with open(path, "wb") as file:
            file.write(content)
        os.chmod(path, mode)
        return path

    def test_lines(self):
        for line in (HEX, HEX.upper(), HEX + b"\n", HEX + b"\r\n"):
            self.assertEqual(logrecord_hmac.read_key(self.write(line)), SECRET)
        for line in (HEX + b"0", b" " + HEX, HEX + b"\n" + HEX, b"secret",
                     b"\n" + HEX, HEX + b" ", HEX + b"\n\n", HEX + b"\r",
                     HEX + b"\n ", HEX + b"\0", b"", HEX[:62],
                     b"00" * 32769):
            with self.assertRaises(ValueError):
                logrecord_hmac.read_key(self.write(line))

    @unittest.skipUnless(os.name == "posix", "modes are POSIX's")
    def test_modes(self):
        for mode in (0o400, 0o600):
            logrecord_hmac.read_key(self.write(HEX, mode))
        for mode in (0o660, 0o604, 0o644, 0o700, 0o610):
            with self.assertRaises(ValueError):
                logrecord_hmac.read_key(self.write(HEX, mode))

    def test_long_keys_are_read_whole(self):
        self.assertEqual(
            len(logrecord_hmac.read_key(self.write(b"00" * 32767))), 32767)

    def test_only_regular_files_are_keys(self):
        with self.assertRaises((ValueError, EnvironmentError)):
            logrecord_hmac.read_key(self.folder)
        if hasattr(os, "mkfifo"):
            path = os.path.join(self.folder, "fifo")
            os.mkfifo(path, 0o600)
            with self.assertRaises(ValueError):
                logrecord_hmac.read_key(path)

    def test_arguments(self):
        path = self.write(HEX)
        for arguments in (dict(), dict(key=SECRET),
                          dict(key_file=path, key=SECRET, key_id="a"),
                          dict(key_file=path, plain=True, key_id="a"),
                          dict(key_file=path, plain=True, audience="a"),
                          dict(key_file=path, key_id=""),
                          dict(key_file=path, key_id="a" * 33)):
            with self.assertRaises(ValueError):
                HMACSocketHandler("h", 1, **arguments)
        for arguments in (dict(key=SECRET, key_id="a"),
                          dict(key=HEX.decode("ascii"), key_id=b"a"),
                          dict(key_file=path, key_id=u"a")):
            handler = HMACSocketHandler("h", 1, **arguments)
            handler.close()


class Receiver(object):
    """Reads frames from a stream socket, one connection after the other."""

    def __init__(self, family=socket.AF_INET, address=("127.0.0.1", 0)):
        self.listener = socket.socket(family, socket.SOCK_STREAM)
        self.listener.bind(address)
        self.listener.listen(8)
        self.address = self.listener.getsockname()
        self.connection = None

    def frame(self):
        if self.connection is None:
            self.accept()
        prefix = self.read(4)
        return self.read(struct.unpack(">L", prefix)[0])

    def accept(self):
        self.listener.settimeout(20)
        self.connection = self.listener.accept()[0]
        self.connection.settimeout(20)

    def read(self, count):
        data = b""
        while len(data) < count:
            piece = self.connection.recv(count - len(data))
            if not piece:
                raise EOFError("%d of %d bytes" % (len(data), count))
            data += piece
        return data

    def hang_up(self):
        self.connection.close()
        self.connection = None

    def close(self):
        if self.connection is not None:
            self.connection.close()
        self.listener.close()


class HandlerTest(unittest.TestCase):

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.replay = Replay(0)
        self.keys = {"app": SECRET}

    def receiver(self, *args):
        receiver = Receiver(*args)
        self.addCleanup(receiver.close)
        return receiver

    def handler(self, kind, host, port, **arguments):
        arguments.setdefault("key", SECRET)
        if not arguments.get("plain"):
            arguments.setdefault("key_id", "app")
        handler = kind(host, port, **arguments)
        self.addCleanup(handler.close)
        return handler

    def log(self, handler, text, *args):
        handler.handle(logging.LogRecord("app", logging.INFO, "app.py", 1,
                                         text, args, None))

    def opened(self, sealed, audience=b""):
        opened = open_(sealed, self.keys, audience, None, self.replay)
        return opened, pickle.loads(opened.payload)["msg"]

    def test_tcp(self):
        receiver = self.receiver()
        handler = self.handler(HMACSocketHandler, *receiver.address,
                               audience=u"b\u00fcro")
        for number in range(5):
            self.log(handler, "record %d", number)
            opened, text = self.opened(receiver.frame(), u"b\u00fcro")
            self.assertEqual(text, "record %d" % number)
            self.assertEqual((opened.seq, opened.gap), (number, 0))
            self.assertEqual(opened.stream_id, handler._stream_id)

    def test_the_stock_payload_is_inside(self):
        handler = self.handler(HMACSocketHandler, "h", 1)
        stock = logging.handlers.SocketHandler("h", 1)
        record = logging.LogRecord("app", 20, "a.py", 1, "x", (), None)
        sealed = handler.makePickle(record)
        self.assertEqual(struct.unpack(">L", sealed[:4])[0], len(sealed) - 4)
        self.assertEqual(self.opened(sealed[4:])[0].payload,
                         stock.makePickle(record)[4:])

    def test_plain(self):
        receiver = self.receiver()
        handler = self.handler(HMACSocketHandler, *receiver.address,
                               plain=True)
        self.log(handler, "hello")
        body = open_plain(receiver.frame(), SECRET)
        self.assertEqual(pickle.loads(body)["msg"], "hello")

    def test_udp(self):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(sock.close)
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(20)
        handler = self.handler(HMACDatagramHandler, *sock.getsockname())
        for number in range(3):
            self.log(handler, "record %d", number)
            datagram = sock.recv(65536)
            self.assertEqual(struct.unpack(">L", datagram[:4])[0],
                             len(datagram) - 4)
            opened, text = self.opened(datagram[4:])
            self.assertEqual((opened.seq, text),
                             (number, "record %d" % number))

    @unittest.skipUnless(hasattr(socket, "AF_UNIX"), "no Unix sockets")
    def test_unix_stream(self):
        path = os.path.join(self.folder, "stream")
        receiver = self.receiver(socket.AF_UNIX, path)
        handler = self.handler(HMACSocketHandler, path, None)
        self.log(handler, "hello")
        self.assertEqual(self.opened(receiver.frame())[1], "hello")

    @unittest.skipUnless(hasattr(socket, "AF_UNIX"), "no Unix sockets")
    def test_unix_datagram(self):
        path = os.path.join(self.folder, "datagram")
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(sock.close)
        sock.bind(path)
        sock.settimeout(20)
        handler = self.handler(HMACDatagramHandler, path, None)
        self.log(handler, "hello")
        self.assertEqual(self.opened(sock.recv(65536)[4:])[1], "hello")

    def test_a_closed_connection_costs_no_record(self):
        receiver = self.receiver()
        handler = self.handler(HMACSocketHandler, *receiver.address)
        for number in range(10):
            self.log(handler, "record %d", number)
            opened, text = self.opened(receiver.frame())
            self.assertEqual((opened.seq, opened.gap), (number, 0))
            if number % 3 == 0:
                receiver.hang_up()

    def test_a_record_that_is_sent_again_keeps_its_number(self):
        receiver = self.receiver()
        handler = self.handler(HMACSocketHandler, *receiver.address)
        self.log(handler, "first")
        first = receiver.frame()

        class Broken(object):
            """A socket that takes the bytes and then fails."""
            sent = None

            def sendall(self, data):
                Broken.sent = data
                raise socket.error("broken")

            def close(self):
                pass

        real, handler.sock = handler.sock, Broken()
        closed_by_peer = logrecord_hmac._is_closed_by_peer
        logrecord_hmac._is_closed_by_peer = lambda sock: False
        try:
            self.log(handler, "second")
        finally:
            logrecord_hmac._is_closed_by_peer = closed_by_peer
            real.close()
        receiver.hang_up()
        again = receiver.frame()
        self.assertEqual(Broken.sent[4:], again)
        self.assertEqual(self.opened(first)[0].seq, 0)
        self.assertEqual(self.opened(again)[0].seq, 1)
        # A receiver that had it all the time knows it again.
        self.assertEqual(verdict(self.opened, again)[0], "replay")

    def test_what_was_not_sent_leaves_a_gap(self):
        receiver = self.receiver()
        handler = self.handler(HMACSocketHandler, *receiver.address)
        self.log(handler, "first")
        self.opened(receiver.frame())
        handler.send = lambda frame: None
        self.log(handler, "lost")
        self.log(handler, "lost")
        del handler.send
        self.log(handler, "fourth")
        self.assertEqual(self.opened(receiver.frame())[0].gap, 2)

    def test_a_record_that_cannot_be_pickled_uses_no_number(self):
        handler = self.handler(HMACSocketHandler, "h", 1)
        record = logging.LogRecord("app", 20, "a.py", 1, "x", (), None)
        self.opened(handler.makePickle(record)[4:])
        record.lock = threading.Lock()
        with self.assertRaises(Exception):
            handler.makePickle(record)
        del record.lock
        self.assertEqual(self.opened(handler.makePickle(record)[4:])[0].gap, 0)

    def test_threads_share_one_sequence(self):
        handler = self.handler(HMACSocketHandler, "h", 1)
        frames = []
        handler.send = frames.append
        threads = [threading.Thread(target=lambda: [
            self.log(handler, "x") for _ in range(50)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        # In the order of sending, and so without a gap.
        numbers = [self.opened(frame[4:])[0].seq for frame in frames]
        self.assertEqual(numbers, list(range(200)))

    @unittest.skipUnless(hasattr(os, "fork"), "no fork")
    def test_a_child_has_its_own_stream_and_connection(self):
        receiver = self.receiver()
        handler = self.handler(HMACSocketHandler, *receiver.address)
        self.log(handler, "parent")
        first = self.opened(receiver.frame())[0]
        parents = receiver.connection
        self.addCleanup(parents.close)
        child = os.fork()
        if child == 0:
            try:
                self.log(handler, "child")
            finally:
                os._exit(0)
        receiver.connection = None
        opened, text = self.opened(receiver.frame())
        os.waitpid(child, 0)
        self.assertEqual((text, opened.seq), ("child", 0))
        self.assertNotEqual(opened.stream_id, first.stream_id)
        receiver.hang_up()
        receiver.connection = parents
        self.log(handler, "parent again")
        opened, text = self.opened(receiver.frame())
        self.assertEqual((text, opened.seq), ("parent again", 1))
        self.assertEqual(opened.stream_id, first.stream_id)

    @unittest.skipUnless(hasattr(os, "register_at_fork"), "Python 3.7 on")
    def test_a_child_with_a_used_process_number_is_noticed(self):
        handler = self.handler(HMACSocketHandler, "h", 1)
        handler.seal_payload(b"")
        before = handler._stream_id
        logrecord_hmac._in_child()      # as after a fork, the number the same
        handler.seal_payload(b"")
        self.assertNotEqual(handler._stream_id, before)

    def test_dict_config(self):
        receiver = self.receiver()
        path = os.path.join(self.folder, "key")
        with open(path, "wb") as file:
            file.write(HEX + b"\n")
        os.chmod(path, 0o600)
        host, port = receiver.address
        logging.config.dictConfig({
            "version": 1,
            "handlers": {"central": {
                "class": "logrecord_hmac.HMACSocketHandler",
                "host": host, "port": port, "key_file": path, "key_id": "app",
                "audience": "central", "level": "INFO"}},
            "loggers": {"configured": {"level": "DEBUG", "propagate": False,
                                       "handlers": ["central"]}},
        })
        logger = logging.getLogger("configured")
        self.addCleanup(logger.handlers[0].close)
        logger.debug("below the level")
        logger.error("hello %s", "world", extra={"user": u"\u00e4"})
        opened, text = self.opened(receiver.frame(), "central")
        self.assertEqual(text, "hello world")
        self.assertEqual(pickle.loads(opened.payload)["user"], u"\u00e4")


if __name__ == "__main__":
    unittest.main()
