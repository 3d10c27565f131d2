//! Rust types to a [`Value`], without a pickle in between.
//!
//! The events of a serializer come from the outside in, a value is made from the inside out: containers wait on a
//! stack of their own, and each is put into the one below when its end comes. Keys are not compared, as little as a
//! pickle's are when it is written.

use alloc::vec::Vec;

use ::serde::Serialize;
use num_bigint::BigInt;

use super::events::{Container, Done, Events};
use super::ser::{Ser, decoded};
use crate::value::Value;
use crate::wire::error::{Error, ErrorKind, Result};

/// The [`Value`] that a pickle of a Rust value would read as; the twin of
/// [`from_value`](crate::from_value).
///
/// # Errors
/// As [`to_vec`](crate::to_vec); `depth` beyond 1,024 levels.
///
/// ```
/// use pickle_codec::{Value, to_value};
/// #[derive(serde::Serialize)]
/// struct Point { x: i32, y: (u8, Option<bool>) }
/// let value = to_value(&Point { x: 1, y: (2, None) })?;
/// assert_eq!(value.to_string(), "{'x': 1, 'y': (2, None)}");
/// # Ok::<(), pickle_codec::Error>(())
/// ```
pub fn to_value<T: Serialize + ?Sized>(value: &T) -> Result<Value<'static>> {
    let mut builder = ValueBuilder::default();
    value.serialize(Ser::new(&mut builder))?;
    builder.root.ok_or_else(|| Error::message("a value that serializes to nothing"))
}

/// Deepest nesting of a value: what drops it recurses.
const MAX_DEPTH: usize = 1_024;

/// Takes the events of one value.
#[derive(Default)]
struct ValueBuilder {
    root: Option<Value<'static>>,
    /// Containers that are not complete, innermost last.
    open: Vec<(Container, Vec<Value<'static>>)>,
}

impl ValueBuilder {
    fn put(&mut self, value: Value<'static>) -> Done {
        match self.open.last_mut() {
            Some((_, items)) => items.push(value),
            None if self.root.is_none() => self.root = Some(value),
            None => return Err(Error::message("the value is complete already").into()),
        }
        Ok(())
    }
}

impl Events for ValueBuilder {
    fn none(&mut self) -> Done {
        self.put(Value::None)
    }

    fn bool(&mut self, value: bool) -> Done {
        self.put(Value::Bool(value))
    }

    fn int(&mut self, value: i64) -> Done {
        self.put(Value::Int(value))
    }

    fn int_le(&mut self, bytes: &[u8]) -> Done {
        self.put(Value::from(BigInt::from_signed_bytes_le(bytes)))
    }

    fn float(&mut self, value: f64) -> Done {
        self.put(Value::Float(value))
    }

    fn text(&mut self, bytes: &[u8]) -> Done {
        self.put(match core::str::from_utf8(bytes) {
            Ok(text) => Value::Str(alloc::string::String::from(text).into()),
            Err(_) => Value::Wtf8(Vec::from(bytes).into()),
        })
    }

    fn bytes(&mut self, bytes: &[u8]) -> Done {
        self.put(Value::Bytes(Vec::from(bytes).into()))
    }

    fn bytearray(&mut self, bytes: &[u8]) -> Done {
        self.put(Value::ByteArray(Vec::from(bytes).into()))
    }

    fn pickle(&mut self, pickle: &[u8]) -> Done {
        let value = decoded(pickle)?.root().to_value()?.into_owned();
        self.put(value)
    }

    fn begin(&mut self, shape: Container, _: usize) -> Done {
        // A length that is only declared reserves nothing.
        if self.open.len() >= MAX_DEPTH {
            return Err(Error::plain(ErrorKind::Depth).into());
        }
        self.open.push((shape, Vec::new()));
        Ok(())
    }

    fn end(&mut self) -> Done {
        let (shape, items) = self.open.pop().ok_or_else(|| Error::message("an end without a beginning"))?;
        self.put(match shape {
            Container::List => Value::List(items),
            Container::Tuple => Value::Tuple(items),
            Container::Set => Value::Set(items),
            Container::FrozenSet => Value::FrozenSet(items),
            Container::Dict => {
                let mut pairs = Vec::with_capacity(items.len() / 2);
                let mut items = items.into_iter();
                while let (Some(key), Some(value)) = (items.next(), items.next()) {
                    pairs.push((key, value));
                }
                Value::Dict(pairs)
            }
        })
    }
}
