//! Rust types through serde: what most users of a codec do, beside the formats that they know.
//!
//! Each set is one value in the bytes of every format. The pickles are those of `pickle.dumps`, which
//! shares the keys of dicts; those of the other formats are what their crates write.

use std::collections::BTreeMap;
use std::hint::black_box;

use pickle_codec::Protocol;
use serde::{Deserialize, Serialize};

use crate::works::{Failure, Work, work};

/// A struct of six fields, a list of text among them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "an invented record")]
pub struct User {
    pub id: u64,
    pub name: String,
    pub email: String,
    pub score: f64,
    pub active: bool,
    pub tags: Vec<String>,
}

/// The same, borrowed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "an invented record")]
pub struct UserRef<'a> {
    pub id: u64,
    pub name: &'a str,
    pub email: &'a str,
    pub score: f64,
    pub active: bool,
    #[serde(borrow)]
    pub tags: Vec<&'a str>,
}

/// A document that nests: enums, options, maps of maps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "an invented record")]
pub struct Section {
    pub title: String,
    pub blocks: Vec<Block>,
    pub index: BTreeMap<String, Vec<(u32, Option<f64>)>>,
    pub sections: Vec<Self>,
}

/// A part of a [`Section`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "an invented record")]
#[allow(clippy::exhaustive_enums, reason = "no crate depends on the benches")]
pub enum Block {
    Rule,
    Text(String),
    Image { source: String, width: u32, height: u32 },
}

/// A record of three numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "an invented record")]
pub struct Sample {
    pub at: u32,
    pub value: f64,
    pub ok: bool,
}

/// 20,000 users.
#[must_use]
pub fn users() -> Vec<User> {
    (0..20_000_u64)
        .map(|id| User {
            id: id * 7 + 1_000_000_000,
            name: format!("User Number {id}"),
            email: format!("user{id}@mail.example.org"),
            score: f64::from(u32::try_from(id).unwrap_or_default()) * 0.37 + 0.5,
            active: id % 3 != 0,
            tags: vec![format!("tag{}", id % 97), "python".to_owned(), format!("group-{}", id % 13)],
        })
        .collect()
}

/// A document of some levels.
#[must_use]
pub fn sections(depth: u32, width: u32) -> Section {
    Section {
        title: format!("Section at {depth}"),
        blocks: (0..8_u32)
            .map(|number| match number % 3 {
                0 => Block::Rule,
                1 => Block::Text(format!("Paragraph {number} of a section at depth {depth}.")),
                _ => Block::Image { source: format!("images/{depth}/{number}.png"), width: 640, height: 480 },
            })
            .collect(),
        index: (0..4_u32)
            .map(|entry| {
                (format!("entry {entry}"), vec![(entry, None), (depth, Some(f64::from(entry) / 3.0))])
            })
            .collect(),
        sections: if depth == 0 {
            Vec::new()
        } else {
            (0..width).map(|_| sections(depth - 1, width)).collect()
        },
    }
}

/// A map of 100,000 keys.
#[must_use]
pub fn map() -> BTreeMap<String, i64> {
    (0..100_000_i64).map(|key| (format!("key/{key:06}"), key * 31 - 50_000)).collect()
}

/// 100,000 small records.
#[must_use]
pub fn samples() -> Vec<Sample> {
    (0..100_000_u32).map(|at| Sample { at: at * 60, value: f64::from(at) * 0.25, ok: at % 7 != 0 }).collect()
}

/// The pickle of a value as `pickle.dumps` writes it: equal keys are one object.
fn dumps<T: Serialize>(value: &T) -> Result<Vec<u8>, Failure> {
    let plain = pickle_codec::to_vec(value, Protocol::V4)?;
    let document = pickle_codec::decode(&plain)?;
    let mut builder = pickle_codec::DocumentBuilder::new();
    let mut keys = BTreeMap::new();
    let root = shared(document.root(), &mut builder, &mut keys)?;
    Ok(builder.finish(root).to_vec(Protocol::V4)?)
}

/// A copy of a node in which equal text keys are one node.
fn shared<'a>(
    node: pickle_codec::NodeRef<'_, 'a>,
    builder: &mut pickle_codec::DocumentBuilder<'a>,
    keys: &mut BTreeMap<String, pickle_codec::NodeId>,
) -> Result<pickle_codec::NodeId, Failure> {
    use pickle_codec::Node;
    Ok(match node.view() {
        Node::None => builder.none(),
        Node::Bool(value) => builder.bool(value),
        Node::Int(value) => builder.int(value)?,
        Node::Float(value) => builder.float(value)?,
        Node::Str(text) => builder.str(text.as_str().unwrap_or_default().to_owned())?,
        Node::List(items) | Node::Tuple(items) => {
            let is_list = matches!(node.view(), Node::List(_));
            let ids: Result<Vec<_>, _> = items.iter().map(|item| shared(item, builder, keys)).collect();
            if is_list { builder.list(&ids?)? } else { builder.tuple(&ids?)? }
        }
        Node::Dict(pairs) => {
            let dict = builder.dict()?;
            for (key, value) in pairs.iter() {
                let Node::Str(text) = key.view() else { return Err("a key that is no text".into()) };
                let text = text.as_str().unwrap_or_default();
                let key = match keys.get(text) {
                    Some(&key) => key,
                    None => {
                        let key = builder.str(text.to_owned())?;
                        keys.insert(text.to_owned(), key);
                        key
                    }
                };
                let value = shared(value, builder, keys)?;
                builder.set_item(dict, key, value)?;
            }
            dict
        }
        _ => return Err("a node that serde does not write".into()),
    })
}

/// The formats, in the order of the table; the first is this project's.
pub const SIDES: [&str; 5] = ["here", "serde_json", "rmp-serde", "ciborium", "serde-pickle"];

/// Works by side.
pub type Sides = Vec<(&'static str, Work)>;

/// One set: reading and writing it in every format.
fn set<T>(name: &str, value: &T, sides: &mut Sides) -> Result<(), Failure>
where
    T: Serialize + for<'de> Deserialize<'de> + Clone + 'static,
{
    let read =
        |side: &'static str, turn: Box<dyn FnMut() -> bool>| (side, work(format!("serde read {name}"), turn));
    let pickle = dumps(value)?;
    sides.push(read(
        "here",
        Box::new(move || black_box(pickle_codec::from_slice::<T>(black_box(&pickle))).is_ok()),
    ));
    let json = serde_json::to_vec(value)?;
    sides.push(read(
        "serde_json",
        Box::new(move || black_box(serde_json::from_slice::<T>(black_box(&json))).is_ok()),
    ));
    let packed = rmp_serde::to_vec_named(value)?;
    sides.push(read(
        "rmp-serde",
        Box::new(move || black_box(rmp_serde::from_slice::<T>(black_box(&packed))).is_ok()),
    ));
    let mut cbor = Vec::new();
    ciborium::into_writer(value, &mut cbor)?;
    sides.push(read(
        "ciborium",
        Box::new(move || black_box(ciborium::from_reader::<T, _>(black_box(&cbor[..]))).is_ok()),
    ));
    let pickle = serde_pickle::to_vec(value, serde_pickle::SerOptions::new())?;
    sides.push(read(
        "serde-pickle",
        Box::new(move || {
            black_box(serde_pickle::from_slice::<T>(black_box(&pickle), serde_pickle::DeOptions::new()))
                .is_ok()
        }),
    ));
    let write = |side: &'static str, turn: Box<dyn FnMut() -> bool>| {
        (side, work(format!("serde write {name}"), turn))
    };
    let source = value.clone();
    sides.push(write(
        "here",
        Box::new(move || black_box(pickle_codec::to_vec(black_box(&source), Protocol::V4)).is_ok()),
    ));
    let source = value.clone();
    sides.push(write(
        "serde_json",
        Box::new(move || black_box(serde_json::to_vec(black_box(&source))).is_ok()),
    ));
    let source = value.clone();
    sides.push(write(
        "rmp-serde",
        Box::new(move || black_box(rmp_serde::to_vec_named(black_box(&source))).is_ok()),
    ));
    let source = value.clone();
    sides.push(write(
        "ciborium",
        Box::new(move || {
            let mut out = Vec::new();
            let written = ciborium::into_writer(black_box(&source), &mut out).is_ok();
            black_box(&out);
            written
        }),
    ));
    let source = value.clone();
    sides.push(write(
        "serde-pickle",
        Box::new(move || {
            black_box(serde_pickle::to_vec(black_box(&source), serde_pickle::SerOptions::new())).is_ok()
        }),
    ));
    Ok(())
}

/// The works of serde by side, in the order of the table; those of one set where `only` names one of its works.
///
/// # Errors
///
/// None that correct codecs give.
pub fn serde_works(only: Option<&str>) -> Result<Sides, Failure> {
    let mut sides = Vec::new();
    let wanted = |set: &str| only.is_none_or(|name| name.contains(set));
    if wanted("20,000 structs") {
        structs(&mut sides)?;
    }
    if wanted("nested document") {
        set("nested document", &sections(5, 4), &mut sides)?;
    }
    if wanted("map of 100,000") {
        set("map of 100,000", &map(), &mut sides)?;
    }
    if wanted("100,000 records") {
        set("100,000 records", &samples(), &mut sides)?;
    }
    Ok(sides)
}

/// The structs, owned and borrowed.
fn structs(sides: &mut Sides) -> Result<(), Failure> {
    set("20,000 structs", &users(), sides)?;
    // What is borrowed has to live as long as the work, which is as long as the program.
    let pickle: &'static [u8] = dumps(&users())?.leak();
    let json: &'static [u8] = serde_json::to_vec(&users())?.leak();
    let packed: &'static [u8] = rmp_serde::to_vec_named(&users())?.leak();
    let name = || "serde read 20,000 structs, borrowed".to_owned();
    sides.push((
        "here",
        work(name(), move || {
            black_box(pickle_codec::from_slice::<Vec<UserRef<'_>>>(black_box(pickle))).is_ok()
        }),
    ));
    sides.push((
        "serde_json",
        work(name(), move || black_box(serde_json::from_slice::<Vec<UserRef<'_>>>(black_box(json))).is_ok()),
    ));
    sides.push((
        "rmp-serde",
        work(name(), move || black_box(rmp_serde::from_slice::<Vec<UserRef<'_>>>(black_box(packed))).is_ok()),
    ));
    Ok(())
}

/// The pickles that CPython reads beside, by the names of the works.
///
/// # Errors
///
/// As [`serde_works`].
pub fn pickles() -> Result<Vec<(&'static str, Vec<u8>)>, Failure> {
    Ok(vec![
        ("20,000 structs", dumps(&users())?),
        ("nested document", dumps(&sections(5, 4))?),
        ("map of 100,000", dumps(&map())?),
        ("100,000 records", dumps(&samples())?),
    ])
}
