//! An append-only log in a directory: records go in at one end, and each reader has a cursor of its own.
//!
//! It is made for a program that must not lose what it has acknowledged, whatever happens to the process, and that
//! starts within a moment afterwards, whatever has happened to the files.
//!
//! - **Group commit.** One thread writes what is queued with one write and one sync, and then tells the waiters.
//!   Readers see only what is durable.
//! - **A failed write or sync is never tried again on the same file.** The segment ends where it was last durable,
//!   and the batch goes into a new one from memory.
//! - **Recovery reads one segment**, cuts what was not finished, and never refuses to start. Damage costs the
//!   damaged records and no others; since indices count up by one, what is missing is counted exactly.
//! - **Bounded.** Queue, segments and what is kept behind the cursors have limits. What does not fit is refused with
//!   a reason, and the caller decides.
//! - **Cursors** are stored before the segments go that they have passed. They can say what is being handed on at the
//!   moment, so that after a crash only that is in doubt.
//!
//! The crate knows nothing of what an [`Entry`] holds, and does not need an async runtime. See [`Spool`] for an
//! example; the format of the files is in the documentation of the items and, whole, in the README.
//!
//! # Panics
//!
//! Nothing that stands in a directory makes this crate panic.
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod bytes;
mod checkpoint;
mod config;
mod cursor;
mod disk;
mod entry;
mod format;
mod lock;
mod reader;
mod recover;
mod report;
mod scan;
mod shared;
mod spool;
mod writer;

pub use crate::{
    checkpoint::Checkpoint,
    config::{Config, SyncRule},
    cursor::CursorState,
    disk::{Disk, DiskFile, OsDisk},
    entry::Entry,
    format::RunId,
    reader::{Reader, Record},
    recover::Recovery,
    report::{Report, SegmentReport, inspect, verify},
    shared::Full,
    spool::{Appender, Cursor, Room, Spool, Start, Status},
};

/// The README's examples are compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
