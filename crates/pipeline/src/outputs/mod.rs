//! The outputs, one file each.

mod file;
mod gzip;
mod lines;
mod stdout;

pub use self::{
    file::{FileOutput, Rotation},
    lines::{LineFormat, Lines, OnWritten},
    stdout::stdout,
};
