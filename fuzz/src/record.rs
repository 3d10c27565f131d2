//! The target over log records.

use logrecord_model::{LogRecord, RecordDecoder};
use pickle_codec::{DecodeOptions, Globals, Py2Str};

const POLICIES: [Globals; 3] = [Globals::Reject, Globals::Known, Globals::Inert];
const PY2_STRS: [Py2Str; 4] = [Py2Str::Auto, Py2Str::Utf8, Py2Str::Latin1, Py2Str::Bytes];

/// Instructions that a program is put together from: those that the fast readers know, and some that they leave
/// to the decoder.
const PARTS: [&[u8]; 48] = [
    b"(",
    b"]",
    b"}",
    b")",
    b"t",
    b"\x85",
    b"\x86",
    b"\x87",
    b"e",
    b"a",
    b"u",
    b"s",
    b"N",
    b"K\x01",
    b"M\x00\x01",
    b"J\xff\xff\xff\xff",
    b"L12L\n",
    b"I01\n",
    b"I7\n",
    b"\x88",
    b"\x8a\x01\x05",
    b"G\x3f\xf0\0\0\0\0\0\0",
    b"X\x03\0\0\0msg",
    b"X\x04\0\0\0args",
    b"X\x07\0\0\0levelno",
    b"X\x07\0\0\0created",
    b"X\x01\0\0\0k",
    b"\x8c\x01l",
    b"U\x01u",
    b"T\x01\0\0\0u",
    b"C\x01b",
    b"q\0",
    b"q\x01",
    b"q\x03",
    b"r\x02\0\0\0",
    b"\x94",
    b"h\0",
    b"h\x01",
    b"h\x02",
    b"j\x01\0\0\0",
    b"0",
    b"1",
    b"2",
    b".",
    b"l",
    b"d",
    b"\x8f",
    b"R",
];

/// What a program begins with: the beginnings of records that a fast reader goes on with.
const STARTS: [&[u8]; 4] = [b"}(", b"}q\0(", b"\x80\x04}\x94(", b"}(X\x01\0\0\0l]"];

/// A program that reads the input as a list of instructions, so that a changed byte is a changed instruction:
/// what the fast readers may get wrong is seldom one changed byte away from a record.
pub(crate) fn program(data: &[u8]) -> Vec<u8> {
    let mut program = Vec::new();
    let Some((first, rest)) = data.split_first() else { return program };
    match STARTS.get(usize::from(first % 5)) {
        Some(start) => program.extend_from_slice(start),
        // A stock record up to its end, and the key of an extra.
        None => {
            LogRecord::builder("app", 20, "m").build().to_pickle(&mut program).expect("it is small");
            program.truncate(program.len() - 2);
            program.extend_from_slice(b"X\x05\0\0\0extraq\x77");
        }
    }
    for byte in rest.iter().take(64) {
        program.extend_from_slice(PARTS[usize::from(*byte) % PARTS.len()]);
    }
    program.extend_from_slice(if first & 0x80 == 0 { b"u." } else { b"." });
    program
}

/// The fast way and the general way give the same record or the same error, from a decoder that was used before
/// as well; its message is bounded; and both ways to write it give the same bytes.
pub fn record(data: &[u8]) {
    for &globals in super::input::chosen(data, 0, &POLICIES) {
        for &py2_str in super::input::chosen(data, 1, &PY2_STRS) {
            let options = DecodeOptions::new().globals(globals).py2_str(py2_str);
            record_with(data, options.clone());
            record_with(&program(data), options);
        }
    }
}

fn record_with(data: &[u8], options: DecodeOptions) {
    let mut decoder = RecordDecoder::with_options(options.clone());
    let general = RecordDecoder::with_options(options).decode_general(data);
    let ways: [fn(&mut RecordDecoder, &[u8], &Outcome<'_>); 3] = [first, second, written];
    for way in super::input::chosen(data, 2, &ways) {
        way(&mut decoder, data, &general);
    }
}

type Outcome<'a> = logrecord_model::Result<LogRecord<'a>>;

fn first(decoder: &mut RecordDecoder, data: &[u8], general: &Outcome<'_>) {
    let fast = decoder.decode(data);
    agree(&fast, general);
    if let Ok(fast) = fast {
        let len = fast.message().as_bytes().len();
        assert!(len <= 1 << 20, "a message of {len} bytes");
    }
}

fn second(decoder: &mut RecordDecoder, data: &[u8], general: &Outcome<'_>) {
    drop(decoder.decode(data));
    agree(&decoder.decode(data), general);
}

fn agree(fast: &Outcome<'_>, general: &Outcome<'_>) {
    match (fast, general) {
        // What is not public counts as well, and a NaN is itself: so the texts are compared.
        (Ok(fast), Ok(general)) => assert_eq!(format!("{fast:?}"), format!("{general:?}")),
        (Err(fast), Err(general)) => assert_eq!(fast, general),
        (fast, general) => panic!("{fast:?} and {general:?}"),
    }
}

fn written(decoder: &mut RecordDecoder, data: &[u8], general: &Outcome<'_>) {
    let Ok(record) = general else { return };
    let (mut direct, mut through_document) = (Vec::new(), Vec::new());
    let outcome = record.to_pickle(&mut direct);
    assert_eq!(outcome, record.to_pickle_general(&mut through_document), "{data:02x?}");
    assert_eq!(direct, through_document);
    if outcome.is_ok() {
        // What the policy or a limit refuses the second time is named.
        match decoder.decode(&direct) {
            Ok(again) => assert_eq!(again.message(), record.message()),
            Err(error) => assert_eq!(error.kind(), logrecord_model::ErrorKind::Pickle),
        }
    }
}
