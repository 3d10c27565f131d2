"""A receiver of messages and acknowledgements written from the text alone.

    python3 from_text.py              compares itself with testdata/envelopes
    python3 from_text.py SEED COUNT   prints COUNT made-up vectors, as v1.json

It shares no line with logrecord_hmac.py or make_vectors.py, and says each rule
of docs/wire-format.md in the simplest way: a window is a set of numbers, and
what is forgotten is looked for from the start. Where the three agree, somebody
else who has only the text can write the fourth.
"""

import hashlib
import hmac
import json
import os
import random
import struct
import sys

VECTORS = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                       "..", "..", "..", "testdata", "envelopes")


def tag(key, label, audience, rest):
    signed = label + b"\0" + len(audience).to_bytes(2, "big") + audience + rest
    return hmac.new(key, signed, hashlib.sha256).digest()


def head(data, magic, keys, now, valid):
    """4.1 to 4.3 for either magic: the verdict, or key id, key and k."""
    if data[:3] != magic or len(data) < 4:
        is_start = 0 < len(data) < 4 and (magic + b"\x01").startswith(data)
        return "truncated" if is_start else "unsigned"
    if data[3] != 1:
        return "version"
    if len(data) < 7:
        return "truncated"
    k = data[6]
    if k < 1 or k > 32:
        return "malformed"
    return k


def key_of(data, k, keys, now, valid):
    key_id = data[7:7 + k].decode("utf-8", "replace")
    if key_id not in keys:
        return "unknown_key", None, None
    if data[4] != 1:
        return "algorithm", None, None
    begin, end = valid.get(key_id, (None, None))
    if begin is not None and now < begin or end is not None and now > end:
        return "key_expired", None, None
    return None, key_id, keys[key_id]


def open_ack(data, keys, audience):
    """10.2: the verdict, and what it says."""
    k = head(data, b"\xffLA", keys, 0, {})
    if isinstance(k, str):
        return k, None
    if len(data) != 63 + k:
        return "truncated" if len(data) < 63 + k else "malformed", None
    verdict, key_id, key = key_of(data, k, keys, 0, {})
    if verdict:
        return verdict, None
    if tag(key, b"logrecord-ack-v1", audience, data[:-32]) != data[-32:]:
        return "bad_mac", None
    return "ok", (data[5], key_id, data[7 + k:23 + k],
                  int.from_bytes(data[23 + k:31 + k], "big"))


class Stream:
    def __init__(self, number, floor, order):
        self.first = number         # trusted from here on (5.3)
        self.floor = floor
        self.seen = set()
        self.latest = self.believed = None
        self.order = order          # when it was last used


class Receiver:
    def __init__(self, vector):
        self.keys = {name: bytes.fromhex(key)
                     for name, key in vector["keys"].items()}
        self.valid = {name: (vector.get("not_before_ns", {}).get(name),
                             vector.get("not_after_ns", {}).get(name))
                      for name in self.keys}
        self.audience = vector["audience"].encode()
        self.acks = vector["acks"]
        self.skew = vector["max_skew_s"] * 10 ** 9
        self.bound = vector["max_streams"]
        self.bound_of_key = vector["max_streams_per_key"]
        self.floors = dict.fromkeys(self.keys, vector["start_ns"])
        self.streams = {name: {} for name in self.keys}
        self.order = 0

    def open(self, data, now):
        """Sections 4 and 5: the verdict, and what was opened."""
        k = head(data, b"\xffLR", self.keys, now, self.valid)
        if isinstance(k, str):
            return k, None
        if len(data) < 39 + k + 32:
            return "truncated", None
        verdict, key_id, key = key_of(data, k, self.keys, now, self.valid)
        if verdict:
            return verdict, None
        header, payload = data[:39 + k], data[39 + k:-32]
        rest = header + len(payload).to_bytes(4, "big") + payload
        label = b"logrecord-envelope-v1"
        if tag(key, label, self.audience, rest) != data[-32:]:
            return "bad_mac", None
        flags = data[5]
        if flags not in ((0, 2) if self.acks else (0,)):
            return "flags", None
        stream_id = header[7 + k:23 + k]
        number, time = struct.unpack(">Qq", header[23 + k:])
        verdict, gap = self.replay(key_id, stream_id, number, time, now,
                                   flags == 2)
        if verdict != "ok":
            return verdict, None
        return "ok", {"payload": payload.hex(), "flags": flags,
                      "key_id": key_id, "stream_id": stream_id.hex(),
                      "seq": number, "time_ns": time, "gap": gap}

    def replay(self, key_id, stream_id, number, time, now, asks):
        self.order += 1
        streams = self.streams[key_id]
        stream = streams.get(stream_id)
        gap = 0
        if stream is None:
            floor = self.floors[key_id]
            verdict = self.when(time, now, floor, asks)
            if verdict:
                return verdict, 0
            if len(streams) >= self.bound_of_key:
                self.forget(key_id, now)
            elif sum(map(len, self.streams.values())) >= self.bound:
                most = max(map(len, self.streams.values()))
                largest = [name for name in sorted(self.streams)
                           if len(self.streams[name]) == most]
                self.forget(key_id if key_id in largest else largest[-1], now)
            stream = streams[stream_id] = Stream(number, floor, self.order)
        else:
            highest = max(stream.seen)
            if highest - number >= 1024:
                return "too_old", 0
            if number in stream.seen:
                return "replay", 0
            if number < stream.first:
                verdict = self.when(time, now, stream.floor, asks)
                if verdict:
                    return verdict, 0
            gap = max(0, number - highest - 1)
        stream.seen.add(number)
        stream.order = self.order
        stream.latest = max([time] + [stream.latest] * (stream.latest is not
                                                        None))
        if time <= now + self.skew:
            stream.believed = max([time] + [stream.believed] *
                                  (stream.believed is not None))
        return "ok", gap

    def when(self, time, now, floor, asks):
        """5.3: the two rules."""
        if time > now + self.skew or time < now - self.skew and not asks:
            return "skew"
        return "before_start" if time < floor else None

    def forget(self, key_id, now):
        """5.4: one stream of a key, whose floor rises."""
        streams = self.streams[key_id]
        behind = [name for name in streams if streams[name].latest <= now]
        name = min(behind or streams, key=lambda one: streams[one].order)
        stream = streams.pop(name)
        if stream.latest <= now + self.skew:
            shown = stream.latest
        else:
            shown = stream.believed
        self.floors[key_id] = max(self.floors[key_id], shown + 1)


def frames(data, limit):
    """2.2, for a receiver that skips what may be skipped."""
    found, skipped = [], []
    while data:
        if len(data) < 4:
            return found, skipped, "truncated"
        n = int.from_bytes(data[:4], "big")
        if n > limit:
            if n > 1 << 28 or len(data) < min(64, 4 + n):
                return found, skipped, "too_large"
            skipped.append(n)
        if len(data) < 4 + n:
            return found, skipped, "truncated"
        if 0 < n <= limit:
            found.append(data[4:4 + n].hex())
        data = data[4 + n:]
    return found, skipped, "ok"


def made_up(seed, count):
    """Vectors of the same form as v1.json, with verdicts of this receiver."""
    chance = random.Random(seed)
    start = 1767225600 * 10 ** 9
    second = 10 ** 9
    secrets = {name: bytes([index]) * 40
               for index, name in enumerate(["a", "b", "cc"])}
    for at in range(count):
        vector = {
            "name": "%d of seed %d" % (at, seed), "section": "5",
            "keys": {name: key.hex() for name, key in secrets.items()},
            "audience": chance.choice(["", "central"]),
            "acks": chance.random() < 0.5, "start_ns": start,
            "max_skew_s": chance.choice([0, 20, 300]),
            "max_streams": chance.choice([1, 3, 5, 65536]),
            "max_streams_per_key": chance.choice([1, 2, 3, 4096]),
            "steps": []}
        receiver = Receiver(vector)
        now = start
        sent = []
        for _ in range(60):
            now += chance.choice([0, 1, second, 10 * second])
            if sent and chance.random() < 0.2:
                data = chance.choice(sent)
            else:
                name = chance.choice(list(secrets))
                number = chance.choice([
                    chance.randrange(4), chance.randrange(3000),
                    2 ** 64 - 1 - chance.randrange(2)])
                time = chance.choice([
                    now, now, now - chance.randrange(400) * second,
                    now + chance.randrange(400) * second,
                    start - 1, -2 ** 63, 2 ** 63 - 1])
                header = (b"\xffLR\x01\x01"
                          + bytes([chance.choice([0, 0, 2, 2, 1]), len(name)])
                          + name.encode() + bytes([chance.randrange(5)]) * 16
                          + struct.pack(">Qq", number, time))
                payload = bytes(chance.randrange(3))
                rest = header + len(payload).to_bytes(4, "big") + payload
                data = header + payload + tag(
                    secrets[name], b"logrecord-envelope-v1",
                    vector["audience"].encode(), rest)
                sent.append(data)
            if chance.random() < 0.05:
                data = bytearray(data)
                data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
                data = bytes(data[:chance.choice([len(data), len(data) - 1])])
            verdict, opened = receiver.open(data, now)
            step = {"now_ns": now, "envelope": data.hex(), "verdict": verdict}
            step.update(opened or {})
            vector["steps"].append(step)
        yield vector


def check():
    def read(name):
        with open(os.path.join(VECTORS, name), encoding="utf-8") as file:
            return json.load(file)
    compared = 0
    for vector in read("v1.json"):
        receiver = Receiver(vector)
        for step in vector["steps"]:
            verdict, opened = receiver.open(bytes.fromhex(step["envelope"]),
                                            step["now_ns"])
            found = dict(opened or {}, verdict=verdict, now_ns=step["now_ns"],
                         envelope=step["envelope"])
            assert found == step, (vector["name"], found, step)
            compared += 1
    for vector in read("acks.json"):
        keys = {name: bytes.fromhex(key)
                for name, key in vector["keys"].items()}
        verdict, ack = open_ack(bytes.fromhex(vector["payload"]), keys,
                                vector["audience"].encode())
        assert verdict == vector["verdict"], vector["name"]
        if ack is not None:
            assert ack == (vector["status"], vector["key_id"],
                           bytes.fromhex(vector["stream_id"]), vector["seq"])
        compared += 1
    for vector in read("frames.json")["streams"]:
        assert frames(bytes.fromhex(vector["stream"]),
                      vector["max_frame_len"]) == (
            vector["frames"], vector["skipped"], vector["end"]), vector["name"]
        compared += 1
    print("%d verdicts as in testdata/envelopes" % compared)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        json.dump(list(made_up(int(sys.argv[1]), int(sys.argv[2]))),
                  sys.stdout)
    else:
        check()
