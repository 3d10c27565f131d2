"""What a Python service would use to receive records: `python receiver.py OUTPUT CONNECTIONS`. Python 3.7 or newer.

A threading `socketserver` unpickles each frame and writes the JSON lines that `logrecord serve` writes. It says
`listening on tcp://ADDRESS` and ends after so many connections. The records come from the benchmark itself, so
they are unpickled here; that nobody may do so with a stranger's is what the Rust side is for.
"""
import json
import logging
import pickle
import socketserver
import struct
import sys
import threading
from datetime import datetime, timezone

ATTRIBUTES = (
    "pathname", "filename", "module", "lineno", "funcName", "process", "processName", "thread", "threadName",
    "taskName", "created", "msecs", "relativeCreated", "exc_text", "stack_info",
)
STOCK = frozenset(ATTRIBUTES) | {"name", "msg", "args", "levelname", "levelno", "exc_info"}
lock = threading.Lock()
output = open(sys.argv[1], "w", encoding="utf-8", buffering=1 << 16)


def line(attributes, peer):
    record = logging.makeLogRecord(attributes)
    time = datetime.fromtimestamp(record.created, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    fields = {
        "time": time,
        "levelno": record.levelno,
        "levelname": record.levelname,
        "name": record.name,
        "message": record.getMessage(),
    }
    for name in ATTRIBUTES:
        value = attributes.get(name)
        if value is not None:
            fields[name] = value
    extra = {name: value for name, value in attributes.items() if name not in STOCK}
    if extra:
        fields["extra"] = extra
    fields["source"] = {"transport": "tcp", "peer": peer}
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")) + "\n"


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        peer = "%s:%d" % self.client_address
        while True:
            prefix = self.rfile.read(4)
            if len(prefix) < 4:
                return
            payload = self.rfile.read(struct.unpack(">L", prefix)[0])
            text = line(pickle.loads(payload), peer)
            with lock:
                output.write(text)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = False
    request_queue_size = 128


with Server(("127.0.0.1", 0), Handler) as server:
    print("listening on tcp://%s:%d" % server.server_address, file=sys.stderr, flush=True)
    for _ in range(int(sys.argv[2])):
        server.handle_request()
output.close()
