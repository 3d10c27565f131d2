# -*- coding: utf-8 -*-
"""Tests of the handler that waits for acknowledgements, and of TLS.

    python -m unittest test_acks

The receiver here is a thread of the test, on a socket of its own.
"""

import copy
import logging
import logging.config
import logging.handlers
import os
import pickle
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

try:
    from StringIO import StringIO
except ImportError:
    from io import StringIO

import logrecord_hmac
from logrecord_hmac import (ACK_WANTED, Ack, HMACSocketHandler, Refused,
                            Replay, open_, seal_ack)

SECRET = b"0123456789abcdef0123456789abcdef"
KEYS = {"app": SECRET}
PATIENCE = 30


class Receiver(object):
    """Stores what it accepts, and answers as `answer` says.

    `answer` is called with the connection's number in the order of accepting,
    the message's count on that connection, and what was opened or the refusal
    with the header of what was refused; it gives the payloads to send back, or
    None to close the connection.
    """

    def __init__(self, answer=None, context=None, port=0):
        self.answer = answer or self.acknowledge
        self.context = context
        self.replay = Replay(0)
        self.stored = []            # the numbers, in the order of arrival
        self.texts = []
        self.frames = []            # all that came, with the connection
        self.changed = threading.Condition()
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", port))
        self.listener.listen(16)
        self.address = self.listener.getsockname()
        self.open = set()
        self.connections = 0
        self.thread = threading.Thread(target=self.run)
        self.thread.daemon = True
        self.thread.start()

    def run(self):
        while True:
            try:
                sock = self.listener.accept()[0]
                if self.context is not None:
                    sock.settimeout(PATIENCE)
                    sock = self.context.wrap_socket(sock, server_side=True)
            except (socket.error, ValueError):
                if self.listener is None:
                    return
                continue
            except AttributeError:
                return
            self.open.add(sock)
            thread = threading.Thread(
                target=self.serve, args=(sock, self.connections))
            thread.daemon = True
            self.connections += 1
            thread.start()

    def serve(self, sock, number):
        data, count = b"", 0
        try:
            while True:
                while len(data) < 4 or len(data) < 4 + struct.unpack(
                        ">L", data[:4])[0]:
                    piece = sock.recv(65536)
                    if not piece:
                        return
                    data += piece
                size = struct.unpack(">L", data[:4])[0]
                frame, data = data[4:4 + size], data[4 + size:]
                answers = self.take(number, count, frame)
                count += 1
                if answers is None:
                    return
                for payload in answers:
                    sock.sendall(struct.pack(">L", len(payload)) + payload)
        except (socket.error, ValueError):
            pass
        finally:
            self.open.discard(sock)
            sock.close()

    def take(self, number, count, frame):
        with self.changed:
            self.frames.append((number, frame))
            try:
                opened = open_(frame, KEYS, b"", None, self.replay, True)
            except Refused as refused:
                id_len = bytearray(frame)[6]
                stream, seq = struct.unpack(
                    ">16sQ", frame[7 + id_len:31 + id_len])
                opened = refused
                opened.stream_id, opened.seq = stream, seq
            answers = self.answer(number, count, opened)
            if not isinstance(opened, Refused):
                self.stored.append(opened.seq)
                self.texts.append(pickle.loads(opened.payload)["msg"])
            self.changed.notify_all()
            return answers

    @staticmethod
    def acknowledge(number, count, opened, status=0):
        return [ack(opened, status)]

    def until(self, true):
        by = time.time() + PATIENCE
        with self.changed:
            while not true():
                left = by - time.time()
                assert left > 0, "it did not come"
                self.changed.wait(left)

    def hang_up(self):
        for sock in list(self.open):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except socket.error:
                pass

    def close(self):
        listener, self.listener = self.listener, None
        if listener is None:
            return
        try:
            listener.shutdown(socket.SHUT_RDWR)
        except socket.error:
            pass
        listener.close()
        self.hang_up()
        self.thread.join(PATIENCE)


def ack(opened, status=0, seq=None, stream_id=None):
    return seal_ack(SECRET, Ack(
        status, "app", stream_id or opened.stream_id,
        opened.seq if seq is None else seq))


def record(text, *args):
    return logging.LogRecord("app", logging.INFO, "app.py", 1, text, args,
                             None)


class AckTest(unittest.TestCase):

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def receiver(self, answer=None, **arguments):
        receiver = Receiver(answer, **arguments)
        self.addCleanup(receiver.close)
        return receiver

    def handler(self, address, **arguments):
        arguments.setdefault("flush_timeout", PATIENCE)
        handler = HMACSocketHandler(
            address[0], address[1], key=SECRET, key_id="app", ack=True,
            **arguments)

        def close():
            handler.flush_timeout = 0
            handler.close()
        self.addCleanup(close)
        return handler

    def log(self, handler, count, first=0):
        for number in range(first, first + count):
            handler.handle(record("record %d", number))

    def assert_sum(self, handler, logged):
        self.assertEqual(
            logged, handler.acked + handler.unacked +
            sum(handler.refused.values()) + sum(handler.dropped.values()))

    def test_all_is_acknowledged(self):
        receiver = self.receiver()
        handler = self.handler(receiver.address)
        self.log(handler, 3000)
        self.assertIs(handler.flush(), True)
        self.assertEqual(receiver.stored, list(range(3000)))
        self.assertEqual((handler.acked, handler.unacked), (3000, 0))
        self.assertEqual((handler.refused, handler.dropped), ({}, {}))
        self.assertEqual(bytearray(receiver.frames[0][1])[5], ACK_WANTED)

    def test_what_was_not_acknowledged_goes_out_again_lowest_first(self):
        def answer(number, count, opened):
            # Every connection dies after 40 messages, and says nothing of the
            # last 15 of them.
            if number < 6 and count >= 25:
                return None if count >= 40 else []
            return [ack(opened)]
        receiver = self.receiver(answer)
        handler = self.handler(receiver.address)
        handler.retryStart = 0.01
        for number in range(300):
            self.log(handler, 1, number)
        self.assertIs(handler.flush(), True)
        self.assertEqual(sorted(receiver.stored), list(range(300)))
        self.assertEqual((handler.acked, handler.dropped), (300, {}))
        self.assertGreater(receiver.connections, 6)
        sent = {}
        for connection in range(receiver.connections):
            numbers = []
            for _, frame in [one for one in receiver.frames
                             if one[0] == connection]:
                seq = struct.unpack(">Q", frame[26:34])[0]
                numbers.append(seq)
                # The same bytes each time.
                self.assertEqual(sent.setdefault(seq, frame), frame)
            self.assertEqual(numbers, list(range(
                numbers[0], numbers[0] + len(numbers))) if numbers else [])

    def test_one_word_answers_many(self):
        receiver = self.receiver(
            lambda number, count, opened:
            [ack(opened)] if opened.seq % 10 == 9 else [])
        handler = self.handler(receiver.address, window=10)
        self.log(handler, 100)
        self.assertIs(handler.flush(), True)
        self.assertEqual((handler.acked, handler.dropped), (100, {}))

    def test_refusals_drop_one_record_each(self):
        def answer(number, count, opened):
            status = {3: 1, 5: 4, 7: 200}.get(opened.seq, 0)
            return [ack(opened, status)]
        receiver = self.receiver(answer)
        handler = self.handler(receiver.address)
        self.log(handler, 10)
        self.assertIs(handler.flush(), True)
        self.assertEqual(handler.acked, 7)
        self.assertEqual(handler.refused,
                         {"skew": 1, "too_large": 1, "other": 1})
        self.assert_sum(handler, 10)

    def test_a_receiver_that_gives_none_is_said_once(self):
        receiver = self.receiver(lambda number, count, opened: [ack(opened, 5)])
        handler = self.handler(receiver.address)
        stderr, sys.stderr = sys.stderr, StringIO()
        try:
            self.log(handler, 10)
            self.assertIs(handler.flush(), True)
            said = sys.stderr.getvalue()
        finally:
            sys.stderr = stderr
        self.assertEqual(handler.refused, {"flags": 10})
        self.assertEqual(said.count("gives no acknowledgements"), 1, said)

    def test_a_full_window_waits_once_and_then_drops(self):
        hold = threading.Event()
        receiver = self.receiver(
            lambda number, count, opened:
            [ack(opened)] if hold.is_set() else [])
        handler = self.handler(receiver.address, window=4, timeout=0.3)
        self.log(handler, 4)
        self.assertEqual(handler.dropped, {})
        start = time.time()
        self.log(handler, 1)
        waited = time.time() - start
        self.assertTrue(0.25 < waited < 5, waited)
        start = time.time()
        self.log(handler, 500)
        self.assertLess(time.time() - start, 5)
        self.assertEqual((handler.dropped, handler.unacked), ({"full": 501}, 4))
        receiver.until(lambda: len(receiver.stored) == 4)
        hold.set()
        # The next word covers them all.
        receiver.hang_up()
        self.assertIs(handler.flush(), True)
        self.log(handler, 4)
        self.assertIs(handler.flush(), True)
        self.assertEqual(handler.acked, 8)
        self.assert_sum(handler, 509)

    def test_a_window_is_bounded_in_bytes(self):
        receiver = self.receiver(lambda number, count, opened: [])
        handler = self.handler(receiver.address, timeout=0.1)
        for _ in range(10):
            handler.handle(record("x" * (1 << 20)))
        self.assertEqual(handler.unacked, 3)
        self.assertEqual(handler.dropped, {"full": 7})

    def test_nothing_but_an_acknowledgement_makes_it_forget(self):
        words = []

        def answer(number, count, opened):
            if number > 0:
                return [ack(opened)]
            return words[count](opened)

        def forged(opened):
            payload = bytearray(ack(opened))
            payload[-1] ^= 1
            return [bytes(payload)]
        words.extend([
            lambda opened: [ack(opened, stream_id=b"x" * 16)],
            lambda opened: [b""],
            lambda opened: [ack(opened, seq=2)],    # up to what was written
            lambda opened: [ack(opened, seq=1)],    # again, and late
            lambda opened: [ack(opened, seq=2)],
            forged,
        ])
        receiver = self.receiver(answer)
        handler = self.handler(receiver.address)
        for number in range(3):
            self.log(handler, 1, number)
            receiver.until(lambda: len(receiver.frames) == number + 1)
        self.assertIs(handler.flush(), True)
        self.assertEqual(handler.acked, 3)
        for number in range(3, 6):
            self.log(handler, 1, number)
            receiver.until(lambda: len(receiver.frames) == number + 1)
            handler.flush(0)
        self.assertIs(handler.flush(), True)
        self.assertEqual(receiver.connections, 2)
        self.assertEqual([seq for seq in receiver.stored],
                         [0, 1, 2, 3, 4, 5])
        self.assertEqual(handler.acked, 6)

    def test_what_was_never_sent_is_not_forgotten(self):
        handler = self.handler(("127.0.0.1", 1), timeout=0.1)
        handler.retryTime = time.time() + 60
        self.log(handler, 3)
        stream = handler._stream_id
        handler._take(Ack(0, b"app", stream, 99))
        handler._take(Ack(1, b"app", stream, 1))
        self.assertEqual((handler.unacked, handler.acked), (3, 0))

    def test_what_is_no_acknowledgement_ends_the_connection(self):
        for word in (b"x" * 96, b"hello", b"\xffLA\x02", b"}."):
            receiver = self.receiver(
                lambda number, count, opened:
                [word] if number == 0 else [ack(opened)])
            handler = self.handler(receiver.address)
            self.log(handler, 2)
            self.assertIs(handler.flush(), True)
            self.assertEqual((handler.acked, receiver.connections), (2, 2))

    def test_a_receiver_that_is_away_costs_little_and_loses_nothing(self):
        receiver = self.receiver()
        port = receiver.address[1]
        handler = self.handler(receiver.address)
        handler.retryStart = 0.01
        self.log(handler, 5)
        self.assertIs(handler.flush(), True)
        receiver.close()
        start = time.time()
        self.log(handler, 200, 5)
        self.assertLess(time.time() - start, 10)
        self.assertEqual((handler.unacked, handler.dropped), (200, {}))
        again = self.receiver(port=port)
        self.assertIs(handler.flush(), True)
        self.assertEqual(again.stored, list(range(5, 205)))
        self.assertEqual(handler.acked, 205)

    def test_a_receiver_without_acknowledgements_is_not_asked_all_the_time(
            self):
        receiver = self.receiver(lambda number, count, opened: None)
        handler = self.handler(receiver.address, timeout=0.2)
        self.log(handler, 300)
        self.assertLess(receiver.connections, 10)
        self.assertEqual((handler.acked, handler.unacked), (0, 300))
        self.assertIs(handler.flush(0.1), False)

    def test_old_records_are_given_up(self):
        receiver = self.receiver(lambda number, count, opened: [])
        handler = self.handler(receiver.address, max_age=0.0)
        self.log(handler, 2)
        self.assertIs(handler.flush(), True)
        self.assertEqual(handler.dropped, {"unanswered": 2})

    def test_close_waits_with_a_limit_and_counts_the_rest(self):
        receiver = self.receiver(lambda number, count, opened: [])
        handler = self.handler(receiver.address, flush_timeout=0.2)
        self.log(handler, 3)
        start = time.time()
        handler.close()
        self.assertLess(time.time() - start, 5)
        self.assertEqual((handler.dropped, handler.unacked), ({"closed": 3}, 0))
        handler.close()

    @unittest.skipUnless(hasattr(os, "fork"), "no fork")
    def test_a_child_leaves_its_parent_s_records_alone(self):
        hold = threading.Event()
        receiver = self.receiver(
            lambda number, count, opened:
            [ack(opened)] if hold.is_set() or number > 0 else [])
        handler = self.handler(receiver.address)
        self.log(handler, 3)
        receiver.until(lambda: len(receiver.stored) == 3)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                if handler.flush() and handler.unacked == 0:
                    self.log(handler, 2, 100)
                    code = 0 if handler.flush() and handler.acked == 2 else 2
                handler.close()
            finally:
                os._exit(code)
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        self.assertEqual(handler.unacked, 3)
        self.log(handler, 1, 3)
        hold.set()
        self.log(handler, 1, 4)
        self.assertIs(handler.flush(), True)
        self.assertEqual((handler.acked, handler.dropped), (5, {}))
        self.assertEqual(len(receiver.stored), 7)
        # The parent's connection was not cut by the child.
        self.assertEqual(receiver.connections, 2)

    def test_threads_share_a_window(self):
        receiver = self.receiver()
        handler = self.handler(receiver.address, window=16)
        threads = [threading.Thread(target=self.log, args=(handler, 200))
                   for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertIs(handler.flush(), True)
        self.assertEqual((handler.acked, handler.dropped), (800, {}))
        self.assertEqual(receiver.stored, list(range(800)))

    def test_the_end_of_a_program_waits(self):
        receiver = self.receiver()
        program = (
            "import logging, logging.config, sys\n"
            "logging.config.dictConfig({'version': 1, 'handlers': {'x': {\n"
            "  'class': 'logrecord_hmac.HMACSocketHandler',\n"
            "  'host': '127.0.0.1', 'port': %d, 'key': '%s',\n"
            "  'key_id': 'app', 'ack': True, 'window': 64}},\n"
            "  'root': {'level': 'INFO', 'handlers': ['x']}})\n"
            "for number in range(500): logging.info('record %%d', number)\n"
            % (receiver.address[1], "".join(
                "%02x" % byte for byte in bytearray(SECRET))))
        environment = dict(os.environ, PYTHONPATH=os.path.dirname(
            os.path.abspath(logrecord_hmac.__file__)))
        subprocess.check_call([sys.executable, "-c", program],
                              env=environment)
        self.assertEqual(receiver.stored, list(range(500)))

    @unittest.skipUnless(hasattr(logging.handlers, "QueueHandler"),
                         "Python 3")
    def test_behind_a_queue(self):
        import queue
        receiver = self.receiver()
        handler = self.handler(receiver.address)
        waiting = queue.Queue()
        listener = logging.handlers.QueueListener(waiting, handler)
        listener.start()
        logger = logging.Logger("app")
        logger.addHandler(logging.handlers.QueueHandler(waiting))
        for number in range(50):
            logger.info("record %d", number)
        listener.stop()
        self.assertIs(handler.flush(), True)
        self.assertEqual(receiver.texts,
                         ["record %d" % number for number in range(50)])

    def test_arguments(self):
        for arguments in (dict(window=0), dict(window=1025),
                          dict(plain=True, key_id=None)):
            arguments = dict(dict(key=SECRET, key_id="app", ack=True),
                             **arguments)
            with self.assertRaises(ValueError):
                HMACSocketHandler("h", 1, **arguments)

    def test_a_handler_is_not_copied(self):
        handler = self.handler(("h", 1))
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            with self.assertRaises(TypeError):
                pickle.dumps(handler, protocol)
        with self.assertRaises(TypeError):
            copy.deepcopy(handler)


class TlsTest(AckTest):
    """The same over TLS, and what only TLS has."""

    @classmethod
    def setUpClass(cls):
        cls.certificates = tempfile.mkdtemp()
        cls.certificate = os.path.join(cls.certificates, "cert.pem")
        cls.key = os.path.join(cls.certificates, "key.pem")
        with open(os.devnull, "wb") as nothing:
            try:
                made = subprocess.call(
                    ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                     "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                     "-keyout", cls.key, "-out", cls.certificate, "-subj",
                     "/CN=localhost", "-addext",
                     "subjectAltName=DNS:localhost"],
                    stdout=nothing, stderr=nothing)
            except EnvironmentError:
                made = 1
        if made != 0:
            shutil.rmtree(cls.certificates)
            raise unittest.SkipTest("no openssl to make a certificate with")

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.certificates)

    def receiver(self, answer=None, **arguments):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate, self.key)
        return AckTest.receiver(self, answer, context=context, **arguments)

    def client(self):
        return ssl.create_default_context(cafile=self.certificate)

    def handler(self, address, **arguments):
        arguments.setdefault("ssl_context", self.client())
        arguments.setdefault("server_hostname", "localhost")
        return AckTest.handler(self, address, **arguments)

    def test_the_end_of_a_program_waits(self):
        pass            # a context does not go through this configuration

    def test_without_acknowledgements(self):
        receiver = self.receiver(lambda number, count, opened: [])
        handler = HMACSocketHandler(
            "127.0.0.1", receiver.address[1], key=SECRET, key_id="app",
            ssl_context=self.client(), server_hostname="localhost")
        self.addCleanup(handler.close)
        self.log(handler, 10)
        receiver.until(lambda: len(receiver.stored) == 10)
        receiver.hang_up()
        self.log(handler, 10, 10)
        receiver.until(lambda: len(receiver.stored) == 20)
        self.assertEqual(receiver.stored, list(range(20)))
        self.assertEqual(receiver.connections, 2)

    def test_an_unknown_certificate_is_refused(self):
        receiver = self.receiver()
        for arguments in (dict(ssl_context=ssl.create_default_context()),
                          dict(server_hostname="elsewhere")):
            handler = self.handler(receiver.address, **arguments)
            stderr, sys.stderr = sys.stderr, StringIO()
            try:
                self.log(handler, 1)
                handler.retryTime = None
                self.log(handler, 1, 1)
                said = sys.stderr.getvalue()
            finally:
                sys.stderr = stderr
            self.assertEqual(handler.unacked, 2)
            self.assertIsInstance(handler.last_error, EnvironmentError)
            # A reason is said once, and not for every try.
            self.assertEqual(said.count("no TLS with"), 1, said)
            self.assertIn(str(handler.last_error), said)
        self.assertEqual(receiver.frames, [])


if __name__ == "__main__":
    unittest.main()
