//! A disk in memory that writes down what is done to it, can fail, and can say what a crash leaves.
#![allow(dead_code, unreachable_pub, reason = "each test takes what it needs")]

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use logrecord_spool::{Disk, DiskFile};

/// The unit in which a disk writes: smaller than a real one's, so that small runs have many states.
pub const BLOCK: u64 = 256;

#[derive(Clone, Debug)]
pub enum Op {
    Create(String, usize),
    Write(usize, u64, Vec<u8>),
    SetLen(usize, u64),
    Sync(usize),
    Rename(String, String),
    Remove(String),
    SyncDir(String),
    /// The run was told that these records are durable.
    Acked(u64, u64),
    /// The run was told that this cursor is stored.
    Cursor(u64),
}

/// Which calls fail: the `first`-th and those behind it, `count` in all.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plan {
    pub first: u64,
    pub count: u64,
    /// A failing write takes half of the bytes first.
    pub short: bool,
}

#[derive(Debug, Default)]
pub struct State {
    pub names: BTreeMap<String, usize>,
    pub files: Vec<Vec<u8>>,
    pub log: Vec<Op>,
    pub plan: Plan,
    pub calls: u64,
    locked: bool,
}

#[derive(Clone, Debug, Default)]
pub struct FakeDisk(pub Arc<Mutex<State>>);

impl FakeDisk {
    pub fn with_files(files: BTreeMap<String, Vec<u8>>) -> Self {
        let disk = Self::default();
        {
            let mut state = disk.0.lock().unwrap();
            for (name, bytes) in files {
                let id = state.files.len();
                state.files.push(bytes);
                state.names.insert(name, id);
            }
        }
        disk
    }

    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let state = self.0.lock().unwrap();
        state.names.iter().map(|(name, id)| (name.clone(), state.files[*id].clone())).collect()
    }

    pub fn note(&self, op: Op) {
        self.0.lock().unwrap().log.push(op);
    }

    pub fn log(&self) -> Vec<Op> {
        self.0.lock().unwrap().log.clone()
    }

    pub fn disk(&self) -> Arc<dyn Disk> {
        Arc::new(self.clone())
    }
}

impl State {
    /// Counts a call; an error if it is to fail.
    fn call(&mut self) -> io::Result<()> {
        self.calls += 1;
        let failing = self.plan.first..self.plan.first + self.plan.count;
        if self.plan.count > 0 && failing.contains(&self.calls) {
            return Err(io::Error::from_raw_os_error(28));
        }
        Ok(())
    }
}

fn missing() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl Disk for FakeDisk {
    fn create_dir(&self, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, name: &str) -> io::Result<Vec<String>> {
        let state = self.0.lock().unwrap();
        let prefix = if name.is_empty() { String::new() } else { format!("{name}/") };
        Ok(state
            .names
            .keys()
            .filter_map(|path| path.strip_prefix(&prefix).filter(|rest| !rest.contains('/')))
            .map(str::to_owned)
            .collect())
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.0.lock().unwrap();
        state.call()?;
        if state.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let id = state.files.len();
        state.files.push(Vec::new());
        state.names.insert(name.to_owned(), id);
        state.log.push(Op::Create(name.to_owned(), id));
        Ok(Box::new(FakeFile { disk: self.clone(), id, lock: false }))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.0.lock().unwrap();
        state.call()?;
        let id = *state.names.get(name).ok_or_else(missing)?;
        Ok(Box::new(FakeFile { disk: self.clone(), id, lock: false }))
    }

    fn lock(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        if self.0.lock().unwrap().locked {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let known = self.0.lock().unwrap().names.get(name).copied();
        let id = match known {
            Some(id) => id,
            None => {
                self.create(name)?;
                self.0.lock().unwrap().names[name]
            }
        };
        self.0.lock().unwrap().locked = true;
        Ok(Box::new(FakeFile { disk: self.clone(), id, lock: true }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.call()?;
        let id = state.names.remove(from).ok_or_else(missing)?;
        state.names.insert(to.to_owned(), id);
        state.log.push(Op::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.call()?;
        state.names.remove(name).ok_or_else(missing)?;
        state.log.push(Op::Remove(name.to_owned()));
        Ok(())
    }

    fn sync_dir(&self, name: &str) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.call()?;
        state.log.push(Op::SyncDir(name.to_owned()));
        Ok(())
    }
}

#[derive(Debug)]
struct FakeFile {
    disk: FakeDisk,
    id: usize,
    lock: bool,
}

impl Drop for FakeFile {
    fn drop(&mut self) {
        if self.lock {
            self.disk.0.lock().unwrap().locked = false;
        }
    }
}

fn put(file: &mut Vec<u8>, offset: u64, bytes: &[u8]) {
    let offset = usize::try_from(offset).unwrap();
    if file.len() < offset + bytes.len() {
        file.resize(offset + bytes.len(), 0);
    }
    file[offset..offset + bytes.len()].copy_from_slice(bytes);
}

impl DiskFile for FakeFile {
    fn len(&self) -> io::Result<u64> {
        let state = self.disk.0.lock().unwrap();
        Ok(state.files[self.id].len() as u64)
    }

    fn read_at(&mut self, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
        let state = self.disk.0.lock().unwrap();
        let file = &state.files[self.id];
        let rest = file.get(usize::try_from(offset).unwrap()..).unwrap_or_default();
        let len = rest.len().min(bytes.len());
        bytes[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.disk.0.lock().unwrap();
        let outcome = state.call();
        let short = outcome.is_err() && state.plan.short;
        if let (Err(error), false) = (&outcome, short) {
            return Err(error.kind().into());
        }
        let bytes = if short { &bytes[..bytes.len() / 2] } else { bytes };
        put(&mut state.files[self.id], offset, bytes);
        state.log.push(Op::Write(self.id, offset, bytes.to_vec()));
        outcome.map(|()| bytes.len())
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        let mut state = self.disk.0.lock().unwrap();
        state.call()?;
        state.files[self.id].resize(usize::try_from(len).unwrap(), 0);
        state.log.push(Op::SetLen(self.id, len));
        Ok(())
    }

    fn sync_data(&mut self) -> io::Result<()> {
        let mut state = self.disk.0.lock().unwrap();
        state.call()?;
        state.log.push(Op::Sync(self.id));
        Ok(())
    }

    fn sync_all(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

/// What stands on the disk for sure behind a log, and what may or may not.
#[derive(Debug, Default)]
pub struct Crash {
    /// Content that is synced.
    files: BTreeMap<usize, Vec<u8>>,
    /// Changes of content that are not, a block each.
    blocks: Vec<Op>,
    names: BTreeMap<String, usize>,
    /// Changes of names that are not synced.
    renames: Vec<Op>,
    pub acked: Vec<u64>,
    pub cursor: u64,
}

fn directory(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(directory, _)| directory)
}

fn apply_name(names: &mut BTreeMap<String, usize>, op: &Op) {
    match op {
        Op::Create(name, id) => {
            names.insert(name.clone(), *id);
        }
        Op::Rename(from, to) => {
            if let Some(id) = names.remove(from) {
                names.insert(to.clone(), id);
            }
        }
        Op::Remove(name) => {
            names.remove(name);
        }
        _ => {}
    }
}

fn apply_content(files: &mut BTreeMap<usize, Vec<u8>>, op: &Op) {
    match op {
        Op::Write(id, offset, bytes) => put(files.entry(*id).or_default(), *offset, bytes),
        Op::SetLen(id, len) => files.entry(*id).or_default().resize(usize::try_from(*len).unwrap(), 0),
        _ => {}
    }
}

impl Crash {
    pub fn step(&mut self, op: &Op) {
        match op {
            Op::Create(name, id) => {
                self.files.insert(*id, Vec::new());
                self.renames.push(Op::Create(name.clone(), *id));
            }
            Op::Rename(..) | Op::Remove(_) => self.renames.push(op.clone()),
            Op::Write(id, offset, bytes) => {
                let mut at = *offset;
                let mut rest = &bytes[..];
                while !rest.is_empty() {
                    let len = usize::try_from(BLOCK - at % BLOCK).unwrap().min(rest.len());
                    self.blocks.push(Op::Write(*id, at, rest[..len].to_vec()));
                    at += len as u64;
                    rest = &rest[len..];
                }
            }
            Op::SetLen(..) => self.blocks.push(op.clone()),
            Op::Sync(id) => {
                let (synced, rest): (Vec<_>, Vec<_>) = self.blocks.drain(..).partition(
                    |block| matches!(block, Op::Write(other, ..) | Op::SetLen(other, _) if other == id),
                );
                synced.iter().for_each(|op| apply_content(&mut self.files, op));
                self.blocks = rest;
            }
            Op::SyncDir(name) => {
                let (synced, rest): (Vec<_>, Vec<_>) = self.renames.drain(..).partition(|op| match op {
                    Op::Create(path, _) | Op::Remove(path) | Op::Rename(path, _) => directory(path) == name,
                    _ => false,
                });
                synced.iter().for_each(|op| apply_name(&mut self.names, op));
                self.renames = rest;
            }
            Op::Acked(first, last) => self.acked.extend(*first..=*last),
            Op::Cursor(done) => self.cursor = *done,
        }
    }

    /// Blocks of content that are not synced.
    pub fn loose_blocks(&self) -> usize {
        self.blocks.len()
    }

    /// Changes of names that are not synced.
    pub fn loose_names(&self) -> usize {
        self.renames.len()
    }

    /// The files of one crash: of the last loose blocks those that `subset` has a bit for, all older ones, the last
    /// of them torn or not; and the first `names` loose changes of names.
    pub fn files(&self, subset: u32, bits: usize, torn: bool, names: usize) -> BTreeMap<String, Vec<u8>> {
        let mut files = self.files.clone();
        let older = self.blocks.len().saturating_sub(bits);
        let last = (0..bits).rev().find(|bit| subset >> bit & 1 == 1);
        for (place, op) in self.blocks.iter().enumerate() {
            let bit = place.checked_sub(older);
            if bit.is_some_and(|bit| subset >> bit & 1 == 0) {
                continue;
            }
            match op {
                Op::Write(id, offset, bytes) if torn && bit.is_some() && bit == last => {
                    let half = bytes[..bytes.len() / 2].to_vec();
                    apply_content(&mut files, &Op::Write(*id, *offset, half));
                }
                op => apply_content(&mut files, op),
            }
        }
        let mut named = self.names.clone();
        self.renames.iter().take(names).for_each(|op| apply_name(&mut named, op));
        named.into_iter().map(|(name, id)| (name, files.get(&id).cloned().unwrap_or_default())).collect()
    }
}
