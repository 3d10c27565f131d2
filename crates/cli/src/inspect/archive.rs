//! Files that hold other files: zip, tar, gzip, zlib, bzip2, xz, lzma, and numpy's arrays of objects.
//!
//! Crates of their own read the containers; here are the bounds. A container in a container is looked into as well,
//! and what a member expands to is read as a stream, so that a bomb costs time up to a bound and no memory.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Cursor, Read, Seek};
use std::rc::Rc;

use logrecord::pickle::inspect::Verdict;

use super::magic::{Kind, LOOK, kind};
use super::report::Report;
use super::{read, source};

/// Containers in containers that are looked into.
const MAX_DEPTH: usize = 8;

/// Members of all containers of one file.
const MAX_MEMBERS: usize = 100_000;

/// Bytes that the members of one file may expand to together.
const MAX_EXPANDED: u64 = 4 << 30;

/// A container that cannot be read from its file is kept in memory, up to this size.
const MAX_KEPT: u64 = 256 << 20;

/// What is left of the bounds of one file.
#[derive(Clone)]
struct Left {
    members: Rc<Cell<usize>>,
    bytes: Rc<Cell<u64>>,
}

/// A reader that ends with an error where the bound of expanded bytes is passed.
struct Bounded<R> {
    inner: R,
    left: Left,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.inner.read(buffer)?;
        let left = self.left.bytes.get().checked_sub(len as u64);
        let left = left.ok_or_else(|| {
            io::Error::other(format!(
                "it expands to more than {} GiB, and the rest is not read",
                MAX_EXPANDED >> 30
            ))
        })?;
        self.left.bytes.set(left);
        Ok(len)
    }
}

/// Looks into a container that is a file.
pub(super) fn from_file(
    name: &str,
    start: &[u8],
    file: &File,
    report: &mut Report<'_>,
) -> anyhow::Result<()> {
    let left = Left { members: Rc::new(Cell::new(MAX_MEMBERS)), bytes: Rc::new(Cell::new(MAX_EXPANDED)) };
    let mut search = Search { report, left };
    let before = search.report.named();
    search.container(name, start, &mut &*file, 0)?;
    if kind(start) == Some(Kind::Zip) && search.report.named() == before {
        // A file can be both: a zip archive is read from its end, a pickle from its beginning.
        (&mut &*file).rewind()?;
        let (seen, _) = read(Vec::new(), file, false, search.report)?;
        if seen.iter().any(|seen| seen.names.iter().any(|name| name.name != "PERSID")) {
            search.report.pickles(name, &seen, None, false)?;
        }
    }
    Ok(())
}

/// Looks into a container that is kept in memory.
pub(super) fn from_memory(
    name: &str,
    start: Vec<u8>,
    reader: impl Read,
    report: &mut Report<'_>,
) -> anyhow::Result<()> {
    let left = Left { members: Rc::new(Cell::new(MAX_MEMBERS)), bytes: Rc::new(Cell::new(MAX_EXPANDED)) };
    let mut search = Search { report, left };
    search.kept(name, start, reader, 0)
}

struct Search<'a, 'r> {
    report: &'a mut Report<'r>,
    left: Left,
}

impl Search<'_, '_> {
    /// Keeps a stream that begins with `start`, to read it as a container.
    fn kept(&mut self, name: &str, start: Vec<u8>, reader: impl Read, depth: usize) -> anyhow::Result<()> {
        let mut whole = start;
        if let Err(error) = reader.take(MAX_KEPT).read_to_end(&mut whole) {
            return self.report.problem(name, &error.to_string());
        }
        if whole.len() as u64 > MAX_KEPT {
            return self.report.problem(name, "it is too large to look into from a stream");
        }
        let start = whole.get(..whole.len().min(LOOK as usize)).unwrap_or_default().to_vec();
        self.container(name, &start, &mut Cursor::new(whole), depth)
    }

    /// Looks into a container, whatever is wrong with it.
    fn container(
        &mut self,
        name: &str,
        start: &[u8],
        file: &mut (impl Read + Seek),
        depth: usize,
    ) -> anyhow::Result<()> {
        let found = match kind(start) {
            Some(Kind::Zip) => self.zip(name, file, depth),
            Some(Kind::Tar) => self.tar(name, file, depth),
            Some(Kind::Gzip) => self.member(name, flate2::read::MultiGzDecoder::new(file), depth, true),
            Some(Kind::Zlib) => self.member(name, flate2::read::ZlibDecoder::new(file), depth, true),
            Some(Kind::OldJoblib) => self.old_joblib(name, file, depth),
            Some(Kind::Bzip2) => self.member(name, bzip2::read::MultiBzDecoder::new(file), depth, true),
            Some(Kind::Xz) => self.member(name, lzma_rust2::XzReader::new(file, true), depth, true),
            Some(Kind::Lzma) => match lzma_rust2::LzmaReader::new_mem_limit(file, 64 << 10, None) {
                Ok(reader) => self.member(name, reader, depth, true),
                Err(error) => Err(error.into()),
            },
            Some(Kind::Npy) => self.npy(name, file),
            None => Ok(()),
        };
        match found {
            Err(error)
                if error.downcast_ref::<io::Error>().is_some()
                    || error.downcast_ref::<zip::result::ZipError>().is_some() =>
            {
                self.report.problem(name, &format!("{error:#}"))
            }
            other => other,
        }
    }

    /// `_read_zfile` of `joblib/numpy_pickle_utils.py`: behind the length may stand a blank.
    fn old_joblib(&mut self, name: &str, mut file: impl Read, depth: usize) -> anyhow::Result<()> {
        let mut head = [0; 22];
        file.read_exact(&mut head)?;
        let blank: &[u8] = if head.ends_with(b" ") { b"" } else { head.get(21..).unwrap_or_default() };
        self.member(name, flate2::read::ZlibDecoder::new(blank.chain(file)), depth, true)
    }

    fn zip(&mut self, name: &str, file: &mut (impl Read + Seek), depth: usize) -> anyhow::Result<()> {
        let mut archive = zip::ZipArchive::new(file)?;
        for index in 0..archive.len() {
            let member = match archive.by_index(index) {
                Ok(member) => member,
                Err(error) => {
                    self.report.problem(&format!("{name}!#{index}"), &error.to_string())?;
                    continue;
                }
            };
            if member.is_dir() {
                continue;
            }
            if !self.one_more(name)? {
                break;
            }
            let inner = format!("{name}!{}", String::from_utf8_lossy(member.name_raw()));
            self.guarded(&inner, member, depth + 1)?;
        }
        Ok(())
    }

    fn tar(&mut self, name: &str, file: &mut impl Read, depth: usize) -> anyhow::Result<()> {
        let mut archive = tar::Archive::new(file);
        for entry in archive.entries()? {
            let entry = entry?;
            if !entry.header().entry_type().is_file() {
                continue;
            }
            if !self.one_more(name)? {
                break;
            }
            let inner = format!("{name}!{}", String::from_utf8_lossy(&entry.path_bytes()));
            self.guarded(&inner, entry, depth + 1)?;
        }
        Ok(())
    }

    fn one_more(&mut self, name: &str) -> anyhow::Result<bool> {
        let Some(left) = self.left.members.get().checked_sub(1) else {
            self.report.problem(
                name,
                &format!("it has more than {MAX_MEMBERS} members, and the rest is not read"),
            )?;
            return Ok(false);
        };
        self.left.members.set(left);
        Ok(true)
    }

    /// A member whose fault does not hide the others.
    fn guarded(&mut self, name: &str, reader: impl Read, depth: usize) -> anyhow::Result<()> {
        let is_named = [".pkl", ".pickle"].iter().any(|ending| name.ends_with(ending));
        match self.member(name, reader, depth, is_named) {
            Err(error)
                if error.downcast_ref::<io::Error>().is_some()
                    || error.downcast_ref::<crate::exit::Failure>().is_some() =>
            {
                self.report.problem(name, &format!("{:#}", error))
            }
            other => other,
        }
    }

    /// What a container holds: another container, or pickles, or neither.
    fn member(&mut self, name: &str, reader: impl Read, depth: usize, is_named: bool) -> anyhow::Result<()> {
        let mut reader = Bounded { inner: reader, left: self.left.clone() };
        let mut start = Vec::new();
        reader.by_ref().take(LOOK).read_to_end(&mut start)?;
        if kind(&start).is_some() {
            if depth >= MAX_DEPTH {
                return self.report.problem(name, "containers lie too deep in one another");
            }
            // Reading it as it comes would make a type of readers in readers without end.
            let reader: Box<dyn Read + '_> = Box::new(reader);
            return self.kept(name, start, reader, depth + 1);
        }
        let (seen, kept) = read(start, reader, self.report.lists(), self.report)?;
        if !is_named && seen.iter().all(|seen| seen.verdict == Verdict::NotAPickle) {
            self.report.passed_over();
            return Ok(());
        }
        self.report.pickles(name, &seen, source::kept(kept), is_named)
    }

    /// An array of objects is a header and a pickle; other arrays have none.
    fn npy(&mut self, name: &str, file: &mut impl Read) -> anyhow::Result<()> {
        let mut fixed = [0; 10];
        file.read_exact(&mut fixed)?;
        let mut len = u64::from(u16::from_le_bytes([fixed[8], fixed[9]]));
        if fixed[6] > 1 {
            let mut high = [0; 2];
            file.read_exact(&mut high)?;
            len |= u64::from(u16::from_le_bytes(high)) << 16;
        }
        let mut header = Vec::new();
        file.by_ref().take(len.min(1 << 20)).read_to_end(&mut header)?;
        if !header.windows(2).any(|two| two == b"|O") && !header.contains(&b'O') {
            self.report.passed_over();
            return Ok(());
        }
        let (seen, kept) = read(Vec::new(), file, self.report.lists(), self.report)?;
        self.report.pickles(name, &seen, source::kept(kept), true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bomb_ends_where_the_bound_of_expanded_bytes_is_passed() {
        let left = Left { members: Rc::new(Cell::new(1)), bytes: Rc::new(Cell::new(1000)) };
        let mut first = Bounded { inner: io::repeat(0).take(900), left: left.clone() };
        assert_eq!(io::copy(&mut first, &mut io::sink()).unwrap(), 900);
        let mut second = Bounded { inner: io::repeat(0), left };
        let error = io::copy(&mut second, &mut io::sink()).unwrap_err();
        assert!(error.to_string().contains("more than 4 GiB"), "{error}");
    }
}
