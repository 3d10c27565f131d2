//! What the other codecs read the inputs into.
//!
//! `serde-pickle` has a value of its own; `deser-pickle` reads into Rust types, so each input gets the types that
//! suit it best, which is less work than a `Document`: nothing is kept of what has no field.

use deser::{Deserialize, Serialize};

use crate::Input;

/// The attributes of a record that have one type in all inputs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the fields have the names of Python's attributes")]
#[allow(non_snake_case, reason = "the fields have the names of Python's attributes")]
pub struct Record {
    pub name: String,
    pub msg: String,
    pub levelname: String,
    pub levelno: i64,
    pub pathname: String,
    pub filename: String,
    pub module: String,
    pub exc_text: Option<String>,
    pub stack_info: Option<String>,
    pub lineno: i64,
    pub funcName: String,
    pub created: f64,
    pub msecs: f64,
    pub relativeCreated: f64,
    pub thread: i64,
    pub threadName: String,
    pub processName: String,
    pub process: i64,
    pub taskName: Option<String>,
}

/// One of the small dicts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the fields are the keys of the input")]
pub struct Small {
    pub name: String,
    pub value: i64,
    pub flag: bool,
    pub note: String,
}

/// Reads an input as `deser-pickle` does it best; tells whether it could.
#[must_use]
pub fn deser(input: &Input) -> bool {
    let bytes = std::hint::black_box(&input.bytes[..]);
    match input.name {
        "100,000 strings" => deser_pickle::from_slice::<Vec<String>>(bytes).is_ok(),
        "200,000 ints" => deser_pickle::from_slice::<Vec<i64>>(bytes).is_ok(),
        "20,000 dicts" => deser_pickle::from_slice::<Vec<Small>>(bytes).is_ok(),
        _ => deser_pickle::from_slice::<Record>(bytes).is_ok(),
    }
}

/// Reads an input into `serde-pickle`'s value; tells whether it could.
#[must_use]
pub fn serde_pickle(input: &Input) -> bool {
    serde_pickle::value_from_slice(std::hint::black_box(&input.bytes), serde_pickle::DeOptions::new()).is_ok()
}
