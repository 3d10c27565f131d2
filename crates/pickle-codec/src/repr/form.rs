//! How a node is printed: a word, a scalar, or delimiters and separators around other nodes.

use alloc::borrow::Cow;

use num_bigint::BigInt;

use crate::document::NodeId;
use crate::wire::text::Str;

/// How a node is printed.
pub(super) enum Form<'t> {
    /// A word such as `None`, or a text that needs no escapes.
    Word(Cow<'t, str>),
    Int(i64),
    Big(Cow<'t, BigInt>),
    Float(f64),
    Text(Str<'t>),
    Bytes(&'t [u8]),
    ByteArray(&'t [u8]),
    /// A container with children by place: how many, and what stands around them.
    Items(Delimiters, usize),
    /// An object: a head, some parts and a tail.
    Parts(Separators, Cow<'t, str>, [Option<NodeId>; 6], Cow<'t, str>),
}

/// What stands before each part of an object.
#[derive(Clone, Copy)]
pub(super) struct Separators {
    pub(super) first: &'static str,
    pub(super) other: &'static str,
    /// Whether the pairs of the dict stand by their counts, the highest first.
    pub(super) counts: bool,
    /// The place of the part, a dict, whose pairs stand as `key=value`.
    pub(super) keywords: Option<usize>,
}

impl Separators {
    /// `Name(a, b)`.
    pub(super) const CALL: Self = Self { first: "", other: ", ", counts: false, keywords: None };
    /// `Counter({'a': 2, 'b': 1})`.
    pub(super) const COUNTER: Self = Self { first: "", other: ", ", counts: true, keywords: None };
    /// `<Name a b>`.
    pub(super) const WORDS: Self = Self { first: " ", other: " ", counts: false, keywords: None };
}

/// What stands around the children of a container.
#[derive(Clone, Copy)]
pub(super) struct Delimiters {
    pub(super) head: &'static str,
    pub(super) tail: &'static str,
    /// Without any children.
    pub(super) empty: &'static str,
    /// For a container inside itself.
    pub(super) cycle: &'static str,
    pub(super) style: Punctuation,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Punctuation {
    Plain,
    /// One item has a comma behind it.
    Tuple,
    /// Keys and values in turn.
    Dict,
}

impl Delimiters {
    pub(super) const LIST: Self =
        Self { head: "[", tail: "]", empty: "[]", cycle: "[...]", style: Punctuation::Plain };
    pub(super) const TUPLE: Self =
        Self { head: "(", tail: ")", empty: "()", cycle: "(...)", style: Punctuation::Tuple };
    pub(super) const DICT: Self =
        Self { head: "{", tail: "}", empty: "{}", cycle: "{...}", style: Punctuation::Dict };
    pub(super) const SET: Self =
        Self { head: "{", tail: "}", empty: "set()", cycle: "set(...)", style: Punctuation::Plain };
    pub(super) const FROZENSET: Self = Self {
        head: "frozenset({",
        tail: "})",
        empty: "frozenset()",
        cycle: "frozenset(...)",
        style: Punctuation::Plain,
    };
    pub(super) const PERSID: Self = Self {
        head: "<persistent id ",
        tail: ">",
        empty: "<persistent id>",
        cycle: "<persistent id ...>",
        style: Punctuation::Plain,
    };
}
