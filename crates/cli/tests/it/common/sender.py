# Sends records through stock handlers and says, for each, what this Python itself reads back from the
# payload: one JSON object a line, in the schema of `serve --format json`. Runs on Python 2.7 and 3.
from __future__ import print_function
import base64, json, logging, logging.handlers, math, pickle, sys

kind, target, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
text = type(u'')
integers = (int,) if sys.version_info[0] > 2 else (int, long)  # noqa: F821


def tag(value):
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, integers):
        return value if -2**63 <= value < 2**63 else {'$int': str(value)}
    if isinstance(value, float):
        return value if value - value == 0 else {'$float': 'nan' if value != value else 'inf' if value > 0 else '-inf'}
    if isinstance(value, text):
        return value
    if isinstance(value, bytes):
        # Python 2's str is text if it is UTF-8.
        if sys.version_info[0] == 2:
            try:
                return value.decode('utf-8')
            except UnicodeDecodeError:
                pass
        return {'$bytes': base64.b64encode(value).decode('ascii')}
    if isinstance(value, tuple):
        return {'$tuple': [tag(item) for item in value]}
    if isinstance(value, list):
        return [tag(item) for item in value]
    if isinstance(value, set):
        return {'$set': [tag(item) for item in value]}
    if all(isinstance(key, (text, str)) and not key.startswith('$') for key in value):
        return dict((tag(key), tag(item)) for key, item in value.items())
    return {'$dict': [[tag(key), tag(item)] for key, item in value.items()]}


KNOWN = ['levelno', 'levelname', 'name', 'pathname', 'filename', 'module', 'lineno', 'funcName', 'process',
         'processName', 'thread', 'threadName', 'taskName', 'created', 'msecs', 'relativeCreated', 'exc_text',
         'stack_info']


def expected(payload):
    fields = pickle.loads(payload)
    out = {'message': tag(fields['msg']), 'extra': {}}
    for key, value in fields.items():
        if key in KNOWN:
            if value is not None:
                out[key] = tag(value)
        elif key not in ('msg', 'args', 'exc_info', 'message', 'asctime'):
            out['extra'][tag(key)] = tag(value)
    return json.dumps(out)


def watched(base):
    class Watched(base):
        def makePickle(self, record):
            frame = base.makePickle(self, record)
            print(expected(frame[4:]))
            return frame
    return Watched


if kind in ('tcp', 'udp'):
    host, port = target.rsplit(':', 1)
    address = (host, int(port))
else:
    address = (target, None)
stock = logging.handlers.SocketHandler if kind in ('tcp', 'unix') else logging.handlers.DatagramHandler
handler = watched(stock)(*address)
log = logging.getLogger('app.module')
log.setLevel(1)
log.addHandler(handler)
for number in range(count):
    extra = {
        'n': number,
        'nested': {u'list': [1, 2.5, None, True, {u'deep': (1, u'two', (3,))}], u'empty': {}},
        'large': 2**70 + number, 'negative': -2**65, 'nan': float('nan'), 'infinite': float('inf'),
        'tiny': 5e-324, 'keys': {1: u'one', (2, 3): u'two'}, 'raw': b'\xff\x00', 'one': set([1]),
        'wide': u'\u00e9\u4e2d\U0001f600\x00\x1b', 'dollar': {u'$x': 1},
    }
    if number % 4 == 0:
        try:
            raise ValueError(u'wrong \u2713')
        except ValueError:
            log.exception(u'failed %d %s', number, u'\u2713', extra=extra)
    elif number % 4 == 1:
        more = {} if sys.version_info[0] == 2 else {'stack_info': True}
        log.info('plain %s', number, extra=extra, **more)
    elif number % 4 == 2 and kind != 'udp':
        log.warning('x' * 100000, extra=extra)
    else:
        log.log(7, '%(a)s and %(b)r', {'a': number, 'b': u'c'}, extra=extra)
handler.close()
