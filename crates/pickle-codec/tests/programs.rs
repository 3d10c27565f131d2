//! Random programs for the unpickler: a document and the value that it makes agree on everything.

use arbitrary::{Arbitrary, Result, Unstructured};
use pickle_codec::{DecodeOptions, Decoder, Globals, Value};

/// An input of which most opcodes are valid where they stand; it may still be refused.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Program {
    bytes: Box<[u8]>,
}

impl Program {
    /// The input, which ends with STOP.
    const fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl<'a> Arbitrary<'a> for Program {
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
                let text: String = format!("{}", u.arbitrary::<i64>()?);
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
        let pickle = Program::arbitrary(&mut Unstructured::new(&data)).unwrap();
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
            let pickle = Program::arbitrary(&mut Unstructured::new(&data)).unwrap();
            let Ok(document) = decoder.decode(pickle.as_bytes()) else { continue };
            let label = pickle.as_bytes().escape_ascii();
            assert!(document.root().eq_graph(document.clone().root()), "{label}");
            let Ok(value) = document.to_value() else { continue };
            assert_eq!(value.to_string(), document.to_string(), "{label}");
            let (mut one, mut other) = (String::new(), String::new());
            value.py_str(&mut one, 1 << 20).unwrap();
            document.root().py_str(&mut other, 1 << 20).unwrap();
            assert_eq!(one, other, "{label}");
            {
                let read: Value<'_> = pickle_codec::from_document(&document).unwrap();
                assert_eq!(read.to_string(), value.to_string(), "{label}");
                let json = pickle_codec::from_document::<serde_json::Value>(&document).ok();
                let from_value = pickle_codec::from_value::<serde_json::Value>(value).ok();
                assert_eq!(json, from_value, "{label}");
            }
        }
    }
}
