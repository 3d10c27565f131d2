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

__all__ = ["ACK_WANTED", "Ack", "HMACDatagramHandler", "HMACSocketHandler",
           "Opened", "Refused", "Replay", "open_", "open_ack", "open_plain",
           "read_key", "seal", "seal_ack", "seal_plain"]
__version__ = "0.1.0"

MAGIC = b"\xffLR\x01"
DOMAIN = b"logrecord-envelope-v1\0"
ACK_MAGIC = b"\xffLA\x01"
ACK_DOMAIN = b"logrecord-ack-v1\0"
ALGORITHM = 1           # HMAC-SHA256, the only one in version 1
TAG_LEN = 32
MIN_KEY_LEN = 32
WINDOW_LEN = 1024
ACK_WANTED = 2          # the flag of a message whose sender waits for an ack
MAX_KEY_FILE = 65536


class Refused(ValueError):
    """An envelope that was not opened; `reason` is the name of the check."""

    def __init__(self, reason):
        ValueError.__init__(self, reason)
        self.reason = reason


Opened = collections.namedtuple(
    "Opened", "payload flags key_id stream_id seq time_ns gap")

Ack = collections.namedtuple("Ack", "status key_id stream_id seq")


# ---- functions -------------------------------------------------------------

def seal(key, key_id, payload, stream_id, seq, time_ns=None, audience=b"",
         flags=0):
    """The envelope of a payload (section 4), without the frame's prefix.

    `key` is the secret, 32 bytes or more; `stream_id` is 16 random bytes of
    this sender alone; `seq` goes up by one with each message of the stream.
    """
    key_id, audience = _to_bytes(key_id), _to_bytes(audience)
    header = _header(key_id, stream_id, seq, _now_ns(time_ns), flags)
    mac = _begin(_check_key(key), DOMAIN, audience)
    return _seal(mac, header, payload)


def open_(envelope, keys, audience=b"", now_ns=None, replay=None, acks=False):
    """The content of an envelope as `Opened`, or `Refused` is raised.

    `keys` maps key ids to secrets. Give the same `Replay` with every call: it
    remembers what was there before. Without one, replays are not noticed.
    `acks` says that the sender will get the acknowledgement that it may ask
    for; where it would not, what asks for one is refused.
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
    secret = _find(keys, key_id)
    if algorithm != ALGORITHM:
        raise Refused("algorithm")
    # 4.4: the tag, in constant time.
    mac = _begin(secret, DOMAIN, _to_bytes(audience))
    mac.update(header)
    mac.update(struct.pack(">L", len(payload)))
    mac.update(payload)
    if not hmac.compare_digest(mac.digest(), tag):
        raise Refused("bad_mac")
    # 4.5: from here on the header is the sender's word.
    if flags & ~ACK_WANTED or flags and not acks:
        raise Refused("flags")
    stream_id, seq, time_ns = struct.unpack(">16sQq", header[-32:])
    gap = 0
    if replay is not None:
        gap = replay.check(now_ns, key_id, stream_id, seq, time_ns,
                           bool(flags))
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


def seal_ack(key, ack, audience=b""):
    """The payload of the frame that says what became of a message (10.2)."""
    key_id = _to_bytes(ack.key_id)
    body = b"".join((ACK_MAGIC,
                     struct.pack(">BBB", ALGORITHM, ack.status, len(key_id)),
                     key_id, ack.stream_id, struct.pack(">Q", ack.seq)))
    mac = _begin(_check_key(key), ACK_DOMAIN, _to_bytes(audience))
    mac.update(body)
    return body + mac.digest()


def open_ack(payload, keys, audience=b""):
    """The content of such a payload as `Ack`, or `Refused` is raised (10.2)."""
    if payload[:4] != ACK_MAGIC:
        if len(payload) < 4 and payload and ACK_MAGIC.startswith(payload):
            raise Refused("truncated")
        known = payload[:3] == ACK_MAGIC[:3]
        raise Refused("version" if known else "unsigned")
    if len(payload) < 7:
        raise Refused("truncated")
    algorithm, status, id_len = struct.unpack(">BBB", payload[4:7])
    if not 1 <= id_len <= 32:
        raise Refused("malformed")
    if len(payload) != 63 + id_len:
        raise Refused("truncated" if len(payload) < 63 + id_len
                      else "malformed")
    key_id = payload[7:7 + id_len]
    secret = _find(keys, key_id)
    if algorithm != ALGORITHM:
        raise Refused("algorithm")
    mac = _begin(secret, ACK_DOMAIN, _to_bytes(audience))
    mac.update(payload[:-TAG_LEN])
    if not hmac.compare_digest(mac.digest(), payload[-TAG_LEN:]):
        raise Refused("bad_mac")
    stream_id, seq = struct.unpack(">16sQ", payload[7 + id_len:-TAG_LEN])
    return Ack(status, key_id, stream_id, seq)


def read_key(path):
    """The secret in a key file: one line of hexadecimal, for its owner alone.

    Section 7: a regular file of mode 0600 at most, that belongs to this user
    or to root.
    """
    # A FIFO in its place must not keep the program from starting.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(
        os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    fd = os.open(path, flags)
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("key file %s is no regular file" % path)
        if os.name == "posix":
            mode = stat.S_IMODE(status.st_mode)
            if mode & 0o177:
                raise ValueError("key file %s has mode %04o, more than 0600"
                                 % (path, mode))
            if status.st_uid not in (0, os.geteuid()):
                raise ValueError("key file %s belongs to user %d"
                                 % (path, status.st_uid))
        line = b""
        while len(line) <= MAX_KEY_FILE:
            piece = os.read(fd, MAX_KEY_FILE + 1 - len(line))
            if not piece:
                return _check_key(_from_hex(line))
            line += piece
        raise ValueError("key file %s has more than %d bytes"
                         % (path, MAX_KEY_FILE))
    finally:
        os.close(fd)


class Replay(object):
    """What a receiver remembers of the streams that it has seen (section 5)."""

    def __init__(self, start_ns=None, max_skew=300, max_streams=65536,
                 max_streams_per_key=4096):
        self.floor_ns = _now_ns(start_ns)      # of keys that are not in `keys`
        self.max_skew_ns = int(max_skew * 1000000000)
        self.max_streams = max_streams
        self.max_streams_per_key = max_streams_per_key
        self.keys = {}

    def check(self, now_ns, key_id, stream_id, seq, time_ns, wants_ack=False):
        """Accepts a message and gives the gap before it, or raises `Refused`."""
        key = self.keys.get(key_id)
        if key is None:
            key = _Key(self.floor_ns)
        stream = key.streams.get(stream_id)
        if stream is None:
            floor_ns = key.floor_ns
            self._check_time(now_ns, time_ns, floor_ns, wants_ack)
            self._make_room(now_ns, key)
            self.keys[key_id] = key
            stream = {"highest": seq, "first": seq, "seen": 0,
                      "floor": floor_ns, "latest": time_ns,
                      "believed": time_ns}
        else:
            below = stream["highest"] - seq
            if below >= WINDOW_LEN:
                raise Refused("too_old")
            if below >= 0 and stream["seen"] >> below & 1:
                raise Refused("replay")
            if seq < stream["first"]:
                self._check_time(now_ns, time_ns, stream["floor"], wants_ack)
            key.streams.pop(stream_id)
        key.streams[stream_id] = stream
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
        if time_ns <= now_ns + self.max_skew_ns:
            stream["believed"] = max(stream["believed"], time_ns)
        return gap

    def _make_room(self, now_ns, key):
        """5.4: a full key forgets one; a full table costs the largest key."""
        if len(key.streams) >= self.max_streams_per_key:
            key.forget(now_ns, self.max_skew_ns)
        elif sum(len(one.streams) for one in self.keys.values()) >= \
                self.max_streams:
            largest = max(self.keys.values(),
                          key=lambda one: (len(one.streams), one is key))
            largest.forget(now_ns, self.max_skew_ns)

    def _check_time(self, now_ns, time_ns, floor_ns, wants_ack):
        late = now_ns - time_ns > self.max_skew_ns and not wants_ack
        if late or time_ns - now_ns > self.max_skew_ns:
            raise Refused("skew")
        if time_ns < floor_ns:
            raise Refused("before_start")


class _Key(object):
    """What `Replay` remembers of one key."""

    def __init__(self, floor_ns):
        self.floor_ns = floor_ns
        self.streams = collections.OrderedDict()   # the longest quiet first

    def forget(self, now_ns, max_skew_ns):
        """5.4: the longest quiet stream whose time is not ahead, or the first."""
        quiet = next(iter(self.streams))
        for name, stream in self.streams.items():
            if stream["latest"] <= now_ns:
                quiet = name
                break
        stream = self.streams.pop(quiet)
        is_believed = stream["latest"] <= now_ns + max_skew_ns
        shown = stream["latest" if is_believed else "believed"]
        self.floor_ns = max(self.floor_ns, shown + 1)


# ---- handlers --------------------------------------------------------------

class _Sealing(object):
    """What both handlers add to the stock ones.

    Arguments, all by name:

    key_file -- a file with the secret as one line of hexadecimal, mode 0600
    key      -- the secret itself as bytes, or its hexadecimal as text
    key_id   -- the key's public name, 1 to 32 bytes; not with `plain`
    audience -- the name of the receiver that the records are for
    plain    -- True for the plain form: a tag before the pickle, nothing else
    """

    def __init__(self, host, port, key_file=None, key=None, key_id=None,
                 audience=b"", plain=False):
        if (key is None) == (key_file is None):
            raise ValueError("give either key or key_file")
        secret = read_key(key_file) if key is None else _secret(key)
        _check_key(secret)
        self._plain = bool(plain)
        self._flags = 0
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
            self._mac = _begin(secret, DOMAIN, _to_bytes(audience))
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


def _find(keys, key_id):
    for known_id in keys:
        if _to_bytes(known_id) == key_id:
            return _check_key(keys[known_id])
    raise Refused("unknown_key")


def _begin(secret, domain, audience):
    """HMAC over what all tags of a key for an audience begin with (4.4)."""
    mac = hmac.new(secret, domain, hashlib.sha256)
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
        end = 2 if line.endswith(b"\r\n") else line.endswith(b"\n")
        return binascii.unhexlify(line[:len(line) - end])
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
