//! Records events where a container does not say how many items it will have.
//!
//! `Modules/_pickle.c` writes a container of one item in another way than one of two, and a thousand in one batch,
//! so that the number has to be known before the first item is written; an iterator without a size, or a struct with
//! `#[serde(flatten)]`, does not know it. The tape costs 24 bytes an event and a copy of text and bytes. It is as
//! long as what is written from it, and the value that it is made from is in memory already: no limit is needed.

use alloc::vec::Vec;

use super::events::{Container, Done, Events};
use crate::wire::error::{Error, ErrorKind};

#[derive(Clone, Copy, Debug)]
enum Event {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Identifier(&'static str),
    /// The next so many bytes of the payload.
    Payload(Payload, usize),
    Begin(Container, usize),
    End,
}

#[derive(Clone, Copy, Debug)]
enum Payload {
    Int,
    Text,
    Bytes,
    ByteArray,
    Pickle,
}

/// Events in order, and the text and bytes of all of them one behind another: one growing buffer instead of an
/// allocation for each text.
#[derive(Debug, Default)]
pub(crate) struct Tape {
    /// Items of the container itself, keys and values counted as one each.
    pub(super) items: usize,
    events: Vec<Event>,
    payload: Vec<u8>,
}

impl Tape {
    fn record(&mut self, event: Event) -> Done {
        self.events.push(event);
        Ok(())
    }

    fn keep(&mut self, payload: Payload, bytes: &[u8]) -> Done {
        self.payload.extend_from_slice(bytes);
        self.record(Event::Payload(payload, bytes.len()))
    }

    /// Gives the events to another target, which may be the tape of a container around.
    pub(crate) fn replay<E: Events>(self, target: &mut E) -> Done {
        let mut rest = self.payload.as_slice();
        for event in self.events {
            match event {
                Event::None => target.none()?,
                Event::Bool(value) => target.bool(value)?,
                Event::Int(value) => target.int(value)?,
                Event::Float(value) => target.float(value)?,
                Event::Identifier(name) => target.identifier(name)?,
                Event::Begin(shape, len) => target.begin(shape, len)?,
                Event::End => target.end()?,
                Event::Payload(payload, len) => {
                    let (bytes, tail) =
                        rest.split_at_checked(len).ok_or_else(|| Error::plain(ErrorKind::Data))?;
                    rest = tail;
                    match payload {
                        Payload::Int => target.int_le(bytes)?,
                        Payload::Text => target.text(bytes)?,
                        Payload::Bytes => target.bytes(bytes)?,
                        Payload::ByteArray => target.bytearray(bytes)?,
                        Payload::Pickle => target.pickle(bytes)?,
                    }
                }
            }
        }
        Ok(())
    }
}

impl Events for Tape {
    fn none(&mut self) -> Done {
        self.record(Event::None)
    }

    fn bool(&mut self, value: bool) -> Done {
        self.record(Event::Bool(value))
    }

    fn int(&mut self, value: i64) -> Done {
        self.record(Event::Int(value))
    }

    fn int_le(&mut self, bytes: &[u8]) -> Done {
        self.keep(Payload::Int, bytes)
    }

    fn float(&mut self, value: f64) -> Done {
        self.record(Event::Float(value))
    }

    fn text(&mut self, bytes: &[u8]) -> Done {
        self.keep(Payload::Text, bytes)
    }

    fn identifier(&mut self, name: &'static str) -> Done {
        self.record(Event::Identifier(name))
    }

    fn bytes(&mut self, bytes: &[u8]) -> Done {
        self.keep(Payload::Bytes, bytes)
    }

    fn bytearray(&mut self, bytes: &[u8]) -> Done {
        self.keep(Payload::ByteArray, bytes)
    }

    fn pickle(&mut self, pickle: &[u8]) -> Done {
        self.keep(Payload::Pickle, pickle)
    }

    fn begin(&mut self, shape: Container, len: usize) -> Done {
        self.record(Event::Begin(shape, len))
    }

    fn end(&mut self) -> Done {
        self.record(Event::End)
    }
}
