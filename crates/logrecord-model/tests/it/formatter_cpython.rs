//! The formatter against `logging.Formatter` of every CPython that is there: formats in the three
//! styles, refusals, and `strftime` over zones and dates.
#![allow(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

use crate::formatter_python as python;

use logrecord_model::{Formatter, LogRecord, Style, Zone};
use pickle_codec::{DecodeOptions, Globals, Value};
use python::{Answer, Python, Random};
use serde_json::json;

const PERCENT: &[&str] = &[
    "",
    "%(message)s",
    "%(asctime)s %(levelname)s:%(name)s:%(message)s",
    "%(asctime)s %(levelname)-8s %(name)s %(message)s",
    "[%(levelname).1s] %(asctime)s %(process)d/%(threadName)s %(module)s.%(funcName)s:%(lineno)d %(message)s",
    "%(levelno)05d|%(levelno)s|%(levelno)r|%(levelno)x|%(levelno)+d",
    "%(created)f %(msecs)d %(msecs)03d %(relativeCreated)d %(created).3f %(created)s",
    "%(name)20s|%(name)-20s|%(name).3s|%(name)r|%(name)a",
    "%(message)r %(message)a %(message)10.3s|",
    "%(user)s %(request)s %(status)d %(ratio).2f %(tags)s",
    "%(missing)s %(message)s",
    "%(exc_text)s %(stack_info)s %(args)s %(message)s",
    "%(taskName)s %(processName)s %(thread)d %(pathname)s %(filename)s",
    "100%% %(message)s %%(name)s",
    "%(message)s\n",
    "%(status)s %(status)c %(status)o %(status)#x %(status)e %(status)g",
    "%(user)d",
    "%(ratio)d %(ratio)i %(ratio)E %(ratio)G",
    "no fields",
    "%s",
    "%(message)",
    "%(message)y",
    "%(message)*d",
    "%(a b)s %(message)s",
    "%(nested(paren))s %(message)s",
    "{message}",
    "%(msg)s %(message)s",
    "%(levelname)8s",
    "%(lineno)5d|%(lineno)-5d|%(lineno)d",
    "%(none)s %(none)r",
    "%(flag)s %(flag)d",
    "%(big)s %(big)d %(big)x",
];

const BRACE: &[&str] = &[
    "",
    "{message}",
    "{asctime} {levelname:<8} {name} {message}",
    "{levelname:>10}|{levelname:^10}|{levelname:*^10}|{levelname:.3}|{levelname!r:>12}",
    "{created:.3f} {msecs:03.0f} {relativeCreated:,.2f} {lineno:5d} {lineno:<5} {process:,}",
    "{levelno:05d} {levelno:#x} {levelno:#o} {levelno:b} {levelno:e} {levelno:%} {levelno:c}",
    "{message!r} {message!s:>20} {message!a}",
    "{message:{width}}|{message:>{width}.{status}}",
    "{request[path]} {request[method]!r} {tags[0]} {tags[1]:>5}",
    "{tags[9]} {message}",
    "{request[none]} {message}",
    "{message.missing}",
    "{status.real} {ratio.imag}",
    "{{literal}} {message}",
    "{missing} {message}",
    "{message",
    "message}",
    "{}",
    "{0} {message}",
    "{message!x}",
    "{message:q}",
    "{message:>10q}",
    "{message!r:}",
    "{message!}",
    "{message!rr}",
    "{mess{age}",
    "{message:{width}",
    "{a-b}",
    "{message[}",
    "no fields",
    "{none} {none!r}",
    "{flag} {flag:d} {flag:>6}",
    "{big} {big:,} {big:_x}",
    "{ratio} {ratio:.1%} {ratio:+.3e} {ratio:010.2f} {ratio:g}",
    "{user:é^20}",
    "{message:10.3}|",
    "{asctime:>30}|{message}",
    "{name:_<20}{message}",
    "{request}",
    "{tags} {tags!s:>40}",
    "{tags:>5}",
    "{request[path]}{tags[x]}{message}",
    "{exc_text} {message}",
];

const DOLLAR: &[&str] = &[
    "",
    "$message",
    "${asctime} $levelname ${name}: $message",
    "$asctime|$message",
    "$$ $message $$x",
    "$message $missing",
    "$ $message",
    "${message",
    "no fields",
    "$message.x ${user}_$status $request $tags $none $flag $ratio $big",
    "$1 $message",
    "$é $message",
    "a\nb $message ${bad-name}",
    "$_private $message",
];

const RECORDS: &[&str] = &[
    "dict(name='app.db', levelno=20, levelname='INFO', pathname='/srv/app/db.py', filename='db.py', module='db', \
     lineno=42, funcName='query', created=1767323045.123, msecs=123.0, relativeCreated=1523.75, thread=140735, \
     threadName='MainThread', processName='MainProcess', process=4711, taskName=None, msg='took 3 s', args=None, \
     exc_info=None, exc_text=None, stack_info=None, user='é\\u4e2d', request={'path': '/x', 'method': 'GET'}, \
     status=200, ratio=0.12345, tags=['a', 'b'], none=None, flag=True, big=2**100, width=12)",
    "dict(name='x', levelno=40, levelname='ERROR', pathname='', filename='', module='', lineno=0, funcName='f', \
     created=-1.5, msecs=500.0, relativeCreated=0.0, thread=1, threadName='T', processName='P', process=1, \
     taskName='Task-1', msg='%s has %d of %r', args=('eve', 3, [1.5]), exc_info=None, \
     exc_text='Traceback (most recent call last):\\n  File \"x\", line 1, in f\\nValueError: bad', \
     stack_info='Stack (most recent call last):\\n  File \"y\"', user=None, request={}, status=65, ratio=-1e300, \
     tags=('q', 'r', 's'), none=None, flag=False, big=-(2**70), width=1)",
    "dict(name='', levelno=7, levelname='Level 7', pathname='p', filename='p', module='p', lineno=3, funcName='g', \
     created=1e9, msecs=0, relativeCreated=7, thread=None, threadName=None, processName=None, process=None, \
     taskName=None, msg={'a': 1}, args=None, exc_info=None, exc_text='one\\n', stack_info='two', user='a\\nb', \
     request={'path': 'q\\'s'}, status=0, ratio=float('inf'), tags=[], none=None, flag=True, big=1, width=3, \
     asctime='yesterday', message='old')",
    "dict(name='m', levelno=50, levelname='CRITICAL', pathname='p', filename='p', module='p', lineno=3, funcName='g', \
     created=4102444799.999, msecs=999.9, relativeCreated=7.5, thread=5, threadName='t', processName='q', process=9, \
     taskName=None, msg='%(k)s and %(k)r', args={'k': 'v'}, exc_info=None, exc_text='', stack_info='', user='u', \
     request={1: 2}, status=3, ratio=2.5, tags=['x'], none=None, flag=True, big=10**30, width=4)",
    "dict(name='bad', levelno=10, levelname='DEBUG', pathname='p', filename='p', module='p', lineno=3, funcName='g', \
     created=0.0, msecs=0.0, relativeCreated=0.0, thread=5, threadName='t', processName='q', process=9, \
     taskName=None, msg='%d', args=('x',), exc_info=None, exc_text=None, stack_info=None, user='u', request={}, \
     status=3, ratio=2.5, tags=['x'], none=None, flag=True, big=1, width=4)",
];

const ZONES: &[&str] = &[
    "UTC",
    "",
    "Europe/London",
    ":Europe/London",
    "America/New_York",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "Pacific/Apia",
    "Africa/Casablanca",
    "Europe/Dublin",
    "America/St_Johns",
    "Antarctica/Troll",
    "EST5EDT",
    "EST5EDT,M3.2.0,M11.1.0",
    "CET-1CEST,M3.5.0,M10.5.0/3",
    "<+0330>-3:30",
    "<-03>3<-02>,M3.5.0/-2,M10.5.0/-1",
    "XYZ-14:30:15",
    "NZST-12NZDT,M9.5.0,M4.1.0/3",
    "IST-1GMT0,M10.5.0,M3.5.0/1",
    "Foo/Bar",
    "nonsense!",
    "Etc/GMT+12",
];

const DIRECTIVES: &[&str] = &[
    "%a %A %b %B %c %C %d %D %e %F %g %G %h %H %I %j %k %l %m %M",
    "%p %P %r %R %S %s %T %u %U %V %w %W %x %X %y %Y %z %Z %%",
    "%-d %_d %-H %_H %0e %-e %^a %^B %#a %#p %#Z %^Z %^p %^P",
    "%Ec %EC %Ex %EX %Ey %EY %Od %Oe %OH %OI %Om %OM %OS %Ou %OU %OV %Ow %OW %Oy",
    "%10Y|%-10Y|%_10Y|%010d|%5a|%05a|%3d|%_5j|%-5j|%10z|%_z|%-z|%010z",
    "%Ed %Oa %OY %Q %i %f %J %E %O %+ %5% %! %",
    "%n%t|%10n|%20c|%^c|%^20c|%_C|%-y|%5T|%010F|%-F|%_m/%_d",
    "日本 %Y é %d",
];

fn options() -> DecodeOptions {
    DecodeOptions::new().globals(Globals::Known)
}

fn compare(
    python: &mut Python,
    style: &str,
    format: &str,
    validate: bool,
    record: (&str, &[u8]),
    tz: &str,
    datefmt: Option<&str>,
) {
    let (source, payload) = record;
    let expected = python.ask(&json!({
        "ask": "formatter", "format": format, "datefmt": datefmt, "style": style, "validate": validate,
        "defaults": null, "record": source, "tz": tz, "utc": false,
    }));
    let record = LogRecord::from_pickle_with(payload, &options()).unwrap();
    let mut builder = Formatter::builder()
        .format(format)
        .style(Style::from_char(style.chars().next().unwrap()).unwrap())
        .validate(validate)
        .zone(Zone::from_tz(tz));
    if let Some(datefmt) = datefmt {
        builder = builder.date_format(datefmt);
    }
    let got: Answer = builder
        .build()
        .and_then(|formatter| formatter.format(&record))
        .map_err(|error| (error.python_type().to_owned(), error.to_string()));
    match (&got, &expected) {
        // Words changed between versions; the newest are taken.
        (Err((got, _)), Err((expected, _))) if python.minor < 13 => assert_eq!(got, expected, "{format}"),
        _ => assert_eq!(got, expected, "3.{}: {style} {format:?} {tz:?} {source}", python.minor),
    }
}

#[test]
fn formats_are_pythons() {
    for mut python in Python::all() {
        let payloads: Vec<Vec<u8>> = RECORDS.iter().map(|record| python.payload(record)).collect();
        for (record, payload) in RECORDS.iter().zip(&payloads) {
            for (style, formats) in [("%", PERCENT), ("{", BRACE), ("$", DOLLAR)] {
                for format in formats {
                    for validate in [true, false] {
                        // A bare `%s` prints the whole dict, which holds what this clock does not.
                        if *format == "%s" && !validate {
                            continue;
                        }
                        compare(
                            &mut python,
                            style,
                            format,
                            validate,
                            (record, payload),
                            "Europe/Berlin",
                            None,
                        );
                    }
                }
            }
            for tz in ["UTC", "EST5EDT", "Asia/Kolkata"] {
                for datefmt in DIRECTIVES {
                    let format = "%(asctime)s %(message)s";
                    compare(&mut python, "%", format, true, (record, payload), tz, Some(datefmt));
                }
            }
        }
    }
}

#[test]
fn defaults_and_milliseconds_are_pythons() {
    for mut python in Python::all().into_iter().filter(|python| python.minor >= 10) {
        let payload = python.payload(RECORDS[0]);
        let record = LogRecord::from_pickle_with(&payload, &options()).unwrap();
        for (style, format) in [("%", "%(ip)s %(user)s"), ("{", "{ip:>9} {user}"), ("$", "$ip $user")] {
            let expected = python.ask(&json!({
                "ask": "formatter", "format": format, "datefmt": null, "style": style, "validate": true,
                "defaults": "{'ip': '?', 'user': 'nobody'}", "record": RECORDS[0], "tz": "UTC", "utc": false,
            }));
            let formatter = Formatter::builder()
                .format(format)
                .style(Style::from_char(style.chars().next().unwrap()).unwrap())
                .default("ip", Value::from("?"))
                .default("user", Value::from("nobody"))
                .build()
                .unwrap();
            assert_eq!(formatter.format(&record).unwrap(), expected.unwrap(), "{format}");
        }
        for msec_format in [None, Some("%s.%03d"), Some("%s,%03d"), Some("%s|%s"), Some("%s %06.2f")] {
            let expected = python.ask(&json!({
                "ask": "formatter", "format": "%(asctime)s", "datefmt": null, "style": "%", "validate": true,
                "defaults": null, "record": RECORDS[0], "tz": "Asia/Tokyo", "utc": true, "msec_format": msec_format,
            }));
            let formatter = Formatter::builder()
                .format("%(asctime)s")
                .default_msec_format(msec_format)
                .zone(Zone::utc())
                .build()
                .unwrap();
            assert_eq!(formatter.format(&record).unwrap(), expected.unwrap(), "{msec_format:?}");
        }
    }
}

#[test]
fn times_are_pythons() {
    let Some(mut python) = Python::all().pop() else { return };
    let mut random = Random::new(0x5eed_0003);
    let mut seconds: Vec<f64> = vec![
        0.0,
        -0.5,
        -1.0,
        1_767_323_045.999,
        // Around the changes of 2026 in the United States and Europe.
        1_772_953_199.0,
        1_772_953_200.0,
        1_793_512_799.5,
        1_793_512_800.0,
        1_774_745_999.0,
        1_774_746_000.0,
        1_792_889_999.0,
        1_792_890_000.0,
        // Apia left out 30 December 2011.
        1_325_239_199.0,
        1_325_239_200.0,
        -2_208_988_800.0,
        -3_000_000_000.0,
        -62_135_596_800.0,
        4_102_444_800.0,
        2_147_483_648.0,
        253_402_300_800.0,
        1e12,
    ];
    for _ in 0..60 {
        let number = i32::try_from(random.next() >> 33).unwrap();
        seconds.push(f64::from(number) * 2.0 - 2e9);
    }
    for tz in ZONES {
        let zone = Zone::from_tz(tz);
        for seconds in &seconds {
            let format = "%Y-%m-%d %H:%M:%S %Z %z %j %a %U %W %V %G %s";
            let expected = python.ask(&json!({
                "ask": "strftime", "format": format, "tz": tz, "utc": false, "seconds": seconds,
            }));
            let got = zone
                .strftime(format, *seconds)
                .map_err(|error| (error.python_type().to_owned(), error.to_string()));
            assert_eq!(got, expected, "{tz} {seconds}");
        }
        for format in DIRECTIVES {
            for seconds in seconds.iter().take(8) {
                let expected = python.ask(&json!({
                    "ask": "strftime", "format": format, "tz": tz, "utc": false, "seconds": seconds,
                }));
                let got = zone
                    .strftime(format, *seconds)
                    .map_err(|error| (error.python_type().to_owned(), error.to_string()));
                assert_eq!(got, expected, "{tz} {seconds}");
            }
        }
    }
}

const KNOWN: &str = "dict(name='n', levelno=20, levelname='INFO', created=0.0, msecs=0.0, msg='m', args=None, \
     exc_info=None, exc_text=None, stack_info=None, price=decimal.Decimal('1234.505'), tiny=decimal.Decimal('1E-7'), \
     when=datetime.datetime(2026, 1, 2, 3, 4, 5, 6, datetime.timezone.utc), naive=datetime.datetime(1999, 12, 31), \
     day=datetime.date(2024, 2, 29), at=datetime.time(23, 59, 58, 7), took=datetime.timedelta(days=1, seconds=2.5), \
     status=http.HTTPStatus.NOT_FOUND, part=fractions.Fraction(-7, 2), path=pathlib.PurePosixPath('/a/b'), \
     id=uuid.UUID(int=5), tags={'x'}, none=decimal.Decimal('NaN'))";

#[test]
fn values_of_known_types_are_pythons() {
    let formats = [
        ("%", "%(price)s %(price)r %(price).2f %(price)d %(price)g %(tiny)s %(tiny)e"),
        ("%", "%(when)s %(naive)s %(day)s %(at)s %(took)s %(when)r %(day)a"),
        ("%", "%(status)d %(status)x %(status)05i %(status).1f"),
        ("%", "%(part)s %(part)d %(part).3f %(path)s %(id)s %(tags)s %(path)r"),
        ("%", "%(none)s %(none)f"),
        ("%", "%(none)d"),
        ("%", "%(price)x"),
        ("%", "%(when)d"),
        (
            "{",
            "{price} {price:.2f} {price:>12} {price:,.1f} {price:012.3f} {price:+} {price:.1%} {tiny:.3f} {tiny}",
        ),
        (
            "{",
            "{when:%Y-%m-%d %H:%M:%S.%f%z %Z} {naive:%a %j %z|%Z} {day:%d/%m/%y} {at:%H-%M} {when} {day!s:>12}",
        ),
        ("{", "{status:d} {status:>6d} {status:x} {took} {path} {id} {part}"),
        ("{", "{took:>20}"),
        ("{", "{path:>20}"),
        ("{", "{tags:x}"),
        ("$", "$price $when $day $at $took $part $path $id $tags $none"),
    ];
    for mut python in Python::all() {
        let payload = python.payload(KNOWN);
        for (style, format) in formats {
            compare(&mut python, style, format, false, (KNOWN, &payload), "UTC", None);
        }
    }
}
