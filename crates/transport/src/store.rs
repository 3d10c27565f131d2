//! What a service manager keeps of a service between two runs of it: descriptors (sd_notify(3), `FDSTORE=1`).
//!
//! A manager keeps descriptors and nothing else, so what is to be said of them stands in a file in memory that it keeps
//! beside them: the [messages](Message) that a running successor would be told. A socket is known there by its inode,
//! because a manager promises no order.
use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufRead as _, Read as _, Write as _},
    os::fd::{AsFd, OwnedFd},
};

use crate::takeover::{HEAD, Message};

/// Sockets that are put away, and what is said of them.
#[derive(Debug)]
pub struct Store {
    file: File,
    sockets: Vec<OwnedFd>,
}

impl Store {
    /// An empty store.
    ///
    /// # Errors
    ///
    /// If the system has no files in memory ([`io::ErrorKind::Unsupported`]; Linux has them), or gives none.
    pub fn new() -> io::Result<Self> {
        let mut store = Self { file: file_in_memory()?, sockets: Vec::new() };
        // It has the version of what follows.
        store.put(Message::Hello)?;
        Ok(store)
    }

    /// Puts a message in, and its socket.
    ///
    /// # Errors
    ///
    /// If there is no memory for it.
    pub fn put(&mut self, message: Message) -> io::Result<()> {
        let inode = message.socket().map(inode).transpose()?.unwrap_or(0);
        self.file.write_all(&[&inode.to_be_bytes()[..], &message.to_bytes()?].concat())?;
        self.sockets.extend(message.into_socket());
        Ok(())
    }

    /// All that is to be kept. The file comes last: where it is, all that it speaks of should be.
    pub fn into_descriptors(self) -> Vec<OwnedFd> {
        let Self { file, mut sockets } = self;
        sockets.push(file.into());
        sockets
    }

    /// What was put in, in its order, without what was not kept; nothing if the file was not. The file is empty after it.
    ///
    /// # Errors
    ///
    /// If the file is of another version or cannot be read.
    pub fn take(sockets: Vec<OwnedFd>, files: Vec<File>) -> io::Result<Vec<Message>> {
        let sockets = sockets.into_iter().map(|socket| Ok((inode(&socket)?, socket)));
        let mut sockets = sockets.collect::<io::Result<HashMap<u64, OwnedFd>>>()?;
        let mut messages = Vec::new();
        for file in files {
            let mut from = io::BufReader::new(&file);
            let mut place = [0; size_of::<u64>()];
            let mut is_first = true;
            while !from.fill_buf()?.is_empty() {
                from.read_exact(&mut place)?;
                let mut head = [0; HEAD];
                from.read_exact(&mut head)?;
                let inode = u64::from_be_bytes(place);
                let socket = sockets.remove(&inode);
                let is_missing = inode != 0 && socket.is_none();
                match Message::receive(head, &mut from, socket) {
                    Ok(Message::Hello) if is_first => is_first = false,
                    Ok(message) if !is_first => messages.push(message),
                    Err(_) if !is_first && is_missing => {}
                    _ => return Err(io::ErrorKind::InvalidData.into()),
                }
            }
            // The descriptor under which it came cannot be closed; its memory is free.
            file.set_len(0)?;
        }
        Ok(messages)
    }
}

fn inode(socket: impl AsFd) -> io::Result<u64> {
    Ok(rustix::fs::fstat(socket)?.st_ino)
}

#[cfg(target_os = "linux")]
fn file_in_memory() -> io::Result<File> {
    Ok(rustix::fs::memfd_create(c"logrecord", rustix::fs::MemfdFlags::CLOEXEC)?.into())
}

#[cfg(not(target_os = "linux"))]
fn file_in_memory() -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}
