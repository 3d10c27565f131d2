//! Seed corpora and the dictionary of the fuzz targets, chosen from the golden data.

use anyhow::{Result, ensure};

use crate::manifest::Files;

/// The targets whose input is a pickle.
const PICKLE_TARGETS: [&str; 7] =
    ["decode", "roundtrip", "serde", "instructions", "push", "differential", "values"];

/// Cases whose pickles between them hold every opcode that CPython writes.
const CASES: [&str; 47] = [
    "none",
    "true",
    "ints",
    "int_31",
    "int_digits_4300",
    "floats",
    "float_nan",
    "strs",
    "str_09",
    "str_14",
    "str_utf8_len_256",
    "str_surrogate_low",
    "str_surrogate_key",
    "bytes_04",
    "bytes_05",
    "bytes_len_256",
    "bytearrays",
    "tuple_empty",
    "tuple_3",
    "tuple_5",
    "tuple_nested",
    "list_1",
    "list_3",
    "list_nested",
    "dict_1",
    "dict_3",
    "dict_mixed_keys",
    "nested_mixed",
    "nested_100",
    "record_like",
    "set_ints",
    "frozenset_one",
    "sets",
    "complex",
    "shared_text",
    "shared_tuple",
    "shared_late",
    "shared_ladder",
    "cycle_list",
    "cycle_tuple_2",
    "cycle_tuple_5",
    "cycle_parent",
    "known_nested",
    "known_datetime_zone",
    "known_exception",
    "known_range",
    "known_deque",
];

/// No seed is larger: a fuzzer mutates small inputs better.
const LARGEST: usize = 4096;

/// The seeds of every target and the dictionary, by path below `fuzz/`.
///
/// # Errors
///
/// When the golden data lacks what a target needs.
pub(crate) fn all(golden: &Files) -> Result<Files> {
    let mut seeds = Files::new();
    for (number, case) in CASES.iter().enumerate() {
        // One protocol of each case keeps the corpora small, and all six appear in equal parts; the target that
        // everything rests on gets two.
        for protocol in [number % 6, (number + 3) % 6] {
            let Some((name, bytes)) = newest(golden, case, protocol) else { continue };
            let second = protocol != number % 6;
            for target in PICKLE_TARGETS.iter().filter(|target| !second || **target == "decode") {
                seeds.insert(format!("corpus/{target}/{name}"), bytes.to_vec());
            }
        }
    }
    for case in ["py2_str", "py2_long", "py2_mixed", "known_datetime"] {
        for protocol in 0..3 {
            let path = format!("pickles/{case}.2.7.p{protocol}.pickle");
            if let Some(bytes) = golden.get(&path).filter(|bytes| bytes.len() <= LARGEST) {
                for target in PICKLE_TARGETS {
                    seeds.insert(format!("corpus/{target}/{case}.2.7.p{protocol}"), bytes.clone());
                }
            }
        }
    }
    for (path, stream) in golden.iter().filter(|(path, _)| path.ends_with(".frames")) {
        let name = path.trim_start_matches("frames/").trim_end_matches(".frames");
        let newest = name.ends_with(".3.13") || name.ends_with(".2.7");
        if stream.len() <= LARGEST && newest {
            seeds.insert(format!("corpus/frame/{name}"), stream.clone());
        }
        if let Some(payload) = first_payload(stream).filter(|payload| payload.len() <= LARGEST) {
            seeds.insert(format!("corpus/record/{name}"), payload.to_vec());
            if newest {
                seeds.insert(format!("corpus/envelope/{name}"), unsigned_envelope(payload));
            }
        }
    }
    seeds.insert("dictionaries/pickle.dict".to_owned(), dictionary().into_bytes());
    for target in PICKLE_TARGETS.iter().chain(&["frame", "record", "envelope"]) {
        let folder = format!("corpus/{target}/");
        ensure!(seeds.keys().any(|path| path.starts_with(&folder)), "no seeds for the target {target}");
    }
    Ok(seeds)
}

/// The case's pickle in one protocol as the newest version wrote it, with the seed's name.
fn newest<'a>(golden: &'a Files, case: &str, protocol: usize) -> Option<(String, &'a [u8])> {
    let start = format!("pickles/{case}.3.");
    let end = format!(".p{protocol}.pickle");
    let minor = |path: &str| path.strip_prefix(&start)?.strip_suffix(&end)?.parse::<u16>().ok();
    let (version, bytes) = golden.iter().filter_map(|(path, bytes)| Some((minor(path)?, bytes))).max()?;
    (bytes.len() <= LARGEST).then(|| (format!("{case}.3.{version}.p{protocol}"), bytes.as_slice()))
}

fn first_payload(stream: &[u8]) -> Option<&[u8]> {
    let (prefix, rest) = stream.split_first_chunk::<4>()?;
    rest.get(..usize::try_from(u32::from_be_bytes(*prefix)).ok()?)
}

/// A version 1 envelope whose tag is all zeros: everything about it is right but the signature.
fn unsigned_envelope(payload: &[u8]) -> Vec<u8> {
    let mut envelope = b"\xffLR\x01\x01\x00\x04key1".to_vec();
    envelope.extend_from_slice(&[0x5a; 16]);
    envelope.extend_from_slice(&1_u64.to_be_bytes());
    envelope.extend_from_slice(&1_767_323_045_123_456_700_i64.to_be_bytes());
    envelope.extend_from_slice(payload);
    envelope.extend_from_slice(&[0; 32]);
    envelope
}

/// Every opcode, and the arguments and sequences that a mutation seldom hits on its own, in libFuzzer's form.
fn dictionary() -> String {
    let opcodes =
        b"(.012FIJKLMNPQRSTUVXabcd}eghijlopqrstu)]GBC\x80\x81\x82\x83\x84\x85\x86\x87\x88\x89\x8a\x8b\
                    \x8c\x8d\x8e\x8f\x90\x91\x92\x93\x94\x95\x96\x97\x98";
    let sequences: [&[u8]; 32] = [
        b"I00\n",
        b"I01\n",
        b"L123L\n",
        b"F1.5\n",
        b"Vtext\n",
        b"S'text'\n",
        b"p0\n",
        b"g0\n",
        b"q\x00",
        b"h\x00",
        b"r\x00\x01\x00\x00",
        b"j\x00\x01\x00\x00",
        b"X\x04\x00\x00\x00text",
        b"\x8c\x04text",
        b"\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x80",
        b"\x8b\x00\x01\x00\x00",
        b"\x80\x02",
        b"\x80\x05",
        b"\x95\x05\x00\x00\x00\x00\x00\x00\x00",
        b"\xff\xff\xff\x7f",
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x80",
        b"cos\nsystem\n",
        b"c_codecs\nencode\n",
        b"c__builtin__\nset\n",
        b"cdatetime\ndatetime\n",
        b"ccopy_reg\n_reconstructor\n",
        b"ccollections\nOrderedDict\n",
        b"\xed\xa0\x80",
        b"\\ud800",
        b"\\U0001f600",
        b"(lp0\n(dp1\n",
    ];
    let mut text = String::from("# Pickle opcodes and fragments; made by `cargo xtask golden`.\n");
    for opcode in opcodes.split_inclusive(|_| true).chain(sequences) {
        text.push('"');
        for byte in opcode {
            text.push_str(&format!("\\x{byte:02x}"));
        }
        text.push_str("\"\n");
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn dictionary_has_one_line_per_opcode_and_fragment() {
        let text = super::dictionary();
        assert!(text.contains("\"\\x28\"\n"), "MARK is missing");
        assert!(text.contains("\"\\x98\"\n"), "READONLY_BUFFER is missing");
        let opcodes = text.lines().filter(|line| line.len() == 6).count();
        assert_eq!(opcodes, 68);
    }
}
