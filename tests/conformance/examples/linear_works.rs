//! What `tests/linear.rs` counts under callgrind: does every work of a policy, with a pickle and with one of twice the
//! size, and prints the work's name and both lengths.
//!
//! `linear_works POLICY PART_OF_A_NAME`
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "the lines are read by the test")]

use std::fmt;
use std::hint::black_box;

use anyhow::{Context as _, Result};
use pickle_codec::inspect::inspect;
use pickle_codec::tagged::{self, TaggedOptions};
use pickle_codec::{DecodeOptions, Decoder, Globals, PushDecoder, Value, from_slice_with, instructions};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use testkit::hostile::{self, Family};

/// Units of the smaller pickle: of shapes of their own, which may have a byte a unit, and of values in places. Where
/// copies of shared objects are charged to a budget, this many spend it.
const UNITS: (usize, usize) = (16_384, 8_192);

/// What is done with a pickle.
#[derive(Clone, Copy)]
enum Way {
    Decode,
    Value,
    Serde,
    Stream,
    Push,
    Instructions,
    Inspect,
    Print,
    Equal,
    Map,
}

const WAYS: [(Way, &str); 10] = [
    (Way::Decode, "decode"),
    (Way::Value, "value"),
    (Way::Serde, "serde"),
    (Way::Stream, "stream"),
    (Way::Push, "push"),
    (Way::Instructions, "instructions"),
    (Way::Inspect, "inspect"),
    (Way::Print, "print"),
    (Way::Equal, "equal"),
    (Way::Map, "map"),
];

const POLICIES: [(&str, Globals); 2] = [("reject", Globals::Reject), ("inert", Globals::Inert)];

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let policy = arguments.next().context("a policy is missing")?;
    work(&policy, &arguments.next().unwrap_or_default())
}

/// Does each work with a pickle and with one of twice the size, and prints its name and both lengths.
fn work(policy: &str, only: &str) -> Result<()> {
    let (_, globals) = POLICIES.into_iter().find(|(name, _)| *name == policy).context("no such policy")?;
    let shapes = hostile::shapes::families().len();
    let many = |name: &str, make: fn(usize) -> Vec<u8>| Family {
        name: name.to_owned(),
        shares: false,
        make: Box::new(make),
    };
    let many = [
        many("many pickles", |count| b"\x80\x02}q\x01U\x01aK\x01s.".repeat(count)),
        many("many pickles in one FRAME", |count| {
            let len = u64::try_from(2 * count).unwrap_or_default();
            [b"\x95".as_slice(), &len.to_le_bytes(), &b"N.".repeat(count)].concat()
        }),
    ];
    let families = hostile::families();
    for (way, verb) in WAYS {
        // What is not a decode of its own is tried on the shapes.
        let families = match way {
            Way::Decode => families.get(..),
            Way::Stream => None,
            _ => families.get(..shapes),
        };
        for (place, family) in many.iter().chain(families.unwrap_or_default()).enumerate() {
            let units = if place < many.len() + shapes { UNITS.0 } else { UNITS.1 };
            let name = format!("{verb}: {}", family.name);
            // What is shared may be written out up to the budget's constant part.
            let expands = matches!(way, Way::Print | Way::Equal) && family.shares;
            let once = matches!(way, Way::Inspect | Way::Instructions | Way::Print | Way::Equal | Way::Map);
            if !name.contains(only) || expands || (once && policy != "inert") {
                continue;
            }
            let inputs = [units, 2 * units].map(&family.make);
            for input in &inputs {
                black_box(counted(way, globals, input));
            }
            println!("{name}\t{}\t{}", inputs[0].len(), inputs[1].len());
        }
    }
    Ok(())
}

/// What is counted, the drop of what comes out included.
#[inline(never)]
fn counted(way: Way, globals: Globals, input: &[u8]) -> bool {
    let mut options = DecodeOptions::new().globals(globals);
    match way {
        Way::Decode => Decoder::with_options(options).decode(input).is_ok(),
        Way::Value | Way::Serde => {
            // The constant part of the budget hides what is beyond it.
            let mut limits = options.limits;
            limits.max_expansion = Some(64 * input.len());
            options = options.limits(limits);
            match way {
                Way::Serde => from_slice_with::<Value<'_>>(input, &options).is_ok(),
                _ => Value::from_slice_with(input, &options).is_ok(),
            }
        }
        Way::Stream => Decoder::with_options(options).documents(input).all(|document| document.is_ok()),
        Way::Push => {
            let mut decoder = PushDecoder::with_options(options);
            for byte in input.chunks(1) {
                if decoder.feed(byte).is_err() || decoder.next_document().is_err() {
                    return false;
                }
            }
            decoder.finish().is_ok()
        }
        Way::Instructions => instructions(input).all(|instruction| instruction.is_ok()),
        Way::Inspect => inspect(input).is_empty(),
        Way::Print => printed(input, &options),
        Way::Equal => match Value::from_slice_with(input, &options) {
            Ok(Value::Tuple(parts)) if parts.len() == 2 => parts.first() == parts.last(),
            Ok(value) => value == value.clone(),
            Err(_) => false,
        },
        Way::Map => from_slice_with::<Pairs>(input, &options).is_ok(),
    }
}

/// Whether all that prints a pickle does so.
fn printed(input: &[u8], options: &DecodeOptions) -> bool {
    let mut decoder = Decoder::with_options(options.clone());
    let Ok(document) = decoder.decode(input) else { return false };
    let Ok(value) = document.root().to_value() else { return false };
    let mut repr = String::new();
    let repr = document.root().py_repr(&mut repr, usize::MAX).is_ok();
    let tagged = tagged::to_string(&document, &TaggedOptions::new()).is_ok();
    let json = serde_json::to_vec(&value).is_ok();
    repr && tagged && json && !format!("{value:?}").is_empty()
}

/// The pairs of a dict, as serde reads them.
struct Pairs;

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_map(Self)
    }
}

impl<'de> Visitor<'de> for Pairs {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a dict")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Self, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(self)
    }
}
