//! Pickle streams: well-formed ones from a grammar, and mutations.

/// A small generator of random numbers: the same seed gives the same streams everywhere.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// A sequence that begins at `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next number of the sequence.
    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `limit`, or 0 where `limit` is 0.
    pub fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit.max(1)).unwrap_or(u64::MAX);
        usize::try_from((self.number() >> 16) % limit).unwrap_or(0)
    }

    fn byte(&mut self) -> u8 {
        self.number().to_be_bytes()[0]
    }

    fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    /// One of several.
    pub fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> Option<&'a T> {
        from.get(self.below(from.len())).copied()
    }
}

/// What is known of a stack entry: enough to keep most streams well-formed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Mark,
    Hashable,
    List,
    Dict,
    Set,
}

const INTEGERS: [&[u8]; 24] = [
    b"0",
    b"1",
    b"-1",
    b"00",
    b"01",
    b"+5",
    b"007",
    b"-0",
    b"255",
    b"65536",
    b"2147483648",
    b"-2147483649",
    b"9223372036854775808",
    b" 7",
    b"7 ",
    b"1_000",
    b"0x10",
    b"0b1",
    b"",
    b"-",
    b"--1",
    b"5L",
    b"\t3",
    b"123456789012345678901234567890",
];
const FLOATS: [&[u8]; 18] = [
    b"0.0",
    b"1.5",
    b"-0.0",
    b"1e16",
    b"1e-5",
    b"nan",
    b"inf",
    b"-inf",
    b"infinity",
    b"1e400",
    b"1_0.0",
    b" 1.0",
    b".5",
    b"5.",
    b"",
    b"1e",
    b"0x1p3",
    b"-nan",
];
const TEXTS: [&[u8]; 16] = [
    b"",
    b"a",
    b"key",
    b"caf\xc3\xa9",
    b"\xf0\x9f\x98\x80",
    b"\xed\xa0\x80",
    b"\xed\xbf\xbf",
    b"\xff",
    b"\xc0\x80",
    b"a\\nb",
    b"\\u0041",
    b"\\U0001f600",
    b"\\ud83d\\ude00",
    b"tab\t",
    b"nul\0",
    b"\xe9",
];
const QUOTED: [&[u8]; 14] = [
    b"''",
    b"'a'",
    b"\"b\"",
    b"'it\\'s'",
    b"'\\x41\\101\\n'",
    b"'",
    b"'a",
    b"'a\"",
    b"a",
    b"'\\q'",
    b"'\\x4'",
    b"'\xff'",
    b" 'a'",
    b"'a' ",
];

/// A stream from the grammar, now and then with an opcode out of place.
pub fn stream(random: &mut Random) -> Vec<u8> {
    let mut out = Vec::new();
    if !random.one_in(3) {
        out.extend([0x80, u8::try_from(random.below(6)).unwrap_or(0)]);
    }
    let mut stack: Vec<Kind> = Vec::new();
    let mut puts = 0_usize;
    for _ in 0..1 + random.below(24) {
        step(random, &mut out, &mut stack, &mut puts);
    }
    finish(random, &mut out, &mut stack);
    out
}

/// A stream from the grammar that also names classes of the standard library and calls them, with arguments that
/// they take now and then.
pub fn calls(random: &mut Random) -> Vec<u8> {
    const NAMES: [&[u8]; 11] = [
        b"builtins\nset\n",
        b"_codecs\nencode\n",
        b"collections\nOrderedDict\n",
        b"collections\ndeque\n",
        b"datetime\ndatetime\n",
        b"datetime\ndate\n",
        b"decimal\nDecimal\n",
        b"builtins\nValueError\n",
        b"copyreg\n_reconstructor\n",
        b"http\nHTTPStatus\n",
        b"mypkg\nThing\n",
    ];
    const ARGUMENTS: [&[u8]; 9] = [
        b"N",
        b"K\x05",
        b"X\x01\0\0\x007",
        b"X\x06\0\0\0latin1",
        b"C\x04\x07\xea\x01\x02",
        b"C\x0a\x07\xea\x01\x02\x03\x04\x05\0\0\x06",
        b"]",
        b")",
        b"}",
    ];
    let (mut out, mut stack, mut puts) = (Vec::new(), Vec::new(), 0);
    for _ in 0..1 + random.below(24) {
        if !random.one_in(4) {
            step(random, &mut out, &mut stack, &mut puts);
            continue;
        }
        out.push(b'c');
        out.extend(random.pick(&NAMES).unwrap_or_default());
        stack.push(Kind::Hashable);
        if random.one_in(8) {
            continue;
        }
        out.push(b'(');
        for _ in 0..random.below(4) {
            out.extend(random.pick(&ARGUMENTS).unwrap_or_default());
        }
        out.extend(b"tR");
        match random.below(8) {
            0 => out.extend(b"}b"),
            1 => out.extend(b"K\x01a"),
            2 => out.extend(b"K\x01Ns"),
            _ => {}
        }
    }
    finish(random, &mut out, &mut stack);
    out
}

/// Gathers what is left into one value, which is how most streams end well, and stops.
fn finish(random: &mut Random, out: &mut Vec<u8>, stack: &mut Vec<Kind>) {
    while stack.len() > 1 {
        let last_mark = stack.iter().rposition(|kind| *kind == Kind::Mark);
        match last_mark {
            Some(mark) => {
                out.push(if random.one_in(3) { b'l' } else { b't' });
                stack.truncate(mark);
                stack.push(Kind::Hashable);
            }
            None => {
                out.push(0x86);
                stack.pop();
            }
        }
    }
    if stack.is_empty() || stack[0] == Kind::Mark {
        out.push(b'N');
    }
    if !random.one_in(60) {
        out.push(b'.');
    }
    if random.one_in(8) {
        frame(random, out);
    }
}

/// Puts what follows PROTO into a pickle FRAME of about the right length.
fn frame(random: &mut Random, out: &mut Vec<u8>) {
    let body = out.split_off(if out.first() == Some(&0x80) { 2 } else { 0 });
    let off = if random.one_in(6) { random.below(7) } else { 3 };
    let length = (body.len() + off).saturating_sub(3);
    out.push(0x95);
    out.extend(u64::try_from(length).unwrap_or(0).to_le_bytes());
    out.extend(body);
}

fn scalar(random: &mut Random, out: &mut Vec<u8>) {
    let line = |out: &mut Vec<u8>, opcode: u8, text: &[u8]| {
        out.push(opcode);
        out.extend_from_slice(text);
        out.push(b'\n');
    };
    let number = random.number().to_le_bytes();
    match random.below(26) {
        0 => out.push(b'N'),
        1 => out.extend([0x88 + u8::from(random.one_in(2))]),
        2 | 3 => out.extend([b'K', random.byte()]),
        4 => out.extend([b'M', number[0], number[1]]),
        5 => out.extend([b'J', number[0], number[1], number[2], number[3]]),
        6 => line(out, b'I', random.pick(&INTEGERS).unwrap_or_default()),
        7 => {
            let mut text = random.pick(&INTEGERS).unwrap_or_default().to_vec();
            if !random.one_in(4) {
                text.push(b'L');
            }
            line(out, b'L', &text);
        }
        8 => {
            let length = random.below(12);
            out.extend([0x8a, u8::try_from(length).unwrap_or(0)]);
            out.extend((0..length).map(|_| *random.pick(&[&0_u8, &0xff, &0x80, &0x7f, &0x31]).unwrap_or(&0)));
        }
        9 => {
            out.extend([0x8b, 2, 0, 0, if random.one_in(30) { 0x80 } else { 0 }]);
            out.extend([number[0], number[1]]);
        }
        10 => line(out, b'F', random.pick(&FLOATS).unwrap_or_default()),
        11 => {
            out.push(b'G');
            let special = [0.0, -0.0, 1.0, f64::NAN, f64::INFINITY];
            let float = special.get(random.below(8)).map_or(number, |float: &f64| float.to_be_bytes());
            out.extend(float);
        }
        12 => line(out, b'V', random.pick(&TEXTS).unwrap_or_default()),
        13 => line(out, b'S', random.pick(&QUOTED).unwrap_or_default()),
        14 => out.extend([b'I', b'0', if random.one_in(2) { b'1' } else { b'0' }, b'\n']),
        15 => out.extend([b')']),
        opcode => {
            let text = random.pick(&TEXTS).unwrap_or_default();
            let length = u8::try_from(text.len()).unwrap_or(0);
            match opcode {
                16 | 17 => out.extend([b'X', length, 0, 0, 0]),
                18 | 19 => out.extend([0x8c, length]),
                20 => out.extend([0x8d, length, 0, 0, 0, 0, 0, 0, 0]),
                21 => out.extend([b'U', length]),
                22 => out.extend([b'T', length, 0, 0, 0]),
                23 => out.extend([b'C', length]),
                24 => out.extend([b'B', length, 0, 0, 0]),
                _ => out.extend([0x8e, length, 0, 0, 0, 0, 0, 0, 0]),
            }
            out.extend_from_slice(text);
        }
    }
}

fn memo(random: &mut Random, out: &mut Vec<u8>, stack: &mut Vec<Kind>, puts: &mut usize) {
    let index =
        u8::try_from(if random.one_in(5) { random.below(300) % 256 } else { random.below(*puts + 1) })
            .unwrap_or(0);
    let put = *puts == 0 || random.one_in(2);
    match (put, random.below(4)) {
        (true, 0 | 1) => out.push(0x94),
        (true, 2) => out.extend([b'q', index]),
        (true, _) if random.one_in(2) => out.extend([b'r', index, 0, 0, 0]),
        (true, _) => out.extend(format!("p{index}\n").bytes()),
        (false, 0 | 1) => out.extend([b'h', index]),
        (false, 2) => out.extend([b'j', index, 0, 0, 0]),
        (false, _) => out.extend(format!("g{index}\n").bytes()),
    }
    if put {
        *puts += 1;
    } else {
        // What the memo gives may be of any kind; a list is the kind that later opcodes treat best.
        stack.push(if random.one_in(3) { Kind::List } else { Kind::Hashable });
    }
}

fn step(random: &mut Random, out: &mut Vec<u8>, stack: &mut Vec<Kind>, puts: &mut usize) {
    let mark = stack.iter().rposition(|kind| *kind == Kind::Mark);
    let above = mark.map_or(stack.len(), |mark| stack.len() - mark - 1);
    let below_mark = mark.and_then(|mark| stack.get(mark.checked_sub(1)?).copied());
    match random.below(20) {
        0..=6 => {
            scalar(random, out);
            stack.push(Kind::Hashable);
        }
        7 => {
            out.push(b'(');
            stack.push(Kind::Mark);
        }
        8 => {
            let (opcode, kind) = [(b']', Kind::List), (b'}', Kind::Dict), (0x8f, Kind::Set)][random.below(3)];
            out.push(opcode);
            stack.push(kind);
        }
        9 | 10 if !stack.is_empty() => memo(random, out, stack, puts),
        11 | 12 if mark.is_some() => {
            let opcode = match below_mark {
                Some(Kind::List) => b'e',
                Some(Kind::Dict) => b'u',
                Some(Kind::Set) => 0x90,
                _ => *random.pick(&[&b't', &b'l', &b'd', &0x91, &b'1']).unwrap_or(&b't'),
            };
            out.push(opcode);
            stack.truncate(mark.unwrap_or(0));
            match opcode {
                b't' | 0x91 => stack.push(Kind::Hashable),
                b'l' => stack.push(Kind::List),
                b'd' => stack.push(Kind::Dict),
                _ => {}
            }
        }
        13 if above >= 2 => {
            let (opcode, takes) = match stack.get(stack.len() - 2) {
                Some(Kind::List) => (b'a', 1),
                _ if above >= 3 && stack.get(stack.len() - 3) == Some(&Kind::Dict) => (b's', 2),
                _ => (0x86, 2),
            };
            out.push(opcode);
            stack.truncate(stack.len() - takes);
            if opcode == 0x86 {
                stack.push(Kind::Hashable);
            }
        }
        14 if above >= 3 => {
            out.push(0x87);
            stack.truncate(stack.len() - 3);
            stack.push(Kind::Hashable);
        }
        15 if above >= 1 => {
            out.push(0x85);
            stack.pop();
            stack.push(Kind::Hashable);
        }
        16 if above >= 1 => {
            out.push(b'2');
            stack.push(stack.last().copied().unwrap_or(Kind::Hashable));
        }
        17 if stack.len() > 1 => {
            out.push(b'0');
            stack.pop();
        }
        18 if random.one_in(4) => out.push(random.byte()),
        _ => {}
    }
}

/// A program that names and calls: names spelled in every way, with memo, marks, FRAMEs and odd literals between
/// them. Many run to their end in some CPython.
#[must_use]
pub fn program(random: &mut Random) -> Vec<u8> {
    const MODULES: [&[u8]; 6] = [b"os", b"a.b", b"mod", b"builtins2", b"x y", b"e\xc3\xa9"];
    const NAMES: [&[u8]; 7] = [b"system", b"A", b"f", b"C.d", b"text", b"maketext", b"g\xff"];
    let mut out = Vec::new();
    if !random.one_in(3) {
        out.extend([0x80, [0, 1, 2, 2, 3, 4, 4, 5, 6][random.below(9)]]);
    }
    let short = |out: &mut Vec<u8>, text: &[u8], kind: usize| {
        let length = text.len().to_le_bytes();
        match kind {
            0 => out.extend([&[0x8c, length[0]], text].concat()),
            1 => out.extend([b"X", &length[..4], text].concat()),
            2 => out.extend([b"V", text, b"\n"].concat()),
            3 => out.extend([b"U", &length[..1], text].concat()),
            4 => out.extend([b"S'", text, b"'\n"].concat()),
            5 => out.extend([b"T", &length[..4], text].concat()),
            _ => out.extend([b"\x8d", &length[..], text].concat()),
        }
    };
    for _ in 0..random.below(14) + 1 {
        match random.below(30) {
            0..=2 => {
                let (module, name) =
                    (random.pick(&MODULES).unwrap_or(b""), random.pick(&NAMES).unwrap_or(b""));
                let ending: &[u8] = if random.one_in(20) { b"\r\n" } else { b"\n" };
                out.extend(
                    [if random.one_in(8) { b"(i" } else { b"c".as_slice() }, module, ending, name, ending]
                        .concat(),
                );
            }
            3..=6 => {
                let (module, name) =
                    (random.pick(&MODULES).unwrap_or(b""), random.pick(&NAMES).unwrap_or(b""));
                short(&mut out, module, random.below(7));
                if random.one_in(2) {
                    out.push(0x94);
                }
                short(&mut out, name, random.below(7));
                if random.one_in(3) {
                    out.extend([b'q', random.byte() % 4]);
                }
                out.push(0x93);
            }
            7 => out.extend([b')', b'R']),
            8 => out.extend(b"(I1\ntR"),
            9 => out.extend([b')', 0x81]),
            10 => out.extend(b"}b"),
            11 => out.extend(b"Nb"),
            12 => out.extend(b"(cm\nf\nNo"),
            13 => out.extend([[b'q', b'h'][random.below(2)], random.byte() % 4]),
            14 => out.extend(
                [
                    [b"p".as_slice(), b"g"][random.below(2)],
                    [b"0".as_slice(), b"01", b"1", b" 2", b"0x1", b"1_0", b"1\0", b"a"][random.below(8)],
                    b"\n",
                ]
                .concat(),
            ),
            15 => out.push(0x94),
            16 => out.push(b"0123(.]})N"[random.below(10)]),
            17 => out.extend([0x82, random.byte()]),
            18 => out.extend(b"Pid\n"),
            19 => out.extend(b"K\x01Q"),
            20 => {
                out.push(0x95);
                let length = [0, 1, 2, 3, 5, 8, 13, 40, 300][random.below(9)];
                out.extend(u64::from(u16::try_from(length).unwrap_or(0)).to_le_bytes());
            }
            21 => out.extend([b"I".as_slice(), random.pick(&INTEGERS).unwrap_or(b""), b"\n0"].concat()),
            22 => out.extend([b"L".as_slice(), random.pick(&INTEGERS).unwrap_or(b""), b"L\n0"].concat()),
            23 => out.extend([b"F".as_slice(), random.pick(&FLOATS).unwrap_or(b""), b"\n0"].concat()),
            24 => out.extend(
                [
                    b"S".as_slice(),
                    [b"'a'".as_slice(), b"'", b"a", b"\"b'", b"'c' ", b"'\\x'"][random.below(6)],
                    b"\n0",
                ]
                .concat(),
            ),
            25 => out.extend(b"(tl0"),
            26 => out.extend([b"]q\x01(", [b"e".as_slice(), b"N)e", b"1a"][random.below(3)]].concat()),
            27 => out.extend([0x85 + random.byte() % 3]),
            28 => out.push(b"Ras"[random.below(3)]),
            _ => out.push(random.byte()),
        }
    }
    if !random.one_in(5) {
        out.push(b'.');
    }
    out
}

/// One to four changes of one stream.
pub fn mutate(random: &mut Random, seed: &[u8], other: &[u8]) -> Vec<u8> {
    const OPCODES: &[u8] = b"(.012FGIJKLMNPQRSTUVXabcdeghijlopqrstu)]}BC\x80\x81\x82\x83\x84\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f\
        \x90\x91\x92\x93\x94\x95\x96\x97\x98";
    let mut out = seed.to_vec();
    for _ in 0..1 + random.below(4) {
        let at = random.below(out.len());
        let opcode = OPCODES[random.below(OPCODES.len())];
        let to = at + random.below((out.len() - at).min(16));
        match random.below(10) {
            0 => {
                if let Some(byte) = out.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
            1 | 2 => {
                if let Some(byte) = out.get_mut(at) {
                    *byte = if random.one_in(2) { opcode } else { random.byte() };
                }
            }
            3 | 4 => out.insert(at, opcode),
            5 => {
                let mut piece = Vec::new();
                scalar(random, &mut piece);
                out.splice(at..at, piece);
            }
            6 => {
                out.drain(at..to);
            }
            7 => {
                let piece = out[at..to].to_vec();
                out.splice(at..at, piece);
            }
            8 => {
                let from = random.below(other.len());
                out.truncate(at);
                out.extend_from_slice(&other[from..]);
            }
            _ => out.truncate(to),
        }
        out.truncate(4096);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Random, mutate, stream};

    #[test]
    fn same_seed_gives_the_same_streams() {
        let streams = |seed| {
            let mut random = Random::new(seed);
            (0..50).map(|_| stream(&mut random)).collect::<Vec<_>>()
        };
        assert_eq!(streams(7), streams(7));
        assert_ne!(streams(7), streams(8));
    }

    #[test]
    fn a_good_part_of_the_streams_decodes() {
        let mut random = Random::new(1);
        let good = (0..2000).filter(|_| pickle_codec::decode(&stream(&mut random)).is_ok()).count();
        assert!((300..1900).contains(&good), "{good} of 2000");
    }

    #[test]
    fn mutation_takes_any_seed() {
        let mut random = Random::new(3);
        for seed in [&b""[..], b".", b"N."] {
            for _ in 0..500 {
                assert!(mutate(&mut random, seed, b"").len() <= 4096);
            }
        }
    }
}
