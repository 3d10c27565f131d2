//! The target over spools: recovery of arbitrary and of damaged directories.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use logrecord_spool::{Config, Disk, DiskFile, Entry, Spool, Start};

const WAIT: Duration = Duration::from_secs(10);

type Files = BTreeMap<String, Vec<u8>>;

/// A directory in memory.
#[derive(Clone, Debug, Default)]
struct Memory(Arc<Mutex<Files>>);

impl Memory {
    fn files<T>(&self, act: impl FnOnce(&mut Files) -> T) -> T {
        act(&mut self.0.lock().expect("nobody panics with the lock"))
    }

    fn file(&self, name: &str) -> Box<dyn DiskFile> {
        Box::new(MemoryFile { disk: self.clone(), name: name.to_owned() })
    }
}

fn missing() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl Disk for Memory {
    fn create_dir(&self, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, name: &str) -> io::Result<Vec<String>> {
        let prefix = if name.is_empty() { String::new() } else { format!("{name}/") };
        let inside =
            |path: &String| path.strip_prefix(&prefix).filter(|rest| !rest.contains('/')).map(str::to_owned);
        Ok(self.files(|files| files.keys().filter_map(inside).collect()))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.files(|files| files.insert(name.to_owned(), Vec::new()));
        Ok(self.file(name))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        if self.files(|files| files.contains_key(name)) { Ok(self.file(name)) } else { Err(missing()) }
    }

    fn lock(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.files(|files| files.entry(name.to_owned()).or_default().len());
        Ok(self.file(name))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.files(|files| {
            let bytes = files.remove(from).ok_or_else(missing)?;
            files.insert(to.to_owned(), bytes);
            Ok(())
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.files(|files| files.remove(name)).map(drop).ok_or_else(missing)
    }

    fn sync_dir(&self, _: &str) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
struct MemoryFile {
    disk: Memory,
    name: String,
}

impl MemoryFile {
    fn bytes<T>(&self, act: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        self.disk.files(|files| act(files.entry(self.name.clone()).or_default()))
    }
}

fn size(offset: u64) -> usize {
    usize::try_from(offset).expect("files of a few kilobytes")
}

impl DiskFile for MemoryFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.bytes(|file| file.len() as u64))
    }

    fn read_at(&mut self, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
        Ok(self.bytes(|file| {
            let rest = file.get(size(offset)..).unwrap_or_default();
            let len = rest.len().min(bytes.len());
            bytes[..len].copy_from_slice(&rest[..len]);
            len
        }))
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        self.bytes(|file| {
            let end = size(offset) + bytes.len();
            file.resize(file.len().max(end), 0);
            file[size(offset)..end].copy_from_slice(bytes);
        });
        Ok(bytes.len())
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.bytes(|file| file.resize(size(len), 0));
        Ok(())
    }

    fn sync_data(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn sync_all(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a name in the input stands for.
fn name(place: u8) -> String {
    match place % 8 {
        0 => "LOCK".to_owned(),
        1 => "checkpoint".to_owned(),
        2 => "cursors/output".to_owned(),
        3 => "cursors/%zz".to_owned(),
        place => format!("{:020}.seg", [1, 4, 9, u64::MAX >> 2][usize::from(place - 4)]),
    }
}

fn payload(index: u64) -> Vec<u8> {
    index.to_le_bytes().repeat(1 + usize::try_from(index % 5).expect("small"))
}

/// Any directory is recovered: the start refuses nothing, records come in order, and the spool goes on with indices
/// that nobody had. If the directory was a spool before it was damaged, no record comes that was not in it.
pub fn spool(data: &[u8]) {
    let Some((&kind, mut rest)) = data.split_first() else { return };
    let disk = Memory::default();
    let config = Config::new().segment_bytes(4096).retain(0).max_bytes(1 << 40);
    let was_spool = kind % 2 == 1;
    if was_spool {
        let spool = Spool::open_on(Arc::new(disk.clone()), config).expect("a fresh directory");
        drop(spool.cursor("output", Start::Oldest));
        for index in 1..=8 + u64::from(kind >> 4) {
            let entry = Entry { payload: &payload(index), ..Entry::default() };
            assert_eq!(spool.append(&entry, WAIT), Ok(index));
        }
        spool.store_checkpoint(3, b"state").expect("memory does not fail");
        assert_eq!(spool.close(WAIT), 0);
        // What is left of the input damages it, four bytes for each fault.
        while let Some(([file, fault, at, byte], after)) = rest.split_first_chunk() {
            rest = after;
            disk.files(|files| {
                let names: Vec<String> = files.keys().cloned().collect();
                let name = &names[usize::from(*file) % names.len()];
                let bytes = files.get_mut(name).expect("it is listed");
                let at = usize::from(*at) * (1 + usize::from(fault >> 4));
                match fault % 8 {
                    0 => bytes.truncate(at),
                    1 => bytes.extend(std::iter::repeat_n(*byte, at)),
                    2 if names.len() > 1 => drop(files.remove(name)),
                    _ => bytes.iter_mut().skip(at).take(1).for_each(|place| *place ^= byte),
                }
            });
        }
    } else {
        // Files as they are: a name, a length, bytes.
        while let Some(([place, low, high], after)) = rest.split_first_chunk() {
            let len = usize::from(u16::from_le_bytes([*low, *high])).min(after.len());
            let (bytes, after) = after.split_at(len);
            rest = after;
            disk.files(|files| files.insert(name(*place), bytes.to_vec()));
        }
    }
    let spool = Spool::open_on(Arc::new(disk), config).expect("a start refuses nothing");
    let mut reader = spool.reader(0);
    let mut before = reader.done();
    while let Some(record) = reader.read().expect("memory does not fail") {
        assert!(record.index > before, "out of order");
        before = record.index;
        if was_spool {
            assert_eq!(record.entry.payload, payload(before), "damage was taken for a record");
        }
    }
    let last = spool.recovery().last;
    assert!(before <= last);
    let index = spool.append(&Entry { payload: b"next", ..Entry::default() }, WAIT).expect("there is room");
    assert!(index > last && spool.wait_durable(index, WAIT));
    let record = reader.read().expect("memory does not fail").expect("it is durable");
    assert_eq!((record.index, record.entry.payload), (index, b"next".as_slice()));
    assert_eq!(spool.close(WAIT), 0);
}
