//! `logrecord inspect`: what pickles name and call, without running them.
//!
//! Files are read as they are: folders, archives, compressed files and streams of pickles, by [`files`] and
//! [`archive`]; what was found is written by [`report`].

#[cfg(feature = "archives")]
mod archive;
mod files;
mod magic;
mod report;

use std::io::{self, BufReader, Read};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use logrecord::frame::FrameReader;
use logrecord::pickle::inspect::{Inspection, Inspector, inspect};

use crate::args::{InputArg, InspectArgs};
use crate::exit::Failure;
use crate::input;

use report::Report;

/// A pickle up to this size is kept in memory for its listing; a longer one is only judged.
const MAX_LISTED: usize = 256 << 20;

/// How much is read at a time.
const BUFFER: usize = 256 << 10;

/// Looks into every path.
pub(crate) fn run(args: &InspectArgs) -> anyhow::Result<ExitCode> {
    let mut report = Report::new(args);
    match (&args.paths[..], args.input) {
        ([path], _) if !path.is_dir() => one(path, args, &mut report)?,
        (paths, InputArg::Pickle) => {
            for path in paths {
                files::path(path, &mut report)?;
            }
        }
        (paths, _) => {
            for path in paths {
                let name = path.display().to_string();
                each_pickle(path, args.input, &mut |pickle| {
                    report.pickles(&name, &inspect(pickle), Some(pickle), true)
                })?;
                report.file();
            }
        }
    }
    report.finish()
}

/// One file: a bare pickle is listed.
fn one(path: &Path, args: &InspectArgs, report: &mut Report<'_>) -> anyhow::Result<()> {
    if args.input != InputArg::Pickle {
        let mut pickles = Vec::new();
        each_pickle(path, args.input, &mut |pickle| {
            pickles.push(pickle.to_vec());
            Ok(())
        })?;
        let is_one = pickles.len() == 1;
        for pickle in &pickles {
            report.bare(&inspect(pickle), pickle, is_one)?;
        }
        report.file();
        return Ok(());
    }
    let mut reader = input::open(path)?;
    let mut start = Vec::new();
    reader.by_ref().take(magic::LOOK).read_to_end(&mut start).context(READ)?;
    if magic::kind(&start).is_some() {
        // Archives have several pickles, of which none is bare.
        drop(reader);
        if path == Path::new("-") {
            return archive::from_memory("-", start, io::stdin().lock(), report);
        }
        return files::path(path, report);
    }
    report.keeps_all(!args.json);
    let (seen, kept) = read(start, reader, report)?;
    match kept {
        Some(whole) => report.bare(&seen, &whole, true)?,
        None => report.unlisted(&seen)?,
    }
    report.file();
    Ok(())
}

/// Looks into `start` and all that a reader gives behind it, or until nothing more can be found. Gives the bytes as well
/// if they are to be listed and are not too many for that.
fn read(
    start: Vec<u8>,
    mut reader: impl Read,
    report: &mut Report<'_>,
) -> anyhow::Result<(Vec<Inspection>, Option<Vec<u8>>)> {
    let mut inspector = Inspector::new();
    inspector.feed(&start);
    let mut kept = report.lists().then_some(start);
    let mut buffer = vec![0; BUFFER];
    let mut seen = Vec::new();
    while !inspector.is_over() {
        let piece = match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(len) => buffer.get(..len).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error).context(READ),
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
    Ok((seen, kept))
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

const READ: Failure = Failure::unavailable("cannot read the input");

/// Containers, in a program that was built without what reads them.
#[cfg(not(feature = "archives"))]
mod archive {
    use std::fs::File;
    use std::io::Read;

    use crate::inspect::report::Report;

    const WHY: &str = "it holds other files, and this program was built without the feature `archives`";

    pub(super) fn from_file(name: &str, _: &[u8], _: &File, report: &mut Report<'_>) -> anyhow::Result<()> {
        report.problem(name, WHY)
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
