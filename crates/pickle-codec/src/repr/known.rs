//! The `repr` and `str` of the known types, as CPython 3.13 prints them.
//!
//! A type that holds other objects (a deque, an exception, a datetime with a zone) gives a [`Form`] whose parts
//! the walk prints; any other one is a word. What the pickle does not say cannot be printed: an enum member
//! prints as a call with its value, for its name is not there, and so does a class that is only described.
//!
//! Sources: `__repr__` and `__str__` in `Lib/_pydatetime.py`, `Lib/fractions.py`, `Lib/pathlib.py`,
//! `Lib/collections/__init__.py` and `Lib/enum.py`; `complex_repr`, `BaseException_str`, `OSError_str` and
//! `UnicodeDecodeError_str` in `Objects/`.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use num_bigint::BigInt;

use super::exception::{exception_str, is_os_error, os_error, os_file};
use super::form::{Form, Separators};
use super::parts::{Parts, StrPart};
use super::printer::Printer;
use crate::document::{KnownClass, Node, NodeId, NodeRef, Object};
use crate::known::{Date, Known, Time, TimeDelta, Zone};
use crate::wire::float::write_float;
use crate::wire::number::MAX_DECIMAL_BITS;
use crate::wire::text::Str;

/// A known object as `repr` prints it; `None` if the reading fails, so that it is an object like any.
pub(super) fn repr<'t>(object: Object<'_, '_>) -> Option<Form<'t>> {
    let object = Parts::of(object)?;
    let call = |head: &str, parts: [Option<NodeId>; 6], tail: String| {
        let head = Cow::Owned(format!("{head}("));
        Some(Form::Parts(Separators::CALL, head, parts, Cow::Owned(tail)))
    };
    let close = || String::from(")");
    let one = |part: NodeId| [Some(part), None, None, None, None, None];
    let name = object.name();
    let bare = String::from(name.rsplit('.').next().unwrap_or_default());
    match object.class {
        class @ (KnownClass::OrderedDict | KnownClass::Counter) => match object.pairs() {
            Some(pairs) => {
                let separators =
                    if class == KnownClass::Counter { Separators::COUNTER } else { Separators::CALL };
                let head = Cow::Owned(format!("{bare}("));
                Some(Form::Parts(separators, head, one(pairs), Cow::Borrowed(")")))
            }
            None => Some(Form::Word(Cow::Owned(format!("{bare}()")))),
        },
        KnownClass::DefaultDict => {
            let factory = object.arg(0);
            let head = if factory.is_some() { "defaultdict" } else { "defaultdict(None, " };
            let tail = if object.pairs().is_some() { ")" } else { ", {})" };
            let parts = [factory, object.pairs(), None, None, None, None];
            if factory.is_none() {
                let tail = Cow::Borrowed(if object.pairs().is_some() { ")" } else { "{})" });
                return Some(Form::Parts(Separators::CALL, Cow::Borrowed(head), parts, tail));
            }
            call(head, parts, String::from(tail))
        }
        KnownClass::Deque => {
            let tail = object.int(1).map_or_else(close, |most| format!(", maxlen={most})"));
            match object.items() {
                Some(items) => call("deque", one(items), tail),
                None => Some(Form::Word(Cow::Owned(format!("deque([]{tail}")))),
            }
        }
        KnownClass::Range => {
            let step = object.arg(2).filter(|_| object.int(2) != Some(1));
            call("range", [object.arg(0), object.arg(1), step, None, None, None], close())
        }
        KnownClass::Slice => {
            call("slice", [object.arg(0), object.arg(1), object.arg(2), None, None, None], close())
        }
        // The file names of an OSError are not among its arguments.
        KnownClass::Exception if is_os_error(object, &name) && (2..=5).contains(&object.args_len()) => {
            let name = match object.int(0) {
                Some(number) if name == "OSError" => os_error(number),
                _ => bare.as_str(),
            };
            let shown = if os_file(object).is_some() { 2 } else { 6 };
            let parts = [0, 1, 2, 3, 4, 5].map(|place| object.arg(place).filter(|_| place < shown));
            call(name, parts, close())
        }
        KnownClass::Exception => match object.args_len() {
            len @ 0..=6 => {
                let parts = [0, 1, 2, 3, 4, 5].map(|place| object.arg(place).filter(|_| place < len));
                call(&bare, parts, close())
            }
            _ => Some(Form::Parts(Separators::CALL, Cow::Owned(bare), one(object.args()), Cow::Borrowed(""))),
        },
        // The member's own name is not in the pickle.
        KnownClass::Enum => match regex_flag(object) {
            Some(flags) => Some(word(flags)),
            None => call(&bare, one(object.arg(0)?), close()),
        },
        KnownClass::Instance => {
            let head = Cow::Owned(if is_tuple(object) { bare } else { String::new() });
            Some(Form::Parts(Separators::CALL, head, one(object.arg(0)?), Cow::Borrowed("")))
        }
        _ => {
            let zone = object.arg(1);
            match object.object.known()? {
                Known::Date(date) => Some(word(format!("datetime.date({})", date_fields(date)))),
                Known::DateTime(date, time, tz) => {
                    // The C implementation writes the fold before the zone here, and behind it in `time`.
                    let fold = if time.fold { ", fold=1" } else { "" };
                    let fields = format!("{}, {}{fold}", date_fields(date), time_fields(time));
                    Some(zoned("datetime", &fields, false, zone.filter(|_| tz.is_some())))
                }
                Known::Time(time, tz) => {
                    Some(zoned("time", &time_fields(time), time.fold, zone.filter(|_| tz.is_some())))
                }
                other => scalar_repr(&other, &bare).map(word),
            }
        }
    }
}

fn word<'t>(text: String) -> Form<'t> {
    Form::Word(Cow::Owned(text))
}

fn zoned<'t>(class: &str, fields: &str, fold: bool, zone: Option<NodeId>) -> Form<'t> {
    let tail = if fold { ", fold=1)" } else { ")" };
    match zone {
        Some(zone) => Form::Parts(
            Separators::CALL,
            Cow::Owned(format!("datetime.{class}({fields}, tzinfo=")),
            [Some(zone), None, None, None, None, None],
            Cow::Borrowed(tail),
        ),
        None => word(format!("datetime.{class}({fields}{tail}")),
    }
}

fn date_fields(date: Date) -> String {
    format!("{}, {}, {}", date.year, date.month, date.day)
}

/// Seconds and microseconds only if they are not zero.
fn time_fields(time: Time) -> String {
    let (hour, minute, second, micro) = (time.hour, time.minute, time.second, time.microsecond);
    match (second, micro) {
        (0, 0) => format!("{hour}, {minute}"),
        (_, 0) => format!("{hour}, {minute}, {second}"),
        _ => format!("{hour}, {minute}, {second}, {micro}"),
    }
}

/// The `repr` of what holds no other objects.
fn scalar_repr(known: &Known<'_, '_>, name: &str) -> Option<String> {
    Some(match known {
        Known::Complex(real, imaginary) => complex(*real, *imaginary),
        Known::TimeDelta(delta) => timedelta_repr(*delta),
        Known::TimeZone(offset, tz_name) => {
            let micros = offset.total_microseconds();
            let label = tz_name.and_then(|name| name.document().text(name.id()));
            if micros == 0 && label.is_none() {
                return Some(String::from("datetime.timezone.utc"));
            }
            let label = label.map_or_else(String::new, |label| format!(", {}", quoted(label)));
            format!("datetime.timezone({}{label})", timedelta_repr(timedelta(micros)))
        }
        Known::Decimal(number) => format!("Decimal('{number}')"),
        Known::Fraction(numerator, denominator) => {
            format!("Fraction({}, {})", integer(numerator), integer(denominator))
        }
        Known::Uuid(number) => format!("UUID('{}')", uuid(*number)),
        Known::Path(bytes) => {
            let name = if name == "Path" || name == "PurePath" { "PosixPath" } else { name };
            if name.ends_with("WindowsPath") {
                // `repr` shows these with slashes.
                let slashed: Vec<u8> =
                    bytes.iter().map(|&byte| if byte == b'\\' { b'/' } else { byte }).collect();
                return Some(format!("{name}({})", quoted(text_of(&slashed))));
            }
            format!("{name}({})", quoted(text_of(bytes)))
        }
        Known::Ip(address) => format!("{name}({})", quoted(Str::Utf8(address))),
        Known::ZoneInfo(key) => format!("zoneinfo.ZoneInfo(key='{key}')"),
        _ => return None,
    })
}

/// The parts of a known object's `str`; `None` if it is its `repr`.
pub(super) fn str_parts(object: Object<'_, '_>) -> Option<Vec<StrPart>> {
    let object = Parts::of(object)?;
    match object.class {
        KnownClass::Instance if is_tuple(object) => None,
        KnownClass::Enum | KnownClass::Instance => Some(Vec::from([match regex_flag(object) {
            Some(flags) => StrPart::Text(flags),
            None => StrPart::Str(object.arg(0)?),
        }])),
        KnownClass::Exception => Some(exception_str(object)),
        KnownClass::OrderedDict
        | KnownClass::Counter
        | KnownClass::DefaultDict
        | KnownClass::Deque
        | KnownClass::Range
        | KnownClass::Slice => None,
        _ => scalar_str(&object.object.known()?).map(|text| Vec::from([StrPart::Text(text)])),
    }
}

/// Whether an instance is of a subclass of `tuple`: nearly always a namedtuple, which prints with its class, and whose
/// field names are not in the pickle.
fn is_tuple(object: Parts<'_, '_>) -> bool {
    matches!(object.view(0), Some(Node::Tuple(_)))
}

/// A member of `re.RegexFlag`, which prints the names of its bits in the order of their definition and the
/// others as a number; `None` for a member of any other enum.
fn regex_flag(object: Parts<'_, '_>) -> Option<String> {
    const NAMES: [(i64, &str); 8] = [
        (256, "ASCII"),
        (2, "IGNORECASE"),
        (4, "LOCALE"),
        (32, "UNICODE"),
        (8, "MULTILINE"),
        (16, "DOTALL"),
        (64, "VERBOSE"),
        (128, "DEBUG"),
    ];
    let (module, name) = object.object.shown_class_name()?;
    if (module.as_str(), name.as_str()) != (Some("re"), Some("RegexFlag")) {
        return None;
    }
    let value = object.int(0).filter(|value| *value >= 0)?;
    if value == 0 {
        return Some(String::from("re.NOFLAG"));
    }
    let mut rest = value;
    let mut names = Vec::new();
    for (bit, name) in NAMES {
        if value & bit != 0 {
            rest &= !bit;
            names.push(format!("re.{name}"));
        }
    }
    if names.is_empty() {
        return Some(format!("re.RegexFlag({value})"));
    }
    if rest != 0 {
        names.push(format!("{rest:#x}"));
    }
    Some(names.join("|"))
}

fn scalar_str(known: &Known<'_, '_>) -> Option<String> {
    let zone = |zone: &Option<Zone<'_, '_>>| match zone {
        Some(Zone::Fixed(offset)) => offset.to_string(),
        // The offset takes a time zone's data, which is not here; a time without any zone it is not.
        Some(Zone::Other(zone)) => format!("[{}]", zone_name(*zone)),
        None => String::new(),
    };
    Some(match known {
        Known::Date(date) => date.to_string(),
        Known::Time(time, tz) => format!("{time}{}", zone(tz)),
        Known::DateTime(date, time, tz) => format!("{date} {time}{}", zone(tz)),
        Known::TimeDelta(delta) => timedelta_str(*delta),
        Known::TimeZone(offset, name) => match name.and_then(|name| name.document().text(name.id())) {
            Some(name) => name.to_string_lossy(),
            None if offset.total_microseconds() == 0 => String::from("UTC"),
            None => format!("UTC{offset}"),
        },
        Known::Decimal(number) => String::from(*number),
        Known::Fraction(numerator, denominator) if *denominator == 1.into() => integer(numerator),
        Known::Fraction(numerator, denominator) => {
            format!("{}/{}", integer(numerator), integer(denominator))
        }
        Known::Uuid(number) => uuid(*number),
        Known::Path(bytes) => text_of(bytes).to_string_lossy(),
        Known::Ip(address) => address.clone(),
        Known::ZoneInfo(key) => String::from(*key),
        _ => return None,
    })
}

/// The key of a zone, the path of its data behind `zoneinfo/`, or the name of its class.
fn zone_name(zone: NodeRef<'_, '_>) -> String {
    let Node::Object(object) = zone.view() else { return String::from("?") };
    if let Some(Known::ZoneInfo(key)) = object.known() {
        return String::from(key);
    }
    let words = object.args().iter().filter_map(|arg| match arg.view() {
        Node::Str(word) => Some(word.to_string_lossy()),
        _ => None,
    });
    let is_key = |key: &str| {
        key.len() <= 64 && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/_+-".contains(&byte))
    };
    for word in words.take(4) {
        let key = word.rsplit_once("zoneinfo/").map_or(&*word, |(_, key)| key);
        if key.contains('/') && !key.starts_with('/') && is_key(key) {
            return String::from(key);
        }
    }
    match object.shown_class_name() {
        Some((module, name)) => {
            format!("{}.{}", module.to_string_lossy(), name.to_string_lossy()).escape_debug().to_string()
        }
        None => String::from("?"),
    }
}

/// Decimal up to the digits that CPython prints, beyond that hexadecimal.
fn integer(value: &BigInt) -> String {
    if value.bits() <= MAX_DECIMAL_BITS { value.to_string() } else { format!("{value:#x}") }
}

/// `12345678-1234-1234-1234-123456789abc`.
pub(crate) fn uuid(number: u128) -> String {
    let hex = format!("{number:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}

fn text_of(bytes: &[u8]) -> Str<'_> {
    core::str::from_utf8(bytes).map_or(Str::Wtf8(bytes), Str::Utf8)
}

/// A text as `repr` writes it. What it is taken from was checked to be short or is a path.
fn quoted(text: Str<'_>) -> String {
    let mut out = String::new();
    let mut printer = Printer { out: &mut out, left: usize::MAX, ascii: false };
    match printer.text(text) {
        Ok(()) => out,
        Err(_) => String::from("'...'"),
    }
}

/// Python leaves the `.0` of whole parts out, and a real part of 0.
fn complex(real: f64, imaginary: f64) -> String {
    let part = |value: f64| {
        let mut text = String::new();
        if write_float(value, &mut text).is_err() {
            return text;
        }
        match text.strip_suffix(".0") {
            Some(whole) => String::from(whole),
            None => text,
        }
    };
    let imaginary_text = part(imaginary);
    if real == 0.0 && real.is_sign_positive() {
        return format!("{imaginary_text}j");
    }
    let sign = if imaginary_text.starts_with('-') { "" } else { "+" };
    format!("({}{sign}{imaginary_text}j)", part(real))
}

fn timedelta(micros: i64) -> TimeDelta {
    let (seconds, microseconds) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
    TimeDelta {
        days: i32::try_from(seconds.div_euclid(86_400)).unwrap_or_default(),
        seconds: u32::try_from(seconds.rem_euclid(86_400)).unwrap_or_default(),
        microseconds: u32::try_from(microseconds).unwrap_or_default(),
    }
}

fn timedelta_repr(delta: TimeDelta) -> String {
    let parts: Vec<String> = [
        ("days", i64::from(delta.days)),
        ("seconds", i64::from(delta.seconds)),
        ("microseconds", i64::from(delta.microseconds)),
    ]
    .iter()
    .filter(|(_, value)| *value != 0)
    .map(|(name, value)| format!("{name}={value}"))
    .collect();
    match parts.is_empty() {
        true => String::from("datetime.timedelta(0)"),
        false => format!("datetime.timedelta({})", parts.join(", ")),
    }
}

fn timedelta_str(delta: TimeDelta) -> String {
    let (hours, minutes, seconds) = (delta.seconds / 3600, delta.seconds / 60 % 60, delta.seconds % 60);
    let mut text = match delta.days {
        0 => String::new(),
        days @ (1 | -1) => format!("{days} day, "),
        days => format!("{days} days, "),
    };
    text.push_str(&format!("{hours}:{minutes:02}:{seconds:02}"));
    if delta.microseconds != 0 {
        text.push_str(&format!(".{:06}", delta.microseconds));
    }
    text
}
