//! Builds documents in Rust: graphs with sharing and cycles, without a pickle to decode.
//!
//! It is the public face of [`Builder`], without a budget: what a program builds is its own. Calls of known
//! classes are read as in a decode, so that a set that is built by `set([...])` is a set, and what was built
//! equals what a decoder makes of its pickle.

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use num_bigint::BigInt;

use super::construct::{self, Constructed};
use super::fill::{Builder, Keys, Part};
use crate::document::hash::seed;
use crate::document::{Construct, Instance, ObjectRepr};
use crate::document::{Document, Root};
use crate::document::{Kind, NodeId};
use crate::known::{self, owns_module_text};
use crate::limits::{Limits, ValueLimits};
use crate::wire::error::{Error, ErrorKind, Result};
use crate::wire::number;
use crate::wire::text::{Str, is_wtf8};

/// Builds a [`Document`], node by node.
///
/// Every method gives the id of a new node; one id in two places is one shared object. Lists,
/// dicts, sets and objects can be filled later, which is how cycles come about. Borrowed text and bytes
/// stay where they are; owned ones are copied into the document.
///
/// Ids belong to the builder that gave them: one that this builder has not given yet is refused with
/// `data`, so that nothing is put into what does not exist yet.
///
/// ```
/// use pickle_codec::{DocumentBuilder, Protocol};
/// let mut builder = DocumentBuilder::new();
/// let list = builder.list(&[])?;
/// let pair = builder.tuple(&[list, list])?;
/// builder.append(list, pair)?;
/// let document = builder.finish(list);
/// assert_eq!(document.to_vec(Protocol::V2)?, b"\x80\x02]q\x00h\x00h\x00\x86q\x01a.");
/// # Ok::<(), pickle_codec::Error>(())
/// ```
#[derive(Debug)]
pub struct DocumentBuilder<'a> {
    builder: Builder<'a>,
    /// The texts of modules and the globals so far: classes of one module share its text, and one
    /// class is one object.
    modules: BTreeMap<String, NodeId>,
    globals: BTreeMap<(NodeId, String), NodeId>,
}

impl Default for DocumentBuilder<'_> {
    fn default() -> Self {
        Self::new()
    }
}

/// A budget counts bytes of a decode; here it can only mean that there are more than 2^28 nodes of a
/// kind, or more than 4 GiB of copied text or bytes.
fn plain<T>(outcome: Result<T, ErrorKind>) -> Result<T> {
    outcome.map_err(Error::plain)
}

impl<'a> DocumentBuilder<'a> {
    /// An empty builder, without limits other than those of memory.
    #[must_use]
    pub fn new() -> Self {
        let limits = Limits {
            max_memory: Some(usize::MAX),
            max_expansion: Some(usize::MAX),
            max_depth: usize::MAX,
            ..Limits::default()
        };
        Self {
            builder: Builder::new(Document::default(), Keys::new(seed()), &limits, 0),
            modules: BTreeMap::new(),
            globals: BTreeMap::new(),
        }
    }

    /// The document with this root.
    #[must_use]
    pub fn finish(self, root: NodeId) -> Document<'a> {
        let mut document = self.builder.into_document();
        document.root = Root(root);
        // It was built without limits, and is read with the usual ones.
        document.limits = ValueLimits::default();
        document
    }

    /// Refuses ids that this builder has not given.
    fn check(&self, ids: &[NodeId]) -> Result<()> {
        if ids.iter().all(|&id| self.builder.document.has(id)) {
            return Ok(());
        }
        Err(Error::message("a node id that is not of this builder"))
    }

    /// `None`. Always the same id.
    #[must_use]
    pub const fn none(&self) -> NodeId {
        NodeId::NONE
    }

    /// A bool. Always the same id for the same value.
    #[must_use]
    pub const fn bool(&self, value: bool) -> NodeId {
        if value { NodeId::TRUE } else { NodeId::FALSE }
    }

    /// An integer.
    ///
    /// # Errors
    /// Every method that makes a node fails with `budget` when the document can hold no more.
    pub fn int(&mut self, value: i64) -> Result<NodeId> {
        plain(self.builder.int(value))
    }

    /// An integer of any size.
    ///
    /// # Errors
    /// As [`int`](Self::int).
    pub fn big_int(&mut self, value: &BigInt) -> Result<NodeId> {
        self.big_int_le(&value.to_signed_bytes_le())
    }

    /// An integer as two's complement, little-endian.
    ///
    /// # Errors
    /// As [`int`](Self::int).
    pub fn big_int_le(&mut self, bytes: &[u8]) -> Result<NodeId> {
        let bytes = number::minimal(bytes);
        match number::small(bytes) {
            Some(value) => self.int(value),
            None => plain(self.builder.int_owned(bytes)),
        }
    }

    /// A float.
    ///
    /// # Errors
    /// As [`int`](Self::int).
    pub fn float(&mut self, value: f64) -> Result<NodeId> {
        plain(self.builder.float(value))
    }

    /// Text, which stays where it is if it is borrowed.
    ///
    /// # Errors
    /// As [`int`](Self::int).
    pub fn str(&mut self, text: impl Into<Cow<'a, str>>) -> Result<NodeId> {
        match text.into() {
            Cow::Borrowed(text) => self.str_from(text, Some(text)),
            Cow::Owned(text) => self.str_from(&text, None),
        }
    }

    /// Text, copied if it is not kept.
    #[inline]
    pub(crate) fn str_from(&mut self, text: &str, kept: Option<&'a str>) -> Result<NodeId> {
        plain(match kept {
            Some(text) => self.builder.str(text),
            None => self.builder.owned_str(text),
        })
    }

    /// Text that may hold lone surrogates, each in three bytes; else as [`str`](Self::str).
    ///
    /// # Errors
    /// As [`int`](Self::int); `utf8` if the bytes are not WTF-8.
    pub fn wtf8(&mut self, bytes: impl Into<Cow<'a, [u8]>>) -> Result<NodeId> {
        match bytes.into() {
            Cow::Borrowed(bytes) => self.wtf8_from(bytes, Some(bytes)),
            Cow::Owned(bytes) => self.wtf8_from(&bytes, None),
        }
    }

    /// Text that may hold lone surrogates, copied if it is not kept.
    #[inline]
    pub(crate) fn wtf8_from(&mut self, bytes: &[u8], kept: Option<&'a [u8]>) -> Result<NodeId> {
        plain(match kept {
            Some(bytes) => match core::str::from_utf8(bytes) {
                Ok(text) => self.builder.str(text),
                Err(_) if is_wtf8(bytes) => self.builder.wtf8(bytes),
                Err(_) => Err(ErrorKind::Utf8),
            },
            None => match core::str::from_utf8(bytes) {
                Ok(text) => self.builder.owned_str(text),
                Err(_) if is_wtf8(bytes) => self.builder.owned_wtf8(bytes),
                Err(_) => Err(ErrorKind::Utf8),
            },
        })
    }

    /// Text of either kind, borrowed.
    ///
    /// # Errors
    /// As [`wtf8`](Self::wtf8).
    pub fn text(&mut self, text: Str<'a>) -> Result<NodeId> {
        match text {
            Str::Utf8(text) => self.str(text),
            Str::Wtf8(bytes) => self.wtf8(bytes),
        }
    }

    /// `bytes`, which stay where they are if they are borrowed.
    ///
    /// # Errors
    /// As [`int`](Self::int).
    pub fn bytes(&mut self, bytes: impl Into<Cow<'a, [u8]>>) -> Result<NodeId> {
        match bytes.into() {
            Cow::Borrowed(bytes) => self.bytes_from(bytes, Some(bytes)),
            Cow::Owned(bytes) => self.bytes_from(&bytes, None),
        }
    }

    /// `bytes`, copied if they are not kept.
    #[inline]
    pub(crate) fn bytes_from(&mut self, bytes: &[u8], kept: Option<&'a [u8]>) -> Result<NodeId> {
        plain(match kept {
            Some(bytes) => self.builder.bytes(bytes),
            None => self.builder.owned_bytes(bytes),
        })
    }

    /// A `bytearray`; else as [`bytes`](Self::bytes).
    ///
    /// # Errors
    /// As [`int`](Self::int).
    pub fn bytearray(&mut self, bytes: impl Into<Cow<'a, [u8]>>) -> Result<NodeId> {
        match bytes.into() {
            Cow::Borrowed(bytes) => self.bytearray_from(bytes, Some(bytes)),
            Cow::Owned(bytes) => self.bytearray_from(&bytes, None),
        }
    }

    /// A `bytearray`, copied if it is not kept.
    #[inline]
    pub(crate) fn bytearray_from(&mut self, bytes: &[u8], kept: Option<&'a [u8]>) -> Result<NodeId> {
        plain(match kept {
            Some(bytes) => self.builder.bytearray(bytes),
            None => self.builder.owned_bytearray(bytes),
        })
    }

    /// A list of these items; [`append`](Self::append) adds more.
    ///
    /// # Errors
    /// As [`int`](Self::int).
    pub fn list(&mut self, items: &[NodeId]) -> Result<NodeId> {
        self.check(items)?;
        plain(self.builder.list(items))
    }

    /// A tuple of these items. `()` is always the same id.
    ///
    /// # Errors
    /// As [`int`](Self::int).
    pub fn tuple(&mut self, items: &[NodeId]) -> Result<NodeId> {
        self.check(items)?;
        plain(self.builder.tuple(items))
    }

    /// An empty dict, for [`set_item`](Self::set_item).
    ///
    /// # Errors
    /// As [`int`](Self::int).
    pub fn dict(&mut self) -> Result<NodeId> {
        plain(self.builder.empty_dict())
    }

    /// An empty set, for [`add`](Self::add).
    ///
    /// # Errors
    /// As [`int`](Self::int).
    pub fn set(&mut self) -> Result<NodeId> {
        plain(self.builder.empty_set())
    }

    /// A frozenset of these members; of equal ones the first stays.
    ///
    /// # Errors
    /// As [`int`](Self::int); `hash` if a member is not hashable.
    pub fn frozenset(&mut self, members: &[NodeId]) -> Result<NodeId> {
        self.check(members)?;
        plain(self.builder.frozenset(members))
    }

    /// Appends to a list, or gives an object an item as APPENDS does.
    ///
    /// # Errors
    /// As [`int`](Self::int); `type` if the target is neither.
    pub fn append(&mut self, target: NodeId, item: NodeId) -> Result<()> {
        self.check(&[target, item])?;
        if target.kind() == Kind::List {
            return plain(self.builder.extend(target, &[item]));
        }
        let list = plain(self.builder.part(target, Part::Items))?;
        plain(self.builder.extend(list, &[item]))?;
        plain(self.builder.deepen(target, list))
    }

    /// Sets a dict's item, or gives an object a pair as SETITEMS does. An equal key keeps its place
    /// and gets the new value.
    ///
    /// # Errors
    /// As [`int`](Self::int); `type` if the target is neither; `hash` if the key is not hashable.
    pub fn set_item(&mut self, target: NodeId, key: NodeId, value: NodeId) -> Result<()> {
        self.check(&[target, key, value])?;
        if target.kind() == Kind::Dict {
            return plain(self.builder.set_items(target, &[key, value]));
        }
        let dict = plain(self.builder.part(target, Part::Pairs))?;
        plain(self.builder.set_items(dict, &[key, value]))?;
        plain(self.builder.deepen(target, dict))
    }

    /// Adds a member to a set, unless there is an equal one.
    ///
    /// # Errors
    /// As [`int`](Self::int); `type` if the target is no set; `hash` if the member is not hashable.
    pub fn add(&mut self, set: NodeId, member: NodeId) -> Result<()> {
        self.check(&[set, member])?;
        if set.kind() != Kind::Set {
            return Err(Error::plain(ErrorKind::Type));
        }
        plain(self.builder.add(set, &[member]))
    }

    /// The name of a class or function. The same names give the same id.
    ///
    /// # Errors
    /// As [`int`](Self::int); `global` if a part is empty.
    pub fn global(&mut self, module: &str, name: &str) -> Result<NodeId> {
        if module.is_empty() || name.is_empty() {
            return Err(Error::plain(ErrorKind::Global));
        }
        let known = known::lookup(module, name);
        let shared = match self.modules.get(module) {
            Some(&id) => id,
            None => {
                let id = self.str_from(module, None)?;
                self.modules.insert(String::from(module), id);
                id
            }
        };
        let key = (shared, String::from(name));
        if let Some(&id) = self.globals.get(&key) {
            return Ok(id);
        }
        let module = if owns_module_text(Str::Utf8(module), Str::Utf8(name)) {
            self.str_from(module, None)?
        } else {
            shared
        };
        let name = self.str_from(name, None)?;
        let id = plain(self.builder.object(ObjectRepr::Global { module, name, known }))?;
        self.globals.insert(key, id);
        Ok(id)
    }

    /// What calling a global, or making an instance of it, would give. A call that spells a plain
    /// value, such as a set below protocol 4, gives that value's node.
    ///
    /// # Errors
    /// As [`int`](Self::int); `call` if the class is no object node.
    pub fn object(&mut self, class: NodeId, construct: Construct, args: &[NodeId]) -> Result<NodeId> {
        self.object_with(class, construct, args, NodeId::ABSENT)
    }

    /// The same with keyword arguments, a dict.
    ///
    /// # Errors
    /// As [`object`](Self::object); `call` if the keyword arguments are no dict.
    pub fn object_with_kwargs(&mut self, class: NodeId, args: &[NodeId], kwargs: NodeId) -> Result<NodeId> {
        self.check(&[kwargs])?;
        if kwargs.kind() != Kind::Dict {
            return Err(Error::plain(ErrorKind::Call));
        }
        self.object_with(class, Construct::New, args, kwargs)
    }

    fn object_with(
        &mut self,
        class: NodeId,
        construct: Construct,
        args: &[NodeId],
        kwargs: NodeId,
    ) -> Result<NodeId> {
        self.check(&[class])?;
        if class.kind() != Kind::Object {
            return Err(Error::plain(ErrorKind::Call));
        }
        let mut instance = Instance::new(class, construct, self.tuple(args)?, kwargs);
        if let Some(known) = known::role(&self.builder.document, class)
            && let Constructed::Node(id) = plain(construct::call(&mut self.builder, known, &mut instance))?
        {
            return Ok(id);
        }
        plain(self.builder.instance(instance))
    }

    /// Gives an object its state, as BUILD does.
    ///
    /// # Errors
    /// As [`int`](Self::int); `type` if the target is no object, `call` if it has a state.
    pub fn set_state(&mut self, object: NodeId, state: NodeId) -> Result<()> {
        self.check(&[object, state])?;
        let Some(instance) = self.builder.instance_mut(object).copied() else {
            return Err(Error::plain(ErrorKind::Type));
        };
        if instance.state != NodeId::ABSENT {
            return Err(Error::plain(ErrorKind::Call));
        }
        let reading = known::with_state(&self.builder.document, &instance, state);
        if let Some(place) = self.builder.instance_mut(object) {
            place.state = state;
            place.known = reading;
        }
        plain(self.builder.deepen(object, state))
    }

    /// A persistent id, named by a value.
    ///
    /// # Errors
    /// As [`int`](Self::int).
    pub fn persistent_id(&mut self, value: NodeId) -> Result<NodeId> {
        self.check(&[value])?;
        plain(self.builder.persistent_id(value))
    }

    /// An entry of the extension registry.
    ///
    /// # Errors
    /// As [`int`](Self::int); `global` if the code is not between 1 and 2^31 - 1.
    pub fn extension(&mut self, code: u32) -> Result<NodeId> {
        if code == 0 || i32::try_from(code).is_err() {
            return Err(Error::plain(ErrorKind::Global));
        }
        plain(self.builder.object(ObjectRepr::Extension(code)))
    }

    /// The n-th out-of-band buffer. A pickle names them in order, each once.
    ///
    /// # Errors
    /// As [`int`](Self::int).
    pub fn buffer(&mut self, index: u32, read_only: bool) -> Result<NodeId> {
        plain(self.builder.object(ObjectRepr::Buffer(index, read_only)))
    }

    /// Fills a container that is empty with items, or with keys and values in turn, as they are.
    pub(crate) fn fill(&mut self, id: NodeId, ids: &[NodeId]) -> Result<NodeId> {
        plain(self.builder.extend(id, ids))?;
        Ok(id)
    }

    /// An object with all its parts, and the reading it is known to have.
    pub(crate) fn raw_object(&mut self, instance: Instance) -> Result<NodeId> {
        if instance.class.kind() != Kind::Object {
            return Err(Error::plain(ErrorKind::Call));
        }
        plain(self.builder.instance(instance))
    }

    /// The items a container has so far: keys and values in turn for a dict.
    #[must_use]
    pub fn children(&self, id: NodeId) -> Vec<NodeId> {
        self.builder.document.items(id).to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misuse_is_an_error() {
        let mut builder = DocumentBuilder::new();
        let one = builder.int(1).unwrap();
        let list = builder.list(&[one]).unwrap();
        let dict = builder.dict().unwrap();
        let set = builder.set().unwrap();
        let global = builder.global("m", "C").unwrap();
        let object = builder.object(global, Construct::New, &[one]).unwrap();
        let kind = |outcome: Result<()>| outcome.unwrap_err().kind();
        assert_eq!(kind(builder.append(one, one)), ErrorKind::Type);
        assert_eq!(kind(builder.set_item(list, one, one)), ErrorKind::Type);
        assert_eq!(kind(builder.set_item(dict, list, one)), ErrorKind::Hash);
        assert_eq!(kind(builder.add(set, dict)), ErrorKind::Hash);
        assert_eq!(kind(builder.add(list, one)), ErrorKind::Type);
        assert_eq!(kind(builder.set_state(global, one)), ErrorKind::Type);
        assert!(builder.set_state(object, dict).is_ok());
        assert_eq!(kind(builder.set_state(object, dict)), ErrorKind::Call);
        assert_eq!(builder.object(one, Construct::Call, &[]).unwrap_err().kind(), ErrorKind::Call);
        assert_eq!(builder.wtf8(b"\xff").unwrap_err().kind(), ErrorKind::Utf8);
        assert_eq!(builder.extension(0).unwrap_err().kind(), ErrorKind::Global);
        assert_eq!(builder.global("", "x").unwrap_err().kind(), ErrorKind::Global);
        assert_eq!(builder.children(list), [one]);
    }

    #[test]
    fn foreign_ids_are_refused() {
        let mut other = DocumentBuilder::new();
        let mut builder = DocumentBuilder::new();
        let one = builder.int(1).unwrap();
        let dict = builder.dict().unwrap();
        let list = builder.list(&[]).unwrap();
        let set = builder.set().unwrap();
        let class = builder.global("m", "C").unwrap();
        let object = builder.object(class, Construct::New, &[]).unwrap();
        for _ in 0..3 {
            other.list(&[]).unwrap();
        }
        let lists = other.list(&[]).unwrap();
        let tuples = other.tuple(&[one]).unwrap();
        let texts = other.str("a").unwrap();
        let dicts = [other.dict().unwrap(), other.dict().unwrap()][1];
        for foreign in [lists, tuples, texts, dicts] {
            let outcomes = [
                builder.list(&[foreign]).map(|_| ()),
                builder.tuple(&[one, foreign]).map(|_| ()),
                builder.frozenset(&[foreign]).map(|_| ()),
                builder.append(list, foreign),
                builder.append(foreign, one),
                builder.set_item(dict, one, foreign),
                builder.set_item(dict, foreign, one),
                builder.add(set, foreign),
                builder.object(foreign, Construct::Call, &[]).map(|_| ()),
                builder.object(class, Construct::Call, &[foreign]).map(|_| ()),
                builder.object_with_kwargs(class, &[], foreign).map(|_| ()),
                builder.set_state(object, foreign),
                builder.persistent_id(foreign).map(|_| ()),
            ];
            for (place, outcome) in outcomes.into_iter().enumerate() {
                assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Data, "{foreign:?} {place}");
            }
        }
        // What all builders share is nobody's.
        builder.list(&[NodeId::NONE, NodeId::EMPTY_TUPLE]).unwrap();
    }
}
