//! The decoder's rules by rows: what each opcode makes of good and bad input, and under which policy.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

use pickle_codec::{
    DecodeOptions, Decoder, Document, Globals, Limits, MAX_ERROR_NAME_LEN, Node, decode, decode_prefix,
};

/// The value's `repr`, or the kind of the error.
fn outcome(input: &[u8], options: &DecodeOptions) -> String {
    match Decoder::with_options(options.clone()).decode(input) {
        Ok(document) => document.to_string(),
        Err(error) => {
            assert!(error.offset() <= input.len() as u64);
            format!("!{}", error.kind().as_str())
        }
    }
}

#[test]
fn rows_under_the_default_policy() {
    let rows: &[(&[u8], &str)] = &[
        (b"", "!eof"),
        (b"N", "!eof"),
        (b"N.", "None"),
        (b"N.N.", "!trailing"),
        (b"\x00.", "!opcode"),
        (b"\x80\x05N.", "None"),
        (b"\x80\x06N.", "!proto"),
        (b"J\x01\x02", "!eof"),
        (b"\x8c\x05abc.", "!length"),
        (b"(N.", "None"),
        (b"(.", "!stack"),
        (b"N(.", "!stack"),
        (b"N0.", "!stack"),
        (b"(N01.", "!stack"),
        (b"N(0.", "None"),
        (b"N1.", "!mark"),
        (b"](Na.", "!stack"),
        (b"}(NNs.", "!stack"),
        (b"NNa.", "!type"),
        (b"K\x01(e.", "!type"),
        (b"}(u.", "{}"),
        (b"(Nd.", "!odd"),
        (b"}(Nu.", "!odd"),
        (b"}]Ns.", "!hash"),
        (b"}]\x85Ns.", "!hash"),
        (b"h\x00.", "!memo"),
        (b"K\x07q\x01K\x08\x94h\x01\x87.", "(7, 8, 8)"),
        (b"K\x01q\x00K\x02q\x00h\x00\x87.", "(1, 2, 2)"),
        (b"K\x01q\x00K\x02q\x02K\x03q\x01K\x04\x94h\x03\x86.", "(4, 4)"),
        (b"K\x01r\0\0\x01\0K\x02q\x00K\x03\x94h\x02\x86.", "(3, 3)"),
        (b"]r\xff\xff\xff\xffj\xff\xff\xff\xff\x86.", "([], [])"),
        (b"Np9223372036854775808\n.", "!memo"),
        (b"]\x94h\x00a.", "[[...]]"),
        (b"\x80\x02]q\x00h\x00\x85q\x01a0h\x01.", "([(...)],)"),
        (b"]\x94(K\x01K\x02eh\x00\x86.", "([1, 2], [1, 2])"),
        (b"}(K\x01NG?\xf0\0\0\0\0\0\0\x88u.", "{1: True}"),
        (b"\x8f(K\x01I01\nK\x02\x90.", "{1, 2}"),
        (b"\x8a\x01\xff.", "-1"),
        (b"\x8a\x04\x01\0\0\0.", "1"),
        (b"\x8a\x00.", "0"),
        (b"\x8b\xff\xff\xff\xff.", "!length"),
        (b"\x95\x05\0\0\0\0\0\0\0N.", "!frame"),
        (b"\x95\x01\0\0\0\0\0\0\0N.", "None"),
        (b"\x95\x02\0\0\0\0\0\0\0K\x01\x95\x02\0\0\0\0\0\0\0K\x02\x86.", "(1, 2)"),
        (b"\x95\x03\0\0\0\0\0\0\0J\x01\x02\0\0.", "!frame"),
        (b"U\x02\xc3\xa9.", "'é'"),
        (b"U\x01\xff.", "b'\\xff'"),
        (b"X\x01\0\0\0\xff.", "!utf8"),
        (b"\x96\x01\0\0\0\0\0\0\0a.", "bytearray(b'a')"),
    ];
    for (input, expected) in rows {
        assert_eq!(outcome(input, &DecodeOptions::new()), *expected, "{}", input.escape_ascii());
    }
}

#[test]
fn naming_opcodes_end_a_rejecting_decode_where_they_stand() {
    let rows: &[(&[u8], &str, u64)] = &[
        (b"cos\nsystem\n\xff\xff", "global", 0),
        (b"\x8c\x02os\x8c\x06system\x93\xff", "global", 12),
        (b"(ios\nsystem\n\xff", "global", 1),
        (b"NNR\xff", "call", 2),
        (b"NNb\xff", "call", 2),
        (b"(No\xff", "call", 2),
        (b"NN\x81\xff", "call", 2),
        (b"NNN\x92\xff", "call", 3),
        (b"\x82\x01\xff", "global", 0),
        (b"P1\n\xff", "persid", 0),
        (b"NQ\xff", "persid", 1),
        (b"\x97\xff", "buffer", 0),
        (b"C\x00\x98\xff", "buffer", 2),
    ];
    for (input, kind, offset) in rows {
        let error = decode(input).unwrap_err();
        assert_eq!((error.kind().as_str(), error.offset()), (*kind, *offset), "{}", input.escape_ascii());
        assert!(error.opcode().is_some_and(pickle_codec::Opcode::names_or_calls));
    }
}

#[test]
fn inert_describes_what_it_does_not_know() {
    let options = DecodeOptions::new().globals(Globals::Inert);
    let mut decoder = Decoder::with_options(options.clone());
    let document =
        decoder.decode(b"cmypkg\nThing\n(K\x01tR(K\x02K\x03e(K\x04K\x05u}X\x01\0\0\0aK\x06sb.").unwrap();
    let Node::Object(object) = document.root().view() else { panic!("{document}") };
    assert_eq!(
        object.class_name().map(|(module, name)| (module.as_str(), name.as_str())),
        Some((Some("mypkg"), Some("Thing")))
    );
    assert_eq!(
        (object.args().len(), object.items().unwrap().len(), object.pairs().unwrap().len()),
        (1, 2, 1)
    );
    assert!(matches!(object.state().unwrap().view(), Node::Dict(_)));
    let rows: &[(&[u8], &str)] = &[
        (b"NNR.", "!call"),
        (b"cos\nsystem\nNR.", "!call"),
        (b"K\x01)\x81.", "!call"),
        (b"NNb.", "!call"),
        (b"]K\x01b.", "!call"),
        (b"\x82\x00.", "!global"),
        (b"\x84\xff\xff\xff\xff.", "!global"),
    ];
    for (input, expected) in rows {
        assert_eq!(outcome(input, &options), *expected, "{}", input.escape_ascii());
    }
}

#[test]
fn depth_counts_every_way_to_nest() {
    let families: [(&str, Vec<u8>); 6] = [
        ("lists", [b"]".repeat(2_000), b"a".repeat(1_999)].concat()),
        ("tuples", [b"N".to_vec(), b"\x85".repeat(2_000)].concat()),
        ("dicts", [b"}".to_vec(), b"N}".repeat(2_000), b"s".repeat(2_000)].concat()),
        ("marks", [b"(".repeat(2_000), b"l".repeat(2_000)].concat()),
        ("persistent ids", [b"N".to_vec(), b"Q".repeat(2_000)].concat()),
        ("calls", [b"ca\nb\nq\x000N".to_vec(), b"\x85q\x010h\x00h\x01R".repeat(2_000)].concat()),
    ];
    for (name, mut pickle) in families {
        pickle.push(b'.');
        let options = DecodeOptions::new().globals(Globals::Inert);
        assert_eq!(outcome(&pickle, &options), "!depth", "{name}");
        let limits = Limits { max_depth: 5_000, max_memory: Some(16 << 20), ..Limits::default() };
        assert!(Decoder::with_options(options.limits(limits)).decode(&pickle).is_ok(), "{name}");
    }
}

#[test]
fn names_are_two_texts_that_the_policy_lets_stand() {
    let rows: &[(&[u8], &str, &str)] = &[
        (b"c\nx\n.", "!global", "!global"),
        (b"cm\n\n.", "!global", "!global"),
        (b"c\n\n.", "!global", "!global"),
        (b"c\xff\nx\n.", "!global", "!global"),
        (b"(i\nx\n.", "!global", "!global"),
        (b"\x8c\x00\x8c\x01x\x93.", "!global", "!global"),
        (b"\x8c\x01m\x8c\x00\x93.", "!global", "!global"),
        (b"\x8c\x01mK\x01\x93.", "!type", "!type"),
        (b"K\x01\x8c\x01x\x93.", "!type", "!type"),
        (b"cos\nsystem\n.", "!global", "<global 'os.system'>"),
        (b"cmypkg\nThing\n.", "!global", "<global 'mypkg.Thing'>"),
        (b"cdecimal\nDecimal\n.", "<class 'decimal.Decimal'>", "<class 'decimal.Decimal'>"),
        (b"cdecimal\nDecimal\n(X\x03\0\0\x001.5tR.", "Decimal('1.5')", "Decimal('1.5')"),
        (b"cdecimal\nDecimal\n(X\x03\0\0\0onetR.", "!call", "Decimal('one')"),
    ];
    for (input, known, inert) in rows {
        for (globals, expected) in [(Globals::Known, known), (Globals::Inert, inert)] {
            let outcome = outcome(input, &DecodeOptions::new().globals(globals));
            assert_eq!(outcome, *expected, "{globals:?}, {}", input.escape_ascii());
        }
    }
}

#[test]
fn calls_states_and_buffers_by_policy() {
    let rows: &[(&[u8], &str, &str)] = &[
        (b"C\x01a\x98.", "b'a'", "b'a'"),
        (b"N\x98.", "!buffer", "!buffer"),
        (b"\x97\x98.", "!buffer", "<buffer 0>"),
        (b"\x97.", "!buffer", "<buffer 0>"),
        (b"cdecimal\nDecimal\n\x98.", "!buffer", "!buffer"),
        (b"cdecimal\nDecimal\n)R)R.", "!call", "<object Decimal()>"),
        (b"cdecimal\nDecimal\nNR.", "!call", "!call"),
        (b"N)R.", "!call", "!call"),
        (b"cdecimal\nDecimal\n}b.", "!call", "!call"),
        (b"cdecimal\nDecimal\n(X\x03\0\0\x001.5tR}b.", "!call", "Decimal('1.5')"),
        (b"cdecimal\nDecimal\n(X\x03\0\0\x001.5tR}b}b.", "!call", "!call"),
        (b"ccollections\nOrderedDict\n)R}b.", "OrderedDict()", "OrderedDict()"),
        (b"ccollections\nOrderedDict\n)RK\x01b.", "!call", "OrderedDict(1)"),
    ];
    for (input, known, inert) in rows {
        for (globals, expected) in [(Globals::Known, known), (Globals::Inert, inert)] {
            let outcome = outcome(input, &DecodeOptions::new().globals(globals));
            assert_eq!(outcome, *expected, "{globals:?}, {}", input.escape_ascii());
        }
    }
    // What is read-only can be told from what is not.
    for (input, expected) in [(&b"\x97\x98."[..], true), (b"\x97.", false)] {
        let mut decoder = Decoder::with_options(DecodeOptions::new().globals(Globals::Inert));
        let document = decoder.decode(input).unwrap();
        assert!(matches!(document.root().view(), Node::Buffer(0, read_only) if read_only == expected));
    }
}

#[test]
fn what_an_object_is_given_nests_in_it() {
    let object = b"cm\nc\n)R";
    let rows: [(&str, Vec<u8>); 2] =
        [("items", [object, &b"]]]]aaaa."[..]].concat()), ("pairs", [object, &b"N]]]]aaas."[..]].concat())];
    for (name, pickle) in rows {
        for (max_depth, expected) in [(5, "!depth"), (6, "read")] {
            let limits = Limits { max_depth, ..Limits::default() };
            let options = DecodeOptions::new().globals(Globals::Inert).limits(limits);
            let outcome = outcome(&pickle, &options);
            let outcome = if outcome.starts_with('!') { outcome.as_str() } else { "read" };
            assert_eq!(outcome, expected, "{name}, {max_depth}");
        }
    }
}

#[test]
fn parents_with_many_children_that_point_back_are_not_deep() {
    // parent.append(child) and child.append(parent), 3,000 times.
    let pickle = [b"]q\x00".to_vec(), b"]h\x00aa".repeat(3_000), b".".to_vec()].concat();
    let document = decode(&pickle).unwrap();
    let Node::List(children) = document.root().view() else { panic!() };
    assert_eq!(children.len(), 3_000);
}

#[test]
fn tables_share_the_budget() {
    // Each repeat needs an object, a text and a stack slot; none may starve the others.
    let pickle = [b"Pa\n".repeat(10_000), b".".to_vec()].concat();
    assert_eq!(outcome(&pickle, &DecodeOptions::new().globals(Globals::Inert)), "<persistent id 'a'>");
}

#[test]
fn several_pickles_are_an_iterator_that_ends_at_the_first_error() {
    let mut decoder = Decoder::new();
    let kinds: Vec<String> = decoder
        .documents(b"N.K\x01.h\x00.N.")
        .map(|item| {
            item.map_or_else(
                |error| format!("!{} at {}", error.kind().as_str(), error.offset()),
                |d| d.to_string(),
            )
        })
        .collect();
    assert_eq!(kinds, ["None", "1", "!memo at 5"]);
    let (_, end) = decode_prefix(b"N.rest").unwrap();
    assert_eq!(end, 2);
}

#[test]
fn pickles_of_one_pickler_share_a_memo() {
    let all = |input: &[u8]| match Decoder::new().decode_all(input) {
        Ok(document) => document.to_string(),
        Err(error) => format!("!{} at {}", error.kind().as_str(), error.offset()),
    };
    assert_eq!(all(b""), "[]");
    assert_eq!(all(b"N."), "[None]");
    // Each in its own FRAME, with the number of entries going on, as MEMOIZE counts.
    let framed = b"\x80\x04\x95\x06\0\0\0\0\0\0\0]\x94K\x01a.\x80\x04\x95\x09\0\0\0\0\0\0\0]\x94(h\0h\x01e.";
    assert_eq!(all(framed), "[[1], [[1], [...]]]");
    // What an earlier pickle has left on its stack is gone, and what a later one adds is in both.
    assert_eq!(all(b"]q\0K\x01(K\x020h\0.h\0K\x03a."), "[[3], [3]]");
    assert_eq!(all(b"N(K\x01.K\x02a."), "!stack at 7");
    assert_eq!(all(b"N.h\0."), "!memo at 2");
    assert_eq!(all(b"N.K"), "!eof at 2");
    // A large object that many pickles name is looked at once.
    let mut input = [b"]q\0(".as_slice(), &b"N".repeat(1 << 16), b"e."].concat();
    input.extend(b"h\0.".repeat(1 << 16));
    let document = Decoder::new().decode_all(&input).unwrap();
    let Node::List(pickles) = document.root().view() else { panic!("no list") };
    assert_eq!(pickles.len(), 1 + (1 << 16));
    assert_eq!(pickles.get(1 << 16).unwrap().id(), pickles.get(0).unwrap().id());
}

#[test]
fn a_recycled_decoder_gives_the_same() {
    let mut decoder = Decoder::new();
    let inputs: [&[u8]; 3] =
        [b"](K\x01X\x01\0\0\0ae.", b"}X\x01\0\0\0kG@\0\0\0\0\0\0\0s.", b"K\x01K\x02\x86."];
    for _ in 0..3 {
        for input in inputs {
            let document: Document<'_> = decoder.decode(input).unwrap();
            assert_eq!(document.to_string(), decode(input).unwrap().to_string());
            decoder.recycle(document);
        }
    }
}

#[test]
fn a_decoder_forgets_the_memo() {
    let mut decoder = Decoder::new();
    decoder.decode(b"K\x01q\x00K\x02q\x05.").unwrap();
    for input in [b"h\x00.", b"h\x05."] {
        assert_eq!(decoder.decode(input).unwrap_err().kind().as_str(), "memo");
    }
    assert_eq!(decoder.decode(b"K\x07\x94h\x00\x86.").unwrap().to_string(), "(7, 7)");
}

#[test]
fn what_a_decoder_read_before_is_no_debt_of_the_next_input() {
    let dict = |keys: u32| {
        let pairs: String = (0..keys).map(|key| format!("V{key}\nNs")).collect();
        format!("}}{pairs}.").into_bytes()
    };
    // Dicts that are gone back to keep an index of their own.
    let reopened =
        [b"}q\0}q\x01\x86q\x02".to_vec(), b"0h\0(K\x01K\x02uh\x01(K\x03K\x04u".repeat(40), b".".to_vec()];
    let inputs = [dict(20_000), dict(40), reopened.concat(), dict(200), dict(20_000), dict(40)];
    let mut decoder = Decoder::new();
    for input in &inputs {
        let document = decoder.decode(input).unwrap();
        assert!(document.root().eq_graph(decode(input).unwrap().root()));
        decoder.recycle(document);
    }
}

#[test]
fn a_refused_name_is_cut_between_characters() {
    for before in ["", "a", "ab"] {
        let name = format!("{before}{}", "\u{20ac}".repeat(200));
        let error = decode(format!("c{name}\nx\n.").as_bytes()).unwrap_err();
        let shown = error.global().unwrap();
        assert!(name.starts_with(shown), "{shown}");
        assert!((MAX_ERROR_NAME_LEN - 2..=MAX_ERROR_NAME_LEN).contains(&shown.len()), "{}", shown.len());
    }
}

#[test]
fn limits_name_what_they_limit() {
    let limits = Limits { max_input_len: 3, ..Limits::default() };
    assert_eq!(outcome(b"K\x01N.", &DecodeOptions::new().limits(limits)), "!input");
    let limits = Limits { max_int_digits: 3, ..Limits::default() };
    assert_eq!(outcome(b"I1234\n.", &DecodeOptions::new().limits(limits)), "!literal");
    let limits = Limits { max_memory: Some(64), ..Limits::default() };
    assert_eq!(
        outcome(
            &[b"(".to_vec(), b"]".repeat(100), b"l.".to_vec()].concat(),
            &DecodeOptions::new().limits(limits)
        ),
        "!budget"
    );
}
