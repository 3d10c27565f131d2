//! `Deserialize` for [`Value`]: all that serde's data model can say, and from this crate's own
//! deserializers everything.
//!
//! serde has no word for tuples, sets or Python objects. So this crate's deserializers, asked for a
//! newtype of one certain name, show such a value as an enum whose variant is a number and whose
//! contents are a sequence, bytes or a number. Any other deserializer just reads the newtype.
//!
//! ```text
//! Value::deserialize ── deserialize_newtype_struct(NAME) ──┬─ another format: visit_newtype_struct, deserialize_any
//!                                                          └─ this crate: Place::show
//! show ──┬─ what serde has a word for: visit_i64, visit_seq, ... as for any type
//!        └─ else visit_enum: variant FIRST + n (a `Special`), contents as a sequence, bytes or a number
//! ```
//!
//! An enum is the one thing in serde's model that is a tag and contents of any form. The numbers are far from those
//! that a format counts variants by, and the name can be no Rust type's, so that neither is met by chance.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;

use ::serde::de::value::{BoolDeserializer, U32Deserializer, UnitDeserializer};
use ::serde::de::{
    Deserialize, DeserializeSeed, Deserializer, EnumAccess, Error as _, IgnoredAny, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};
use num_bigint::BigInt;

use super::node::{De, through};
use super::place::{NAME, Place};
use super::view::SLOT;
use crate::document::{Construct, Kind, KnownClass, Node, NodeId, walk};
use crate::value::{ObjectValue, Value};
use crate::wire::error::{Error, Result};
use crate::wire::text::Str;

/// What an enum shows that stands for a value without a word in serde's model.
#[derive(Clone, Copy, PartialEq)]
enum Special {
    BigInt,
    Wtf8,
    ByteArray,
    Tuple,
    Set,
    FrozenSet,
    Global,
    Object,
    PersistentId,
    Extension,
    Buffer,
}

/// All of them; the number of one is its place here, counted from [`FIRST`].
const SPECIALS: [Special; 11] = [
    Special::BigInt,
    Special::Wtf8,
    Special::ByteArray,
    Special::Tuple,
    Special::Set,
    Special::FrozenSet,
    Special::Global,
    Special::Object,
    Special::PersistentId,
    Special::Extension,
    Special::Buffer,
];

/// No enum has as many variants, so that no other deserializer's number is taken for one of these.
const FIRST: u32 = 0x7069_0000;

/// Owns what it holds, so that a struct with a `Value` in it can outlive the input;
/// [`Value::deserialize_borrowed`] borrows.
impl<'de> Deserialize<'de> for Value<'_> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> core::result::Result<Self, D::Error> {
        Reading::new(Own).deserialize(deserializer)
    }
}

impl<'a> Value<'a> {
    /// Deserializes a value that borrows text and bytes where the deserializer can lend them.
    ///
    /// # Errors
    /// The deserializer's own.
    ///
    /// ```
    /// use pickle_codec::Value;
    /// #[derive(serde::Deserialize)]
    /// struct Message<'a> {
    ///     #[serde(borrow, deserialize_with = "Value::deserialize_borrowed")]
    ///     body: Value<'a>,
    /// }
    /// let message: Message<'_> = pickle_codec::from_slice(b"}X\x04\0\0\0bodyX\x02\0\0\0his.")?;
    /// assert_eq!(message.body.as_str(), Some("hi"));
    /// # Ok::<(), pickle_codec::Error>(())
    /// ```
    pub fn deserialize_borrowed<'de: 'a, D: Deserializer<'de>>(
        deserializer: D,
    ) -> core::result::Result<Self, D::Error> {
        let value: Value<'de> = Reading::new(Lend).deserialize(deserializer)?;
        Ok(value)
    }
}

/// Whether a value borrows what is lent to it.
trait Keep<'de, 'a>: Copy {
    fn text(self, text: &'de str) -> Cow<'a, str>;
    fn bytes(self, bytes: &'de [u8]) -> Cow<'a, [u8]>;
}

#[derive(Clone, Copy)]
struct Own;

impl<'a> Keep<'_, 'a> for Own {
    fn text(self, text: &str) -> Cow<'a, str> {
        Cow::Owned(String::from(text))
    }

    fn bytes(self, bytes: &[u8]) -> Cow<'a, [u8]> {
        Cow::Owned(Vec::from(bytes))
    }
}

#[derive(Clone, Copy)]
struct Lend;

impl<'de> Keep<'de, 'de> for Lend {
    fn text(self, text: &'de str) -> Cow<'de, str> {
        Cow::Borrowed(text)
    }

    fn bytes(self, bytes: &'de [u8]) -> Cow<'de, [u8]> {
        Cow::Borrowed(bytes)
    }
}

/// Shows a tuple, set or frozenset of an outline to a [`Reading`].
pub(super) fn show_items<'de, P: Place<'de>, V: Visitor<'de>>(
    kind: Kind,
    place: P,
    visitor: V,
) -> Result<V::Value> {
    let special = match kind {
        Kind::Tuple => Special::Tuple,
        Kind::Set => Special::Set,
        Kind::FrozenSet => Special::FrozenSet,
        _ => return place.deserialize_any(visitor),
    };
    visitor.visit_enum(ShownItems { special, place })
}

/// A place with items as an enum.
struct ShownItems<P> {
    special: Special,
    place: P,
}

impl<'de, P: Place<'de>> EnumAccess<'de> for ShownItems<P> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self)> {
        Ok((seed.deserialize(self.special.number())?, self))
    }
}

impl<'de, P: Place<'de>> VariantAccess<'de> for ShownItems<P> {
    type Error = Error;

    fn unit_variant(self) -> Result<()> {
        Err(Error::message("a value has contents"))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value> {
        Err(Error::message("a value has more than one part"))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value> {
        self.place.seq(visitor)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value> {
        self.place.seq(visitor)
    }
}

/// Shows a node to a [`Reading`].
pub(super) fn show<'de, V: Visitor<'de>>(de: De<'_, '_, 'de>, visitor: V) -> Result<V::Value> {
    let special = match de.node.view() {
        Node::None
        | Node::Bool(_)
        | Node::Int(_)
        | Node::Float(_)
        | Node::Str(Str::Utf8(_))
        | Node::Bytes(_)
        | Node::List(_)
        | Node::Dict(_) => return de.deserialize_any(visitor),
        Node::BigInt(_) => Special::BigInt,
        Node::Str(Str::Wtf8(_)) => Special::Wtf8,
        Node::ByteArray(_) => Special::ByteArray,
        Node::Tuple(_) => Special::Tuple,
        Node::Set(_) => Special::Set,
        Node::FrozenSet(_) => Special::FrozenSet,
        Node::Global(..) => Special::Global,
        Node::Object(_) => Special::Object,
        Node::PersistentId(_) => Special::PersistentId,
        Node::Extension(_) => Special::Extension,
        Node::Buffer(..) => Special::Buffer,
    };
    visitor.visit_enum(Shown { special, de })
}

/// A node as an enum.
struct Shown<'c, 'd, 'de> {
    special: Special,
    de: De<'c, 'd, 'de>,
}

impl Special {
    /// The number of its variant, as a deserializer.
    fn number(self) -> U32Deserializer<Error> {
        let place = SPECIALS.iter().position(|&special| special == self).unwrap_or_default();
        U32Deserializer::new(FIRST + u32::try_from(place).unwrap_or_default())
    }
}

impl<'de> EnumAccess<'de> for Shown<'_, '_, 'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self)> {
        Ok((seed.deserialize(self.special.number())?, self))
    }
}

impl<'de> VariantAccess<'de> for Shown<'_, '_, 'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<()> {
        Err(Error::message("a value has contents"))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value> {
        Err(Error::message("a value has more than one part"))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value> {
        self.tuple_variant(0, visitor)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value> {
        let Self { de, .. } = self;
        let node = de.node;
        de.context.charge(SLOT)?;
        match node.view() {
            Node::BigInt(value) => {
                let bytes = value.as_signed_bytes_le();
                de.context.charge(size_of::<BigInt>() + bytes.len() + 8)?;
                visitor.visit_bytes(bytes)
            }
            Node::Str(text) => {
                de.context.charge(text.as_bytes().len())?;
                match walk::borrowed_wtf8(node) {
                    Some(bytes) => visitor.visit_borrowed_bytes(bytes),
                    None => visitor.visit_bytes(text.as_bytes()),
                }
            }
            Node::ByteArray(bytes) => {
                de.context.charge(bytes.len())?;
                match node.borrowed_bytes() {
                    Some(bytes) => visitor.visit_borrowed_bytes(bytes),
                    None => visitor.visit_bytes(bytes),
                }
            }
            Node::Tuple(items) | Node::Set(items) | Node::FrozenSet(items) => de.items(items.ids, visitor),
            Node::Global(..) => {
                let [module, name] = walk::global_names(node).map(|id| Piece::Node(de.child(id)));
                visitor.visit_seq(Pieces([module, name].into_iter()))
            }
            Node::Object(object) => {
                de.context.charge(size_of::<ObjectValue<'_>>())?;
                de.enter()?;
                let instance = &object.instance;
                let part = |id| if id == NodeId::ABSENT { Piece::Absent } else { Piece::Node(de.child(id)) };
                visitor.visit_seq(Pieces(
                    [
                        part(instance.class),
                        Piece::Bool(instance.construct == Construct::New),
                        part(instance.args),
                        part(instance.kwargs),
                        Piece::Bool(instance.state != NodeId::ABSENT),
                        part(instance.state),
                        part(instance.items),
                        part(instance.pairs),
                        Piece::Number(instance.known.map_or(u32::MAX, reading_number)),
                    ]
                    .into_iter(),
                ))
            }
            Node::PersistentId(id) => {
                de.enter()?;
                visitor.visit_seq(Pieces([Piece::Node(de.child(id.id()))].into_iter()))
            }
            Node::Extension(number) => visitor.visit_u32(number),
            Node::Buffer(number, read_only) => {
                visitor.visit_u64(u64::from(number) | u64::from(read_only) << 32)
            }
            _ => Err(Error::message("a value that has a word in serde's model")),
        }
    }
}

/// A part of what [`Shown`] shows.
enum Piece<'c, 'd, 'de> {
    Node(De<'c, 'd, 'de>),
    Absent,
    Bool(bool),
    Number(u32),
}

through!(Piece<'_, '_, 'de>, |this, call, visitor| match this {
    Piece::Node(de) => call!(de),
    Piece::Absent => call!(UnitDeserializer::<Error>::new()),
    Piece::Bool(value) => call!(BoolDeserializer::<Error>::new(value)),
    Piece::Number(value) => call!(U32Deserializer::<Error>::new(value)),
});

struct Pieces<I>(I);

impl<'c, 'd, 'de: 'd, I: ExactSizeIterator<Item = Piece<'c, 'd, 'de>>> SeqAccess<'de> for Pieces<I>
where
    'd: 'c,
{
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        self.0.next().map(|piece| seed.deserialize(piece)).transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

/// Numbers every reading, so that one can be passed on.
macro_rules! readings {
    ($($known:ident)*) => {
        const READINGS: &[KnownClass] = &[$(KnownClass::$known,)*];

        fn reading_number(known: KnownClass) -> u32 {
            // A class that is missing above does not compile here.
            match known {
                $(KnownClass::$known => (),)*
            }
            let place = READINGS.iter().position(|&reading| reading == known);
            place.and_then(|place| u32::try_from(place).ok()).unwrap_or(u32::MAX)
        }
    };
}

readings! {
    Encode Bytes ByteArray Set FrozenSet Complex OrderedDict DefaultDict Counter Deque Date Time DateTime
    TimeDelta TimeZone Decimal Fraction Uuid PosixPath WindowsPath Ipv4Address Ipv6Address Ipv4Network
    Ipv6Network Ipv4Interface Ipv6Interface Range Slice Exception Enum Member Type Reconstructor Instance
    Allowed ZoneInfo GetAttr Outer
}

/// Reads a value, and whatever it holds.
struct Reading<'a, K> {
    keep: K,
    value: PhantomData<Value<'a>>,
}

impl<K: Copy> Clone for Reading<'_, K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K: Copy> Copy for Reading<'_, K> {}

impl<K> Reading<'_, K> {
    const fn new(keep: K) -> Self {
        Self { keep, value: PhantomData }
    }
}

impl<'de, 'a, K: Keep<'de, 'a>> DeserializeSeed<'de> for Reading<'a, K> {
    type Value = Value<'a>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> core::result::Result<Value<'a>, D::Error> {
        deserializer.deserialize_newtype_struct(NAME, self)
    }
}

macro_rules! visit_from {
    ($($method:ident $type:ty,)*) => {
        $(
            fn $method<E>(self, value: $type) -> core::result::Result<Value<'a>, E> {
                Ok(Value::from(value))
            }
        )*
    };
}

impl<'de, 'a, K: Keep<'de, 'a>> Visitor<'de> for Reading<'a, K> {
    type Value = Value<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value that Python has")
    }

    visit_from! {
        visit_bool bool,
        visit_i64 i64,
        visit_u64 u64,
        visit_i128 i128,
        visit_u128 u128,
        visit_f64 f64,
        visit_string String,
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> core::result::Result<Value<'a>, E> {
        Ok(Value::Str(self.keep.text(text)))
    }

    fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> core::result::Result<Value<'a>, E> {
        Ok(Value::Bytes(self.keep.bytes(bytes)))
    }

    fn visit_str<E>(self, text: &str) -> core::result::Result<Value<'a>, E> {
        Ok(Value::from(String::from(text)))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> core::result::Result<Value<'a>, E> {
        Ok(Value::Bytes(Vec::from(bytes).into()))
    }

    fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> core::result::Result<Value<'a>, E> {
        Ok(Value::Bytes(bytes.into()))
    }

    fn visit_unit<E>(self) -> core::result::Result<Value<'a>, E> {
        Ok(Value::None)
    }

    fn visit_none<E>(self) -> core::result::Result<Value<'a>, E> {
        Ok(Value::None)
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> core::result::Result<Value<'a>, D::Error> {
        self.deserialize(inner)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        inner: D,
    ) -> core::result::Result<Value<'a>, D::Error> {
        inner.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> core::result::Result<Value<'a>, A::Error> {
        ItemsVisitor(self).visit_seq(access).map(Value::List)
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> core::result::Result<Value<'a>, A::Error> {
        PairsVisitor(self).visit_map(access).map(Value::Dict)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> core::result::Result<Value<'a>, A::Error> {
        let (variant, contents) = access.variant::<Variant>()?;
        match variant {
            Variant::Number(number) => {
                let place = number.checked_sub(FIRST).and_then(|place| usize::try_from(place).ok());
                let special = place
                    .and_then(|place| SPECIALS.get(place))
                    .ok_or_else(|| A::Error::custom("a variant that this crate does not show"))?;
                contents.tuple_variant(0, Contents { special: *special, reading: self })
            }
            Variant::Name(name) => {
                let value = contents.newtype_variant_seed(self)?;
                Ok(Value::Dict(Vec::from([(Value::from(name), value)])))
            }
        }
    }
}

/// A length that is only declared reserves little.
const MOST_RESERVED: usize = 1_024;

/// Reads a sequence of values.
struct ItemsVisitor<'a, K>(Reading<'a, K>);

impl<'de, 'a, K: Keep<'de, 'a>> Visitor<'de> for ItemsVisitor<'a, K> {
    type Value = Vec<Value<'a>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sequence")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> core::result::Result<Self::Value, A::Error> {
        let mut items = Vec::with_capacity(access.size_hint().unwrap_or_default().min(MOST_RESERVED));
        while let Some(item) = access.next_element_seed(self.0)? {
            items.push(item);
        }
        Ok(items)
    }

    fn visit_none<E>(self) -> core::result::Result<Self::Value, E> {
        Ok(Vec::new())
    }
}

impl<'de, 'a, K: Keep<'de, 'a>> DeserializeSeed<'de> for ItemsVisitor<'a, K> {
    type Value = Vec<Value<'a>>;

    fn deserialize<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> core::result::Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

/// Reads the pairs of a map.
struct PairsVisitor<'a, K>(Reading<'a, K>);

impl<'de, 'a, K: Keep<'de, 'a>> Visitor<'de> for PairsVisitor<'a, K> {
    type Value = Vec<(Value<'a>, Value<'a>)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> core::result::Result<Self::Value, A::Error> {
        let mut pairs = Vec::with_capacity(access.size_hint().unwrap_or_default().min(MOST_RESERVED));
        while let Some(key) = access.next_key_seed(self.0)? {
            pairs.push((key, access.next_value_seed(self.0)?));
        }
        Ok(pairs)
    }
}

impl<'de, 'a, K: Keep<'de, 'a>> DeserializeSeed<'de> for PairsVisitor<'a, K> {
    type Value = Vec<(Value<'a>, Value<'a>)>;

    fn deserialize<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> core::result::Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

/// Reads a part that may be absent.
struct Optional<S>(S);

impl<'de, S: DeserializeSeed<'de>> Visitor<'de> for Optional<S> {
    type Value = Option<S::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a part of an object, or nothing")
    }

    fn visit_none<E>(self) -> core::result::Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> core::result::Result<Self::Value, D::Error> {
        self.0.deserialize(deserializer).map(Some)
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Optional<S> {
    type Value = Option<S::Value>;

    fn deserialize<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> core::result::Result<Self::Value, D::Error> {
        deserializer.deserialize_option(self)
    }
}

/// Reads what [`Shown`] shows.
struct Contents<'a, K> {
    special: Special,
    reading: Reading<'a, K>,
}

impl<'a, K> Contents<'a, K> {
    fn of_bytes<E: ::serde::de::Error>(self, bytes: Cow<'a, [u8]>) -> core::result::Result<Value<'a>, E> {
        Ok(match self.special {
            Special::BigInt => Value::from(BigInt::from_signed_bytes_le(&bytes)),
            Special::Wtf8 => Value::Wtf8(bytes),
            Special::ByteArray => Value::ByteArray(bytes),
            _ => return Err(E::custom("bytes, where a value has parts")),
        })
    }
}

impl<'de, 'a, K: Keep<'de, 'a>> Visitor<'de> for Contents<'a, K> {
    type Value = Value<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the contents of a value")
    }

    fn visit_borrowed_bytes<E: ::serde::de::Error>(
        self,
        bytes: &'de [u8],
    ) -> core::result::Result<Value<'a>, E> {
        let bytes = self.reading.keep.bytes(bytes);
        self.of_bytes(bytes)
    }

    fn visit_bytes<E: ::serde::de::Error>(self, bytes: &[u8]) -> core::result::Result<Value<'a>, E> {
        self.of_bytes(Cow::Owned(Vec::from(bytes)))
    }

    fn visit_u64<E: ::serde::de::Error>(self, number: u64) -> core::result::Result<Value<'a>, E> {
        // A buffer that was made read-only has the bit above its number.
        let read_only = number >> 32 == 1;
        let small = if self.special == Special::Buffer { number & !(1 << 32) } else { number };
        match (self.special, u32::try_from(small)) {
            (Special::Extension, Ok(code)) => Ok(Value::Extension(code)),
            (Special::Buffer, Ok(index)) => Ok(Value::Buffer(index, read_only)),
            _ => Err(E::custom("a number, where a value has parts")),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> core::result::Result<Value<'a>, A::Error> {
        let missing = || A::Error::custom("a part of a value is missing");
        let reading = self.reading;
        Ok(match self.special {
            Special::Tuple => Value::Tuple(ItemsVisitor(reading).visit_seq(access)?),
            Special::Set => Value::Set(ItemsVisitor(reading).visit_seq(access)?),
            Special::FrozenSet => Value::FrozenSet(ItemsVisitor(reading).visit_seq(access)?),
            Special::Global => {
                let mut name = || match access.next_element_seed(reading)? {
                    Some(Value::Str(text)) => Ok(text),
                    Some(Value::Wtf8(bytes)) => Ok(Cow::Owned(Str::Wtf8(&bytes).to_string_lossy())),
                    _ => Err(missing()),
                };
                let module = name()?;
                Value::global(module, name()?)
            }
            Special::PersistentId => {
                Value::PersistentId(Box::new(access.next_element_seed(reading)?.ok_or_else(missing)?))
            }
            Special::Object => Value::Object(Box::new(object(reading, access)?)),
            _ => return Err(A::Error::custom("a sequence, where a value has none")),
        })
    }
}

/// The parts of an object, in the order in which [`Shown`] shows them.
fn object<'de, 'a, K: Keep<'de, 'a>, A: SeqAccess<'de>>(
    reading: Reading<'a, K>,
    mut access: A,
) -> core::result::Result<ObjectValue<'a>, A::Error> {
    let missing = || A::Error::custom("a part of an object is missing");
    let class = access.next_element_seed(reading)?.ok_or_else(missing)?;
    let is_new: bool = access.next_element()?.ok_or_else(missing)?;
    let args = access.next_element_seed(Optional(ItemsVisitor(reading)))?.ok_or_else(missing)?;
    let kwargs = access.next_element_seed(Optional(PairsVisitor(reading)))?.ok_or_else(missing)?;
    let has_state: bool = access.next_element()?.ok_or_else(missing)?;
    let state = if has_state {
        Some(access.next_element_seed(reading)?.ok_or_else(missing)?)
    } else {
        access.next_element::<IgnoredAny>()?;
        None
    };
    let items = access.next_element_seed(Optional(ItemsVisitor(reading)))?.ok_or_else(missing)?;
    let pairs = access.next_element_seed(Optional(PairsVisitor(reading)))?.ok_or_else(missing)?;
    let known: u32 = access.next_element()?.ok_or_else(missing)?;
    Ok(ObjectValue {
        class,
        construct: if is_new { Construct::New } else { Construct::Call },
        args: args.unwrap_or_default(),
        kwargs,
        state,
        items,
        pairs,
        known: usize::try_from(known).ok().and_then(|place| READINGS.get(place).copied()),
    })
}

/// A variant's number from this crate's deserializers, or its name from another one.
enum Variant {
    Number(u32),
    Name(String),
}

impl<'de> Deserialize<'de> for Variant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> core::result::Result<Self, D::Error> {
        struct VariantVisitor;

        impl Visitor<'_> for VariantVisitor {
            type Value = Variant;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a variant")
            }

            fn visit_u32<E: ::serde::de::Error>(self, number: u32) -> core::result::Result<Variant, E> {
                Ok(Variant::Number(number))
            }

            fn visit_str<E: ::serde::de::Error>(self, name: &str) -> core::result::Result<Variant, E> {
                Ok(Variant::Name(String::from(name)))
            }
        }

        deserializer.deserialize_identifier(VariantVisitor)
    }
}
