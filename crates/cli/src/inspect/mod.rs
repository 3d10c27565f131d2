//! `logrecord inspect`: what pickles name and call, without running them.
//!
//! Files are read as they are: folders, archives, compressed files and streams of pickles, by [`files`] and
//! [`archive`]; what was found is written by [`report`].

#[cfg(feature = "archives")]
mod archive;
mod files;
mod magic;
mod report;
mod source;
#[cfg(feature = "archives")]
mod zip;

use std::io::{self, BufReader, Read};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use logrecord::frame::FrameReader;
use logrecord::pickle::inspect::{Inspection, Inspector};

use crate::args::{InputArg, InspectArgs};
use crate::input;

use report::Report;
use source::{BUFFER, READ};

/// A pickle that cannot be read again from its file is kept in memory for its listing up to this size; a longer one is
/// only judged.
const MAX_LISTED: usize = 256 << 20;

/// Looks into every path.
pub(crate) fn run(args: &InspectArgs) -> anyhow::Result<ExitCode> {
    let mut report = Report::new(args);
    let is_only = matches!(&args.paths[..], [path] if !path.is_dir());
    for path in &args.paths {
        match args.input {
            InputArg::Pickle => files::path(path, is_only, &mut report)?,
            input => {
                let name = path.display().to_string();
                let name = (!is_only).then_some(name.as_str());
                // The first one waits, as it is listed if it is the only one.
                let (mut first, mut is_first) = (None, true);
                each_pickle(path, input, &mut |pickle| {
                    if std::mem::replace(&mut is_first, false) {
                        first = Some(pickle.to_vec());
                        return Ok(());
                    }
                    if let Some(first) = first.take() {
                        report.named_or_bare(name, &first, false)?;
                    }
                    report.named_or_bare(name, pickle, false)
                })?;
                if let Some(only) = first {
                    report.named_or_bare(name, &only, true)?;
                }
                report.file();
            }
        }
    }
    report.finish()
}

/// What was seen of pickles.
struct Looked {
    seen: Vec<Inspection>,
    /// The bytes, if they were to be kept and were not too many for that.
    kept: Option<Vec<u8>>,
    /// Why they were not read to their end.
    fault: Option<io::Error>,
}

/// Looks into `start` and all that a reader gives behind it, or until nothing more can be found.
fn read(start: Vec<u8>, mut reader: impl Read, keeps: bool, report: &mut Report<'_>) -> Looked {
    let mut fault = None;
    let mut inspector = Inspector::new();
    inspector.feed(&start);
    let mut kept = keeps.then_some(start);
    let mut buffer = vec![0; BUFFER];
    let mut seen = Vec::new();
    while !inspector.is_over() {
        let piece = match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(len) => buffer.get(..len).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                fault = Some(error);
                break;
            }
        };
        inspector.feed(piece);
        kept = kept.filter(|kept| kept.len() + piece.len() <= MAX_LISTED);
        if let Some(kept) = &mut kept {
            kept.extend_from_slice(piece);
        }
        report.went_on(piece.len());
        seen.extend(inspector.take_done());
    }
    seen.extend(inspector.finish());
    Looked { seen, kept, fault }
}

/// The pickles of frames or of lines of hexadecimal.
fn each_pickle(
    path: &Path,
    input: InputArg,
    take: &mut dyn FnMut(&[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut reader = input::open(path)?;
    if input == InputArg::Frames {
        let mut frames = FrameReader::with_max_frame_len(BufReader::new(reader), u32::MAX);
        while let Some(frame) = frames.read_frame().context(READ)? {
            take(opened(&frame))?;
        }
        return Ok(());
    }
    let mut line = Vec::new();
    let mut number = 0;
    while let Some(read) = input::line(&mut reader, input::MAX_LINE, &mut line)? {
        number += 1;
        let digits = line.trim_ascii();
        if read == input::Line::Whole && digits.is_empty() {
            continue;
        }
        let mut pickle = Vec::new();
        anyhow::ensure!(
            read == input::Line::Whole && input::unhex(digits, &mut pickle),
            "{}: line {number} is not hexadecimal",
            path.display()
        );
        take(&pickle)?;
    }
    Ok(())
}

/// What an envelope of the first version holds; anything else as it is.
fn opened(frame: &[u8]) -> &[u8] {
    let payload = |frame: &'_ [u8]| -> Option<(usize, usize)> {
        let rest = frame.strip_prefix(b"\xffLR\x01")?;
        let begin = 4 + 3 + usize::from(*rest.get(2)?) + 16 + 8 + 8;
        let end = frame.len().checked_sub(32)?;
        (begin <= end).then_some((begin, end))
    };
    payload(frame).and_then(|(begin, end)| frame.get(begin..end)).unwrap_or(frame)
}

/// Containers, in a program that was built without what reads them.
#[cfg(not(feature = "archives"))]
mod archive {
    use std::fs::File;
    use std::io::Read;

    use crate::inspect::report::Report;

    const WHY: &str = "it holds other files, and this program was built without the feature `archives`";

    pub(super) fn from_file(
        name: &str,
        _: &[u8],
        _: &mut File,
        report: &mut Report<'_>,
    ) -> anyhow::Result<()> {
        report.problem(name, WHY)
    }

    pub(super) fn behind(_: &str, _: &mut File, _: &mut Report<'_>) -> anyhow::Result<()> {
        Ok(())
    }

    pub(super) fn from_memory(
        name: &str,
        _: Vec<u8>,
        _: impl Read,
        report: &mut Report<'_>,
    ) -> anyhow::Result<()> {
        report.problem(name, WHY)
    }
}
