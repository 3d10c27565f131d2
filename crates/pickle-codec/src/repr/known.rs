//! The `repr` and `str` of the known types, as CPython 3.13 prints them.
//!
//! A type that holds other objects (a deque, an exception, a datetime with a zone) gives [`PrintTask`]s that
//! the walk does; any other one is a word. What the pickle does not say cannot be printed: an enum member
//! prints as a call with its value, for its name is not there, and so does a class that is only described.
//!
//! ```text
//!                     repr                                              str
//! date, time          datetime.date(2026, 1, 2)                         2026-01-02
//! datetime            datetime.datetime(2026, 1, 2, 3, 4, tzinfo=...)   2026-01-02 03:04:00+00:00
//! timedelta           datetime.timedelta(days=-1, seconds=5)            -1 day, 0:00:05
//! timezone            datetime.timezone.utc                             UTC
//! Decimal, Fraction   Decimal('1.10'), Fraction(1, 3)                   1.10, 1/3
//! UUID, path, IP      UUID('...'), PosixPath('/a'), IPv4Address('::1')  the text alone
//! deque               deque([1, 2], maxlen=5)                           the same
//! Counter             Counter({'b': 2, 'a': 1}), the highest first      the same
//! enum member         HTTPStatus(404)                                   404
//! exception           ValueError('x')                                   x
//! subclass of str     'x'                                               x
//! ```
//!
//! Sources: `__repr__` and `__str__` in `Lib/_pydatetime.py`, `Lib/fractions.py`, `Lib/pathlib.py`,
//! `Lib/collections/__init__.py` and `Lib/enum.py`; `complex_repr`, `BaseException_str`, `OSError_str` and
//! `UnicodeDecodeError_str` in `Objects/`.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use num_bigint::BigInt;

use super::exception::{exception_str, is_os_error, os_error, os_file};
use super::names::quoted;
use super::parts::KnownParts;
use super::task::{PrintStyle, PrintTask};
use crate::document::{KnownClass, Node, NodeId, NodeRef, Object};
use crate::known::{Date, Known, Time, TimeDelta, Zone};
use crate::wire::float::write_float;
use crate::wire::number::MAX_DECIMAL_BITS;
use crate::wire::text::Str;

/// What `repr` prints of a known object; `None` if the reading fails, so that it is an object like any.
///
/// Classes that hold other objects come first, by their arguments; all others print a word, which is made from
/// their reading. A name is printed without the classes around it, as `__class__.__name__` is.
pub(super) fn repr(object: Object<'_, '_>) -> Option<Vec<PrintTask>> {
    let object = KnownParts::of(object)?;
    let name = object.name();
    let bare = String::from(name.rsplit('.').next().unwrap_or_default());
    let args = |count: usize| (0..count).map_while(|place| object.arg(place)).map(PrintTask::Repr);
    let or = |part: Option<NodeId>, none: &'static str| part.map_or(PrintTask::Text(none), PrintTask::Repr);
    Some(match object.class {
        KnownClass::OrderedDict => PrintTask::call(bare, object.pairs().map(PrintTask::Repr)),
        KnownClass::Counter => PrintTask::call(bare, object.pairs().map(PrintTask::Counts)),
        KnownClass::DefaultDict => {
            PrintTask::call(bare, [or(object.arg(0), "None"), or(object.pairs(), "{}")])
        }
        KnownClass::Deque => {
            let most = object.int(1).map(|most| PrintTask::text(format!("maxlen={most}")));
            PrintTask::call(bare, [or(object.items(), "[]")].into_iter().chain(most))
        }
        KnownClass::Range => PrintTask::call(bare, args(if object.int(2) == Some(1) { 2 } else { 3 })),
        KnownClass::Slice => PrintTask::call(bare, args(3)),
        // The file names of an OSError are not among its arguments.
        KnownClass::Exception if is_os_error(object, &name) && (2..=5).contains(&object.args_len()) => {
            let made = object.int(0).filter(|_| name == "OSError").map(os_error);
            let shown = if os_file(object).is_some() { 2 } else { 5 };
            PrintTask::call(made.map_or(bare, String::from), args(shown))
        }
        KnownClass::Exception => {
            PrintTask::call(bare, [PrintTask::Places(object.args(), 0, PrintStyle::Bare)])
        }
        // The member's own name is not in the pickle.
        KnownClass::Enum => match regex_flag(object) {
            Some(flags) => word(flags),
            None => PrintTask::call(bare, [PrintTask::Repr(object.arg(0)?)]),
        },
        KnownClass::Instance => {
            let class = PrintTask::text(if is_tuple(object) { bare } else { String::new() });
            Vec::from([class, PrintTask::Repr(object.arg(0)?)])
        }
        _ => match object.object.known()? {
            Known::Date(date) => word(format!("datetime.date({})", date_fields(date))),
            Known::DateTime(date, time, zone) => {
                // The C implementation writes the fold before the zone here, and behind it in `time`.
                let fold = if time.fold { ", fold=1" } else { "" };
                let head = format!("datetime.datetime({}, {}{fold}", date_fields(date), time_fields(time));
                zoned(head, object.arg(1).filter(|_| zone.is_some()), ")")
            }
            Known::Time(time, zone) => {
                let head = format!("datetime.time({}", time_fields(time));
                let tail = if time.fold { ", fold=1)" } else { ")" };
                zoned(head, object.arg(1).filter(|_| zone.is_some()), tail)
            }
            other => word(scalar_repr(&other, &bare)?),
        },
    })
}

fn word(text: String) -> Vec<PrintTask> {
    Vec::from([PrintTask::text(text)])
}

/// A time with its zone, which is any node, and what stands behind that.
fn zoned(head: String, zone: Option<NodeId>, tail: &'static str) -> Vec<PrintTask> {
    let zone = zone.into_iter().flat_map(|zone| [PrintTask::Text(", tzinfo="), PrintTask::Repr(zone)]);
    word(head).into_iter().chain(zone).chain([PrintTask::Text(tail)]).collect()
}

/// Year, month and day as arguments.
fn date_fields(date: Date) -> String {
    format!("{}, {}, {}", date.year, date.month, date.day)
}

/// The time of day as arguments: seconds and microseconds only if they are not zero.
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
            let label = label.map_or_else(String::new, |label| format!(", {}", quoted(label, usize::MAX)));
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
                return Some(format!("{name}({})", quoted(text_of(&slashed), usize::MAX)));
            }
            format!("{name}({})", quoted(text_of(bytes), usize::MAX))
        }
        Known::Ip(address) => format!("{name}({})", quoted(Str::Utf8(address), usize::MAX)),
        Known::ZoneInfo(key) => format!("zoneinfo.ZoneInfo(key='{key}')"),
        _ => return None,
    })
}

/// What `str` prints of a known object; `None` if it is its `repr`.
pub(super) fn str_tasks(object: Object<'_, '_>) -> Option<Vec<PrintTask>> {
    let object = KnownParts::of(object)?;
    match object.class {
        KnownClass::Instance if is_tuple(object) => None,
        KnownClass::Enum | KnownClass::Instance => Some(match regex_flag(object) {
            Some(flags) => word(flags),
            None => Vec::from([PrintTask::Str(object.arg(0)?)]),
        }),
        KnownClass::Exception => Some(exception_str(object)),
        _ => scalar_str(&object.object.known()?).map(word),
    }
}

/// Whether an instance is of a subclass of `tuple`: nearly always a namedtuple, which prints with its class, and whose
/// field names are not in the pickle.
fn is_tuple(object: KnownParts<'_, '_>) -> bool {
    matches!(object.view(0), Some(Node::Tuple(_)))
}

/// As in `re.IGNORECASE|re.MULTILINE`: a member of `re.RegexFlag`, which prints the names of its bits in the order of their definition and the
/// others as a number; `None` for a member of any other enum.
fn regex_flag(object: KnownParts<'_, '_>) -> Option<String> {
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
    let set = NAMES.iter().filter(|(bit, _)| value & bit != 0);
    let rest = set.clone().fold(value, |rest, (bit, _)| rest & !bit);
    let mut names: Vec<String> = set.map(|(_, name)| format!("re.{name}")).collect();
    if names.is_empty() {
        return Some(format!("re.RegexFlag({value})"));
    }
    names.extend((rest != 0).then(|| format!("{rest:#x}")));
    Some(names.join("|"))
}

/// The `str` of what holds no other objects; `None` if it is the `repr`.
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

/// Decimal up to the digits that CPython prints, beyond that hexadecimal, which takes linear time.
fn integer(value: &BigInt) -> String {
    if value.bits() <= MAX_DECIMAL_BITS { value.to_string() } else { format!("{value:#x}") }
}

/// `12345678-1234-1234-1234-123456789abc`.
pub(crate) fn uuid(number: u128) -> String {
    let hex = format!("{number:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}

/// A path as text, which need not be Unicode.
fn text_of(bytes: &[u8]) -> Str<'_> {
    core::str::from_utf8(bytes).map_or(Str::Wtf8(bytes), Str::Utf8)
}

/// As in `(1+2j)` and `-1.5j` (`complex_repr`): Python leaves the `.0` of whole parts out, and a real part of 0
/// unless it is -0.0.
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

/// An offset as Python keeps a `timedelta`: seconds and microseconds are never negative, days are.
fn timedelta(micros: i64) -> TimeDelta {
    let (seconds, microseconds) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
    TimeDelta {
        days: i32::try_from(seconds.div_euclid(86_400)).unwrap_or_default(),
        seconds: u32::try_from(seconds.rem_euclid(86_400)).unwrap_or_default(),
        microseconds: u32::try_from(microseconds).unwrap_or_default(),
    }
}

/// Only the fields that are not zero, by name.
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

/// `-1 day, 23:59:59.000001`.
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
