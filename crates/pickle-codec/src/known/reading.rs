//! Typed readings of known objects, computed from arguments that were checked at decode.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};

use num_bigint::BigInt;

use super::calendar::{Date, Time, TimeDelta, UtcOffset, Zone};
use super::zone::{offset, timedelta, zone};
use super::{names, path};
use crate::document::{Document, Instance, Items, Kind, KnownClass, NodeId, NodeRef, Object, Pairs};
use crate::limits::MAX_INT_DIGITS;
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
        let document = self.document;
        let instance = &self.instance;
        let ids = document.items(instance.args);
        let arg = |place: usize| ids.get(place).copied();
        let three = || Some([0, 1, 2].map(|place| document.node(arg(place).unwrap_or(NodeId::NONE))));
        let pairs = || Pairs::of(document, instance.pairs);
        Some(match instance.known? {
            KnownClass::Complex => Known::Complex(float(document, arg(0)?)?, float(document, arg(1)?)?),
            KnownClass::OrderedDict => Known::OrderedDict(pairs()),
            KnownClass::DefaultDict => {
                let factory = arg(0).filter(|&factory| factory != NodeId::NONE);
                Known::DefaultDict(factory.map(|factory| document.node(factory)), pairs())
            }
            KnownClass::Counter => Known::Counter(pairs()),
            KnownClass::Deque => {
                let maxlen = arg(1).and_then(|maxlen| u64::try_from(small_int(document, maxlen)?).ok());
                let ids = document.items(instance.items);
                // What is too much falls off at the left, as it would when Python appends.
                let most = maxlen.and_then(|maxlen| usize::try_from(maxlen).ok()).unwrap_or(usize::MAX);
                let ids = ids.get(ids.len().saturating_sub(most)..).unwrap_or_default();
                Known::Deque(Items { document, ids }, maxlen)
            }
            KnownClass::Date => Known::Date(Date::read(packed(document, arg(0)?)?)?),
            KnownClass::Time => Known::Time(time(document, arg(0)?)?, zone(document, arg(1))),
            KnownClass::DateTime => {
                let (date, time) = datetime(document, arg(0)?)?;
                Known::DateTime(date, time, zone(document, arg(1)))
            }
            KnownClass::TimeDelta => Known::TimeDelta(timedelta(document, instance)?),
            KnownClass::TimeZone => {
                Known::TimeZone(offset(document, instance)?, arg(1).map(|name| document.node(name)))
            }
            KnownClass::Decimal => Known::Decimal(word(document, arg(0)?)?),
            KnownClass::Fraction => match arg(1) {
                Some(denominator) => {
                    Known::Fraction(integer(document, arg(0)?)?, integer(document, denominator)?)
                }
                None => {
                    let (numerator, denominator) = fraction_text(word(document, arg(0)?)?)?;
                    Known::Fraction(numerator.parse().ok()?, denominator.parse().ok()?)
                }
            },
            KnownClass::Uuid => Known::Uuid(unsigned(document, uuid_int(document, instance.state)?)?),
            KnownClass::PosixPath | KnownClass::WindowsPath => {
                let parts = ids.iter().filter_map(|&id| document.text(id)).map(Str::as_bytes);
                Known::Path(match instance.known {
                    Some(KnownClass::WindowsPath) => path::windows(parts),
                    _ => path::posix(parts),
                })
            }
            class @ (KnownClass::Ipv4Address
            | KnownClass::Ipv6Address
            | KnownClass::Ipv4Network
            | KnownClass::Ipv6Network
            | KnownClass::Ipv4Interface
            | KnownClass::Ipv6Interface) => Known::Ip(ip(document, class, arg(0)?)?),
            KnownClass::ZoneInfo => Known::ZoneInfo(word(document, arg(0)?)?),
            KnownClass::Range => Known::Range(three()?),
            KnownClass::Slice => Known::Slice(three()?),
            KnownClass::Exception => {
                // State that is no dict is not what an exception has; the whole is an object then.
                let state = self.state();
                if state.is_some_and(|state| state.id != NodeId::NONE && state.id.kind() != Kind::Dict)
                    || self.items().is_some()
                    || self.pairs().is_some()
                {
                    return None;
                }
                let state = state.filter(|state| state.id != NodeId::NONE);
                Known::Exception(self.shown_class_name()?, self.args(), state)
            }
            KnownClass::Enum => {
                let bare = self.state().is_none() && self.items().is_none() && self.pairs().is_none();
                Known::Enum(self.shown_class_name()?, document.node(arg(0).filter(|_| bare)?))
            }
            KnownClass::Instance => {
                if self.items().is_some() || self.pairs().is_some() {
                    return None;
                }
                Known::Instance(self.shown_class_name()?, document.node(arg(0)?), self.state())
            }
            _ => return None,
        })
    }
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
    match id.kind() {
        Kind::Big => {
            document.bigs.get(id.index()).map(|repr| crate::wire::number::big(document.bytes_of(*repr)))
        }
        _ => small_int(document, id).map(BigInt::from),
    }
}

/// A pickled time; the fold is in the hour's high bit.
pub(super) fn time(document: &Document<'_>, id: NodeId) -> Option<Time> {
    let mut bytes: [u8; 6] = packed(document, id)?;
    let fold = bytes[0] & 0x80 != 0;
    bytes[0] &= 0x7f;
    Time::read(bytes, fold)
}

/// A pickled datetime; the fold is in the month's high bit.
pub(super) fn datetime(document: &Document<'_>, id: NodeId) -> Option<(Date, Time)> {
    let [high, low, month, day, hour, minute, second, micros @ ..]: [u8; 10] = packed(document, id)?;
    let [high_micros, middle_micros, low_micros] = micros;
    let date = Date::read([high, low, month & 0x7f, day])?;
    let time = [hour, minute, second, high_micros, middle_micros, low_micros];
    Some((date, Time::read(time, month & 0x80 != 0)?))
}

/// `"3"` or `"-1/3"`, as numerator and denominator.
pub(super) fn fraction_text(text: &str) -> Option<(&str, &str)> {
    let (numerator, denominator) = text.split_once('/').unwrap_or((text, "1"));
    let is_number = |text: &str| {
        !text.is_empty() && text.len() <= MAX_INT_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let sound = is_number(numerator.strip_prefix('-').unwrap_or(numerator))
        && is_number(denominator)
        && denominator.bytes().any(|byte| byte != b'0');
    // `Fraction("2/4")` is 1/2, and no fraction is pickled like that.
    let reduced = || match (numerator.parse::<BigInt>(), denominator.parse::<BigInt>()) {
        (Ok(numerator), Ok(denominator)) => are_coprime(&numerator, &denominator),
        _ => false,
    };
    (sound && reduced()).then_some((numerator, denominator))
}

/// Bits of the longest numerator and denominator that are read: 4,300 digits.
const MAX_FRACTION_BITS: u64 = 14_285;

/// Whether two integers have no common divisor, as those of every `Fraction`.
pub(super) fn is_reduced(document: &Document<'_>, numerator: NodeId, denominator: NodeId) -> bool {
    match (integer(document, numerator), integer(document, denominator)) {
        (Some(numerator), Some(denominator)) => are_coprime(&numerator, &denominator),
        _ => false,
    }
}

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

/// The text of an address, network or interface; `None` if `ipaddress` would raise for it: a number too
/// large, a prefix beyond the bits that there are, host bits in a network, an empty scope.
pub(super) fn ip(document: &Document<'_>, class: KnownClass, id: NodeId) -> Option<String> {
    let is_v4 =
        matches!(class, KnownClass::Ipv4Address | KnownClass::Ipv4Network | KnownClass::Ipv4Interface);
    let is_address = matches!(class, KnownClass::Ipv4Address | KnownClass::Ipv6Address);
    if let Some(number) = unsigned(document, id) {
        return match (is_address, is_v4) {
            (false, _) => None,
            (_, true) => u32::try_from(number).ok().map(|bits| Ipv4Addr::from_bits(bits).to_string()),
            (_, false) => Some(Ipv6Addr::from_bits(number).to_string()),
        };
    }
    let text = word(document, id).filter(|text| text.len() <= 128)?;
    let (address, prefix) = match text.split_once('/') {
        None if is_address => (text, None),
        Some((address, prefix)) if !is_address => (address, Some(prefix)),
        _ => return None,
    };
    let most: u8 = if is_v4 { 32 } else { 128 };
    let prefix_fits = prefix.is_none_or(|prefix| {
        let digits = (1..=3).contains(&prefix.len()) && prefix.bytes().all(|byte| byte.is_ascii_digit());
        digits && prefix.parse::<u8>().is_ok_and(|prefix| prefix <= most)
    });
    let address_fits = if is_v4 {
        address.parse::<Ipv4Addr>().is_ok()
    } else {
        let (address, scope) =
            address.split_once('%').map_or((address, None), |(left, right)| (left, Some(right)));
        let scope_fits = scope.is_none_or(|scope| !scope.is_empty() && !scope.contains('%'));
        scope_fits && address.parse::<Ipv6Addr>().is_ok()
    };
    // A network has no bits beyond its prefix; CPython refuses it with them.
    let is_network = matches!(class, KnownClass::Ipv4Network | KnownClass::Ipv6Network);
    let host = || -> Option<u128> {
        let prefix = match prefix {
            Some(prefix) => prefix.parse::<u32>().ok()?,
            None => most.into(),
        };
        let bits = if is_v4 {
            u128::from(address.parse::<Ipv4Addr>().ok()?.to_bits())
        } else {
            let address = address.split_once('%').map_or(address, |(address, _)| address);
            address.parse::<Ipv6Addr>().ok()?.to_bits()
        };
        Some(bits & !u128::MAX.checked_shl(u32::from(most) - prefix).unwrap_or(0))
    };
    let fits = prefix_fits && address_fits && (!is_network || host() == Some(0));
    fits.then(|| String::from(text))
}

/// The class of the global that was called.
pub(crate) fn role(document: &Document<'_>, class: NodeId) -> Option<KnownClass> {
    document.global(class)?.1
}

pub(crate) fn is_global(document: &Document<'_>, id: NodeId) -> bool {
    document.global(id).is_some()
}

pub(crate) fn is_scalar(id: NodeId) -> bool {
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
pub(crate) fn unsigned(document: &Document<'_>, id: NodeId) -> Option<u128> {
    if id.kind() == Kind::Big {
        let bytes = document.bigs.get(id.index()).map(|repr| document.bytes_of(*repr))?;
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
pub(crate) fn packed<const N: usize>(document: &Document<'_>, id: NodeId) -> Option<[u8; N]> {
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
pub(crate) fn uuid_int(document: &Document<'_>, state: NodeId) -> Option<NodeId> {
    if state.kind() != Kind::Dict {
        return None;
    }
    let (pairs, _) = document.items(state).as_chunks::<2>();
    // CPython writes two keys at most, so a larger state is none of its own.
    let few = pairs.len() <= 2;
    let number = pairs.iter().find(|[key, _]| word(document, *key) == Some("int")).map(|[_, value]| *value);
    number.filter(|&number| few && unsigned(document, number).is_some())
}

/// What an object was read as.
pub(crate) fn reading_of(document: &Document<'_>, id: NodeId) -> Option<KnownClass> {
    document.instance(id)?.known
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
