//! The way of a record from the receiver to outputs.
//!
//! ```text
//! Intake -> Log (memory or spool) -> for each output a Driver: read, decode, route, encode, batch -> Output
//! ```
//!
//! - A [`Log`] holds payloads as they came, once for all outputs: in memory, bounded by its real size, or in a spool.
//! - A [`Driver`] is a reader of the log with a cursor. It decodes (borrowed), asks the [`Routes`], lets its
//!   [`Encoder`] make a batch, and hands that to its [`Output`]; it has the tries, the time, and a control channel that
//!   no record can fill.
//! - A [`Ledger`] has the counts. What arrived, and what each output has of it, add up by types: a receipt that is not
//!   settled counts as lost.
//! - An output knows no queue, no retry and no count. [`outputs`] has those that there are.
//!
//! It prints nothing and catches no signal; whoever runs it says what is to be said.
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod driver;
mod intake;
mod ledger;
mod log;
mod offers;
mod output;
pub mod outputs;
mod pending;
mod route;
mod settings;

pub use crate::{
    driver::Driver,
    intake::Intake,
    ledger::{IntakeCounts, Ledger, OutputCounts, OutputLedger, Reasons, Receipt, Run},
    log::{Log, LogCursor, LogReader},
    offers::Offers,
    output::{Batch, Delivery, Encoder, End, Logged, Output, Place},
    route::{Route, Routes},
    settings::{OnReject, Say, Settings, Shared, WhenBehind},
};

/// The README's examples are compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
