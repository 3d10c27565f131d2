//! Graphs with cycles of every kind: each public function ends, and soon.
#![cfg(all(feature = "json", feature = "serde"))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of a test fails the test")]

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use pickle_codec::tagged::{self, TaggedOptions};
use pickle_codec::{
    DecodeOptions, Decoder, Document, DocumentBuilder, EncodeOptions, Encoder, ErrorKind, Globals, Protocol,
    Value, from_document, inspect,
};
use proptest::prelude::*;

/// What one graph may take. A graph that is not bounded takes all memory instead.
const BUDGET: Duration = Duration::from_secs(20);

/// Every encoding of a document: what came out, or the kind of the error.
fn encodings(document: &Document<'_>) -> Vec<(String, Result<Vec<u8>, ErrorKind>)> {
    let mut all = Vec::new();
    for protocol in Protocol::ALL {
        for memo in [true, false] {
            let options = EncodeOptions::new(protocol).memo(memo);
            let mut push = |name: &str, outcome: Result<Vec<u8>, ErrorKind>| {
                all.push((format!("{name} {protocol} memo {memo}"), outcome));
            };
            push("vec", document.to_vec_with(options).map_err(|error| error.kind()));
            push(
                "segments",
                document
                    .to_segments(options)
                    .map(|segments| segments.iter().flatten().copied().collect())
                    .map_err(|error| error.kind()),
            );
            let mut encoder = Encoder::new(Vec::new(), protocol);
            if !memo {
                encoder = encoder.without_memo();
            }
            let written = encoder.document(document).and_then(|()| encoder.finish());
            push("encoder", written.map_err(|error| error.kind()));
            let mut out = Vec::new();
            let written = document.to_writer(&mut out, options);
            let name = if written.is_ok() { "writer" } else { "failed writer" };
            let outcome = document.to_vec_with(options).map_err(|error| error.kind());
            assert_eq!(written.is_ok(), outcome.is_ok());
            push(name, outcome.map(|_| out));
        }
    }
    all
}

/// Calls everything that takes a document.
fn all_functions(document: &Document<'_>) {
    let start = Instant::now();
    let root = document.root();
    for (name, outcome) in encodings(document) {
        match outcome {
            Ok(pickle) => {
                let mut decoder = Decoder::with_options(DecodeOptions::new().globals(Globals::Inert));
                let again = decoder.decode(&pickle).unwrap_or_else(|error| panic!("{name}: {error}"));
                assert!(again == *document, "{name} of {root}");
                assert!(!inspect::inspect(&pickle).is_empty());
            }
            Err(kind) => assert_eq!(kind, ErrorKind::Recursive, "{name} of {root}"),
        }
    }
    let mut text = String::new();
    let printed = [
        root.py_repr(&mut text, 100_000),
        root.py_str(&mut text, 100_000),
        root.py_ascii(&mut text, 100_000),
    ];
    assert!(printed.iter().all(|outcome| outcome.is_ok()) || text.len() >= 100_000);
    write!(text, "{document} {document:?} {:?}", root.view()).unwrap();
    assert!(*document == document.clone() && root.eq_graph(root));
    assert_eq!(root.structural_hash(), root.structural_hash());
    let refs = TaggedOptions::new().refs(true);
    let json = tagged::to_string(document, &refs).unwrap();
    let again = tagged::from_str(&json, &refs).unwrap_or_else(|error| panic!("{json}: {error}"));
    assert_eq!(tagged::to_string(&again, &refs).unwrap(), json);
    let plain = tagged::to_string(document, &TaggedOptions::new());
    let value = document.root().to_value();
    let read = from_document::<Value<'_>>(document);
    let ignored = from_document::<serde::de::IgnoredAny>(document);
    match plain {
        // A tree: everything that needs one can have it.
        Ok(_) => {
            value.unwrap();
            read.unwrap();
            ignored.unwrap();
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Recursive, "{json}");
            assert_eq!(value.unwrap_err().kind(), ErrorKind::Recursive, "{json}");
            assert_eq!(read.unwrap_err().kind(), ErrorKind::Recursive, "{json}");
        }
    }
    assert!(start.elapsed() < BUDGET, "{json}");
}

#[test]
fn what_holds_itself_without_a_list_on_the_way_is_refused() {
    let rows = [
        r#"{"$def":[1,{"$tuple":[{"$ref":1}]}]}"#,
        r#"{"$def":[1,{"$tuple":[{"$tuple":[1,{"$tuple":[2,{"$ref":1}]}]}]}]}"#,
        r#"{"$def":[1,{"$frozenset":[{"$ref":1}]}]}"#,
        r#"{"$def":[1,{"$tuple":[{"$frozenset":[1]},{"$ref":1},{"$ref":1}]}]}"#,
        r#"[[],{"$def":[1,{"$tuple":[[1],{"$tuple":[{"$ref":1},{"$ref":1}]}]}]}]"#,
        r#"{"a":{"$def":[1,{"$tuple":[1,2,3,{"$def":[2,{"$tuple":[{"$ref":1},{"$ref":2}]}]}]}]}}"#,
        // A list holds the tuple, but stands on no way round.
        r#"{"$def":[0,[{"$def":[1,{"$tuple":[{"$ref":0},{"$ref":1}]}]}]]}"#,
    ];
    for json in rows {
        let document = tagged::from_str(json, &TaggedOptions::new().refs(true)).unwrap();
        for (name, outcome) in encodings(&document) {
            assert_eq!(outcome, Err(ErrorKind::Recursive), "{name}: {json}");
        }
        assert_eq!(document.root().to_value().unwrap_err().kind(), ErrorKind::Recursive, "{json}");
        assert_eq!(
            tagged::to_string(&document, &TaggedOptions::new()).unwrap_err().kind(),
            ErrorKind::Recursive,
            "{json}"
        );
    }
    // As a key it would have to be hashed.
    for json in [
        r#"{"$set":[{"$def":[1,{"$tuple":[{"$ref":1}]}]}]}"#,
        r#"{"$dict":[[{"$def":[1,{"$tuple":[{"$ref":1}]}]},1]]}"#,
    ] {
        let error = tagged::from_str(json, &TaggedOptions::new().refs(true)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Recursive, "{json}");
    }
}

#[test]
fn many_rounds_through_one_tuple_are_charged() {
    // A tuple of lists that each hold the tuple: every list makes one more round, and every round
    // writes all lists so far.
    let mut builder = DocumentBuilder::new();
    let lists: Vec<_> = (0..3_000).map(|_| builder.list(&[]).unwrap()).collect();
    let tuple = builder.tuple(&lists).unwrap();
    for &list in &lists {
        builder.append(list, tuple).unwrap();
    }
    let document = builder.finish(tuple);
    for (name, outcome) in encodings(&document) {
        assert_eq!(outcome, Err(ErrorKind::Budget), "{name}");
    }
}

/// JSON with definitions and references to all of them, those that are still open included.
fn json(choices: &mut impl Iterator<Item = u8>, depth: usize, defs: &mut usize, hashable: bool) -> String {
    let choice = choices.next().unwrap_or_default();
    let plain = |choice: u8| match choice % 4 {
        0 => String::from("null"),
        1 => String::from("\"text\""),
        2 => choice.to_string(),
        _ => String::from("{\"$bytes\":\"AAE=\"}"),
    };
    if depth == 0 {
        return plain(choice);
    }
    if choice.is_multiple_of(3) && *defs > 0 && !hashable {
        return format!("{{\"$ref\":{}}}", usize::from(choice / 3) % *defs);
    }
    let number = *defs;
    *defs += 1;
    let mut items = |count: usize, hashable: bool| {
        let items: Vec<_> = (0..count).map(|_| json(choices, depth - 1, defs, hashable)).collect();
        items.join(",")
    };
    let count = usize::from(choice / 16) % 4;
    let body = match (choice % 8, hashable) {
        (0 | 1, false) => format!("[{}]", items(count, false)),
        (2, false) => format!("{{\"$dict\":[[0,[{}]]]}}", items(count, false)),
        (3, false) => format!("{{\"$set\":[{{\"$tuple\":[{}]}}]}}", items(count, true)),
        (4, _) => format!("{{\"$frozenset\":[{{\"$tuple\":[{}]}}]}}", items(count, true)),
        _ => format!("{{\"$tuple\":[{}]}}", items(count, hashable)),
    };
    format!("{{\"$def\":[{number},{body}]}}")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_function_ends_on_graphs_from_json(choices in prop::collection::vec(any::<u8>(), 1..60)) {
        let text = json(&mut choices.into_iter(), 6, &mut 0, false);
        match tagged::from_str(&text, &TaggedOptions::new().refs(true)) {
            Ok(document) => all_functions(&document),
            // A set whose members hold a cycle or what cannot be hashed.
            Err(error) => prop_assert!(
                matches!(error.kind(), ErrorKind::Recursive | ErrorKind::Data | ErrorKind::Depth), "{text}: {error}"
            ),
        }
    }

    #[test]
    fn every_function_ends_on_graphs_that_are_built(steps in prop::collection::vec(any::<(u8, u8, u8)>(), 1..40)) {
        let mut builder = DocumentBuilder::new();
        let class = builder.global("m", "C").unwrap();
        let mut ids = vec![builder.none(), builder.str("text").unwrap(), builder.list(&[]).unwrap()];
        for (kind, one, other) in steps {
            let [one, other] = [one, other].map(|place| ids[usize::from(place) % ids.len()]);
            let made = match kind % 9 {
                0 => builder.list(&[one, other]),
                1 | 2 => builder.tuple(&[one, other]),
                3 => builder.dict(),
                4 => builder.object(class, pickle_codec::Construct::New, &[one]),
                // What does not fit leaves all as it was.
                5 => { builder.append(one, other).ok(); continue }
                6 => { let key = builder.int(i64::from(kind)).unwrap(); builder.set_item(one, key, other).ok(); continue }
                7 => { builder.set_state(one, other).ok(); continue }
                _ => builder.frozenset(&[one]),
            };
            ids.extend(made.ok());
        }
        let root = ids.last().copied().unwrap();
        let document = builder.finish(root);
        all_functions_but_json(&document);
    }
}

/// Objects are not read from tagged JSON, and a set of them is not found equal.
fn all_functions_but_json(document: &Document<'_>) {
    let start = Instant::now();
    let root = document.root();
    for (name, outcome) in encodings(document) {
        if let Ok(pickle) = outcome {
            let mut decoder = Decoder::with_options(DecodeOptions::new().globals(Globals::Inert));
            let again = decoder.decode(&pickle).unwrap_or_else(|error| panic!("{name}: {error}"));
            drop(again);
        } else {
            assert_eq!(outcome, Err(ErrorKind::Recursive), "{name} of {root}");
        }
    }
    let mut text = String::new();
    root.py_repr(&mut text, 100_000).ok();
    write!(text, "{document} {document:?}").unwrap();
    assert!(root.eq_graph(root));
    tagged::to_string(document, &TaggedOptions::new().refs(true)).unwrap();
    let tree = tagged::to_string(document, &TaggedOptions::new()).is_ok();
    assert_eq!(document.root().to_value().is_ok(), tree);
    assert!(start.elapsed() < BUDGET);
}
