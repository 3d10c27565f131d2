//! What a file is, by its beginning.

/// How much of a file tells what it is: a tar archive says so at byte 257.
pub(super) const LOOK: u64 = 512;

/// What a file is that holds others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Zip,
    Tar,
    Gzip,
    Zlib,
    /// How joblib before 0.10 compressed: a length in hexadecimal, then zlib's data.
    OldJoblib,
    Bzip2,
    Xz,
    Lzma,
    Npy,
}

/// What the beginning of a file says. None of these is the beginning of a pickle that an unpickler reads to its end.
pub(super) fn kind(start: &[u8]) -> Option<Kind> {
    Some(match start {
        [b'P', b'K', 3 | 5, 4 | 6, ..] => Kind::Zip,
        [0x1f, 0x8b, 8, ..] => Kind::Gzip,
        [b'Z', b'F', b'0', b'x', ..] => Kind::OldJoblib,
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59, ..] => Kind::Bzip2,
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Kind::Xz,
        // The most usual properties, and a dictionary of a power of two.
        [0x5d, 0, 0, _, _, ..] => Kind::Lzma,
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => Kind::Npy,
        [first @ (0x08 | 0x18 | 0x28 | 0x38 | 0x48 | 0x58 | 0x68 | 0x78), second, ..]
            if (u16::from(*first) << 8 | u16::from(*second)).is_multiple_of(31)
                && second & 0x20 == 0
                && *first != 0x58
                && *first != 0x28 =>
        {
            Kind::Zlib
        }
        _ if start.get(257..262) == Some(b"ustar") || is_tar_header(start) => Kind::Tar,
        _ => return None,
    })
}

/// Whether this is a header of tar, by its checksum alone: the oldest ones have no magic.
fn is_tar_header(start: &[u8]) -> bool {
    let field = start.get(148..156).unwrap_or_default();
    let digits = field.trim_ascii_start().split(|byte| matches!(byte, b' ' | 0)).next().unwrap_or_default();
    let said = std::str::from_utf8(digits).ok().and_then(|digits| u32::from_str_radix(digits, 8).ok());
    let sum = start.iter().enumerate().map(|(at, byte)| match at {
        148..156 => u32::from(b' '),
        _ => u32::from(*byte),
    });
    start.len() == 512 && said == Some(sum.sum())
}

/// What holds other files, may hold pickles that are loaded from it, and is not looked into.
pub(super) fn unread_archive(start: &[u8]) -> Option<&'static str> {
    known_magic(start).filter(|what| what.ends_with("not looked into"))
}

/// What a file is that is neither a pickle nor a container, for people.
pub(super) fn known_magic(start: &[u8]) -> Option<&'static str> {
    const KNOWN: &[(&[u8], &str)] = &[
        (b"\x89PNG", "a PNG image"),
        (b"\xff\xd8\xff", "a JPEG image"),
        (b"GIF8", "a GIF image"),
        (b"%PDF", "a PDF document"),
        (b"\x7fELF", "an ELF program"),
        (b"MZ", "a Windows program"),
        (b"\x89HDF", "an HDF5 file"),
        (b"SQLite format 3", "an SQLite database"),
        (b"PAR1", "a Parquet file"),
        (b"ARROW1", "an Arrow file"),
        (b"GGUF", "a GGUF model"),
        (b"\x28\xb5\x2f\xfd", "Zstandard data, which is not looked into"),
        (b"\x04\x22\x4d\x18", "LZ4 data, which is not looked into"),
        (b"7z\xbc\xaf", "a 7-Zip archive, which is not looked into"),
        (b"Rar!", "a RAR archive, which is not looked into"),
        (b"\xffLR\x01", "an envelope: try --input frames on the stream"),
        (b"#!", "a script"),
    ];
    let known = KNOWN.iter().find(|(magic, _)| start.starts_with(magic)).map(|(_, what)| *what);
    let is_text = || start.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace());
    let framed = matches!(
        start,
        [0, _, _, _, 0x80, 0..=5, ..]
            | [0, _, _, _, b'}' | b']' | b'(', b'q' | b'(' | b'd' | b'l' | b't', ..]
    );
    let known = known.or_else(|| framed.then_some("frames, it seems: try --input frames"));
    known.or_else(|| (!start.is_empty() && is_text()).then_some("text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_by_their_beginning() {
        let mut tar = vec![b'a'; 512];
        tar[257..262].copy_from_slice(b"ustar");
        let rows: &[(&[u8], Option<Kind>)] = &[
            (b"PK\x03\x04\x14", Some(Kind::Zip)),
            (b"\x1f\x8b\x08\0", Some(Kind::Gzip)),
            (b"\x78\x9c\x01", Some(Kind::Zlib)),
            (b"\x78\x01\x01", Some(Kind::Zlib)),
            (b"ZF0x12", Some(Kind::OldJoblib)),
            (b"BZh91AY&SY", Some(Kind::Bzip2)),
            (b"\xfd7zXZ\0\0", Some(Kind::Xz)),
            (b"\x5d\0\0\x80\0\xff", Some(Kind::Lzma)),
            (b"\x93NUMPY\x01\0", Some(Kind::Npy)),
            (&tar, Some(Kind::Tar)),
            (b"\x80\x04N.", None),
            (b"]q\0.", None),
            (b"(lp0\n.", None),
            (b"X\x01\0\0\0a.", None),
            (b"h\0.", None),
            (b"", None),
        ];
        for (start, expected) in rows {
            assert_eq!(kind(start), *expected, "{}", start.escape_ascii());
        }
    }
}
