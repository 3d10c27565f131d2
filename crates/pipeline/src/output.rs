//! What an output is: something that takes batches. It knows no queue, no retry and no count.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use logrecord::model::LogRecord;
use logrecord_spool::{Entry, RunId};

/// Records on their way to an output, encoded one behind the other.
#[derive(Debug, Default)]
pub struct Batch {
    pub(crate) bytes: Vec<u8>,
    /// Where each record ends.
    pub(crate) ends: Vec<usize>,
    /// The index of each record in the log.
    pub(crate) indices: Vec<u64>,
}

impl Batch {
    /// How many records there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// All records from one on, as one piece.
    pub fn bytes(&self, from: usize) -> &[u8] {
        self.bytes.get(self.start(from)..).unwrap_or_default()
    }

    /// One record.
    pub fn record(&self, place: usize) -> &[u8] {
        let end = self.ends.get(place).copied().unwrap_or(self.bytes.len());
        self.bytes.get(self.start(place)..end).unwrap_or_default()
    }

    /// Where a record begins.
    pub(crate) fn start(&self, place: usize) -> usize {
        place.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0)
    }

    /// How many records end within the first bytes.
    pub fn whole(&self, bytes: usize) -> usize {
        self.ends.partition_point(|&end| end <= bytes)
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.indices.clear();
    }
}

/// A record of the log, undecoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Logged<'a> {
    /// Its number in the log.
    pub index: u64,
    /// The run that logged it.
    pub run: RunId,
    /// The payload and where it came from.
    pub entry: Entry<'a>,
}

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Delivery {
    /// All of it is delivered, but for so many that the other side has refused for good.
    Done {
        /// How many were refused.
        rejected: u64,
    },
    /// So many records of the batch, counted from its beginning, are delivered; the rest is still to come.
    Partly {
        /// How many are delivered, the ones before `from` included.
        done: usize,
    },
    /// Nothing more was taken, but it may be later.
    Retry {
        /// Not before this time, if the other side has said so.
        after: Option<Duration>,
        /// Why.
        why: String,
    },
    /// The other side refuses the rest of this batch for good.
    Refused(String),
    /// Nothing will ever be taken again: the reader has seen enough.
    Closed,
    /// Nothing will ever be taken again, because of a fault.
    Failed(String),
}

/// Why an output takes nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// Its reader has seen enough.
    Closed,
    /// It has failed for good.
    Failed,
}

impl End {
    /// The word by which what is left is counted.
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Failed => "failed",
        }
    }
}

/// Where the next record will stand in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a cursor holds these two")]
pub struct Place {
    /// The file.
    pub inode: u64,
    /// The offset in it.
    pub offset: u64,
}

/// Makes of a record what an output wants.
pub trait Encoder: Send + 'static {
    /// Appends a record.
    ///
    /// # Errors
    ///
    /// A short reason why the output cannot have it; what was appended is then taken away.
    fn encode(
        &mut self,
        record: &LogRecord<'_>,
        logged: &Logged<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), &'static str>;
}

/// Takes batches. The driver around it has the queue, the tries, the time and the counts.
pub trait Output: Send + 'static {
    /// How long one delivery may take; `None` for one that must not be cancelled in the middle.
    fn timeout(&self) -> Option<Duration> {
        None
    }

    /// Delivers the records of a batch from one on.
    fn deliver(&mut self, batch: &Arc<Batch>, from: usize) -> impl Future<Output = Delivery> + Send;

    /// Gives a delivery up whose future was dropped, and says how many records of the batch were delivered all the
    /// same.
    fn abandon(&mut self, batch: &Arc<Batch>, from: usize) -> impl Future<Output = usize> + Send {
        let (_, _) = (self, batch);
        std::future::ready(from)
    }

    /// Opens again what can be opened, after a rotation.
    ///
    /// # Errors
    ///
    /// If the new one cannot be opened. The old one is let go of all the same.
    fn reopen(&mut self) -> impl Future<Output = io::Result<()>> + Send {
        std::future::ready(Ok(()))
    }

    /// Whether the output wants to begin a new file before it gets this batch.
    fn rotates(&self, batch: &Batch) -> bool {
        let _ = batch;
        false
    }

    /// Begins a new file.
    ///
    /// # Errors
    ///
    /// If that fails; the old one stays in use where it can.
    fn rotate(&mut self) -> impl Future<Output = io::Result<()>> + Send {
        std::future::ready(Ok(()))
    }

    /// Makes durable what was delivered, and says where the next record will stand, if that is known.
    ///
    /// # Errors
    ///
    /// If it cannot be made durable.
    fn sync(&mut self) -> impl Future<Output = io::Result<Option<Place>>> + Send {
        std::future::ready(Ok(None))
    }

    /// At the start: records from this place on may be there already.
    fn resume(&mut self, place: Place) -> impl Future<Output = ()> + Send {
        let _ = place;
        std::future::ready(())
    }

    /// How many records of the batch, from its beginning, are there already; fewer than all of them end the search.
    fn already(&mut self, batch: &Arc<Batch>) -> impl Future<Output = usize> + Send {
        let _ = batch;
        std::future::ready(0)
    }

    /// Ends.
    fn close(self) -> impl Future<Output = ()> + Send
    where
        Self: Sized,
    {
        drop(self);
        std::future::ready(())
    }
}
