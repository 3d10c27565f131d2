//! One kind of value in one kind of place.

/// Makes the n-th value of a kind: the stack holds one more object behind it.
type One = fn(usize) -> Vec<u8>;

/// Puts values into a pickle.
type Many = fn(&[Vec<u8>]) -> Vec<u8>;

fn bytes4(number: usize) -> [u8; 4] {
    u32::try_from(number % (1 << 31)).unwrap_or_default().to_le_bytes()
}

fn bytes8(number: usize) -> [u8; 8] {
    u64::try_from(number).unwrap_or_default().to_le_bytes()
}

fn byte(number: usize) -> u8 {
    bytes4(number)[0]
}

fn text(text: String) -> Vec<u8> {
    text.into_bytes()
}

fn float(number: f64) -> Vec<u8> {
    [b"G".as_slice(), &number.to_be_bytes()].concat()
}

fn small(number: usize) -> f64 {
    f64::from(u32::from_le_bytes(bytes4(number)))
}

/// A kind of value for each opcode and each reading that makes one. A name is not always told: a policy refuses it.
pub const VALUES: [(&str, One); 66] = [
    ("NONE", |_| b"N".to_vec()),
    ("NEWTRUE", |_| b"\x88".to_vec()),
    ("EMPTY_TUPLE", |_| b")".to_vec()),
    ("BININT1", |n| vec![b'K', byte(n)]),
    ("BININT2", |n| vec![b'M', bytes4(n)[0], bytes4(n)[1]]),
    ("BININT", |n| [b"J".as_slice(), &bytes4(n * 7919)].concat()),
    ("BININT large", |n| [b"J".as_slice(), &bytes4((1 << 30) + n)].concat()),
    ("INT", |n| text(format!("I{n}\n"))),
    ("INT bool", |_| b"I01\n".to_vec()),
    ("LONG", |n| text(format!("L1000000000000000{n}L\n"))),
    ("LONG big", |n| text(format!("L{}{n}L\n", "7".repeat(40)))),
    ("LONG1 short", |n| vec![0x8a, 2, byte(n), byte(n / 256)]),
    ("LONG1", |n| [b"\x8a\x09".as_slice(), &bytes8(n), b"\x7f"].concat()),
    ("LONG1 hashes alike in CPython", |n| {
        let number = (u128::try_from(n).unwrap_or(0) + 1) * ((1 << 61) - 1);
        [b"\x8a\x0b".as_slice(), number.to_le_bytes().get(..11).unwrap_or_default()].concat()
    }),
    ("LONG4", |n| [b"\x8b\x14\0\0\0".as_slice(), &bytes8(n), &[1; 12]].concat()),
    ("FLOAT", |n| text(format!("F{n}.5\n"))),
    ("FLOAT long", |n| text(format!("F0.{}{n}\n", "123456789".repeat(20)))),
    ("BINFLOAT", |n| float(small(n) + 0.5)),
    ("BINFLOAT whole", |n| float(small(n))),
    ("BINFLOAT huge", |n| float((small(n) + 1.0) * 1e290)),
    ("BINFLOAT nan", |_| float(f64::NAN)),
    ("STRING", |n| text(format!("S'a{n}'\n"))),
    ("STRING escapes", |n| text(format!("S'\\x41\\n\\101{n}'\n"))),
    ("STRING not UTF-8", |n| text(format!("S'\\xff{n}'\n"))),
    ("BINSTRING", |n| [b"T\x04\0\0\0".as_slice(), &bytes4(n)].concat()),
    ("SHORT_BINSTRING", |n| [b"U\x05a".as_slice(), &bytes4(n)].concat()),
    ("SHORT_BINSTRING empty", |_| b"U\0".to_vec()),
    ("UNICODE", |n| text(format!("Va{n}\n"))),
    ("UNICODE escapes", |n| text(format!("V\\u0041\\U0001f600{n}\n"))),
    ("UNICODE surrogates", |n| text(format!("V\\ud800{n}\n"))),
    ("UNICODE latin-1", |n| [b"V\xff".as_slice(), n.to_string().as_bytes(), b"\n"].concat()),
    ("BINUNICODE", |n| [b"X\x08\0\0\0".as_slice(), format!("{n:08x}").as_bytes()].concat()),
    ("BINUNICODE empty", |_| b"X\0\0\0\0".to_vec()),
    ("BINUNICODE surrogates", |n| {
        [b"X\x09\0\0\0\xed\xa0\x80".as_slice(), format!("{n:06x}").as_bytes()].concat()
    }),
    ("SHORT_BINUNICODE", |n| [b"\x8c\x06".as_slice(), format!("{n:06x}").as_bytes()].concat()),
    ("BINUNICODE8", |n| [b"\x8d\x06\0\0\0\0\0\0\0".as_slice(), format!("{n:06x}").as_bytes()].concat()),
    ("BINBYTES", |n| [b"B\x04\0\0\0".as_slice(), &bytes4(n)].concat()),
    ("SHORT_BINBYTES", |n| [b"C\x04".as_slice(), &bytes4(n)].concat()),
    ("SHORT_BINBYTES empty", |_| b"C\0".to_vec()),
    ("BINBYTES8", |n| [b"\x8e\x04\0\0\0\0\0\0\0".as_slice(), &bytes4(n)].concat()),
    ("BYTEARRAY8", |n| [b"\x96\x04\0\0\0\0\0\0\0".as_slice(), &bytes4(n)].concat()),
    ("EMPTY_LIST", |_| b"]".to_vec()),
    ("EMPTY_DICT", |_| b"}".to_vec()),
    ("EMPTY_SET", |_| b"\x8f".to_vec()),
    ("LIST of nothing", |_| b"(l".to_vec()),
    ("FROZENSET of one", |n| vec![b'(', b'M', byte(n), byte(n / 256), 0x91]),
    ("TUPLE1", |n| vec![b'M', byte(n), byte(n / 256), 0x85]),
    ("TUPLE1 of TUPLE1", |n| vec![b'M', byte(n), byte(n / 256), 0x85, 0x85]),
    ("TUPLE2", |n| vec![b'N', b'M', byte(n), byte(n / 256), 0x86]),
    ("TUPLE of four", |n| vec![b'(', b'N', b'N', b'N', b'M', byte(n), byte(n / 256), b't']),
    ("GLOBAL", |n| text(format!("cm\nC{n}\n"))),
    ("STACK_GLOBAL", |n| text(format!("Vm\nVC{n}\n")).into_iter().chain([0x93]).collect()),
    ("REDUCE", |n| text(format!("cm\nC\n(I{n}\ntR"))),
    ("REDUCE Decimal", |n| text(format!("cdecimal\nDecimal\n(V{n}.5\ntR"))),
    ("REDUCE set", |n| text(format!("c__builtin__\nset\n((I{n}\nltR"))),
    ("REDUCE encode", |n| {
        [text(format!("c_codecs\nencode\n(Va\\u00e9{n}\n")), b"Vlatin1\ntR".to_vec()].concat()
    }),
    ("REDUCE OrderedDict", |n| text(format!("ccollections\nOrderedDict\n((I{n}\nNtltR"))),
    ("INST", |n| text(format!("(I{n}\nim\nC\n"))),
    ("OBJ", |n| text(format!("(cm\nC\nI{n}\no"))),
    ("NEWOBJ", |n| text(format!("cm\nC\n(I{n}\nt")).into_iter().chain([0x81]).collect()),
    ("NEWOBJ_EX", |n| text(format!("cm\nC\n)}}Va\nI{n}\ns")).into_iter().chain([0x92]).collect()),
    ("BUILD", |n| text(format!("cm\nC\n)R}}Va\nI{n}\nsb"))),
    ("EXT4", |n| [b"\x84".as_slice(), &bytes4(n + 1)].concat()),
    ("PERSID", |n| text(format!("P{n}\n"))),
    ("BINPERSID", |n| vec![b'M', byte(n), byte(n / 256), b'Q']),
    ("NEXT_BUFFER", |_| b"\x97\x98".to_vec()),
];

fn around(head: &[u8], parts: impl Iterator<Item = Vec<u8>>, tail: &[u8]) -> Vec<u8> {
    let mut pickle = head.to_vec();
    parts.for_each(|part| pickle.extend(part));
    pickle.extend_from_slice(tail);
    pickle
}

fn each(head: &[u8], before: &[u8], parts: &[Vec<u8>], after: &[u8], tail: &[u8]) -> Vec<u8> {
    around(head, parts.iter().map(|part| [before, part, after].concat()), tail)
}

/// Where values can be put over and over.
pub const PLACES: [(&str, Many); 18] = [
    ("left on the stack", |parts| each(b"", b"", parts, b"", b".")),
    ("in LIST", |parts| each(b"(", b"", parts, b"", b"l.")),
    ("in APPENDS", |parts| each(b"](", b"", parts, b"", b"e.")),
    ("in APPEND", |parts| each(b"]", b"", parts, b"a", b".")),
    ("in TUPLE", |parts| each(b"(", b"", parts, b"", b"t.")),
    ("as values", |parts| {
        let pair = |(n, part): (usize, &Vec<u8>)| [b"J".as_slice(), &bytes4(n), part].concat();
        around(b"}(", parts.iter().enumerate().map(pair), b"u.")
    }),
    ("as keys of SETITEMS", |parts| each(b"}(", b"", parts, b"N", b"u.")),
    ("as keys of SETITEM", |parts| each(b"}", b"", parts, b"Ns", b".")),
    ("as keys of DICT", |parts| each(b"(", b"", parts, b"N", b"d.")),
    ("in ADDITEMS", |parts| each(b"\x8f(", b"", parts, b"", b"\x90.")),
    ("in FROZENSET", |parts| each(b"(", b"", parts, b"", b"\x91.")),
    ("popped", |parts| each(b"", b"", parts, b"0", b"N.")),
    ("in the memo", |parts| each(b"(", b"", parts, b"\x94", b"t.")),
    ("in a sparse memo", |parts| {
        let put = |(n, part): (usize, &Vec<u8>)| [part, b"r".as_slice(), &bytes4(n * 65_521)].concat();
        around(b"(", parts.iter().enumerate().map(put), b"t.")
    }),
    ("in a TUPLE1 each", |parts| each(b"(", b"", parts, b"\x85", b"t.")),
    ("in a FRAME each", |parts| {
        let frame = |part: &Vec<u8>| [b"\x95".as_slice(), &bytes8(part.len()), part].concat();
        around(b"\x80\x04(", parts.iter().map(frame), b"l.")
    }),
    ("in a dict each", |parts| each(b"(", b"}", parts, b"Ns", b"l.")),
    ("in a set each", |parts| each(b"(", b"\x8f(", parts, b"\x90", b"l.")),
];
