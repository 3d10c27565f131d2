//! Shapes of their own: depth, sharing, memo indexes, repetition on one container, keys that cost.

use super::Family;

type Make = fn(usize) -> Vec<u8>;

fn bytes4(number: usize) -> [u8; 4] {
    u32::try_from(number % (1 << 32)).unwrap_or_default().to_le_bytes()
}

/// `head`, `unit` so often, `tail`.
fn repeat(head: &[u8], unit: &[u8], count: usize, tail: &[u8]) -> Vec<u8> {
    [head, &unit.repeat(count), tail].concat()
}

/// `head`, a part for each number below `count`, `tail`.
fn numbered(head: &[u8], count: usize, part: impl Fn(usize) -> Vec<u8>, tail: &[u8]) -> Vec<u8> {
    let mut pickle = head.to_vec();
    (0..count).for_each(|n| pickle.extend(part(n)));
    pickle.extend_from_slice(tail);
    pickle
}

fn put_at(index: usize) -> Vec<u8> {
    [b"Nr".as_slice(), &bytes4(index)].concat()
}

/// A tuple of `count` numbers that ends with another one, left on the stack.
fn row(count: usize, last: u8) -> Vec<u8> {
    numbered(b"(", count, |n| [b"J".as_slice(), &bytes4(n)].concat(), &[b'K', last, b't'])
}

/// Text of `count` characters that ends with another one, left on the stack.
fn long_text(count: usize, last: u8) -> Vec<u8> {
    [b"X".as_slice(), &bytes4(count + 1), &b"a".repeat(count), &[last]].concat()
}

/// A frozenset of `count` numbers, the first of them last or first.
fn frozen(count: usize, backwards: bool) -> Vec<u8> {
    let at = |n: usize| if backwards { count - 1 - n } else { n };
    numbered(b"(", count, |n| [b"J".as_slice(), &bytes4(at(n))].concat(), b"\x91")
}

/// Shapes in which nothing is referred to twice.
const PLAIN: &[(&str, Make)] = &[
    ("marks", |n| repeat(b"", b"(", n, b".")),
    ("marks and POP", |n| repeat(b"", b"(0", n, b"N.")),
    ("marks and POP_MARK", |n| repeat(b"", b"(NN1", n, b"N.")),
    ("POP_MARK of much", |n| repeat(b"(", b"N", n, b"1N.")),
    ("marks below POP_MARK", |n| [b"(".repeat(n), b"1".repeat(n), b"N.".to_vec()].concat()),
    ("nested lists", |n| [b"]".repeat(n), b"a".repeat(n.saturating_sub(1)), b".".to_vec()].concat()),
    ("nested LIST", |n| [b"(".repeat(n), b"l".repeat(n), b".".to_vec()].concat()),
    ("nested tuples", |n| repeat(b"N", b"\x85", n, b".")),
    ("nested TUPLE", |n| [b"(".repeat(n), b"N".to_vec(), b"t".repeat(n), b".".to_vec()].concat()),
    ("nested dicts", |n| [b"}N".repeat(n), b"N".to_vec(), b"s".repeat(n), b".".to_vec()].concat()),
    ("nested frozensets", |n| [b"(".repeat(n), b"N".to_vec(), b"\x91".repeat(n), b".".to_vec()].concat()),
    ("nested persistent ids", |n| repeat(b"N", b"Q", n, b".")),
    ("nested calls", |n| [b"cm\nC\n".repeat(n), b")".to_vec(), b"R\x85".repeat(n), b".".to_vec()].concat()),
    ("wide and not deep", |n| repeat(b"(", b"]N\x85a", n, b"l.")),
    ("lists at the depth limit", |n| {
        repeat(b"(", &[b"]".repeat(100), b"a".repeat(99)].concat(), n.div_ceil(100), b"l.")
    }),
    ("memo ascending", |n| numbered(b"(", n, put_at, b"t.")),
    ("memo descending", |n| numbered(b"(", n, |at| put_at(n - at), b"t.")),
    ("memo every other", |n| numbered(b"(", n, |at| put_at(2 * at), b"t.")),
    ("memo with gaps of 16", |n| numbered(b"(", n, |at| put_at(16 * at), b"t.")),
    ("memo with gaps of 17", |n| numbered(b"(", n, |at| put_at(18 * at), b"t.")),
    ("memo scattered", |n| numbered(b"(", n, |at| put_at(at * 65_521), b"t.")),
    ("memo from the top", |n| numbered(b"(", n, |at| put_at((1 << 32) - 1 - at), b"t.")),
    ("memo in text", |n| numbered(b"(", n, |at| format!("Np{at}\n").into_bytes(), b"t.")),
    ("memo far in text", |n| {
        numbered(b"(", n, |at| format!("Np{}\n", i64::MAX.unsigned_abs() - bytes_of(at)).into_bytes(), b"t.")
    }),
    ("memo one slot", |n| repeat(b"N", b"q\x00", n, b".")),
    ("memo one far slot", |n| repeat(b"N", b"r\xff\xff\xff\xff", n, b".")),
    ("MEMOIZE of one object", |n| repeat(b"N", b"\x94", n, b".")),
    ("digits of INT", |n| repeat(b"I", b"9", n, b"\n.")),
    ("digits of LONG", |n| repeat(b"L", b"9", n, b"L\n.")),
    ("digits of many LONGs", |n| repeat(b"(", &repeat(b"L", b"9", 4_300, b"L\n"), n.div_ceil(4_300), b"l.")),
    ("digits of FLOAT", |n| repeat(b"F0.", b"9", n, b"\n.")),
    ("digits before the point of FLOAT", |n| repeat(b"F", b"9", n, b"e-999999\n.")),
    ("digits of PUT", |n| repeat(b"Np", b"0", n, b"\n.")),
    ("spaces of INT", |n| repeat(b"I", b" ", n, b"7\n.")),
    ("bytes of LONG4", |n| [b"\x8b".as_slice(), &bytes4(n), &b"\x7f".repeat(n), b"."].concat()),
    ("redundant bytes of LONG4", |n| [b"\x8b".as_slice(), &bytes4(n), &b"\0".repeat(n), b"."].concat()),
    ("one long STRING", |n| repeat(b"S'", b"a", n, b"'\n.")),
    ("STRING of escapes", |n| repeat(b"S'", b"\\x41", n, b"'\n.")),
    ("STRING of backslashes", |n| repeat(b"S'", b"\\\\", n, b"'\n.")),
    ("UNICODE of escapes", |n| repeat(b"V", b"\\u0041", n, b"\n.")),
    ("UNICODE of surrogates", |n| repeat(b"V", b"\\ud800", n, b"\n.")),
    ("UNICODE of backslashes", |n| repeat(b"V", b"\\\\", n, b"\n.")),
    ("UNICODE of Latin-1", |n| repeat(b"V", b"\xff", n, b"\n.")),
    ("text of surrogates", |n| [b"X".as_slice(), &bytes4(3 * n), &b"\xed\xa0\x80".repeat(n), b"."].concat()),
    ("text that breaks at its end", |n| {
        [b"X".as_slice(), &bytes4(n + 1), &b"a".repeat(n), b"\xff."].concat()
    }),
    ("line without an end", |n| repeat(b"I", b"1", n, b"")),
    ("global of a long name", |n| repeat(b"c", b"m", n, b"\nC\n.")),
    ("FRAMEs of one byte", |n| repeat(b"\x80\x04", b"\x95\x01\0\0\0\0\0\0\0N", n, b".")),
    ("FRAMEs of nothing", |n| repeat(b"\x80\x04", b"\x95\0\0\0\0\0\0\0\0", n, b"N.")),
    ("PROTOs", |n| repeat(b"", b"\x80\x05", n, b"N.")),
    ("one key over and over", |n| repeat(b"}", b"K\x01Ns", n, b".")),
    ("one key over and over at once", |n| repeat(b"}(", b"K\x01N", n, b"u.")),
    ("keys equal across types", |n| {
        let part = |at: usize| match at % 3 {
            0 => [b"J".as_slice(), &bytes4(at / 3), b"N"].concat(),
            1 => format!("F{}.0\nN", at / 3).into_bytes(),
            _ => format!("L{}L\nN", at / 3).into_bytes(),
        };
        numbered(b"}(", n, part, b"u.")
    }),
    ("keys that differ in one byte of many", |n| {
        let part = |at: usize| {
            [b"X\x20\0\0\0".as_slice(), &[b'a'; 24], format!("{at:08x}").as_bytes(), b"N"].concat()
        };
        numbered(b"}(", n, part, b"u.")
    }),
    ("keys that differ in the middle", |n| {
        let part = |at: usize| {
            [b"X\x20\0\0\0".as_slice(), &[b'a'; 12], format!("{at:08x}").as_bytes(), &[b'a'; 12], b"N"]
                .concat()
        };
        numbered(b"}(", n, part, b"u.")
    }),
    ("keys of zeros", |n| {
        let part = |at: usize| {
            [b"C".as_slice(), &[u8::try_from(at % 256).unwrap_or(0)], &vec![0; at % 256], b"N"].concat()
        };
        numbered(b"}(", n, part, b"u.")
    }),
    ("multiples of a power of two", |n| {
        let part = |at: usize| [b"\x8a\x0c\0\0\0\0\0\0\0\0".as_slice(), &bytes4(at), b"N"].concat();
        numbered(b"}(", n, part, b"u.")
    }),
    ("floats of one mantissa", |n| {
        let part =
            |at: usize| [b"G".as_slice(), &[bytes4(at)[1], bytes4(at)[0], 0, 0, 0, 0, 0, 0], b"N"].concat();
        numbered(b"}(", n, part, b"u.")
    }),
    ("nested tuples as a key", |n| [b"}N".as_slice(), &b"\x85".repeat(n.min(900)), b"Ns."].concat()),
    ("nested tuples as keys", |n| {
        numbered(b"}(", n, |at| [b"J".as_slice(), &bytes4(at), &[0x85; 20], b"N"].concat(), b"u.")
    }),
    ("two equal rows as keys", |n| [b"}".as_slice(), &row(n, 1), b"Ns", &row(n, 1), b"Ns."].concat()),
    ("two equal frozensets as keys", |n| {
        [b"}".as_slice(), &frozen(n, false), b"Ns", &frozen(n, true), b"Ns."].concat()
    }),
    ("integers as keys", |n| numbered(b"}(", n, |at| [b"J".as_slice(), &bytes4(at), b"N"].concat(), b"u.")),
    ("keys that begin with a constant of the hash", |n| {
        let part = |at: usize| {
            [b"C\x10\x93\xfd\x59\x66\xb8\xfe\xe8\xd6\0\0\0\0".as_slice(), &bytes4(at), b"N"].concat()
        };
        numbered(b"}(", n, part, b"u.")
    }),
    ("two sets of frozensets in other orders", |n| {
        let member = |at: usize| [b"((J".as_slice(), &bytes4(at), b"\x91K\x01\x91"].concat();
        let forwards = numbered(b"(", n, member, b"\x91");
        [forwards, numbered(b"(", n, |at| member(n - 1 - at), b"\x91\x86.")].concat()
    }),
    ("frozensets of frozensets", |n| {
        numbered(b"}(", n, |at| [b"((J".as_slice(), &bytes4(at), b"\x91K\x01\x91N"].concat(), b"u.")
    }),
];

fn bytes_of(number: usize) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// Shapes in which objects are referred to again.
const SHARED: &[(&str, Make)] = &[
    ("DUP", |n| repeat(b"N", b"2", n, b".")),
    ("DUP and TUPLE2", |n| repeat(b"N", b"2\x86", n, b".")),
    ("DUP and TUPLE3", |n| repeat(b"N", b"22\x87", n, b".")),
    ("DUP of a list into itself", |n| repeat(b"]", b"2a", n, b".")),
    ("DUP of a dict as its own value", |n| repeat(b"}", b"2K\x012s0", n, b"N.")),
    ("doubled tuples as a key", |n| [b"}N".as_slice(), &b"2\x86".repeat(n.min(900)), b"Ns."].concat()),
    ("doubled tuples as equal keys", |n| {
        let doubled = [b"N".as_slice(), &b"2\x86".repeat(n.min(900))].concat();
        [b"}".as_slice(), &doubled, b"Ns", &doubled, b"Ns."].concat()
    }),
    ("doubled lists", |n| repeat(b"]", b"q\x00]h\x00ah\x00a", n, b".")),
    ("tenfold lists", |n| {
        numbered(b"]\x94", n, |_| [b"]\x94(".as_slice(), &b"h\x00".repeat(10), b"e"].concat(), b".")
    }),
    ("one text referred to", |n| {
        [long_text(n, b'b'), b"q\x000(".to_vec(), b"h\x00".repeat(n), b"l.".to_vec()].concat()
    }),
    ("one list referred to", |n| {
        [b"]q\x00(".to_vec(), b"N".repeat(n), b"e0(".to_vec(), b"h\x00".repeat(n), b"l.".to_vec()].concat()
    }),
    ("GET of missing", |n| repeat(b"(", b"Nq\x01h\x01", n, b"h\x02t.")),
    ("deep through the memo", |n| {
        numbered(b"]\x94", n, |at| [b"]\x94j".as_slice(), &bytes4(at), b"a"].concat(), b".")
    }),
    ("filled late", |n| {
        // Each list is put into the one before, from the outside in.
        repeat(b"]q\x00", b"h\x00]q\x00a", n, b".")
    }),
    ("a ring of lists", |n| {
        [b"]q\x00q\x01".as_slice(), &b"h\x00]q\x00a".repeat(n), b"h\x00h\x01a."].concat()
    }),
    ("one list appended to", |n| repeat(b"]q\x000", b"h\x00Na0", n, b"h\x00.")),
    ("one list of APPENDS", |n| repeat(b"]q\x000", b"h\x00(NNe0", n, b"h\x00.")),
    ("two lists in turn", |n| repeat(b"]q\x000]q\x010", b"h\x00Nah\x01Na00", n, b"h\x00.")),
    ("many lists in turn", |n| {
        let lists = n.div_ceil(8).min(60_000);
        let head = numbered(b"", lists, |at| [b"]r".as_slice(), &bytes4(at), b"0"].concat(), b"");
        let append = |at: usize| [b"j".as_slice(), &bytes4(at % lists.max(1)), b"Na0"].concat();
        numbered(&head, n, append, b"N.")
    }),
    ("one dict of SETITEMS", |n| {
        numbered(b"}q\x000", n, |at| [b"h\x00(J".as_slice(), &bytes4(at), b"Nu0"].concat(), b"h\x00.")
    }),
    ("one dict of the same SETITEMS", |n| repeat(b"}q\x000", b"h\x00(K\x01Nu0", n, b"h\x00.")),
    ("two dicts in turn", |n| {
        let part = |at: usize| {
            let key = bytes4(at);
            [b"h\x00J".as_slice(), &key, b"Nsh\x01J", &key, b"Ns00"].concat()
        };
        numbered(b"}q\x000}q\x010", n, part, b"h\x00.")
    }),
    ("many dicts in turn", |n| {
        let dicts = n.div_ceil(16).min(60_000);
        let head = numbered(b"", dicts, |at| [b"}r".as_slice(), &bytes4(at), b"0"].concat(), b"");
        let set =
            |at: usize| [b"j".as_slice(), &bytes4(at % dicts.max(1)), b"J", &bytes4(at), b"Ns0"].concat();
        numbered(&head, n, set, b"N.")
    }),
    ("one set of ADDITEMS", |n| {
        numbered(b"\x8fq\x000", n, |at| [b"h\x00(J".as_slice(), &bytes4(at), b"\x900"].concat(), b"h\x00.")
    }),
    ("one set of empty ADDITEMS", |n| {
        [
            b"\x8fq\x00(".to_vec(),
            row(n, 1).get(1..5 * n + 1).unwrap_or_default().to_vec(),
            b"\x900".to_vec(),
            b"h\x00(\x900".repeat(n),
            b"N.".to_vec(),
        ]
        .concat()
    }),
    ("one tuple as the key of many dicts", |n| {
        [row(n, 1), b"q\x000(".to_vec(), b"}h\x00Ns".repeat(n), b"l.".to_vec()].concat()
    }),
    ("one tuple as a key over and over", |n| {
        [row(n, 1), b"q\x000}(".to_vec(), b"h\x00N".repeat(n), b"u.".to_vec()].concat()
    }),
    ("one tuple inside many keys", |n| {
        let keys = numbered(b"", n, |at| [b"h\x00J".as_slice(), &bytes4(at), b"\x86N"].concat(), b"");
        [row(n, 1), b"q\x000}(".to_vec(), keys, b"u.".to_vec()].concat()
    }),
    ("two equal tuples inside many keys", |n| {
        let part = |at: usize| {
            let number = bytes4(at);
            [b"h\x00J".as_slice(), &number, b"\x86Nh\x01J", &number, b"\x86N"].concat()
        };
        let rows = [row(n, 1), b"q\x000".to_vec(), row(n, 1), b"q\x010".to_vec()].concat();
        [rows, b"}(".to_vec(), numbered(b"", n, part, b""), b"u.".to_vec()].concat()
    }),
    ("an equal tuple as a key over and over", |n| {
        let rows = [row(n, 1), b"q\x000".to_vec(), row(n, 1), b"q\x010".to_vec()].concat();
        [rows, b"}h\x00Ns".to_vec(), b"h\x01Ns".repeat(n), b".".to_vec()].concat()
    }),
    ("two tuples that differ at the end", |n| {
        let rows = [row(n, 1), b"q\x000".to_vec(), row(n, 2), b"q\x010".to_vec()].concat();
        [rows, b"}".to_vec(), b"h\x00Nsh\x01Ns".repeat(n), b".".to_vec()].concat()
    }),
    ("one text as the key of many dicts", |n| {
        [long_text(n, b'b'), b"q\x000(".to_vec(), b"}h\x00Ns".repeat(n), b"l.".to_vec()].concat()
    }),
    ("one text as a key over and over", |n| {
        [long_text(n, b'b'), b"q\x000}(".to_vec(), b"h\x00N".repeat(n), b"u.".to_vec()].concat()
    }),
    ("two texts that differ at the end", |n| {
        let texts = [long_text(n, b'b'), b"q\x000".to_vec(), long_text(n, b'c'), b"q\x010".to_vec()].concat();
        [texts, b"}".to_vec(), b"h\x00Nsh\x01Ns".repeat(n), b".".to_vec()].concat()
    }),
    ("an equal text as a key over and over", |n| {
        let texts = [long_text(n, b'b'), b"q\x000".to_vec(), long_text(n, b'b'), b"q\x010".to_vec()].concat();
        [texts, b"}h\x00Ns".to_vec(), b"h\x01Ns".repeat(n), b".".to_vec()].concat()
    }),
    ("one integer as a key over and over", |n| {
        let number = [b"\x8b".as_slice(), &bytes4(n), &b"\x7f".repeat(n), b"q\x000"].concat();
        [number, b"}(".to_vec(), b"h\x00NK\x01N".repeat(n), b"u.".to_vec()].concat()
    }),
    ("one frozenset as a key over and over", |n| {
        [frozen(n, false), b"q\x000}(".to_vec(), b"h\x00N".repeat(n), b"u.".to_vec()].concat()
    }),
    ("an equal frozenset as a key over and over", |n| {
        let sets = [frozen(n, false), b"q\x000".to_vec(), frozen(n, true), b"q\x010".to_vec()].concat();
        [sets, b"}h\x00Ns".to_vec(), b"h\x01Ns".repeat(n), b".".to_vec()].concat()
    }),
    ("one frozenset in many sets", |n| {
        [frozen(n, false), b"q\x000(".to_vec(), b"\x8f(h\x00\x90".repeat(n), b"l.".to_vec()].concat()
    }),
    ("one tuple of many calls", |n| {
        [b"cm\nC\nq\x010".to_vec(), row(n, 1), b"q\x000(".to_vec(), b"h\x01h\x00R".repeat(n), b"l.".to_vec()]
            .concat()
    }),
    ("one list of many sets", |n| {
        let list = [b"c__builtin__\nset\nq\x010(".to_vec(), b"N".repeat(n), b"lq\x000".to_vec()].concat();
        [list, b"(".to_vec(), b"h\x01h\x00\x85R".repeat(n), b"l.".to_vec()].concat()
    }),
    ("one text of many calls", |n| {
        let text =
            [b"cdecimal\nDecimal\nq\x010X".as_slice(), &bytes4(n), &b"1".repeat(n), b"\x85q\x000"].concat();
        [text, b"(".to_vec(), b"h\x01h\x00R".repeat(n), b"l.".to_vec()].concat()
    }),
    ("one text of many encodes", |n| {
        let text =
            [b"c_codecs\nencode\nq\x010V\xe9".as_slice(), &b"1".repeat(n), b"\nVlatin1\n\x86q\x000"].concat();
        [text, b"(".to_vec(), b"h\x01h\x00R".repeat(n), b"l.".to_vec()].concat()
    }),
    ("one name of many STACK_GLOBALs", |n| {
        [long_text(n, b'b'), b"q\x000(".to_vec(), b"h\x00h\x00\x93".repeat(n), b"l.".to_vec()].concat()
    }),
    ("BUILD of one state", |n| {
        [b"cm\nC\nq\x010}q\x000(".to_vec(), b"h\x01)Rh\x00b".repeat(n), b"l.".to_vec()].concat()
    }),
    ("BUILD over and over", |n| repeat(b"cm\nC\n)R", b"}b", n, b".")),
    ("BUILD of the object itself", |n| {
        [b"cm\nC\nq\x010(".to_vec(), b"h\x01)R2b".repeat(n), b"l.".to_vec()].concat()
    }),
    ("SETITEM on an object", |n| {
        numbered(
            b"ccollections\nOrderedDict\n)R",
            n,
            |at| [b"J".as_slice(), &bytes4(at), b"Ns"].concat(),
            b".",
        )
    }),
    ("APPEND on an object", |n| repeat(b"cm\nC\n)R", b"Na", n, b".")),
    ("a chain of getattr", |n| repeat(b"cm\nC\nq\x00", b"h\x00)R", n, b".")),
    ("READONLY_BUFFER over and over", |n| repeat(b"\x97", b"\x98", n, b".")),
];

/// The shapes as families.
pub fn families() -> Vec<Family> {
    let family = |shares: bool| {
        move |&(name, make): &(&str, Make)| Family { name: name.to_owned(), shares, make: Box::new(make) }
    };
    PLAIN.iter().map(family(false)).chain(SHARED.iter().map(family(true))).collect()
}
