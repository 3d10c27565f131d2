//! Which arguments CPython writes for an object of a known class: any other call has no reading.
//!
//! The forms, as CPython 2.7 and 3.6 to 3.13 write them (`__reduce__` and `__reduce_ex__` of each class, in the
//! file named):
//!
//! | class | call | source |
//! |---|---|---|
//! | complex | `complex(1.5, -0.0)` | `copyreg.pickle_complex` |
//! | date | `date(b"\x07\xea\x01\x02")`: year big-endian, month, day | `Lib/_pydatetime.py` |
//! | time | `time(6 bytes)`, `time(6 bytes, zone)`; the fold is the hour's high bit, protocol 4 and up | the same |
//! | datetime | `datetime(10 bytes)`, with a zone behind; the fold is the month's high bit | the same |
//! | timedelta, timezone | `timedelta(days, seconds, microseconds)`, `timezone(delta)`, `timezone(delta, name)` | the same |
//! | ZoneInfo | `getattr(ZoneInfo, "_unpickle")(key, from_cache)`, `ZoneInfo._unpickle` | `Lib/zoneinfo/_zoneinfo.py` |
//! | Decimal | `Decimal("1.10")` | `Lib/_pydecimal.py` |
//! | Fraction | `Fraction("1/3")`; since 3.12 `Fraction(1, 3)` | `Lib/fractions.py` |
//! | UUID | `UUID.__new__()` with the state `{"int": 5}`, and `"is_safe"` where it is known | `Lib/uuid.py` |
//! | paths | `PosixPath("/", "a")`: parsed parts; since 3.12 the strings that the path was made of | `Lib/pathlib.py` |
//! | addresses | `IPv4Address(167772161)`; networks and interfaces by text | `Lib/ipaddress.py` |
//! | range, slice | `range(0, 5, 1)`, `slice(None, 5, None)` | `Objects/rangeobject.c`, `Objects/sliceobject.c` |
//! | OrderedDict | `OrderedDict()` and SETITEMS; in 2.7 `OrderedDict([[key, value], ...])` | `Objects/odictobject.c` |
//! | defaultdict, Counter | `defaultdict(factory)` and SETITEMS, `Counter({...})` | `Modules/_collectionsmodule.c` |
//! | deque | `deque((), maxlen)` and APPENDS; in 2.7 `deque([...], maxlen)` | the same |
//! | exceptions | `ValueError(*args)`, with the attributes as state | `Objects/exceptions.c` |
//! | enums | `HTTPStatus(404)`; in 3.6 to 3.10 also a bare name, in 3.11 `getattr(HTTPStatus, "OK")` | `Lib/enum.py` |
//! | instances | `copyreg._reconstructor(class, base, value)`, protocols 0 and 1 | `Lib/copyreg.py` |

use super::calendar::Date;
use super::names;
use super::reading::{self, is_global, is_int, is_scalar, packed, role, small_int, word};
use super::zone;
use crate::document::{Document, Instance, Kind, KnownClass, NodeId};

/// The longest path that is read, because a shared part makes a long path of a short pickle.
const MAX_PATH: usize = 1 << 20;

/// The first three arguments of a call, and how many there are.
#[derive(Clone, Copy)]
pub(crate) struct Args {
    pub(crate) first: NodeId,
    pub(crate) second: NodeId,
    pub(crate) third: NodeId,
    pub(crate) len: usize,
}

impl Args {
    pub(crate) fn of(document: &Document<'_>, tuple: NodeId) -> Self {
        let items = document.items(tuple);
        let get = |place| items.get(place).copied().unwrap_or(NodeId::ABSENT);
        Self { first: get(0), second: get(1), third: get(2), len: items.len() }
    }
}

/// What a call of a class that the caller allowed looks like: an exception by its name, a member of an enum by
/// its one scalar argument. Any other call is a description.
pub(crate) fn allowed_reading(
    document: &Document<'_>,
    instance: &Instance,
    args: Args,
) -> Option<KnownClass> {
    let ([_, name], _) = document.global(instance.class)?;
    let name = document.text(name)?.as_str()?;
    if names::names_an_exception(name) {
        return Some(KnownClass::Exception);
    }
    (args.len == 1 && is_scalar(args.first)).then_some(KnownClass::Enum)
}

/// Whether the arguments of a call are what CPython writes for the class, in kind and in value: a date is a
/// date that exists, a network has no host bits, a fraction is reduced. So a reading that is computed later
/// from the same arguments cannot fail.
pub(crate) fn is_sound(document: &Document<'_>, class: KnownClass, instance: &Instance, args: Args) -> bool {
    let items = document.items(instance.args);
    match class {
        KnownClass::Complex => {
            args.len == 2 && args.first.kind() == Kind::Float && args.second.kind() == Kind::Float
        }
        KnownClass::DefaultDict => {
            args.len == 0
                || (args.len == 1 && (args.first == NodeId::NONE || is_global(document, args.first)))
        }
        KnownClass::Date => args.len == 1 && packed(document, args.first).and_then(Date::read).is_some(),
        KnownClass::Time => {
            (1..=2).contains(&args.len)
                && reading::time(document, args.first).is_some()
                && (args.len == 1 || is_zone(document, args.second))
        }
        KnownClass::DateTime => {
            (1..=2).contains(&args.len)
                && reading::datetime(document, args.first).is_some()
                && (args.len == 1 || is_zone(document, args.second))
        }
        KnownClass::TimeDelta => args.len == 3 && zone::timedelta(document, instance).is_some(),
        KnownClass::TimeZone => {
            (1..=2).contains(&args.len)
                && (args.len == 1 || document.text(args.second).is_some())
                && zone::offset(document, instance).is_some()
        }
        KnownClass::Decimal => args.len == 1 && word(document, args.first).is_some_and(is_decimal),
        KnownClass::Fraction => match args.len {
            1 => word(document, args.first).and_then(reading::fraction_text).is_some(),
            2 => {
                let positive = match args.second.kind() {
                    Kind::Big => document
                        .bigs
                        .get(args.second.index())
                        .is_some_and(|repr| document.bytes_of(*repr).last().is_some_and(|&top| top < 0x80)),
                    _ => small_int(document, args.second).is_some_and(|value| value > 0),
                };
                is_int(args.first) && positive && reading::is_reduced(document, args.first, args.second)
            }
            _ => false,
        },
        KnownClass::PosixPath | KnownClass::WindowsPath => {
            let len = |part: &NodeId| document.text(*part).map(|text| text.as_bytes().len());
            let whole = items.iter().try_fold(0_usize, |sum, part| sum.checked_add(len(part)?));
            whole.is_some_and(|whole| whole <= MAX_PATH)
        }
        KnownClass::Ipv4Address
        | KnownClass::Ipv6Address
        | KnownClass::Ipv4Network
        | KnownClass::Ipv6Network
        | KnownClass::Ipv4Interface
        | KnownClass::Ipv6Interface => args.len == 1 && reading::ip(document, class, args.first).is_some(),
        KnownClass::Range => {
            let step = document.items(instance.args).get(2).copied();
            args.len == 3
                && items.iter().all(|&item| is_int(item))
                && step.and_then(|step| small_int(document, step)) != Some(0)
        }
        KnownClass::Slice => args.len == 3,
        KnownClass::ZoneInfo => {
            (1..=2).contains(&args.len)
                && word(document, args.first).is_some_and(is_zone_key)
                && (args.len == 1
                    || matches!(args.second, NodeId::TRUE | NodeId::FALSE)
                    || is_int(args.second))
        }
        KnownClass::Exception => true,
        KnownClass::Enum => args.len == 1 && is_scalar(args.first),
        _ => false,
    }
}

fn is_zone(document: &Document<'_>, id: NodeId) -> bool {
    if id == NodeId::NONE {
        return true;
    }
    // A class that the caller allowed, or any under `Globals::Inert`, may be a `tzinfo`.
    document.instance(id).is_some_and(|zone| {
        matches!(
            zone.known,
            None | Some(KnownClass::TimeZone | KnownClass::ZoneInfo | KnownClass::Enum | KnownClass::Allowed)
        )
    })
}

/// Whether a text can be the key of a zone: a path below the folder of zones.
fn is_zone_key(key: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'+' | b'.'))
    };
    key.len() <= 255 && key.split('/').all(is_part)
}

/// Whether a text is a number as `str(Decimal)` spells it.
fn is_decimal(text: &str) -> bool {
    let body = text.strip_prefix('-').unwrap_or(text);
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if body == "Infinity" {
        return true;
    }
    if let Some(payload) = body.strip_prefix("sNaN").or_else(|| body.strip_prefix("NaN")) {
        return digits(payload);
    }
    let (mantissa, exponent) = body.split_once('E').map_or((body, None), |(left, right)| (left, Some(right)));
    let (whole, fraction) =
        mantissa.split_once('.').map_or((mantissa, None), |(left, right)| (left, Some(right)));
    let exponent_fits = exponent.is_none_or(|exponent| {
        let number = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !number.is_empty() && number.len() <= 19 && digits(number)
    });
    !whole.is_empty()
        && digits(whole)
        && fraction.is_none_or(|fraction| !fraction.is_empty() && digits(fraction))
        && exponent_fits
}

/// Whether objects of a class take APPENDS. One whose class is not known may.
pub(crate) fn takes_items(document: &Document<'_>, instance: &Instance) -> bool {
    match instance.known {
        None | Some(KnownClass::Deque | KnownClass::Instance) => true,
        Some(_) => role(document, instance.class).is_none_or(|role| role == KnownClass::Allowed),
    }
}

/// Whether objects of a class take SETITEMS. One whose class is not known may.
pub(crate) fn takes_pairs(document: &Document<'_>, instance: &Instance) -> bool {
    match instance.known {
        None | Some(KnownClass::OrderedDict | KnownClass::DefaultDict | KnownClass::Counter) => true,
        Some(KnownClass::Instance) => true,
        Some(_) => role(document, instance.class).is_none_or(|role| role == KnownClass::Allowed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_rows() {
        let rows = [
            ("1.10", true),
            ("-0", true),
            ("1E+400", true),
            ("1E-7", true),
            ("NaN", true),
            ("-sNaN5", true),
            ("Infinity", true),
            ("-Infinity", true),
            ("0E-10", true),
            ("", false),
            ("-", false),
            (".5", false),
            ("5.", false),
            ("1e5x", false),
            ("1E", false),
            (" 1", false),
            ("1_0", false),
            ("inf", false),
            ("NaNx", false),
            ("__import__('os')", false),
            ("1E99999999999999999999", false),
        ];
        for (text, expected) in rows {
            assert_eq!(is_decimal(text), expected, "{text}");
        }
    }
}
