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


ANSWERS = {f.__name__: f for f in (percent, spec, strftime, formatter, payload)}

for line in sys.stdin:
    question = json.loads(line)
    try:
        answer = {"text": visible(ANSWERS[question["ask"]](question))}
    except Exception as error:
        answer = {"error": type(error).__name__, "text": visible(str(error))}
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
