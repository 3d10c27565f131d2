//! The opcodes that most of a pickle consists of: plain data, whole, and read alike by every unpickler.
//!
//! This is a quicker way to do the same as [`act`](super::act), which stays the one that counts: an opcode is done here
//! only if it names nothing, if its argument is whole and lies in one FRAME, if the stack and the memo have what it
//! needs, and if Python 2 has not to be told apart. Otherwise nothing has changed when it is left to the other.

use super::{MAX_LINE, Reading, opcode};
use crate::inspect::finding::{to_u64, to_usize};
use crate::inspect::memory::Slot;
use crate::wire::opcode::Opcode;

impl Reading {
    /// Takes such opcodes off the front of `bytes`, which end at the offset `end`, and gives the rest. Whatever is
    /// unusual about one of them, even that it cannot be done, is left to [`Reading::act`].
    pub(super) fn plain<'a>(&mut self, bytes: &'a [u8], end: u64) -> &'a [u8] {
        if self.arrays.is_some() {
            return bytes;
        }
        // An argument that crosses the end of a FRAME is not whole in what lies before it.
        let begin = end - to_u64(bytes.len());
        let in_frame = match self.frame_end.checked_sub(begin) {
            Some(len @ 1..) => bytes.get(..to_usize(len)).unwrap_or(bytes),
            _ => bytes,
        };
        let mut rest = in_frame;
        while let Some(behind) = self.plain_opcode(rest) {
            rest = behind;
        }
        let used = in_frame.len() - rest.len();
        self.position = begin + to_u64(used);
        bytes.get(used..).unwrap_or_default()
    }

    /// Does one of them, and gives what stands behind it.
    #[inline(always)]
    fn plain_opcode<'a>(&mut self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let (byte, rest) = bytes.split_first()?;
        let stack = &mut self.memory.stack;
        Some(match opcode(*byte)? {
            Opcode::None
            | Opcode::Newtrue
            | Opcode::Newfalse
            | Opcode::EmptyList
            | Opcode::EmptyDict
            | Opcode::EmptyTuple => {
                stack.push(Slot::Other);
                rest
            }
            Opcode::Mark => {
                self.had_mark = true;
                stack.push(Slot::Mark);
                rest
            }
            Opcode::Binint1 => {
                let (number, rest) = rest.split_first()?;
                stack.push(Slot::Int(u32::from(*number)));
                rest
            }
            Opcode::Binint2 => {
                let (number, rest) = rest.split_first_chunk()?;
                stack.push(Slot::Int(u32::from(u16::from_le_bytes(*number))));
                rest
            }
            Opcode::Binint => {
                let (number, rest) = rest.split_first_chunk()?;
                let number = u32::try_from(i32::from_le_bytes(*number));
                stack.push(number.map_or(Slot::Other, Slot::Int));
                rest
            }
            Opcode::Binfloat => {
                let rest = rest.get(8..)?;
                stack.push(Slot::Other);
                rest
            }
            Opcode::Binunicode => {
                let (len, rest) = rest.split_first_chunk()?;
                let (text, rest) = rest.split_at_checked(to_usize(u32::from_le_bytes(*len).into()))?;
                let slot = self.memory.text(text);
                self.memory.stack.push(slot);
                rest
            }
            Opcode::ShortBinunicode if !self.two => {
                let (len, rest) = rest.split_first()?;
                let (text, rest) = rest.split_at_checked(usize::from(*len))?;
                let slot = self.memory.text(text);
                self.memory.stack.push(slot);
                rest
            }
            Opcode::ShortBinbytes if !self.two => {
                let (len, rest) = rest.split_first()?;
                let rest = rest.get(usize::from(*len)..)?;
                stack.push(Slot::Other);
                rest
            }
            Opcode::Memoize if !self.two => {
                self.memory.memo.memoize(stack.top()?);
                rest
            }
            Opcode::Int | Opcode::Long | Opcode::Float => {
                let (_, rest) = short_line(rest)?;
                stack.push(Slot::Other);
                rest
            }
            Opcode::Unicode => {
                let (line, rest) = short_line(rest).filter(|(line, _)| is_plain_text(line))?;
                let slot = self.memory.text(line);
                self.memory.stack.push(slot);
                rest
            }
            Opcode::String => {
                let (line, rest) = short_line(rest).filter(|(line, _)| is_plain_text(line))?;
                let ([b'\'', text @ .., b'\''] | [b'"', text @ .., b'"']) = line else { return None };
                let slot = self.memory.text(text);
                self.memory.stack.push(slot);
                rest
            }
            Opcode::Put => {
                let (line, rest) = short_line(rest)?;
                self.memory.memo.put(short_index(line)?, stack.top()?);
                self.had_put = true;
                rest
            }
            Opcode::Get => {
                let (line, rest) = short_line(rest)?;
                stack.push(self.memory.memo.get(short_index(line)?)?);
                rest
            }
            Opcode::Binput => {
                let (index, rest) = rest.split_first()?;
                self.memory.memo.put(u64::from(*index), stack.top()?);
                self.had_put = true;
                rest
            }
            Opcode::LongBinput => {
                let (index, rest) = rest.split_first_chunk()?;
                self.memory.memo.put(u64::from(u32::from_le_bytes(*index)), stack.top()?);
                self.had_put = true;
                rest
            }
            Opcode::Binget => {
                let (index, rest) = rest.split_first()?;
                stack.push(self.memory.memo.get(u64::from(*index))?);
                rest
            }
            Opcode::LongBinget => {
                let (index, rest) = rest.split_first_chunk()?;
                stack.push(self.memory.memo.get(u64::from(u32::from_le_bytes(*index)))?);
                rest
            }
            Opcode::Append => {
                stack.values(2)?;
                stack.drop(1);
                rest
            }
            Opcode::Setitem => {
                stack.values(3)?;
                stack.drop(2);
                rest
            }
            Opcode::Appends | Opcode::Setitems => {
                let count = stack.above_mark()?.len();
                stack.below_mark(count)?;
                stack.drop_to_mark(count);
                rest
            }
            Opcode::Tuple | Opcode::List | Opcode::Dict => {
                let count = stack.above_mark()?.len();
                stack.drop_to_mark(count);
                stack.push(Slot::Other);
                rest
            }
            Opcode::Tuple1 => {
                stack.replace(1)?;
                rest
            }
            Opcode::Tuple2 => {
                stack.replace(2)?;
                rest
            }
            Opcode::Tuple3 => {
                stack.replace(3)?;
                rest
            }
            Opcode::Pop => {
                stack.pop()?;
                rest
            }
            _ => return None,
        })
    }
}

/// A line that is whole and short, and what stands behind its line feed. Most lines have a few bytes, which are looked
/// at here faster than by a search.
#[inline(always)]
fn short_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    const FEW: usize = 16;
    let few = bytes.get(..FEW).unwrap_or(bytes);
    let len = match few.iter().position(|byte| *byte == b'\n') {
        Some(len) => len,
        None => memchr::memchr(b'\n', bytes.get(..MAX_LINE).unwrap_or(bytes))?,
    };
    Some((bytes.get(..len)?, bytes.get(len + 1..)?))
}

/// Whether a line says what it spells.
#[inline(always)]
fn is_plain_text(line: &[u8]) -> bool {
    line.is_ascii() && !line.contains(&b'\\')
}

/// A memo index of a few digits.
#[inline(always)]
fn short_index(line: &[u8]) -> Option<u64> {
    let is_short = matches!(line.len(), 1..=18) && line.iter().all(u8::is_ascii_digit);
    is_short.then(|| line.iter().fold(0, |index, digit| 10 * index + u64::from(digit - b'0')))
}
