//! Where pickles end: inputs that are cut, streams of several pickles, and which fault is the first.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of a test fails the test")]

use pickle_codec::{DecodeOptions, Decoder, ErrorKind, Globals, PushDecoder, decode, instructions};

#[test]
fn setitems_of_nothing_take_anything() {
    let rows: &[(&[u8], Result<&str, ErrorKind>)] = &[
        (b"K\x01(u.", Ok("1")),
        (b"](u.", Ok("[]")),
        (b"}(u.", Ok("{}")),
        (b"(u.", Err(ErrorKind::Stack)),
        (b"K\x01(NNu.", Err(ErrorKind::Type)),
        // CPython's two unpicklers disagree about these.
        (b"K\x01(e.", Err(ErrorKind::Type)),
        (b"K\x01(\x90.", Err(ErrorKind::Type)),
    ];
    for (pickle, expected) in rows {
        let got = decode(pickle).map(|document| document.to_string()).map_err(|error| error.kind());
        assert_eq!(got.as_deref().map_err(|kind| *kind), *expected, "{}", pickle.escape_ascii());
    }
}

#[test]
fn what_follows_a_pickle_counts_for_nothing() {
    let mut input = b"K\x01.".to_vec();
    input.extend(vec![b'x'; 1_000]);
    let (document, end) = pickle_codec::decode_prefix(&input).unwrap();
    assert_eq!((document.input_len(), end), (3, 3));

    // Memory of a small pickle is that of a small pickle, however long the stream is.
    let mut greedy = b"\x80\x04(".to_vec();
    greedy.extend(b"}".repeat(40_000));
    greedy.extend(b"l.");
    let mut limits = DecodeOptions::new().limits;
    limits.max_input_len = 50_000;
    let options = DecodeOptions::new().limits(limits);
    let stream = [greedy.as_slice(); 5].concat();
    let mut decoder = Decoder::with_options(options.clone());
    let lens: Vec<usize> = decoder.documents(&stream).map(|document| document.unwrap().input_len()).collect();
    assert_eq!(lens, [greedy.len(); 5]);
    // A pickle of its own that is too long is refused all the same.
    greedy.splice(3..3, b"N".repeat(20_000));
    let error = Decoder::with_options(options).documents(&greedy).next().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Input);

    // A FRAME that goes on behind STOP belongs to the input.
    let input = b"\x95\x05\0\0\0\0\0\0\0N.K\x01.";
    let (document, end) = pickle_codec::decode_prefix(input).unwrap();
    assert_eq!((document.input_len(), end), (11, 11));
}

#[test]
fn the_first_fault_is_reported_whatever_comes_behind_it() {
    let rows: &[(&[u8], Globals, ErrorKind, u64)] = &[
        (b"cos\nsystem\n)R\x8b\xff\xff\xff\xff", Globals::Known, ErrorKind::Global, 0),
        (b"cos\nsystem\n)R\x8e\0\0\0\0\0\0\0\x40", Globals::Known, ErrorKind::Global, 0),
        (b"cos\nsystem\n)R\xff", Globals::Known, ErrorKind::Global, 0),
        (b"Ncos\nsystem\n\x95\0\0\0\0\0\0\0\x40", Globals::Known, ErrorKind::Global, 1),
        (b"Qcos\nsystem\nT\xff\xff\xff\xff", Globals::Known, ErrorKind::Persid, 0),
        (b"0N\x8b\xff\xff\xff\xff", Globals::Inert, ErrorKind::Stack, 0),
        (b"N\x8b\xff\xff\xff\xff", Globals::Inert, ErrorKind::Length, 1),
        (b"NT\xff\xff\xff\xff", Globals::Reject, ErrorKind::Length, 1),
    ];
    for (input, globals, kind, offset) in rows {
        for size in [1, 3, input.len()] {
            let options = DecodeOptions::new().globals(*globals);
            let mut decoder = PushDecoder::with_options(options);
            let outcome = input.chunks(size).try_for_each(|chunk| {
                decoder.feed(chunk)?;
                decoder.next_document().map(drop)
            });
            let error = outcome.unwrap_err();
            let shown = input.escape_ascii();
            assert_eq!((error.kind(), error.offset()), (*kind, *offset), "{shown} by {size}");
            assert!(!error.is_incomplete(), "{shown}");
        }
    }
}

#[test]
fn a_pickle_that_grows_past_the_limit_is_named_by_its_first_fault() {
    let mut limits = DecodeOptions::new().limits;
    limits.max_input_len = 1_000;
    let mut decoder = PushDecoder::with_options(DecodeOptions::new().globals(Globals::Known).limits(limits));
    let mut input = b"cos\nsystem\n".to_vec();
    input.extend(b"N".repeat(1_000));
    let error = decoder.feed(&input).unwrap_err();
    assert_eq!((error.kind(), error.global()), (ErrorKind::Global, Some("os.system")));
    let mut decoder = PushDecoder::with_options(DecodeOptions::new().limits(limits));
    assert_eq!(decoder.feed(&b"N".repeat(1_001)).unwrap_err().kind(), ErrorKind::Input);
}

/// One instruction of every opcode with a sound argument.
fn every_instruction() -> Vec<Vec<u8>> {
    use pickle_codec::{ArgumentKind, Opcode};
    let of = |opcode: Opcode| {
        let argument: &[u8] = match opcode.argument_kind() {
            ArgumentKind::None => b"",
            ArgumentKind::Uint1 => b"\x04",
            ArgumentKind::Uint2 => b"\x04\0",
            ArgumentKind::Int4 | ArgumentKind::Uint4 => b"\x04\0\0\0",
            ArgumentKind::Uint8 => b"\x04\0\0\0\0\0\0\0",
            ArgumentKind::Float8 => b"\x3f\xf0\0\0\0\0\0\0",
            ArgumentKind::String1
            | ArgumentKind::Bytes1
            | ArgumentKind::UnicodeString1
            | ArgumentKind::Long1 => b"\x02ab",
            ArgumentKind::String4
            | ArgumentKind::Long4
            | ArgumentKind::Bytes4
            | ArgumentKind::UnicodeString4 => b"\x02\0\0\0ab",
            ArgumentKind::Bytes8 | ArgumentKind::UnicodeString8 | ArgumentKind::ByteArray8 => {
                b"\x02\0\0\0\0\0\0\0ab"
            }
            ArgumentKind::StringNlNoescapePair => b"mod\nname\n",
            ArgumentKind::StringNl => b"'ab'\n",
            ArgumentKind::StringNlNoescape | ArgumentKind::UnicodeStringNl => b"ab\n",
            ArgumentKind::DecimalNlShort => b"12\n",
            ArgumentKind::DecimalNlLong => b"12L\n",
            ArgumentKind::FloatNl => b"1.5\n",
            other => panic!("{other:?}"),
        };
        [&[opcode.code()], argument].concat()
    };
    (0..=255).filter_map(Opcode::from_byte).map(of).collect()
}

#[test]
fn an_instruction_that_is_cut_is_incomplete() {
    for instruction in every_instruction() {
        for cut in 1..instruction.len() {
            let start = &instruction[..cut];
            let error = instructions(start).next().unwrap().unwrap_err();
            assert!(error.is_incomplete(), "{}", start.escape_ascii());
            // Where it needs nothing from the stack, a decoder says the same.
            let mut decoder = Decoder::with_options(DecodeOptions::new().globals(Globals::Inert));
            for input in [start.to_vec(), [b"N".as_slice(), start].concat()] {
                let error = decoder.decode(&input).unwrap_err();
                let waits = matches!(error.kind(), ErrorKind::Eof | ErrorKind::Length | ErrorKind::Frame);
                assert_eq!(error.is_incomplete(), waits, "{}", input.escape_ascii());
            }
            // Inside of a FRAME that ends here it never will be whole.
            let len = u64::try_from(cut).unwrap().to_le_bytes();
            let framed = [b"\x95".as_slice(), &len, start].concat();
            if instruction[0] != 0x95 || cut == 1 {
                let error = decoder.decode(&framed).unwrap_err();
                assert!(!error.is_incomplete(), "{}: {error}", framed.escape_ascii());
            }
        }
    }
    let hopeless: [&[u8]; 7] = [
        b"\x8b\xff\xff\xff\xff",
        b"T\xfe\xff\xff\xff",
        b"\x8e\0\0\0\0\0\0\0\x40",
        b"\x8e\0\0\0\0\x01\0\0\0",
        b"\x95\0\0\0\0\0\0\0\x40",
        b"\x95\x05\0\0\0\0\0\0\0\x95\x09\0\0\0",
        b"\xff",
    ];
    for input in hopeless {
        assert!(!decode(input).unwrap_err().is_incomplete(), "{}", input.escape_ascii());
        let mut push = PushDecoder::new();
        let outcome =
            push.feed(input).and_then(|()| push.next_document().map(drop)).and_then(|()| push.finish());
        assert!(!outcome.unwrap_err().is_incomplete(), "{}", input.escape_ascii());
    }
}

#[test]
fn every_start_of_a_pickle_is_incomplete() {
    use pickle_codec::{Protocol, Value};
    let value = Value::dict([
        ("text", Value::from("a text that is somewhat long")),
        ("list", Value::list([1, 70_000, -5])),
        ("bytes", Value::from(vec![7_u8; 300])),
        ("big", Value::from(1_u128 << 100)),
        ("tuple", Value::tuple([1.5, 2.5])),
    ]);
    for protocol in Protocol::ALL {
        let pickle = value.to_vec(protocol).unwrap();
        let mut decoder = Decoder::with_options(DecodeOptions::new().globals(Globals::Known));
        for end in 0..pickle.len() {
            let error = decoder.decode(&pickle[..end]).unwrap_err();
            assert!(error.is_incomplete(), "protocol {protocol}, {end} of {}: {error}", pickle.len());
        }
    }
}
