//! Documents to pickles: the graph is walked without recursion, and identity decides what is shared.
//!
//! # The plain algorithm
//!
//! `save` in `Modules/_pickle.c` recurses; here the nodes whose parts are being written are on a stack of
//! [`Visit`]s, and [`GraphWalk::run`] takes one step of the topmost at a time:
//!
//! 1. [`GraphWalk::visit`] meets a node. If the memo has it, a GET is all that is written. A scalar is written.
//!    A container is begun (`]`, `}`, `(`) and put on the stack.
//! 2. The topmost container gives its next part, which is visited in turn.
//! 3. A container without further parts is ended (APPENDS, SETITEMS, TUPLE) and taken from the stack.
//!
//! The order of opcodes inside of a container (marks, batches of 1,000, memo opcodes, pickle FRAMEs) is the
//! [`Writer`]'s business, which knows no graph. Here it is decided what is visited when, and which node a memo
//! entry belongs to.
//!
//! # Identity
//!
//! The memo is a table from nodes to memo indexes, dense because nodes are numbered densely ([`Layout`]).
//! Numbers, `None` and `()` have no slot: CPython writes them again at each place. By the option of a lean
//! pickle only what is met twice gets a memo opcode; [`Wanted`] counts that in a walk of its own before.
//!
//! # What holds itself
//!
//! A list, a dict and a set of protocol 4 are empty objects first, which get into the memo, and are filled
//! then. One that holds itself is met again while it is open, is found in the memo, and becomes a GET.
//!
//! A tuple, a frozenset, and a call with its arguments get into the memo only when they are complete. A tuple
//! that holds a list that holds the tuple is therefore met again while it is still open:
//!
//! ```text
//! l = []; t = (l,); l.append(t)          pickle.dumps(t, 2), memo opcodes left out but for the list's
//!
//! visit t     t is not in the memo: open it
//!   visit l   ]  q0                      l is in the memo from here on
//!     visit t        t is not in the memo yet: open it once more
//!       visit l      h0                  found
//!     end t          85 q1               the inner visit has completed t
//!   end l     a
//! end t       0 h1                       t is in the memo meanwhile: POP what was built, GET the one there is
//! ```
//!
//! So [`GraphWalk::end`] looks into the memo again, and if the node has got there meanwhile, what was written for
//! it is popped and the first one is fetched (`save_tuple`, "recursive tuple"). That comes to an end because a
//! list lay on the way round. A tuple that reaches itself through tuples alone would never end; no Python
//! program can make one, but a document can hold it, and [`GraphWalk::enter`] has the condition that tells.
//!
//! # Objects
//!
//! An object is written in the order of `save_reduce`; each stage writes one part and names the next:
//!
//! ```text
//! Class -> Args [-> Kwargs] -> Made (REDUCE, NEWOBJ, NEWOBJ_EX; memo) -> GivenItems -> GivenPairs -> State -> Built
//! Class -> NewArgs -> (as from Made)     below the protocol of NEWOBJ or NEWOBJ_EX: copyreg.__newobj__(class, *args)
//! Class -> Rebuilt -> (as from Made)     protocols 0 and 1: copyreg._reconstructor(class, base, value)
//! ```

mod sharing;

use alloc::vec::Vec;

use bytes::BufMut;

use self::sharing::Wanted;
use super::open::{Holder, NO_MEMO, Open};
use super::options::EncodeOptions;
use super::singles::OwnName;
#[cfg(feature = "std")]
use super::sink::Calling;
use super::sink::{Copying, EncodeScratch, Sink};
use super::writer::Writer;
use crate::document::KnownClass;
use crate::document::walk::Layout;
use crate::document::{Construct, Document, Instance, Kind, NodeId, ObjectRepr};
use crate::known::{owns_module_text, role};
use crate::wire::error::{Error, ErrorKind, Result};
use crate::wire::protocol::Protocol;
use crate::wire::text::Str;

/// How many parts of nodes may be written once more because a cycle leads back to them, whatever the
/// size of the document; see [`GraphWalk::enter`].
const REPEATS: usize = 1 << 20;

impl Document<'_> {
    /// The pickle of this document: what CPython's C pickler writes for the same graph.
    ///
    /// Sharing and cycles are kept. Objects are written as the opcodes they came from: class,
    /// arguments, REDUCE, NEWOBJ or NEWOBJ_EX, items, pairs, and the state at the end.
    ///
    /// # Errors
    /// `data` if the protocol has no form for a node: text of 4 GiB or more below protocol 4, an
    /// integer of more than 4,300 digits below protocol 2, out-of-band buffers below protocol 5 or
    /// out of order, names with line breaks below protocol 4, and persistent ids in protocol 0
    /// that are not ASCII text. `recursive` if a tuple, a frozenset or another immutable object holds
    /// itself through immutable objects alone, which no Python object does. `budget` if tuples that
    /// hold themselves through lists would have to be written out more than four times over.
    ///
    /// ```
    /// use pickle_codec::{Protocol, decode};
    /// let document = decode(b"(lp0\nI1\nag0\na.")?;
    /// assert_eq!(document.to_vec(Protocol::V2)?, b"\x80\x02]q\x00(K\x01h\x00e.");
    /// # Ok::<(), pickle_codec::Error>(())
    /// ```
    pub fn to_vec(&self, protocol: Protocol) -> Result<Vec<u8>> {
        self.to_vec_with(EncodeOptions::new(protocol))
    }

    /// The pickle, by these options.
    ///
    /// # Errors
    /// As [`to_vec`](Self::to_vec).
    pub fn to_vec_with(&self, options: EncodeOptions) -> Result<Vec<u8>> {
        self.encode_into(Vec::new(), options)
    }

    /// Appends the pickle to a buffer and gives the buffer back.
    ///
    /// # Errors
    /// As [`to_vec`](Self::to_vec); `budget` if the buffer has no room left.
    pub fn encode_into<B: BufMut>(&self, buffer: B, options: EncodeOptions) -> Result<B> {
        let writer = Writer::new(Copying(buffer), options.protocol, usize::MAX, EncodeScratch::new());
        let (sink, _) = encode(self, writer, options)?;
        Ok(sink.0)
    }

    /// Writes the pickle.
    ///
    /// # Errors
    /// As [`to_vec`](Self::to_vec), as [`std::io::ErrorKind::InvalidInput`]; or the writer's own.
    #[cfg(feature = "std")]
    pub fn to_writer<W: std::io::Write>(&self, writer: W, options: EncodeOptions) -> std::io::Result<()> {
        super::sink::through(writer, |sink: &mut dyn FnMut(&[u8]) -> Result<(), ErrorKind>| {
            let writer = Writer::new(Calling(sink), options.protocol, usize::MAX, EncodeScratch::new());
            encode(self, writer, options).map(|_| ())
        })
    }
}

/// Encodes a document and finishes the pickle. Its text and bytes may be shared with the sink.
pub(crate) fn encode<'v, S: Sink<'v>>(
    document: &'v Document<'_>,
    mut writer: Writer<'v, S>,
    options: EncodeOptions,
) -> Result<(S, EncodeScratch)> {
    walk(document, &mut writer, Some, options.lean)?;
    writer.finish()
}

/// Writes a document as one value of a larger pickle, copying its text and bytes.
pub(crate) fn copy<'x, S: Sink<'x>>(document: &Document<'_>, writer: &mut Writer<'x, S>) -> Result<()> {
    let memoize = writer.memoize;
    let outcome = walk(document, writer, |_| None, !memoize);
    writer.memoize = memoize;
    outcome
}

/// Text and bytes of the document go to the writer by reference where `keep` says that they live as long as the
/// output: those of a document that is a whole pickle, and not those of one that was made for a part of a value.
fn walk<'v, 'x, S: Sink<'x>>(
    document: &'v Document<'_>,
    writer: &mut Writer<'x, S>,
    keep: impl Fn(&'v [u8]) -> Option<&'x [u8]>,
    lean: bool,
) -> Result<()> {
    let layout = Layout::of(document);
    let wanted = if lean { Some(Wanted::count(document, &layout)) } else { None };
    let memo = alloc::vec![0; layout.memo_slots()];
    let mut walk = GraphWalk {
        document,
        writer,
        keep,
        memo,
        wanted,
        open: Vec::new(),
        layout,
        entered: alloc::vec![0; layout.containers()],
        early: 0,
        repeats: document.pool.len().saturating_mul(4).max(REPEATS),
    };
    walk.run(document.root.0)
}

/// A node whose parts are being written.
struct Visit {
    id: NodeId,
    /// The place of the next part within the stage.
    next: u32,
    stage: Stage,
    /// Whether it is in the memo while its parts are written.
    early: bool,
    /// What `GraphWalk::entered` has to say about it again when this visit is over.
    before: u32,
}

/// What of a node comes next; the diagram at the top of this file has the order.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The items of a container.
    Items,
    /// The value of a persistent id.
    Pid,
    // The parts of an object, in `save_reduce`'s order.
    /// What is called.
    Class,
    /// The arguments, a tuple.
    Args,
    /// The keyword arguments of NEWOBJ_EX, a dict.
    Kwargs,
    /// The call itself; the object is in the memo from here on.
    Made,
    /// What APPENDS gave it.
    GivenItems,
    /// What SETITEMS gave it.
    GivenPairs,
    /// What BUILD is going to give it.
    State,
    /// BUILD, if there is a state, and the end.
    Built,
    /// A spelled-out call of `copyreg.__newobj__`: the class and the arguments as one tuple.
    NewArgs,
    /// A call of `copyreg._reconstructor`: the value behind class and base.
    Rebuilt,
}

/// A document that is being written.
///
/// `K` tells whether text and bytes live as long as the output (`'x`), which they do if the document is the pickle and
/// not a part of one: the sink may then keep them instead of a copy.
struct GraphWalk<'w, 'v, 'x, 'd, S, K> {
    document: &'v Document<'d>,
    writer: &'w mut Writer<'x, S>,
    keep: K,
    /// Memo index + 1 by slot.
    memo: Vec<u32>,
    wanted: Option<Wanted>,
    open: Vec<Visit>,
    layout: Layout,
    /// By container: 1 + the value of `early` at its last entry, or 0 if it is not open.
    entered: Vec<u32>,
    /// How many of the open nodes are in the memo.
    early: u32,
    /// How many parts of nodes may still be written once more.
    repeats: usize,
}

impl<'v, 'x, S: Sink<'x>, K: Fn(&'v [u8]) -> Option<&'x [u8]>> GraphWalk<'_, 'v, 'x, '_, S, K> {
    /// Writes a node with all that it holds: a step of the topmost visit at a time, until there is none.
    fn run(&mut self, root: NodeId) -> Result<()> {
        self.visit(root)?;
        while let Some(top) = self.open.last_mut() {
            if top.stage == Stage::Items {
                let id = top.id;
                let place = top.next as usize;
                top.next = top.next.saturating_add(1);
                match self.document.items(id).get(place) {
                    Some(&child) => self.visit(child)?,
                    None => self.end(id)?,
                }
            } else {
                self.step_object()?;
            }
        }
        Ok(())
    }

    /// The memo index of a node that has been written, or begun.
    #[inline]
    fn known(&self, id: NodeId) -> Option<u32> {
        self.memo.get(self.layout.memo_slot(id)).and_then(|slot| slot.checked_sub(1))
    }

    /// Notes the memo entry of what was written last.
    #[inline]
    fn note(&mut self, id: NodeId) {
        let last = self.writer.last;
        if last != NO_MEMO
            && let Some(slot) = self.memo.get_mut(self.layout.memo_slot(id))
        {
            *slot = last + 1;
        }
    }

    /// Whether this node gets a memo opcode.
    #[inline]
    fn choose(&mut self, id: NodeId) {
        if let Some(wanted) = &self.wanted {
            self.writer.memoize = wanted.has(id, self.layout.memo_slot(id));
        }
    }

    /// Puts a node on the stack of those whose parts are being written.
    ///
    /// A tuple gets into the memo after its items. One that holds itself is therefore met again while
    /// it is open, and is then written once more, as CPython does. That ends if a list, a dict or an
    /// object lies on the way round, because those are in the memo by the second round; if none does,
    /// no round would be the last. So a node that is entered again needs a larger number of open
    /// nodes in the memo than at its last entry: `early` counts those, and `entered` keeps the count of
    /// the last entry of each container. Between two entries of one node the stack has only grown, and
    /// only nodes outside of the memo can be entered twice, so an equal count means that nothing on the
    /// way round is in the memo, and that the next round would be the same again: `recursive`.
    ///
    /// The number of rounds is bounded by the number of such lists, but each round writes the whole tuple
    /// once more, and n lists in one tuple of n parts would be n^2 bytes. Each further round is charged to
    /// `repeats`, four times the document or a million parts, whichever is more.
    fn enter(&mut self, id: NodeId, stage: Stage) -> Result<()> {
        let early = self.known(id).is_some();
        let mut before = 0;
        if !early
            && let Some(place) = self.layout.container(id)
            && let Some(entered) = self.entered.get_mut(place)
        {
            before = *entered;
            *entered = self.early + 1;
            if before == *entered {
                return Err(Error::plain(ErrorKind::Recursive));
            }
            if before != 0 {
                let parts = 1 + self.document.items(id).len();
                self.repeats =
                    self.repeats.checked_sub(parts).ok_or_else(|| Error::plain(ErrorKind::Budget))?;
            }
        }
        self.early += u32::from(early);
        self.open.push(Visit { id, next: 0, stage, early, before });
        Ok(())
    }

    /// Takes the node that is complete from the stack.
    fn leave(&mut self) {
        let Some(visit) = self.open.pop() else { return };
        self.early -= u32::from(visit.early);
        if let Some(place) = self.layout.container(visit.id)
            && let Some(entered) = self.entered.get_mut(place)
        {
            *entered = visit.before;
        }
    }

    /// Writes a scalar or a known node, or opens a container.
    fn visit(&mut self, id: NodeId) -> Result<()> {
        if let Some(index) = self.known(id) {
            return self.writer.get(index);
        }
        self.choose(id);
        let document = self.document;
        match id.kind() {
            Kind::Constant => match id {
                NodeId::FALSE => self.writer.bool(false),
                NodeId::TRUE => self.writer.bool(true),
                NodeId::EMPTY_TUPLE => self.writer.begin_tuple(0).and_then(|()| self.writer.end()),
                _ => self.writer.none(),
            },
            Kind::Small => self.writer.int(id.small_value()),
            Kind::Int => self.writer.int(document.ints.get(id.index()).copied().unwrap_or_default()),
            Kind::Big => {
                let repr = document.bigs.get(id.index()).copied();
                self.writer.int_le(repr.map_or(&[], |repr| document.bytes_of(repr)))
            }
            Kind::Float => self.writer.float(document.floats.get(id.index()).copied().unwrap_or_default()),
            Kind::Str => {
                let text: &'v str = document.strs.get(id.index()).copied().unwrap_or_default();
                self.writer.text_from(text.as_bytes(), (self.keep)(text.as_bytes()))
            }
            Kind::Text => {
                let text: &'v [u8] = self.text_of(id).as_bytes();
                self.writer.text_from(text, (self.keep)(text))
            }
            Kind::Bytes | Kind::Blob => {
                let bytes: &'v [u8] = document.byte_string(id).unwrap_or_default();
                self.writer.bytes_from(bytes, (self.keep)(bytes))
            }
            Kind::ByteArray => {
                let repr = document.bytearrays.get(id.index()).copied();
                let bytes: &'v [u8] = repr.map_or(&[], |repr| document.bytes_of(repr));
                self.writer.bytearray_from(bytes, (self.keep)(bytes))
            }
            Kind::Object => return self.visit_object(id),
            kind => {
                let len = document.items(id).len();
                match kind {
                    Kind::List => self.writer.begin_list(len)?,
                    Kind::Tuple => self.writer.begin_tuple(len)?,
                    Kind::Dict => self.writer.begin_dict(len / 2)?,
                    Kind::Set => self.writer.begin_set(len)?,
                    _ => self.writer.begin_frozenset(len)?,
                }
                // A list, dict or set is in the memo before its items.
                self.note(id);
                return self.enter(id, Stage::Items);
            }
        }?;
        self.note(id);
        Ok(())
    }

    /// Closes a container, which may have met itself on the way: then it is in the memo by now, and what
    /// was written for it is popped in favour of that one.
    fn end(&mut self, id: NodeId) -> Result<()> {
        self.leave();
        self.choose(id);
        let known = match id.kind() {
            Kind::List | Kind::Dict => None,
            Kind::Set if self.writer.protocol() >= Protocol::V4 => None,
            _ => self.known(id),
        };
        match known {
            Some(index) if id.kind() == Kind::Tuple && self.writer.protocol() == Protocol::V0 => {
                self.writer.end_text_tuple(self.document.items(id).len(), index)
            }
            known => {
                self.writer.end_as(known)?;
                self.note(id);
                Ok(())
            }
        }
    }

    /// Writes a name, an extension or a buffer, or opens an object or a persistent id, whose parts come in steps.
    fn visit_object(&mut self, id: NodeId) -> Result<()> {
        match self.document.object(id).copied() {
            None => self.writer.none(),
            Some(ObjectRepr::Global { module, name, .. }) => self.global(id, module, name),
            Some(ObjectRepr::Extension(code)) => self.extension(code),
            Some(ObjectRepr::Buffer(index, read_only)) => self.buffer(index, read_only),
            Some(ObjectRepr::PersistentId { value, .. }) => self.persistent_id(id, value),
            Some(ObjectRepr::Instance(_)) => {
                self.writer.item()?;
                self.writer.push(Open::parts());
                self.enter(id, Stage::Class)
            }
        }
    }

    fn text_of(&self, id: NodeId) -> Str<'v> {
        self.document.text(id).unwrap_or(Str::Utf8(""))
    }

    /// A bare name, in the form that the protocol has: GLOBAL, STACK_GLOBAL with two texts that the document may share
    /// with others, or calls of `getattr` for a class inside of a class.
    fn global(&mut self, id: NodeId, module: NodeId, name: NodeId) -> Result<()> {
        let (module_text, name_text) = (self.text_of(module), self.text_of(name));
        // `complex` is the one class that the encoder writes by itself, so each protocol has its spelling.
        let is_complex = role(self.document, id) == Some(KnownClass::Complex);
        if let Some(name) = name_text.as_str()
            && self.writer.takes_getattr(name)
        {
            self.writer.attribute(module_text, name)?;
            self.note(id);
            return Ok(());
        }
        let spelt_anew = self.writer.protocol() < Protocol::V4 || module_text != Str::Utf8("builtins");
        if is_complex && spelt_anew {
            self.writer.item()?;
            self.writer.name(OwnName::Complex)?;
        } else if self.writer.protocol() < Protocol::V4 {
            self.writer.global(module_text, name_text)?;
        } else {
            self.writer.item()?;
            if !self.writer.get_global(module_text, name_text) {
                self.writer.push(Open::parts());
                for (part, text) in [(module, module_text), (name, name_text)] {
                    match self.known(part) {
                        Some(index) => self.writer.get(index)?,
                        None => {
                            self.choose(part);
                            // The document knows which names are one object, but what the encoder
                            // writes by itself is in `builtins`, too.
                            if part == module
                                && text == Str::Utf8("builtins")
                                && !owns_module_text(module_text, name_text)
                            {
                                self.writer.interned(text)?;
                            } else {
                                self.writer.text(text.as_bytes())?;
                            }
                            self.note(part);
                        }
                    }
                }
                self.writer.pop();
                self.choose(id);
                self.writer.emit([0x93]);
                self.writer.put_global(module_text, name_text);
            }
        }
        self.note(id);
        Ok(())
    }

    /// EXT1, EXT2 or EXT4, by the size of the code. CPython does not memoize what an extension stands for.
    fn extension(&mut self, code: u32) -> Result<()> {
        self.writer.item()?;
        let [b0, b1, b2, b3] = code.to_le_bytes();
        match code {
            0..=0xff => self.writer.emit([0x82, b0]),
            0x100..=0xffff => self.writer.emit([0x83, b0, b1]),
            _ => self.writer.emit([0x84, b0, b1, b2, b3]),
        }
        self.writer.last = NO_MEMO;
        Ok(())
    }

    /// NEXT_BUFFER takes the next of the buffers that come beside the pickle. It names none, so only a document that
    /// has them in order can be written.
    fn buffer(&mut self, index: u32, read_only: bool) -> Result<()> {
        if self.writer.protocol() < Protocol::V5 {
            return Err(Error::message("out-of-band buffers need protocol 5"));
        }
        if index != self.writer.buffers {
            return Err(Error::message("a pickle names its buffers in order, each once"));
        }
        self.writer.buffers += 1;
        self.writer.item()?;
        self.writer.emit([0x97]);
        if read_only {
            self.writer.emit([0x98]);
        }
        self.writer.last = NO_MEMO;
        Ok(())
    }

    /// PERSID with a line of text in protocol 0, else BINPERSID behind any value. The id has no place in the memo: it is
    /// written anew at each place, and the value that names it is the same object there.
    fn persistent_id(&mut self, id: NodeId, value: NodeId) -> Result<()> {
        if self.writer.protocol() == Protocol::V0 {
            let text = self.text_of(value);
            let line = text
                .as_str()
                .filter(|line| value.is_text() && line.is_ascii() && !line.contains(['\n', '\r', '\0']));
            let Some(line) = line else {
                return Err(Error::message("persistent ids in protocol 0 must be lines of ASCII text"));
            };
            self.writer.item()?;
            self.writer.persid_line(line.as_bytes());
            return Ok(());
        }
        self.writer.item()?;
        self.writer.push(Open::parts());
        self.enter(id, Stage::Pid)?;
        self.visit(value)
    }

    /// The next part of the object on top: one arm for each stage, in their order.
    fn step_object(&mut self) -> Result<()> {
        let Some(top) = self.open.last_mut() else { return Ok(()) };
        let (id, stage, place) = (top.id, top.stage, top.next as usize);
        if stage == Stage::Pid {
            self.leave();
            self.writer.pop();
            self.writer.emit(*b"Q");
            self.writer.last = NO_MEMO;
            return Ok(());
        }
        let Some(instance) = self.document.instance(id).copied() else {
            self.leave();
            return Ok(());
        };
        let protocol = self.writer.protocol();
        let lacks_kwargs = instance.kwargs == NodeId::ABSENT;
        let rebuilt = instance.known == Some(KnownClass::Instance);
        // The opcodes came with protocols 2 and 4; before, the call is spelled out.
        let spelled = instance.construct == Construct::New
            && (protocol < Protocol::V2 || (protocol < Protocol::V4 && !lacks_kwargs));
        // An instance without arguments is what `object.__reduce_ex__` gives there.
        let plain = spelled && lacks_kwargs && self.document.items(instance.args).is_empty();
        match stage {
            Stage::Class if rebuilt || plain => {
                let value = match self.document.items(instance.args) {
                    &[value] if rebuilt => value,
                    _ => NodeId::NONE,
                };
                self.set_stage(Stage::Rebuilt);
                self.writer.item()?;
                self.writer.name(OwnName::Reconstructor)?;
                self.writer.begin_tuple(3)?;
                self.visit(instance.class)?;
                self.choose(instance.class);
                self.writer.item()?;
                self.writer.name(base_of(value))?;
                self.visit(value)
            }
            Stage::Rebuilt => {
                self.writer.end()?;
                self.made(id, b'R')
            }
            Stage::Class if spelled => {
                self.set_stage(Stage::NewArgs);
                self.writer.item()?;
                self.writer.name(if lacks_kwargs { OwnName::NewObj } else { OwnName::NewObjEx })?;
                let len = if lacks_kwargs { 1 + self.document.items(instance.args).len() } else { 3 };
                self.writer.begin_tuple(len)?;
                self.visit(instance.class)
            }
            Stage::NewArgs => {
                let child = if lacks_kwargs {
                    self.document.items(instance.args).get(place).copied()
                } else {
                    [instance.args, instance.kwargs].get(place).copied()
                };
                match child {
                    Some(child) => {
                        if let Some(top) = self.open.last_mut() {
                            top.next = top.next.saturating_add(1);
                        }
                        self.visit(child)
                    }
                    None => {
                        self.writer.end()?;
                        self.made(id, b'R')
                    }
                }
            }
            Stage::Class => {
                self.set_stage(Stage::Args);
                self.visit(instance.class)
            }
            Stage::Args => {
                self.set_stage(if lacks_kwargs { Stage::Made } else { Stage::Kwargs });
                let args = if instance.args == NodeId::ABSENT { NodeId::EMPTY_TUPLE } else { instance.args };
                self.visit(args)
            }
            Stage::Kwargs => {
                self.set_stage(Stage::Made);
                self.visit(instance.kwargs)
            }
            Stage::Made => self.made(
                id,
                match (instance.construct, lacks_kwargs) {
                    (Construct::Call, _) => b'R',
                    (Construct::New, true) => 0x81,
                    (Construct::New, false) => 0x92,
                },
            ),
            Stage::GivenItems => self.given(instance.items, place, Stage::GivenPairs),
            Stage::GivenPairs => self.given(instance.pairs, place, Stage::State),
            Stage::State => {
                self.set_stage(Stage::Built);
                if instance.state == NodeId::ABSENT { Ok(()) } else { self.visit(instance.state) }
            }
            Stage::Built => {
                if instance.state != NodeId::ABSENT {
                    self.writer.emit(*b"b");
                }
                self.leave();
                self.writer.pop();
                self.writer.last = self.known(id).unwrap_or(NO_MEMO);
                Ok(())
            }
            Stage::Items | Stage::Pid => Ok(()),
        }
    }

    /// Goes on to a stage of the topmost visit, from its first part.
    fn set_stage(&mut self, stage: Stage) {
        if let Some(top) = self.open.last_mut() {
            top.stage = stage;
            top.next = 0;
        }
    }

    /// The call itself. An object that holds itself in its arguments was written completely, with items and
    /// state, when it was met there; so it is fetched from the memo, and this visit is over.
    fn made(&mut self, id: NodeId, opcode: u8) -> Result<()> {
        self.writer.emit([opcode]);
        self.choose(id);
        let known = self.known(id);
        if self.writer.end_call(known) {
            self.note(id);
            let early = self.known(id).is_some();
            if let Some(top) = self.open.last_mut() {
                top.early = early;
                self.early += u32::from(early);
            }
            self.set_stage(Stage::GivenItems);
        } else {
            self.leave();
            self.writer.pop();
        }
        Ok(())
    }

    /// The next of the items or pairs that the object was given.
    fn given(&mut self, list: NodeId, place: usize, after: Stage) -> Result<()> {
        let items = self.document.items(list);
        let mut start = 0;
        if place == 0
            && let Some(instance) = self.open.last().and_then(|top| self.document.instance(top.id))
        {
            start = self.in_args(instance, items);
        }
        let place = place.max(start);
        let Some(&child) = items.get(place) else {
            if self.writer.is_given() {
                self.writer.end()?;
            }
            self.set_stage(after);
            return Ok(());
        };
        if !self.writer.is_given() {
            let left = items.len() - start;
            if after == Stage::State {
                self.writer.begin_given(Holder::Pairs, left / 2);
            } else {
                self.writer.begin_given(Holder::Items, left);
            }
        }
        if let Some(top) = self.open.last_mut() {
            top.next = u32::try_from(place + 1).unwrap_or(u32::MAX);
        }
        self.visit(child)
    }

    /// How many of the items or pairs stand in the arguments already, as in Python 2's
    /// `OrderedDict([["a", 1]])`: reading the call copied them, and they are not written twice.
    fn in_args(&self, instance: &Instance, items: &[NodeId]) -> usize {
        let document = self.document;
        let Some(&first) = document.items(instance.args).first() else { return 0 };
        let taken = document.items(first);
        match instance.known {
            Some(KnownClass::Counter | KnownClass::Deque) if items.starts_with(taken) => taken.len(),
            Some(KnownClass::OrderedDict) => {
                let pairs = taken.iter().flat_map(|&pair| document.items(pair));
                if pairs.clone().eq(items.iter().take(taken.len() * 2)) { taken.len() * 2 } else { 0 }
            }
            _ => 0,
        }
    }
}

/// The built-in type that an instance of a subclass is made from.
fn base_of(value: NodeId) -> OwnName {
    match value.kind() {
        Kind::Constant => match value {
            NodeId::EMPTY_TUPLE => OwnName::Tuple,
            NodeId::NONE => OwnName::Object,
            _ => OwnName::Int,
        },
        Kind::Small | Kind::Int | Kind::Big => OwnName::Int,
        Kind::Float => OwnName::Float,
        Kind::Str | Kind::Text => OwnName::Str,
        Kind::Bytes | Kind::Blob => OwnName::Bytes,
        Kind::ByteArray => OwnName::ByteArray,
        Kind::List => OwnName::List,
        Kind::Tuple => OwnName::Tuple,
        Kind::Dict => OwnName::Dict,
        Kind::Set => OwnName::Set,
        Kind::FrozenSet => OwnName::FrozenSet,
        Kind::Object => OwnName::Complex,
    }
}
