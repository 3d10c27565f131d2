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
             "audience": "", "start_ns": START, "max_skew_s": 300}
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
    return [
        vector("first message", "4", opened()),
        vector("empty payload", "4", opened(payload=b"")),
        vector("JSON", "4", opened(payload=b'{"msg":"hi"}', flags=1)),
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
        vector("flags 2", "4.5", refused("flags", flags=2)),
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


def frames():
    def frame(payload):
        return struct.pack(">L", len(payload)) + payload

    def stream(name, data, payloads, end, limit=1 << 20):
        return {"name": name, "section": "2.2", "max_frame_len": limit,
                "stream": data.hex(), "frames": [p.hex() for p in payloads],
                "end": end}

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
            stream("empty frames", frame(b"") * 3, [b""] * 3, "ok"),
            stream("cut inside the prefix", both[:-4], [RECORD], "truncated"),
            stream("cut behind the prefix", both[:-2], [RECORD], "truncated"),
            stream("cut inside the payload", both[:-1], [RECORD], "truncated"),
            stream("at the limit", frame(b"12345678"), [b"12345678"], "ok", 8),
            stream("over the limit", frame(b"}.") + frame(b"123456789"),
                   [b"}."], "too_large", 8),
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


def appendix(v1_vectors, plain_vectors, frame_vectors):
    out = [MARK]
    add = out.append

    def block(data):
        add("```text\n")
        for at in range(0, max(len(data), 1), 96):
            add((data[at:at + 96] or "(no bytes)") + "\n")
        add("```\n\n")
    add("\n### A.1 Frames in a stream\n\n")
    for entry in frame_vectors["streams"]:
        add("**%s** (%s): limit %d, frames %s, end `%s`\n\n" % (
            entry["name"], entry["section"], entry["max_frame_len"],
            len(entry["frames"]), entry["end"]))
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
        "audience,\nstart %d, now %d, skew 300 s.\n\n"
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
    return "".join(out).rstrip("\n") + "\n"


def main():
    v1_vectors, plain_vectors, frame_vectors = v1(), plain(), frames()
    files = {
        os.path.join(VECTORS, "v1.json"): v1_vectors,
        os.path.join(VECTORS, "plain.json"): plain_vectors,
        os.path.join(VECTORS, "frames.json"): frame_vectors,
    }
    texts = {path: json.dumps(value, indent=1) + "\n"
             for path, value in files.items()}
    with open(DOCUMENT, encoding="utf-8") as file:
        document = file.read()
    head = document.split(MARK)[0]
    texts[DOCUMENT] = head + appendix(v1_vectors, plain_vectors, frame_vectors)
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
