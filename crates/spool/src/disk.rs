//! The file operations that the spool needs, and nothing else, so that a test can stand in for the disk.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;

/// A directory on some disk. Names are relative to it, with `/` between the parts.
///
/// What the operations promise is what POSIX promises: a file's bytes are durable behind a sync of the file, its
/// name behind a sync of the directory.
pub trait Disk: Send + Sync + fmt::Debug {
    /// Creates a directory unless it is there.
    ///
    /// # Errors
    ///
    /// As `mkdir`.
    fn create_dir(&self, name: &str) -> io::Result<()>;
    /// The names in a directory, in any order.
    ///
    /// # Errors
    ///
    /// As `readdir`.
    fn list(&self, name: &str) -> io::Result<Vec<String>>;
    /// Creates a file that must not be there yet.
    ///
    /// # Errors
    ///
    /// As `open`.
    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;
    /// Opens a file to be read and written.
    ///
    /// # Errors
    ///
    /// As `open`.
    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;
    /// Opens or creates a file and takes its exclusive lock.
    ///
    /// # Errors
    ///
    /// As `open`; [`io::ErrorKind::WouldBlock`] if somebody else has the lock.
    fn lock(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;
    /// Gives a file another name, replacing what has it.
    ///
    /// # Errors
    ///
    /// As `rename`.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    ///
    /// # Errors
    ///
    /// As `unlink`.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes the names in a directory durable.
    ///
    /// # Errors
    ///
    /// As `fsync`.
    fn sync_dir(&self, name: &str) -> io::Result<()>;
}

/// An open file of a [`Disk`].
#[expect(clippy::len_without_is_empty, reason = "a file's length can fail")]
pub trait DiskFile: Send + fmt::Debug {
    /// The length in bytes.
    ///
    /// # Errors
    ///
    /// As `fstat`.
    fn len(&self) -> io::Result<u64>;
    /// Reads some bytes; 0 at the end.
    ///
    /// # Errors
    ///
    /// As `read`.
    fn read_at(&mut self, offset: u64, bytes: &mut [u8]) -> io::Result<usize>;
    /// Writes some of the bytes, and says how many.
    ///
    /// # Errors
    ///
    /// As `write`.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<usize>;
    /// Cuts or extends the file.
    ///
    /// # Errors
    ///
    /// As `ftruncate`.
    fn set_len(&mut self, len: u64) -> io::Result<()>;
    /// Makes the content durable.
    ///
    /// # Errors
    ///
    /// As `fdatasync`.
    fn sync_data(&mut self) -> io::Result<()>;
    /// Makes content and attributes durable.
    ///
    /// # Errors
    ///
    /// As `fsync`.
    fn sync_all(&mut self) -> io::Result<()>;
}

/// Writes all of the bytes.
pub(crate) fn write_all(file: &mut dyn DiskFile, mut offset: u64, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write_at(offset, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                bytes = bytes.get(written..).unwrap_or_default();
                offset += written as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads until the buffer is full or the file ends.
pub(crate) fn read_full(file: &mut dyn DiskFile, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
    let mut done = 0;
    while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match file.read_at(offset + done as u64, rest) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// Opens a file, and tries once more if that fails: at a start much depends on it.
pub(crate) fn open(disk: &dyn Disk, name: &str) -> io::Result<Box<dyn DiskFile>> {
    disk.open(name).or_else(|_| disk.open(name))
}

/// Reads a whole small file, of which at most `most` bytes are wanted.
pub(crate) fn read_small(disk: &dyn Disk, name: &str, most: usize) -> io::Result<Vec<u8>> {
    let mut file = open(disk, name)?;
    let len = usize::try_from(file.len()?).unwrap_or(usize::MAX).min(most);
    let mut bytes = vec![0; len];
    let read = read_full(file.as_mut(), 0, &mut bytes)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// Puts a small file in place of another: a new file, synced, renamed, and the directory synced.
pub(crate) fn replace(disk: &dyn Disk, directory: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
    let fresh = format!("{name}.new");
    match disk.remove(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = disk.create(&fresh)?;
    write_all(file.as_mut(), 0, bytes)?;
    file.sync_all()?;
    disk.rename(&fresh, name)?;
    disk.sync_dir(directory)
}

/// A directory of the operating system.
#[derive(Clone, Debug)]
pub struct OsDisk {
    root: PathBuf,
}

impl OsDisk {
    /// The directory at a path, which need not exist yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.root.clone() } else { self.root.join(name) }
    }
}

/// Files hold what people log, so only their owner may read them.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options
}

impl Disk for OsDisk {
    fn create_dir(&self, name: &str) -> io::Result<()> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::DirBuilderExt as _;
            builder.mode(0o700);
        }
        builder.create(self.path(name))
    }

    fn list(&self, name: &str) -> io::Result<Vec<String>> {
        let names = fs::read_dir(self.path(name))?.map(|entry| Ok(entry?.file_name()));
        // What is not text was not made here.
        names.filter_map(|name| name.map(|name| name.into_string().ok()).transpose()).collect()
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(OsFile { file: private().create_new(true).open(self.path(name))?, position: 0 }))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let path = self.path(name);
        // A pipe under a segment's name would block whoever opens it.
        if !fs::metadata(&path)?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        let file = private().open(&path).or_else(|error| match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => File::open(&path),
            _ => Err(error),
        })?;
        Ok(Box::new(OsFile { file, position: 0 }))
    }

    fn lock(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let mut options = private();
        options.create(true).truncate(false);
        #[cfg(windows)]
        {
            // Whoever has the file open is alone with it.
            use std::os::windows::fs::OpenOptionsExt as _;
            options.share_mode(0);
        }
        let file = options.open(self.path(name))?;
        #[cfg(unix)]
        rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive)?;
        Ok(Box::new(OsFile { file, position: 0 }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name))
    }

    fn sync_dir(&self, name: &str) -> io::Result<()> {
        // Windows has no such thing: its file system journals names by itself.
        if cfg!(unix) { File::open(self.path(name))?.sync_all() } else { Ok(()) }
    }
}

/// An open file and where its next read or write happens without a seek.
#[derive(Debug)]
struct OsFile {
    file: File,
    position: u64,
}

impl OsFile {
    fn seek(&mut self, offset: u64) -> io::Result<()> {
        if self.position != offset {
            self.position = self.file.seek(SeekFrom::Start(offset))?;
        }
        Ok(())
    }
}

impl DiskFile for OsFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&mut self, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
        self.seek(offset)?;
        let read = self.file.read(bytes)?;
        self.position += read as u64;
        Ok(read)
    }

    #[expect(clippy::disallowed_methods, reason = "the caller counts short writes")]
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        self.seek(offset)?;
        let written = self.file.write(bytes)?;
        self.position += written as u64;
        Ok(written)
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn sync_all(&mut self) -> io::Result<()> {
        self.file.sync_all()
    }
}
