"""Prints pickles of standard-library objects, one a line: tagged JSON, CPython version and protocol, hex.

`known_rows.tsv` holds the lines of CPython 2.7 and 3.6 to 3.13, without those whose bytes an earlier
version has written already. Objects that a version does not have are left out.
"""
from __future__ import print_function
import binascii
import collections
import datetime
import decimal
import fractions
import pickle
import sys
import uuid

if sys.version_info[0] == 2:
    import cPickle as pickle
    range = xrange

import imaplib
import subprocess

try:
    import configparser, queue
except ImportError:
    import ConfigParser as configparser
    import Queue as queue
try:
    import zoneinfo
except ImportError:
    pass
try:
    import ipaddress, pathlib, http, enum, signal, socket, re
except ImportError:
    pass

D = datetime
NS = globals()


def with_attribute(thing, **attributes):
    for name, value in attributes.items():
        setattr(thing, name, value)
    return thing


ROWS = [
    ("D.date(2026,1,2)", '{"$date":"2026-01-02"}'),
    ("D.date(1,12,31)", '{"$date":"0001-12-31"}'),
    ("D.time(3,4,5,6)", '{"$time":"03:04:05.000006"}'),
    ("D.time(0,0,0,0x0c3a9)", '{"$time":"00:00:00.050089"}'),
    ("D.datetime(2026,1,2,3,4,5,6)", '{"$datetime":"2026-01-02T03:04:05.000006"}'),
    ("D.datetime(2026,1,2,3,4,5,0x0c3a9)", '{"$datetime":"2026-01-02T03:04:05.050089"}'),
    ("D.datetime(9999,12,31,23,59,59,999999)", '{"$datetime":"9999-12-31T23:59:59.999999"}'),
    ("D.timedelta(-1,5,6)", '{"$timedelta":[-1,5,6]}'),
    ("D.datetime(2026,1,2,3,4,5,6,D.timezone.utc)", '{"$datetime":"2026-01-02T03:04:05.000006+00:00"}'),
    ("D.time(3,4,5,0,D.timezone(D.timedelta(0,-3600)))", '{"$time":"03:04:05-01:00"}'),
    ("D.timezone(D.timedelta(0,19800))", '{"$timezone":"+05:30"}'),
    ("D.timezone(D.timedelta(0,19800),'IST')", '{"$timezone":"+05:30","name":"IST"}'),
    ("D.datetime(2026,1,2,3,4,5,6,D.timezone(D.timedelta(0,3600),'CET'))",
     '{"$datetime":"2026-01-02T03:04:05.000006+01:00","tz":{"$timezone":"+01:00","name":"CET"}}'),
    ("zoneinfo.ZoneInfo('UTC')", '{"$zoneinfo":"UTC"}'),
    ("zoneinfo.ZoneInfo.no_cache('Europe/Berlin')", '{"$zoneinfo":"Europe/Berlin"}'),
    ("D.datetime(2026,1,2,3,4,5,6,zoneinfo.ZoneInfo('Europe/Berlin'))",
     '{"$datetime":"2026-01-02T03:04:05.000006","tz":{"$zoneinfo":"Europe/Berlin"}}'),
    ("[D.time(3,4,tzinfo=zoneinfo.ZoneInfo('UTC')), zoneinfo.ZoneInfo('UTC')]",
     '[{"$time":"03:04:00","tz":{"$zoneinfo":"UTC"}},{"$zoneinfo":"UTC"}]'),
    ("D.timezone(D.timedelta(-1,66592,999999))", '{"$timezone":"-05:30:07.000001"}'),
    ("decimal.Decimal('1.10')", '{"$decimal":"1.10"}'),
    ("decimal.Decimal('-1E+400')", '{"$decimal":"-1E+400"}'),
    ("decimal.Decimal('sNaN12')", '{"$decimal":"sNaN12"}'),
    ("decimal.Decimal(1)/3", '{"$decimal":"0.3333333333333333333333333333"}'),
    ("fractions.Fraction(1,3)", '{"$fraction":"1/3"}'),
    ("fractions.Fraction(-3)", '{"$fraction":"-3/1"}'),
    ("fractions.Fraction(2**70,3)", '{"$fraction":"1180591620717411303424/3"}'),
    ("complex(1.5,-0.0)", '{"$complex":[1.5,-0.0]}'),
    ("uuid.UUID(int=5)", '{"$uuid":"00000000-0000-0000-0000-000000000005"}'),
    ("uuid.UUID('f2345678-1234-5678-1234-567812345678')", '{"$uuid":"f2345678-1234-5678-1234-567812345678"}'),
    ("uuid.UUID(int=2**64, is_safe=uuid.SafeUUID.safe)", '{"$uuid":"00000000-0000-0001-0000-000000000000"}'),
    ("pathlib.PurePosixPath('/a/b')", '{"$path":"/a/b","class":"pathlib.PurePosixPath"}'),
    ("pathlib.PurePosixPath('a','b','..')", '{"$path":"a/b/..","class":"pathlib.PurePosixPath"}'),
    ("pathlib.PurePosixPath()", '{"$path":".","class":"pathlib.PurePosixPath"}'),
    ("pathlib.PurePosixPath('//net/./x/')", '{"$path":"//net/x","class":"pathlib.PurePosixPath"}'),
    ("pathlib.Path('/x\\udcff')", '{"$path":{"$str":"L3jts78="}}'),
    ("pathlib.PureWindowsPath('c:\\\\a/b')", '{"$path":"c:\\\\a\\\\b","class":"pathlib.PureWindowsPath"}'),
    ("pathlib.PureWindowsPath('//host/share/x')", '{"$path":"\\\\\\\\host\\\\share\\\\x","class":"pathlib.PureWindowsPath"}'),
    ("ipaddress.ip_address('10.0.0.1')", '{"$ip":"10.0.0.1"}'),
    ("ipaddress.ip_address('fe80::1')", '{"$ip":"fe80::1"}'),
    ("ipaddress.ip_address('::')", '{"$ip":"::"}'),
    ("ipaddress.ip_network('10.0.0.0/8')", '{"$ip":"10.0.0.0/8"}'),
    ("ipaddress.ip_interface('fe80::1/10')", '{"$ip":"fe80::1/10","class":"ipaddress.IPv6Interface"}'),
    ("collections.OrderedDict([('b',1),('a',2)])", '{"$ordereddict":[["b",1],["a",2]]}'),
    ("collections.OrderedDict()", '{"$ordereddict":[]}'),
    ("with_attribute(collections.OrderedDict([('a',1)]), x=3)", '{"$ordereddict":[["a",1]],"state":{"x":3}}'),
    ("collections.defaultdict(list,{'a':[1]})", '{"$defaultdict":[["a",[1]]],"factory":{"$global":"builtins.list"}}'),
    ("collections.defaultdict(None,{1:2})", '{"$defaultdict":[[1,2]]}'),
    ("collections.defaultdict(collections.OrderedDict)",
     '{"$defaultdict":[],"factory":{"$global":"collections.OrderedDict"}}'),
    ("collections.Counter({'a':2})", '{"$counter":[["a",2]]}'),
    ("collections.Counter()", '{"$counter":[]}'),
    ("collections.deque([1,2])", '{"$deque":[1,2]}'),
    ("collections.deque([1,2],5)", '{"$deque":[1,2],"maxlen":5}'),
    ("collections.deque()", '{"$deque":[]}'),
    ("range(1,11,2)", '{"$range":[1,11,2]}'),
    ("range(5)", '{"$range":[0,5,1]}'),
    ("slice(1,None,'x')", '{"$slice":[1,null,"x"]}'),
    ("set([1])", '{"$set":[1]}'),
    ("set()", '{"$set":[]}'),
    ("frozenset(['a'])", '{"$frozenset":["a"]}'),
    ("bytearray(b'a\\xff')", '{"$bytearray":"Yf8="}'),
    ("bytearray(b'')", '{"$bytearray":""}'),
    ("b'a\\xff'", '{"$bytes":"Yf8="}'),
    ("{None: b''}", None),
    ("ValueError('x',1)", '{"$exception":{"class":"builtins.ValueError","args":["x",1]}}'),
    ("with_attribute(KeyError('k'), foo=1)", '{"$exception":{"class":"builtins.KeyError","args":["k"],"state":{"foo":1}}}'),
    ("StandardError()", '{"$exception":{"class":"builtins.Exception","args":[]}}'),
    ("IOError(2,'gone') if sys.version_info[0] == 2 else NS['no']", '{"$exception":{"class":"builtins.OSError","args":[2,"gone"]}}'),
    ("StopIteration(3)", '{"$exception":{"class":"builtins.StopIteration","args":[3]}}'),
    ("UnicodeDecodeError('utf-8',b'\\xff',0,1,'bad')",
     '{"$exception":{"class":"builtins.UnicodeDecodeError","args":["utf-8",{"$bytes":"/w=="},0,1,"bad"]}}'),
    ("ExceptionGroup('m',[KeyError(1)])",
     '{"$exception":{"class":"builtins.ExceptionGroup","args":["m",[{"$exception":{"class":"builtins.KeyError","args":[1]}}]]}}'),
    ("http.HTTPStatus(404)", '{"$enum":{"class":"http.HTTPStatus","value":404}}'),
    ("http.HTTPMethod('GET')", '{"$enum":{"class":"http.HTTPMethod","value":"GET"}}'),
    ("re.RegexFlag(3)", '{"$enum":{"class":"re.RegexFlag","value":3}}'),
    ("signal.Signals(2)", '{"$enum":{"class":"signal.Signals","value":2}}' if sys.version_info >= (3, 11)
     else '{"$enum":{"class":"signal.Signals","name":"SIGINT"}}'),
    ("socket.AddressFamily(2)", '{"$enum":{"class":"socket.AddressFamily","value":2}}' if sys.version_info >= (3, 11)
     else '{"$enum":{"class":"socket.AddressFamily","name":"AF_INET"}}'),
    ("ValueError", '{"$global":"builtins.ValueError"}'),
    ("queue.Full('x')", '{"$exception":{"class":"queue.Full","args":["x"]}}'),
    ("configparser.NoSectionError('x').__class__", '{"$global":"configparser.NoSectionError"}'),
    ("imaplib.IMAP4.error('x')", '{"$exception":{"class":"imaplib.IMAP4.error","args":["x"]}}'),
    ("[imaplib.IMAP4.error('x'), imaplib.IMAP4.abort('y'), imaplib.IMAP4.error('z')] if sys.version_info[0] > 2 else NS['no']",
     '[{"$exception":{"class":"imaplib.IMAP4.error","args":["x"]}},{"$exception":{"class":"imaplib.IMAP4.abort","args":["y"]}},'
     '{"$exception":{"class":"imaplib.IMAP4.error","args":["z"]}}]'),
    ("subprocess.CalledProcessError(1,'ls').__class__", '{"$global":"subprocess.CalledProcessError"}'),
    ("decimal.InvalidOperation('x')", '{"$exception":{"class":"decimal.InvalidOperation","args":["x"]}}'),
]

HIGHEST = 5 if sys.version_info >= (3, 8) else 4 if sys.version_info[0] == 3 else 2
for source, expected in ROWS:
    if expected is None or (source.startswith("b'") and sys.version_info[0] == 2):
        continue
    try:
        thing = eval(source, NS)
        pickles = [pickle.dumps(thing, protocol) for protocol in range(HIGHEST + 1)]
    except Exception:
        continue
    for protocol, data in enumerate(pickles):
        label = "%d.%dp%d" % (sys.version_info[0], sys.version_info[1], protocol)
        print(expected, label, binascii.hexlify(data).decode("ascii"), sep="\t")
for protocol in range(min(HIGHEST, 4), HIGHEST + 1):
    # The fold is in pickles of protocol 4 and above only.
    try:
        folded = D.datetime(2026, 10, 25, 2, 30, fold=1), D.time(2, 30, fold=1)
    except TypeError:
        break
    for thing, expected in zip(folded, ('{"$datetime":"2026-10-25T02:30:00","fold":1}', '{"$time":"02:30:00","fold":1}')):
        label = "%d.%dp%d" % (sys.version_info[0], sys.version_info[1], protocol)
        print(expected, label, binascii.hexlify(pickle.dumps(thing, protocol)).decode("ascii"), sep="\t")
