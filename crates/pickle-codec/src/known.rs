//! The standard-library types that are plain data: the shapes that are read, their arguments checked.
//!
//! Nothing here calls anything. A shape is what CPython 2.7 and 3.6 to 3.13 writes for an object of
//! the type; any other call of the same name has no reading, which [`Globals::Known`] refuses.
//!
//! [`Globals::Known`]: crate::Globals::Known

mod calendar;
mod names;
mod path;
mod reading;

pub use calendar::{Date, Time, TimeDelta, UtcOffset, Zone};
pub(crate) use names::{lookup, shown};
pub use reading::Known;
#[cfg(feature = "json")]
pub(crate) use reading::global_name;

use crate::builder::Builder;
use crate::document::{BytesRepr, Document};
use crate::error::ErrorKind;
use crate::id::{Kind, NodeId};
use crate::object::{Construct, Instance, ObjectRepr};
use crate::text::Str;

/// What a name of Python's standard library stands for, or what an object was read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KnownClass {
    /// `_codecs.encode`, by which protocols 0 to 2 spell bytes.
    Encode,
    /// `bytes`.
    Bytes,
    /// `bytearray`.
    ByteArray,
    /// `set`.
    Set,
    /// `frozenset`.
    FrozenSet,
    /// `complex`.
    Complex,
    /// `collections.OrderedDict`.
    OrderedDict,
    /// `collections.defaultdict`.
    DefaultDict,
    /// `collections.Counter`.
    Counter,
    /// `collections.deque`.
    Deque,
    /// `datetime.date`.
    Date,
    /// `datetime.time`.
    Time,
    /// `datetime.datetime`.
    DateTime,
    /// `datetime.timedelta`.
    TimeDelta,
    /// `datetime.timezone`.
    TimeZone,
    /// `decimal.Decimal`.
    Decimal,
    /// `fractions.Fraction`.
    Fraction,
    /// `uuid.UUID`.
    Uuid,
    /// A path of `pathlib` with slashes.
    PosixPath,
    /// A path of `pathlib` with backslashes and drives.
    WindowsPath,
    /// `ipaddress.IPv4Address`.
    Ipv4Address,
    /// `ipaddress.IPv6Address`.
    Ipv6Address,
    /// `ipaddress.IPv4Network`.
    Ipv4Network,
    /// `ipaddress.IPv6Network`.
    Ipv6Network,
    /// `ipaddress.IPv4Interface`.
    Ipv4Interface,
    /// `ipaddress.IPv6Interface`.
    Ipv6Interface,
    /// `range`, and Python 2's `xrange`.
    Range,
    /// `slice`.
    Slice,
    /// A built-in exception.
    Exception,
    /// An enum of the standard library.
    Enum,
    /// A bare name that stands for an enum member, such as `signal.SIGINT`.
    Member,
    /// A built-in type, which is only named: the factory of a `defaultdict` or the base of a subclass.
    Type,
    /// `copyreg._reconstructor`, by which protocols 0 and 1 spell instances.
    Reconstructor,
    /// An instance of a subclass of `str`, `int` or another built-in type.
    Instance,
    /// A name that the caller allowed.
    Allowed,
}

/// What a call of a known class came to.
pub(crate) enum Constructed {
    /// A node of its own kind, such as a set.
    Node(NodeId),
    /// The instance stands, with its reading noted.
    Instance,
    /// The arguments are not of a shape that is read.
    Unknown,
}

/// How many ids are copied at a time out of a list that a call takes.
const BATCH: usize = 256;

/// What a copied item costs of the work that one decode may do.
const ITEM_WORK: usize = 32;

/// The longest number in text that is read, as CPython's own limit.
const MAX_DIGITS: usize = 4_300;

/// The longest path that is read, because a shared part makes a long path of a short pickle.
const MAX_PATH: usize = 1 << 20;

/// Reads a call of a known class.
pub(crate) fn construct(
    builder: &mut Builder<'_>,
    class: KnownClass,
    instance: &mut Instance,
) -> Result<Constructed, ErrorKind> {
    let is_call = instance.construct == Construct::Call;
    let args = Args::of(&builder.document, instance.args);
    if class == KnownClass::Allowed {
        instance.known = if is_call { allowed_reading(&builder.document, instance, args) } else { None };
        return Ok(Constructed::Instance);
    }
    if instance.kwargs != NodeId::ABSENT {
        return Ok(Constructed::Unknown);
    }
    if class == KnownClass::Uuid && !is_call && args.len == 0 {
        // The number comes with BUILD.
        instance.known = Some(KnownClass::Uuid);
        return Ok(Constructed::Instance);
    }
    if !is_call {
        return Ok(Constructed::Unknown);
    }
    // Looking at an argument takes time that a shared one costs at every call.
    let text_len = |id| {
        let text = builder.document.text(id).map(Str::as_bytes);
        text.or_else(|| builder.document.byte_string(id)).map_or(0, <[u8]>::len)
    };
    let texts = text_len(args.first).saturating_add(text_len(args.second));
    builder.work.charge(texts.saturating_mul(4).saturating_add(args.len * 8))?;
    match class {
        KnownClass::Encode => encode(builder, args),
        KnownClass::Bytes => match args.len {
            0 => Ok(Constructed::Node(builder.bytes(b"")?)),
            _ => Ok(Constructed::Unknown),
        },
        KnownClass::ByteArray => bytearray(builder, args),
        KnownClass::Set | KnownClass::FrozenSet => set(builder, class, args),
        KnownClass::OrderedDict => ordered_dict(builder, instance, args),
        KnownClass::Counter => counter(builder, instance, args),
        KnownClass::Deque => deque(builder, instance, args),
        KnownClass::Reconstructor => reconstruct(builder, instance, args),
        _ => {
            let sound = is_sound(&builder.document, class, instance, args);
            if sound {
                instance.known = Some(class);
            }
            Ok(if sound { Constructed::Instance } else { Constructed::Unknown })
        }
    }
}

/// The first three arguments of a call, and how many there are.
#[derive(Clone, Copy)]
struct Args {
    first: NodeId,
    second: NodeId,
    third: NodeId,
    len: usize,
}

impl Args {
    fn of(document: &Document<'_>, tuple: NodeId) -> Self {
        let items = document.items(tuple);
        let get = |place| items.get(place).copied().unwrap_or(NodeId::ABSENT);
        Self { first: get(0), second: get(1), third: get(2), len: items.len() }
    }
}

/// The class of the global that was called.
fn role(document: &Document<'_>, class: NodeId) -> Option<KnownClass> {
    match document.objects.get(class.index()) {
        Some(ObjectRepr::Global { known, .. }) if class.kind() == Kind::Object => *known,
        _ => None,
    }
}

fn is_global(document: &Document<'_>, id: NodeId) -> bool {
    id.kind() == Kind::Object && matches!(document.objects.get(id.index()), Some(ObjectRepr::Global { .. }))
}

fn is_scalar(id: NodeId) -> bool {
    id != NodeId::EMPTY_TUPLE && !id.is_container() && id.kind() != Kind::ByteArray && id != NodeId::ABSENT
}

/// What a call of a class that the caller allowed looks like.
fn allowed_reading(document: &Document<'_>, instance: &Instance, args: Args) -> Option<KnownClass> {
    let name = match document.objects.get(instance.class.index()) {
        Some(ObjectRepr::Global { name, .. }) => document.text(*name).and_then(Str::as_str)?,
        _ => return None,
    };
    if names::names_an_exception(name) {
        return Some(KnownClass::Exception);
    }
    (args.len == 1 && is_scalar(args.first)).then_some(KnownClass::Enum)
}

/// A word of ASCII, in text or in Python 2's bytes.
fn word<'d>(document: &'d Document<'_>, id: NodeId) -> Option<&'d str> {
    let word = match document.text(id) {
        Some(text) => text.as_str()?,
        None => core::str::from_utf8(document.byte_string(id)?).ok()?,
    };
    word.is_ascii().then_some(word)
}

/// An integer that fits `i64`; a bool is none.
fn small_int(document: &Document<'_>, id: NodeId) -> Option<i64> {
    match id.kind() {
        Kind::Small => Some(id.small_value()),
        Kind::Int => document.ints.get(id.index()).copied(),
        _ => None,
    }
}

fn is_int(id: NodeId) -> bool {
    matches!(id.kind(), Kind::Small | Kind::Int | Kind::Big)
}

/// A number that is not negative and fits `u128`.
fn unsigned(document: &Document<'_>, id: NodeId) -> Option<u128> {
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
pub(super) fn packed<const N: usize>(document: &Document<'_>, id: NodeId) -> Option<[u8; N]> {
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

fn is_latin1(document: &Document<'_>, id: NodeId) -> bool {
    matches!(word(document, id), Some("latin1" | "latin-1"))
}

/// `_codecs.encode(text, "latin1")`, by which protocols 0 to 2 spell bytes.
fn encode(builder: &mut Builder<'_>, args: Args) -> Result<Constructed, ErrorKind> {
    // Python 2 never writes this, so the codec's name is text, whatever its `str` is read as.
    let named = builder.document.text(args.second).is_some() && is_latin1(&builder.document, args.second);
    if args.len != 2 || !named {
        return Ok(Constructed::Unknown);
    }
    let id = match latin1_bytes(builder, args.first)? {
        Some(Latin1::Input(bytes)) => builder.bytes(bytes)?,
        Some(Latin1::Owned(bytes)) => builder.owned_bytes(&bytes)?,
        None => return Ok(Constructed::Unknown),
    };
    Ok(Constructed::Node(id))
}

enum Latin1<'a> {
    Input(&'a [u8]),
    Owned(alloc::vec::Vec<u8>),
}

/// The Latin-1 bytes of a text, or `None` if it is no text or holds other characters.
fn latin1_bytes<'a>(builder: &mut Builder<'a>, id: NodeId) -> Result<Option<Latin1<'a>>, ErrorKind> {
    let Some(text) = builder.document.text(id) else { return Ok(None) };
    if id.kind() == Kind::Str
        && let Some(text) = builder.document.strs.get(id.index())
        && text.is_ascii()
    {
        return Ok(Some(Latin1::Input(text.as_bytes())));
    }
    let count = text.code_points().count();
    builder.meter.charge(count)?;
    let bytes: Option<_> = text.code_points().map(|point| u8::try_from(point).ok()).collect();
    Ok(bytes.map(Latin1::Owned))
}

fn bytearray(builder: &mut Builder<'_>, args: Args) -> Result<Constructed, ErrorKind> {
    let document = &builder.document;
    let id = match (args.len, args.first.kind()) {
        (0, _) => builder.bytearray(b"")?,
        (1, Kind::Bytes) => {
            let bytes = document.bytes.get(args.first.index()).copied().unwrap_or_default();
            builder.bytearray(bytes)?
        }
        (1, Kind::Blob) => {
            // The copy shares the storage: nothing ever writes to it.
            let (start, len) = document.blobs.get(args.first.index()).copied().unwrap_or_default();
            builder.bytearray_of(BytesRepr::Owned { start, len })?
        }
        (2, Kind::Str | Kind::Text) if is_latin1(document, args.second) => {
            match latin1_bytes(builder, args.first)? {
                Some(Latin1::Input(bytes)) => builder.bytearray(bytes)?,
                Some(Latin1::Owned(bytes)) => builder.owned_bytearray(&bytes)?,
                None => return Ok(Constructed::Unknown),
            }
        }
        // A number would be a length, which no input may choose.
        _ => return Ok(Constructed::Unknown),
    };
    Ok(Constructed::Node(id))
}

fn is_sequence(id: NodeId) -> bool {
    matches!(id.kind(), Kind::List | Kind::Tuple | Kind::Set | Kind::FrozenSet) || id == NodeId::EMPTY_TUPLE
}

/// Hands the items of a container to a function, in batches that are charged first. A call that
/// takes a shared list copies it each time, so the copies count as work.
fn in_batches<'a>(
    builder: &mut Builder<'a>,
    from: NodeId,
    mut take: impl FnMut(&mut Builder<'a>, &[NodeId]) -> Result<(), ErrorKind>,
) -> Result<(), ErrorKind> {
    let len = builder.document.items(from).len();
    let mut batch = [NodeId::NONE; BATCH];
    let mut start = 0;
    while start < len {
        let end = len.min(start + BATCH);
        let items = builder.document.items(from).get(start..end).unwrap_or_default();
        let Some(room) = batch.get_mut(..items.len()) else { return Err(ErrorKind::Budget) };
        room.copy_from_slice(items);
        builder.work.charge((end - start) * ITEM_WORK)?;
        take(builder, batch.get(..end - start).unwrap_or_default())?;
        start = end;
    }
    Ok(())
}

fn set(builder: &mut Builder<'_>, class: KnownClass, args: Args) -> Result<Constructed, ErrorKind> {
    if args.len > 1 || (args.len == 1 && !is_sequence(args.first)) {
        return Ok(Constructed::Unknown);
    }
    let id = if class == KnownClass::Set { builder.empty_set()? } else { builder.frozenset(&[])? };
    if args.len == 1 {
        in_batches(builder, args.first, |builder, items| builder.add(id, items))?;
    }
    Ok(Constructed::Node(id))
}

/// `OrderedDict()`, or Python 2's `OrderedDict([[key, value], ...])`.
fn ordered_dict(
    builder: &mut Builder<'_>,
    instance: &mut Instance,
    args: Args,
) -> Result<Constructed, ErrorKind> {
    if args.len > 1 || (args.len == 1 && args.first.kind() != Kind::List) {
        return Ok(Constructed::Unknown);
    }
    if args.len == 1 {
        let pairs = builder.empty_dict()?;
        let mut sound = true;
        in_batches(builder, args.first, |builder, items| {
            for &item in items {
                match builder.document.items(item) {
                    &[key, value] if matches!(item.kind(), Kind::List | Kind::Tuple) => {
                        builder.set_items(pairs, &[key, value])?;
                    }
                    _ => sound = false,
                }
            }
            Ok(())
        })?;
        if !sound {
            return Ok(Constructed::Unknown);
        }
        instance.pairs = pairs;
    }
    instance.known = Some(KnownClass::OrderedDict);
    Ok(Constructed::Instance)
}

/// `Counter(dict)`.
fn counter(builder: &mut Builder<'_>, instance: &mut Instance, args: Args) -> Result<Constructed, ErrorKind> {
    if args.len > 1 || (args.len == 1 && args.first.kind() != Kind::Dict) {
        return Ok(Constructed::Unknown);
    }
    if args.len == 1 {
        let pairs = builder.empty_dict()?;
        in_batches(builder, args.first, |builder, items| builder.set_items(pairs, items))?;
        instance.pairs = pairs;
    }
    instance.known = Some(KnownClass::Counter);
    Ok(Constructed::Instance)
}

/// `deque()`, `deque((), maxlen)`, or Python 2's `deque([items], maxlen)`.
fn deque(builder: &mut Builder<'_>, instance: &mut Instance, args: Args) -> Result<Constructed, ErrorKind> {
    let document = &builder.document;
    let sound = args.len <= 2
        && (args.len == 0 || matches!(args.first.kind(), Kind::List) || args.first == NodeId::EMPTY_TUPLE)
        && (args.len < 2
            || args.second == NodeId::NONE
            || small_int(document, args.second).is_some_and(|maxlen| maxlen >= 0));
    if !sound {
        return Ok(Constructed::Unknown);
    }
    if args.len > 0 && !builder.document.items(args.first).is_empty() {
        let items = builder.empty_list()?;
        in_batches(builder, args.first, |builder, batch| builder.extend(items, batch))?;
        instance.items = items;
    }
    instance.known = Some(KnownClass::Deque);
    Ok(Constructed::Instance)
}

/// `copyreg._reconstructor(class, base, value)`: an instance of a subclass of a built-in type, or of
/// a plain class, which protocol 2 would make with NEWOBJ.
fn reconstruct(
    builder: &mut Builder<'_>,
    instance: &mut Instance,
    args: Args,
) -> Result<Constructed, ErrorKind> {
    let document = &builder.document;
    if args.len != 3 || !is_global(document, args.first) {
        return Ok(Constructed::Unknown);
    }
    let class = role(document, args.first);
    let base = match document.objects.get(args.second.index()) {
        Some(ObjectRepr::Global { name, known: Some(_), .. }) if args.second.kind() == Kind::Object => {
            document.text(*name).and_then(Str::as_str).unwrap_or_default()
        }
        _ => return Ok(Constructed::Unknown),
    };
    let value = args.third.kind();
    let fits = match base {
        "object" => args.third == NodeId::NONE,
        // Python 2's `str` is text or bytes here, as the caller wants it.
        "str" | "unicode" => {
            matches!(value, Kind::Str | Kind::Text)
                || (base == "str" && matches!(value, Kind::Bytes | Kind::Blob))
        }
        "int" | "long" => is_int(args.third) || matches!(args.third, NodeId::TRUE | NodeId::FALSE),
        "float" => value == Kind::Float,
        "bytes" => matches!(value, Kind::Bytes | Kind::Blob),
        "bytearray" => value == Kind::ByteArray,
        "list" => value == Kind::List,
        "dict" => value == Kind::Dict,
        "tuple" => value == Kind::Tuple || args.third == NodeId::EMPTY_TUPLE,
        "set" => value == Kind::Set,
        "frozenset" => value == Kind::FrozenSet,
        "complex" => reading_of(document, args.third) == Some(KnownClass::Complex),
        _ => false,
    };
    // What is known has a reading of its own, and only a UUID gets it in this way.
    let unknown = class.is_none_or(|class| class == KnownClass::Allowed);
    let uuid = class == Some(KnownClass::Uuid) && base == "object";
    if !fits || !(unknown || uuid) {
        return Ok(Constructed::Unknown);
    }
    instance.class = args.first;
    instance.construct = Construct::New;
    if base == "object" {
        instance.args = NodeId::EMPTY_TUPLE;
        instance.known = uuid.then_some(KnownClass::Uuid);
    } else {
        instance.args = builder.tuple(&[args.third])?;
        instance.known = Some(KnownClass::Instance);
    }
    Ok(Constructed::Instance)
}

/// What an object was read as.
fn reading_of(document: &Document<'_>, id: NodeId) -> Option<KnownClass> {
    match document.objects.get(id.index()) {
        Some(ObjectRepr::Instance(instance)) if id.kind() == Kind::Object => instance.known,
        _ => None,
    }
}

/// Whether the arguments of a call are what CPython writes for the class.
fn is_sound(document: &Document<'_>, class: KnownClass, instance: &Instance, args: Args) -> bool {
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
        KnownClass::TimeDelta => args.len == 3 && reading::timedelta(document, instance).is_some(),
        KnownClass::TimeZone => {
            (1..=2).contains(&args.len)
                && (args.len == 1
                    || document.text(args.second).is_some()
                    || word(document, args.second).is_some())
                && reading::offset(document, instance).is_some()
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
                is_int(args.first) && positive
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
        KnownClass::Exception => true,
        KnownClass::Enum => args.len == 1 && is_scalar(args.first),
        _ => false,
    }
}

fn is_zone(document: &Document<'_>, id: NodeId) -> bool {
    if id == NodeId::NONE {
        return true;
    }
    match document.objects.get(id.index()) {
        // A class that the caller allowed, or any under `Globals::Inert`, may be a `tzinfo`.
        Some(ObjectRepr::Instance(instance)) if id.kind() == Kind::Object => {
            matches!(instance.known, None | Some(KnownClass::TimeZone | KnownClass::Enum))
        }
        _ => false,
    }
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

/// Reads the state that BUILD gives an object; gives the object's reading after it.
pub(crate) fn read_state(
    builder: &mut Builder<'_>,
    instance: &Instance,
    state: NodeId,
) -> Result<Option<KnownClass>, ErrorKind> {
    let document = &builder.document;
    let sound = match instance.known {
        Some(KnownClass::Uuid) => uuid_int(document, state).is_some(),
        Some(KnownClass::Exception | KnownClass::Enum)
            if role(document, instance.class).is_none_or(|role| role == KnownClass::Allowed) =>
        {
            true
        }
        Some(KnownClass::Exception) => state.kind() == Kind::Dict || state == NodeId::NONE,
        Some(KnownClass::OrderedDict) => state.kind() == Kind::Dict,
        Some(KnownClass::Instance) => true,
        _ => false,
    };
    Ok(instance.known.filter(|_| sound))
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

impl KnownClass {
    /// Whether its objects can be dict keys.
    pub(crate) const fn is_hashable(self) -> bool {
        !matches!(self, Self::OrderedDict | Self::DefaultDict | Self::Counter | Self::Deque)
    }
}

/// What makes an object equal to another one of its class, or `None` if only being the same object does.
pub(crate) fn equality_parts(document: &Document<'_>, instance: &Instance) -> Option<NodeId> {
    match instance.known? {
        KnownClass::Uuid => uuid_int(document, instance.state),
        KnownClass::Exception => None,
        _ if instance.state != NodeId::ABSENT => None,
        _ => Some(instance.args),
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
