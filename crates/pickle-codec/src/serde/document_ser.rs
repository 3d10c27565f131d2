//! `Serialize` for documents and nodes: into JSON and whatever else serde writes.

use ::serde::Serialize;
use ::serde::ser::{Error as _, SerializeMap, SerializeTuple, Serializer};

use super::de::explained;
use super::node::{Context, De};
use super::ser::token;
use super::view::{self, Part, Shape, Want};
use crate::budget::Budget;
use crate::document::{BigIntRef, Document, Items, Kind, NodeId, NodeRef};
use crate::limits::Limits;
use crate::value::Value;
use crate::wire::error::Error;

/// As [`from_slice`](crate::from_slice) reads it where the type does not say what it wants: known
/// objects as text or numbers, other objects as their parts. Shared objects are written at each place,
/// within the limits of the document's decode; to write a pickle with its sharing there is
/// [`to_vec`](Self::to_vec).
///
/// ```
/// let document = pickle_codec::decode(b"}X\x01\0\0\0a](K\x01N\x88es.")?;
/// assert_eq!(serde_json::to_string(&document).unwrap(), r#"{"a":[1,null,true]}"#);
/// # Ok::<(), pickle_codec::Error>(())
/// ```
impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.root().serialize(serializer)
    }
}

/// As its [`Document`].
impl Serialize for NodeRef<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let context = Context::of(self.document());
        Place(De::new(*self, &context)).serialize(serializer)
    }
}

/// A node at its place.
struct Place<'c, 'd, 'a>(De<'c, 'd, 'a>);

impl<'c, 'd, 'a> Place<'c, 'd, 'a> {
    fn child(&self, id: NodeId) -> Self {
        Place(self.0.child(id))
    }

    /// An error in the words of the format.
    fn failed<E: ::serde::ser::Error>(&self, error: Error) -> E {
        E::custom(explained(error, self.0.node))
    }

    fn pairs<S: Serializer>(&self, serializer: S, all: [&[NodeId]; 2]) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(all.iter().map(|ids| ids.len() / 2).sum()))?;
        for ids in all {
            let (pairs, _) = ids.as_chunks::<2>();
            for &[key, value] in pairs {
                map.serialize_entry(&self.child(key), &self.child(value))?;
            }
        }
        map.end()
    }

    fn items<S: Serializer>(&self, serializer: S, ids: &[NodeId]) -> Result<S::Ok, S::Error> {
        match self.0.node.id.kind() {
            Kind::Tuple => {
                let mut tuple = serializer.serialize_tuple(ids.len())?;
                for &id in ids {
                    tuple.serialize_element(&self.child(id))?;
                }
                tuple.end()
            }
            _ => serializer.collect_seq(ids.iter().map(|&id| self.child(id))),
        }
    }
}

impl Serialize for Place<'_, '_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.node.id.kind() {
            Kind::Set => serializer.serialize_newtype_struct(token::SET, &Shown(self)),
            Kind::FrozenSet => serializer.serialize_newtype_struct(token::FROZENSET, &Shown(self)),
            Kind::ByteArray => serializer.serialize_newtype_struct(token::BYTEARRAY, &Shown(self)),
            Kind::Object => serializer.serialize_newtype_struct(token::OBJECT, &Exact(self)),
            _ => Shown(self).serialize(serializer),
        }
    }
}

/// A node by its shape, as [`view::open`] has it for a type that does not say what it wants: JSON has no more to say
/// than such a type.
struct Shown<'p, 'c, 'd, 'a>(&'p Place<'c, 'd, 'a>);

impl Serialize for Shown<'_, '_, '_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(place) = self;
        let de = place.0;
        let shape = view::open(de.node, Want::Any, de.context).map_err(|error| place.failed(error))?;
        if matches!(shape, Shape::Items(_) | Shape::Pairs(_) | Shape::Slots(_) | Shape::Parts(_)) {
            de.enter().map_err(|error| place.failed(error))?;
        }
        match shape {
            Shape::None => serializer.serialize_unit(),
            Shape::Bool(value) => serializer.serialize_bool(value),
            Shape::Int(value) => serializer.serialize_i64(value),
            Shape::Big(value) => big(value).serialize(serializer),
            Shape::Float(value) => serializer.serialize_f64(value),
            Shape::Lent(text) => serializer.serialize_str(text),
            Shape::Str(text) | Shape::Decimal(text) => serializer.serialize_str(text),
            Shape::Made(text) => serializer.serialize_str(&text),
            Shape::LentBytes(bytes) => serializer.serialize_bytes(bytes),
            Shape::Bytes(bytes) => serializer.serialize_bytes(bytes),
            Shape::MadeBytes(bytes) => serializer.serialize_bytes(&bytes),
            Shape::Items(Items { ids, .. }) => place.items(serializer, ids),
            Shape::Pairs(pairs) => place.pairs(serializer, [pairs.ids, &[]]),
            Shape::Slots(parts) => {
                place.pairs(serializer, parts.map(|part| part.map_or(&[][..], |pairs| pairs.ids)))
            }
            Shape::Nothing => serializer.serialize_map(Some(0))?.end(),
            Shape::Complex(parts) => parts.serialize(serializer),
            Shape::Delta(parts) => parts.serialize(serializer),
            Shape::Parts(parts) => {
                let mut map = serializer.serialize_map(Some(parts.len()))?;
                for (name, part) in parts {
                    match part {
                        Part::Text(text) => map.serialize_entry(name, &text)?,
                        Part::Node(node) => map.serialize_entry(name, &place.child(node.id))?,
                    }
                }
                map.end()
            }
        }
    }
}

fn big(value: BigIntRef<'_>) -> Value<'static> {
    Value::from(value.to_bigint())
}

/// An object: exactly itself in a pickle, by its shape everywhere else.
struct Exact<'p, 'c, 'd, 'a>(&'p Place<'c, 'd, 'a>);

impl Serialize for Exact<'_, '_, '_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(place) = self;
        if serializer.is_human_readable() {
            return Shown(place).serialize(serializer);
        }
        // This crate's serializer takes a pickle of the object here; other formats get bytes, too.
        let context = place.0.context;
        let limits = Limits { max_value_depth: place.0.depth_left(), ..Limits::default() };
        let mut budget = Budget::new(context.left());
        let value =
            place.0.node.to_value_within(&limits, &mut budget).map_err(|error| place.failed(error))?;
        let pickle = value.to_vec(crate::wire::protocol::Protocol::HIGHEST).map_err(S::Error::custom)?;
        context.charge(pickle.len()).map_err(|error| place.failed(error))?;
        serializer.serialize_bytes(&pickle)
    }
}
