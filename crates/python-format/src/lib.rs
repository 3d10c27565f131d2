//! Python's text formatting in Rust: `%`, `str.format`, `string.Template` and `strftime`, over the values of a pickle.
//!
//! What comes out is what CPython 3.8 to 3.13 writes, on Linux and in the C locale, its errors included. What
//! differs: every output, and the work for it, has an end, because formats and arguments may come from a stranger;
//! and lone surrogates are written as `\udXXX`, because the result is a Rust string. `repr` and `str` of values are
//! those of [`pickle_codec`].
//!
//! ```
//! use pickle_codec::Value;
//! use python_format::{PercentFormat, Zone};
//! assert_eq!(PercentFormat::new().format("%-5s|%05.1f", &Value::tuple([Value::from("ab"), Value::Float(2.25)]))?, "ab   |002.2");
//! assert_eq!(Zone::utc().strftime("%a %d %b %Y", 0.0)?, "Thu 01 Jan 1970");
//! # Ok::<(), python_format::FormatError>(())
//! ```
//!
//! # Limits
//!
//! A message ends after [`DEFAULT_MESSAGE_LIMIT`] bytes and [`DEFAULT_MAX_DIRECTIVES`] directives, visibly: [`CUT`]
//! stands at its end.
//!
//! # Panics
//!
//! None: no input makes a function of this crate panic.
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod brace;
mod calendar;
mod class;
mod dollar;
mod error;
mod escape;
mod fields;
mod float;
mod format;
mod known;
mod output;
mod percent;
mod show;
mod strftime;
mod text;
mod zone;

pub use class::{is_true, number, type_name};
pub use error::FormatError;
pub use escape::escape_line;
pub use fields::Fields;
pub use format::{Format, Highlight, Style};
pub use output::{CUT, DEFAULT_MAX_DIRECTIVES, Output};
pub use percent::{DEFAULT_MESSAGE_LIMIT, PercentFormat};
pub use show::text_of;
pub use text::Text;
pub use zone::Zone;

/// The README's examples are compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
