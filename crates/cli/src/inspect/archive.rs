//! Files that hold other files: zip, tar, gzip, zlib, bzip2, xz, lzma, and numpy's arrays of objects.
//!
//! Crates of their own read the containers; here are the bounds. A container in a container is looked into as well,
//! and what a member expands to is read as a stream, so that a bomb costs time up to a bound and no memory.

use std::cell::Cell;
use std::io::{self, Cursor, Read, Seek};
use std::rc::Rc;

use logrecord::pickle::inspect::Verdict;

use super::magic::{Kind, LOOK, kind, unread_archive};
use super::report::Report;
use super::zip::{self, MAX_DICTIONARY};
use super::{Looked, read, source};

/// Containers in which a container lies that is looked into.
const MAX_DEPTH: usize = 8;

/// Members of all containers of one file.
const MAX_MEMBERS: usize = 100_000;

/// Bytes that the members of one file may expand to together.
const MAX_EXPANDED: u64 = 4 << 30;

/// What is looked at of the header of a numpy array; a longer one may be that of objects.
const MAX_HEADER: u64 = 1 << 20;

/// A container that cannot be read from its file is kept in memory, up to this size.
const MAX_KEPT: u64 = 256 << 20;

/// What is left of the bounds of one file.
#[derive(Clone)]
struct Bounds {
    members: Rc<Cell<usize>>,
    bytes: Rc<Cell<u64>>,
}

/// A reader that ends with an error where the bound of expanded bytes is passed.
struct Bounded<R> {
    inner: R,
    left: Bounds,
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

/// Looks into a container.
pub(super) fn from_file(
    name: &str,
    start: &[u8],
    file: &mut (impl Read + Seek),
    report: &mut Report<'_>,
) -> anyhow::Result<()> {
    Search::new(report).container(name, start, file, 0)
}

/// Looks into a container that is kept in memory.
pub(super) fn from_memory(
    name: &str,
    start: Vec<u8>,
    reader: impl Read,
    report: &mut Report<'_>,
) -> anyhow::Result<()> {
    Search::new(report).kept(name, start, reader, 0)
}

/// Looks into a zip archive that stands behind something else, as programs that unpack themselves have it.
pub(super) fn behind(
    name: &str,
    file: &mut (impl Read + Seek),
    report: &mut Report<'_>,
) -> anyhow::Result<()> {
    match zip::Archive::find(file) {
        Ok(Some(archive)) if archive.has_members() => Search::new(report).zip(name, archive, file, 0),
        _ => Ok(()),
    }
}

struct Search<'a, 'r> {
    report: &'a mut Report<'r>,
    left: Bounds,
}

impl<'a, 'r> Search<'a, 'r> {
    fn new(report: &'a mut Report<'r>) -> Self {
        let left =
            Bounds { members: Rc::new(Cell::new(MAX_MEMBERS)), bytes: Rc::new(Cell::new(MAX_EXPANDED)) };
        Self { report, left }
    }

    /// Keeps a stream that begins with `start`, to read it as a container.
    fn kept(&mut self, name: &str, start: Vec<u8>, reader: impl Read, depth: usize) -> anyhow::Result<()> {
        let mut whole = start;
        if let Err(error) = reader.take(MAX_KEPT).read_to_end(&mut whole) {
            // What came before that is looked into all the same.
            self.report.problem(name, &error.to_string())?;
        }
        if whole.len() as u64 > MAX_KEPT {
            return self.report.problem(name, "it is too large to look into from a stream");
        }
        let start = whole.get(..whole.len().min(LOOK as usize)).unwrap_or_default().to_vec();
        self.container(name, &start, &mut Cursor::new(whole), depth)
    }

    /// Looks into a container, whatever is wrong with it. If nothing in it names anything, it is read as a pickle: the
    /// beginnings of most are those of pickles, too, and a file can be both.
    fn container(
        &mut self,
        name: &str,
        start: &[u8],
        file: &mut (impl Read + Seek),
        depth: usize,
    ) -> anyhow::Result<()> {
        let before = self.report.named();
        self.members(name, start, file, depth)?;
        if self.report.named() == before && file.rewind().is_ok() {
            let seen = read(Vec::new(), file, false, self.report).seen;
            let is_name = |name: &str| name != "PERSID" && !name.contains('\0');
            if seen.iter().any(|seen| seen.names.iter().any(|name| is_name(&name.name))) {
                self.report.pickles(name, &seen, None, false)?;
            }
        }
        Ok(())
    }

    fn members(
        &mut self,
        name: &str,
        start: &[u8],
        file: &mut (impl Read + Seek),
        depth: usize,
    ) -> anyhow::Result<()> {
        let found = match kind(start) {
            Some(Kind::Zip) => match zip::Archive::find(file) {
                Ok(Some(archive)) => self.zip(name, archive, file, depth),
                Ok(None) => self.report.problem(name, "the archive has no directory"),
                Err(error) => Err(error.into()),
            },
            Some(Kind::Tar) => self.tar(name, file, depth),
            Some(Kind::Gzip) => self.member(name, flate2::read::MultiGzDecoder::new(file), depth, true),
            Some(Kind::Zlib) => self.member(name, flate2::read::ZlibDecoder::new(file), depth, true),
            Some(Kind::OldJoblib) => self.old_joblib(name, file, depth),
            Some(Kind::Bzip2) => self.member(name, bzip2::read::MultiBzDecoder::new(file), depth, true),
            Some(Kind::Xz) => {
                let reader = lzma_rust2::XzReader::new_mem_limit(file, true, MAX_DICTIONARY);
                self.member(name, reader, depth, true)
            }
            Some(Kind::Lzma) => match lzma_rust2::LzmaReader::new_mem_limit(file, MAX_DICTIONARY, None) {
                Ok(reader) => self.member(name, reader, depth, true),
                Err(error) => Err(error.into()),
            },
            Some(Kind::Npy) => self.npy(name, file),
            None => Ok(()),
        };
        match found {
            Err(error) if error.downcast_ref::<io::Error>().is_some() => {
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

    fn zip(
        &mut self,
        name: &str,
        mut archive: zip::Archive,
        file: &mut (impl Read + Seek),
        depth: usize,
    ) -> anyhow::Result<()> {
        while let Some(member) = archive.next(file)? {
            if member.is_folder() {
                continue;
            }
            if !self.one_more(name)? {
                break;
            }
            let inner = format!("{name}!{}", String::from_utf8_lossy(&member.name));
            let reader = match zip::open(&member, file) {
                Ok(reader) => reader,
                Err(error) => {
                    self.report.problem(&inner, &error.to_string())?;
                    continue;
                }
            };
            if !member.is_encrypted {
                self.guarded(&inner, reader, depth)?;
                continue;
            }
            // The flag alone keeps scanners out, and not all programs that load the member.
            let before = self.report.lines();
            let looked = self.member(&inner, reader, depth, false);
            if looked.is_err() || self.report.lines() == before {
                self.report.problem(&inner, "it is encrypted")?;
            }
        }
        Ok(())
    }

    fn tar(&mut self, name: &str, file: &mut impl Read, depth: usize) -> anyhow::Result<()> {
        let mut archive = tar::Archive::new(file);
        for entry in archive.entries()? {
            let mut entry = entry?;
            use tar::EntryType as Type;
            // As `tarfile` does, an unknown type is taken for a file.
            if matches!(
                entry.header().entry_type(),
                Type::Directory
                    | Type::Symlink
                    | Type::Link
                    | Type::Char
                    | Type::Block
                    | Type::Fifo
                    | Type::XGlobalHeader
            ) {
                continue;
            }
            if !self.one_more(name)? {
                break;
            }
            let inner = format!("{name}!{}", String::from_utf8_lossy(&entry.path_bytes()));
            let is_sparse = entry.pax_extensions()?.is_some_and(|mut keys| {
                keys.any(|key| key.is_ok_and(|key| key.key_bytes().starts_with(b"GNU.sparse.")))
            });
            match is_sparse {
                true => self.report.problem(&inner, "it is sparse in a way that is not looked into")?,
                false => self.guarded(&inner, entry, depth)?,
            }
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

    /// What a container holds: another container, or pickles, or neither. What came before a fault is looked into.
    fn member(&mut self, name: &str, reader: impl Read, depth: usize, is_named: bool) -> anyhow::Result<()> {
        let mut reader = Bounded { inner: reader, left: self.left.clone() };
        let mut start = Vec::new();
        let fault = reader.by_ref().take(LOOK).read_to_end(&mut start).err();
        if kind(&start).is_some() {
            if depth >= MAX_DEPTH {
                return self.report.problem(name, "containers lie too deep in one another");
            }
            // Reading it as it comes would make a type of readers in readers without end.
            let reader: Box<dyn Read + '_> = Box::new(reader);
            self.kept(name, start, reader, depth + 1)?;
            return fault.map_or(Ok(()), |fault| Err(fault.into()));
        }
        if let Some(what) = unread_archive(&start) {
            return self.report.problem(name, what);
        }
        let looked = read(start, reader, self.report.lists(), self.report);
        self.looked(name, looked, fault, is_named)
    }

    fn looked(
        &mut self,
        name: &str,
        looked: Looked,
        fault: Option<io::Error>,
        is_named: bool,
    ) -> anyhow::Result<()> {
        let fault = fault.or(looked.fault);
        if looked.seen.iter().any(|seen| seen.verdict != Verdict::NotAPickle) || is_named && fault.is_none() {
            self.report.pickles(name, &looked.seen, source::kept(looked.kept), is_named)?;
        } else if fault.is_none() {
            self.report.passed_over();
        }
        fault.map_or(Ok(()), |fault| Err(fault.into()))
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
        file.by_ref().take(len.min(MAX_HEADER)).read_to_end(&mut header)?;
        io::copy(&mut file.by_ref().take(len.saturating_sub(MAX_HEADER)), &mut io::sink())?;
        if !header.contains(&b'O') && len <= MAX_HEADER {
            self.report.passed_over();
            return Ok(());
        }
        let looked = read(Vec::new(), file, self.report.lists(), self.report);
        self.looked(name, looked, None, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bomb_ends_where_the_bound_of_expanded_bytes_is_passed() {
        let left = Bounds { members: Rc::new(Cell::new(1)), bytes: Rc::new(Cell::new(1000)) };
        let mut first = Bounded { inner: io::repeat(0).take(900), left: left.clone() };
        assert_eq!(io::copy(&mut first, &mut io::sink()).unwrap(), 900);
        let mut second = Bounded { inner: io::repeat(0), left };
        let error = io::copy(&mut second, &mut io::sink()).unwrap_err();
        assert!(error.to_string().contains("more than 4 GiB"), "{error}");
    }
}
