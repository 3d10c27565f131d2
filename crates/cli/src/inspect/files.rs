//! Paths that are files or folders.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use super::report::Report;
use super::source::{self, READ, Source};
use super::{Looked, archive, magic, read};
use crate::exit::Failure;
use anyhow::Context as _;

/// Folders in folders that are entered at most.
const MAX_DEPTH: usize = 64;

/// Looks into a path that was named; the only one is listed, if it is a bare pickle.
pub(super) fn path(path: &Path, is_only: bool, report: &mut Report<'_>) -> anyhow::Result<()> {
    if path == Path::new("-") {
        return file_like("-", std::io::stdin().lock(), None, is_only, report);
    }
    let metadata = fs::metadata(path)
        .with_context(|| format!("{}", path.display()))
        .context(Failure::unavailable("cannot open the input"))?;
    if metadata.is_dir() {
        return folder(path, 0, report);
    }
    let file = File::open(path)
        .with_context(|| format!("{}", path.display()))
        .context(Failure::unavailable("cannot open the input"))?;
    let regular = metadata.is_file().then(|| path.to_path_buf());
    file_like(&path.display().to_string(), file, regular.as_deref(), is_only, report)
}

/// Looks into a folder, in the order of its names. Links to folders are not followed, or there would be loops; what is
/// no file is passed over, because a pipe may never end.
fn folder(path: &Path, depth: usize, report: &mut Report<'_>) -> anyhow::Result<()> {
    if depth == MAX_DEPTH {
        return report.problem(&path.display().to_string(), "it lies too deep and is not entered");
    }
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) => return report.problem(&path.display().to_string(), &error.to_string()),
    };
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    for path in paths {
        let name = path.display().to_string();
        let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
        if metadata.is_dir() {
            folder(&path, depth + 1, report)?;
        } else if fs::metadata(&path).is_ok_and(|metadata| metadata.is_file()) {
            match File::open(&path) {
                Ok(file) => {
                    let found =
                        report.within_folder(|report| file_like(&name, file, Some(&path), false, report));
                    if let Err(error) = found {
                        report.problem(&name, &format!("{error:#}"))?;
                    }
                }
                Err(error) => report.problem(&name, &error.to_string())?,
            }
        }
    }
    Ok(())
}

/// Looks into what can be read. `regular` is its path where it is a file that can be read again from any place.
fn file_like(
    name: &str,
    mut reader: impl std::io::Read,
    regular: Option<&Path>,
    is_only: bool,
    report: &mut Report<'_>,
) -> anyhow::Result<()> {
    let mut start = Vec::new();
    reader.by_ref().take(magic::LOOK).read_to_end(&mut start).context(READ)?;
    report.file();
    if let Some(kind) = magic::kind(&start) {
        let before = report.lines();
        match regular {
            Some(path) => archive::from_file(name, &start, &mut File::open(path)?, report)?,
            None => archive::from_memory(name, start, reader, report)?,
        }
        return if report.lines() == before { report.no_pickle(name, kind) } else { Ok(()) };
    }
    let head = start.clone();
    let lists = report.lists() || is_only && report.is_text();
    let Looked { seen, kept, fault } = read(start, reader, lists && regular.is_none(), report);
    let source = match regular.filter(|_| lists) {
        Some(path) => Some(Box::new(File::open(path)?) as Box<dyn Source>),
        None => source::kept(kept),
    };
    if is_only {
        report.bare(&head, &seen, source, true)?;
    } else {
        report.pickles_of(name, &head, &seen, source)?;
    }
    if let Some(fault) = fault {
        return Err(fault).context(READ);
    }
    match regular {
        Some(path) => archive::behind(name, &mut File::open(path)?, report),
        None => Ok(()),
    }
}
