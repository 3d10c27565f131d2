"""Answers questions about formatting, one JSON object a line, until its input ends."""
import datetime
import decimal
import fractions
import http
import json
import logging
import os
import pathlib
import pickle
import string
import sys
import time
import uuid


def visible(text):
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def percent(question):
    return question["format"] % eval(question["args"])


def spec(question):
    return format(eval(question["value"]), question["spec"])


def strftime(question):
    os.environ["TZ"] = question["tz"]
    time.tzset()
    convert = time.gmtime if question["utc"] else time.localtime
    return time.strftime(question["format"], convert(question["seconds"]))


def formatter(question):
    os.environ["TZ"] = question["tz"]
    time.tzset()
    options = {}
    if question["defaults"]:
        options["defaults"] = eval(question["defaults"])
    made = logging.Formatter(
        question["format"], question["datefmt"], question["style"], question["validate"], **options
    )
    if question["utc"]:
        made.converter = time.gmtime
    if "msec_format" in question:
        made.default_msec_format = question["msec_format"]
    return made.format(logging.makeLogRecord(eval(question["record"])))


def payload(question):
    record = logging.makeLogRecord(eval(question["record"]))
    return pickle.dumps(record.__dict__, 1).hex()


def exception(question):
    """The text of an exception, and what it was: classes and messages in the order of the text."""
    names = {}
    try:
        exec(question["code"], names)
    except BaseException as error:
        text = logging.Formatter().formatException((type(error), error, error.__traceback__))
        chain = []
        while error is not None:
            frames = 0
            trace = error.__traceback__
            while trace is not None:
                frames += 1
                trace = trace.tb_next
            chain.append([type(error).__name__, str(error), frames])
            if error.__cause__ is not None:
                error = error.__cause__
            elif error.__suppress_context__:
                error = None
            else:
                error = error.__context__
        return json.dumps({"text": text, "chain": chain[::-1]})
    return ""


ANSWERS = {f.__name__: f for f in (percent, spec, strftime, formatter, payload, exception)}

for line in sys.stdin:
    question = json.loads(line)
    try:
        answer = {"text": visible(ANSWERS[question["ask"]](question))}
    except Exception as error:
        answer = {"error": type(error).__name__, "text": visible(str(error))}
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
