//! The first layer: a pickle as a sequence of instructions, in pickletools' words.
//!
//! Nothing is carried out here: no stack, no memo, no pickle FRAME boundaries, as in
//! `pickletools.genops`. Arguments borrow from the input where they stand in it unchanged. Numbers in
//! text are read as `pickletools` reads them, by `int()` and `float()`: more than the decoder takes.

use alloc::borrow::Cow;
use alloc::string::String;

use super::error::{Error, ErrorKind, Result};
use super::escape::{raw_unicode_escape, string_literal};
use super::number::{self, TextInteger};
use super::opcode::{ArgumentKind, ArgumentSpan, Opcode};
use super::reader::{Reader, float8, int4, uint1, uint2, uint4, uint8};
use super::text::is_wtf8;
use crate::limits::Limits;

/// One opcode with its argument.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Instruction<'a> {
    /// Where the opcode stands, in bytes from the start of the input.
    pub offset: usize,
    /// The opcode.
    pub opcode: Opcode,
    /// Its argument.
    pub argument: Argument<'a>,
}

/// The argument of an instruction, as pickletools shows it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Argument<'a> {
    /// The opcode has none.
    None,
    /// INT's `00` and `01`; pickletools shows those of GET and PUT, which are indexes, so as well.
    Bool(bool),
    /// An integer, a length or an index.
    Int(i64),
    /// An unsigned integer beyond `i64`: the length behind FRAME can be one.
    Uint(u64),
    /// An integer beyond `i64`, as minimal two's complement, little-endian.
    BigInt(Cow<'a, [u8]>),
    /// A float.
    Float(f64),
    /// Text.
    Str(Cow<'a, str>),
    /// Text with lone surrogates, as WTF-8.
    Wtf8(Cow<'a, [u8]>),
    /// Python 2's `str`: bytes that pickletools shows as Latin-1 text.
    Py2Str(Cow<'a, [u8]>),
    /// `bytes`.
    Bytes(&'a [u8]),
    /// A `bytearray`.
    ByteArray(&'a [u8]),
    /// The module and name behind GLOBAL and INST.
    Global(&'a str, &'a str),
}

/// Iterates over the instructions of the pickle at the start of an input.
///
/// It ends after STOP, or after the first error.
///
/// ```
/// use pickle_codec::{Argument, Opcode, instructions};
/// let all: Vec<_> = instructions(b"\x80\x02K\x07.").collect::<Result<_, _>>()?;
/// assert_eq!(all[1].opcode, Opcode::Binint1);
/// assert_eq!(all[1].argument, Argument::Int(7));
/// assert_eq!(all[2].offset, 4);
/// # Ok::<(), pickle_codec::Error>(())
/// ```
#[must_use]
pub fn instructions(input: &[u8]) -> Instructions<'_> {
    Instructions { reader: Reader::new(input), done: false, max_digits: Limits::default().max_int_digits }
}

/// Where the STOP of the first pickle ends, and where that or its last FRAME ends, whichever is later;
/// `None` if the input is malformed or ends before.
pub(crate) fn extent(input: &[u8]) -> Option<(usize, usize)> {
    let mut instructions = instructions(input);
    let mut seen = 0;
    while let Some(instruction) = instructions.next() {
        let Ok(Instruction { opcode, argument, .. }) = instruction else { return None };
        let end = instructions.offset();
        match (opcode, argument) {
            (Opcode::Frame, Argument::Int(len)) => seen = end.saturating_add(usize::try_from(len).ok()?),
            (Opcode::Stop, _) => return Some((end, seen.max(end))),
            _ => {}
        }
    }
    None
}

/// The iterator that [`instructions`] gives.
#[derive(Clone, Debug)]
pub struct Instructions<'a> {
    reader: Reader<'a>,
    done: bool,
    max_digits: usize,
}

impl<'a> Instructions<'a> {
    /// How far it has read: after STOP, where the pickle ends.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.reader.offset()
    }

    fn read(&mut self) -> Result<Instruction<'a>> {
        let offset = self.reader.offset();
        let Some(byte) = self.reader.opcode_byte() else {
            return Err(Error::new(ErrorKind::Eof, offset, None).cut(true));
        };
        let Some(opcode) = Opcode::from_byte(byte) else {
            return Err(Error::new(ErrorKind::Opcode, offset, None));
        };
        self.done = opcode == Opcode::Stop;
        match self.argument(opcode) {
            Ok(argument) => Ok(Instruction { offset, opcode, argument }),
            Err(kind) => {
                let is_cut = self.reader.is_cut(kind, Limits::default().max_input_len);
                Err(Error::new(kind, offset, Some(opcode)).cut(is_cut))
            }
        }
    }

    fn argument(&mut self, opcode: Opcode) -> Result<Argument<'a>, ErrorKind> {
        let reader = &mut self.reader;
        Ok(match opcode.argument_kind() {
            ArgumentKind::None => Argument::None,
            ArgumentKind::Uint1 => Argument::Int(i64::from(reader.argument(uint1)?)),
            ArgumentKind::Uint2 => Argument::Int(i64::from(reader.argument(uint2)?)),
            ArgumentKind::Int4 => Argument::Int(i64::from(reader.argument(int4)?)),
            ArgumentKind::Uint4 => Argument::Int(i64::from(reader.argument(uint4)?)),
            ArgumentKind::Uint8 => {
                let value = reader.argument(uint8)?;
                i64::try_from(value).map_or(Argument::Uint(value), Argument::Int)
            }
            ArgumentKind::Float8 => Argument::Float(reader.argument(float8)?),
            ArgumentKind::DecimalNlShort => match reader.line()? {
                b"00" => Argument::Bool(false),
                b"01" => Argument::Bool(true),
                line => integer(number::shown_int(line, self.max_digits)?),
            },
            ArgumentKind::DecimalNlLong => {
                let line = reader.line()?;
                integer(number::shown_int(line.strip_suffix(b"L").unwrap_or(line), self.max_digits)?)
            }
            ArgumentKind::FloatNl => Argument::Float(number::shown_float(reader.line()?)?),
            ArgumentKind::StringNl => py2_literal(reader.line()?)?,
            ArgumentKind::StringNlNoescape => Argument::Py2Str(Cow::Borrowed(reader.line()?)),
            ArgumentKind::StringNlNoescapePair => {
                let (module, name) = (reader.line()?, reader.line()?);
                let text = |line| core::str::from_utf8(line).map_err(|_| ErrorKind::Utf8);
                Argument::Global(text(module)?, text(name)?)
            }
            ArgumentKind::UnicodeStringNl => {
                let line = reader.line()?;
                if line.is_ascii() && !line.contains(&b'\\') {
                    return text(line);
                }
                match String::from_utf8(raw_unicode_escape(line)?) {
                    Ok(text) => Argument::Str(Cow::Owned(text)),
                    Err(error) => Argument::Wtf8(Cow::Owned(error.into_bytes())),
                }
            }
            // All the others have a length in front.
            kind => {
                let len = match kind.span() {
                    ArgumentSpan::Counted(1) => u64::from(reader.argument(uint1)?),
                    ArgumentSpan::Counted(4) => u64::from(reader.argument(uint4)?),
                    ArgumentSpan::CountedSigned => reader.signed_len()?,
                    _ => reader.argument(uint8)?,
                };
                counted(opcode, reader.counted(len)?)?
            }
        })
    }
}

impl<'a> Iterator for Instructions<'a> {
    type Item = Result<Instruction<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let item = self.read();
        self.done |= item.is_err();
        Some(item)
    }
}

fn integer<'a>(integer: TextInteger) -> Argument<'a> {
    match integer {
        TextInteger::Bool(value) => Argument::Bool(value),
        TextInteger::Small(value) => Argument::Int(value),
        TextInteger::Big(bytes) => Argument::BigInt(Cow::Owned(bytes)),
    }
}

fn text(bytes: &[u8]) -> Result<Argument<'_>, ErrorKind> {
    match core::str::from_utf8(bytes) {
        Ok(text) => Ok(Argument::Str(Cow::Borrowed(text))),
        Err(_) if is_wtf8(bytes) => Ok(Argument::Wtf8(Cow::Borrowed(bytes))),
        Err(_) => Err(ErrorKind::Utf8),
    }
}

fn py2_literal(line: &[u8]) -> Result<Argument<'_>, ErrorKind> {
    if let [b'\'' | b'"'] = line {
        // To pickletools one quote is both.
        return Ok(Argument::Py2Str(Cow::Borrowed(&[])));
    }
    if let [b'\'' | b'"', body @ .., last] = line
        && Some(last) == line.first()
        && !body.contains(&b'\\')
    {
        return Ok(Argument::Py2Str(Cow::Borrowed(body)));
    }
    Ok(Argument::Py2Str(Cow::Owned(string_literal(line)?)))
}

fn counted(opcode: Opcode, bytes: &[u8]) -> Result<Argument<'_>, ErrorKind> {
    Ok(match opcode {
        Opcode::Long1 | Opcode::Long4 => {
            let bytes = number::minimal(bytes);
            number::small(bytes).map_or(Argument::BigInt(Cow::Borrowed(bytes)), Argument::Int)
        }
        Opcode::Bytearray8 => Argument::ByteArray(bytes),
        Opcode::Binbytes | Opcode::Binbytes8 | Opcode::ShortBinbytes => Argument::Bytes(bytes),
        Opcode::ShortBinstring | Opcode::Binstring => Argument::Py2Str(Cow::Borrowed(bytes)),
        _ => text(bytes)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn argument_rows() {
        let rows: &[(&[u8], Argument<'_>)] = &[
            (b"I01\n.", Argument::Bool(true)),
            (b"I12\n.", Argument::Int(12)),
            (b"L-5L\n.", Argument::Int(-5)),
            (b"F1.5\n.", Argument::Float(1.5)),
            (b"S'a\\n'\n.", Argument::Py2Str(Cow::Borrowed(b"a\n"))),
            (b"U\x01\xff.", Argument::Py2Str(Cow::Borrowed(b"\xff"))),
            (b"V\\u0041\n.", Argument::Str(Cow::Borrowed("A"))),
            (b"\x8c\x03\xed\xa0\x80.", Argument::Wtf8(Cow::Borrowed(b"\xed\xa0\x80"))),
            (b"C\x01a.", Argument::Bytes(b"a")),
            (b"\x96\x01\0\0\0\0\0\0\0a.", Argument::ByteArray(b"a")),
            (b"cos\nsystem\n.", Argument::Global("os", "system")),
            (b"\x8a\x01\xff.", Argument::Int(-1)),
            (b"\x95\xff\xff\xff\xff\xff\xff\xff\xff.", Argument::Uint(u64::MAX)),
            (b"p300\n.", Argument::Int(300)),
            // What pickletools reads although no unpickler, or not every one, does.
            (b"I007\n.", Argument::Int(7)),
            (b"L1_0L\n.", Argument::Int(10)),
            (b"F-1e400\n.", Argument::Float(f64::NEG_INFINITY)),
            (b"F 1_0.5\n.", Argument::Float(10.5)),
            (b"p-5\n.", Argument::Int(-5)),
            (b"g01\n.", Argument::Bool(true)),
            (b"S'\n.", Argument::Py2Str(Cow::Borrowed(b""))),
        ];
        for (input, expected) in rows {
            let first = instructions(input).next().unwrap().unwrap();
            assert_eq!(&first.argument, expected, "{}", input.escape_ascii());
        }
    }

    #[test]
    fn it_ends_at_stop_or_at_an_error() {
        let mut iterator = instructions(b"N.N.");
        assert_eq!(iterator.by_ref().count(), 2);
        assert_eq!(iterator.offset(), 2);
        let kinds: Vec<_> = instructions(b"N\xff").map(|item| item.map_err(|error| error.kind())).collect();
        assert_eq!(kinds.len(), 2);
        assert_eq!(kinds[1], Err(ErrorKind::Opcode));
    }

    use alloc::vec::Vec;
}
