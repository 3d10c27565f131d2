# -*- coding: utf-8 -*-
"""Signed log records over the wire of SocketHandler and DatagramHandler.

HMACSocketHandler and HMACDatagramHandler stand in for the handlers of the same
name in logging.handlers. They put the pickled record into an envelope with an
HMAC tag, so that a receiver can tell who sent it, that nobody changed it, and
that it was not there before. The format is docs/wire-format.md of logrecord;
section numbers in the comments are those of that document.

    import logging
    from logrecord_hmac import HMACSocketHandler

    handler = HMACSocketHandler("127.0.0.1", 9020, key_id="app",
                                key_file="/etc/app/log.key")
    logging.getLogger().addHandler(handler)

With dictConfig:

    "handlers": {
        "central": {
            "class": "logrecord_hmac.HMACSocketHandler",
            "host": "127.0.0.1", "port": 9020,
            "key_id": "app", "key_file": "/etc/app/log.key",
            "audience": "central"
        }
    }

One file, standard library only, Python 2.7 and 3.6 to 3.13.
"""

import binascii
import collections
import hashlib
import hmac
import logging.handlers
import os
import select
import socket
import stat
import struct
import time
import weakref

__all__ = ["HMACSocketHandler", "HMACDatagramHandler", "Opened", "Refused",
           "Replay", "open_", "open_plain", "read_key", "seal", "seal_plain"]
__version__ = "0.1.0"

MAGIC = b"\xffLR\x01"
DOMAIN = b"logrecord-envelope-v1\0"
ALGORITHM = 1           # HMAC-SHA256, the only one in version 1
TAG_LEN = 32
MIN_KEY_LEN = 32
WINDOW_LEN = 1024
PICKLE, JSON = 0, 1     # the flags: what the payload is


class Refused(ValueError):
    """An envelope that was not opened; `reason` is the name of the check."""

    def __init__(self, reason):
        ValueError.__init__(self, reason)
        self.reason = reason


Opened = collections.namedtuple(
    "Opened", "payload flags key_id stream_id seq time_ns gap")


# ---- functions -------------------------------------------------------------

def seal(key, key_id, payload, stream_id, seq, time_ns=None, audience=b"",
         flags=PICKLE):
    """The envelope of a payload (section 4), without the frame's prefix.

    `key` is the secret, 32 bytes or more; `stream_id` is 16 random bytes of
    this sender alone; `seq` goes up by one with each message of the stream.
    """
    key_id, audience = _to_bytes(key_id), _to_bytes(audience)
    header = _header(key_id, stream_id, seq, _now_ns(time_ns), flags)
    mac = _begin(_check_key(key), audience)
    return _seal(mac, header, payload)


def open_(envelope, keys, audience=b"", now_ns=None, replay=None):
    """The content of an envelope as `Opened`, or `Refused` is raised.

    `keys` maps key ids to secrets. Give the same `Replay` with every call: it
    remembers what was there before. Without one, replays are not noticed.
    """
    now_ns = _now_ns(now_ns)
    # 4.1: the magic, and no second form to fall back to.
    if envelope[:4] != MAGIC:
        if len(envelope) < 4 and envelope and MAGIC.startswith(envelope):
            raise Refused("truncated")
        known = envelope[:3] == MAGIC[:3]
        raise Refused("version" if known else "unsigned")
    # 4.2: all lengths, before a part is used.
    if len(envelope) < 7:
        raise Refused("truncated")
    algorithm, flags, id_len = struct.unpack(">BBB", envelope[4:7])
    if not 1 <= id_len <= 32:
        raise Refused("malformed")
    header_len = 39 + id_len
    if len(envelope) < header_len + TAG_LEN:
        raise Refused("truncated")
    key_id = envelope[7:7 + id_len]
    header = envelope[:header_len]
    payload = envelope[header_len:-TAG_LEN]
    tag = envelope[-TAG_LEN:]
    # 4.3: the id finds the key; the algorithm is the key's.
    secret = None
    for known_id in keys:
        if _to_bytes(known_id) == key_id:
            secret = keys[known_id]
    if secret is None:
        raise Refused("unknown_key")
    if algorithm != ALGORITHM:
        raise Refused("algorithm")
    # 4.4: the tag, in constant time.
    mac = _begin(_check_key(secret), _to_bytes(audience))
    mac.update(header)
    mac.update(struct.pack(">L", len(payload)))
    mac.update(payload)
    if not hmac.compare_digest(mac.digest(), tag):
        raise Refused("bad_mac")
    # 4.5: from here on the header is the sender's word.
    if flags not in (PICKLE, JSON):
        raise Refused("flags")
    stream_id, seq, time_ns = struct.unpack(">16sQq", header[-32:])
    gap = 0
    if replay is not None:
        gap = replay.check(now_ns, key_id, stream_id, seq, time_ns)
    return Opened(payload, flags, key_id, stream_id, seq, time_ns, gap)


def seal_plain(key, body):
    """Tag and body: the plain form (section 3)."""
    return hmac.new(_check_key(key), body, hashlib.sha256).digest() + body


def open_plain(sealed, key):
    """The body of a payload in the plain form, or `Refused` is raised."""
    if len(sealed) < TAG_LEN:
        raise Refused("truncated")
    tag, body = sealed[:TAG_LEN], sealed[TAG_LEN:]
    mac = hmac.new(_check_key(key), body, hashlib.sha256)
    if not hmac.compare_digest(mac.digest(), tag):
        raise Refused("bad_mac")
    return body


def read_key(path):
    """The secret in a key file: one line of hexadecimal, for its owner alone."""
    with open(path, "rb") as file:
        if os.name == "posix":
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o177:
                raise ValueError("key file %s has mode %04o, more than 0600"
                                 % (path, mode))
        return _from_hex(file.read())


class Replay(object):
    """What a receiver remembers of the streams that it has seen (section 5)."""

    def __init__(self, start_ns=None, max_skew=300, max_streams=16384):
        self.floor_ns = _now_ns(start_ns)
        self.max_skew_ns = int(max_skew * 1000000000)
        self.max_streams = max_streams
        self.streams = collections.OrderedDict()   # the longest quiet first

    def check(self, now_ns, key_id, stream_id, seq, time_ns):
        """Accepts a message and gives the gap before it, or raises `Refused`."""
        name = (stream_id, key_id)
        stream = self.streams.get(name)
        if stream is None:
            floor_ns = self.floor_ns
            self._check_time(now_ns, time_ns, floor_ns)
            while len(self.streams) >= self.max_streams:
                self._forget(now_ns)
            stream = {"highest": seq, "first": seq, "seen": 0,
                      "floor": floor_ns, "latest": time_ns}
        else:
            below = stream["highest"] - seq
            if below >= WINDOW_LEN:
                raise Refused("too_old")
            if below >= 0 and stream["seen"] >> below & 1:
                raise Refused("replay")
            if seq < stream["first"]:
                self._check_time(now_ns, time_ns, stream["floor"])
            self.streams.pop(name)
        self.streams[name] = stream
        step = seq - stream["highest"]
        gap = max(0, step - 1)
        if step > 0:
            # Bit 0 is the highest number. A long jump must not make a long
            # integer: nothing of the old window would be left anyway.
            shifted = stream["seen"] << step if step < WINDOW_LEN else 0
            stream["seen"] = shifted & ((1 << WINDOW_LEN) - 1)
            stream["highest"] = seq
        stream["seen"] |= 1 << (stream["highest"] - seq)
        stream["latest"] = max(stream["latest"], time_ns)
        return gap

    def _forget(self, now_ns):
        """5.4: the longest quiet stream whose time is not ahead, or the first."""
        quiet = next(iter(self.streams))
        for name, stream in self.streams.items():
            if stream["latest"] <= now_ns:
                quiet = name
                break
        latest = self.streams.pop(quiet)["latest"]
        self.floor_ns = max(self.floor_ns, latest + 1)

    def _check_time(self, now_ns, time_ns, floor_ns):
        if abs(time_ns - now_ns) > self.max_skew_ns:
            raise Refused("skew")
        if time_ns < floor_ns:
            raise Refused("before_start")


# ---- handlers --------------------------------------------------------------

class _Sealing(object):
    """What both handlers add to the stock ones.

    Arguments, all by name:

    key_file -- a file with the secret as one line of hexadecimal, mode 0600
    key      -- the secret itself as bytes, or its hexadecimal as text
    key_id   -- the key's public name, 1 to 32 bytes; not with `plain`
    audience -- the name of the receiver that the records are for
    plain    -- True for the plain form: a tag before the pickle, nothing else
    flags    -- what a makePickle of one's own makes: PICKLE (0) or JSON (1)
    """

    def __init__(self, host, port, key_file=None, key=None, key_id=None,
                 audience=b"", plain=False, flags=PICKLE):
        if (key is None) == (key_file is None):
            raise ValueError("give either key or key_file")
        secret = read_key(key_file) if key is None else _secret(key)
        _check_key(secret)
        self._plain = bool(plain)
        self._flags = flags
        self._stream_id = None
        self._pid = None
        self._seq = 0
        if self._plain:
            if key_id is not None or audience:
                raise ValueError("the plain form has no key_id and no audience")
            self._key_id = None
            self._mac = hmac.new(secret, b"", hashlib.sha256)
        else:
            if key_id is None:
                raise ValueError("give a key_id, or plain=True")
            self._key_id = _to_bytes(key_id)
            if not 1 <= len(self._key_id) <= 32:
                raise ValueError("a key_id has 1 to 32 bytes")
            self._mac = _begin(secret, _to_bytes(audience))
        super(_Sealing, self).__init__(host, port)
        if not hasattr(self, "address"):                    # Python 2.7
            self.address = host if port is None else (host, port)
        _handlers.add(self)

    def makePickle(self, record):
        """The stock handler's frame, with its payload sealed."""
        payload = super(_Sealing, self).makePickle(record)[4:]
        sealed = self.seal_payload(payload)
        return struct.pack(">L", len(sealed)) + sealed

    def seal_payload(self, payload):
        """Seals a payload with the next number of the handler's stream."""
        if self._plain:
            self.acquire()
            try:
                self._after_fork()
            finally:
                self.release()
            mac = self._mac.copy()
            mac.update(payload)
            return mac.digest() + payload
        # The lock is held already when a record is being handled; it can be
        # taken again, and so this is safe for other callers, too.
        self.acquire()
        try:
            self._after_fork()
            header = _header(self._key_id, self._stream_id, self._seq,
                             _now_ns(None), self._flags)
            sealed = _seal(self._mac.copy(), header, payload)
            self._seq += 1
            return sealed
        finally:
            self.release()

    def _after_fork(self):
        """5.1: a process has a stream of its own, and a socket of its own."""
        pid = os.getpid()
        if self._stream_id is not None and self._pid == pid:
            return
        self._stream_id = os.urandom(16)
        self._seq = 0
        if self._pid is not None and self.sock is not None:
            # Two processes that write to one connection cut each other's
            # frames. Closing it here leaves the parent's end open.
            sock, self.sock = self.sock, None
            sock.close()
            self.retryTime = None
        self._pid = pid


class HMACSocketHandler(_Sealing, logging.handlers.SocketHandler):
    """A SocketHandler whose records are sealed.

    Takes `host` and `port` as SocketHandler does (a path and None for a Unix
    socket), and the arguments of `_Sealing` by name.

    Besides, a connection that the receiver has closed is noticed before a
    record is written to it, and a record whose write fails is sent once more
    on a fresh connection. It keeps its number, so that a receiver that has it
    already refuses the second one.
    """

    if str is bytes:                                        # Python 2.7
        def makeSocket(self, timeout=1):
            if self.port is not None:
                return super(HMACSocketHandler, self).makeSocket(timeout)
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            sock.settimeout(timeout)
            try:
                sock.connect(self.address)
            except socket.error:
                sock.close()
                raise
            return sock

    def send(self, s):
        """Sends a frame, and sends it again once if the connection is gone."""
        if self.sock is not None and _is_closed_by_peer(self.sock):
            self._drop_socket()
        for _ in range(2):
            if self.sock is None:
                self.createSocket()
            if self.sock is None:
                return
            try:
                self.sock.sendall(s)
                return
            except socket.error:
                self._drop_socket()

    def _drop_socket(self):
        sock, self.sock = self.sock, None
        sock.close()


class HMACDatagramHandler(_Sealing, logging.handlers.DatagramHandler):
    """A DatagramHandler whose records are sealed.

    Takes `host` and `port` as DatagramHandler does (a path and None for a Unix
    socket), and the arguments of `_Sealing` by name.
    """

    if str is bytes:                                        # Python 2.7
        def makeSocket(self):
            if self.port is None:
                return socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            return super(HMACDatagramHandler, self).makeSocket()

        def send(self, s):
            if self.sock is None:
                self.createSocket()
            self.sock.sendto(s, self.address)


# ---- private ---------------------------------------------------------------

def _header(key_id, stream_id, seq, time_ns, flags):
    if not 1 <= len(key_id) <= 32:
        raise ValueError("a key id has 1 to 32 bytes")
    if len(stream_id) != 16:
        raise ValueError("a stream id has 16 bytes")
    return b"".join((MAGIC, struct.pack(">BBB", ALGORITHM, flags, len(key_id)),
                     key_id, stream_id, struct.pack(">Qq", seq, time_ns)))


def _begin(secret, audience):
    """HMAC over what all tags of a key for an audience begin with (4.4)."""
    mac = hmac.new(secret, DOMAIN, hashlib.sha256)
    mac.update(struct.pack(">H", len(audience)) + audience)
    return mac


def _seal(mac, header, payload):
    mac.update(header)
    mac.update(struct.pack(">L", len(payload)))
    mac.update(payload)
    return b"".join((header, payload, mac.digest()))


def _check_key(secret):
    if len(secret) < MIN_KEY_LEN:
        raise ValueError("a key has at least %d bytes, this one has %d"
                         % (MIN_KEY_LEN, len(secret)))
    return secret


def _secret(key):
    """The secret, from itself as bytes or from its hexadecimal as text.

    In Python 2.7 a str is both; there it is hexadecimal if it can be that.
    """
    if isinstance(key, bytes):
        if str is bytes and len(key) >= 2 * MIN_KEY_LEN:
            try:
                return _from_hex(key)
            except ValueError:
                pass
        return key
    return _from_hex(key.encode("ascii"))


def _from_hex(line):
    try:
        return binascii.unhexlify(line.rstrip())
    except (binascii.Error, TypeError):
        raise ValueError("a key is one line of hexadecimal")


def _to_bytes(name):
    return name if isinstance(name, bytes) else name.encode("utf-8")


def _now_ns(time_ns):
    if time_ns is not None:
        return time_ns
    if hasattr(time, "time_ns"):
        return time.time_ns()
    return int(time.time() * 1000000000)


def _is_closed_by_peer(sock):
    """Whether the receiver has closed a connection on which it never sends."""
    try:
        if hasattr(select, "poll"):
            poll = select.poll()
            poll.register(sock, select.POLLIN)
            ready = poll.poll(0)
        else:
            ready = select.select([sock], [], [], 0)[0]
        return bool(ready) and not sock.recv(1, socket.MSG_PEEK)
    except (socket.error, select.error, ValueError):
        return True


# Process numbers come again. Where Python can tell of a fork, a child is known
# by that, and not only by its number.
_handlers = weakref.WeakSet()


def _in_child():
    for handler in list(_handlers):
        handler._stream_id = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
