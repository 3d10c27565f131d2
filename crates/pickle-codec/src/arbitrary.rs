//! `arbitrary` for values and for inputs that are mostly pickles, so that crates which depend on
//! this one can fuzz what they do with them.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use arbitrary::{Arbitrary, Result, Unstructured};
use num_bigint::BigInt;

use crate::value::Value;
use crate::wire::text;

/// Containers inside containers.
const MAX_DEPTH: usize = 6;

/// Text and bytes are borrowed from the data where they are UTF-8. Dicts have no duplicate keys and
/// sets no duplicate members, so that a value comes back from its pickle as it was.
impl<'a> Arbitrary<'a> for Value<'a> {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        value(u, MAX_DEPTH)
    }
}

fn value<'a>(u: &mut Unstructured<'a>, depth: usize) -> Result<Value<'a>> {
    let kinds = if depth == 0 { 8 } else { 13 };
    Ok(match u.int_in_range(0..=kinds)? {
        4 => big(u)?,
        5 => Value::Float(u.arbitrary()?),
        7 => Value::ByteArray(Cow::Borrowed(u.arbitrary()?)),
        8 => surrogates(u)?,
        9 => Value::List(items(u, depth, value)?),
        10 => Value::Tuple(items(u, depth, value)?),
        11 => Value::Dict(pairs(u, depth)?),
        12 => Value::Set(members(u, depth)?),
        13 => Value::FrozenSet(members(u, depth)?),
        other => scalar(u, other)?,
    })
}

fn scalar<'a>(u: &mut Unstructured<'a>, kind: u8) -> Result<Value<'a>> {
    Ok(match kind {
        0 => Value::None,
        1 => Value::Bool(u.arbitrary()?),
        2 => Value::Int(i64::from(u.arbitrary::<i16>()?)),
        3 => Value::Int(u.arbitrary()?),
        6 => Value::Bytes(Cow::Borrowed(u.arbitrary()?)),
        _ => Value::Str(Cow::Borrowed(u.arbitrary()?)),
    })
}

fn big<'a>(u: &mut Unstructured<'a>) -> Result<Value<'a>> {
    let bytes: &[u8] = u.arbitrary()?;
    Ok(Value::from(BigInt::from_signed_bytes_le(bytes.get(..32).unwrap_or(bytes))))
}

/// Text with at least one lone surrogate.
fn surrogates<'a>(u: &mut Unstructured<'a>) -> Result<Value<'a>> {
    let mut bytes = Vec::from(u.arbitrary::<&str>()?.as_bytes());
    let point = 0xd800 + u32::from(u.arbitrary::<u16>()? % 0x800);
    // Every code point from 0xd800 to 0xdfff can be written.
    text::push_code_point(point, &mut bytes).map_err(|_| arbitrary::Error::IncorrectFormat)?;
    bytes.extend_from_slice(u.arbitrary::<&str>()?.as_bytes());
    Ok(Value::Wtf8(Cow::Owned(bytes)))
}

fn items<'a>(
    u: &mut Unstructured<'a>,
    depth: usize,
    make: fn(&mut Unstructured<'a>, usize) -> Result<Value<'a>>,
) -> Result<Vec<Value<'a>>> {
    let len = u.int_in_range(0..=8)?;
    (0..len).map(|_| make(u, depth - 1)).collect()
}

/// A key: hashable, and equal to itself.
fn key<'a>(u: &mut Unstructured<'a>, depth: usize) -> Result<Value<'a>> {
    let kinds = if depth == 0 { 7 } else { 8 };
    Ok(match u.int_in_range(0..=kinds)? {
        4 => big(u)?,
        5 => match u.arbitrary()? {
            number if f64::is_nan(number) => Value::Float(0.5),
            number => Value::Float(number),
        },
        8 => Value::Tuple(items(u, depth, key)?),
        other => scalar(u, other)?,
    })
}

/// Keys of which no two are equal in Python.
fn members<'a>(u: &mut Unstructured<'a>, depth: usize) -> Result<Vec<Value<'a>>> {
    let mut members: Vec<Value<'a>> = Vec::new();
    for member in items(u, depth, key)? {
        if !members.iter().any(|other| other.py_eq(&member)) {
            members.push(member);
        }
    }
    Ok(members)
}

fn pairs<'a>(u: &mut Unstructured<'a>, depth: usize) -> Result<Vec<(Value<'a>, Value<'a>)>> {
    members(u, depth)?.into_iter().map(|key| Ok((key, value(u, depth - 1)?))).collect()
}

/// An input of which most opcodes are valid where they stand, so that fuzzing gets behind the first one.
///
/// It may still be refused: that is what a fuzz target wants to see as well.
///
/// ```
/// # #[cfg(feature = "arbitrary")] {
/// use arbitrary::{Arbitrary, Unstructured};
/// use pickle_codec::ArbitraryPickle;
/// let mut data = Unstructured::new(b"any bytes that a fuzzer comes up with");
/// let pickle = ArbitraryPickle::arbitrary(&mut data)?;
/// assert_eq!(pickle.as_bytes().last(), Some(&b'.'));
/// # }
/// # Ok::<(), arbitrary::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArbitraryPickle {
    bytes: Box<[u8]>,
}

impl ArbitraryPickle {
    /// The input, which ends with STOP.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The input, which ends with STOP.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes.into_vec()
    }
}

impl<'a> Arbitrary<'a> for ArbitraryPickle {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mut writer = OpcodeWriter::default();
        let opcodes = u.int_in_range(1..=200)?;
        for _ in 0..opcodes {
            if u.is_empty() {
                break;
            }
            writer.opcode(u)?;
        }
        writer.finish();
        Ok(Self { bytes: writer.out.into_boxed_slice() })
    }
}

/// What an entry of the stack is, as far as opcodes care.
#[derive(Clone, Copy, PartialEq)]
enum Entry {
    Mark,
    Scalar,
    List,
    Dict,
    Set,
    Tuple,
    Global,
    Object,
}

/// Writes opcodes and follows what they do to the stack.
#[derive(Default)]
struct OpcodeWriter {
    out: Vec<u8>,
    stack: Vec<Entry>,
    memo: Vec<Entry>,
}

impl OpcodeWriter {
    fn push(&mut self, bytes: &[u8], entry: Entry) {
        self.out.extend_from_slice(bytes);
        self.stack.push(entry);
    }

    /// Items above the last mark, and where it is.
    fn mark(&self) -> Option<usize> {
        self.stack.iter().rposition(|&entry| entry == Entry::Mark)
    }

    fn top(&self) -> Option<Entry> {
        self.stack.last().copied().filter(|&entry| entry != Entry::Mark)
    }

    /// How many entries stand above the last mark.
    fn free(&self) -> usize {
        self.stack.len() - self.mark().map_or(0, |mark| mark + 1)
    }

    fn opcode(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        match u.int_in_range(0..=24)? {
            0 => self.push(b"N", Entry::Scalar),
            1 => self.push(if u.arbitrary()? { b"\x88" } else { b"\x89" }, Entry::Scalar),
            2 => self.push(&[b'K', u.arbitrary()?], Entry::Scalar),
            3 => {
                let [a, b, c, d] = u.arbitrary::<i32>()?.to_le_bytes();
                self.push(&[b'J', a, b, c, d], Entry::Scalar);
            }
            4 => {
                let number: f64 = u.arbitrary()?;
                self.push(b"G", Entry::Scalar);
                self.out.extend_from_slice(&number.to_be_bytes());
            }
            5 => self.counted(b'\x8c', u.arbitrary::<&str>()?.as_bytes()),
            6 => self.counted(b'C', u.arbitrary()?),
            7 => self.counted(b'\x8a', u.arbitrary()?),
            8 => self.counted(b'U', u.arbitrary()?),
            9 => {
                let text: String = alloc::format!("{}", u.arbitrary::<i64>()?);
                self.push(&[b"L", text.as_bytes(), b"L\n"].concat(), Entry::Scalar);
            }
            10 => self.push(b"(", Entry::Mark),
            11 => self.push(b"]", Entry::List),
            12 => self.push(b"}", Entry::Dict),
            13 => self.push(b")", Entry::Tuple),
            14 => self.push(b"\x8f", Entry::Set),
            15 => self.fill(),
            16 => self.collect(u)?,
            17 => self.shortest_tuple(u)?,
            18 if self.top().is_some() => {
                self.out.push(b'\x94');
                self.memo.extend(self.top());
            }
            19 if !self.memo.is_empty() => {
                let place = u.choose_index(self.memo.len().min(256))?;
                let entry = self.memo.get(place).copied().unwrap_or(Entry::Scalar);
                let index = u8::try_from(place).unwrap_or_default();
                self.push(&[b'h', index], entry);
            }
            20 if self.top().is_some() => {
                self.out.push(b'2');
                self.stack.extend(self.top());
            }
            21 if self.free() > 1 => {
                self.out.push(b'0');
                self.stack.pop();
            }
            22 => self.global(u)?,
            23 => self.call(),
            24 => self.out.push(u.arbitrary()?),
            _ => {}
        }
        Ok(())
    }

    /// An argument of at most 255 bytes behind its length.
    fn counted(&mut self, code: u8, argument: &[u8]) {
        let argument = argument.get(..255).unwrap_or(argument);
        self.push(&[code, u8::try_from(argument.len()).unwrap_or_default()], Entry::Scalar);
        self.out.extend_from_slice(argument);
    }

    /// Puts what stands above the container below into it.
    fn fill(&mut self) {
        let Some(mark) = self.mark() else {
            let below = self.stack.len().checked_sub(2).and_then(|place| self.stack.get(place));
            if below == Some(&Entry::List) {
                self.out.push(b'a');
                self.stack.pop();
            }
            return;
        };
        let count = self.stack.len() - mark - 1;
        let below = mark.checked_sub(1).and_then(|place| self.stack.get(place));
        let code = match below {
            Some(Entry::List) => b'e',
            Some(Entry::Dict) if count.is_multiple_of(2) => b'u',
            Some(Entry::Set) => b'\x90',
            _ => return,
        };
        self.out.push(code);
        self.stack.truncate(mark);
    }

    /// Makes a container of all above the last mark.
    fn collect(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let Some(mark) = self.mark() else { return Ok(()) };
        let even = (self.stack.len() - mark) % 2 == 1;
        self.stack.truncate(mark);
        match u.int_in_range(0..=3)? {
            0 => self.push(b"t", Entry::Tuple),
            1 => self.push(b"l", Entry::List),
            2 if even => self.push(b"d", Entry::Dict),
            _ => self.push(b"\x91", Entry::Scalar),
        }
        Ok(())
    }

    fn shortest_tuple(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let len = self.free().min(3);
        if len == 0 {
            return Ok(());
        }
        let len = u.int_in_range(1..=len)?;
        self.stack.truncate(self.stack.len() - len);
        let code = u8::try_from(len).unwrap_or_default() + 0x84;
        self.push(&[code], Entry::Tuple);
        Ok(())
    }

    fn global(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        const NAMES: [&[u8]; 10] = [
            b"builtins\nset\n",
            b"_codecs\nencode\n",
            b"collections\nOrderedDict\n",
            b"collections\ndeque\n",
            b"datetime\ndatetime\n",
            b"decimal\nDecimal\n",
            b"builtins\nValueError\n",
            b"copyreg\n_reconstructor\n",
            b"http\nHTTPStatus\n",
            b"mypkg\nThing\n",
        ];
        let name = u.choose(&NAMES)?;
        self.push(b"c", Entry::Global);
        self.out.extend_from_slice(name);
        Ok(())
    }

    /// A call, if a global and a tuple are on top, or a state for the object on top.
    fn call(&mut self) {
        match self.stack.as_slice() {
            [.., Entry::Global, Entry::Tuple] => {
                self.out.push(b'R');
                self.stack.truncate(self.stack.len() - 2);
                self.stack.push(Entry::Object);
            }
            [.., Entry::Object, Entry::Dict] => {
                self.out.push(b'b');
                self.stack.pop();
            }
            _ => {}
        }
    }

    /// Leaves one entry and stops.
    fn finish(&mut self) {
        if let Some(mark) = self.stack.iter().position(|&entry| entry == Entry::Mark) {
            for _ in mark..self.stack.len() {
                self.out.push(b'0');
            }
            self.stack.truncate(mark);
        }
        if self.stack.is_empty() {
            self.push(b"N", Entry::Scalar);
        }
        self.out.push(b'.');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    use crate::{DecodeOptions, Decoder, Globals};

    /// Bytes without a pattern.
    fn noise(seed: u64, len: usize) -> Vec<u8> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        };
        core::iter::repeat_with(next).take(len).collect()
    }

    #[test]
    fn most_pickles_decode() {
        let mut decoder = Decoder::with_options(DecodeOptions::new().globals(Globals::Inert));
        let mut decoded = 0;
        for seed in 0..1_000 {
            let data = noise(seed, 60);
            let pickle = ArbitraryPickle::arbitrary(&mut Unstructured::new(&data)).unwrap();
            decoded += u32::from(decoder.decode(pickle.as_bytes()).is_ok());
        }
        // One opcode in 25 is noise, and keys may be unhashable.
        assert!((200..1_000).contains(&decoded), "{decoded}");
    }

    #[test]
    fn documents_and_their_values_agree() {
        for globals in [Globals::Known, Globals::Inert] {
            let mut decoder = Decoder::with_options(DecodeOptions::new().globals(globals));
            for seed in 0..3_000 {
                let data = noise(seed, 20 + usize::try_from(seed % 200).unwrap());
                let pickle = ArbitraryPickle::arbitrary(&mut Unstructured::new(&data)).unwrap();
                let Ok(document) = decoder.decode(pickle.as_bytes()) else { continue };
                let label = pickle.as_bytes().escape_ascii();
                assert!(document.root().eq_graph(document.clone().root()), "{label}");
                let Ok(value) = document.to_value() else { continue };
                assert_eq!(value.to_string(), document.to_string(), "{label}");
                let (mut one, mut other) = (String::new(), String::new());
                value.py_str(&mut one, 1 << 20).unwrap();
                document.root().py_str(&mut other, 1 << 20).unwrap();
                assert_eq!(one, other, "{label}");
                #[cfg(feature = "serde")]
                {
                    let read: Value<'_> = crate::from_document(&document).unwrap();
                    assert_eq!(read.to_string(), value.to_string(), "{label}");
                    let json = crate::from_document::<serde_json::Value>(&document).ok();
                    let from_value = crate::from_value::<serde_json::Value>(value).ok();
                    assert_eq!(json, from_value, "{label}");
                }
            }
        }
    }

    #[test]
    fn values_vary() {
        let mut kinds = alloc::collections::BTreeSet::new();
        for seed in 0..1_000 {
            let data = noise(seed, 200);
            let value = Value::arbitrary(&mut Unstructured::new(&data)).unwrap();
            kinds.insert(alloc::format!("{:?}", core::mem::discriminant(&value)));
        }
        assert!(kinds.len() >= 12, "{kinds:?}");
    }
}
