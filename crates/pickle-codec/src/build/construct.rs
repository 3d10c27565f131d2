//! Reading a call of a known class: what it builds, and what of it is noted on the instance.
//!
//! Nothing is called. A call whose class and arguments have a shape that CPython writes comes to one of three
//! things:
//!
//! - a node of another kind, where the call only spells one: `set([1])` below protocol 4, bytes below
//!   protocol 3 as `_codecs.encode("...", "latin1")`, `list([1, 2])`;
//! - the object as it stands, with its class noted as its reading ([`Known`](crate::Known)), which is computed
//!   from the arguments when somebody asks;
//! - nothing that is known. Under [`Globals::Known`](crate::Globals::Known) that is refused, and under `Inert`
//!   described.
//!
//! An argument can be shared by many calls, so that looking at it is charged to the budget of work each time,
//! and what is copied out of it is charged by item.

use super::fill::Builder;
use crate::document::{BytesRepr, Construct, Document, Instance, Kind, KnownClass, NodeId};
use crate::known::{Args, allowed_reading, is_global, is_int, is_sound, reading_of, role, small_int, word};
use crate::wire::error::ErrorKind;
use crate::wire::text::Str;

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

/// Reads a call of a known class.
pub(crate) fn call(
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
        KnownClass::Type => plain_type(builder, instance, args),
        KnownClass::Fraction => {
            // Looking for a common divisor takes quadratic time.
            let limbs =
                texts / 19 + (integer_len(builder, args.first) + integer_len(builder, args.second)) / 8;
            builder.work.charge(limbs.saturating_mul(limbs).saturating_mul(64))?;
            sound(builder, class, instance, args)
        }
        _ => sound(builder, class, instance, args),
    }
}

fn sound(
    builder: &Builder<'_>,
    class: KnownClass,
    instance: &mut Instance,
    args: Args,
) -> Result<Constructed, ErrorKind> {
    let sound = is_sound(&builder.document, class, instance, args);
    if sound {
        instance.known = Some(class);
    }
    Ok(if sound { Constructed::Instance } else { Constructed::Unknown })
}

/// The bytes of a large integer.
fn integer_len(builder: &Builder<'_>, id: NodeId) -> usize {
    match id.kind() {
        Kind::Big => {
            builder.document.bigs.get(id.index()).map_or(0, |repr| builder.document.bytes_of(*repr).len())
        }
        _ => 0,
    }
}

/// A built-in type called with what it gives back as it is, or as its own kind of container:
/// `list([1, 2])`, `tuple([1])`, `dict([(1, 2)])`, `str("a")`. Subclasses of the types are reduced so.
fn plain_type(
    builder: &mut Builder<'_>,
    instance: &mut Instance,
    args: Args,
) -> Result<Constructed, ErrorKind> {
    let document = &builder.document;
    let name = document.global(instance.class).and_then(|([_, name], _)| document.text(name)?.as_str());
    let name = name.unwrap_or_default();
    let kind = args.first.kind();
    let is_bool = matches!(args.first, NodeId::TRUE | NodeId::FALSE);
    Ok(match (name, args.len) {
        ("list", 0) => Constructed::Node(builder.empty_list()?),
        ("dict", 0) => Constructed::Node(builder.empty_dict()?),
        ("tuple", 0) => Constructed::Node(NodeId::EMPTY_TUPLE),
        ("list", 1) if is_sequence(args.first) => {
            let list = builder.empty_list()?;
            in_batches(builder, args.first, |builder, items| builder.extend(list, items))?;
            Constructed::Node(list)
        }
        ("tuple", 1) if kind == Kind::Tuple || args.first == NodeId::EMPTY_TUPLE => {
            Constructed::Node(args.first)
        }
        ("tuple", 1) if is_sequence(args.first) => {
            let items = builder.document.items(args.first).to_vec();
            builder.work.charge(items.len() * ITEM_WORK)?;
            builder.meter.charge(items.len() * size_of::<NodeId>())?;
            let tuple = builder.tuple(&items)?;
            builder.meter.release(items.len() * size_of::<NodeId>());
            Constructed::Node(tuple)
        }
        ("dict", 1) if kind == Kind::Dict => {
            let dict = builder.empty_dict()?;
            in_batches(builder, args.first, |builder, items| builder.set_items(dict, items))?;
            Constructed::Node(dict)
        }
        ("dict", 1) if is_sequence(args.first) => match pairs_of(builder, args.first)? {
            Some(dict) => Constructed::Node(dict),
            None => Constructed::Unknown,
        },
        ("str" | "unicode", 1) if matches!(kind, Kind::Str | Kind::Text) => Constructed::Node(args.first),
        ("int" | "long", 1) if is_int(args.first) => Constructed::Node(args.first),
        ("float", 1) if kind == Kind::Float => Constructed::Node(args.first),
        ("bool", 1) if is_bool => Constructed::Node(args.first),
        _ => Constructed::Unknown,
    })
}

/// The dict of a sequence of pairs, or `None` if it is none.
fn pairs_of(builder: &mut Builder<'_>, from: NodeId) -> Result<Option<NodeId>, ErrorKind> {
    let dict = builder.empty_dict()?;
    let mut sound = true;
    in_batches(builder, from, |builder, items| {
        for &item in items {
            match builder.document.items(item) {
                &[key, value] if matches!(item.kind(), Kind::List | Kind::Tuple) => {
                    builder.set_items(dict, &[key, value])?;
                }
                _ => sound = false,
            }
        }
        Ok(())
    })?;
    Ok(sound.then_some(dict))
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
        let Some(pairs) = pairs_of(builder, args.first)? else { return Ok(Constructed::Unknown) };
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
///
/// The object becomes what NEWOBJ would make of it (`class` with `value` as its argument), so that one object
/// reads the same at every protocol. The value has to be one that the base takes: `int` with text is a call
/// that parses, and no pickler writes it.
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
    let base = match document.global(args.second) {
        Some(([_, name], Some(_))) => document.text(name).and_then(Str::as_str).unwrap_or_default(),
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
