//! The targets over values: made up ones, and Rust types.

use std::borrow::Cow;
use std::collections::BTreeMap;

use arbitrary::{Arbitrary as _, Unstructured};
use pickle_codec::tagged::{self, TaggedOptions};
use pickle_codec::{DecodeOptions, Decoder, Document, EncodeOptions, Globals, Limits, Protocol, Value};
use serde::{Deserialize, Serialize};

/// Any value survives every protocol, encodes the same in one piece and in segments, and survives tagged JSON; and
/// whatever reads as tagged JSON, cycles included, is written to an end.
pub fn values(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        read(data, text);
    }
    let Ok(value) = Value::arbitrary(&mut Unstructured::new(data)) else { return };
    let document = value.to_document().expect("an arbitrary value is not deep");
    let ways: [fn(&[u8], &Value<'_>, &Document<'_>); 3] = [decoded, encoded, tagged];
    for way in super::input::chosen(data, 0, &ways) {
        way(data, &value, &document);
    }
}

fn decoded(data: &[u8], value: &Value<'_>, document: &Document<'_>) {
    let mut decoder = Decoder::with_options(DecodeOptions::new().globals(Globals::Known));
    for &protocol in super::input::chosen(data, 1, &Protocol::ALL) {
        let encoded = value.to_vec(protocol).expect("every protocol has a form for it");
        let again = decoder.decode(&encoded).expect("what was just encoded decodes");
        // Protocol 0 has one word for all NaNs.
        let worded = || protocol == Protocol::V0 && encoded.windows(5).any(|part| part == b"Fnan\n");
        assert!(again.root().eq_value(document.root()) || worded(), "{protocol:?}: {encoded:02x?}");
    }
}

fn encoded(data: &[u8], value: &Value<'_>, document: &Document<'_>) {
    for &protocol in super::input::chosen(data, 1, &Protocol::ALL) {
        let encoded = value.to_vec(protocol).expect("every protocol has a form for it");
        let options = EncodeOptions::new(protocol);
        let from_document = document.to_vec_with(options).expect("the value encoded");
        assert_eq!(from_document, encoded, "{protocol:?}: a document encodes otherwise than its value");
        let segments = document.to_segments(options).expect("the value encoded");
        assert_eq!(segments.iter().collect::<Vec<_>>().concat(), encoded, "{protocol:?}: segments differ");
    }
}

fn tagged(_: &[u8], _: &Value<'_>, document: &Document<'_>) {
    let options = TaggedOptions::new();
    let json = tagged::to_string(document, &options).expect("a value is a tree");
    let again = tagged::from_str(&json, &options).expect("what was just written reads");
    let written = tagged::to_string(&again, &options).expect("it was written before");
    assert_eq!(written, json);
}

fn read(data: &[u8], text: &str) {
    let refs = TaggedOptions::new().refs(true);
    let Ok(document) = tagged::from_str(text, &refs) else { return };
    for &protocol in super::input::chosen(data, 1, &Protocol::ALL) {
        let encoded = document.to_vec_with(EncodeOptions::new(protocol));
        assert_eq!(
            encoded.is_ok(),
            document.to_segments(EncodeOptions::new(protocol)).is_ok(),
            "{protocol:?}"
        );
    }
    // What holds itself has no end without references, and some of it none with them.
    drop(tagged::to_string(&document, &TaggedOptions::new()));
    drop(document.root().to_value());
    if let Ok(json) = tagged::to_string(&document, &refs) {
        tagged::from_str(&json, &refs).expect("what was just written reads");
    }
}

/// A type with what serde has: borrowed text and bytes, options, enums, maps.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Sample<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    count: i64,
    wide: Option<u128>,
    ratio: f64,
    tags: Vec<Tag>,
    more: BTreeMap<String, (u8, bool)>,
}

#[derive(Debug, Deserialize, PartialEq, Serialize)]
enum Tag {
    Bare,
    One(i32),
    Pair(String, char),
    Named { text: String },
}

/// What bytes are read as.
enum Reading {
    Value,
    /// Types of serde's own.
    Plain,
    Sample,
    /// No pickle at all: what the fields of a sample are.
    Fields,
    /// Types with and without a document.
    Ways,
}

/// Any bytes into Rust types end well, and what came out of them goes in and out again.
pub fn serde(data: &[u8]) {
    const READINGS: [Reading; 5] =
        [Reading::Value, Reading::Plain, Reading::Sample, Reading::Fields, Reading::Ways];
    for reading in super::input::chosen(data, 0, &READINGS) {
        match reading {
            Reading::Value => value_again(data),
            Reading::Plain => {
                drop(pickle_codec::from_slice::<Vec<&str>>(data));
                drop(pickle_codec::from_slice::<BTreeMap<String, Option<f64>>>(data));
                drop(pickle_codec::from_slice::<(i8, u64, char)>(data));
            }
            Reading::Sample => {
                if let Ok(sample) = pickle_codec::from_slice::<Sample<'_>>(data) {
                    round(data, &sample);
                }
            }
            Reading::Fields => {
                if let Ok(sample) = made_up(&mut Unstructured::new(data)) {
                    round(data, &sample);
                }
            }
            Reading::Ways => {
                let program = super::record::program(data);
                for input in [data, &program] {
                    agree::<Value<'_>>(input);
                    agree::<Sample<'_>>(input);
                    agree::<BTreeMap<&str, Vec<Tag>>>(input);
                    agree::<BTreeMap<i64, (Option<u8>, Vec<u8>)>>(input);
                }
            }
        }
    }
}

/// A pickle that is a tree is read without a document, and reads the same with one.
fn agree<'a, T: Deserialize<'a> + std::fmt::Debug>(input: &'a [u8]) {
    let limits = Limits { max_expansion: Some(1 << 16), ..Limits::default() };
    let options = DecodeOptions::new().limits(limits);
    let direct = pickle_codec::from_slice_with::<T>(input, &options);
    let general = Decoder::with_options(options)
        .decode(input)
        .and_then(|document| pickle_codec::from_document::<T>(&document));
    // A NaN is itself, so the texts are compared. Only the direct way knows the place in the pickle.
    let shown = |outcome: pickle_codec::Result<T>| match outcome {
        Ok(value) => format!("{value:?}"),
        Err(error) => format!("{:?}", error.to_string().split(" (at byte").next()),
    };
    assert_eq!(shown(direct), shown(general));
}

fn value_again(data: &[u8]) {
    // By the default limit a short input may become 64 MiB, which takes a second.
    let limits = Limits { max_expansion: Some(1 << 16), ..Limits::default() };
    let options = DecodeOptions::new().limits(limits);
    let Ok(value) = pickle_codec::from_slice_with::<Value<'_>>(data, &options) else { return };
    let encoded = pickle_codec::to_vec(&value, Protocol::V4).expect("a value that came from a pickle");
    // A bytearray is written by name below protocol 5.
    let known = DecodeOptions::new().globals(Globals::Known);
    let again =
        pickle_codec::from_slice_with::<Value<'_>>(&encoded, &known).expect("what was encoded decodes");
    let here = pickle_codec::to_vec(&again, Protocol::V4).expect("it encoded before");
    assert_eq!(here, encoded);
}

fn round(data: &[u8], sample: &Sample<'_>) {
    for &protocol in super::input::chosen(data, 1, &Protocol::ALL) {
        let encoded = pickle_codec::to_vec(sample, protocol).expect("text, numbers and lists have a form");
        let again: Sample<'_> = pickle_codec::from_slice(&encoded).expect("what was just encoded decodes");
        assert!(&again == sample || sample.ratio.is_nan(), "{protocol:?}: {again:?} was {sample:?}");
    }
}

fn made_up<'a>(bytes: &mut Unstructured<'a>) -> arbitrary::Result<Sample<'a>> {
    let mut tags = Vec::new();
    for _ in 0..bytes.int_in_range(0..=3)? {
        tags.push(match bytes.int_in_range(0..=3)? {
            0 => Tag::Bare,
            1 => Tag::One(bytes.arbitrary()?),
            2 => Tag::Pair(bytes.arbitrary()?, bytes.arbitrary()?),
            _ => Tag::Named { text: bytes.arbitrary()? },
        });
    }
    Ok(Sample {
        name: Cow::Borrowed(bytes.arbitrary()?),
        count: bytes.arbitrary()?,
        wide: bytes.arbitrary()?,
        ratio: bytes.arbitrary()?,
        tags,
        more: bytes.arbitrary()?,
    })
}
