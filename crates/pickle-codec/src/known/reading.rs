//! Typed readings of known objects, and with that which arguments of a call are read at all.
//!
//! One `match` decides both: a call stands under [`Globals::Known`](crate::Globals::Known) if the reading of its
//! arguments succeeds ([`is_sound`]), and the same reading is made again when somebody asks for it. So the arguments
//! are sound in kind and in value (a date exists, a network has no host bits), and a reading that was possible in the
//! decode is possible later.
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

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};

use num_bigint::{BigInt, Sign};

use super::calendar::{Date, Time, TimeDelta, UtcOffset, Zone};
use super::zone::{offset, timedelta, zone};
use super::{names, path};
use crate::document::{Document, Instance, Items, Kind, KnownClass, NodeId, NodeRef, Object, Pairs};
use crate::limits::MAX_INT_DIGITS;
use crate::wire::number;
use crate::wire::text::Str;

/// What a known object is, in Rust's terms. Made by [`Object::known`].
///
/// Class names are `(module, name)` as Python 3 has them.
///
/// A reading is computed when it is asked for, from arguments that were checked in the decode, and borrows
/// from the document. Nothing is normalised: a deque that holds more than its `maxlen` shows what Python
/// would keep, and that is the one exception.
///
/// ```
/// use pickle_codec::{DecodeOptions, Decoder, Globals, Known, Node};
/// let mut decoder = Decoder::with_options(DecodeOptions::new().globals(Globals::Known));
/// // pickle.dumps(collections.deque([1, 2], 5), 2)
/// let pickle = b"\x80\x02ccollections\ndeque\nq\x00)K\x05\x86q\x01Rq\x02(K\x01K\x02e.";
/// let document = decoder.decode(pickle)?;
/// let Node::Object(object) = document.root().view() else { panic!("not an object") };
/// let Some(Known::Deque(items, maxlen)) = object.known() else { panic!("not a deque") };
/// assert_eq!((items.len(), maxlen), (2, Some(5)));
/// # Ok::<(), pickle_codec::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Known<'d, 'a> {
    /// `complex`: real and imaginary part.
    Complex(f64, f64),
    /// `collections.OrderedDict`.
    OrderedDict(Pairs<'d, 'a>),
    /// `collections.defaultdict`: the global that makes missing values, and the pairs.
    DefaultDict(Option<NodeRef<'d, 'a>>, Pairs<'d, 'a>),
    /// `collections.Counter`.
    Counter(Pairs<'d, 'a>),
    /// `collections.deque`: the items, and the most that it holds. What is too much has fallen off at the left.
    Deque(Items<'d, 'a>, Option<u64>),
    /// `datetime.date`.
    Date(Date),
    /// `datetime.time`, and its zone if it is aware. The fold is in the [`Time`].
    Time(Time, Option<Zone<'d, 'a>>),
    /// `datetime.datetime`, and its zone if it is aware. A zone that is not an offset is kept as it is:
    /// this crate has no zone data and resolves none.
    DateTime(Date, Time, Option<Zone<'d, 'a>>),
    /// `datetime.timedelta`.
    TimeDelta(TimeDelta),
    /// `datetime.timezone`: the offset, and the name if it was given one.
    TimeZone(UtcOffset, Option<NodeRef<'d, 'a>>),
    /// `decimal.Decimal`: the number as Python writes it, such as `1.10`, `-1E+400`, `NaN` or `sNaN12`.
    Decimal(&'d str),
    /// `fractions.Fraction`: numerator and denominator, which have no common divisor; the denominator is
    /// above zero.
    Fraction(BigInt, BigInt),
    /// `uuid.UUID`: its number.
    Uuid(u128),
    /// `zoneinfo.ZoneInfo`: its key, such as `Europe/Berlin`.
    ZoneInfo(&'d str),
    /// A path of `pathlib`: its text, as WTF-8 because file names need not be Unicode.
    Path(Vec<u8>),
    /// An address, network or interface of `ipaddress`: its text. The class says which of them it is.
    Ip(String),
    /// `range`: start, stop and step.
    Range([NodeRef<'d, 'a>; 3]),
    /// `slice`: start, stop and step.
    Slice([NodeRef<'d, 'a>; 3]),
    /// A built-in exception, or one whose class the caller allowed: class, arguments and state.
    Exception((Str<'d>, Str<'d>), Items<'d, 'a>, Option<NodeRef<'d, 'a>>),
    /// A member of an enum of the standard library, or of a class that the caller allowed: class and value.
    /// Whether the enum has such a member is not known here.
    Enum((Str<'d>, Str<'d>), NodeRef<'d, 'a>),
    /// An instance of a subclass of a built-in type: class, value and state.
    Instance((Str<'d>, Str<'d>), NodeRef<'d, 'a>, Option<NodeRef<'d, 'a>>),
}

impl<'d, 'a> Object<'d, 'a> {
    /// What the object was read as.
    #[must_use]
    pub const fn known_class(self) -> Option<KnownClass> {
        self.instance.known
    }

    /// Module and name of the class as Python 3 has them, where the class is a global; a name that
    /// is not of the known types is as in the pickle.
    #[must_use]
    pub fn shown_class_name(self) -> Option<(Str<'d>, Str<'d>)> {
        global_name(self.document, self.instance.class)
    }

    /// The typed reading of a known object; `None` for every other one.
    ///
    /// ```
    /// use pickle_codec::{DecodeOptions, Decoder, Globals, Known, Node};
    /// let mut decoder = Decoder::with_options(DecodeOptions::new().globals(Globals::Known));
    /// let pickle = b"cdatetime\ndate\n(C\x04\x07\xea\x01\x02tR.";
    /// let document = decoder.decode(pickle)?;
    /// let Node::Object(object) = document.root().view() else { panic!("not an object") };
    /// let Some(Known::Date(date)) = object.known() else { panic!("not a date") };
    /// assert_eq!(date.to_string(), "2026-01-02");
    /// # Ok::<(), pickle_codec::Error>(())
    /// ```
    #[must_use]
    pub fn known(self) -> Option<Known<'d, 'a>> {
        let Self { document, instance, .. } = self;
        let class = instance.known?;
        let node = |id| document.node(id);
        let nodes = |[start, stop, step]: [NodeId; 3]| [node(start), node(stop), node(step)];
        let pairs = Pairs::of(document, instance.pairs);
        let is_filled = self.items().is_some() || self.pairs().is_some();
        Some(match (class, document.items(instance.args)) {
            (KnownClass::Complex, &[real, imaginary]) => {
                Known::Complex(float(document, real)?, float(document, imaginary)?)
            }
            (KnownClass::OrderedDict, _) => Known::OrderedDict(pairs),
            (KnownClass::DefaultDict, &[] | &[NodeId::NONE]) => Known::DefaultDict(None, pairs),
            (KnownClass::DefaultDict, &[factory]) if is_global(document, factory) => {
                Known::DefaultDict(Some(node(factory)), pairs)
            }
            (KnownClass::Counter, _) => Known::Counter(pairs),
            (KnownClass::Deque, args) => {
                let maxlen = args.get(1).and_then(|&maxlen| u64::try_from(small_int(document, maxlen)?).ok());
                let ids = document.items(instance.items);
                // What is too much falls off at the left, as it would when Python appends.
                let most = maxlen.and_then(|maxlen| usize::try_from(maxlen).ok()).unwrap_or(usize::MAX);
                let ids = ids.get(ids.len().saturating_sub(most)..).unwrap_or_default();
                Known::Deque(Items { document, ids }, maxlen)
            }
            (KnownClass::Date, &[bytes]) => Known::Date(Date::read(packed(document, bytes)?)?),
            (KnownClass::Time, &[bytes, ref rest @ ..]) => {
                Known::Time(time(document, bytes)?, zone(document, rest)?)
            }
            (KnownClass::DateTime, &[bytes, ref rest @ ..]) => {
                let (date, time) = datetime(document, bytes)?;
                Known::DateTime(date, time, zone(document, rest)?)
            }
            (KnownClass::TimeDelta, _) => Known::TimeDelta(timedelta(document, &instance)?),
            (KnownClass::TimeZone, &[_]) => Known::TimeZone(offset(document, &instance)?, None),
            (KnownClass::TimeZone, &[_, name]) if name.is_text() => {
                Known::TimeZone(offset(document, &instance)?, Some(node(name)))
            }
            (KnownClass::Decimal, &[text]) => {
                Known::Decimal(word(document, text).filter(|text| is_decimal(text))?)
            }
            (KnownClass::Fraction, _) => {
                let (numerator, denominator) = fraction(document, &instance)?;
                Known::Fraction(numerator, denominator)
            }
            (KnownClass::Uuid, _) => Known::Uuid(unsigned(document, uuid_int(document, instance.state)?)?),
            (KnownClass::PosixPath, parts) => Known::Path(path::posix(texts(document, parts))),
            (KnownClass::WindowsPath, parts) => Known::Path(path::windows(texts(document, parts))),
            (KnownClass::ZoneInfo, &[key, ref cached @ ..]) => {
                let is_flag = |id| matches!(id, NodeId::TRUE | NodeId::FALSE) || is_int(id);
                let sound = cached.len() <= 1 && cached.iter().all(|&id| is_flag(id));
                Known::ZoneInfo(word(document, key).filter(|key| sound && is_zone_key(key))?)
            }
            (KnownClass::Range, &[start, stop, step])
                if [start, stop, step].into_iter().all(is_int) && small_int(document, step) != Some(0) =>
            {
                Known::Range(nodes([start, stop, step]))
            }
            (KnownClass::Slice, &[start, stop, step]) => Known::Slice(nodes([start, stop, step])),
            (KnownClass::Exception, _) if !is_filled => {
                // State that is no dict is not what an exception has; the whole is an object then.
                let state = self.state().filter(|state| state.id != NodeId::NONE);
                if state.is_some_and(|state| state.id.kind() != Kind::Dict) {
                    return None;
                }
                Known::Exception(self.shown_class_name()?, self.args(), state)
            }
            (KnownClass::Enum, &[value]) if !is_filled && self.state().is_none() && is_scalar(value) => {
                Known::Enum(self.shown_class_name()?, node(value))
            }
            (KnownClass::Instance, &[value, ..]) if !is_filled => {
                Known::Instance(self.shown_class_name()?, node(value), self.state())
            }
            (class, &[address]) => Known::Ip(ip(document, class, address)?),
            _ => return None,
        })
    }
}

/// Whether the arguments of a call are what CPython writes for the class, in kind and in value, so that its
/// reading will not fail. Most are read for that; a path and a fraction are not, because to make one takes memory
/// and time that are for whoever asks for it: a shared part makes a long path of a short pickle.
pub(crate) fn is_sound(document: &Document<'_>, class: KnownClass, instance: &Instance) -> bool {
    match class {
        KnownClass::PosixPath | KnownClass::WindowsPath => {
            let len = |part: &NodeId| document.text(*part).map(|text| text.as_bytes().len());
            let mut parts = document.items(instance.args).iter();
            let whole = parts.try_fold(0_usize, |sum, part| sum.checked_add(len(part)?));
            whole.is_some_and(|whole| whole <= MAX_PATH)
        }
        KnownClass::Fraction => {
            let parts = fraction(document, instance);
            parts.is_some_and(|(numerator, denominator)| are_coprime(&numerator, &denominator))
        }
        _ => {
            let instance = Instance { known: Some(class), ..*instance };
            Object { document, id: NodeId::ABSENT, instance }.known().is_some()
        }
    }
}

/// The longest path that is read.
const MAX_PATH: usize = 1 << 20;

/// What a call of a class that the caller allowed looks like: an exception by its name, because PEP 8 asks for
/// these endings, a member of an enum by its one scalar argument. Any other call is a description. It decides how
/// the call is shown, never whether it may stand.
pub(crate) fn allowed_reading(document: &Document<'_>, instance: &Instance) -> Option<KnownClass> {
    let ([_, name], _) = document.global(instance.class)?;
    let name = document.text(name)?.as_str()?;
    if ["Error", "Exception", "Warning"].iter().any(|ending| name.ends_with(ending)) {
        return Some(KnownClass::Exception);
    }
    matches!(document.items(instance.args), &[value] if is_scalar(value)).then_some(KnownClass::Enum)
}

/// Whether objects of a class take APPENDS. One whose class is not known may.
pub(crate) fn takes_items(document: &Document<'_>, instance: &Instance) -> bool {
    matches!(instance.known, None | Some(KnownClass::Deque | KnownClass::Instance))
        || is_free(document, instance)
}

/// Whether objects of a class take SETITEMS. One whose class is not known may.
pub(crate) fn takes_pairs(document: &Document<'_>, instance: &Instance) -> bool {
    let known = instance.known;
    matches!(known, None | Some(KnownClass::OrderedDict | KnownClass::DefaultDict | KnownClass::Counter))
        || known == Some(KnownClass::Instance)
        || is_free(document, instance)
}

/// Whether a class is none of the standard library's, so that nothing is known of what its objects take.
fn is_free(document: &Document<'_>, instance: &Instance) -> bool {
    role(document, instance.class).is_none_or(|role| role == KnownClass::Allowed)
}

/// The name of a global, as Python 3 has it if it is known.
pub(crate) fn global_name<'d>(document: &'d Document<'_>, id: NodeId) -> Option<(Str<'d>, Str<'d>)> {
    let ([module, name], known) = document.global(id)?;
    Some(names::shown(known, document.text(module)?, document.text(name)?))
}

fn float(document: &Document<'_>, id: NodeId) -> Option<f64> {
    match id.kind() {
        Kind::Float => document.floats.get(id.index()).copied(),
        _ => None,
    }
}

fn integer(document: &Document<'_>, id: NodeId) -> Option<BigInt> {
    document.big(id).map(number::big).or_else(|| small_int(document, id).map(BigInt::from))
}

/// A pickled time; the fold is in the hour's high bit.
fn time(document: &Document<'_>, id: NodeId) -> Option<Time> {
    let mut bytes: [u8; 6] = packed(document, id)?;
    let fold = bytes[0] & 0x80 != 0;
    bytes[0] &= 0x7f;
    Time::read(bytes, fold)
}

/// A pickled datetime; the fold is in the month's high bit.
fn datetime(document: &Document<'_>, id: NodeId) -> Option<(Date, Time)> {
    let [high, low, month, day, hour, minute, second, micros @ ..]: [u8; 10] = packed(document, id)?;
    let [high_micros, middle_micros, low_micros] = micros;
    let date = Date::read([high, low, month & 0x7f, day])?;
    let time = [hour, minute, second, high_micros, middle_micros, low_micros];
    Some((date, Time::read(time, month & 0x80 != 0)?))
}

/// The texts of a path's parts.
fn texts<'d>(document: &'d Document<'_>, parts: &'d [NodeId]) -> impl Iterator<Item = &'d [u8]> {
    parts.iter().filter_map(|&id| document.text(id)).map(Str::as_bytes)
}

/// Numerator and denominator of a fraction: two integers, or as text `"3"` or `"-1/3"`. That they have no common
/// divisor (`Fraction("2/4")` is 1/2, and no fraction is pickled like that) is for [`is_sound`] to see.
fn fraction(document: &Document<'_>, instance: &Instance) -> Option<(BigInt, BigInt)> {
    let (numerator, denominator) = match *document.items(instance.args) {
        [text] => {
            let text = word(document, text)?;
            let (numerator, denominator) = text.split_once('/').unwrap_or((text, "1"));
            let number = |text: &str| {
                let fits = is_digits(text) && text.len() <= MAX_INT_DIGITS;
                if fits { text.parse::<BigInt>().ok() } else { None }
            };
            match numerator.strip_prefix('-') {
                Some(numerator) => (-number(numerator)?, number(denominator)?),
                None => (number(numerator)?, number(denominator)?),
            }
        }
        [numerator, denominator] => (integer(document, numerator)?, integer(document, denominator)?),
        _ => return None,
    };
    (denominator.sign() == Sign::Plus).then_some((numerator, denominator))
}

/// Bits of the longest numerator and denominator that are read: 4,300 digits.
const MAX_FRACTION_BITS: u64 = 14_285;

/// Whether two integers have no common divisor: Euclid, in machine words where they fit.
fn are_coprime(numerator: &BigInt, denominator: &BigInt) -> bool {
    if numerator.bits().max(denominator.bits()) > MAX_FRACTION_BITS {
        return false;
    }
    if let (Ok(mut left), Ok(mut right)) =
        (u64::try_from(numerator.magnitude()), u64::try_from(denominator.magnitude()))
    {
        while right != 0 {
            (left, right) = (right, left % right);
        }
        return left == 1;
    }
    let (mut left, mut right) = (numerator.magnitude().clone(), denominator.magnitude().clone());
    while right.bits() != 0 {
        let rest = left % &right;
        (left, right) = (right, rest);
    }
    left == 1_u8.into()
}

/// The text of an address, network or interface; `None` for every other class, and if `ipaddress` would raise for
/// it: a number too large, a prefix beyond the bits that there are, host bits in a network, an empty scope.
fn ip(document: &Document<'_>, class: KnownClass, id: NodeId) -> Option<String> {
    let (most, is_address, is_network) = match class {
        KnownClass::Ipv4Address => (32, true, false),
        KnownClass::Ipv4Network => (32, false, true),
        KnownClass::Ipv4Interface => (32, false, false),
        KnownClass::Ipv6Address => (128, true, false),
        KnownClass::Ipv6Network => (128, false, true),
        KnownClass::Ipv6Interface => (128, false, false),
        _ => return None,
    };
    if let Some(number) = unsigned(document, id) {
        return match (is_address, most) {
            (false, _) => None,
            (_, 32) => u32::try_from(number).ok().map(|bits| Ipv4Addr::from_bits(bits).to_string()),
            _ => Some(Ipv6Addr::from_bits(number).to_string()),
        };
    }
    let text = word(document, id).filter(|text| text.len() <= 128)?;
    let (address, prefix) = match text.split_once('/') {
        None if is_address => (text, most),
        Some((address, prefix)) if !is_address && is_digits(prefix) && prefix.len() <= 3 => {
            (address, prefix.parse::<u32>().ok()?)
        }
        _ => return None,
    };
    let bits = if most == 32 {
        u128::from(address.parse::<Ipv4Addr>().ok()?.to_bits())
    } else {
        let (address, scope) = address.split_once('%').unwrap_or((address, "none"));
        address.parse::<Ipv6Addr>().ok().filter(|_| !scope.is_empty() && !scope.contains('%'))?.to_bits()
    };
    // A network has no bits beyond its prefix; CPython refuses it with them.
    let host = bits & !u128::MAX.checked_shl(most.checked_sub(prefix)?).unwrap_or(0);
    (!is_network || host == 0).then(|| String::from(text))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a text can be the key of a zone: a path below the folder of zones.
fn is_zone_key(key: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-+.".contains(&byte);
    let is_part = |part: &str| !part.is_empty() && !part.starts_with('.') && part.bytes().all(is_plain);
    key.len() <= 255 && key.split('/').all(is_part)
}

/// Whether a text is a number as `str(Decimal)` spells it.
fn is_decimal(text: &str) -> bool {
    let body = text.strip_prefix('-').unwrap_or(text);
    if let Some(payload) = body.strip_prefix("sNaN").or_else(|| body.strip_prefix("NaN")) {
        return payload.is_empty() || is_digits(payload);
    }
    let (mantissa, exponent) = body.split_once('E').unwrap_or((body, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    let are_digits = [whole, fraction, exponent].into_iter().all(is_digits) && exponent.len() <= 19;
    are_digits || body == "Infinity"
}

/// The class of the global that was called.
pub(crate) fn role(document: &Document<'_>, class: NodeId) -> Option<KnownClass> {
    document.global(class)?.1
}

pub(crate) fn is_global(document: &Document<'_>, id: NodeId) -> bool {
    document.global(id).is_some()
}

fn is_scalar(id: NodeId) -> bool {
    id != NodeId::EMPTY_TUPLE && !id.is_container() && id.kind() != Kind::ByteArray && id != NodeId::ABSENT
}

/// A word of ASCII, in text or in Python 2's bytes.
pub(crate) fn word<'d>(document: &'d Document<'_>, id: NodeId) -> Option<&'d str> {
    let word = match document.text(id) {
        Some(text) => text.as_str()?,
        None => core::str::from_utf8(document.byte_string(id)?).ok()?,
    };
    word.is_ascii().then_some(word)
}

/// An integer that fits `i64`; a bool is none.
pub(crate) fn small_int(document: &Document<'_>, id: NodeId) -> Option<i64> {
    match id.kind() {
        Kind::Small => Some(id.small_value()),
        Kind::Int => document.ints.get(id.index()).copied(),
        _ => None,
    }
}

pub(crate) fn is_int(id: NodeId) -> bool {
    matches!(id.kind(), Kind::Small | Kind::Int | Kind::Big)
}

/// A number that is not negative and fits `u128`.
fn unsigned(document: &Document<'_>, id: NodeId) -> Option<u128> {
    if let Some(bytes) = document.big(id) {
        let magnitude = match bytes {
            [magnitude @ .., 0] => magnitude,
            [.., top] if *top < 0x80 => bytes,
            _ => return None,
        };
        let mut all = [0; 16];
        all.get_mut(..magnitude.len())?.copy_from_slice(magnitude);
        return Some(u128::from_le_bytes(all));
    }
    u128::try_from(small_int(document, id)?).ok()
}

/// The packed bytes of a date or time: bytes, or the text that Python 2's `str` became.
///
/// Python 2 pickles them as `str`, which is text or bytes by [`Py2Str`](crate::Py2Str). All three readings of the
/// same pickle give the same date.
fn packed<const N: usize>(document: &Document<'_>, id: NodeId) -> Option<[u8; N]> {
    let Some(text) = document.text(id) else { return document.byte_string(id)?.try_into().ok() };
    // Python 2's `str` was read as UTF-8 if its bytes allowed it, or as Latin-1; the length tells which.
    if let Ok(bytes) = text.as_bytes().try_into() {
        return Some(bytes);
    }
    let mut bytes = [0; N];
    let mut points = text.code_points();
    for byte in &mut bytes {
        *byte = u8::try_from(points.next()?).ok()?;
    }
    points.next().is_none().then_some(bytes)
}

/// The node of a UUID's number in its state.
fn uuid_int(document: &Document<'_>, state: NodeId) -> Option<NodeId> {
    if state.kind() != Kind::Dict {
        return None;
    }
    let (pairs, _) = document.items(state).as_chunks::<2>();
    // CPython writes two keys at most, so a larger state is none of its own.
    let few = pairs.len() <= 2;
    let number = pairs.iter().find(|[key, _]| word(document, *key) == Some("int")).map(|[_, value]| *value);
    number.filter(|&number| few && unsigned(document, number).is_some())
}

/// What makes an object equal to another one of its class, or `None` if only being the same object does: a
/// UUID's number, the arguments of a date. Exceptions and what is only described are compared by identity, as
/// Python does where a class has no `__eq__`.
pub(crate) fn equality_parts(document: &Document<'_>, instance: &Instance) -> Option<NodeId> {
    match instance.known? {
        KnownClass::Uuid => uuid_int(document, instance.state),
        KnownClass::Exception => None,
        _ if instance.state != NodeId::ABSENT => None,
        _ => Some(instance.args),
    }
}

/// What an object is read as once BUILD has given it this state; `None` if it is then only described.
pub(crate) fn with_state(document: &Document<'_>, instance: &Instance, state: NodeId) -> Option<KnownClass> {
    instance.known.filter(|known| match known {
        KnownClass::Uuid => uuid_int(document, state).is_some(),
        KnownClass::Exception | KnownClass::Enum
            if role(document, instance.class).is_none_or(|role| role == KnownClass::Allowed) =>
        {
            true
        }
        KnownClass::Exception => state.kind() == Kind::Dict || state == NodeId::NONE,
        KnownClass::OrderedDict => state.kind() == Kind::Dict,
        KnownClass::Instance => true,
        _ => false,
    })
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
