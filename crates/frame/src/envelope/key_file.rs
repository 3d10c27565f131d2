//! Key files: one line of hexadecimal, for its owner alone. (wire-format 7)

use core::fmt;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::vec::Vec;

use zeroize::Zeroizing;

use super::{Key, KeyId, PlainKey};
use crate::error::Error;

/// The longest key file that is read. A longer one is refused, never cut.
pub const MAX_KEY_FILE_LEN: usize = 64 << 10;

impl Key {
    /// A key from a key file: one line of hexadecimal in a regular file that others cannot read.
    ///
    /// On Unix, the file must have mode 0600 or less, and belong to this process's user or to root. One of root's may have
    /// mode 0640: only root chose its group, and systemd's credentials (`LoadCredential=`) have mode 0440.
    ///
    /// # Errors
    ///
    /// [`KeyFileError`]. Whatever stands in the file's place, such as a FIFO, the call does not wait for it.
    ///
    /// # Examples
    ///
    /// ```
    /// use logrecord_frame::envelope::{Key, KeyId};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("app.key");
    /// std::fs::write(&path, "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n")?;
    /// # #[cfg(unix)] {
    /// use std::os::unix::fs::PermissionsExt as _;
    ///
    /// let error = Key::from_file(KeyId::new(b"app")?, &path).unwrap_err();
    /// assert!(error.to_string().ends_with("app.key: mode 0644 is more than 0600, or 0640 of root's; use chmod 600"), "{error}");
    /// std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    /// # }
    /// let key = Key::from_file(KeyId::new(b"app")?, &path)?;
    /// assert_eq!(key.id().as_bytes(), b"app");
    /// # Ok(())
    /// # }
    /// ```
    pub fn from_file(id: KeyId, path: impl AsRef<Path>) -> Result<Self, KeyFileError> {
        read(path.as_ref(), |line| Self::from_hex(id, line))
    }
}

impl PlainKey {
    /// A key from a key file, as [`Key::from_file`] reads it.
    ///
    /// # Errors
    ///
    /// [`KeyFileError`].
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, KeyFileError> {
        read(path.as_ref(), Self::from_hex)
    }
}

/// Why a file is no key. Its text names the file, and shows nothing of what stands in it.
#[derive(Debug)]
pub struct KeyFileError {
    path: PathBuf,
    fault: KeyFileFault,
}

/// What is wrong with a key file.
#[derive(Debug)]
#[non_exhaustive]
pub enum KeyFileFault {
    /// It cannot be opened or read.
    Io(io::Error),
    /// It is a folder, a FIFO, a socket or a device.
    NotRegular,
    /// Its mode lets others in, or lets it be run.
    Mode(u32),
    /// It belongs to this user, who is neither this process's nor root.
    Owner(u32),
    /// It has more than [`MAX_KEY_FILE_LEN`] bytes.
    TooLong,
    /// What stands in it is no key.
    Content(Error),
}

impl KeyFileError {
    /// What is wrong.
    #[must_use]
    pub const fn fault(&self) -> &KeyFileFault {
        &self.fault
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl fmt::Display for KeyFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.fault)
    }
}

impl KeyFileFault {
    /// What is wrong with the mode of a file with a secret, whose owner has this number. Others must not read it; the
    /// group of one of root's is root's choice.
    #[cfg(unix)]
    #[must_use]
    pub const fn of_mode(mode: u32, owner: u32) -> Option<Self> {
        let most = if owner == 0 { 0o640 } else { 0o600 };
        if mode & !most != 0 { Some(Self::Mode(mode)) } else { None }
    }
}

impl fmt::Display for KeyFileFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::NotRegular => f.write_str("not a regular file"),
            Self::Mode(mode) => {
                write!(f, "mode {mode:04o} is more than 0600, or 0640 of root's; use chmod 600")
            }
            Self::Owner(uid) => write!(f, "belongs to user {uid}, neither to this one nor to root"),
            Self::TooLong => write!(f, "more than {MAX_KEY_FILE_LEN} bytes"),
            Self::Content(error) => {
                write!(f, "{error}; a key is one line of hexadecimal, 32 bytes or more")
            }
        }
    }
}

impl core::error::Error for KeyFileError {}

/// Reads a key file and makes a key of its line.
fn read<T>(path: &Path, make: impl FnOnce(&[u8]) -> Result<T, Error>) -> Result<T, KeyFileError> {
    open(path)
        .and_then(|mut file| read_line(&mut file))
        .and_then(|line| make(&line).map_err(KeyFileFault::Content))
        .map_err(|fault| KeyFileError { path: path.to_path_buf(), fault })
}

/// Opens a key file and looks at what was opened, so that nothing can take its place in between.
fn open(path: &Path) -> Result<File, KeyFileFault> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;

        // A FIFO without a writer would keep the caller waiting for ever.
        options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    }
    let file = options.open(path).map_err(KeyFileFault::Io)?;
    check(&file.metadata().map_err(KeyFileFault::Io)?)?;
    Ok(file)
}

fn check(metadata: &Metadata) -> Result<(), KeyFileFault> {
    if !metadata.is_file() {
        return Err(KeyFileFault::NotRegular);
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;

        check_access(metadata.mode() & 0o7777, metadata.uid(), rustix::process::geteuid().as_raw())?;
    }
    Ok(())
}

#[cfg(unix)]
fn check_access(mode: u32, owner: u32, own: u32) -> Result<(), KeyFileFault> {
    if let Some(fault) = KeyFileFault::of_mode(mode, owner) {
        return Err(fault);
    }
    if owner != own && owner != 0 {
        return Err(KeyFileFault::Owner(owner));
    }
    Ok(())
}

/// The whole content. It is read into memory that is wiped and never moves.
fn read_line(file: &mut impl Read) -> Result<Zeroizing<Vec<u8>>, KeyFileFault> {
    let mut line = Zeroizing::new(std::vec![0; MAX_KEY_FILE_LEN + 1]);
    let mut len = 0;
    while let Some(room) = line.get_mut(len..).filter(|room| !room.is_empty()) {
        match file.read(room) {
            Ok(0) => {
                line.truncate(len);
                return Ok(line);
            }
            Ok(count) => len = len.saturating_add(count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(KeyFileFault::Io(error)),
        }
    }
    Err(KeyFileFault::TooLong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;
    use std::fs;
    use std::string::{String, ToString};

    fn id() -> KeyId {
        KeyId::new(b"app").unwrap()
    }

    fn write(folder: &Path, content: &[u8], mode: u32) -> PathBuf {
        let path = folder.join(format!("{mode:o}-{}", content.len()));
        fs::write(&path, content).unwrap();
        set_mode(&path, mode);
        path
    }

    #[cfg(unix)]
    fn set_mode(path: &Path, mode: u32) {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[cfg(not(unix))]
    fn set_mode(_: &Path, _: u32) {}

    #[test]
    fn what_is_in_the_file_is_read_whole() {
        let folder = tempfile::tempdir().unwrap();
        let line = "00ff".repeat(16);
        let longest = "ab".repeat(MAX_KEY_FILE_LEN / 2);
        for (content, expected) in [
            (line.clone(), None),
            (format!("{line}\n"), None),
            (format!("{line}\r\n"), None),
            (longest.clone(), None),
            (format!("{longest}a"), Some("more than 65536 bytes")),
            (String::new(), Some("key of 0 bytes is shorter than 32")),
            (format!("\n{line}"), Some("character 0 of")),
            (format!("{line} \n"), Some("character 64 of")),
            (format!("{line}\n\n"), Some("character 64 of")),
        ] {
            let path = write(folder.path(), content.as_bytes(), 0o600);
            let (key, plain) = (Key::from_file(id(), &path), PlainKey::from_file(&path));
            let text = key.err().map(|error| error.to_string());
            assert_eq!(plain.err().map(|error| error.to_string()), text);
            match expected {
                None => assert_eq!(text, None),
                Some(part) => assert!(text.as_ref().is_some_and(|text| text.contains(part)), "{text:?}"),
            }
        }
        let key = PlainKey::from_file(write(folder.path(), longest.as_bytes(), 0o600)).unwrap();
        assert_eq!(key.tag(b"x"), PlainKey::new(&[0xAB; MAX_KEY_FILE_LEN / 2]).unwrap().tag(b"x"));
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_may_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let line = "00".repeat(32);
        for mode in [0o600, 0o400] {
            Key::from_file(id(), write(folder.path(), line.as_bytes(), mode)).unwrap();
        }
        for mode in [0o660, 0o604, 0o644, 0o700, 0o610, 0o601, 0o4600, 0o1600] {
            let path = write(folder.path(), line.as_bytes(), mode);
            let error = Key::from_file(id(), &path).unwrap_err();
            assert!(matches!(error.fault(), KeyFileFault::Mode(found) if *found == mode), "{error}");
            assert_eq!(error.path(), path);
        }
        let rows = [
            (0o440, 0, 1_000, true),
            (0o640, 0, 0, true),
            (0o400, 1_000, 1_000, true),
            (0o440, 1_000, 1_000, false),
            (0o460, 0, 0, false),
            (0o444, 0, 0, false),
            (0o400, 1_001, 1_000, false),
        ];
        for (mode, owner, own, fine) in rows {
            assert_eq!(check_access(mode, owner, own).is_ok(), fine, "{mode:o} of {owner} for {own}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn only_regular_files_are_keys() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
        for path in [folder.path(), &fifo, Path::new("/dev/null")] {
            let error = Key::from_file(id(), path).unwrap_err();
            assert!(matches!(error.fault(), KeyFileFault::NotRegular), "{error}");
        }
        let error = Key::from_file(id(), folder.path().join("none")).unwrap_err();
        assert!(matches!(error.fault(), KeyFileFault::Io(_)), "{error}");
        // A link is as good as what it leads to.
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(write(folder.path(), "00".repeat(32).as_bytes(), 0o600), &link).unwrap();
        Key::from_file(id(), &link).unwrap();
    }
}
