"""Writes testdata/envelopes and the appendix of docs/wire-format.md.

Run with any Python 3; `--check` says whether the files are what it would write.
It makes every byte by itself, with hmac and struct alone, so that the vectors
do not depend on logrecord_hmac.py nor on the Rust crate, which both have to
agree with them.
"""

import hashlib
import hmac
import json
import os
import struct
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..")
VECTORS = os.path.join(ROOT, "testdata", "envelopes")
DOCUMENT = os.path.join(ROOT, "docs", "wire-format.md")
MARK = "<!-- vectors: written by crates/frame/python/make_vectors.py -->\n"

SECOND = 10 ** 9
START = 1767225600 * SECOND             # 2026-01-01T00:00:00Z
NOW = START + 60 * SECOND
KEY = bytes(range(32))
OLD = bytes(range(32, 64))
LONG = bytes(range(200))                # longer than a block of SHA-256
STREAM = bytes.fromhex("a0a1a2a3a4a5a6a7a8a9aaabacadaeaf")
OTHER = bytes.fromhex("b0b1b2b3b4b5b6b7b8b9babbbcbdbebf")
RECORD = b"}q\x00X\x03\x00\x00\x00msgq\x01X\x02\x00\x00\x00hiq\x02s."


def envelope(payload=RECORD, key=KEY, key_id=b"app", stream=STREAM, seq=0,
             time=NOW, audience=b"", algorithm=1, flags=0,
             magic=b"\xffLR\x01"):
    header = magic + struct.pack(">BBB", algorithm, flags, len(key_id))
    header += key_id + stream + struct.pack(">Qq", seq, time)
    signed = (b"logrecord-envelope-v1\0" + struct.pack(">H", len(audience))
              + audience + header + struct.pack(">L", len(payload)) + payload)
    return header + payload + hmac.new(key, signed, hashlib.sha256).digest()


def opened(seq=0, time=NOW, stream=STREAM, payload=RECORD, gap=0, flags=0,
           now=NOW, key_id="app", **other):
    sealed = envelope(payload, stream=stream, seq=seq, time=time, flags=flags,
                      key_id=key_id.encode(), **other)
    return {"now_ns": now, "envelope": sealed.hex(), "verdict": "ok",
            "payload": payload.hex(), "flags": flags, "key_id": key_id,
            "stream_id": stream.hex(), "seq": seq, "time_ns": time, "gap": gap}


def refused(reason, sealed=None, now=NOW, **fields):
    sealed = envelope(**fields) if sealed is None else sealed
    return {"now_ns": now, "envelope": sealed.hex(), "verdict": reason}


def vector(name, section, *steps, **settings):
    entry = {"name": name, "section": section,
             "keys": {"app": KEY.hex(), "old": OLD.hex()},
             "audience": "", "acks": False, "start_ns": START,
             "max_skew_s": 300, "max_streams": 65536,
             "max_streams_per_key": 4096}
    entry.update(settings)
    entry["steps"] = list(steps)
    return entry


def v1():
    whole = envelope()
    flip = bytearray(whole)
    flip[-33] ^= 1
    in_tag = bytearray(whole)
    in_tag[-1] ^= 0x80
    two = envelope(seq=1)
    swapped = two[:42] + whole[42:]
    # The same bytes behind the lengths, cut differently into id and stream.
    letter = envelope(stream=b"k" + STREAM[1:])
    shifted = letter[:6] + b"\x04" + letter[7:]

    def stream(number):
        return bytes([number]) * 16
    return [
        vector("first message", "4", opened()),
        vector("empty payload", "4", opened(payload=b"")),
        vector("an acknowledgement is asked for", "4.5", opened(flags=2),
               acks=True),
        vector("audience", "4.4", opened(audience=b"central"),
               audience="central"),
        vector("audience beyond ASCII", "4.4",
               opened(audience="büro".encode()), audience="büro"),
        vector("second key of two", "4.3", opened(key=OLD, key_id="old")),
        vector("key id of one byte", "4.2", opened(key_id="k"),
               keys={"k": KEY.hex()}),
        vector("key id of 32 bytes", "4.2", opened(key_id="k" * 32),
               keys={"k" * 32: KEY.hex()}),
        vector("key longer than a block", "4.4", opened(key=LONG),
               keys={"app": LONG.hex()}),
        vector("highest number", "5.2", opened(seq=2 ** 64 - 1)),
        vector("a bare pickle", "4.1", refused("unsigned", RECORD)),
        vector("nothing", "4.1", refused("unsigned", b"")),
        vector("the plain form", "4.1", refused(
            "unsigned",
            hmac.new(KEY, RECORD, hashlib.sha256).digest() + RECORD)),
        vector("version 2", "4.1",
               refused("version", magic=b"\xffLR\x02")),
        vector("half a magic", "4.1", refused("truncated", b"\xffL")),
        vector("no key id length", "4.2", refused("truncated", whole[:6])),
        vector("cut inside the key id", "4.2",
               refused("truncated", whole[:8])),
        vector("no room for a tag", "4.2", refused("truncated", whole[:73])),
        vector("key id of no bytes", "4.2", refused("malformed", key_id=b"")),
        vector("key id of 33 bytes", "4.2",
               refused("malformed", key_id=b"k" * 33)),
        vector("unknown key", "4.3", refused("unknown_key", key_id=b"apq")),
        vector("key id is a prefix", "4.3",
               refused("unknown_key", key_id=b"ap")),
        vector("algorithm 2, tag right", "4.3",
               refused("algorithm", algorithm=2)),
        vector("algorithm 0, no tag at all", "4.3",
               refused("algorithm", envelope(algorithm=0)[:-32] + bytes(32))),
        vector("a key that is over", "4.3",
               opened(), refused("key_expired", now=NOW + 1, seq=1),
               not_after_ns={"app": NOW}),
        vector("a key that has not begun", "4.3",
               refused("key_expired", now=NOW - 1), opened(seq=1),
               not_before_ns={"app": NOW}),
        vector("a bit of the payload flipped", "4.4",
               refused("bad_mac", bytes(flip))),
        vector("a bit of the tag flipped", "4.4",
               refused("bad_mac", bytes(in_tag))),
        vector("one byte cut off", "4.4", refused("bad_mac", whole[:-1])),
        vector("one byte added", "4.4", refused("bad_mac", whole + b"\0")),
        vector("header of another message", "4.4",
               refused("bad_mac", swapped)),
        vector("key id longer by a byte of the stream id", "4.4",
               refused("bad_mac", shifted),
               keys={"app": KEY.hex(), "appk": KEY.hex()}),
        vector("the other key under this id", "4.4",
               refused("bad_mac", key=OLD)),
        vector("no audience, one expected", "4.4", refused("bad_mac"),
               audience="central"),
        vector("another audience", "4.4",
               refused("bad_mac", audience=b"central")),
        vector("flags 1", "4.5", refused("flags", flags=1)),
        vector("flags 1 where acknowledgements are given", "4.5",
               refused("flags", flags=1), acks=True),
        vector("an acknowledgement is asked for where none is given", "4.5",
               refused("flags", flags=2), opened()),
        vector("flags 3 where acknowledgements are given", "4.5",
               refused("flags", flags=3), acks=True),
        vector("flags 255", "4.5", refused("flags", flags=255)),
        vector("the same message again", "5.2",
               opened(), refused("replay"),
               opened(seq=1), refused("replay", seq=0)),
        vector("streams are numbered apart", "5.2",
               opened(), opened(stream=OTHER),
               opened(key=OLD, key_id="old"), refused("replay")),
        vector("late within the window", "5.2",
               opened(seq=2000), opened(seq=2003, gap=2), opened(seq=2001),
               opened(seq=980), refused("replay", seq=980),
               refused("too_old", seq=979)),
        vector("a jump beyond the window", "5.2",
               opened(seq=0), opened(seq=5000, gap=4999),
               refused("too_old", seq=0), opened(seq=3977)),
        vector("a refused message changes nothing", "5.2",
               opened(seq=0),
               refused("bad_mac", envelope(seq=9000)[:-1] + b"\0"),
               opened(seq=1)),
        vector("a new stream that is late", "5.3",
               refused("skew", time=NOW - 301 * SECOND),
               start_ns=START - 3600 * SECOND),
        vector("a new stream that is early", "5.3",
               refused("skew", time=NOW + 301 * SECOND)),
        vector("300 seconds are allowed", "5.3",
               opened(time=NOW - 300 * SECOND),
               opened(stream=OTHER, time=NOW + 300 * SECOND),
               start_ns=START - 3600 * SECOND),
        vector("a clock that jumps within a stream", "5.3",
               opened(), opened(seq=1, time=-1), opened(seq=2, time=2 ** 62)),
        vector("a new stream from before the start", "5.3",
               refused("before_start", time=START - 1),
               opened(seq=1, time=START)),
        vector("a known stream's message from before the start", "5.3",
               opened(seq=7), refused("before_start", seq=6, time=START - 1),
               opened(seq=8, time=START - 1)),
        vector("what asks for an acknowledgement may have waited", "5.3",
               opened(flags=2, time=NOW - 3600 * SECOND),
               refused("skew", seq=1, stream=OTHER,
                       time=NOW - 3600 * SECOND),
               refused("skew", flags=2, stream=OTHER,
                       time=NOW + 301 * SECOND),
               opened(flags=2, stream=OTHER, time=NOW + 300 * SECOND),
               acks=True, start_ns=START - 7200 * SECOND),
        vector("what asks for an acknowledgement is held against the floor",
               "5.3", refused("before_start", flags=2, time=START - 1),
               opened(flags=2, seq=1, time=START),
               refused("before_start", flags=2, seq=0, time=START - 1),
               acks=True),
        vector("a full key forgets its longest quiet stream", "5.4",
               opened(stream=stream(1), time=START + 1),
               opened(stream=stream(2), time=START + 2),
               opened(stream=stream(1), seq=1, time=START + 3),
               opened(stream=stream(3), time=START + 4),
               refused("replay", stream=stream(1), time=START + 1),
               refused("before_start", stream=stream(2), time=START + 2),
               refused("before_start", stream=stream(4), time=START + 2),
               opened(stream=stream(4), time=START + 3),
               max_streams_per_key=2),
        vector("a full key costs no other key", "5.4",
               opened(stream=stream(1), time=START + 5),
               opened(stream=stream(2), time=START + 6),
               opened(stream=stream(3), time=START + 7),
               refused("before_start", stream=stream(4), time=START + 5),
               opened(stream=stream(4), time=START, key=OLD, key_id="old"),
               refused("replay", stream=stream(4), time=START, key=OLD,
                       key_id=b"old"),
               max_streams_per_key=2),
        vector("a full table costs the key with the most streams", "5.4",
               opened(stream=stream(1), time=START + 5),
               opened(stream=stream(2), time=START + 6),
               opened(stream=stream(3), time=START, key=OLD, key_id="old"),
               opened(stream=stream(4), time=START + 1, key=OLD,
                      key_id="old"),
               refused("before_start", stream=stream(1), time=START + 5),
               refused("replay", stream=stream(2), time=START + 6),
               refused("replay", stream=stream(3), time=START, key=OLD,
                       key_id=b"old"),
               opened(stream=stream(5), time=START + 2, key=OLD,
                      key_id="old"),
               refused("before_start", stream=stream(3), time=START, key=OLD,
                       key_id=b"old"),
               refused("replay", stream=stream(2), time=START + 6),
               max_streams=3),
        vector("a time beyond the skew is not believed", "5.4",
               opened(stream=stream(1), time=NOW),
               opened(stream=stream(1), seq=1, time=2 ** 63 - 1),
               opened(stream=stream(2), time=NOW),
               opened(stream=stream(2), seq=1, time=NOW + 301 * SECOND),
               opened(stream=stream(3), time=NOW + 1),
               opened(stream=stream(4), time=NOW + 2),
               refused("before_start", stream=stream(1), time=NOW),
               opened(stream=stream(5), time=NOW + 3),
               max_streams_per_key=2),
    ]


def plain():
    def seal(body, key=KEY):
        return hmac.new(key, body, hashlib.sha256).digest() + body

    def ok(name, body, key=KEY):
        return {"name": name, "section": "3", "key": key.hex(),
                "envelope": seal(body, key).hex(), "verdict": "ok",
                "payload": body.hex()}

    def no(name, reason, sealed):
        return {"name": name, "section": "3", "key": KEY.hex(),
                "envelope": sealed.hex(), "verdict": reason}
    sealed = seal(RECORD)
    return [
        ok("a record", RECORD),
        ok("empty body", b""),
        ok("key longer than a block", RECORD, LONG),
        no("a bare pickle", "bad_mac", RECORD + bytes(32)),
        no("31 bytes", "truncated", sealed[:31]),
        no("nothing", "truncated", b""),
        no("another key", "bad_mac", seal(RECORD, OLD)),
        no("the tag behind the body", "bad_mac", sealed[32:] + sealed[:32]),
        no("a bit of the tag flipped", "bad_mac",
           bytes([sealed[0] ^ 1]) + sealed[1:]),
        no("one byte added", "bad_mac", sealed + b"\0"),
        no("one byte cut off", "bad_mac", sealed[:-1]),
        no("an envelope of version 1", "bad_mac", envelope()),
    ]


def ack(status=0, key=KEY, key_id=b"app", stream=STREAM, seq=7, audience=b"",
        algorithm=1, magic=b"\xffLA\x01", label=b"logrecord-ack-v1\0"):
    body = magic + struct.pack(">BBB", algorithm, status, len(key_id))
    body += key_id + stream + struct.pack(">Q", seq)
    signed = label + struct.pack(">H", len(audience)) + audience + body
    return body + hmac.new(key, signed, hashlib.sha256).digest()


def acks():
    def entry(name, section, verdict, payload, audience="", keys=None,
              **fields):
        result = {"name": name, "section": section, "audience": audience,
                  "keys": keys or {"app": KEY.hex(), "old": OLD.hex()},
                  "payload": payload.hex(), "verdict": verdict}
        result.update(fields)
        return result

    def ok(name, section, status=0, key_id="app", seq=7, stream=STREAM,
           audience="", keys=None, **other):
        payload = ack(status, key_id=key_id.encode(), seq=seq, stream=stream,
                      audience=audience.encode(), **other)
        return entry(name, section, "ok", payload, audience, keys,
                     status=status, key_id=key_id, stream_id=stream.hex(),
                     seq=seq)

    def no(name, section, reason, payload=None, audience="", **fields):
        payload = ack(**fields) if payload is None else payload
        return entry(name, section, reason, payload, audience)
    whole = ack()
    message = envelope()
    names = ["durable", "skew", "before_start", "too_old", "too_large",
             "flags"]
    return [ok("status %d, %s" % (status, name), "10.3", status)
            for status, name in enumerate(names)] + [
        ok("a status that has no name", "10.3", 255),
        ok("number 0", "10.2", seq=0),
        ok("the highest number", "10.2", seq=2 ** 64 - 1),
        ok("the second key of two", "10.2", key_id="old", key=OLD),
        ok("key id of one byte", "10.2", key_id="k",
           keys={"k": KEY.hex()}),
        ok("key id of 32 bytes", "10.2", key_id="k" * 32,
           keys={"k" * 32: KEY.hex()}),
        ok("audience beyond ASCII", "10.2", audience="b\u00fcro"),
        ok("a key longer than a block", "10.2", key=LONG,
           keys={"app": LONG.hex()}),
        no("nothing", "10.2", "unsigned", b""),
        no("a pickle", "10.2", "unsigned", RECORD),
        no("a message", "10.2", "unsigned", message),
        no("half a magic", "10.2", "truncated", b"\xffL"),
        no("version 2", "10.2", "version", magic=b"\xffLA\x02"),
        no("no key id length", "10.2", "truncated", whole[:6]),
        no("cut inside the key id", "10.2", "truncated", whole[:8]),
        no("one byte cut off", "10.2", "truncated", whole[:-1]),
        no("one byte added", "10.2", "malformed", whole + b"\0"),
        no("key id of no bytes", "10.2", "malformed", key_id=b""),
        no("key id of 33 bytes", "10.2", "malformed", key_id=b"k" * 33),
        no("unknown key", "10.2", "unknown_key", key_id=b"apq"),
        no("algorithm 2, tag right", "10.2", "algorithm", algorithm=2),
        no("the status changed", "10.2", "bad_mac",
           whole[:5] + b"\1" + whole[6:]),
        no("the number raised", "10.2", "bad_mac",
           whole[:-33] + b"\x08" + whole[-32:]),
        no("another stream", "10.2", "bad_mac",
           whole[:10] + OTHER + whole[26:]),
        no("the tag of another number", "10.2", "bad_mac",
           ack(seq=8)[:-32] + whole[-32:]),
        no("a bit of the tag flipped", "10.2", "bad_mac",
           whole[:-1] + bytes([whole[-1] ^ 1])),
        no("the other key under this id", "10.2", "bad_mac", key=OLD),
        no("no audience, one expected", "10.2", "bad_mac",
           audience="central"),
        no("another audience", "10.2", "bad_mac",
           ack(audience=b"central")),
        no("the label of a message", "10.2", "bad_mac",
           label=b"logrecord-envelope-v1\0"),
    ]


def frames():
    def frame(payload):
        return struct.pack(">L", len(payload)) + payload

    def stream(name, data, payloads, end, limit=1 << 20, skipped=()):
        return {"name": name, "section": "2.2", "max_frame_len": limit,
                "stream": data.hex(), "frames": [p.hex() for p in payloads],
                "skipped": list(skipped), "end": end}

    def datagram(name, data, verdict, payload=None, limit=1 << 20):
        entry = {"name": name, "section": "2.3", "max_frame_len": limit,
                 "datagram": data.hex(), "verdict": verdict}
        if payload is not None:
            entry["payload"] = payload.hex()
        return entry
    both = frame(RECORD) + frame(b"}.")
    return {
        "streams": [
            stream("nothing", b"", [], "ok"),
            stream("one frame", frame(RECORD), [RECORD], "ok"),
            stream("two frames", both, [RECORD, b"}."], "ok"),
            stream("frames of no bytes", frame(b"") * 3, [], "ok"),
            stream("frames of no bytes in between",
                   frame(b"") + frame(RECORD) + frame(b"") * 2 + frame(b"}."),
                   [RECORD, b"}."], "ok"),
            stream("cut inside the prefix", both[:-4], [RECORD], "truncated"),
            stream("cut behind the prefix", both[:-2], [RECORD], "truncated"),
            stream("cut inside the payload", both[:-1], [RECORD], "truncated"),
            stream("at the limit", frame(b"12345678"), [b"12345678"], "ok", 8),
            stream("over the limit", frame(b"}.") + frame(b"123456789"),
                   [b"}."], "ok", 8, [9]),
            stream("over the limit between two frames",
                   frame(b"}.") + frame(b"x" * 100) + frame(b"N."),
                   [b"}.", b"N."], "ok", 8, [100]),
            stream("cut inside a skipped frame",
                   frame(b"}.") + frame(b"x" * 100)[:-1], [b"}."],
                   "truncated", 8, [100]),
            stream("the longest that is skipped",
                   b"\x10\0\0\0" + b"\x80" * 60, [], "truncated", 8,
                   [1 << 28]),
            stream("one more than is skipped",
                   b"\x10\0\0\x01" + b"\x80" * 60, [], "too_large", 8),
            stream("an HTTP request", b"GET / HTTP/1.1\r\n\r\n", [],
                   "too_large"),
            stream("the highest length", b"\xff\xff\xff\xff", [],
                   "too_large"),
        ],
        "datagrams": [
            datagram("one frame", frame(RECORD), "ok", RECORD),
            datagram("empty frame", frame(b""), "ok", b""),
            datagram("nothing", b"", "truncated"),
            datagram("three bytes", b"\0\0\0", "truncated"),
            datagram("one byte too few", frame(RECORD)[:-1],
                     "length_mismatch"),
            datagram("one byte too many", frame(RECORD) + b"\0",
                     "length_mismatch"),
            datagram("two frames", both, "length_mismatch"),
            datagram("over the limit", frame(b"123456789"), "too_large",
                     None, 8),
        ],
    }


def appendix(v1_vectors, plain_vectors, frame_vectors, ack_vectors):
    out = [MARK]
    add = out.append

    def block(data):
        add("```text\n")
        for at in range(0, max(len(data), 1), 96):
            add((data[at:at + 96] or "(no bytes)") + "\n")
        add("```\n\n")
    add("\n### A.1 Frames in a stream\n\n")
    for entry in frame_vectors["streams"]:
        add("**%s** (%s): limit %d, frames %s, end `%s`" % (
            entry["name"], entry["section"], entry["max_frame_len"],
            len(entry["frames"]), entry["end"]))
        for length in entry["skipped"]:
            add(", skipped %d" % length)
        add("\n\n")
        block(entry["stream"])
    add("### A.2 Datagrams\n\n")
    for entry in frame_vectors["datagrams"]:
        add("**%s** (%s): limit %d, `%s`\n\n" % (
            entry["name"], entry["section"], entry["max_frame_len"],
            entry["verdict"]))
        block(entry["datagram"])
    add("### A.3 Plain form\n\n")
    for entry in plain_vectors:
        add("**%s** (%s): `%s`, key `%s`\n\n" % (
            entry["name"], entry["section"], entry["verdict"], entry["key"]))
        block(entry["envelope"])
    add("### A.4 Envelope of version 1\n\n")
    add("Unless a line says otherwise: keys `app` = `%s` and `old` = `%s`, no "
        "audience,\nno acknowledgements, start %d, now %d, skew 300 s, "
        "4,096 streams a key,\n65,536 in all.\n\n"
        % (KEY.hex(), OLD.hex(), START, NOW))
    usual = vector("", "")
    for entry in v1_vectors:
        add("**%s** (%s)" % (entry["name"], entry["section"]))
        if entry["keys"] != usual["keys"]:
            for name, key in entry["keys"].items():
                add("; key `%s` = `%s`" % (
                    name.encode("unicode_escape").decode(), key))
        if entry["audience"]:
            add("; audience `%s`" % entry["audience"])
        for name, key in entry.get("not_before_ns", {}).items():
            add("; key `%s` not before %d" % (name, key))
        for name, key in entry.get("not_after_ns", {}).items():
            add("; key `%s` not after %d" % (name, key))
        if entry["start_ns"] != START:
            add("; start %d" % entry["start_ns"])
        if entry["acks"]:
            add("; acknowledgements are given")
        if entry["max_streams_per_key"] != usual["max_streams_per_key"]:
            add("; %d streams a key" % entry["max_streams_per_key"])
        if entry["max_streams"] != usual["max_streams"]:
            add("; %d streams in all" % entry["max_streams"])
        add("\n\n")
        for step in entry["steps"]:
            add("`%s`" % step["verdict"])
            if step["now_ns"] != NOW:
                add(", now %d" % step["now_ns"])
            if step["verdict"] == "ok":
                add(": number %d, time %d, gap %d, flags %d, payload `%s`" % (
                    step["seq"], step["time_ns"], step["gap"], step["flags"],
                    step["payload"]))
            add("\n\n")
            block(step["envelope"])
    add("### A.5 Acknowledgements\n\n")
    add("Keys as in A.4, no audience, unless a line says otherwise. Each is "
        "the payload of a frame.\n\n")
    for entry in ack_vectors:
        add("**%s** (%s): `%s`" % (
            entry["name"], entry["section"], entry["verdict"]))
        if entry["verdict"] == "ok":
            add(", status %d, key `%s`, number %d" % (
                entry["status"], entry["key_id"], entry["seq"]))
        if entry["keys"] != usual["keys"]:
            for name, key in entry["keys"].items():
                add("; key `%s` = `%s`" % (name, key))
        if entry["audience"]:
            add("; audience `%s`" % entry["audience"])
        add("\n\n")
        block(entry["payload"])
    return "".join(out).rstrip("\n") + "\n"


def main():
    v1_vectors, plain_vectors, frame_vectors = v1(), plain(), frames()
    ack_vectors = acks()
    files = {
        os.path.join(VECTORS, "v1.json"): v1_vectors,
        os.path.join(VECTORS, "plain.json"): plain_vectors,
        os.path.join(VECTORS, "frames.json"): frame_vectors,
        os.path.join(VECTORS, "acks.json"): ack_vectors,
    }
    texts = {path: json.dumps(value, indent=1) + "\n"
             for path, value in files.items()}
    with open(DOCUMENT, encoding="utf-8") as file:
        document = file.read()
    head = document.split(MARK)[0]
    texts[DOCUMENT] = head + appendix(v1_vectors, plain_vectors, frame_vectors,
                                      ack_vectors)
    stale = []
    for path, text in texts.items():
        found = None
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                found = file.read()
        if found != text:
            stale.append(os.path.relpath(path, ROOT))
            if "--check" not in sys.argv:
                with open(path, "w", encoding="utf-8", newline="\n") as file:
                    file.write(text)
    if "--check" in sys.argv and stale:
        sys.exit("not up to date: " + ", ".join(stale))


if __name__ == "__main__":
    main()
