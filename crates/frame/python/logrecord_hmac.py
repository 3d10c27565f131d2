# -*- coding: utf-8 -*-
"""Signed log records over the wire of SocketHandler and DatagramHandler.

HMACSocketHandler and HMACDatagramHandler stand in for the handlers of the same name in
logging.handlers. They put the pickled record into an envelope with an HMAC tag, so that a receiver
can tell who sent it, that nobody changed it, and that it was not there before. The format is
docs/wire-format.md of logrecord; section numbers in the comments are those of that document.

    handler = HMACSocketHandler("127.0.0.1", 9020, key_id="app",
                                key_file="/etc/app/log.key")
    logging.getLogger().addHandler(handler)

With dictConfig, "class" is "logrecord_hmac.HMACSocketHandler", and the arguments are keys beside
it. One file, standard library only, Python 2.7 and 3.6 to 3.13.
"""

import binascii
import collections
import errno
import hashlib
import hmac
import logging.handlers
import os
import select
import socket
import stat
import struct
import sys
import time
import weakref

__all__ = ["ACK_WANTED", "Ack", "HMACDatagramHandler", "HMACSocketHandler", "Opened", "Refused",
           "Replay", "open_", "open_ack", "open_plain", "read_key", "seal", "seal_ack", "seal_plain"]
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
MAX_ACK_LEN = 95
MAX_UNACKED_BYTES = 4 << 20
REFUSALS = {1: "skew", 2: "before_start", 3: "too_old", 4: "too_large", 5: "flags"}


class Refused(ValueError):
    """An envelope that was not opened; `reason` is the name of the check."""

    def __init__(self, reason):
        ValueError.__init__(self, reason)
        self.reason = reason


Opened = collections.namedtuple("Opened", "payload flags key_id stream_id seq time_ns gap")

Ack = collections.namedtuple("Ack", "status key_id stream_id seq")


# ---- functions -------------------------------------------------------------

def seal(key, key_id, payload, stream_id, seq, time_ns=None, audience=b"", flags=0):
    """The envelope of a payload (section 4), without the frame's prefix.

    `key` is the secret, 32 bytes or more; `stream_id` is 16 random bytes of this sender alone;
    `seq` goes up by one with each message of the stream.
    """
    key_id, audience = _to_bytes(key_id), _to_bytes(audience)
    header = _header(key_id, stream_id, seq, _now_ns(time_ns), flags)
    mac = _begin(_check_key(key), DOMAIN, audience)
    return header + payload + _over(mac, header, payload).digest()


def open_(envelope, keys, audience=b"", now_ns=None, replay=None, acks=False):
    """The content of an envelope as `Opened`, or `Refused` is raised.

    `keys` maps key ids to secrets. Give the same `Replay` with every call: it remembers what was
    there before. Without one, replays are not noticed. `acks` says that the sender will get the
    acknowledgement that it may ask for; where it would not, what asks for one is refused.
    """
    now_ns = _now_ns(now_ns)
    algorithm, flags, key_id = _start(envelope, MAGIC, 39 + TAG_LEN)
    header = envelope[:39 + len(key_id)]
    payload = envelope[len(header):-TAG_LEN]
    # 4.3: the id finds the key; the algorithm is the key's.
    mac = _begin(_find(keys, key_id), DOMAIN, _to_bytes(audience))
    if algorithm != ALGORITHM:
        raise Refused("algorithm")
    _verify(_over(mac, header, payload), envelope)
    # 4.5: from here on the header is the sender's word.
    if flags & ~ACK_WANTED or flags and not acks:
        raise Refused("flags")
    stream_id, seq, time_ns = struct.unpack(">16sQq", header[-32:])
    gap = 0
    if replay is not None:
        gap = replay.check(now_ns, key_id, stream_id, seq, time_ns, bool(flags))
    return Opened(payload, flags, key_id, stream_id, seq, time_ns, gap)


def seal_plain(key, body):
    """Tag and body: the plain form (section 3)."""
    return hmac.new(_check_key(key), body, hashlib.sha256).digest() + body


def open_plain(sealed, key):
    """The body of a payload in the plain form, or `Refused` is raised."""
    if len(sealed) < TAG_LEN:
        raise Refused("truncated")
    body = sealed[TAG_LEN:]
    _verify(hmac.new(_check_key(key), body, hashlib.sha256), sealed[:TAG_LEN])
    return body


def seal_ack(key, ack, audience=b""):
    """The payload of the frame that says what became of a message (10.2)."""
    key_id = _to_bytes(ack.key_id)
    body = struct.pack(">4sBBB%ds16sQ" % len(key_id), ACK_MAGIC, ALGORITHM, ack.status,
                       len(key_id), key_id, ack.stream_id, ack.seq)
    mac = _begin(_check_key(key), ACK_DOMAIN, _to_bytes(audience))
    mac.update(body)
    return body + mac.digest()


def open_ack(payload, keys, audience=b""):
    """The content of such a payload as `Ack`, or `Refused` is raised (10.2)."""
    algorithm, status, key_id = _start(payload, ACK_MAGIC, 31 + TAG_LEN)
    if len(payload) != 31 + len(key_id) + TAG_LEN:
        raise Refused("malformed")
    mac = _begin(_find(keys, key_id), ACK_DOMAIN, _to_bytes(audience))
    if algorithm != ALGORITHM:
        raise Refused("algorithm")
    mac.update(payload[:-TAG_LEN])
    _verify(mac, payload)
    stream_id, seq = struct.unpack(">16sQ", payload[-24 - TAG_LEN:-TAG_LEN])
    return Ack(status, key_id, stream_id, seq)


def read_key(path):
    """The secret in a key file: one line of hexadecimal, for its owner alone.

    Section 7: a regular file of this user's of mode 0600 at most, or of root's of mode 0640.
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
            if mode & (0o137 if status.st_uid == 0 else 0o177):
                raise ValueError("key file %s has mode %04o, more than 0600" % (path, mode))
            if status.st_uid not in (0, os.geteuid()):
                raise ValueError("key file %s belongs to user %d" % (path, status.st_uid))
        line = b""
        while len(line) <= MAX_KEY_FILE:
            piece = os.read(fd, MAX_KEY_FILE + 1 - len(line))
            if not piece:
                return _check_key(_from_hex(line))
            line += piece
        raise ValueError("key file %s has more than %d bytes" % (path, MAX_KEY_FILE))
    finally:
        os.close(fd)


class Replay(object):
    """What a receiver remembers of the streams that it has seen (section 5)."""

    def __init__(self, start_ns=None, max_skew=300, max_streams=65536, max_streams_per_key=4096):
        self.floor_ns = _now_ns(start_ns)      # of keys that are not in `keys`
        self.max_skew_ns = int(max_skew * 1000000000)
        self.max_streams = max_streams
        self.max_streams_per_key = max_streams_per_key
        self.keys = {}

    def check(self, now_ns, key_id, stream_id, seq, time_ns, wants_ack=False):
        """Accepts a message and gives the gap before it, or raises `Refused`."""
        key = self.keys.get(key_id) or _Key(self.floor_ns)
        stream = key.streams.get(stream_id)
        if stream is None:
            floor_ns = key.floor_ns
            self._check_time(now_ns, time_ns, floor_ns, wants_ack)
            self._make_room(now_ns, key)
            self.keys[key_id] = key
            stream = {"highest": seq, "first": seq, "seen": 0,
                      "floor": floor_ns, "latest": time_ns, "believed": time_ns}
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
            # Bit 0 is the highest number. A long jump must not make a long integer: nothing of the
            # old window would be left anyway.
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
        elif sum(len(one.streams) for one in self.keys.values()) >= self.max_streams:
            largest = max((len(one.streams), one is key, key_id)
                          for key_id, one in self.keys.items())[-1]
            self.keys[largest].forget(now_ns, self.max_skew_ns)

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
        past = (name for name, one in self.streams.items() if one["latest"] <= now_ns)
        stream = self.streams.pop(next(past, None) or next(iter(self.streams)))
        shown = stream["latest" if stream["latest"] <= now_ns + max_skew_ns else "believed"]
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

    def __init__(self, host, port, key_file=None, key=None, key_id=None, audience=b"", plain=False):
        if (key is None) == (key_file is None):
            raise ValueError("give either key or key_file")
        secret = read_key(key_file) if key is None else _secret(key)
        _check_key(secret)
        self._flags = 0
        self._stream_id = self._pid = self._key_id = None
        if plain:
            if key_id is not None or audience:
                raise ValueError("the plain form has no key_id and no audience")
            self._mac = hmac.new(secret, b"", hashlib.sha256)
        else:
            if key_id is None:
                raise ValueError("give a key_id, or plain=True")
            self._key_id = _check_id(_to_bytes(key_id))
            self._keys = {self._key_id: secret}
            self._audience = _to_bytes(audience)
            self._mac = _begin(secret, DOMAIN, self._audience)
        super(_Sealing, self).__init__(host, port)
        if not hasattr(self, "address"):                    # Python 2.7
            self.address = host if port is None else (host, port)
        _handlers.add(self)

    def __reduce_ex__(self, protocol):
        raise TypeError("a handler holds a key and a connection, and cannot "
                        "be pickled or copied: make one in each process")

    def makePickle(self, record):
        """The stock handler's frame, with its payload sealed."""
        payload = super(_Sealing, self).makePickle(record)[4:]
        sealed = self.seal_payload(payload)
        return struct.pack(">L", len(sealed)) + sealed

    def seal_payload(self, payload):
        """Seals a payload with the next number of the handler's stream."""
        # The lock is held already when a record is being handled; it can be taken again, and so
        # this is safe for other callers, too.
        with self.lock:
            self._after_fork()
            mac = self._mac.copy()
            if self._key_id is None:
                mac.update(payload)
                return mac.digest() + payload
            header = _header(self._key_id, self._stream_id, self._seq, _now_ns(None), self._flags)
            self._seq += 1
            return header + payload + _over(mac, header, payload).digest()

    def _after_fork(self):
        """5.1: a process has a stream of its own, and a socket of its own."""
        pid = os.getpid()
        if self._stream_id is not None and self._pid == pid:
            return
        self._stream_id = os.urandom(16)
        self._seq = 0
        if self._pid is not None:
            self._leave_to_parent()
        self._pid = pid

    def _leave_to_parent(self):
        """Lets go what a child has inherited and its parent goes on with."""
        # Two processes that write to one connection cut each other's frames. Closing it here leaves
        # the parent's end open.
        self._drop_socket()
        self.retryTime = None

    def _drop_socket(self):
        sock, self.sock = self.sock, None
        if sock is not None:
            sock.close()


class HMACSocketHandler(_Sealing, logging.handlers.SocketHandler):
    """A SocketHandler whose records are sealed.

    Takes `host` and `port` as SocketHandler does (a path and None for a Unix socket), the
    arguments of `_Sealing` by name, and these:

    ssl_context     -- an ssl.SSLContext: records go over TLS
    server_hostname -- the name in the receiver's certificate, if not `host`
    timeout         -- how long one record may keep the program, in seconds
    ack             -- True: the receiver says what it has stored
    window          -- with ack, how many records may wait for that, 1 to 1024
    max_age         -- with ack, how many seconds a record waits at most
    flush_timeout   -- with ack, how many seconds flush(), close() and the end of the program wait

    Without `ack`, a record whose write fails is sent once more, with the same number, on a fresh
    connection.

    With `ack` (section 10), every record is kept until the receiver has said that it is durable,
    and sent again after a broken connection. There is no thread: it is done when something is
    logged, in flush() and in close(). When `window` records (or 4 MiB) wait, the next one waits up
    to `timeout` for room, and is dropped if none comes; while the receiver is away, or has not
    answered since the last such wait, it is dropped at once. `acked`, `refused` and `dropped`
    (both by reason) and `unacked` add up to what was logged.
    """

    def __init__(self, host, port, ssl_context=None, server_hostname=None, timeout=1.0, ack=False,
                 window=1024, max_age=3600.0, flush_timeout=5.0, **sealing):
        if ack and sealing.get("plain"):
            raise ValueError("the plain form has no acknowledgements")
        if not 1 <= window <= WINDOW_LEN:
            raise ValueError("a window has 1 to %d records" % WINDOW_LEN)
        self.ssl_context = ssl_context
        self.server_hostname = server_hostname
        self.timeout = timeout
        self.ack = bool(ack)
        self.window = window
        self.max_age = max_age
        self.flush_timeout = flush_timeout
        self.last_error = None
        self._begin_empty()
        super(HMACSocketHandler, self).__init__(host, port, **sealing)
        if self.ack:
            self._flags = ACK_WANTED

    def _begin_empty(self):
        self.acked = 0
        self.refused = collections.Counter()
        self.dropped = collections.Counter()
        self._unacked = collections.deque()     # (number, time, frame)
        self._unacked_bytes = 0
        self._highest = -1          # of the numbers that were ever written
        self._fruitless = 0         # connections in a row without an answer
        self._stalled = False       # the last wait for room was in vain
        self._connected(None)

    def makeSocket(self, timeout=None):
        """A connection, over TLS if there is a context for it."""
        timeout = self.timeout if timeout is None else timeout
        by = _clock() + timeout
        sock = None
        try:
            if self.port is None:
                sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                sock.settimeout(timeout)
                sock.connect(self.address)
            else:
                sock = socket.create_connection(self.address, timeout)
            if self.ssl_context is not None:
                sock.settimeout(max(by - _clock(), timeout / 4))
                name = self.server_hostname or (None if self.port is None else self.host)
                sock = self.ssl_context.wrap_socket(sock, server_hostname=name)
                sock.settimeout(timeout)
            return sock
        except (socket.error, ValueError) as error:
            if sock is not None:
                sock.close()
            if isinstance(error, ValueError) and not isinstance(error, socket.error):
                # A certificate of another name, before Python 3.7.
                error = socket.error(errno.EPROTO, str(error))
            before, self.last_error = self.last_error, error
            if sock is not None and self.ssl_context and str(error) != str(before):
                _say("no TLS with %s: %s" % (self.address, error))
            raise error

    def send(self, s):
        """Sends a frame; without `ack`, again once if the connection breaks."""
        if self.ack:
            self._send_acked(s)
            return
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
            except socket.error as error:
                self.last_error = error
                self._drop_socket()

    @property
    def unacked(self):
        """How many records wait for the receiver's word."""
        return len(self._unacked)

    def flush(self, timeout=None):
        """With `ack`, waits until all records are answered; whether they are.

        Without it, nothing waits in the handler.
        """
        if not self.ack:
            return True
        by = _clock() + (self.flush_timeout if timeout is None else timeout)
        self.retryTime = None       # try at once, even if the last try failed
        while True:
            with self.lock:
                self._after_fork()
                if self._unacked:
                    self._step()
                if not self._unacked:
                    return True
                sock, writes = self.sock, self._has_to_write()
            left = by - _clock()
            if left <= 0:
                return False
            # Others may log meanwhile, and so the lock is not held for long.
            _wait(sock, writes, min(left, 0.05))

    def close(self):
        """Waits as `flush` does, and closes the connection."""
        if self.ack:
            self.flush()
            with self.lock:
                while self._unacked:
                    self._forget(0)
                    self.dropped["closed"] += 1
        super(HMACSocketHandler, self).close()

    def _send_acked(self, frame):
        by = _clock() + self.timeout
        if self._is_full(frame):
            self._step()
        while self._is_full(frame) and not self._stalled:
            left = by - _clock()
            if left <= 0:
                # One record has waited for all that come until there is word.
                self._stalled = True
            elif self.sock is not None:
                _wait(self.sock, self._has_to_write(), left)
                self._step()
            elif self.retryTime is None or time.time() >= self.retryTime:
                self._step()
            else:
                break               # nobody is there to make room
        if self._is_full(frame):
            self.dropped["full"] += 1
            return
        seq = struct.unpack(">Q", frame[27 + len(self._key_id):][:8])[0]
        self._unacked.append((seq, _clock(), frame))
        self._unacked_bytes += len(frame)
        if not self._step() and self._fruitless < 2:
            self._step()            # once more, on a fresh connection

    def _is_full(self, frame):
        return len(self._unacked) >= self.window or bool(self._unacked) and (
            self._unacked_bytes + len(frame) > MAX_UNACKED_BYTES)

    def _has_to_write(self):
        return bool(self._out) or self._written < len(self._unacked)

    def _step(self):
        """Reads and writes what goes without waiting; whether there is a connection afterwards."""
        oldest = _clock() - self.max_age
        while self._unacked and self._unacked[0][1] < oldest:
            self._forget(0)
            self.dropped["unanswered"] += 1
        if self.sock is None and self._unacked:
            self.createSocket()
        if self.sock is None:
            return False
        if self.sock is not self._connection:
            self.sock.setblocking(False)
            self._connected(self.sock)
        try:
            self._read()
            self._write()
            return True
        except (socket.error, Refused) as error:
            self.last_error = error
            self._lose_connection()
            return False

    def _connected(self, sock):
        self._connection = sock
        self._written = 0           # records written to this connection
        self._out = self._inbox = b""   # the rest of a frame
        self._answered = False

    def _read(self):
        """10.2: takes the acknowledgements that have arrived."""
        while True:
            try:
                data = self.sock.recv(65536)
            except socket.error as error:
                if _would_block(self.sock, error):
                    return
                raise
            if not data:
                raise socket.error(errno.ECONNRESET, "closed by the receiver")
            self._inbox += data
            while len(self._inbox) >= 4:
                size = struct.unpack(">L", self._inbox[:4])[0]
                if size > MAX_ACK_LEN:
                    raise Refused("too_large")
                if len(self._inbox) < 4 + size:
                    break
                payload, self._inbox = self._inbox[4:4 + size], self._inbox[4 + size:]
                if payload:
                    self._take(open_ack(payload, self._keys, self._audience))

    def _take(self, ack):
        """10.3: what one acknowledgement means to the records that wait."""
        if ack.stream_id != self._stream_id:
            return
        if ack.status == 0:
            known = min(ack.seq, self._highest)
            while self._unacked and self._unacked[0][0] <= known:
                self._forget(0)
                self.acked += 1
                self._progress()
            return
        for index, entry in enumerate(self._unacked):
            if entry[0] == ack.seq and ack.seq <= self._highest:
                self._forget(index)
                reason = REFUSALS.get(ack.status, "other")
                self.refused[reason] += 1
                self._progress()
                if reason == "flags" and self.refused[reason] == 1:
                    _say("%s gives no acknowledgements" % (self.address,))
                return

    def _progress(self):
        self._answered, self._stalled, self._fruitless = True, False, 0

    def _forget(self, index):
        self._unacked_bytes -= len(self._unacked[index][2])
        del self._unacked[index]
        if index < self._written:
            self._written -= 1

    def _write(self):
        """10.5: what is not acknowledged, the lowest number first."""
        while self._has_to_write():
            if not self._out:
                seq, _, self._out = self._unacked[self._written]
                self._written += 1
                self._highest = max(self._highest, seq)
            try:
                sent = self.sock.send(self._out)
            except socket.error as error:
                if _would_block(self.sock, error):
                    return
                raise
            self._out = self._out[sent:]

    def _lose_connection(self):
        self._drop_socket()
        if self._answered:
            return
        # Nobody gains from a connection that is closed as soon as it is made.
        self._fruitless += 1
        if self._fruitless >= 2:
            period = self.retryStart * self.retryFactor ** min(self._fruitless - 2, 10)
            self.retryPeriod = min(period, self.retryMax)
            self.retryTime = time.time() + self.retryPeriod
        if self._fruitless == 5:
            _say("%s closed five connections without an acknowledgement: %s"
                 % (self.address, self.last_error))

    def _leave_to_parent(self):
        super(HMACSocketHandler, self)._leave_to_parent()
        self._begin_empty()


class HMACDatagramHandler(_Sealing, logging.handlers.DatagramHandler):
    """A DatagramHandler whose records are sealed.

    Takes `host` and `port` as DatagramHandler does (a path and None for a Unix socket), and the
    arguments of `_Sealing` by name.
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
    _check_id(key_id)
    if len(stream_id) != 16:
        raise ValueError("a stream id has 16 bytes")
    return struct.pack(">4sBBB%ds16sQq" % len(key_id), MAGIC, ALGORITHM, flags, len(key_id),
                       key_id, stream_id, seq, time_ns)


def _find(keys, key_id):
    for known_id, secret in keys.items():
        if _to_bytes(known_id) == key_id:
            return _check_key(secret)
    raise Refused("unknown_key")


def _begin(secret, domain, audience):
    """HMAC over what all tags of a key for an audience begin with (4.4)."""
    mac = hmac.new(secret, domain, hashlib.sha256)
    mac.update(struct.pack(">H", len(audience)) + audience)
    return mac


def _over(mac, header, payload):
    """What a tag covers after its beginning: the header, then the payload."""
    mac.update(header + struct.pack(">L", len(payload)))
    mac.update(payload)
    return mac


def _verify(mac, sealed):
    """4.4: the tag at the end, in constant time."""
    if not hmac.compare_digest(mac.digest(), sealed[-TAG_LEN:]):
        raise Refused("bad_mac")


def _start(data, magic, length):
    """The three fields behind the magic; `length` is without the key id."""
    # 4.1: the magic, and no second form to fall back to.
    if data[:4] != magic:
        if len(data) < 4 and data and magic.startswith(data):
            raise Refused("truncated")
        raise Refused("version" if data[:3] == magic[:3] else "unsigned")
    # 4.2: all lengths, before a part is used.
    if len(data) < 7:
        raise Refused("truncated")
    algorithm, second, id_len = struct.unpack(">BBB", data[4:7])
    if not 1 <= id_len <= 32:
        raise Refused("malformed")
    if len(data) < length + id_len:
        raise Refused("truncated")
    return algorithm, second, data[7:7 + id_len]


def _check_id(key_id):
    if not 1 <= len(key_id) <= 32:
        raise ValueError("a key_id has 1 to 32 bytes")
    return key_id


def _check_key(secret):
    if len(secret) < MIN_KEY_LEN:
        raise ValueError("a key has at least %d bytes, this one has %d" % (MIN_KEY_LEN, len(secret)))
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
    return _time_ns() if time_ns is None else time_ns


def _say(text):
    if logging.raiseExceptions and sys.stderr:
        sys.stderr.write("logrecord_hmac: %s\n" % text)


def _is_closed_by_peer(sock):
    """Whether the receiver has closed a connection on which it never sends."""
    try:
        if not _wait(sock, False, 0):
            return False
        # Over TLS there may be something to read that says nothing.
        timeout = sock.gettimeout()
        sock.setblocking(False)
        try:
            return not sock.recv(1)
        finally:
            sock.settimeout(timeout)
    except (socket.error, ValueError) as error:
        return not _would_block(sock, error)


def _wait(sock, writes, seconds):
    """Waits until a socket can be read, or written to; whether it can."""
    if sock is None:
        time.sleep(seconds)
        return False
    if not writes and hasattr(sock, "pending") and sock.pending():
        return True
    try:
        if hasattr(select, "poll"):
            poll = select.poll()
            poll.register(sock, select.POLLIN | writes * select.POLLOUT)
            return bool(poll.poll(int(seconds * 1000)))
        ready = select.select([sock], [sock] if writes else [], [], seconds)
        return bool(ready[0] or ready[1])
    except (socket.error, select.error, ValueError):
        # Closed meanwhile, or interrupted: whoever uses it next will see.
        return True


def _would_block(sock, error):
    code = error.args[0] if error.args else None
    # Over TLS: SSL_ERROR_WANT_READ and SSL_ERROR_WANT_WRITE.
    return code in (errno.EAGAIN, errno.EWOULDBLOCK, errno.EINTR) or (
        hasattr(sock, "pending") and code in (2, 3))


_clock = getattr(time, "monotonic", time.time)
_time_ns = getattr(time, "time_ns", lambda: int(time.time() * 1000000000))


# Process numbers come again. Where Python can tell of a fork, a child is known by that, and not
# only by its number.
_handlers = weakref.WeakSet()


def _in_child():
    for handler in list(_handlers):
        handler._stream_id = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
