"""The program whose log records the golden frames hold, for Python 2.7 and 3.x.

frames.py compiles this file under a fixed name, so that paths, line numbers and tracebacks are real and the
same on every machine.
"""
import collections
import datetime
import decimal
import fractions
import logging
import sys
import uuid

PY2 = sys.version_info[0] == 2


def run(scenario, log, handler, failures):
    try:
        scenario(log, handler)
    except BaseException:
        failures.append(sys.exc_info()[1])
    finally:
        handler.close()


def levels(log, handler):
    log.debug("starting")
    log.info("listening on port %d", 8080)
    log.warning("%s is %.1f%% full", "/var", 91.25)
    log.error("cannot open %r", "/etc/missing")
    log.critical("out of %s", "memory")
    log.log(7, "a level without a name")


def plain(log, handler):
    log.info("request handled in %d ms", 12)


def unicode_text(log, handler):
    log.info(u"na\xefve caf\xe9")
    log.info(u"\u65e5\u672c\u8a9e %s", u"\U0001f600")
    log.info(u"\u2028line\u2029 bidi \u202e end")
    log.info(u"tab\t, newline\n, return\r, escape\x1b[31m, nul\0")
    log.getChild(u"k\xe4nguru").warning(u"logger name")
    log.info("")


def surrogates(log, handler):
    log.info(u"no such file: %s", u"caf\udce9.txt")
    log.info(u"\ud800 alone")
    log.info("in extra", extra={"path": u"\udcff", u"k\udc80y": 1})


def divide(left, right):
    return left // right


def exceptions(log, handler):
    try:
        divide(1, 0)
    except ZeroDivisionError:
        log.exception("division failed for %s", "job 7")
        log.error("again", exc_info=True)
    log.error("no exception is active", exc_info=True)
    try:
        try:
            {}["key"]
        except KeyError:
            raise ValueError(u"caf\xe9\nsecond line")
    except ValueError:
        log.warning("chained", exc_info=True)


def stack(log, handler):
    log.info("where am I", stack_info=True)


def messages(log, handler):
    for msg in ({"a": 1}, 42, None, [1, "two"], ValueError("as a message"), 2.5, True):
        log.info(msg)
    if not PY2:
        log.info(b"bytes \xff")
    log.info("%(user)s did %(what)s", {"user": "ann", "what": "login"})
    log.info("%s %s %s", 1, "two", (3,))
    log.info("100%")
    log.info("x" * 255)
    log.info("x" * 256)


def nested_extra(log, handler):
    log.info(
        "nested",
        extra={
            "tree": {"leaf": [1, [2, [3, {"deep": (4, 5)}]]], "empty": {}},
            "empty_list": [],
            "empty_tuple": (),
            "one": {"only": "entry"},
            "items": ["a", "bb", "ccc"],
            "flags": [True, False, None],
        },
    )
    log.info("keys", extra={1: "int", (2, 3): "tuple", None: "none", 2.5: "float"})


def numbers(log, handler):
    log.info(
        "numbers",
        extra={
            "edges": [0, -1, 255, 256, 65535, 65536, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**63 - 1, 2**63],
            "huge": 2**200,
            "negative": -(3**100),
            "floats": [0.1, 1e300, 5e-324, -0.0],
            "nan": float("nan"),
            "infinite": [float("inf"), float("-inf")],
        },
    )


def known_types(log, handler):
    log.info("when", extra={"when": datetime.datetime(2026, 1, 2, 3, 4, 5, 6)})
    log.info("day", extra={"day": datetime.date(2026, 1, 2), "clock": datetime.time(3, 4, 5), "took": datetime.timedelta(0, 1, 5)})
    log.info("price", extra={"price": decimal.Decimal("1.10"), "part": fractions.Fraction(1, 3)})
    log.info("id", extra={"request_id": uuid.UUID("12345678-1234-5678-1234-567812345678")})
    log.info("tags", extra={"tags": {1, 2, 3}, "frozen": frozenset([7])})
    log.info("ordered", extra={"ordered": collections.OrderedDict([("one", 1), ("two", [2])])})
    log.info("counted", extra={"counted": collections.Counter({"only": 3}), "queue": collections.deque([1, 2], 5)})
    log.info("default", extra={"default": collections.defaultdict(list, {"one": [1]})})
    log.info("complex", extra={"z": complex(1, -2), "blob": bytearray(b"\x00\xff")})
    log.info("failed", extra={"error": ValueError("bad", 3)})
    if not PY2:
        import http
        import ipaddress
        import pathlib

        log.info("zone", extra={"when": datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc)})
        log.info("raw", extra={"raw": b"\x00\xff", "no_bytes": b""})
        log.info("path", extra={"file": pathlib.PurePosixPath("/var/log/app.log"), "peer": ipaddress.ip_address("10.0.0.1")})
        log.info("status", extra={"status": http.HTTPStatus.NOT_FOUND, "span": range(1, 10, 2)})


def python2_strings(log, handler):
    log.info("caf\xc3\xa9")
    log.info("args %s", "\xe9", extra={"raw": "\xff\xfe", "utf8": "caf\xc3\xa9", "long": "x" * 300, "mixed": [u"u", "s"]})


def shared_objects(log, handler):
    value = ["shared", "list"]
    log.info("shared", extra={"one": value, "two": value, "three": [value]})


def asctime_left(log, handler):
    log.info("formatted before it is sent")
    log.warning("with %s", "arguments", extra={"user": "ann"})


def queued(log, handler):
    log.info("through a queue: %s", "yes")
    try:
        divide(2, 0)
    except ZeroDivisionError:
        log.exception("failed behind a queue")


TASK = """
async def body(log):
    import asyncio, sys
    if sys.version_info >= (3, 8):
        asyncio.current_task().set_name("job-1")
    log.info("inside a task")
"""


def task(log, handler):
    import asyncio

    names = {}
    # Python 2.7 could not compile this file if the coroutine stood in it.
    exec(compile(TASK, __file__, "exec"), names)
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(names["body"](log))
    finally:
        loop.close()


def task_as_extra(log, handler):
    log.info("a legal extra before 3.12", extra={"taskName": "mine"})


def custom_level(log, handler):
    logging.addLevelName(25, "NOTICE")
    log.log(25, "a level of one's own")
    log.log(1000, "far above")
    log.log(-5, "below zero")


def without_context(log, handler):
    names = ("logThreads", "logProcesses", "logMultiprocessing", "logAsyncioTasks")
    old = dict((name, getattr(logging, name)) for name in names if hasattr(logging, name))
    for name in old:
        setattr(logging, name, False)
    try:
        log.info("no thread, no process")
    finally:
        for name in old:
            setattr(logging, name, old[name])


def long_message(log, handler):
    log.info("m" * 100000)
    log.info("after a long one")


def many_extras(log, handler):
    log.info("2000 extras", extra=dict(("field_%04d" % n, n) for n in range(2000)))


def made_record(log, handler):
    # Its level is None, which a Python 3 logger cannot compare, so the handler gets it directly.
    handler.handle(logging.makeLogRecord({}))
    handler.handle(logging.makeLogRecord({"msg": "half made", "levelno": 30, "levelname": "WARNING", "lineno": None}))


def every_protocol(log, handler):
    for protocol in range(3 if PY2 else 5 if sys.version_info < (3, 8) else 6):
        handler.protocol = protocol
        log.info("protocol %d", protocol, extra={"blob": u"caf\xe9", "items": [1, 2.5, None, True, (1, 2)]})


SCENARIOS = [
    plain,
    levels,
    unicode_text,
    surrogates,
    exceptions,
    messages,
    nested_extra,
    numbers,
    known_types,
    shared_objects,
    asctime_left,
    custom_level,
    without_context,
    long_message,
    many_extras,
    made_record,
    every_protocol,
]
if PY2:
    SCENARIOS += [python2_strings]
else:
    SCENARIOS += [stack, queued, task]
    if sys.version_info < (3, 12):
        SCENARIOS += [task_as_extra]
