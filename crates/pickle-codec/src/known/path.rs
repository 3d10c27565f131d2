//! The text of a `pathlib` path from the parts it was pickled with.
//!
//! CPython up to 3.11 pickles the parsed parts, later ones the strings that the path was made of;
//! `str()` of the path is the same for both, and that is what is computed here, on WTF-8 bytes.
//!
//! On POSIX the parts are joined by slashes, from the last one that is absolute; empty parts and `.` are left
//! out, `..` stays, and two leading slashes are a root of their own (IEEE 1003.1, 4.13).
//!
//! A Windows path has a drive (`c:` or a share `\\host\share`), a root, and the rest. A part with a root
//! replaces what came before on its drive, a part with another drive replaces all of it, and one with the same
//! drive in another case changes the case alone (`ntpath.join`, `ntpath.splitroot`).
//!
//! Nothing here asks a file system: a pickle from Windows reads the same on Linux. Only `str()` is computed, which needs
//! no more than the two rules above.

use alloc::vec::Vec;

/// `str(PurePosixPath(*parts))`.
pub(crate) fn posix<'p>(parts: impl Iterator<Item = &'p [u8]>) -> Vec<u8> {
    let mut joined: Vec<u8> = Vec::new();
    for part in parts {
        if part.first() == Some(&b'/') {
            joined.clear();
        } else if !joined.is_empty() && joined.last() != Some(&b'/') {
            joined.push(b'/');
        }
        joined.extend_from_slice(part);
    }
    let slashes = joined.iter().take_while(|&&byte| byte == b'/').count();
    // POSIX lets exactly two leading slashes mean something of their own.
    let root: &[u8] = match slashes {
        0 => b"",
        2 => b"//",
        _ => b"/",
    };
    let mut text = root.to_vec();
    push_parts(&mut text, joined.get(slashes..).unwrap_or_default(), b'/');
    text
}

/// Appends the parts of a relative path without the empty ones and those that are `.`.
fn push_parts(text: &mut Vec<u8>, rest: &[u8], separator: u8) {
    let mut first = true;
    for part in rest.split(|&byte| byte == separator) {
        if part.is_empty() || part == b"." {
            continue;
        }
        if !first {
            text.push(separator);
        }
        first = false;
        text.extend_from_slice(part);
    }
    if text.is_empty() {
        text.push(b'.');
    }
}

/// Drive, root and the rest of a path whose slashes are backslashes: `ntpath.splitroot`.
fn split_root(path: &[u8]) -> (&[u8], &[u8], &[u8]) {
    let cut = |drive: usize, root: usize| {
        let (head, rest) = path.split_at_checked(drive + root).unwrap_or((path, &[]));
        let (drive, root) = head.split_at_checked(drive).unwrap_or((head, &[]));
        (drive, root, rest)
    };
    let find = |from: usize| {
        path.get(from..)
            .and_then(|rest| rest.iter().position(|&byte| byte == b'\\'))
            .map(|place| from + place)
    };
    match path {
        [b'\\', b'\\', ..] => {
            let verbatim = path.get(..8).is_some_and(|head| head.eq_ignore_ascii_case(b"\\\\?\\UNC\\"));
            let share = find(if verbatim { 8 } else { 2 }).and_then(|place| find(place + 1));
            cut(share.unwrap_or(path.len()), usize::from(share.is_some()))
        }
        [b'\\', ..] => cut(0, 1),
        [_, b':', b'\\', ..] => cut(2, 1),
        [_, b':', ..] => cut(2, 0),
        _ => cut(0, 0),
    }
}

/// `ntpath.join(*parts)`, of parts whose slashes are backslashes.
fn join_windows<'p>(parts: impl Iterator<Item = &'p [u8]>) -> Vec<u8> {
    let (mut drive, mut root, mut rest) = (Vec::new(), Vec::new(), Vec::new());
    for part in parts {
        let part: Vec<u8> = part.iter().map(|&byte| if byte == b'/' { b'\\' } else { byte }).collect();
        let (part_drive, part_root, part_rest) = split_root(&part);
        if !part_root.is_empty() {
            if !part_drive.is_empty() || drive.is_empty() {
                drive = part_drive.to_vec();
            }
            root = part_root.to_vec();
            rest = part_rest.to_vec();
            continue;
        }
        if !part_drive.is_empty() && part_drive != drive {
            if !part_drive.eq_ignore_ascii_case(&drive) {
                root.clear();
                rest.clear();
            }
            drive = part_drive.to_vec();
        }
        if !rest.is_empty() && rest.last() != Some(&b'\\') {
            rest.push(b'\\');
        }
        rest.extend_from_slice(part_rest);
    }
    let apart = !rest.is_empty() && root.is_empty() && !matches!(drive.last(), None | Some(b'\\' | b':'));
    let mut joined = drive;
    joined.extend_from_slice(&root);
    if apart {
        joined.push(b'\\');
    }
    joined.extend_from_slice(&rest);
    joined
}

/// `str(PureWindowsPath(*parts))`.
pub(crate) fn windows<'p>(parts: impl Iterator<Item = &'p [u8]>) -> Vec<u8> {
    let joined = join_windows(parts);
    let (drive, root, rest) = split_root(&joined);
    let mut text = drive.to_vec();
    text.extend_from_slice(root);
    if root.is_empty() && drive.starts_with(b"\\") && !drive.ends_with(b"\\") {
        // A share has a root, whether it is written or not; a host or a device alone has none.
        let mut parts = drive.split(|&byte| byte == b'\\');
        let device = matches!(parts.clone().nth(2), Some(b"" | b"?" | b"."));
        if match parts.by_ref().count() {
            4 => !device,
            6 => true,
            _ => false,
        } {
            text.push(b'\\');
        }
    }
    if text.is_empty() {
        // A first part that looks like a drive but is none stands behind a point.
        let first = rest.split(|&byte| byte == b'\\').find(|part| !part.is_empty() && *part != b".");
        if first.is_some_and(|first| !split_root(first).0.is_empty()) {
            text.extend_from_slice(b".\\");
        }
    }
    push_parts(&mut text, rest, b'\\');
    text
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::*;

    #[test]
    fn posix_rows() {
        // Expected values are CPython 3.13's.
        let rows: &[(&[&str], &str)] = &[
            (&["/", "a", "b"], "/a/b"),
            (&["/a/b"], "/a/b"),
            (&[], "."),
            (&["."], "."),
            (&["a", "/b"], "/b"),
            (&["a//b/./c/"], "a/b/c"),
            (&["//a"], "//a"),
            (&["///a"], "/a"),
            (&["a", "..", "b"], "a/../b"),
            (&["/"], "/"),
            (&["", "a"], "a"),
        ];
        for (parts, expected) in rows {
            let got = posix(parts.iter().map(|part| part.as_bytes()));
            assert_eq!(String::from_utf8(got).unwrap(), *expected, "{parts:?}");
        }
    }

    #[test]
    fn windows_rows() {
        // Expected values are CPython 3.13's.
        let rows: &[(&[&str], &str)] = &[
            (&["c:\\", "a", "b"], "c:\\a\\b"),
            (&["c:\\a/b"], "c:\\a\\b"),
            (&["c:a"], "c:a"),
            (&["c:\\a", "d:b"], "d:b"),
            (&["c:\\a", "C:b"], "C:\\a\\b"),
            (&["c:\\a", "\\b"], "c:\\b"),
            (&["\\\\host\\share", "x"], "\\\\host\\share\\x"),
            (&["\\\\host\\share\\", "x"], "\\\\host\\share\\x"),
            (&["a", "b"], "a\\b"),
            (&[], "."),
            (&["//s"], "\\\\s"),
            (&["C:", "//s"], "\\\\s"),
            (&["//s/"], "\\\\s\\"),
            (&["//s/x"], "\\\\s\\x\\"),
            (&["//s", "y"], "\\\\s\\y\\"),
            (&["//", "a"], "\\\\a"),
            (&["./c:x"], ".\\c:x"),
            (&["./.", "a:"], "a:"),
            (&["//?/unc/server/share"], "\\\\?\\unc\\server\\share\\"),
            (&["//?/C:"], "\\\\?\\C:"),
            (&["//./dev"], "\\\\.\\dev"),
            (&["c:", "a"], "c:a"),
            (&["c:", "/a"], "c:\\a"),
        ];
        for (parts, expected) in rows {
            let got = windows(parts.iter().map(|part| part.as_bytes()));
            assert_eq!(String::from_utf8(got).unwrap(), *expected, "{parts:?}");
        }
    }
}
