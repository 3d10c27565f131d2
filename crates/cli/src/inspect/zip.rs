//! Zip archives, read by the rules of all their readers at once.
//!
//! A hostile archive is broken in such a way that a scanner fails where the loading program does not. So nothing is
//! looked at here that a reader may pass over: checksums, the flag of encryption, what the members' own headers say of
//! name, method and length, the sizes of what comes out, a name that stands there twice, the count of members. And
//! where readers find different directories, the members of all of them are read: Python's `zipfile` takes the one
//! that ends at the end record, PyTorch's miniz the one whose offset stands in it, and the record's 64-bit form may say
//! something else.

use std::io::{self, Read, Seek, SeekFrom};

/// The end record, without its comment.
const END: usize = 22;

/// The 64-bit end record, and what tells where it is.
const END64: usize = 56;
const LOCATOR: usize = 20;

/// The end record and the longest comment.
const MAX_TAIL: u64 = 22 + 0xffff;

/// Memory for a dictionary of LZMA, in KiB: that of its highest level, 64 MiB, and some.
pub(super) const MAX_DICTIONARY: u32 = 72 << 10;

/// The directories of an archive.
pub(super) struct Archive {
    /// Where they begin, and what is to be added to the offsets in them.
    directories: Vec<(u64, u64)>,
    /// The length of the file.
    len: u64,
}

/// A file in an archive.
pub(super) struct Member {
    pub(super) name: Vec<u8>,
    pub(super) is_encrypted: bool,
    method: u64,
    packed: u64,
    at: u64,
}

impl Member {
    /// An entry for a folder, which has no bytes.
    pub(super) fn is_folder(&self) -> bool {
        self.packed == 0 && self.name.ends_with(b"/")
    }
}

impl Archive {
    /// Looks for the last end record with a directory; `None` if there is none.
    pub(super) fn find(file: &mut (impl Read + Seek)) -> io::Result<Option<Self>> {
        let len = file.seek(SeekFrom::End(0))?;
        let from = len.saturating_sub(MAX_TAIL);
        file.seek(SeekFrom::Start(from))?;
        let mut tail = Vec::new();
        file.by_ref().take(MAX_TAIL).read_to_end(&mut tail)?;
        let mut is_empty = false;
        for (place, record) in tail.windows(END).enumerate().rev() {
            if !record.starts_with(b"PK\x05\x06") {
                continue;
            }
            let directories = directories(file, from + place as u64, record)?;
            if !directories.is_empty() {
                return Ok(Some(Self { directories, len }));
            }
            is_empty |= number::<2>(record, 10) == 0 && number::<4>(record, 12) == 0;
        }
        Ok(is_empty.then(|| Self { directories: Vec::new(), len }))
    }

    /// Whether there are entries.
    pub(super) const fn has_members(&self) -> bool {
        !self.directories.is_empty()
    }

    /// The next entry, if there is one.
    pub(super) fn next(&mut self, file: &mut (impl Read + Seek)) -> io::Result<Option<Member>> {
        while let Some((position, shift)) = self.directories.last_mut() {
            let Some(entry) = at::<46>(file, *position)?.filter(|entry| entry.starts_with(b"PK\x01\x02"))
            else {
                self.directories.pop();
                continue;
            };
            let (name_len, extra_len) = (number::<2>(&entry, 28), number::<2>(&entry, 30));
            let mut name = Vec::new();
            file.by_ref().take(name_len).read_to_end(&mut name)?;
            let mut extra = Vec::new();
            file.by_ref().take(extra_len).read_to_end(&mut extra)?;
            *position += 46 + name_len + extra_len + number::<2>(&entry, 32);
            let (mut packed, mut offset) = (number::<4>(&entry, 20), number::<4>(&entry, 42));
            // Of the numbers of 64 bits, those are there that do not fit into 32.
            let mut wide = extra_field(&extra, 1).chunks_exact(8).map(|chunk| number::<8>(chunk, 0));
            let is_wide = |number: u64| number == u64::from(u32::MAX);
            if is_wide(number::<4>(&entry, 24)) {
                wide.next();
            }
            for number in [&mut packed, &mut offset] {
                if is_wide(*number) {
                    *number = wide.next().unwrap_or(*number);
                }
            }
            return Ok(Some(Member {
                name,
                is_encrypted: number::<2>(&entry, 8) & 1 != 0,
                method: number::<2>(&entry, 10),
                packed: packed.min(self.len),
                at: offset.saturating_add(*shift),
            }));
        }
        Ok(None)
    }
}

/// Where the directories of an end record begin, and what is to be added to the offsets in each.
fn directories(file: &mut (impl Read + Seek), end: u64, record: &[u8]) -> io::Result<Vec<(u64, u64)>> {
    // What each form of the record says: where it stands, how long the directory is and where it begins.
    let mut said = vec![(end, number::<4>(record, 12), number::<4>(record, 16))];
    if let Some(locator) = end.checked_sub(LOCATOR as u64)
        && let Some(found) = at::<LOCATOR>(file, locator)?
        && found.starts_with(b"PK\x06\x07")
    {
        for place in [locator.saturating_sub(END64 as u64), number::<8>(&found, 8)] {
            if let Some(record) = at::<END64>(file, place)?
                && record.starts_with(b"PK\x06\x06")
            {
                said.push((place, number::<8>(&record, 40), number::<8>(&record, 48)));
            }
        }
    }
    let mut directories = Vec::new();
    for (end, len, offset) in said {
        let before = end.checked_sub(len);
        let shifted = before.and_then(|begin| Some((begin, begin.checked_sub(offset)?)));
        for directory in [shifted, Some((offset, 0))].into_iter().flatten() {
            let is_one = at::<4>(file, directory.0)? == Some(*b"PK\x01\x02");
            if is_one && !directories.contains(&directory) {
                directories.push(directory);
            }
        }
    }
    Ok(directories)
}

/// What a member expands to.
pub(super) fn open<'f>(member: &Member, file: &'f mut (impl Read + Seek)) -> io::Result<Box<dyn Read + 'f>> {
    let head = at::<30>(file, member.at)?.filter(|head| head.starts_with(b"PK\x03\x04"));
    let head = head.ok_or_else(|| io::Error::other("the member is not where the directory says"))?;
    let begin = member.at + 30 + number::<2>(&head, 26) + number::<2>(&head, 28);
    file.seek(SeekFrom::Start(begin))?;
    let mut packed = file.take(member.packed);
    Ok(match member.method {
        0 => Box::new(packed),
        8 => Box::new(flate2::read::DeflateDecoder::new(packed)),
        12 => Box::new(bzip2::read::BzDecoder::new(packed)),
        14 => {
            // A version and a length of 2 bytes each, then properties as in a file of LZMA, but no length.
            let mut head = [0; 9];
            packed.read_exact(&mut head)?;
            let head = [head.get(4..).unwrap_or_default(), &[0xff; 8]].concat();
            Box::new(lzma_rust2::LzmaReader::new_mem_limit(
                io::Cursor::new(head).chain(packed),
                MAX_DICTIONARY,
                None,
            )?)
        }
        95 => Box::new(lzma_rust2::XzReader::new_mem_limit(packed, true, MAX_DICTIONARY)),
        method => {
            return Err(io::Error::other(format!(
                "it is compressed by method {method}, which is not looked into"
            )));
        }
    })
}

/// Bytes at a place, if the file has so many there.
fn at<const N: usize>(file: &mut (impl Read + Seek), place: u64) -> io::Result<Option<[u8; N]>> {
    file.seek(SeekFrom::Start(place.min(1 << 62)))?;
    let mut bytes = [0; N];
    match file.read_exact(&mut bytes) {
        Ok(()) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

/// The number of so many bytes that stands at a place.
fn number<const N: usize>(bytes: &[u8], place: usize) -> u64 {
    let number = bytes.get(place..place + N).unwrap_or_default();
    number.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// What stands in an extra field of an entry.
fn extra_field(mut extra: &[u8], wanted: u64) -> &[u8] {
    while let Some((head, rest)) = extra.split_at_checked(4) {
        let (field, behind) = rest.split_at(rest.len().min(to_usize(number::<2>(head, 2))));
        if number::<2>(head, 0) == wanted {
            return field;
        }
        extra = behind;
    }
    &[]
}

fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
