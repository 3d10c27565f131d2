//! Records that wait for an acknowledgement, in a folder: what a handler has taken outlives its process.
//!
//! A record is sealed, stored, and only then queued, so that no number was ever sent that the next run might give to
//! another record. The next run goes on with the stream of what it finds, and sends the same bytes again: a receiver knows
//! by their numbers what it has.
use std::{
    collections::VecDeque,
    path::PathBuf,
    process,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use logrecord_frame::envelope::{Sealer, Verifier};
use logrecord_spool::{Config, Cursor, CursorState, Entry, Spool, Start};
use logrecord_transport::sender::{Ack, AckReader, Message, Sender};

use crate::error::{Error, ErrorKind};

/// How long the disk may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// After how many settled records the folder is told of it: fewer than a receiver's window, in which it knows a record
/// again that comes twice.
const OFTEN: usize = 512;
/// No sealed record is stored in fewer bytes.
const LEAST: u64 = 128;

/// Where records are kept.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) directory: PathBuf,
    pub(crate) config: Config,
}

/// The records of one handler.
pub(crate) struct Stored {
    /// Nothing once it is dropped.
    spool: Option<Spool>,
    process: u32,
    settled: Arc<Mutex<Settled>>,
    /// Stored, or about to be, and not queued yet: the last index, and the message.
    waiting: Mutex<VecDeque<(u64, Message)>>,
    /// Of the run before.
    resumed: Vec<Message>,
}

fn failed(error: std::io::Error) -> Error {
    Error::with(ErrorKind::Spool, error)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn pop_if<T>(queue: &mut VecDeque<T>, wanted: impl FnOnce(&T) -> bool) -> Option<T> {
    if queue.front().is_some_and(wanted) { queue.pop_front() } else { None }
}

impl Stored {
    /// Opens the folder, and has `sealer` go on behind what is in it, which must be of its key.
    pub(crate) fn open(place: &Place, sealer: &mut Sealer, verifier: &Verifier) -> Result<Self, Error> {
        // Nobody reads what is acknowledged.
        let spool = Spool::open(&place.directory, place.config.retain(0)).map_err(failed)?;
        let cursor = spool.cursor("acknowledged", Start::Oldest).map_err(failed)?;
        let mut reader = spool.reader(cursor.state().done);
        let (mut resumed, mut numbers, mut next) = (Vec::new(), VecDeque::new(), None);
        while let Some(record) = reader.read().map_err(failed)? {
            let payload = Bytes::copy_from_slice(record.entry.payload);
            let verified = verifier.verify(record.entry.received, payload.clone());
            let verified = verified.map_err(|error| Error::with(ErrorKind::Spool, error))?;
            let (stream, number) = (verified.stream_id(), verified.seq());
            next = Some((stream, number.saturating_add(1)));
            numbers.push_back((number, record.index));
            resumed.push(Message::numbered(payload, number));
        }
        if let Some((stream, number)) = next {
            // What was cut off may have been sent.
            let cut = spool.recovery().cut_bytes.div_ceil(LEAST);
            sealer.resume(stream, number.saturating_add(cut));
        }
        let done = cursor.state().done;
        let settled = Arc::new(Mutex::new(Settled { cursor, numbers, done, unstored: 0 }));
        let process = process::id();
        Ok(Self { spool: Some(spool), process, settled, waiting: Mutex::default(), resumed })
    }

    /// What reads acknowledgements, and takes note of what they settle.
    pub(crate) fn reader(&self, reader: Arc<dyn AckReader>) -> Arc<dyn AckReader> {
        Arc::new(Noting { reader, settled: Arc::clone(&self.settled) })
    }

    /// Queues what the run before has left; gives how many.
    pub(crate) fn resume(&mut self, sender: &Sender) -> u64 {
        let resumed = std::mem::take(&mut self.resumed);
        let count = resumed.len() as u64;
        for message in resumed {
            // What there is no room for is counted by the sender.
            sender
                .try_send_with(message.payload().len(), || Ok::<_, logrecord_transport::Error>(message))
                .ok();
        }
        count
    }

    /// Stores a message of `len` payload bytes, and queues it. When this returns, it is stored.
    pub(crate) fn send(
        &self,
        sender: &Sender,
        len: usize,
        make: impl FnOnce() -> Result<Message, Error>,
    ) -> Result<(), Error> {
        let Some(spool) = &self.spool else { return Err(Error::new(ErrorKind::Spool)) };
        let index = {
            let mut waiting = lock(&self.waiting);
            let mut appender = spool.appender();
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let time = i64::try_from(now.as_nanos()).unwrap_or(i64::MAX);
            let entry = Entry { received: time, ..Entry::default() };
            // No number is used up by a record that is not stored.
            let room = appender.reserve(entry.encoded_len() + len);
            let room = room.map_err(|full| failed(std::io::Error::other(full)))?;
            let message = make()?;
            let index = room.append(&Entry { payload: message.payload(), ..entry });
            lock(&self.settled).numbers.push_back((message.number().unwrap_or_default(), index));
            waiting.push_back((index, message));
            index
        };
        let is_stored = spool.wait_durable(index, PATIENCE);
        let mut outcome = Ok(());
        let mut waiting = lock(&self.waiting);
        // Whoever comes first queues them for all, in their order.
        while let Some((first, message)) = pop_if(&mut waiting, |(first, _)| *first <= spool.durable()) {
            let queued = sender.send(message);
            if first == index {
                outcome = queued;
            }
        }
        if !is_stored {
            waiting.retain(|(other, _)| *other != index);
            return Err(failed(std::io::ErrorKind::TimedOut.into()));
        }
        Ok(outcome?)
    }

    /// Stores what is settled.
    pub(crate) fn note(&self) {
        lock(&self.settled).store();
    }
}

impl Drop for Stored {
    fn drop(&mut self) {
        if self.process == process::id() {
            self.note();
        } else {
            // The folder is the parent's, and so are the threads that have it open.
            std::mem::forget(self.spool.take());
        }
    }
}

/// What of the folder is settled.
struct Settled {
    cursor: Cursor,
    /// Of what is not settled, the number and the index.
    numbers: VecDeque<(u64, u64)>,
    /// The last index that is settled.
    done: u64,
    /// How many are settled and not stored as that.
    unstored: usize,
}

impl Settled {
    fn store(&mut self) {
        // If it fails, some records are sent once more after a restart.
        if self.unstored > 0
            && self.cursor.store(CursorState { done: self.done, ..CursorState::default() }).is_ok()
        {
            self.unstored = 0;
        }
    }
}

struct Noting {
    reader: Arc<dyn AckReader>,
    settled: Arc<Mutex<Settled>>,
}

impl AckReader for Noting {
    fn read(&self, payload: &[u8]) -> Option<Ack> {
        self.reader.read(payload)
    }

    fn settled(&self, below: u64) {
        let mut state = lock(&self.settled);
        while let Some((_, index)) = pop_if(&mut state.numbers, |(number, _)| *number < below) {
            state.done = index;
            state.unstored += 1;
        }
        if state.unstored >= OFTEN {
            state.store();
        }
    }
}
