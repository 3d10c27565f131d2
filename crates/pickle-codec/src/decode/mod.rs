//! Decoding: the stack machine over the opcodes, the decoder that owns its memory, and decoding in pieces.
//!
//! # How bytes become a document
//!
//! ```text
//! bytes ── Reader ──> opcode and argument ── StackMachine ──> ids on a stack ── Builder ──> tables of a Document
//!          wire/reader  nom's parsers         decode/machine     memo, marks       build/fill     document/tables
//!                                             decode/naming ── names and calls, by policy ── known, build/construct
//! ```
//!
//! - `Reader` cuts arguments out of the input and knows where a pickle FRAME ends.
//! - `StackMachine` is CPython's unpickler: one `match` over the opcodes, a stack, its marks and the memo. It never
//!   holds a value, only the id of one.
//! - `Builder` makes the nodes, counts memory and depth, and finds equal keys. `construct` makes something of a call.
//! - What comes out is a [`Document`]: tables of nodes, and the id of the root.
//!
//! # Memory
//!
//! All that grows belongs to the [`Decoder`] between two decodes: the tables of the last document that was given
//! back, the stack, the marks, the memo and the index of keys. A decode takes them, and a document that is handed to
//! [`Decoder::recycle`] brings its tables back, so that a decoder that is used again and again allocates nothing. What
//! is kept is at most what the inputs of late could have filled.

mod literal;
mod machine;
mod memo;
mod naming;
mod numpy;
pub(crate) mod push;

use alloc::vec::Vec;
use core::cell::Cell;

use self::machine::StackMachine;
use self::memo::DecodeMemo;
use crate::build::fill::{Builder, Keys};
use crate::build::recycle::recycle;
use crate::document::hash::seed;
use crate::document::{Document, NodeId, Root};
use crate::limits::Limits;
use crate::options::DecodeOptions;
use crate::wire::error::{Error, ErrorKind, Result};
use crate::wire::instruction::extent;
use crate::wire::reader::Reader;

/// Decodes pickles into documents, and reuses its memory from one to the next.
///
/// ```
/// use pickle_codec::{Decoder, Node};
/// let mut decoder = Decoder::new();
/// for input in [b"K\x01.", b"K\x02."] {
///     let document = decoder.decode(input)?;
///     assert!(matches!(document.root().view(), Node::Int(1 | 2)));
///     decoder.recycle(document);
/// }
/// # Ok::<(), pickle_codec::Error>(())
/// ```
#[derive(Debug)]
pub struct Decoder {
    options: DecodeOptions,
    scratch: DecodeScratch,
}

#[derive(Debug, Default)]
struct DecodeScratch {
    document: Document<'static>,
    stack: Vec<NodeId>,
    marks: Vec<u32>,
    memo: DecodeMemo,
    keys: Keys,
    /// The length of the longest input lately: an eighth of it is forgotten with each decode.
    recent: usize,
}

impl DecodeScratch {
    /// Lets go of memory that is more than what inputs of late could fill, so that one large document
    /// does not stay for ever.
    fn keep_within(&mut self, len: usize, limits: &Limits) {
        self.recent = len.max(self.recent - self.recent / 8);
        if self.bytes() > limits.memory(self.recent) {
            self.document = Document::default();
            self.stack = Vec::new();
            self.marks = Vec::new();
            self.memo = DecodeMemo::default();
            self.keys.shrink();
        }
    }

    fn bytes(&self) -> usize {
        self.document.memory()
            + self.stack.capacity() * size_of::<NodeId>()
            + self.marks.capacity() * size_of::<u32>()
            + self.memo.bytes()
            + self.keys.bytes()
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    /// A decoder with the default options: no globals, default limits.
    #[must_use]
    pub fn new() -> Self {
        Self::with_options(DecodeOptions::new())
    }

    /// A decoder with these options.
    #[must_use]
    pub fn with_options(options: DecodeOptions) -> Self {
        Self { options, scratch: DecodeScratch { keys: Keys::new(seed()), ..DecodeScratch::default() } }
    }

    /// The options it decodes with.
    #[must_use]
    pub const fn options(&self) -> &DecodeOptions {
        &self.options
    }

    /// Decodes an input that is one pickle.
    ///
    /// # Errors
    /// Any kind but `recursive` and `data`; `trailing` if bytes follow STOP.
    pub fn decode<'a>(&mut self, input: &'a [u8]) -> Result<Document<'a>> {
        self.decode_one(
            input,
            input.len(),
            |machine| machine.run(),
            |document, end| {
                if end != input.len() {
                    return Err(Error::new(ErrorKind::Trailing, end, None));
                }
                Ok(document)
            },
        )
    }

    /// Decodes the pickles of one `pickle.Pickler` that was used again and again: they stand one after
    /// another and share a memo, so that a later one names objects of an earlier one. The root is the list
    /// of what they hold, in which such an object is one node.
    ///
    /// # Errors
    /// As [`decode`](Self::decode), but `trailing`.
    ///
    /// ```
    /// // pickler.dump(shared); pickler.dump([shared, 1])
    /// let input = b"\x80\x02]q\0X\x06\0\0\0sharedq\x01a.\x80\x02]q\x02(h\0K\x01e.";
    /// let document = pickle_codec::Decoder::new().decode_all(input)?;
    /// assert_eq!(document.root().to_value()?.to_string(), "[['shared'], [['shared'], 1]]");
    /// # Ok::<(), pickle_codec::Error>(())
    /// ```
    pub fn decode_all<'a>(&mut self, input: &'a [u8]) -> Result<Document<'a>> {
        let len = input.len();
        self.decode_one(input, len, |machine| machine.run_all(len), |document, _| Ok(document))
    }

    /// Decodes the pickle at the start of an input and says where its STOP ended. What follows it counts
    /// for nothing: neither for the limits, nor for [`Document::input_len`].
    ///
    /// # Errors
    /// Any kind but `trailing`, `recursive` and `data`.
    pub fn decode_prefix<'a>(&mut self, input: &'a [u8]) -> Result<(Document<'a>, usize)> {
        let most = self.options.limits.max_input_len;
        let start = input.get(..input.len().min(most)).unwrap_or_default();
        match extent(start) {
            Some((end, seen)) => self.decode_seen(start.get(..seen).unwrap_or_default(), end),
            // What it ends with is found on the way there.
            None => self.decode_seen(input, input.len()),
        }
    }

    /// As [`decode_prefix`](Self::decode_prefix), for an input whose STOP ends at `end`; behind it there
    /// is no more than the rest of a FRAME.
    fn decode_seen<'a>(&mut self, input: &'a [u8], end: usize) -> Result<(Document<'a>, usize)> {
        self.decode_one(
            input,
            end,
            |machine| machine.run(),
            |mut document, end| {
                document.input_len = end;
                Ok((document, end))
            },
        )
    }

    // A document is some 500 bytes of tables, and each move of them takes time, so that none is named on
    // its way from the scratch memory to the caller.
    #[inline(always)]
    fn decode_one<'a, T>(
        &mut self,
        input: &'a [u8],
        len: usize,
        run: impl FnOnce(&mut StackMachine<'_, 'a>) -> Result<NodeId>,
        finish: impl FnOnce(Document<'a>, usize) -> Result<T>,
    ) -> Result<T> {
        let limits = &self.options.limits;
        if len > limits.max_input_len {
            return Err(Error::new(ErrorKind::Input, limits.max_input_len, None));
        }
        self.scratch.keep_within(len, limits);
        self.scratch.stack.clear();
        self.scratch.marks.clear();
        self.scratch.memo.clear();
        let mut machine = StackMachine {
            options: &self.options,
            reader: Reader::new(input),
            // They are empty: what is taken back is emptied at once.
            builder: Builder::new(
                core::mem::take(&mut self.scratch.document),
                core::mem::take(&mut self.scratch.keys),
                limits,
                len,
            ),
            stack: &mut self.scratch.stack,
            marks: &mut self.scratch.marks,
            memo: &mut self.scratch.memo,
            fence: 0,
            buffers: 0,
            refused: Cell::new(None),
        };
        let outcome = run(&mut machine);
        self.scratch.keys = machine.builder.keys;
        match outcome {
            Ok(root) => {
                machine.builder.document.root = Root(root);
                finish(machine.builder.document, machine.reader.offset())
            }
            Err(error) => {
                self.scratch.document = recycle(machine.builder.document);
                Err(error)
            }
        }
    }

    /// Takes a document's memory back, so that the next decode allocates nothing.
    pub fn recycle(&mut self, document: Document<'_>) {
        self.scratch.document = recycle(document);
    }

    /// Decodes pickles that stand one after another, each with a memo of its own; for those of one
    /// `Pickler` there is [`decode_all`](Self::decode_all). The iterator ends at the end of the input
    /// or after the first error.
    pub const fn documents<'d, 'a>(&'d mut self, input: &'a [u8]) -> Documents<'d, 'a> {
        Documents { decoder: self, input, offset: 0, failed: false }
    }
}

/// Decodes an input that is one pickle, with the default options.
///
/// # Errors
/// As [`Decoder::decode`].
///
/// ```
/// let error = pickle_codec::decode(b"cos\nsystem\n(S'id'\ntR.").unwrap_err();
/// assert_eq!(error.kind(), pickle_codec::ErrorKind::Global);
/// assert_eq!(error.global(), Some("os.system"));
/// ```
pub fn decode(input: &[u8]) -> Result<Document<'_>> {
    Decoder::new().decode(input)
}

/// Decodes the pickle at the start of an input, with the default options, and says where its STOP
/// ended.
///
/// # Errors
/// As [`Decoder::decode_prefix`].
pub fn decode_prefix(input: &[u8]) -> Result<(Document<'_>, usize)> {
    Decoder::new().decode_prefix(input)
}

/// Iterates over pickles that stand one after another; made by [`Decoder::documents`].
#[derive(Debug)]
pub struct Documents<'d, 'a> {
    decoder: &'d mut Decoder,
    input: &'a [u8],
    offset: usize,
    failed: bool,
}

impl Documents<'_, '_> {
    /// Where the next pickle starts.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// Takes a document's memory back.
    pub fn recycle(&mut self, document: Document<'_>) {
        self.decoder.recycle(document);
    }
}

impl<'a> Iterator for Documents<'_, 'a> {
    type Item = Result<Document<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.input.get(self.offset..).filter(|rest| !rest.is_empty() && !self.failed)?;
        match self.decoder.decode_prefix(rest) {
            Ok((document, used)) => {
                self.offset += used;
                Some(Ok(document))
            }
            Err(error) => {
                self.failed = true;
                Some(Err(error.shifted(self.offset)))
            }
        }
    }
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use super::*;

    #[test]
    fn every_decoder_has_a_seed_of_its_own() {
        let seeds = [
            Decoder::default().scratch.keys.seed(),
            Decoder::default().scratch.keys.seed(),
            Decoder::new().scratch.keys.seed(),
        ];
        assert!(seeds.iter().all(|&seed| seed != 0) && seeds[0] != seeds[1] && seeds[1] != seeds[2]);
        let mut decoder = Decoder::default();
        decoder.decode(b"K\x01.").map(drop).unwrap();
        assert_ne!(decoder.scratch.keys.seed(), 0);
    }

    #[test]
    fn a_large_document_does_not_stay_for_ever() {
        let mut large = b"(".to_vec();
        large.extend(b"]}K\x01X\x01\0\0\0aq\0".repeat(50_000));
        large.extend(b"l.");
        let mut decoder = Decoder::new();
        let document = decoder.decode(&large).unwrap();
        decoder.recycle(document);
        let kept = decoder.scratch.bytes();
        assert!(kept > 1 << 20);
        for _ in 0..100 {
            let document = decoder.decode(b"]K\x01a.").unwrap();
            decoder.recycle(document);
        }
        assert!(decoder.scratch.bytes() <= 66 << 10, "{}", decoder.scratch.bytes());
        // What inputs of one size need is kept.
        for _ in 0..3 {
            let document = decoder.decode(&large).unwrap();
            decoder.recycle(document);
        }
        assert_eq!(decoder.scratch.bytes(), kept);
    }
}
