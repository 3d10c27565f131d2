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

use alloc::borrow::Cow;

use super::fill::Builder;
use crate::document::{BytesRepr, Construct, Instance, Kind, KnownClass, NodeId};
use crate::known::{allowed_reading, is_global, is_int, is_sound, role, small_int, word};
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

/// Why a call gives nothing: its arguments have no shape that is read, or a limit was met on the way.
enum Unread {
    Shape,
    Fault(ErrorKind),
}

impl From<ErrorKind> for Unread {
    fn from(kind: ErrorKind) -> Self {
        Self::Fault(kind)
    }
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
    match read(builder, class, instance) {
        Ok(Some(id)) => Ok(Constructed::Node(id)),
        Ok(None) => Ok(Constructed::Instance),
        Err(Unread::Shape) => Ok(Constructed::Unknown),
        Err(Unread::Fault(kind)) => Err(kind),
    }
}

/// The node that a call spells, or nothing if the instance stands.
#[inline(never)]
fn read(
    builder: &mut Builder<'_>,
    class: KnownClass,
    instance: &mut Instance,
) -> Result<Option<NodeId>, Unread> {
    let document = &builder.document;
    let items = document.items(instance.args);
    let is_call = instance.construct == Construct::Call;
    if class == KnownClass::Allowed {
        instance.known = if is_call { allowed_reading(document, instance) } else { None };
        return Ok(None);
    }
    if class == KnownClass::Uuid && !is_call && items.is_empty() && instance.kwargs == NodeId::ABSENT {
        // The number comes with BUILD.
        instance.known = Some(class);
        return Ok(None);
    }
    if !is_call || instance.kwargs != NodeId::ABSENT {
        return Err(Unread::Shape);
    }
    // Of more arguments than three only what is read in place makes sense of.
    let mut room = [NodeId::ABSENT; 4];
    room.iter_mut().zip(items).for_each(|(place, &item)| *place = item);
    let args = room.get(..items.len()).unwrap_or(&room);
    // Looking at an argument takes time that a shared one costs at every call.
    let text_len = |&id: &NodeId| document.text(id).map(Str::as_bytes).or_else(|| document.byte_string(id));
    let texts = args.iter().take(2).filter_map(text_len).map(<[u8]>::len).fold(0, usize::saturating_add);
    builder.work.charge(texts.saturating_mul(4).saturating_add(items.len() * 8))?;
    match (class, args) {
        // Python 2 never writes this, so the codec's name is text, whatever its `str` is read as.
        (KnownClass::Encode, &[text, codec]) if codec.is_text() && is_latin1(builder, codec) => {
            Ok(Some(match latin1_bytes(builder, text)? {
                Cow::Borrowed(bytes) => builder.bytes(bytes)?,
                Cow::Owned(bytes) => builder.owned_bytes(&bytes)?,
            }))
        }
        (KnownClass::Bytes, []) => Ok(Some(builder.bytes(b"")?)),
        (KnownClass::ByteArray, args) => bytearray(builder, args).map(Some),
        (KnownClass::Set, args) => {
            copy(builder, args, is_sequence, Builder::empty_set, Builder::add).map(Some)
        }
        (KnownClass::FrozenSet, args) => {
            copy(builder, args, is_sequence, |builder| builder.frozenset(&[]), Builder::add).map(Some)
        }
        // `OrderedDict()`, or Python 2's `OrderedDict([[key, value], ...])`.
        (KnownClass::OrderedDict, args) => {
            match *args {
                [] => {}
                [pairs] => instance.pairs = pairs_of(builder, pairs, pairs.kind() == Kind::List)?,
                _ => return Err(Unread::Shape),
            }
            instance.known = Some(class);
            Ok(None)
        }
        (KnownClass::Counter, args) => {
            if !args.is_empty() {
                instance.pairs = copy(builder, args, is_dict, Builder::empty_dict, Builder::set_items)?;
            }
            instance.known = Some(class);
            Ok(None)
        }
        // `deque()`, `deque((), maxlen)`, or Python 2's `deque([items], maxlen)`.
        (KnownClass::Deque, args) => {
            let (items, maxlen) = args.split_at(args.len().min(1));
            let is_len =
                |id: NodeId| id == NodeId::NONE || small_int(document, id).is_some_and(|len| len >= 0);
            let is_items = |id: NodeId| id.kind() == Kind::List || id == NodeId::EMPTY_TUPLE;
            if maxlen.len() > 1
                || !maxlen.iter().all(|&id| is_len(id))
                || !items.iter().all(|&id| is_items(id))
            {
                return Err(Unread::Shape);
            }
            if items.iter().any(|&items| !document.items(items).is_empty()) {
                instance.items = copy(builder, items, is_items, Builder::empty_list, Builder::extend)?;
            }
            instance.known = Some(class);
            Ok(None)
        }
        (KnownClass::Reconstructor, &[class, base, value]) => {
            reconstruct(builder, instance, [class, base, value]).map(|()| None)
        }
        (KnownClass::Type, args) => plain_type(builder, instance.class, args).map(Some),
        _ => {
            if class == KnownClass::Fraction {
                // Looking for a common divisor takes quadratic time.
                let bytes: usize =
                    args.iter().take(2).filter_map(|&id| document.big(id)).map(<[u8]>::len).sum();
                let limbs = texts / 19 + bytes / 8;
                builder.work.charge(limbs.saturating_mul(limbs).saturating_mul(64))?;
            }
            if !is_sound(&builder.document, class, instance) {
                return Err(Unread::Shape);
            }
            instance.known = Some(class);
            Ok(None)
        }
    }
}

/// A built-in type called with what it gives back as it is, or as its own kind of container:
/// `list([1, 2])`, `tuple([1])`, `dict([(1, 2)])`, `str("a")`. Subclasses of the types are reduced so.
fn plain_type(builder: &mut Builder<'_>, class: NodeId, args: &[NodeId]) -> Result<NodeId, Unread> {
    let document = &builder.document;
    let name = document.global(class).and_then(|([_, name], _)| document.text(name)?.as_str());
    match (name.unwrap_or_default(), args) {
        ("list", args) => copy(builder, args, is_sequence, Builder::empty_list, Builder::extend),
        ("dict", &[pairs]) if !is_dict(pairs) => pairs_of(builder, pairs, is_sequence(pairs)),
        ("dict", args) => copy(builder, args, is_dict, Builder::empty_dict, Builder::set_items),
        ("tuple", []) => Ok(NodeId::EMPTY_TUPLE),
        (name, &[value]) if is_of(name, value) => Ok(value),
        ("tuple", &[from]) if is_sequence(from) => {
            let items = document.items(from).to_vec();
            let bytes = size_of_val(items.as_slice());
            builder.work.charge(items.len() * ITEM_WORK)?;
            builder.meter.charge(bytes)?;
            let tuple = builder.tuple(&items)?;
            builder.meter.release(bytes);
            Ok(tuple)
        }
        _ => Err(Unread::Shape),
    }
}

/// Whether a value is an instance of a built-in type by this name in Python 2 or 3.
fn is_of(name: &str, value: NodeId) -> bool {
    let kind = value.kind();
    match name {
        "str" | "unicode" => value.is_text(),
        "int" | "long" => is_int(value),
        "bool" => matches!(value, NodeId::TRUE | NodeId::FALSE),
        "float" => kind == Kind::Float,
        "bytes" => matches!(kind, Kind::Bytes | Kind::Blob),
        "bytearray" => kind == Kind::ByteArray,
        "list" => kind == Kind::List,
        "dict" => kind == Kind::Dict,
        "tuple" => kind == Kind::Tuple || value == NodeId::EMPTY_TUPLE,
        "set" => kind == Kind::Set,
        "frozenset" => kind == Kind::FrozenSet,
        _ => false,
    }
}

/// Whether a call takes a value as a sequence of items. A dict would be one of its keys, which no pickler writes.
fn is_sequence(id: NodeId) -> bool {
    ["list", "tuple", "set", "frozenset"].iter().any(|name| is_of(name, id))
}

fn is_dict(id: NodeId) -> bool {
    id.kind() == Kind::Dict
}

/// Whether an argument names the codec by which bytes are spelled as text.
fn is_latin1(builder: &Builder<'_>, id: NodeId) -> bool {
    matches!(word(&builder.document, id), Some("latin1" | "latin-1"))
}

/// The Latin-1 bytes of a text: `_codecs.encode(text, "latin1")` is how protocols 0 to 2 spell bytes.
fn latin1_bytes<'a>(builder: &mut Builder<'a>, id: NodeId) -> Result<Cow<'a, [u8]>, Unread> {
    let text = builder.document.text(id).ok_or(Unread::Shape)?;
    match builder.document.node(id).borrowed_str() {
        Some(text) if text.is_ascii() => Ok(Cow::Borrowed(text.as_bytes())),
        _ => {
            builder.meter.charge(text.code_points().count())?;
            let bytes: Option<_> = text.code_points().map(|point| u8::try_from(point).ok()).collect();
            bytes.map(Cow::Owned).ok_or(Unread::Shape)
        }
    }
}

/// A `bytearray`. A number as its argument would be a length, which no input may choose.
fn bytearray(builder: &mut Builder<'_>, args: &[NodeId]) -> Result<NodeId, Unread> {
    Ok(match *args {
        [] => builder.bytearray(b"")?,
        // The copy shares the storage: nothing ever writes to it.
        [bytes] if bytes.kind() == Kind::Blob => {
            let (start, len) = builder.document.blobs.get(bytes.index()).copied().unwrap_or_default();
            builder.bytearray_of(BytesRepr::Owned { start, len })?
        }
        [bytes] => {
            let bytes = builder.document.node(bytes).borrowed_bytes().filter(|_| is_of("bytes", bytes));
            builder.bytearray(bytes.ok_or(Unread::Shape)?)?
        }
        [text, codec] if is_latin1(builder, codec) => match latin1_bytes(builder, text)? {
            Cow::Borrowed(bytes) => builder.bytearray(bytes)?,
            Cow::Owned(bytes) => builder.owned_bytearray(&bytes)?,
        },
        _ => return Err(Unread::Shape),
    })
}

/// Makes a container and puts into it what the container holds that is the one argument, if there is one.
fn copy<'a>(
    builder: &mut Builder<'a>,
    args: &[NodeId],
    takes: fn(NodeId) -> bool,
    make: fn(&mut Builder<'a>) -> Result<NodeId, ErrorKind>,
    put: fn(&mut Builder<'a>, NodeId, &[NodeId]) -> Result<(), ErrorKind>,
) -> Result<NodeId, Unread> {
    if args.len() > 1 || !args.iter().all(|&id| takes(id)) {
        return Err(Unread::Shape);
    }
    let made = make(builder)?;
    for &from in args {
        in_batches(builder, from, |builder, items| put(builder, made, items))?;
    }
    Ok(made)
}

/// The dict of a sequence of pairs.
fn pairs_of(builder: &mut Builder<'_>, from: NodeId, fits: bool) -> Result<NodeId, Unread> {
    if !fits {
        return Err(Unread::Shape);
    }
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
    if sound { Ok(dict) } else { Err(Unread::Shape) }
}

/// Hands the items of a container to a function, in batches that are charged first. A call that
/// takes a shared list copies it each time, so the copies count as work.
fn in_batches<'a>(
    builder: &mut Builder<'a>,
    from: NodeId,
    mut take: impl FnMut(&mut Builder<'a>, &[NodeId]) -> Result<(), ErrorKind>,
) -> Result<(), ErrorKind> {
    let len = builder.document.items(from).len();
    for start in (0..len).step_by(BATCH) {
        let mut batch = [NodeId::NONE; BATCH];
        let items = builder.document.items(from).iter().skip(start);
        let count = batch.iter_mut().zip(items).map(|(place, &item)| *place = item).count();
        builder.work.charge(count * ITEM_WORK)?;
        take(builder, batch.get(..count).unwrap_or_default())?;
    }
    Ok(())
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
    [class, base, value]: [NodeId; 3],
) -> Result<(), Unread> {
    let document = &builder.document;
    let Some(([_, base], Some(_))) = document.global(base) else { return Err(Unread::Shape) };
    let base = document.text(base).and_then(Str::as_str).unwrap_or_default();
    let fits = match base {
        "object" => value == NodeId::NONE,
        // Python 2's `str` is text or bytes here, as the caller wants it.
        "str" => is_of(base, value) || is_of("bytes", value),
        "int" | "long" => is_of(base, value) || is_of("bool", value),
        "complex" => document.instance(value).is_some_and(|value| value.known == Some(KnownClass::Complex)),
        base => is_of(base, value) && base != "bool",
    };
    // What is known has a reading of its own, and only a UUID gets it in this way.
    let role = role(document, class);
    let uuid = role == Some(KnownClass::Uuid) && base == "object";
    let unknown = role.is_none_or(|role| role == KnownClass::Allowed) && is_global(document, class);
    if !fits || !(unknown || uuid) {
        return Err(Unread::Shape);
    }
    instance.class = class;
    instance.construct = Construct::New;
    if base == "object" {
        instance.args = NodeId::EMPTY_TUPLE;
        instance.known = uuid.then_some(KnownClass::Uuid);
    } else {
        instance.args = builder.tuple(&[value])?;
        instance.known = Some(KnownClass::Instance);
    }
    Ok(())
}
